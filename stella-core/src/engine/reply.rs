//! What the agent does about a turn, or by its own initiative.

use super::{
    Config,
    input::ReplyOptions,
    latency::{Overdue, TurnLatency},
    ledger::Ledger,
    speech::Speech,
    step::Step,
    turn::{Committed, text},
};
use crate::{
    chat::{ChatContext, ChatItem, Message, Role},
    id::{ReplyId, UtteranceId},
    llm::TokenUsage,
    time::Timestamp,
};

/// One reply, from its first request to its last sample.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) id: ReplyId,
    pub(super) purpose: Purpose,
    pub(super) options: ReplyOptions,
    /// Whether it is certain to be wanted.
    pub(super) standing: Standing,
    pub(super) step: Step,
    /// Number of the generation, from 0.
    pub(super) round: u32,
    /// Tries of the current generation that failed.
    pub(super) failures: u32,
    /// Characters of text so far.
    pub(super) length: usize,
    /// The first generation in which the model has written a word.
    pub(super) worded: Option<u32>,
    pub(super) speech: Speech,
    pub(super) ledger: Ledger,
    pub(super) usage: TokenUsage,
    /// Whether a model failed for good.
    pub(super) failed: bool,
    /// Whether synthesis has failed for good: further words are only shown.
    pub(super) mute: bool,
    /// Whether it has said something to fill the wait for tools.
    pub(super) filled: bool,
    /// Since when it lets somebody finish, although the floor is free.
    pub(super) yields_since: Option<Timestamp>,
    /// Milliseconds for which it did so before, until another reply began.
    pub(super) yielded: u64,
    /// Whether the user's words are in the history, because something of the reply was heard or done.
    pub(super) recorded: bool,
    pub(super) stamps: Stamps,
}

/// What a reply is for.
#[derive(Debug, Clone)]
pub(super) enum Purpose {
    /// It answers a turn.
    Answer {
        /// The turn; of a speculative reply, as it would be if it ended now.
        turn: Committed,
        /// The user's words as the model is shown them.
        text: String,
        /// Context for this reply only.
        context: Option<String>,
    },
    /// The application gave the words.
    Say { text: String },
    /// The application asked for a generation, with these instructions.
    Initiative { instructions: String },
    /// The last words of the conversation.
    Farewell { text: String },
}

/// Whether a reply is certain to be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Only if this utterance ends with the words it has now.
    Speculative(UtteranceId),
    /// Yes.
    Live,
}

/// When the stages of a reply were first passed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stamps {
    pub(super) requested: Option<Timestamp>,
    pub(super) first_token: Option<Timestamp>,
    /// When the tools before the first words had returned, or a filler was said.
    pub(super) tools_done: Option<Timestamp>,
    pub(super) first_words: Option<Timestamp>,
    pub(super) first_segment: Option<Timestamp>,
    pub(super) first_audio: Option<Timestamp>,
    pub(super) was_speculative: bool,
    /// Generations and syntheses that failed, or gave nothing in time.
    pub(super) generations_failed: u32,
    pub(super) syntheses_failed: u32,
}

impl Reply {
    pub(super) fn new(id: ReplyId, purpose: Purpose, options: ReplyOptions, config: &Config) -> Self {
        Self {
            id,
            purpose,
            options,
            standing: Standing::Live,
            step: Step::Done,
            round: 0,
            failures: 0,
            length: 0,
            worded: None,
            speech: Speech::new(&config.speech),
            ledger: Ledger::default(),
            usage: TokenUsage::default(),
            failed: false,
            mute: false,
            filled: false,
            yields_since: None,
            yielded: 0,
            recorded: false,
            stamps: Stamps::default(),
        }
    }

    pub(super) fn is_speculative(&self) -> bool {
        matches!(self.standing, Standing::Speculative(_))
    }

    pub(super) fn turn(&self) -> Option<&Committed> {
        match &self.purpose {
            Purpose::Answer { turn, .. } => Some(turn),
            Purpose::Say { .. } | Purpose::Initiative { .. } | Purpose::Farewell { .. } => None,
        }
    }

