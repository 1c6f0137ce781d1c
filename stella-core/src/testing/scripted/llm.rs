//! A fake language model.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    text::{ScriptedText, words},
    timeline::Timeline,
    timer::Timer,
};
use crate::{
    chat::{ChatItem, Role},
    error::ProviderError,
    llm::{FinishReason, Llm, LlmCapabilities, LlmEvent, LlmRequest, LlmStream, TokenUsage},
};

/// What [`ScriptedLlm`] fills a reply with when only the number of its tokens is given.
const FILLER: &str = "I heard you, and this is a scripted answer. It says nothing of use, but it takes its time to say \
                      it, word by word, as a real model would. ";

/// A fake language model: the first word after a delay, then word by word at a fixed pace. It understands nothing.
#[derive(Debug)]
pub struct ScriptedLlm {
    timer: Arc<dyn Timer>,
    reply: Reply,
    first: Duration,
    pace: Duration,
}

#[derive(Debug)]
enum Reply {
    Text(ScriptedText),
    Echo { before: String },
}

impl ScriptedLlm {
    /// A model that answers with the next of these texts. First word after 100 ms, the others 10 ms apart.
    pub fn new(timer: Arc<dyn Timer>, reply: ScriptedText) -> Self {
        let (first, pace) = (Duration::from_millis(100), Duration::from_millis(10));
        Self { timer, reply: Reply::Text(reply), first, pace }
    }

    /// A model that answers with filler text of so many words, each of which counts as a token.
    pub fn filler(timer: Arc<dyn Timer>, tokens: usize) -> Self {
        let text: String = words(&FILLER.repeat(tokens / 20 + 1))[..tokens].concat();
        Self::new(timer, ScriptedText::constant(text))
    }

    /// A model that repeats the user's last words after `before`.
    pub fn echo(timer: Arc<dyn Timer>, before: impl Into<String>) -> Self {
        Self { reply: Reply::Echo { before: before.into() }, ..Self::new(timer, ScriptedText::constant("")) }
    }

    /// Sets the time to the first word.
    #[must_use]
    pub fn first_after(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Sets the time between words.
    #[must_use]
    pub fn pace(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    fn text(&self, request: &LlmRequest) -> String {
        let before = match &self.reply {
            Reply::Text(text) => return text.next(),
            Reply::Echo { before } => before,
        };
        let mut said = "";
        for item in request.chat.iter() {
            if let ChatItem::Message(message) = item
                && message.role == Role::User
            {
                said = &message.text;
            }
        }
        format!("{before}{said}")
    }
}

#[async_trait]
impl Llm for ScriptedLlm {
    fn name(&self) -> &'static str {
        "scripted-llm"
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities { tools: true, streaming: true }
    }

    async fn generate(&self, request: LlmRequest) -> Result<LlmStream, ProviderError> {
        let text = self.text(&request);
        let tokens = words(&text);
        let completion = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
        let mut at = self.first;
        let mut parts = Vec::with_capacity(tokens.len() + 2);
        for token in tokens {
            parts.push((at, Ok(LlmEvent::Text(token.to_owned()))));
            at += self.pace;
        }
        let end = at.saturating_sub(self.pace).max(self.first);
        let usage = TokenUsage { prompt: u32::try_from(request.chat.len()).unwrap_or(u32::MAX), cached: 0, completion };
        parts.push((end, Ok(LlmEvent::Usage(usage))));
        parts.push((end, Ok(LlmEvent::Done(FinishReason::Stop))));
        Ok(Box::pin(Timeline::new(self.timer.clone(), parts)))
    }
}
