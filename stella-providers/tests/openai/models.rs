//! What is said before the first turn.

use serde_json::{Value, json};
use stella_core::error::{ProviderError, chain};
use stella_providers::openai::OpenAiLlm;

use crate::{
    fake_server::{Answer, FakeServer, nobody},
    model, soon,
};

fn list(models: &[(&str, &str)]) -> Value {
    let data: Value = models.iter().map(|(id, owner)| json!({"id": id, "owned_by": owner})).collect();
    json!({"object": "list", "data": data})
}

async fn check(answer: Answer) -> Result<(), ProviderError> {
    let server = FakeServer::playing([answer]).await;
    let result = soon(model(&server).build().unwrap().check()).await;
    assert_eq!(server.requests()[0].line, "get /v1/models");
    assert_eq!(server.requests().len(), 1);
    result
}

#[tokio::test]
async fn a_model_the_server_has_is_right() {
    check(Answer::json(200, &list(&[("other", "me"), ("fake-model", "me")]))).await.unwrap();
}

#[tokio::test]
async fn llama_cpp_answers_to_any_name() {
    check(Answer::json(200, &list(&[("/some/file.gguf", "llamacpp")]))).await.unwrap();
}

#[tokio::test]
async fn an_absent_model_is_named_with_those_there_are() {
    let error = check(Answer::json(200, &list(&[("qwen", "me"), ("gemma", "me")]))).await.unwrap_err().to_string();
    assert!(error.contains(r#"no model "fake-model"; it has qwen, gemma"#), "{error}");
}

#[tokio::test]
async fn a_wrong_address_is_named() {
    let page = Answer::new(200, "text/html", "<html></html>");
    for answer in [Answer::new(404, "text/plain", "not found"), page] {
        let error = check(answer).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("base_url") && text.contains("/v1/models") && !error.retryable(), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_still_loads_is_asked_again_by_the_caller() {
    let error = check(Answer::json(503, &json!({"error": {"message": "Loading model"}}))).await.unwrap_err();
    assert!(matches!(error, ProviderError::Overloaded { .. }), "{error:?}");
}

#[tokio::test]
async fn an_absent_server_is_told() {
    let error = soon(OpenAiLlm::builder(nobody(), "m").build().unwrap().models()).await.unwrap_err();
    assert!(chain(&error).to_lowercase().contains("refused"), "{}", chain(&error));
}

/// Runs another test with a proxy in the environment: the server on this machine is still found.
#[test]
fn a_proxy_does_not_stand_before_loopback() {
    let mut test = std::process::Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "models::a_model_the_server_has_is_right"]);
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        test.env(variable, "http://127.0.0.1:1");
    }
    let output = test.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
