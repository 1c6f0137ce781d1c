//! Chunks of an answer into the events of a generation.

use std::{collections::VecDeque, mem};

use rand::{Rng, distr::Alphanumeric};
use serde_json::Value;
use stella_core::{
    chat::ToolCall,
    llm::{FinishReason, LlmEvent, TokenUsage},
};

use super::{
    gate::{Gate, Piece},
    wire::{CallDelta, Chunk},
};

/// Puts one answer together. Calls are given at the end, when they are whole.
#[derive(Debug)]
pub(super) struct Assembler {
    gate: Gate,
    calls_allowed: bool,
    streamed: Vec<StreamedCall>,
    printed: Vec<ToolCall>,
    usage: Option<TokenUsage>,
    finished: bool,
    stopped: bool,
    events: VecDeque<LlmEvent>,
}

/// A call that comes in deltas.
#[derive(Debug)]
struct StreamedCall {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

impl Assembler {
    /// For an answer to a request with these tools.
    pub(super) fn new(tools: impl IntoIterator<Item = String>, calls_allowed: bool, max_held: usize) -> Self {
        Self {
            gate: Gate::new(tools, max_held),
            calls_allowed,
            streamed: Vec::new(),
            printed: Vec::new(),
            usage: None,
            finished: false,
            stopped: false,
            events: VecDeque::new(),
        }
    }

    /// Takes a chunk.
    pub(super) fn push(&mut self, chunk: Chunk) {
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage.into()); // some servers count in every chunk: the last one holds
        }
        for mut choice in chunk.choices.unwrap_or_default() {
            if choice.index != 0 || self.finished {
                continue;
            }
            let delta = choice.delta();
            let mut pieces = Vec::new();
            self.gate.push(&delta.text(), &mut pieces);
            self.take_pieces(pieces);
            if self.gate.exhausted() {
                tracing::debug!("ended an answer that goes on after a printed tool call");
                self.finish(FinishReason::Stop);
                self.stopped = true;
                continue;
            }
            for call in delta.tool_calls.unwrap_or_default() {
                self.call_delta(call);
            }
            if let Some(reason) = choice.finish_reason {
                self.finish(match reason.as_str() {
                    "length" => FinishReason::Length,
                    "content_filter" => FinishReason::Filtered,
                    _ => FinishReason::Stop, // "tool_calls" shows by the calls
                });
            }
        }
    }

    /// Whether a reason to finish was given.
    pub(super) fn finished(&self) -> bool {
        self.finished
    }

    /// Whether the rest of the answer is not wanted.
    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    /// The answer is complete. What it cost is known now.
    pub(super) fn end(&mut self) {
        self.finish(FinishReason::Stop);
        self.events.extend(self.usage.take().map(LlmEvent::Usage));
    }

    /// The next event.
    pub(super) fn poll(&mut self) -> Option<LlmEvent> {
        self.events.pop_front()
    }

    /// Whether there is an event.
    pub(super) fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    fn take_pieces(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.events.push_back(LlmEvent::Text(text)),
                Piece::Call { name, arguments } => {
                    tracing::debug!(name, "took a printed tool call");
                    self.printed.push(ToolCall { id: new_id(), name, arguments });
                }
            }
        }
    }

    /// Servers differ in which of index and id they give, and in what they repeat.
    fn call_delta(&mut self, delta: CallDelta) {
        let id = delta.id.unwrap_or_default();
        let found = self.streamed.iter_mut().rev().find(|call| {
            let same_place = delta.index.is_none_or(|index| index == call.index);
            same_place && (id.is_empty() || call.id.is_empty() || id == call.id)
        });
        let call = match found {
            Some(call) => call,
            None => {
                let index = delta.index.unwrap_or(u32::try_from(self.streamed.len()).unwrap_or(u32::MAX));
                let new = StreamedCall { index, id: String::new(), name: String::new(), arguments: String::new() };
                self.streamed.push(new);
                let last = self.streamed.len() - 1;
                &mut self.streamed[last]
            }
        };
        if call.id.is_empty() {
            call.id = id;
        }
        let function = delta.function.unwrap_or_default();
        call.arguments.push_str(&function.arguments());
        let name = function.name.unwrap_or_default();
        if call.name != name {
            call.name.push_str(&name);
        }
    }

    fn finish(&mut self, reason: FinishReason) {
        if mem::replace(&mut self.finished, true) {
            return;
        }
        let mut pieces = Vec::new();
        self.gate.finish(&mut pieces);
        self.take_pieces(pieces);
        let mut calls: Vec<ToolCall> = mem::take(&mut self.streamed).into_iter().map(StreamedCall::into_call).collect();
        calls.append(&mut self.printed);
        calls.retain(|call| !call.name.is_empty());
        if reason == FinishReason::Length {
            calls.retain(|call| serde_json::from_str::<Value>(&call.arguments).is_ok()); // the last one may be cut
        }
        if !self.calls_allowed && !calls.is_empty() {
            tracing::debug!(calls = calls.len(), "dropped tool calls of a request that forbids them");
            calls.clear();
        }
        let reason = if calls.is_empty() { reason } else { FinishReason::ToolCalls };
        self.events.extend(calls.into_iter().map(LlmEvent::ToolCall));
        self.events.push_back(LlmEvent::Done(reason));
    }
}

