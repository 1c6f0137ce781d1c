//! The agent's side of the floor: idle, thinking, speaking or held. At most one reply has it, and who is next.

use std::time::Duration;

use super::{
    Engine, Priority,
    listener::{Speaker, Utterance},
    reply::Reply,
    turn::Turn,
};
use crate::time::Timestamp;

/// Who has the floor on the agent's side.
#[derive(Debug, Clone, Default)]
pub(super) enum Floor {
    /// Nobody.
    #[default]
    Idle,
    /// A reply of which nothing was heard yet.
    Thinking(Box<Reply>),
    /// A reply that is audible.
    Speaking(Box<Reply>),
    /// A reply that stands still until the speech over it is judged. Ends by [`Overlap`](super::overlap::Overlap).
    Held(Box<Reply>),
}

impl Floor {
    pub(super) fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Idle => None,
            Self::Thinking(reply) | Self::Speaking(reply) | Self::Held(reply) => Some(reply),
        }
    }

    pub(super) fn reply_mut(&mut self) -> Option<&mut Reply> {
        match self {
            Self::Idle => None,
            Self::Thinking(reply) | Self::Speaking(reply) | Self::Held(reply) => Some(reply),
        }
    }

    /// Takes the reply off the floor.
    pub(super) fn take(&mut self) -> Option<Box<Reply>> {
        match std::mem::take(self) {
            Self::Idle => None,
            Self::Thinking(reply) | Self::Speaking(reply) | Self::Held(reply) => Some(reply),
        }
    }

    /// Thinking or speaking, as much of the reply has been heard or not.
    pub(super) fn give(&mut self, reply: Box<Reply>) {
        *self = if reply.speech.is_heard() { Self::Speaking(reply) } else { Self::Thinking(reply) };
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }
}

impl Engine {
    /// Starts the next reply; `false` if there is none, or the application reviews the turn.
    pub(super) fn give_floor(&mut self) -> bool {
        if self.waits_for_somebody() {
            return false;
        }
        let yields = self.yield_to_speakers();
        let urgent = self.waiting.front().is_some_and(|reply| reply.options.priority == Priority::High);
        if (yields || !urgent) && self.is_turn_ready() {
            self.commit_turn();
            return !self.floor.is_idle();
        }
        if yields || matches!(self.turn, Turn::Reviewing { .. }) {
            return false;
        }
        match self.waiting.pop_front() {
            Some(reply) => self.start(reply),
            None => return false,
        }
        true
    }

    /// Whether the next reply of those that wait lets somebody finish first, who speaks or pauses.
    fn yield_to_speakers(&mut self) -> bool {
        let (now, yields) = (self.now, self.yields());
        if yields && let Some(reply) = self.waiting.front_mut() {
            reply.yields_since.get_or_insert(now);
        }
        yields
    }

    pub(super) fn yields(&self) -> bool {
        self.yields_until().is_some_and(|until| self.now < until)
    }

    /// Until when the next reply of those that wait lets somebody finish; `None` if it need not.
    fn yields_until(&self) -> Option<Timestamp> {
        let next = self.waiting.front().filter(|reply| reply.options.interruptible)?;
        let left = self.config.conversation.give_way.saturating_sub(Duration::from_millis(next.yielded));
        let unfinished = self.config.interruption.enabled && self.speakers.iter().any(|s| self.is_unfinished(s));
        unfinished.then(|| next.yields_since.unwrap_or(self.now) + left)
    }

    /// Whether somebody whose words count speaks or pauses. A sound that is known to hold no word is over.
    pub(super) fn is_unfinished(&self, speaker: &Speaker) -> bool {
        let noise = |u: &Utterance| !speaker.listener.is_speaking() && u.is_final() && !u.has_words();
        self.drives(speaker.id) && speaker.listener.utterance().is_some_and(|utterance| !noise(utterance))
    }

    /// A reply begins: those that wait let nobody finish meanwhile.
    pub(super) fn stop_yielding(&mut self) {
        for waiting in &mut self.waiting {
            let since = waiting.yields_since.take();
            waiting.yielded += since.map_or(0, |since| self.now.since(since).as_millis() as u64);
        }
    }

    /// When the next reply of those that wait is begun although somebody has not finished.
    pub(super) fn yields_at(&self) -> Option<Timestamp> {
        let free = self.closing.is_open() && self.floor.is_idle() && !matches!(self.turn, Turn::Reviewing { .. });
        self.yields_until().filter(|_| free && !self.waits_for_somebody())
    }

    /// Whether replies that wait let the answer to who is speaking go first.
    pub(super) fn answers_go_first(&self) -> bool {
        self.waiting.front().is_none_or(|next| self.yields() && next.options.priority != Priority::High)
    }
}
