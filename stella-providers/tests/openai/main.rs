//! The language model over OpenAI's protocol, against a fake server on the wire.
#![cfg(feature = "openai")]
#![allow(clippy::unwrap_used, reason = "a failed test is meant to stop")]

mod contract;
mod failures;
mod fake_server;
mod models;
mod streams;

use std::time::Duration;

use futures_util::StreamExt;
use stella_core::{
    chat::{ChatContext, Role, ToolSpec},
    error::ProviderError,
    llm::{Llm, LlmEvent, LlmRequest},
};
use stella_providers::openai::{OpenAiLlm, OpenAiLlmBuilder, RetryPolicy};

use self::fake_server::FakeServer;

/// A model on `server` that does not pause long before it tries again.
fn model(server: &FakeServer) -> OpenAiLlmBuilder {
    let retry = RetryPolicy { base: Duration::from_millis(1), ..RetryPolicy::default() };
    OpenAiLlm::builder(server.url(), "fake-model").api_key("hunter2").retry(retry)
}

fn hello() -> LlmRequest {
    LlmRequest { chat: ChatContext::new().with(Role::User, "Hello."), ..LlmRequest::default() }
}

fn with_tool() -> LlmRequest {
    let parameters = serde_json::json!({ "type": "object", "properties": {} });
    let spec = ToolSpec { name: "clock".into(), description: "Tells the time.".into(), parameters };
    LlmRequest { tools: vec![spec], ..hello() }
}

/// All events, and the error if there is one.
async fn run(llm: &OpenAiLlm, request: LlmRequest) -> (Vec<LlmEvent>, Option<ProviderError>) {
    let mut stream = match llm.generate(request).await {
        Ok(stream) => stream,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
    (events, None)
}

fn text(events: &[LlmEvent]) -> String {
    events
        .iter()
        .map(|event| match event {
            LlmEvent::Text(text) => text.as_str(),
            _ => "",
        })
        .collect()
}

/// The output of `future`, which comes soon unless something hangs.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("this hangs")
}