impl StreamedCall {
    fn into_call(self) -> ToolCall {
        let id = if self.id.is_empty() { new_id() } else { self.id };
        let arguments = if self.arguments.trim().is_empty() { "{}".to_owned() } else { self.arguments };
        ToolCall { id, name: self.name, arguments }
    }
}

/// An id for a call that has none. Nine letters and digits: the only form that every server takes.
fn new_id() -> String {
    rand::rng().sample_iter(Alphanumeric).take(9).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(chunks: &[Value]) -> Vec<LlmEvent> {
        let mut assembler = Assembler::new(["clock".to_owned()], true, 1_000);
        for chunk in chunks {
            assembler.push(serde_json::from_value(chunk.clone()).unwrap());
        }
        assembler.end();
        std::iter::from_fn(|| assembler.poll()).collect()
    }

    fn delta(delta: Value) -> Value {
        json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
    }

    fn calls(events: &[LlmEvent]) -> Vec<(&str, &str, &str)> {
        let call = |event| match event {
            &LlmEvent::ToolCall(ToolCall { ref id, ref name, ref arguments }) => {
                Some((id.as_str(), name.as_str(), arguments.as_str()))
            }
            _ => None,
        };
        events.iter().filter_map(call).collect()
    }

    #[test]
    fn calls_are_put_together() {
        let events = run(&[
            delta(json!({"role": "assistant", "content": null})),
            delta(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "clock", "arguments": ""}}]})),
            delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"zo"}}]})),
            delta(json!({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "clock", "arguments": "{}"}}]})),
            delta(json!({"tool_calls": [{"index": 0, "id": "", "function": {"name": "", "arguments": "ne\":1}"}}]})),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
            json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2,
                   "prompt_tokens_details": {"cached_tokens": 3}}}),
        ]);
        assert_eq!(calls(&events), [("a", "clock", "{\"zone\":1}"), ("b", "clock", "{}")]);
        let usage = TokenUsage { prompt: 5, cached: 3, completion: 2 };
        assert_eq!(events[2..], [LlmEvent::Done(FinishReason::ToolCalls), LlmEvent::Usage(usage)]);
    }

    #[test]
    fn servers_that_number_all_calls_alike_are_understood() {
        let call = |id: &str| {
            let function = json!({"name": "clock", "arguments": {"n": id}});
            delta(json!({"tool_calls": [{"index": 0, "id": id, "function": function}]}))
        };
        assert_eq!(
            calls(&run(&[call("a"), call("b")])),
            [("a", "clock", "{\"n\":\"a\"}"), ("b", "clock", "{\"n\":\"b\"}")]
        );
    }

    #[test]
    fn calls_without_an_id_get_one() {
        let events = run(&[delta(json!({"tool_calls": [{"function": {"name": "clock"}}]}))]);
        let [(id, "clock", "{}")] = calls(&events)[..] else { panic!("{events:?}") };
        assert_eq!(id.len(), 9);
    }

    #[test]
    fn a_cut_call_is_dropped() {
        let events = run(&[
            delta(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "clock", "arguments": "{\"z"}}]})),
            json!({"choices": [{"delta": {}, "finish_reason": "length"}]}),
        ]);
        assert_eq!(events, [LlmEvent::Done(FinishReason::Length)]);
    }

    #[test]
    fn a_whole_message_is_read_like_a_delta() {
        let events = run(&[json!({"choices": [{"message": {"content": [{"type": "text", "text": "Hi"}]},
                                               "finish_reason": "stop"}]})]);
        assert_eq!(events, [LlmEvent::Text("Hi".into()), LlmEvent::Done(FinishReason::Stop)]);
    }

    #[test]
    fn what_follows_the_end_is_ignored() {
        let end = json!({"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]});
        assert_eq!(run(&[end.clone(), end]), [LlmEvent::Text("x".into()), LlmEvent::Done(FinishReason::Stop)]);
    }
}
