//! The chat context: what a language model is shown of a conversation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who a message is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the application.
    System,
    /// A person.
    User,
    /// The agent.
    Assistant,
}

/// A message in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said; for the agent, only what was audible.
    pub text: String,
    /// Whether the agent was cut off after `text`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The words that were written but not heard, because it was cut off or a model failed. Not shown to the model by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unheard: Option<String>,
}

impl Message {
    /// A whole message of `role`.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into(), interrupted: false, unheard: None }
    }
}

/// A tool call as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's id of the call; its output must name the same.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// The arguments as JSON text, exactly as the model gave them (so they may be invalid).
    pub arguments: String,
}

/// What a tool call came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolOutput {
    /// [`ToolCall::id`] of the call.
    pub call_id: String,
    /// Name of the tool.
    pub name: String,
    /// The result, or the error in words for the model.
    pub output: String,
    /// Whether `output` tells of a failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
}

/// One item of a chat context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChatItem {
    /// Words.
    Message(Message),
    /// The model asked for a tool.
    ToolCall(ToolCall),
    /// What the tool gave. Each call has exactly one.
    ToolOutput(ToolOutput),
}

impl ChatItem {
    /// A message of `role`.
    pub fn message(role: Role, text: impl Into<String>) -> Self {
        Self::Message(Message::new(role, text))
    }
}

/// The ordered items a model is shown. Cloning shares the items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChatContext {
    items: Vec<Arc<ChatItem>>,
}

impl ChatContext {
    /// An empty context.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: impl Into<Arc<ChatItem>>) {
        self.items.push(item.into());
    }

    /// Adds a message at the end, for building a context in one expression.
    #[must_use]
    pub fn with(mut self, role: Role, text: impl Into<String>) -> Self {
        self.push(ChatItem::message(role, text));
        self
    }

    /// The items, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &ChatItem> + DoubleEndedIterator {
        self.items.iter().map(Arc::as_ref)
    }

    /// The items, oldest first, for sharing them with another context.
    pub fn shared(&self) -> impl ExactSizeIterator<Item = &Arc<ChatItem>> {
        self.items.iter()
    }

    /// Number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Length of all texts, in characters.
    #[must_use]
    pub fn characters(&self) -> usize {
        let length = |text: &str| text.chars().count();
        let length = |item: &ChatItem| match item {
            ChatItem::Message(message) => length(&message.text),
            ChatItem::ToolCall(call) => length(&call.name) + length(&call.arguments),
            ChatItem::ToolOutput(output) => length(&output.output),
        };
        self.iter().map(length).sum()
    }

    /// Drops the oldest items until at most `max` are left, and with them tool outputs whose call is dropped.
    pub fn truncate_front(&mut self, max: usize) {
        let cut = self.items.len().saturating_sub(max);
        let mut dropped: Vec<String> = Vec::new();
        for item in self.items.drain(..cut) {
            if let ChatItem::ToolCall(call) = &*item {
                dropped.push(call.id.clone());
            }
        }
        self.items.retain(|item| match &**item {
            ChatItem::ToolOutput(output) => !dropped.contains(&output.call_id),
            ChatItem::Message(_) | ChatItem::ToolCall(_) => true,
        });
    }
}

impl<T: Into<Arc<ChatItem>>> FromIterator<T> for ChatContext {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self { items: items.into_iter().map(Into::into).collect() }
    }
}

/// A tool as it is described to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Name, of letters, digits, `_` and `-`; at most 64 characters.
    pub name: String,
    /// What the tool does and when to use it.
    pub description: String,
    /// JSON Schema of the arguments object.
    pub parameters: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_leaves_no_orphan_output() {
        let call = ToolCall { id: "1".into(), name: "clock".into(), arguments: "{}".into() };
        let output = ToolOutput { call_id: "1".into(), name: "clock".into(), output: "noon".into(), is_error: false };
        let mut chat = ChatContext::new().with(Role::User, "time?");
        chat.push(ChatItem::ToolCall(call));
        chat.push(ChatItem::ToolOutput(output));
        chat.push(ChatItem::message(Role::Assistant, "noon"));
        chat.truncate_front(2);
        assert_eq!(chat.iter().collect::<Vec<_>>(), [&ChatItem::message(Role::Assistant, "noon")]);
    }

    #[test]
    fn truncation_between_parallel_calls_leaves_no_orphan_output() {
        let call = |id: &str| ChatItem::ToolCall(ToolCall { id: id.into(), name: "a".into(), arguments: "{}".into() });
        let output = |id: &str| {
            let (call_id, name, output) = (id.into(), "a".into(), "noon".into());
            ChatItem::ToolOutput(ToolOutput { call_id, name, output, is_error: false })
        };
        let mut chat: ChatContext = [call("1"), call("2"), output("1"), output("2")].into_iter().collect();
        chat.truncate_front(3);
        assert_eq!(chat.iter().collect::<Vec<_>>(), [&call("2"), &output("2")]);
    }
}
