//! A fake language model.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use stella_core::{
    chat::ToolCall,
    error::ProviderError,
    llm::{FinishReason, Llm, LlmCapabilities, LlmEvent, LlmRequest, LlmStream, TokenUsage},
};

use crate::{
    dice::Dice,
    stream::{self, Step, Steps, call, spoil},
    tools::TOOLS,
};

/// What it writes.
const TEXTS: &[&str] = &[
    "Sure. ",
    "The train to Lyon leaves at ten past nine from platform four. ",
    "Well, it depends, as so often, on what you would like to do there, ",
    "It takes two hours. ",
    "Is there anything else? ",
    "One, two, three, four, five, six, seven, eight, nine, ten, eleven, and so on without any end. ",
    "Größe — „ja“! Ça va? ",
    "... ",
    "",
    "I am sorry to hear that. Let me see what can be done about it, it will not take long. ",
];

/// A model that talks a lot, calls tools, and understands nothing.
pub(crate) struct FakeLlm {
    pub(crate) dice: Arc<Dice>,
    pub(crate) trouble: u64,
}

impl fmt::Debug for FakeLlm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeLlm").finish_non_exhaustive()
    }
}

impl FakeLlm {
    /// Words one after the other, and now and then a tool call.
    fn answer(&self, request: &LlmRequest) -> Steps<LlmEvent> {
        let dice = &self.dice;
        let mut steps = Steps::new();
        let (first, gap) = (dice.millis(50..=600), dice.millis(0..=40));
        for _ in 0..dice.weighted(&[(1, 0), (6, 1), (4, 2), (2, 4), (1, 8)]) {
            for word in dice.pick(TEXTS).split_inclusive(' ') {
                let after = if steps.is_empty() { first } else { gap };
                steps.push_back((after, Step::Give(LlmEvent::Text(word.to_owned()))));
            }
        }
        let mut reason = FinishReason::Stop;
        if !request.tools.is_empty() && dice.percent(25) {
            reason = FinishReason::ToolCalls;
            for number in 0..dice.between(1..=3) {
                let name = dice.pick(TOOLS).to_owned();
                let arguments = dice.pick(&["", "{}", "{}", "{}", "{\"a\":", "[1]"]).to_owned();
                let call = ToolCall { id: format!("call_{number}"), name, arguments };
                steps.push_back((gap, Step::Give(LlmEvent::ToolCall(call))));
            }
        }
        if dice.percent(self.trouble) {
            self.add_nonsense(&mut steps);
        }
        steps.push_back((gap, Step::Give(LlmEvent::Done(reason))));
        if dice.percent(50) {
            let usage = TokenUsage { prompt: 100, cached: 20, completion: steps.len() as u32 };
            steps.push_back((dice.millis(0..=80), Step::Give(LlmEvent::Usage(usage))));
        }
        steps
    }

    fn add_nonsense(&self, steps: &mut Steps<LlmEvent>) {
        let text = match self.dice.between(0..=3) {
            0 => "x".repeat(3_000),
            1 => "very ".repeat(8_000),
            2 => "\u{0}\u{200b}\n\n* # `".to_owned(),
            _ => {
                let call = ToolCall { id: String::new(), name: "no such tool".into(), arguments: "?".into() };
                for _ in 0..80 {
                    steps.push_back((Duration::ZERO, Step::Give(LlmEvent::ToolCall(call.clone()))));
                }
                return;
            }
        };
        steps.push_back((Duration::ZERO, Step::Give(LlmEvent::Text(text))));
    }
}

#[async_trait]
impl Llm for FakeLlm {
    fn name(&self) -> &'static str {
        "fake-llm"
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities { tools: true, streaming: true }
    }

    async fn generate(&self, request: LlmRequest) -> Result<LlmStream, ProviderError> {
        call(&self.dice, self.trouble).await?;
        let mut steps = self.answer(&request);
        if self.dice.percent(self.trouble) {
            spoil(&mut steps, &self.dice);
        }
        Ok(stream::of(steps))
    }
}
