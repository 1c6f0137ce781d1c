//! The rules I1 to I17 of docs/engine.md as code: a [`Watched`] engine checks all of them after every step.
//!
//! The rules keep their own books, from nothing but the inputs, the outputs and a [probe](crate::engine::Probe); where
//! they and the engine disagree, one of the two is wrong.

mod books;
mod commands;
mod events;
mod history;
mod late;
mod latency;
mod queues;
mod state;
mod step;
mod words;

use std::fmt;

use crate::{
    engine::{Config, Engine, Input, Judge, Output, Record, Recorded},
    time::Timestamp,
};
use books::Rules;

/// One rule of docs/engine.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Every committed turn has exactly one outcome.
    I1,
    /// At most one reply is audible, and none again after its end.
    I2,
    /// Each command is issued once, and completed or cancelled once; later answers change nothing and are counted.
    I3,
    /// Each tool call has exactly one output before a generation that contains it; no side effect under speculation.
    I4,
    /// History holds what was heard.
    I5,
    /// Alive: a deadline while there is work, bounded outputs, no deadline that stands still.
    I6,
    /// Closed no later than the end allows.
    I7,
    /// No word lost.
    I8,
    /// A hold ends within `max_hold`.
    I9,
    /// A rollback leaves no trace.
    I10,
    /// The same inputs give the same outputs, what is due before the input of the same time; a clock that jumps back stands
    /// still.
    I11,
    /// Memory is bounded.
    I12,
    /// An uninterruptible reply is never held or cut off by the user.
    I13,
    /// State events follow their edges, and never repeat.
    I14,
    /// The latency of a turn adds up.
    I15,
    /// The latency controller moves only for what was measured, and within its bounds.
    I16,
    /// A spoken turn is ended by what its mode allows, and by no silence shorter than the options allow.
    I17,
}

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// When.
    pub at: Timestamp,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is broken at {}: {}", self.rule, self.at, self.why)
    }
}

impl std::error::Error for Broken {}

/// Most outputs of one step: the end of a conversation leaves out every part of a turn, at most 256, and tells every call
/// of a reply with its output.
const MAX_OUTPUTS: usize = 512;

/// An engine whose every step is checked and recorded.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The engine.
    pub engine: Engine,
    /// What happened so far.
    pub records: Vec<Record>,
    rules: Rules,
}

impl Watched {
    /// Watches a new engine.
    #[must_use]
    pub fn new(config: &Config, judge: Box<dyn Judge>) -> Self {
        Self::over(Engine::new(config.clone(), judge), config)
    }

    /// Watches an engine that was told nothing yet.
    #[must_use]
    pub fn over(engine: Engine, config: &Config) -> Self {
        Self { engine, records: Vec::new(), rules: Rules::new(config) }
    }

    /// Gives an input to the engine, after a tick if one is due, and checks what it does; returns the number of the
    /// first record of its outputs.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<usize, Broken> {
        let first = self.records.len();
        if !matches!(input, Input::Tick) && self.engine.deadline().is_some_and(|at| at <= now) {
            let mut twin = self.engine.clone();
            self.handle(now, Input::Tick)?; // so that what the input does is seen alone
            self.handle(now, input.clone())?;
            twin.handle(now, input);
            return self.rules.tick_first(self.outputs(first), &self.engine, &mut twin).map(|()| first);
        }
        self.rules.now = self.rules.now.max(now);
        let late = self.rules.is_late(&input);
        let twin = late.then(|| self.engine.clone());
        let line = self.records.len() + 2;
        self.engine.handle(now, input.clone());
        self.records.push(Record { line, at: now, what: Recorded::Input(input) });
        let own = self.records.len();
        while let Some(output) = self.engine.poll_output() {
            let line = self.records.len() + 2;
            self.records.push(Record { line, at: now, what: Recorded::Output(output) });
        }
        let (inputs, outputs) = self.records.split_at(own);
        if let (Some(mut twin), Some(Record { what: Recorded::Input(input), .. })) = (twin, inputs.last()) {
            twin.handle(now, Input::Tick);
            self.rules.late(input, outputs, &self.engine, &mut twin)?;
        }
        if let Some(Record { what: Recorded::Input(input), .. }) = inputs.last() {
            self.rules.observe(input, outputs, &self.engine)?;
        }
        Ok(first)
    }

    /// Checks what must hold once nothing has happened for so long that no deadline is left.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn settled(&self) -> Result<(), Broken> {
        self.rules.settled(&self.engine)
    }

    /// The outputs from a record on.
    pub fn outputs(&self, first: usize) -> impl Iterator<Item = &Output> {
        self.records[first..].iter().filter_map(|record| match &record.what {
            Recorded::Output(output) => Some(output),
            Recorded::Input(_) => None,
        })
    }
}
