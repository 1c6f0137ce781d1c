//! A look inside, for tests: which state each machine is in, and what waits where.
//!
//! Only compiled with the feature `rules`. Applications see events instead.

use super::{
    Engine, Part, closing::Closing, floor::Floor, ledger, listener::Listener, overlap::Overlap, presence::Presence,
    step::Step, turn::Turn,
};
use crate::{
    id::{CallId, GenerationId, ReplyId, SpeakerId, TurnId, UtteranceId},
    time::Timestamp,
};

/// The engine as a test sees it.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a>(&'a Engine);

/// The reply that has the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyProbe {
    /// Which.
    pub id: ReplyId,
    /// The turn it answers.
    pub turn: Option<TurnId>,
    /// Whether it may be interrupted.
    pub interruptible: bool,
    /// Whether it goes into the history.
    pub remember: bool,
    /// Whether it is begun on a probable end of turn.
    pub speculative: bool,
    /// Its open generation.
    pub generation: Option<GenerationId>,
    /// State of its step.
    pub step: &'static str,
    /// Whether its playout was asked for.
    pub playing: bool,
}

impl Engine {
    /// A look inside.
    #[must_use]
    pub fn probe(&self) -> Probe<'_> {
        Probe(self)
    }
}

impl Probe<'_> {
    /// The time of the engine.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.now
    }

    /// State of the floor.
    #[must_use]
    pub fn floor(&self) -> &'static str {
        match &self.0.floor {
            Floor::Idle => "Idle",
            Floor::Thinking(reply) if reply.is_speculative() => "Speculating",
            Floor::Thinking(_) => "Thinking",
            Floor::Speaking(_) => "Speaking",
            Floor::Held(_) => "Held",
        }
    }

    /// State of the overlap.
    #[must_use]
    pub fn overlap(&self) -> &'static str {
        match &self.0.overlap {
            Overlap::None => "None",
            Overlap::Listening { .. } => "Listening",
            Overlap::Judging(_) => "Judging",
            Overlap::Dismissed { .. } => "Dismissed",
        }
    }

    /// State of the turn.
    #[must_use]
    pub fn turn(&self) -> &'static str {
        match &self.0.turn {
            Turn::Collecting(_) => "Collecting",
            Turn::Reviewing { .. } => "Reviewing",
            Turn::Answering { .. } => "Answering",
        }
    }

    /// State of the end.
    #[must_use]
    pub fn closing(&self) -> &'static str {
        match &self.0.closing {
            Closing::Open => "Open",
            Closing::Farewell { .. } => "Farewell",
            Closing::Draining { .. } => "Draining",
            Closing::Closed => "Closed",
        }
    }

    /// Whether anybody is here.
    #[must_use]
    pub fn presence(&self) -> &'static str {
        match self.0.presence {
            Presence::Here => "Here",
            Presence::Gone { .. } => "Gone",
        }
    }

    /// State of each segment of the reply on the floor, in order.
    pub fn segments(&self) -> impl Iterator<Item = &'static str> {
        self.0.floor.reply().into_iter().flat_map(|reply| reply.speech.states())
    }

    /// State of each tool call of the reply on the floor, and of those that go on in the background.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, &'static str)> {
        let of_reply = self.0.floor.reply().into_iter().flat_map(|reply| reply.ledger.calls());
        let states = of_reply.map(|call| match call.state {
            ledger::State::Requested => (call.id, "Requested"),
            ledger::State::Running { .. } => (call.id, "Running"),
            ledger::State::Output { .. } => (call.id, "Output"),
        });
        states.chain(self.0.detached.iter().map(|(call, ..)| (*call, "Detached")))
    }

    /// State of each speaker, and the open utterance.
    pub fn listeners(&self) -> impl Iterator<Item = (SpeakerId, &'static str, Option<UtteranceId>)> {
        self.0.speakers.iter().map(|s| {
            let state = match &s.listener {
                Listener::Silent => "Silent",
                Listener::Speaking(_) => "Speaking",
                Listener::Pausing { .. } => "Pausing",
                Listener::Ready { .. } => "Ready",
            };
            (s.id, state, s.listener.utterance().map(|u| u.id))
        })
    }

    /// The reply on the floor.
    #[must_use]
    pub fn reply(&self) -> Option<ReplyProbe> {
        let reply = self.0.floor.reply()?;
        let step = match reply.step {
            Step::Requested { .. } => "Requested",
            Step::Streaming { .. } => "Streaming",
            Step::Tools { .. } => "Tools",
            Step::Done => "Done",
        };
        Some(ReplyProbe {
            id: reply.id,
            turn: reply.turn().map(|turn| turn.id),
            interruptible: reply.options.interruptible,
            remember: reply.options.remember,
            speculative: reply.is_speculative(),
            generation: reply.step.generation(),
            step,
            playing: reply.speech.is_started(),
        })
    }

    /// The words that wait for a commit.
    #[must_use]
    pub fn collected(&self) -> &[Part] {
        &self.0.turn.collected().parts
    }

    /// Whether those words are complete, and nobody who spoke them is speaking on.
    #[must_use]
    pub fn is_turn_ready(&self) -> bool {
        self.0.is_turn_ready()
    }

    /// Whether a committed turn is under review, being answered, or collected again.
    #[must_use]
    pub fn has_turn(&self, id: TurnId) -> bool {
        let now = match &self.0.turn {
            Turn::Collecting(_) => false,
            Turn::Reviewing { turn, .. } => turn.id == id,
            Turn::Answering { turn, .. } => *turn == id,
        };
        now || self.0.turn.collected().merged.contains(&id)
    }

    /// Whether nothing is begun because nobody is here.
    #[must_use]
    pub fn waits_for_somebody(&self) -> bool {
        self.0.waits_for_somebody()
    }

    /// Whether the next reply of those that wait lets somebody finish first.
    #[must_use]
    pub fn yields(&self) -> bool {
        self.0.yields()
    }

    /// Replies that wait for the floor.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.len()
    }

    /// The longest of the queues that have a fixed limit, relative to it: at most 1.
    #[must_use]
    pub fn fullness(&self) -> f64 {
        let limits = &self.0.config.conversation;
        let queues = [
            (self.0.waiting.len(), limits.max_waiting),
            (self.0.history.len(), limits.max_history),
            (self.0.corrections.len(), super::hearing::MAX_CORRECTIONS),
            (self.0.speakers.len(), super::hearing::MAX_SPEAKERS),
            (self.0.detached.len(), super::replies::MAX_DETACHED),
            (self.0.turn.collected().parts.len(), super::turns::MAX_PARTS),
        ];
        queues.into_iter().map(|(len, max)| len as f64 / max as f64).fold(0.0, f64::max)
    }
}
