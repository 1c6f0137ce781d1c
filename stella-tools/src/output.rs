//! What a model is told of a call.

use serde_json::Value;
use stella_core::{chat::ToolCall, chat::ToolOutput, error::chain, tool::ToolError};

/// What a call came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The tool returned.
    Returned(Result<Value, ToolError>),
    /// It was cancelled first.
    Cancelled,
}

impl Outcome {
    /// The output of `call`, of at most `max` bytes of text. Causes go to the log.
    pub(crate) fn output(self, call: ToolCall, names: impl Iterator<Item = String>, max: usize) -> ToolOutput {
        let (text, is_error) = match self {
            Self::Returned(Ok(Value::String(text))) => (text, false),
            Self::Returned(Ok(value)) => (value.to_string(), false),
            Self::Returned(Err(error)) => (explain(&error, names), true),
            Self::Cancelled => ("cancelled before it was done".to_owned(), true),
        };
        ToolOutput { call_id: call.id, name: call.name, output: shorten(text, max), is_error }
    }
}

fn explain(error: &ToolError, names: impl Iterator<Item = String>) -> String {
    match error {
        ToolError::Internal { .. } => tracing::warn!(error = chain(error), "a tool failed"),
        _ => tracing::debug!(%error, "a tool call failed"),
    }
    match error {
        ToolError::Unknown { .. } => {
            let names: Vec<_> = names.collect();
            format!("{error}; there are: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") })
        }
        _ => error.to_string(),
    }
}

/// `text` of at most `max` bytes, with a note at its end if it was longer. The note comes on top.
fn shorten(mut text: String, max: usize) -> String {
    if text.len() <= max {
        return text;
    }
    let whole = text.len();
    text.truncate(text.floor_char_boundary(max));
    let shown = text.len();
    text.push_str(&format!("… [cut: the first {shown} of {whole} bytes]"));
    text
}

#[cfg(test)]
mod tests {
    use std::iter;

    use serde_json::json;

    use super::*;

    #[test]
    fn outcomes_are_put_in_words() {
        let unknown = || Outcome::Returned(Err(ToolError::Unknown { name: "rocket".into() }));
        let internal = Outcome::Returned(Err(crate::internal("the password is swordfish")));
        let names = || ["clock".to_owned(), "menu".to_owned()].into_iter();
        let table = [
            (Outcome::Returned(Ok(json!("as it is"))), "as it is", false),
            (Outcome::Returned(Ok(json!({"a": [1]}))), r#"{"a":[1]}"#, false),
            (Outcome::Returned(Ok(Value::Null)), "null", false),
            (unknown(), r#"there is no tool named "rocket"; there are: clock, menu"#, true),
            (internal, "the tool failed", true),
            (Outcome::Cancelled, "cancelled before it was done", true),
        ];
        for (outcome, text, is_error) in table {
            let call = ToolCall { id: "1".into(), name: "x".into(), arguments: String::new() };
            let output = outcome.output(call, names(), 100);
            assert_eq!((output.output.as_str(), output.is_error), (text, is_error));
        }
        let call = ToolCall { id: "1".into(), name: "x".into(), arguments: String::new() };
        assert!(unknown().output(call, iter::empty(), 100).output.ends_with("there are: none"));
    }

    #[test]
    fn long_outputs_are_cut_between_characters() {
        assert_eq!(shorten("ééé".into(), 6), "ééé");
        assert_eq!(shorten("ééé".into(), 5), "éé… [cut: the first 4 of 6 bytes]");
    }
}
