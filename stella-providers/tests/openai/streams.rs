//! Answers that come in all the forms that servers give them.

use proptest::prelude::*;
use serde_json::json;
use stella_core::{
    chat::ToolCall,
    llm::{FinishReason, LlmEvent, TokenUsage},
};
use stella_providers::openai::Limits;

use crate::{
    fake_server::{Answer, FakeServer, call, say},
    hello, model, run, soon, text, with_tool,
};

fn clock(id: &str, arguments: &str) -> LlmEvent {
    LlmEvent::ToolCall(ToolCall { id: id.into(), name: "clock".into(), arguments: arguments.into() })
}

#[tokio::test]
async fn text_comes_as_it_is_written() {
    let server = FakeServer::playing([Answer::saying(["Hel", "lo", "."])]).await;
    let (events, error) = run(&model(&server).temperature(0.7).build().unwrap(), hello()).await;
    let words = ["Hel", "lo", "."].map(|text| LlmEvent::Text(text.into()));
    let usage = TokenUsage { prompt: 9, cached: 0, completion: 3 };
    assert_eq!((&events[..3], error.is_none()), (&words[..], true));
    assert_eq!(events[3..], [LlmEvent::Done(FinishReason::Stop), LlmEvent::Usage(usage)]);
    let request = &server.requests()[0];
    assert_eq!(request.line, "post /v1/chat/completions");
    assert!(request.head.contains("authorization: bearer hunter2"), "{}", request.head);
    let expected = json!({
        "model": "fake-model", "messages": [{"role": "user", "content": "Hello."}], "temperature": 0.7,
        "stream": true, "stream_options": {"include_usage": true},
    });
    assert_eq!(request.body, expected);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = FakeServer::playing([Answer::saying(["Hello."])]).await;
    let llm = model(&server).build().unwrap();
    run(&llm, hello()).await;
    run(&llm, hello()).await;
    assert_eq!(server.requests().len(), 2);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn calls_are_put_together() {
    let chunks =
        [say("I look."), call(0, "a", "clock", "{\"zo"), call(1, "b", "clock", "{}"), call(0, "", "", "ne\":1}")];
    let server = FakeServer::playing([Answer::chunks(&chunks).finished("tool_calls")]).await;
    let (events, _) = run(&model(&server).build().unwrap(), with_tool()).await;
    let expected = [
        LlmEvent::Text("I look.".into()),
        clock("a", "{\"zone\":1}"),
        clock("b", "{}"),
        LlmEvent::Done(FinishReason::ToolCalls),
    ];
    assert_eq!(events[..4], expected);
}

#[tokio::test]
async fn a_printed_call_is_a_call_only_for_a_known_tool() {
    let printed = |name: &str| format!("<tool_call>\n{}\n</tool_call>", json!({"name": name, "arguments": {}}));
    let answer = |name: &str| Answer::saying(printed(name).split_inclusive(' ').collect::<Vec<_>>());
    let server = FakeServer::playing([answer("clock"), answer("rocket")]).await;
    let llm = model(&server).build().unwrap();
    let (events, _) = run(&llm, with_tool()).await;
    assert!(matches!(&events[..2], [LlmEvent::ToolCall(_), LlmEvent::Done(FinishReason::ToolCalls)]), "{events:?}");
    let (events, _) = run(&llm, with_tool()).await;
    assert_eq!(text(&events), printed("rocket"));
}

#[tokio::test]
async fn a_model_that_talks_on_after_a_printed_call_is_stopped() {
    let printed = json!({"name": "clock", "arguments": {}}).to_string();
    let chunks = [printed.as_str(), "\n", "It", " is", " noon"].map(say);
    let server = FakeServer::playing([Answer::chunks(&chunks).then_hang()]).await;
    let (events, error) = soon(run(&model(&server).build().unwrap(), with_tool())).await;
    assert!(error.is_none(), "{error:?}");
    assert!(matches!(&events[..], [LlmEvent::ToolCall(_), LlmEvent::Done(FinishReason::ToolCalls)]), "{events:?}");
    soon(server.disconnected()).await;
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let call = json!({"id": "a", "type": "function", "function": {"name": "clock", "arguments": "{}"}});
    let answer = json!({
        "choices": [{"index": 0, "message": {"content": "I look.", "tool_calls": [call]}, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    });
    let server = FakeServer::playing([Answer::json(200, &answer)]).await;
    let (events, _) = run(&model(&server).build().unwrap(), with_tool()).await;
    let usage = TokenUsage { prompt: 9, cached: 0, completion: 3 };
    let expected = [
        LlmEvent::Text("I look.".into()),
        clock("a", "{}"),
        LlmEvent::Done(FinishReason::ToolCalls),
        LlmEvent::Usage(usage),
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn the_end_may_be_shown_in_several_ways() {
    let reason = |reason: &str| json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]});
    let body = |chunks: &[String]| Answer::new(200, "text/plain", chunks.concat());
    let data = |value: String| format!("data: {value}\r\n\r\n");
    let table = [
        (vec![data(say("x").to_string()), data("[DONE]".into())], FinishReason::Stop),
        (vec![data(say("x").to_string()), data(reason("stop").to_string())], FinishReason::Stop),
        (vec![data(say("x").to_string()), "data: [DONE]".into()], FinishReason::Stop),
        (vec![data(say("x").to_string()), data(reason("length").to_string())], FinishReason::Length),
        (vec![data(say("x").to_string()), data(reason("content_filter").to_string())], FinishReason::Filtered),
    ];
    for (chunks, expected) in table {
        let server = FakeServer::playing([body(&chunks)]).await;
        let (events, error) = run(&model(&server).build().unwrap(), hello()).await;
        assert_eq!(events, [LlmEvent::Text("x".into()), LlmEvent::Done(expected)], "{chunks:?} {error:?}");
    }
}

#[tokio::test]
async fn too_much_text_is_no_longer_held_back() {
    let long = format!("{{\"name\": \"{}", "x".repeat(80));
    let server = FakeServer::playing([Answer::chunks(&[say(&long)]).then_hang()]).await;
    let llm = model(&server).limits(Limits { held: 64, ..Limits::default() }).build().unwrap();
    let mut stream = soon(stella_core::llm::Llm::generate(&llm, with_tool())).await.unwrap();
    let event = soon(futures_util::StreamExt::next(&mut stream)).await;
    assert!(matches!(event, Some(Ok(LlmEvent::Text(text))) if text == long));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Wherever the network cuts an answer, the events are the same.
    #[test]
    fn cuts_do_not_matter(
        texts in prop::collection::vec("[a-zé…😀 \\n\"{}<`]{1,8}", 1..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(soon(async {
            let whole: Vec<_> = texts.iter().map(|text| say(text)).collect();
            let answer = Answer::chunks(whole.iter().chain([&call(0, "a", "clock", "{\"at\":\"zwölf\"}")])).finished("tool_calls");
            let server = FakeServer::playing([answer.clone(), answer.cut_at(cuts)]).await;
            let llm = model(&server).build().unwrap();
            let (expected, _) = run(&llm, hello()).await;
            assert_eq!(text(&expected), texts.concat());
            assert_eq!(expected[texts.len()], clock("a", "{\"at\":\"zwölf\"}"));
            assert_eq!(run(&llm, hello()).await.0, expected);
        }));
    }
}
