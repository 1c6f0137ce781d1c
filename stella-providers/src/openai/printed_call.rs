//! Tool calls that a model printed as text.

use std::ops::Range;

use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) const TAG: &str = "<tool_call>";
pub(super) const FENCE: &str = "```";
const END_TAG: &str = "</tool_call>";

/// What a text that begins like a call can still become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Probe {
    /// Not a call, whatever follows.
    No,
    /// Undecided.
    Open,
    /// An object is complete; it lies here.
    Complete(Range<usize>),
}

/// Judges a text that begins with a brace, a fence or a tag, or with a part of one at its end.
pub(super) fn probe(text: &str) -> Probe {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if let Some(inner) = rest.strip_prefix(TAG) {
            rest = inner;
        } else if let Some(inner) = rest.strip_prefix(FENCE) {
            rest = inner.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
            if !rest.is_empty() && !rest.starts_with(|c: char| c.is_whitespace() || c == '{') {
                return Probe::No;
            }
        } else if TAG.starts_with(rest) || FENCE.starts_with(rest) {
            return Probe::Open; // the empty rest, too
        } else {
            break;
        }
    }
    let start = text.len() - rest.len();
    match probe_object(rest) {
        Probe::Complete(object) => Probe::Complete(start..start + object.end),
        undecided => undecided,
    }
}

fn probe_object(text: &str) -> Probe {
    let inner = text.trim_start_matches('{');
    let opens = text.len() - inner.len();
    let first = inner.trim_start().chars().next();
    if opens == 0 || opens > 2 || first.is_some_and(|c| !matches!(c, '"' | '}')) {
        return Probe::No;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Probe::Complete(0..at + 1);
        }
    }
    Probe::Open
}

/// A call in `text`: its name and its arguments as JSON. Only an object with a name that is `known` and with an object
/// of arguments is one.
pub(super) fn parse(text: &str, known: impl Fn(&str) -> bool) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Printed {
        name: String,
        arguments: Map<String, Value>,
    }

    let object = unwrap(text);
    let outer = object.strip_prefix('{')?;
    let both = outer.strip_suffix('}').unwrap_or(outer);
    // Templates teach some models to double braces: the outer ones, only the first, or all.
    let single = object.replace("{{", "{").replace("}}", "}");
    [object, both, outer, &single]
        .into_iter()
        .find_map(|text| serde_json::from_str::<Printed>(text).ok())
        .filter(|call| known(&call.name))
        .map(|call| (call.name, Value::Object(call.arguments).to_string()))
}

/// Whether `text` holds nothing but the marks that may follow a call, of which the last may still be coming.
pub(super) fn only_closes(text: &str) -> bool {
    let mut rest = text.trim_start();
    while let Some(next) = rest.strip_prefix(FENCE).or_else(|| rest.strip_prefix(END_TAG)) {
        rest = next.trim_start();
    }
    FENCE.starts_with(rest) || END_TAG.starts_with(rest)
}

/// `text` without fences and tags around it.
fn unwrap(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let before = text.len();
        text = text.strip_prefix(TAG).unwrap_or(text).trim_start();
        if let Some(inner) = text.strip_prefix(FENCE) {
            text = inner.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).trim_start();
        }
        text = text.strip_suffix(FENCE).unwrap_or(text).trim_end();
        text = text.strip_suffix(END_TAG).unwrap_or(text).trim_end();
        if text.len() == before {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = r#"{"name": "clock", "arguments": {"zone": "UTC"}}"#;

    #[test]
    fn calls_are_found_in_what_small_models_print() {
        let doubled = r#"{{"name": "clock", "arguments": {{"zone": "UTC"}}}}"#;
        let table = [
            (CALL.to_owned(), true),
            (format!("<tool_call>\n{CALL}\n</tool_call>"), true),
            (format!("```json\n{CALL}\n```"), true),
            (format!("```\n{CALL}```"), true),
            (format!("<tool_call>```tool_call\n{CALL}\n```</tool_call>"), true),
            (format!("{{{CALL}}}"), true),
            (format!("{{{CALL}"), true),
            (doubled.to_owned(), true),
            (r#"{"id": 7, "name": "clock", "arguments": {"zone": "UTC"}, "type": "call"}"#.to_owned(), true),
            (r#"{"arguments": {"zone": "UTC"}, "name": "clock"}"#.to_owned(), true),
            (r#"{"name": "rocket", "arguments": {"zone": "UTC"}}"#.to_owned(), false),
            (r#"{"name": "clock"}"#.to_owned(), false),
            (r#"{"name": "clock", "arguments": "UTC"}"#.to_owned(), false),
            (r#"{"name": "clock", "arguments": ["UTC"]}"#.to_owned(), false),
            (r#"{"name": 1, "arguments": {}}"#.to_owned(), false),
            (format!("[{CALL}]"), false),
            (format!("{CALL} and more"), false),
            ("clock".to_owned(), false),
            (String::new(), false),
        ];
        for (text, is_call) in table {
            let expected = is_call.then(|| ("clock".to_owned(), r#"{"zone":"UTC"}"#.to_owned()));
            assert_eq!(parse(&text, |name| name == "clock"), expected, "{text}");
        }
    }

    #[test]
    fn a_text_is_probed() {
        let table = [
            ("{", Probe::Open),
            ("{ \n", Probe::Open),
            ("{\"a\": {", Probe::Open),
            ("{{\"a\": 1}", Probe::Open),
            ("{\"a\": \"}\\\"}", Probe::Open),
            ("{}", Probe::Complete(0..2)),
            ("{\"a\": \"}\"} x", Probe::Complete(0..10)),
            ("`", Probe::Open),
            ("```", Probe::Open),
            ("```jso", Probe::Open),
            ("```json\n", Probe::Open),
            ("```json\n{}\n```", Probe::Complete(8..10)),
            ("```rust\nfn", Probe::No),
            ("```c++", Probe::No),
            ("<tool_", Probe::Open),
            ("<tool_call>{}", Probe::Complete(11..13)),
            ("<tool_call>Hello", Probe::No),
            ("{x", Probe::No),
            ("{{{", Probe::No),
            ("{1", Probe::No),
        ];
        for (text, expected) in table {
            assert_eq!(probe(text), expected, "{text:?}");
        }
    }
}
