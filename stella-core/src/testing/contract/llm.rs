//! What every [`Llm`] must do.

use std::{
    future::{Future, poll_fn},
    pin::pin,
};

use serde_json::{Map, Value, json};

use crate::{
    chat::{ChatContext, ChatItem, Message, Role, ToolCall, ToolOutput, ToolSpec},
    error::ProviderError,
    llm::{FinishReason, Llm, LlmEvent, LlmRequest, LlmStream, ToolChoice},
};

/// The tool that [`calls_a_tool`] and others offer.
pub const TOOL: &str = "clock";

/// Model: answers in words. It gives text, then [`LlmEvent::Done`] once, and after that at most what it cost.
pub async fn text_ends_in_one_done(llm: &dyn Llm) {
    let events = all(start(llm, request("Say a few words.")).await).await;
    let done = position_of_done(&events);
    assert!(done > 0, "no text before the end: {events:?}");
    for event in &events[..done] {
        match event {
            LlmEvent::Text(text) => assert!(!text.is_empty(), "an empty text: {events:?}"),
            LlmEvent::Usage(_) => {}
            other => panic!("{other:?} in an answer to a request without tools: {events:?}"),
        }
    }
    assert!(matches!(events[done], LlmEvent::Done(FinishReason::Stop | FinishReason::Length)), "{events:?}");
}

/// Model: answers in words and counts tokens. The cost is given once, and its parts fit together.
pub async fn usage_is_given_once(llm: &dyn Llm) {
    let events = all(start(llm, request("Say a few words.")).await).await;
    let [usage] = events.iter().filter_map(usage).collect::<Vec<_>>()[..] else { panic!("not one usage: {events:?}") };
    assert!(usage.cached <= usage.prompt, "{usage:?}");
}

/// Model: calls [`TOOL`], if it is offered, at least once. Calls are whole, named as offered, and told apart by their
/// ids; the end says that outputs are awaited.
pub async fn calls_a_tool(llm: &dyn Llm) {
    let events = all(start(llm, with_tool("What time is it?", ToolChoice::Required)).await).await;
    let calls = calls(&events);
    assert!(!calls.is_empty(), "no call: {events:?}");
    for (at, call) in calls.iter().enumerate() {
        assert_eq!(call.name, TOOL);
        assert!(!call.id.is_empty(), "a call without an id: {events:?}");
        assert!(calls[..at].iter().all(|other| other.id != call.id), "two calls of one id: {events:?}");
        let arguments = serde_json::from_str::<Map<String, Value>>(&call.arguments);
        assert!(arguments.is_ok(), "arguments that are no object: {events:?}");
    }
    assert_eq!(events[position_of_done(&events)], LlmEvent::Done(FinishReason::ToolCalls));
}

/// Model: as for [`calls_a_tool`]. If calls are forbidden, there are none, whatever the model writes.
pub async fn forbidden_tools_are_not_called(llm: &dyn Llm) {
    let events = all(start(llm, with_tool("What time is it?", ToolChoice::None)).await).await;
    assert_eq!(calls(&events), [] as [&ToolCall; 0]);
    assert_ne!(events[position_of_done(&events)], LlmEvent::Done(FinishReason::ToolCalls));
}

/// Model: answers in words. It takes a history with everything in it: instructions, cut replies, calls with and without
/// success, arguments that are no JSON, a call whose output is missing, an output without a call.
pub async fn any_history_is_taken(llm: &dyn Llm) {
    let call = |id: &str, arguments: &str| {
        ChatItem::ToolCall(ToolCall { id: id.into(), name: TOOL.into(), arguments: arguments.into() })
    };
    let output = |id: &str, is_error| {
        let output = "five to twelve".to_owned();
        ChatItem::ToolOutput(ToolOutput { call_id: id.into(), name: TOOL.into(), output, is_error })
    };
    let cut = |text: &str| {
        ChatItem::Message(Message {
            interrupted: true,
            unheard: Some("twelve".into()),
            ..Message::new(Role::Assistant, text)
        })
    };
    let items = [
        ChatItem::message(Role::System, "You know the time."),
        output("gone", false),
        ChatItem::message(Role::Assistant, "Hello!"),
        ChatItem::message(Role::User, "What time is it?"),
        ChatItem::message(Role::User, "Quick!"),
        call("a", "{}"),
        call("b", "{\"zone\":"),
        output("b", true),
        ChatItem::message(Role::User, "Well?"),
        output("a", false),
        cut("It is five to"),
        cut(""),
        call("a", "{}"),
        ChatItem::message(Role::System, "Be brief."),
        ChatItem::message(Role::User, "Once more, please."),
    ];
    let chat: ChatContext = items.into_iter().collect();
    let request = LlmRequest { chat, ..with_tool("", ToolChoice::None) };
    let events = all(start(llm, request).await).await;
    assert!(matches!(events[0], LlmEvent::Text(_)), "{events:?}");
}

