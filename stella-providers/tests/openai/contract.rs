//! The contract of every language model.

use serde_json::json;
use stella_core::testing::contract::llm::{self as contract, TOOL};

use crate::{
    fake_server::{Answer, FakeServer, call},
    model, soon,
};

#[tokio::test]
async fn text_ends_in_one_done() {
    let server = FakeServer::playing([Answer::saying(["A few", " words."])]).await;
    contract::text_ends_in_one_done(&model(&server).build().unwrap()).await;
}

#[tokio::test]
async fn usage_is_given_once() {
    let server = FakeServer::playing([Answer::saying(["A few", " words."])]).await;
    contract::usage_is_given_once(&model(&server).build().unwrap()).await;
}

#[tokio::test]
async fn calls_a_tool() {
    let answer = Answer::chunks(&[call(0, "a", TOOL, "{}"), call(1, "b", TOOL, "{}")]).finished("tool_calls");
    let server = FakeServer::playing([answer]).await;
    contract::calls_a_tool(&model(&server).build().unwrap()).await;
    assert_eq!(server.requests()[0].body["tool_choice"], "required");
}

#[tokio::test]
async fn calls_a_tool_by_printing_it() {
    let printed = json!({"name": TOOL, "arguments": {}}).to_string();
    let server = FakeServer::playing([Answer::saying(["```json\n", &printed, "\n```"])]).await;
    contract::calls_a_tool(&model(&server).build().unwrap()).await;
}

#[tokio::test]
async fn forbidden_tools_are_not_called() {
    let answer = Answer::chunks(&[call(0, "a", TOOL, "{}")]).finished("tool_calls");
    let server = FakeServer::playing([answer]).await;
    contract::forbidden_tools_are_not_called(&model(&server).build().unwrap()).await;
    assert_eq!(server.requests()[0].body["tool_choice"], "none");
}

#[tokio::test]
async fn any_history_is_taken() {
    let server = FakeServer::playing([Answer::saying(["Twelve."])]).await;
    contract::any_history_is_taken(&model(&server).build().unwrap()).await;
    let body = &server.requests()[0].body;
    let mut awaited = Vec::new();
    for message in body["messages"].as_array().unwrap() {
        if message["role"] == "tool" {
            assert_eq!(awaited.remove(0), message["tool_call_id"], "{body:#}");
        } else {
            assert!(awaited.is_empty(), "a call without its output: {body:#}");
        }
        awaited.extend(message["tool_calls"].as_array().into_iter().flatten().map(|call| call["id"].clone()));
    }
}

#[tokio::test]
async fn generations_do_not_mix() {
    let letters = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
    let server =
        FakeServer::start(move |request| Answer::saying(letters(request.said()).iter().map(String::as_str))).await;
    contract::generations_do_not_mix(&model(&server).build().unwrap()).await;
}

#[tokio::test]
async fn an_error_ends_the_stream() {
    let server = FakeServer::playing([Answer::chunks(&[crate::fake_server::say("A few")]).then_cut()]).await;
    contract::an_error_ends_the_stream(&model(&server).build().unwrap()).await;
}

#[tokio::test]
async fn a_refusal_is_not_retryable() {
    let server = FakeServer::playing([Answer::json(401, &json!({"error": {"message": "bad key"}}))]).await;
    contract::a_refusal_is_not_retryable(&model(&server).build().unwrap()).await;
}

#[tokio::test]
async fn dropping_the_stream_frees_it() {
    let server = FakeServer::playing([Answer::chunks(&[crate::fake_server::say("A few")]).then_hang()]).await;
    let llm = model(&server).build().unwrap();
    soon(contract::dropping_the_stream_frees_it(&llm, server.disconnected())).await;
}

#[tokio::test]
async fn dropping_the_request_frees_it() {
    let server = FakeServer::playing([Answer::silence()]).await;
    let llm = model(&server).build().unwrap();
    soon(contract::dropping_the_request_frees_it(&llm, server.asked(1), server.disconnected())).await;
}
