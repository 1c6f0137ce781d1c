//! The seam to language models.

use std::{fmt, pin::Pin};

use async_trait::async_trait;
use futures_core::Stream;
use serde::{Deserialize, Serialize};

use crate::{
    chat::{ChatContext, ToolCall, ToolSpec},
    error::ProviderError,
};

/// What a model can do, asked once per session. A new field defaults to "cannot", so old providers stay right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LlmCapabilities {
    /// Takes tools and may answer with calls.
    pub tools: bool,
    /// Gives text as it is written, not in one piece at the end.
    pub streaming: bool,
}

/// Whether the model may, must or must not call tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No calls.
    None,
    /// At least one call.
    Required,
}

/// One request for a generation.
#[derive(Debug, Clone, Default)]
pub struct LlmRequest {
    /// What the model is shown, instructions included.
    pub chat: ChatContext,
    /// Tools the model may call.
    pub tools: Vec<ToolSpec>,
    /// Whether it may call them. Default: it decides.
    pub tool_choice: ToolChoice,
    /// Sampling temperature; `None` leaves it to the provider.
    pub temperature: Option<f32>,
    /// Most tokens to write; `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
}

/// Tokens counted by the provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens read.
    pub prompt: u32,
    /// Of `prompt`, tokens that came from a cache.
    pub cached: u32,
    /// Tokens written.
    pub completion: u32,
}

impl TokenUsage {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.saturating_add(other.prompt),
            cached: self.cached.saturating_add(other.cached),
            completion: self.completion.saturating_add(other.completion),
        }
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model had no more to say.
    Stop,
    /// `max_tokens` or the context was full.
    Length,
    /// The model waits for the output of its tool calls.
    ToolCalls,
    /// The provider withheld the rest.
    Filtered,
}

/// One part of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LlmEvent {
    /// Text to append; never empty.
    Text(String),
    /// A complete tool call.
    ToolCall(ToolCall),
    /// What it cost; at most once.
    Usage(TokenUsage),
    /// The end; exactly once, unless an error ends the stream.
    Done(FinishReason),
}

/// The parts of one generation. Dropping it cancels the generation.
pub type LlmStream = Pin<Box<dyn Stream<Item = Result<LlmEvent, ProviderError>> + Send>>;

/// A language model.
///
/// Guarantees: the stream ends after the first error, or after [`LlmEvent::Done`] (a [`LlmEvent::Usage`] may follow
/// it); dropping the future or the stream frees whatever the request held.
#[async_trait]
pub trait Llm: fmt::Debug + Send + Sync {
    /// Short name of the provider, for errors, metrics and logs.
    fn name(&self) -> &'static str;

    /// What the model can do.
    fn capabilities(&self) -> LlmCapabilities;

    /// Starts a generation.
    ///
    /// # Errors
    /// [`ProviderError`]; ask [`ProviderError::retryable`] whether trying again makes sense.
    async fn generate(&self, request: LlmRequest) -> Result<LlmStream, ProviderError>;
}