/// Model: answers with the last thing the user said. Generations that run at once do not mix.
pub async fn generations_do_not_mix(llm: &dyn Llm) {
    let (mut alpha, mut beta) = (start(llm, request("alpha")).await, start(llm, request("beta")).await);
    let (mut first, mut second) = (String::new(), String::new());
    loop {
        let (a, b) = (next(&mut alpha).await, next(&mut beta).await);
        if a.is_none() && b.is_none() {
            break;
        }
        push_text(&mut first, a);
        push_text(&mut second, b);
    }
    assert_eq!((first.as_str(), second.as_str()), ("alpha", "beta"));
}

/// Model: gives some text, then fails. The error ends the stream, and names its provider.
pub async fn an_error_ends_the_stream(llm: &dyn Llm) {
    let mut stream = start(llm, request("Say a few words.")).await;
    let mut texts = 0;
    let error = loop {
        match next(&mut stream).await {
            Some(Ok(LlmEvent::Text(_))) => texts += 1,
            Some(Err(error)) => break error,
            other => panic!("{other:?} before the error"),
        }
    };
    assert!(texts > 0, "no text before the error");
    assert_eq!(error.provider(), llm.name());
    let after = next(&mut stream).await;
    assert!(after.is_none(), "{after:?} after the error");
}

/// Model: refuses every request for good. The refusal comes as the error of `generate`, may not be retried, and names
/// its provider.
pub async fn a_refusal_is_not_retryable(llm: &dyn Llm) {
    let error = match llm.generate(request("Hello.")).await {
        Ok(_) => panic!("a stream in place of a refusal"),
        Err(error) => error,
    };
    assert_eq!(error.provider(), llm.name());
    assert!(!error.retryable(), "{error:?}");
}

/// Model: gives some text and then nothing more, without an end. Dropping the stream frees what it holds: then
/// `freed` completes. The caller puts a deadline on this function.
pub async fn dropping_the_stream_frees_it(llm: &dyn Llm, freed: impl Future<Output = ()>) {
    let mut stream = start(llm, request("Say a few words.")).await;
    let event = next(&mut stream).await;
    assert!(matches!(event, Some(Ok(LlmEvent::Text(_)))), "{event:?}");
    drop(stream);
    freed.await;
}

/// Model: takes requests and answers nothing; `asked` completes when it has taken one. Dropping the future of
/// `generate` frees what it holds: then `freed` completes. The caller puts a deadline on this function.
pub async fn dropping_the_request_frees_it(
    llm: &dyn Llm,
    asked: impl Future<Output = ()>,
    freed: impl Future<Output = ()>,
) {
    {
        let mut generate = llm.generate(request("Hello."));
        let mut asked = pin!(asked);
        poll_fn(|context| {
            assert!(generate.as_mut().poll(context).is_pending(), "an answer from a model that answers nothing");
            asked.as_mut().poll(context)
        })
        .await;
    }
    freed.await;
}

fn request(text: &str) -> LlmRequest {
    LlmRequest { chat: ChatContext::new().with(Role::User, text), ..LlmRequest::default() }
}

fn with_tool(text: &str, tool_choice: ToolChoice) -> LlmRequest {
    let parameters = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let spec = ToolSpec { name: TOOL.into(), description: "Tells the time.".into(), parameters };
    LlmRequest { tools: vec![spec], tool_choice, ..request(text) }
}

async fn start(llm: &dyn Llm, request: LlmRequest) -> LlmStream {
    match llm.generate(request).await {
        Ok(stream) => stream,
        Err(error) => panic!("no stream: {}", crate::error::chain(&error)),
    }
}

async fn next(stream: &mut LlmStream) -> Option<Result<LlmEvent, ProviderError>> {
    poll_fn(|context| stream.as_mut().poll_next(context)).await
}

/// The events of a stream, which ends well.
async fn all(mut stream: LlmStream) -> Vec<LlmEvent> {
    let mut events = Vec::new();
    while let Some(event) = next(&mut stream).await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => panic!("{} after {events:?}", crate::error::chain(&error)),
        }
    }
    events
}

fn position_of_done(events: &[LlmEvent]) -> usize {
    let done: Vec<_> = (0..events.len()).filter(|&at| matches!(events[at], LlmEvent::Done(_))).collect();
    let [done] = done[..] else { panic!("not one end: {events:?}") };
    assert!(events[done + 1..].iter().all(|event| usage(event).is_some()), "something after the end: {events:?}");
    assert!(events.iter().filter_map(usage).count() <= 1, "more than one usage: {events:?}");
    done
}

fn usage(event: &LlmEvent) -> Option<crate::llm::TokenUsage> {
    match event {
        LlmEvent::Usage(usage) => Some(*usage),
        _ => None,
    }
}

fn calls(events: &[LlmEvent]) -> Vec<&ToolCall> {
    events
        .iter()
        .filter_map(|event| match event {
            LlmEvent::ToolCall(call) => Some(call),
            _ => None,
        })
        .collect()
}

fn push_text(text: &mut String, event: Option<Result<LlmEvent, ProviderError>>) {
    match event {
        Some(Ok(LlmEvent::Text(more))) => text.push_str(&more),
        Some(Err(error)) => panic!("{error}"),
        _ => {}
    }
}
