//! Ways to fail.

use crate::{
    engine::{Config, Divergence, Engine, Input, Judge, Output, Record, Recorded},
    testing::rules::{Rule, Watched},
    time::Timestamp,
};

/// One run of some inputs.
pub trait Trial {
    /// Gives an input, that with this number in the recording.
    fn give(&mut self, number: usize, at: Timestamp, input: Input) -> Answer;
}

/// What came of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The engine said this.
    Outputs(Vec<Output>),
    /// The run fails as the recording did.
    Fails,
    /// The run fails in another way.
    FailsOtherwise,
}

/// Fails when a certain rule breaks.
#[derive(Debug, Clone)]
pub struct RuleBreach {
    watched: Watched,
    rule: Rule,
}

impl RuleBreach {
    /// A run of an engine that was told nothing yet.
    #[must_use]
    pub fn new(engine: Engine, config: &Config, rule: Rule) -> Self {
        Self { watched: Watched::over(engine, config), rule }
    }
}

impl Trial for RuleBreach {
    fn give(&mut self, _: usize, at: Timestamp, input: Input) -> Answer {
        match self.watched.handle(at, input) {
            Ok(first) => Answer::Outputs(self.watched.outputs(first).cloned().collect()),
            Err(broken) if broken.rule == self.rule => Answer::Fails,
            Err(_) => Answer::FailsOtherwise,
        }
    }
}

/// Fails when the engine, in the same states, gives to the input of a divergence the kind of output that was not recorded,
/// or leaves out the kind that was. (What it said in the recording cannot be asked again: that engine is gone.)
#[derive(Debug, Clone)]
pub struct Divergent {
    engine: Engine,
    /// Number of the input.
    number: usize,
    states: String,
    expected: Option<String>,
    actual: Option<String>,
}

impl Divergent {
    /// A run like that of this recording, which diverges.
    #[must_use]
    pub fn new(config: &Config, judge: Box<dyn Judge>, records: &[Record], divergence: &Divergence) -> Self {
        let fresh = Engine::new(config.clone(), judge);
        let mut engine = fresh.clone();
        let (mut number, mut before) = (0, String::new());
        let inputs = records.iter().take_while(|record| record.line <= divergence.line);
        let inputs = inputs.filter_map(|record| match &record.what {
            Recorded::Input(input) => Some((record.at, input)),
            Recorded::Output(_) => None,
        });
        for (count, (at, input)) in inputs.enumerate() {
            (number, before) = (count, states(&engine));
            handle(&mut engine, at, input.clone());
        }
        let (expected, actual) = (divergence.expected.as_ref().map(kind), divergence.actual.as_ref().map(kind));
        Self { engine: fresh, number, states: before, expected, actual }
    }

    /// Number of the input that diverges, from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Trial for Divergent {
    fn give(&mut self, number: usize, at: Timestamp, input: Input) -> Answer {
        let before = states(&self.engine);
        let outputs = handle(&mut self.engine, at, input);
        if number != self.number || before != self.states {
            return Answer::Outputs(outputs);
        }
        let kinds: Vec<String> = outputs.iter().map(kind).collect();
        let same = match (&self.actual, &self.expected) {
            (Some(actual), _) => kinds.contains(actual),
            (None, Some(expected)) => !kinds.contains(expected),
            (None, None) => true,
        };
        if same { Answer::Fails } else { Answer::FailsOtherwise }
    }
}

fn states(engine: &Engine) -> String {
    let probe = engine.probe();
    format!("{} {} {} {}", probe.floor(), probe.overlap(), probe.turn(), probe.closing())
}

fn handle(engine: &mut Engine, at: Timestamp, input: Input) -> Vec<Output> {
    engine.handle(at, input);
    std::iter::from_fn(|| engine.poll_output()).collect()
}

/// The names of an output's variants, without what is in them.
fn kind(output: &Output) -> String {
    format!("{output:?}").split([' ', '"', '{']).next().unwrap_or_default().to_owned()
}
