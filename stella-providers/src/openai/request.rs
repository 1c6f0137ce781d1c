//! The chat context and the request as a server wants them.

use serde_json::{Map, Value, json};
use stella_core::{
    chat::{ChatContext, ChatItem, Message, Role, ToolCall, ToolOutput, ToolSpec},
    llm::{LlmRequest, ToolChoice},
};

/// What the builder fixed for all requests.
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    pub(super) model: String,
    pub(super) temperature: Option<f32>,
    pub(super) max_tokens: Option<u32>,
    /// The field for the most tokens to write: OpenAI's own newer models refuse the usual one.
    pub(super) max_tokens_field: &'static str,
    /// Further fields; they win over ours.
    pub(super) extra: Map<String, Value>,
}

/// The body of a request.
pub(super) fn body(request: &LlmRequest, defaults: &Defaults, with_tools: bool) -> Value {
    let mut body = json!({
        "model": defaults.model,
        "messages": messages(&request.chat),
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    if let Some(temperature) = request.temperature.or(defaults.temperature) {
        body["temperature"] = json!(round(temperature));
    }
    if let Some(max) = request.max_tokens.or(defaults.max_tokens) {
        body[defaults.max_tokens_field] = json!(max);
    }
    if with_tools && !request.tools.is_empty() {
        body["tools"] = request.tools.iter().map(tool).collect();
        body["tool_choice"] = json!(match request.tool_choice {
            ToolChoice::Auto => "auto",
            ToolChoice::None => "none",
            ToolChoice::Required => "required",
        });
    }
    for (field, value) in &defaults.extra {
        body[field] = value.clone();
    }
    body
}

/// 0.7_f32 as 0.7 and not as 0.699999988.
fn round(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}

fn tool(spec: &ToolSpec) -> Value {
    json!({
        "type": "function",
        "function": { "name": spec.name, "description": spec.description, "parameters": spec.parameters },
    })
}

/// The messages, well formed whatever the context holds: see the module's documentation.
fn messages(chat: &ChatContext) -> Vec<Value> {
    let items: Vec<&ChatItem> = chat.iter().collect();
    let mut used = vec![false; items.len()];
    let mut messages: Vec<Value> = Vec::new();
    let mut at = 0;
    while let Some(item) = items.get(at) {
        match item {
            ChatItem::Message(message) => push_message(&mut messages, message),
            ChatItem::ToolOutput(output) if !used[at] => {
                tracing::debug!(call = output.call_id, "left out a tool output without a call");
            }
            ChatItem::ToolOutput(_) => {}
            ChatItem::ToolCall(_) => {
                let calls: Vec<&ToolCall> = items[at..].iter().map_while(|item| as_call(item)).collect();
                at += calls.len();
                push_calls(&mut messages, &calls);
                for call in calls {
                    let output = (at..items.len()).find_map(|at| {
                        as_output(items[at]).filter(|output| !used[at] && output.call_id == call.id).map(|it| (at, it))
                    });
                    if let Some((at, _)) = output {
                        used[at] = true;
                    }
                    messages.push(output_message(call, output.map(|(_, output)| output)));
                }
                continue;
            }
        }
        at += 1;
    }
    messages
}

fn as_call(item: &ChatItem) -> Option<&ToolCall> {
    match item {
        ChatItem::ToolCall(call) => Some(call),
        _ => None,
    }
}

fn as_output(item: &ChatItem) -> Option<&ToolOutput> {
    match item {
        ChatItem::ToolOutput(output) => Some(output),
        _ => None,
    }
}

fn push_message(messages: &mut Vec<Value>, message: &Message) {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    };
    let mut text = message.text.trim_end().to_owned();
    if text.is_empty() {
        return;
    }
    if message.interrupted {
        text.push('…');
    }
    match messages.last_mut().filter(|last| last["role"] == role && last.get("tool_calls").is_none()) {
        Some(last) => {
            let gap = if role == "system" { "\n\n" } else { "\n" };
            let joined = format!("{}{gap}{text}", last["content"].as_str().unwrap_or_default());
            last["content"] = json!(joined);
        }
        None => messages.push(json!({ "role": role, "content": text })),
    }
}

/// Calls belong to what the assistant said right before.
fn push_calls(messages: &mut Vec<Value>, calls: &[&ToolCall]) {
    let calls: Value = calls.iter().map(|call| call_value(call)).collect();
    match messages.last_mut().filter(|last| last["role"] == "assistant" && last.get("tool_calls").is_none()) {
        Some(last) => last["tool_calls"] = calls,
        None => messages.push(json!({ "role": "assistant", "content": null, "tool_calls": calls })),
    }
}

/// Servers fail on arguments that are not an object. The output says what was wrong with them, so the model knows.
fn call_value(call: &ToolCall) -> Value {
    let is_object = serde_json::from_str::<Map<String, Value>>(&call.arguments).is_ok();
    let arguments = if is_object { call.arguments.as_str() } else { "{}" };
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}

fn output_message(call: &ToolCall, output: Option<&ToolOutput>) -> Value {
    let content = match output {
        Some(output) if output.is_error => format!("Error: {}", output.output),
        Some(output) => output.output.clone(),
        None => "Error: there is no result".to_owned(),
    };
    json!({ "role": "tool", "tool_call_id": call.id, "content": content })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str) -> ChatItem {
        ChatItem::ToolCall(ToolCall { id: id.into(), name: "clock".into(), arguments: "{}".into() })
    }

    fn output(id: &str, output: &str, is_error: bool) -> ChatItem {
        ChatItem::ToolOutput(ToolOutput { call_id: id.into(), name: "clock".into(), output: output.into(), is_error })
    }

    fn said(role: Role, text: &str) -> ChatItem {
        ChatItem::message(role, text)
    }

    /// One message a line: role, text, ids of calls or of the call that is answered.
    fn check(items: impl IntoIterator<Item = ChatItem>, expected: &[&str]) {
        let lines: Vec<String> = messages(&items.into_iter().collect())
            .iter()
            .map(|message| {
                let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| &call["id"]);
                let ids = calls.chain(message.get("tool_call_id")).filter_map(Value::as_str).collect::<Vec<_>>();
                let parts = [message["role"].as_str(), message["content"].as_str(), Some(&ids.join("+"))];
                parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn calls_in_a_row_become_one_message() {
        let items = [
            said(Role::System, "Be brief."),
            said(Role::System, "Be kind."),
            said(Role::User, "Time?"),
            said(Role::Assistant, "I look."),
            call("a"),
            call("b"),
            output("a", "noon", false),
            output("b", "broken", true),
            said(Role::Assistant, "Noon."),
        ];
        let expected = [
            "system Be brief.\n\nBe kind.",
            "user Time?",
            "assistant I look. a+b",
            "tool noon a",
            "tool Error: broken b",
            "assistant Noon.",
        ];
        check(items, &expected);
    }

    #[test]
    fn every_call_has_its_output_next_to_it() {
        let items = [
            output("z", "nobody asked", false),
            call("a"),
            said(Role::User, "Hurry!"),
            output("a", "noon", false),
            call("a"),
            output("a", "one", false),
            call("b"),
        ];
        let expected = [
            "assistant a",
            "tool noon a",
            "user Hurry!",
            "assistant a",
            "tool one a",
            "assistant b",
            "tool Error: there is no result b",
        ];
        check(items, &expected);
    }

    #[test]
    fn a_cut_message_ends_in_an_ellipsis() {
        let cut = |text: &str| {
            let unheard = Some("never heard".to_owned());
            ChatItem::Message(Message { interrupted: true, unheard, ..Message::new(Role::Assistant, text) })
        };
        check([cut("I think we "), said(Role::User, "Stop."), cut("")], &["assistant I think we…", "user Stop."]);
    }

    #[test]
    fn messages_of_one_side_are_joined() {
        check([said(Role::User, "One."), said(Role::User, " "), said(Role::User, "Two.")], &["user One.\nTwo."]);
    }

    #[test]
    fn broken_arguments_are_not_sent_back() {
        let broken = ToolCall { id: "a".into(), name: "clock".into(), arguments: "{\"zone\":".into() };
        assert_eq!(call_value(&broken)["function"]["arguments"], "{}");
    }

    #[test]
    fn the_request_wins_over_defaults_and_extra_fields_over_both() {
        let defaults = Defaults {
            model: "m".into(),
            temperature: Some(0.7),
            max_tokens: Some(9),
            max_tokens_field: "max_tokens",
            extra: Map::from_iter([("seed".into(), json!(1))]),
        };
        let spec = ToolSpec { name: "clock".into(), description: "Time.".into(), parameters: json!({}) };
        let request = LlmRequest { max_tokens: Some(5), tools: vec![spec], ..LlmRequest::default() };
        let with = body(&request, &defaults, true);
        let expected = json!({
            "model": "m", "messages": [], "stream": true, "stream_options": {"include_usage": true},
            "temperature": 0.7, "max_tokens": 5, "seed": 1, "tool_choice": "auto",
            "tools": [{"type": "function", "function": {"name": "clock", "description": "Time.", "parameters": {}}}],
        });
        assert_eq!(with, expected);
        assert_eq!(body(&request, &defaults, false).get("tools"), None);
    }
}
