//! What comes back from a server, read as leniently as servers differ.

use serde::Deserialize;
use serde_json::Value;
use stella_core::llm::TokenUsage;

/// A streamed chunk, or a whole answer from a server that does not stream.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Chunk {
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) usage: Option<Usage>,
    /// Set in place of choices when the server failed.
    pub(super) error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    pub(super) index: u32,
    delta: Option<Delta>,
    message: Option<Delta>,
    pub(super) finish_reason: Option<String>,
}

impl Choice {
    /// What is new: a delta while streaming, the message of a whole answer.
    pub(super) fn delta(&mut self) -> Delta {
        self.delta.take().or(self.message.take()).unwrap_or_default()
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta {
    content: Option<Value>,
    refusal: Option<String>,
    pub(super) tool_calls: Option<Vec<CallDelta>>,
}

impl Delta {
    /// The text of this delta; a refusal is words like any others.
    pub(super) fn text(&self) -> String {
        let mut text = match &self.content {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
            _ => String::new(),
        };
        text.push_str(self.refusal.as_deref().unwrap_or_default());
        text
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct CallDelta {
    pub(super) index: Option<u32>,
    pub(super) id: Option<String>,
    pub(super) function: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct FunctionDelta {
    pub(super) name: Option<String>,
    arguments: Option<Value>,
}

impl FunctionDelta {
    /// The next part of the arguments. Some servers give them as an object instead of its text.
    pub(super) fn arguments(&self) -> String {
        match &self.arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub(super) struct Usage {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u32>,
}

impl From<Usage> for TokenUsage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt: usage.prompt_tokens,
            cached: usage.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or(0),
            completion: usage.completion_tokens,
        }
    }
}

/// The answer to `GET /models`.
#[derive(Debug, Deserialize)]
pub(super) struct ModelList {
    pub(super) data: Vec<Model>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Model {
    pub(super) id: String,
    pub(super) owned_by: Option<String>,
}
