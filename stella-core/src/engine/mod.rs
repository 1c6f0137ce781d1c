//! The conversation engine: who has the floor, when a turn has ended, what a reply is doing.
//!
//! The engine is a pure state machine. It never blocks, reads no clock, does no I/O and knows no randomness:
//! ```
//! use stella_core::{engine::{Engine, Input, Options, WordListJudge}, time::Timestamp};
//!
//! let config = Options::default().validate()?;
//! let mut engine = Engine::new(config, Box::new(WordListJudge));
//! engine.handle(Timestamp::ZERO, Input::Tick);
//! while let Some(output) = engine.poll_output() {
//!     println!("{output:?}"); // a command to carry out, or an event to tell
//! }
//! if let Some(deadline) = engine.deadline() {
//!     engine.handle(deadline, Input::Tick);
//! }
//! # Ok::<(), stella_core::engine::OptionsError>(())
//! ```
//! After each [`handle`](Engine::handle), drain [`poll_output`](Engine::poll_output), then wait for the next input or
//! for [`deadline`](Engine::deadline), whichever comes first. The words, machines, rules and hard cases are described in
//! `docs/engine.md`.

mod input;
mod judge;
mod latency;
mod options;
mod output;

use std::collections::VecDeque;

use crate::time::Timestamp;

pub use input::{CloseReason, Input, Priority, ReplyOptions, Review, TypedPolicy};
pub use judge::{Judge, Overlapping, Verdict, WordListJudge};
pub use latency::{TurnLatency, Wait};
pub use options::{
    Config, ConversationOptions, EndpointingOptions, InterruptionOptions, Options, OptionsError, RecoveryOptions,
    SpeculationOptions, SpeechOptions,
};
pub use output::{
    AgentState, Command, DiscardReason, Event, Output, Part, ReplyEnd, Source, Stage, TurnOutcome, UserState,
};

/// What the engine has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Answers to commands that were already answered or cancelled.
    pub late: u64,
}

/// The conversation engine. See the [module](self).
#[derive(Debug)]
pub struct Engine {
    now: Timestamp,
    config: Config,
    judge: Box<dyn Judge>,
    out: VecDeque<Output>,
    stats: Stats,
}

impl Engine {
    /// An engine at the start of a conversation.
    #[must_use]
    pub fn new(config: Config, judge: Box<dyn Judge>) -> Self {
        Self { now: Timestamp::ZERO, config, judge, out: VecDeque::new(), stats: Stats::default() }
    }

    /// Takes one input at the time it happened. A time before the previous one counts as the previous one.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.now = self.now.max(now);
        let _ = (input, &self.judge, &self.config);
    }

    /// The next output, in order. Drain it after each [`handle`](Self::handle).
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Input::Tick`] is due if nothing else happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        None
    }

    /// What the engine has counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
