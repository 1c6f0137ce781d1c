//! Language models, one after the other.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, future, stream};
use stella_core::{
    error::ProviderError,
    llm::{Llm, LlmCapabilities, LlmEvent, LlmRequest, LlmStream},
};

use super::{FallbackOptions, Line};

/// Asks the next model when one fails before its first part.
#[derive(Debug)]
pub struct FallbackLlm(Line<dyn Llm>);

impl FallbackLlm {
    /// Models in the order in which they are asked.
    pub fn new(first: Arc<dyn Llm>, others: impl IntoIterator<Item = Arc<dyn Llm>>, options: FallbackOptions) -> Self {
        Self(Line::new(first, others, options))
    }
}

/// The first part of an answer, and the rest of it.
async fn begin(llm: &dyn Llm, request: LlmRequest) -> Result<(LlmEvent, LlmStream), ProviderError> {
    let mut rest = llm.generate(request).await?;
    match rest.next().await {
        Some(event) => Ok((event?, rest)),
        None => Err(ProviderError::Protocol { provider: llm.name(), reason: "an answer without an end".into() }),
    }
}

#[async_trait]
impl Llm for FallbackLlm {
    fn name(&self) -> &'static str {
        self.0.first().name()
    }

    /// What all of them can do.
    fn capabilities(&self) -> LlmCapabilities {
        let all = |can: fn(LlmCapabilities) -> bool| self.0.providers.iter().all(|llm| can(llm.capabilities()));
        LlmCapabilities { tools: all(|can| can.tools), streaming: all(|can| can.streaming) }
    }

    async fn generate(&self, request: LlmRequest) -> Result<LlmStream, ProviderError> {
        let ask = |llm| begin(llm, request.clone());
        let ((first, answer), rest) = self.0.ask(|llm| llm.name(), ask).await?;
        let answer = answer.inspect(move |event| {
            if let Err(error) = event {
                rest.take(error);
            }
        });
        Ok(stream::once(future::ready(Ok(first))).chain(answer).boxed())
    }
}
