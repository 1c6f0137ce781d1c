//! What goes wrong, and what the caller sees of it.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use serde_json::json;
use stella_core::{
    error::{ProviderError, chain},
    llm::{FinishReason, LlmEvent, LlmRequest, ToolChoice},
};
use stella_providers::openai::{Limits, OpenAiLlm, RetryPolicy, Timeouts};

use crate::{
    fake_server::{Answer, FakeServer, nobody, say},
    hello, model, run, soon, text, with_tool,
};

fn never() -> RetryPolicy {
    RetryPolicy { max: 0, ..RetryPolicy::default() }
}

fn failure(status: u16) -> Answer {
    Answer::json(status, &json!({"error": {"message": "something about hunter2"}}))
}

/// Timeouts of which one is short.
fn short(change: impl Fn(&mut Timeouts, Duration)) -> Timeouts {
    let mut timeouts = Timeouts::default();
    change(&mut timeouts, Duration::from_millis(50));
    timeouts
}

#[tokio::test]
async fn an_overloaded_server_is_asked_again() {
    for first in [failure(429), failure(429).header("retry-after", "0.01"), failure(503), failure(502), failure(500)] {
        let server = FakeServer::playing([first, Answer::saying(["Hello."])]).await;
        let (events, error) = run(&model(&server).build().unwrap(), hello()).await;
        assert_eq!((text(&events).as_str(), error.is_none()), ("Hello.", true));
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_long_pause_is_left_alone() {
    let server = FakeServer::playing([failure(429).header("retry-after", "60")]).await;
    let (_, error) = run(&model(&server).build().unwrap(), hello()).await;
    let expected = Some(Duration::from_secs(60));
    assert!(matches!(error, Some(ProviderError::Overloaded { retry_after, .. }) if retry_after == expected));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn it_gives_up_in_the_end() {
    let server = FakeServer::playing([failure(500)]).await;
    let (_, error) = run(&model(&server).build().unwrap(), hello()).await;
    assert!(matches!(error, Some(ProviderError::Transport { .. })), "{error:?}");
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn what_cannot_succeed_is_not_repeated() {
    for (status, expected) in
        [(400, "something about ***"), (404, "404"), (422, "422"), (401, "credentials"), (308, "redirects")]
    {
        let server = FakeServer::playing([failure(status)]).await;
        let (_, error) = run(&model(&server).build().unwrap(), hello()).await;
        let error = error.unwrap();
        assert!(error.to_string().contains(expected) && !error.retryable(), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn no_failure_shows_the_key() {
    for status in [302, 400, 401, 429, 500, 502] {
        let server = FakeServer::playing([failure(status)]).await;
        let (_, error) = run(&model(&server).retry(never()).build().unwrap(), hello()).await;
        let error = error.unwrap();
        let shown = format!("{error:?} {}", chain(&error));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_server_that_fails_on_tools_is_asked_without_them() {
    let in_stream = Answer::chunks(&[json!({"error": {"code": 500, "message": "cannot parse"}})]);
    let by_field = Answer::new(200, "text/event-stream", "error: {\"code\": 500, \"message\": \"cannot parse\"}\n\n");
    for first in [failure(500), in_stream, by_field] {
        let server = FakeServer::playing([first, Answer::saying(["Noon."])]).await;
        let (events, error) = run(&model(&server).retry(never()).build().unwrap(), with_tool()).await;
        assert_eq!((text(&events).as_str(), error.is_none()), ("Noon.", true));
        let requests = server.requests();
        assert!(requests[0].body["tools"].is_array() && requests[1].body["tools"].is_null());
    }
}

#[tokio::test]
async fn required_tools_are_not_left_out() {
    let server = FakeServer::playing([failure(500)]).await;
    let request = LlmRequest { tool_choice: ToolChoice::Required, ..with_tool() };
    let (_, error) = run(&model(&server).build().unwrap(), request).await;
    assert!(error.is_some());
    assert!(server.requests().iter().all(|request| request.body["tools"].is_array()));
}

#[tokio::test]
async fn a_slow_first_event_is_a_timeout() {
    let comment = Answer::new(200, "text/event-stream", ": still thinking\n\n").then_hang();
    for answer in [Answer::silence(), Answer::new(200, "text/event-stream", "").then_hang(), comment] {
        let server = FakeServer::playing([answer]).await;
        let timeouts = short(|timeouts, time| timeouts.first = time);
        let llm = model(&server).timeouts(timeouts).retry(never()).build().unwrap();
        let (_, error) = soon(run(&llm, hello())).await;
        assert!(matches!(error, Some(ProviderError::Timeout { after, .. }) if after.as_millis() == 50), "{error:?}");
        soon(server.disconnected()).await;
    }
}

#[tokio::test]
async fn a_slow_first_event_is_tried_again() {
    let server = FakeServer::playing([Answer::silence(), Answer::saying(["Hello."])]).await;
    let llm = model(&server).timeouts(short(|timeouts, time| timeouts.first = 4 * time)).build().unwrap();
    assert_eq!(text(&soon(run(&llm, hello())).await.0), "Hello.");
}

#[tokio::test]
async fn a_hang_in_the_middle_is_a_timeout() {
    let server = FakeServer::playing([Answer::chunks(&[say("Hel")]).then_hang()]).await;
    let llm = model(&server).timeouts(short(|timeouts, time| timeouts.next = time)).build().unwrap();
    let (events, error) = soon(run(&llm, hello())).await;
    assert_eq!(text(&events), "Hel");
    assert!(matches!(error, Some(ProviderError::Timeout { .. })), "{error:?}");
    soon(server.disconnected()).await;
}

#[tokio::test]
async fn a_cut_in_the_middle_ends_the_stream() {
    let server = FakeServer::playing([Answer::chunks(&[say("Hel")]).then_cut()]).await;
    let (events, error) = run(&model(&server).build().unwrap(), hello()).await;
    assert_eq!(text(&events), "Hel");
    assert!(matches!(error, Some(ProviderError::Transport { .. })), "{error:?}");
    assert_eq!(server.requests().len(), 1, "what was handed out cannot be repeated");
}

#[tokio::test]
async fn a_cut_before_anything_was_said_is_repaired() {
    let role = json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]});
    let server = FakeServer::playing([Answer::chunks(&[role]).then_cut(), Answer::saying(["Hello."])]).await;
    let (events, error) = run(&model(&server).build().unwrap(), hello()).await;
    assert_eq!((text(&events).as_str(), error.is_none()), ("Hello.", true));
}

#[tokio::test]
async fn an_end_before_the_end_is_an_error() {
    let server = FakeServer::playing([Answer::chunks(&[say("Hel")])]).await;
    let (events, error) = run(&model(&server).build().unwrap(), hello()).await;
    assert_eq!(text(&events), "Hel");
    assert!(matches!(error, Some(ProviderError::Protocol { .. })), "{error:?}");
}

#[tokio::test]
async fn a_loss_after_the_end_is_none() {
    let finish = json!({"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]});
    for answer in [Answer::chunks([&finish]).then_cut(), Answer::chunks([&finish]).then_hang()] {
        let server = FakeServer::playing([answer]).await;
        let llm = model(&server).timeouts(short(|timeouts, time| timeouts.next = time)).build().unwrap();
        let (events, error) = soon(run(&llm, hello())).await;
        assert_eq!(events, [LlmEvent::Text("Hi".into()), LlmEvent::Done(FinishReason::Stop)]);
        assert!(error.is_none(), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_cannot_fill_the_memory() {
    let limits = Limits { line: 1_000, answer: 10_000, ..Limits::default() };
    let line = Answer::new(200, "text/event-stream", "x".repeat(1_001)).then_hang();
    let event = Answer::new(200, "text/event-stream", "data: xxxxxxxxxx\n".repeat(100)).then_hang();
    let answer = Answer::new(200, "text/event-stream", ": xxxxxxxx\n".repeat(1_000)).then_hang();
    let json = Answer::new(200, "application/json", " ".repeat(10_001)).then_hang();
    for answer in [line, event, answer, json] {
        let server = FakeServer::playing([answer]).await;
        let llm = model(&server).retry(never()).limits(limits.clone()).build().unwrap();
        let (_, error) = soon(run(&llm, hello())).await;
        assert!(matches!(error, Some(ProviderError::Protocol { .. })), "{error:?}");
        soon(server.disconnected()).await;
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors() {
    let page = Answer::new(200, "text/html; charset=utf-8", "<html>Welcome</html>");
    let nonsense = Answer::new(200, "text/event-stream", "data: {\"choices\": 7}\n\n");
    let latin = Answer::new(200, "text/event-stream", b"data: \xe9\n\n");
    let empty = Answer::new(200, "text/event-stream", "");
    for answer in [page, nonsense, latin, empty] {
        let server = FakeServer::playing([answer]).await;
        let (_, error) = run(&model(&server).retry(never()).build().unwrap(), hello()).await;
        assert!(matches!(error, Some(ProviderError::Protocol { .. })), "{error:?}");
    }
}

#[tokio::test]
async fn an_absent_server_is_a_transport_error() {
    let llm = OpenAiLlm::builder(nobody(), "m").retry(never()).build().unwrap();
    let (_, error) = soon(run(&llm, hello())).await;
    let error = error.unwrap();
    assert!(matches!(error, ProviderError::Transport { .. }) && error.source().is_some(), "{error:?}");
}

#[tokio::test]
async fn repetitions_end_in_time() {
    let server = FakeServer::playing([failure(429).header("retry-after", "0.2")]).await;
    let retry = RetryPolicy { max: 100, give_up_after: Duration::from_millis(500), ..RetryPolicy::default() };
    let started = Instant::now();
    let (_, error) = soon(run(&model(&server).retry(retry).build().unwrap(), hello())).await;
    assert!(matches!(error, Some(ProviderError::Overloaded { .. })), "{error:?}");
    assert!(server.requests().len() <= 3 && started.elapsed() < Duration::from_secs(5));
}
