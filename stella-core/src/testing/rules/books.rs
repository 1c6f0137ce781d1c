//! What the rules know: their own books of commands, words, turns and replies.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::{Broken, Rule};
use crate::{
    chat::ChatItem,
    engine::{AgentState, Config, Options, Part, Source, TurnOutcome, UserState, Wait},
    id::{CallId, GenerationId, ReplyId, ScoreId, SegmentId, SpeakerId, TurnId, UtteranceId},
    llm::TokenUsage,
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
    /// Whether one was cancelled in the step in which it was asked for: nobody could see of which reply.
    pub(super) cancelled_unseen: bool,
    pub(super) segments: Vec<(SegmentId, ReplyId)>,
    pub(super) calls: Vec<CallId>,
    /// The reply for which a tool that changes something was started in this step.
    pub(super) changing: Option<ReplyId>,
    pub(super) scores: Vec<(ScoreId, SpeakerId)>,
    pub(super) reviews: Vec<TurnId>,
    pub(super) utterances: BTreeMap<UtteranceId, Utterance>,
    /// Where the next utterance begins.
    pub(super) voiced_since: Timestamp,
    /// When the application ended turns.
    pub(super) commits: BTreeSet<Timestamp>,
    /// Finished utterances whose final transcript may still be told.
    pub(super) corrections: Vec<(UtteranceId, u32)>,
    pub(super) tools: BTreeMap<String, ToolPolicy>,
    /// Tools that are or were said to change nothing outside.
    pub(super) harmless: BTreeSet<String>,
    /// What the user said, as the last generation was shown it, if it was asked for in this step.
    pub(super) shown: Option<String>,
    pub(super) turns: BTreeMap<TurnId, TurnBook>,
    pub(super) replies: BTreeMap<ReplyId, ReplyBook>,
    /// What the agent said and did, by the history, since the last reply ended.
    pub(super) remembered: Vec<ChatItem>,
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
    /// Replies by the agent's own initiative that were asked for and have not begun.
    pub(super) waiting: usize,
    /// Whether the conversation is ending.
    pub(super) ending: bool,
    /// When it must have ended.
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
    /// First voiced sample.
    pub(super) since: Timestamp,
    /// Last voiced sample, when the end of the voice was noticed, and when the last checkpoint was asked for.
    pub(super) last_voiced: Timestamp,
    pub(super) voice_ended: Timestamp,
    pub(super) asked_at: Timestamp,
    /// When the final transcript of the pause came.
    pub(super) transcribed: Option<Timestamp>,
    /// Who ended the pause, if it was not a silence.
    pub(super) ended_by: Option<Wait>,
}

impl Utterance {
    /// The voice ends.
    pub(super) fn pause(&mut self, now: Timestamp, last_voiced: Timestamp) {
        if std::mem::replace(&mut self.speaking, false) {
            (self.last_voiced, self.voice_ended) = (last_voiced.max(self.since).min(now), now);
        }
    }

    /// The voice goes on.
    pub(super) fn go_on(&mut self) {
        (self.speaking, self.transcribed, self.ended_by) = (true, None, None);
    }

    /// Whether the voice has paused, and everything said up to there is known.
    pub(super) fn is_understood(&self) -> bool {
        !self.speaking && self.answered == self.asked
    }

    /// When it was said and understood, if it is over now.
    pub(super) fn moments(&self, now: Timestamp) -> Moments {
        let Self { last_voiced, voice_ended, .. } = *self;
        let transcribed = self.transcribed.unwrap_or(now);
        if self.speaking {
            Moments { filed: now, transcribed, ..Moments::at(self.asked_at, Some(Wait::Limit)) }
        } else {
            Moments { wait: self.ended_by, last_voiced, voice_ended, transcribed, filed: now }
        }
    }
}

/// When words were said and understood, by the inputs alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moments {
    /// What ended them; `None` for a silence or the recogniser.
    pub(super) wait: Option<Wait>,
    pub(super) last_voiced: Timestamp,
    pub(super) voice_ended: Timestamp,
    pub(super) transcribed: Timestamp,
    /// When they became part of the turn.
    pub(super) filed: Timestamp,
}

impl Moments {
    /// Of words that were complete at once.
    pub(super) fn at(now: Timestamp, wait: Option<Wait>) -> Self {
        Self { wait, last_voiced: now, voice_ended: now, transcribed: now, filed: now }
    }
}

#[derive(Debug, Clone)]
pub(super) struct TurnBook {
    pub(super) parts: Vec<Part>,
    pub(super) outcome: Option<TurnOutcome>,
    /// When its last part that may end a turn was said; `None` if only the application can have ended it.
    pub(super) said: Option<Moments>,
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
    /// Whether words of it were shown that cannot be spoken.
    pub(super) shown: bool,
    /// Whether it goes into the history, once known.
    pub(super) remember: Option<bool>,
    /// Whether something outside was changed for it.
    pub(super) effects: bool,
    /// What its generations said they cost, whether any was cancelled, and the bytes of text of those.
    pub(super) usage: TokenUsage,
    pub(super) cancelled: bool,
    pub(super) uncounted: usize,
    /// Bytes of text of the open generation.
    pub(super) written: usize,
    /// When it was certain, and when its first generation and its first synthesis were asked for.
    pub(super) certain: Option<Timestamp>,
    pub(super) requested: Option<Timestamp>,
    pub(super) synthesised: Option<Timestamp>,
    /// Whether its first segment may have nothing to pronounce.
    pub(super) may_begin_silent: bool,
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
    /// When they were said, if they may end a turn.
    pub(super) moments: Option<Moments>,
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
            cancelled_unseen: false,
            segments: Vec::new(),
            calls: Vec::new(),
            changing: None,
            scores: Vec::new(),
            reviews: Vec::new(),
            utterances: BTreeMap::new(),
            voiced_since: Timestamp::ZERO,
            commits: BTreeSet::new(),
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
            waiting: 0,
            ending: false,
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
