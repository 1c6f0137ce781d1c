//! Generations: one task each.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use stella_core::{
    chat::{ChatContext, ToolSpec},
    engine::Input,
    error::{ProviderError, chain},
    id::GenerationId,
    llm::{FinishReason, Llm, LlmEvent, LlmRequest, LlmStream, TokenUsage, ToolChoice},
};

use super::inputs::Inputs;
use crate::guard;

/// Longest wait for the token count after the end of a generation.
const USAGE_BY: Duration = Duration::from_millis(50);

/// How the model writes. Each `None` leaves it to the provider.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LlmOptions {
    /// Sampling temperature.
    pub temperature: Option<f32>,
    /// Most tokens of one generation.
    pub max_tokens: Option<u32>,
}

/// One generation. Dropping [`Generation::run`] cancels it.
pub(super) struct Generation {
    pub(super) id: GenerationId,
    pub(super) llm: Arc<dyn Llm>,
    pub(super) options: LlmOptions,
    pub(super) chat: ChatContext,
    pub(super) tools: Vec<ToolSpec>,
    pub(super) inputs: Inputs,
}

impl Generation {
    /// Tells the engine of every part, and of the end.
    pub(super) async fn run(mut self) {
        let (generation, inputs) = (self.id, self.inputs.clone());
        let input = match self.try_run().await {
            Ok((reason, usage)) => Input::Generated { generation, reason, usage },
            Err(error) => Input::GenerationFailed { generation, retryable: error.retryable(), error: chain(&error) },
        };
        inputs.send(input).await;
    }

    async fn try_run(&mut self) -> Result<(FinishReason, Option<TokenUsage>), ProviderError> {
        let name = self.llm.name();
        let tool_choice = if self.tools.is_empty() { ToolChoice::None } else { ToolChoice::Auto };
        let request = LlmRequest {
            chat: std::mem::take(&mut self.chat),
            tools: std::mem::take(&mut self.tools),
            tool_choice,
            temperature: self.options.temperature,
            max_tokens: self.options.max_tokens,
        };
        let mut stream = guard::provider(name, self.llm.generate(request)).await?;
        let mut usage = None;
        while let Some(event) = next(name, &mut stream).await? {
            let input = match event {
                LlmEvent::Text(text) => Input::Text { generation: self.id, text },
                LlmEvent::ToolCall(call) => Input::ToolCalled { generation: self.id, call },
                LlmEvent::Usage(tokens) => {
                    usage = Some(tokens);
                    continue;
                }
                LlmEvent::Done(reason) => {
                    if usage.is_none()
                        && let Ok(Ok(Some(LlmEvent::Usage(tokens)))) =
                            tokio::time::timeout(USAGE_BY, next(name, &mut stream)).await
                    {
                        usage = Some(tokens);
                    }
                    return Ok((reason, usage));
                }
            };
            self.inputs.send(input).await;
        }
        Err(ProviderError::Protocol { provider: name, reason: "the generation ended without an end".into() })
    }
}

async fn next(name: &'static str, stream: &mut LlmStream) -> Result<Option<LlmEvent>, ProviderError> {
    guard::provider(name, async { stream.next().await.transpose() }).await
}
