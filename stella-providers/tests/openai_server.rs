//! The language model against a real server: that the protocol is understood, not that the model is clever.
//!
//! `cargo xtask test` starts the server and sets `STELLA_TEST_LLM_URL` and `STELLA_TEST_LLM_MODEL`.

use std::time::Duration;

use futures_util::StreamExt;
use stella_core::{
    chat::{ChatContext, Role},
    error::ProviderError,
    llm::{Llm, LlmEvent, LlmRequest},
    testing::contract::llm as contract,
};
use stella_providers::openai::{OpenAiLlm, OpenAiLlmBuilder, Timeouts};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`, which starts a server"))
}

/// A patient model: the machine may be busy, and the server answers one request after the other.
fn model() -> OpenAiLlmBuilder {
    let patience = Duration::from_secs(120);
    let timeouts = Timeouts { first: patience, next: patience, ..Timeouts::default() };
    let (url, name) = (variable("STELLA_TEST_LLM_URL"), variable("STELLA_TEST_LLM_MODEL"));
    OpenAiLlm::builder(url, name).temperature(0.0).max_tokens(24).timeouts(timeouts)
}

#[tokio::test]
async fn the_server_has_the_model() {
    model().build().unwrap().check().await.unwrap();
}

#[tokio::test]
async fn an_absent_path_is_an_invalid_request() {
    let url = variable("STELLA_TEST_LLM_URL") + "/nowhere";
    let error = OpenAiLlm::builder(url, "m").build().unwrap().check().await.unwrap_err();
    assert!(matches!(error, ProviderError::InvalidRequest { .. }), "{error:?}");
}

#[tokio::test]
async fn text_ends_in_one_done() {
    contract::text_ends_in_one_done(&model().build().unwrap()).await;
}

#[tokio::test]
async fn usage_is_given_once() {
    contract::usage_is_given_once(&model().build().unwrap()).await;
}

#[tokio::test]
async fn forbidden_tools_are_not_called() {
    contract::forbidden_tools_are_not_called(&model().build().unwrap()).await;
}

#[tokio::test]
async fn any_history_is_taken() {
    let llm = model().build().unwrap();
    contract::any_history_is_taken(&llm).await;
}

/// One slot: the second request is answered only if dropping the first one freed it.
#[tokio::test]
async fn dropping_a_stream_frees_the_server() {
    let llm = model().max_tokens(4_000).build().unwrap();
    let chat = ChatContext::new().with(Role::User, "Count from one to one thousand, in words.");
    let request = LlmRequest { chat, ..LlmRequest::default() };
    let mut stream = llm.generate(request.clone()).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(LlmEvent::Text(_)))));
    drop(stream);
    let mut stream = llm.generate(LlmRequest { max_tokens: Some(1), ..request }).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
}
