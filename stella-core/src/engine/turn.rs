//! The turn under way: what the user has said that is not answered yet.

use super::{Wait, output::Part};
use crate::{
    id::{TurnId, UtteranceId},
    time::Timestamp,
};

/// What the user wants answered, while it is collected, reviewed, answered.
#[derive(Debug, Clone)]
pub(super) enum Turn {
    /// Words are collected; the turn is committed when they are ready and the floor is free.
    Collecting(Collected),
    /// The application reviews the committed turn; answered as it is at `by`.
    Reviewing { turn: Committed, by: Timestamp, next: Collected },
    /// A reply to the committed turn has the floor; further words wait in `next`.
    Answering { turn: TurnId, next: Collected },
}

/// Words that are not committed yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Collected {
    pub(super) parts: Vec<Part>,
    /// Earlier turns whose words are in `parts` again, because the user went on before the reply was heard.
    pub(super) merged: Vec<TurnId>,
    /// Whether the speaker has finished: the turn may be committed. Holds the moments of its last part.
    pub(super) ready: Option<Moments>,
    /// How many of `parts`, from the first, were in those turns.
    pub(super) reopened: usize,
    /// The utterance that took the floor from its reply: the turn is not ready before it is over.
    pub(super) awaits: Option<UtteranceId>,
    /// Speculative replies begun for it.
    pub(super) attempts: u32,
}

/// A turn with its id.
#[derive(Debug, Clone)]
pub(super) struct Committed {
    pub(super) id: TurnId,
    pub(super) parts: Vec<Part>,
    pub(super) moments: Moments,
    pub(super) committed: Timestamp,
    /// When the application had reviewed it, and whether that was in time.
    pub(super) reviewed: Timestamp,
    pub(super) review_overdue: bool,
}

/// When the last part of a turn was said and understood.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) wait: Wait,
    pub(super) percent: Option<u8>,
    pub(super) last_voiced: Timestamp,
    pub(super) voice_ended: Timestamp,
    pub(super) ready: Timestamp,
    pub(super) transcribed: Timestamp,
}

impl Committed {
    /// A turn that is committed now, and not to be reviewed.
    pub(super) fn new(id: TurnId, parts: Vec<Part>, moments: Moments, now: Timestamp) -> Self {
        Self { id, parts, moments, committed: now, reviewed: now, review_overdue: false }
    }
}

impl Moments {
    /// Of words that were complete at `now`: typed, or committed by the application.
    pub(super) fn at(now: Timestamp, wait: Wait) -> Self {
        Self { wait, percent: None, last_voiced: now, voice_ended: now, ready: now, transcribed: now }
    }
}

impl Turn {
    /// The words that wait for a commit.
    pub(super) fn collected_mut(&mut self) -> &mut Collected {
        match self {
            Self::Collecting(collected) => collected,
            Self::Reviewing { next, .. } | Self::Answering { next, .. } => next,
        }
    }

    pub(super) fn collected(&self) -> &Collected {
        match self {
            Self::Collecting(collected) => collected,
            Self::Reviewing { next, .. } | Self::Answering { next, .. } => next,
        }
    }

    /// Back to collecting, with the words that wait.
    pub(super) fn release(&mut self) {
        let next = std::mem::take(self.collected_mut());
        *self = Self::Collecting(next);
    }

    /// The turn was withdrawn before it was answered: its words stand before those that wait.
    pub(super) fn reopen(&mut self, turn: Committed) {
        let mut next = std::mem::take(self.collected_mut());
        next.reopened += turn.parts.len();
        next.parts.splice(0..0, turn.parts);
        next.merged.insert(0, turn.id);
        // The words were ready once; they stay so, unless the speaker goes on (the engine then waits for them).
        next.ready = next.ready.or(Some(turn.moments));
        *self = Self::Collecting(next);
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Reviewing { by, .. } => Some(*by),
            Self::Collecting(_) | Self::Answering { .. } => None,
        }
    }
}

/// The words of the parts as one text for the model.
pub(super) fn text(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(part.text.trim());
    }
    text
}
