//! What the rules know: their own books of commands, words, turns and replies.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::{Broken, Rule};
use crate::{
    chat::Message,
    engine::{AgentState, Config, Options, Part, Source, TurnOutcome, UserState},
    id::{CallId, GenerationId, ReplyId, ScoreId, SegmentId, SpeakerId, TurnId, UtteranceId},
    time::Timestamp,
    tool::ToolPolicy,
};

/// The books of the rules.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) options: Options,
    pub(super) now: Timestamp,
    /// Ids of commands, by kind.
    pub(super) issued: BTreeSet<(&'static str, u64)>,
    /// Open generations and the reply each belongs to, once known.
    pub(super) generations: Vec<(GenerationId, Option<ReplyId>)>,
    pub(super) segments: Vec<(SegmentId, ReplyId)>,
    pub(super) calls: Vec<CallId>,
    pub(super) scores: Vec<(ScoreId, SpeakerId)>,
    pub(super) reviews: Vec<TurnId>,
    pub(super) utterances: BTreeMap<UtteranceId, Utterance>,
    /// Finished utterances whose final transcript may still be told.
    pub(super) corrections: Vec<(UtteranceId, u32)>,
    pub(super) tools: BTreeMap<String, ToolPolicy>,
    /// Tools that are or were said to change nothing outside.
    pub(super) harmless: BTreeSet<String>,
    /// What the user said, as the last generation was shown it, if it was asked for in this step.
    pub(super) shown: Option<String>,
    pub(super) turns: BTreeMap<TurnId, TurnBook>,
    pub(super) replies: BTreeMap<ReplyId, ReplyBook>,
    /// Assistant messages since the last reply ended.
    pub(super) remembered: Vec<Message>,
    /// Whether some reply was not to be remembered.
    pub(super) forgetful: bool,
    /// Words that were finished, in the order in which they were.
    pub(super) words: Vec<Words>,
    /// Responses that were told, of spoken turns.
    pub(super) responses: BTreeSet<Duration>,
    pub(super) user: UserState,
    pub(super) agent: AgentState,
    /// Whose words drive the turn; `None` for everybody's.
    pub(super) linked: Option<SpeakerId>,
    /// When the conversation must have ended.
    pub(super) end_by: Option<Timestamp>,
    pub(super) closed: bool,
}

/// An utterance that is open.
#[derive(Debug, Clone)]
pub(super) struct Utterance {
    pub(super) speaker: SpeakerId,
    pub(super) asked: u32,
    pub(super) answered: u32,
    /// The last final text, and its checkpoint.
    pub(super) last_final: String,
    pub(super) final_of: u32,
    /// Everything it was said to say, trimmed.
    pub(super) texts: BTreeSet<String>,
    /// Whether the speaker has gone on since the last checkpoint was asked for.
    pub(super) speaking: bool,
    /// Whether the application ended the turn, or the speaker left.
    pub(super) released: bool,
}

#[derive(Debug, Clone)]
pub(super) struct TurnBook {
    pub(super) parts: Vec<Part>,
    pub(super) outcome: Option<TurnOutcome>,
    /// How often its words were added to the history.
    pub(super) recorded: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Playing {
    #[default]
    No,
    Sounding,
    Stopped,
}

#[derive(Debug, Clone, Default)]
pub(super) struct ReplyBook {
    pub(super) started: bool,
    pub(super) turn: Option<TurnId>,
    pub(super) ended: bool,
    pub(super) interruptible: Option<bool>,
    pub(super) playing: Playing,
    /// When it was held.
    pub(super) held: Option<Timestamp>,
    /// Furthest sample reported.
    pub(super) heard: u64,
    pub(super) segments: Vec<SegmentBook>,
    pub(super) spoke: String,
    /// Whether something outside was changed for it.
    pub(super) effects: bool,
    pub(super) first_token: Option<Timestamp>,
    pub(super) first_audio: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub(super) struct SegmentBook {
    pub(super) id: SegmentId,
    pub(super) text: String,
    pub(super) samples: u64,
    pub(super) done: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Words {
    pub(super) source: Source,
    pub(super) speaker: SpeakerId,
    pub(super) text: Expected,
    pub(super) fate: Fate,
    /// Whether they may be answered if only the application ends turns.
    pub(super) released: bool,
    /// Whether somebody else was linked when they were said.
    pub(super) aside: bool,
}

/// What the words of a source must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// Final: these.
    Exactly(String),
    /// No final transcript came: one of these, with at least so many words.
    OneOf(BTreeSet<String>, usize),
}

impl Expected {
    pub(super) fn allows(&self, text: &str) -> bool {
        match self {
            Self::Exactly(words) => words == text,
            Self::OneOf(texts, least) => texts.contains(text) && text.split_whitespace().count() >= *least,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Open,
    Turn(TurnId),
    Discarded,
}

/// Letters and digits only: what can be heard.
pub(super) fn sounds(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

impl Rules {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            options: (**config).clone(),
            now: Timestamp::ZERO,
            issued: BTreeSet::new(),
            generations: Vec::new(),
            segments: Vec::new(),
            calls: Vec::new(),
            scores: Vec::new(),
            reviews: Vec::new(),
            utterances: BTreeMap::new(),
            corrections: Vec::new(),
            tools: BTreeMap::new(),
            harmless: BTreeSet::new(),
            shown: None,
            turns: BTreeMap::new(),
            replies: BTreeMap::new(),
            remembered: Vec::new(),
            forgetful: false,
            words: Vec::new(),
            responses: BTreeSet::new(),
            user: UserState::default(),
            agent: AgentState::default(),
            linked: None,
            end_by: None,
            closed: false,
        }
    }

    pub(super) fn broken<T>(&self, rule: Rule, why: impl fmt::Display) -> Result<T, Broken> {
        Err(Broken { rule, at: self.now, why: why.to_string() })
    }

    /// Whether the conversation may end: somebody has asked for it, or the options let the engine.
    pub(super) fn may_end(&self) -> bool {
        let Options { conversation, recovery, .. } = &self.options;
        self.end_by.is_some() || conversation.rejoin_within.is_some() || recovery.end_after.is_some()
    }

    pub(super) fn check(&self, rule: Rule, holds: bool, why: impl FnOnce() -> String) -> Result<(), Broken> {
        if holds { Ok(()) } else { self.broken(rule, why()) }
    }
}