    /// Whether it could be withdrawn without a trace: nothing was heard or shown, and nothing was changed outside.
    pub(super) fn is_traceless(&self) -> bool {
        !self.speech.is_heard() && !self.speech.is_shown() && !self.ledger.has_effects()
    }

    /// Whether all of it was generated and played.
    pub(super) fn is_finished(&self) -> bool {
        self.step == Step::Done && self.speech.is_played()
    }

    /// What the model is shown for the next generation.
    pub(super) fn context(&self, instructions: &str, history: &ChatContext, unheard: Option<&str>) -> ChatContext {
        let mut chat = ChatContext::new();
        if !instructions.is_empty() {
            chat.push(ChatItem::message(Role::System, instructions));
        }
        for item in history.shared() {
            chat.push(item.clone());
        }
        if let Some(words) = unheard {
            let note = format!("Your last reply was cut off. The user did not hear these words of it: {words}");
            chat.push(ChatItem::message(Role::System, note));
        }
        match &self.purpose {
            Purpose::Answer { text, context, .. } => {
                if let Some(context) = context {
                    chat.push(ChatItem::message(Role::System, context.as_str()));
                }
                if !self.recorded {
                    chat.push(ChatItem::message(Role::User, text.as_str()));
                }
            }
            Purpose::Initiative { instructions } if !instructions.is_empty() => {
                chat.push(ChatItem::message(Role::System, instructions.as_str()));
            }
            Purpose::Initiative { .. } | Purpose::Say { .. } | Purpose::Farewell { .. } => {}
        }
        for round in 0..self.round {
            let text = self.speech.text(round);
            if !text.trim().is_empty() {
                chat.push(ChatItem::message(Role::Assistant, text.trim()));
            }
            for item in self.ledger.items(round) {
                chat.push(item);
            }
        }
        chat
    }

    /// What goes into the history when the reply ends: what was heard, and the tools with their outputs.
    pub(super) fn record(&self) -> Vec<ChatItem> {
        let mut items = Vec::new();
        for round in 0..=self.round {
            let (heard, unheard) = self.speech.split(Some(round));
            let (heard, unheard) = (heard.trim(), unheard.trim());
            if !heard.is_empty() {
                items.push(ChatItem::Message(Message {
                    role: Role::Assistant,
                    text: heard.to_owned(),
                    interrupted: !unheard.is_empty(),
                    unheard: (!unheard.is_empty()).then(|| unheard.to_owned()),
                }));
            }
            items.extend(self.ledger.items(round));
        }
        items
    }

    /// Heard and unheard text of all generations.
    pub(super) fn split(&self) -> (String, String) {
        let (heard, unheard) = self.speech.split(None);
        (heard.trim().to_owned(), unheard.trim().to_owned())
    }

    /// The user's words for the history, the first time.
    pub(super) fn take_turn_record(&mut self) -> Option<ChatItem> {
        if std::mem::replace(&mut self.recorded, true) {
            return None;
        }
        self.turn().map(|turn| ChatItem::message(Role::User, text(&turn.parts)))
    }

    /// The moments of its turn, at its first sample.
    pub(super) fn latency(&self, first_sample: Timestamp) -> Option<TurnLatency> {
        let turn = self.turn()?;
        let stamps = self.stamps;
        let first_token = stamps.first_token?;
        let tools_done = stamps.tools_done.unwrap_or(first_token);
        let overdue = Overdue {
            transcript: turn.parts.last().is_some_and(|part| part.interim),
            review: turn.review_overdue,
            generations: stamps.generations_failed,
            syntheses: stamps.syntheses_failed,
        };
        Some(TurnLatency {
            turn: turn.id,
            reply: self.id,
            wait: turn.moments.wait,
            percent: turn.moments.percent,
            speculative: stamps.was_speculative,
            last_voiced: turn.moments.last_voiced,
            voice_ended: turn.moments.voice_ended,
            ready: turn.moments.ready,
            transcribed: turn.moments.transcribed,
            committed: turn.committed,
            reviewed: turn.reviewed,
            requested: stamps.requested?,
            first_token,
            tools_done,
            first_words: stamps.first_words.unwrap_or(tools_done),
            first_segment: stamps.first_segment?,
            first_audio: stamps.first_audio?,
            first_sample,
            overdue,
        })
    }
}
