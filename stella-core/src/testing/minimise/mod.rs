//! A minimiser for recordings that fail: fewer inputs, closer together, and still the same rule breaks or the same
//! divergence happens.
//!
//! It leaves out ever smaller parts of the inputs (delta debugging), then shortens the waits between those that are left,
//! as long as a [`Trial`] still fails. Ids that later inputs name are translated: what the engine calls `u7` in the
//! recording may be `u1` once half of the inputs are gone.

mod names;
mod trial;

use std::time::Duration;

pub use trial::{Answer, Divergent, RuleBreach, Trial};

use crate::{
    engine::{Input, Record, Recorded},
    time::Timestamp,
};
use names::{Id, Names, issued};

/// Runs that a search may make unless told otherwise; each takes about a millisecond.
pub const MOST_RUNS: usize = 5_000;

/// An input and when it was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// When.
    pub at: Timestamp,
    /// What.
    pub input: Input,
}

/// How far a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Runs made.
    pub runs: usize,
    /// Inputs that are left.
    pub inputs: usize,
}

/// What is left of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimised {
    /// The inputs that still fail, in order. The last one shows it.
    pub given: Vec<Given>,
    /// Runs made.
    pub runs: usize,
    /// Whether no single input can be left out; else the search came to the end of its runs.
    pub minimal: bool,
}

/// Shrinks the inputs of a recording. `start` begins a trial; `None` if even the whole recording does not fail in it.
pub fn minimise<T: Trial>(
    records: &[Record],
    most_runs: usize,
    start: impl Fn() -> T,
    progress: impl FnMut(Progress),
) -> Option<Minimised> {
    let steps = steps(records);
    let whole = (0..steps.len()).map(|step| Kept { step, at: steps[step].at }).collect();
    let mut search = Search { steps, start, progress, kept: whole, given: Vec::new(), runs: 0, most_runs };
    if !search.try_out(search.kept.clone()) {
        return None;
    }
    let mut minimal = search.leave_out();
    // Waits that are shorter make more inputs needless.
    while minimal && search.shorten() {
        minimal = search.leave_out();
    }
    Some(Minimised { given: search.given, runs: search.runs, minimal })
}

/// One input of the recording, with the ids that its outputs issued.
struct Step {
    at: Timestamp,
    input: Input,
    issued: Vec<Id>,
}

fn steps(records: &[Record]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for record in records {
        match &record.what {
            Recorded::Input(input) => steps.push(Step { at: record.at, input: input.clone(), issued: Vec::new() }),
            Recorded::Output(output) => {
                if let Some(step) = steps.last_mut() {
                    step.issued.extend(issued(output));
                }
            }
        }
    }
    steps
}

/// An input that is not left out, and when it is given.
#[derive(Debug, Clone, Copy)]
struct Kept {
    step: usize,
    at: Timestamp,
}

struct Search<S, P> {
    steps: Vec<Step>,
    start: S,
    progress: P,
    kept: Vec<Kept>,
    given: Vec<Given>,
    runs: usize,
    most_runs: usize,
}

impl<T: Trial, S: Fn() -> T, P: FnMut(Progress)> Search<S, P> {
    /// Runs these inputs. If they fail they are kept, up to the one that shows it.
    fn try_out(&mut self, mut kept: Vec<Kept>) -> bool {
        self.runs += 1;
        let mut trial = (self.start)();
        let mut names = Names::default();
        let mut given = Vec::with_capacity(kept.len());
        for (number, &Kept { step, at }) in kept.iter().enumerate() {
            let original = &self.steps[step];
            let input = names.translate(&original.input);
            given.push(Given { at, input: input.clone() });
            match trial.give(step, at, input) {
                Answer::Outputs(outputs) => names.learn(&original.issued, &outputs),
                Answer::Fails => {
                    kept.truncate(number + 1);
                    (self.kept, self.given) = (kept, given);
                    (self.progress)(Progress { runs: self.runs, inputs: self.kept.len() });
                    return true;
                }
                Answer::FailsOtherwise => return false,
            }
        }
        false
    }

    fn may_run(&self) -> bool {
        self.runs < self.most_runs
    }

    /// Leaves out parts, from half of the inputs down to single ones; later ones first, because they hang on earlier ones.
    /// Returns whether no single input can be left out.
    fn leave_out(&mut self) -> bool {
        let mut size = self.kept.len().div_ceil(2);
        loop {
            let before = self.kept.len();
            let mut end = before;
            while end > 0 {
                if !self.may_run() {
                    return false;
                }
                let start = end.saturating_sub(size);
                let mut fewer = self.kept.clone();
                fewer.drain(start..end);
                self.try_out(fewer);
                end = start.min(self.kept.len());
            }
            match (size, self.kept.len() < before) {
                (1, false) => return true,
                (1, true) => {}
                _ => size = size.div_ceil(2),
            }
        }
    }

    /// Shortens waits: away, or to a half, or to whole milliseconds. Returns whether any became shorter.
    fn shorten(&mut self) -> bool {
        let mut shorter = false;
        let mut number = 0;
        while number < self.kept.len() {
            let before = number.checked_sub(1).map_or(Timestamp::ZERO, |n| self.kept[n].at);
            let wait = self.kept[number].at.since(before);
            for less in [wait, wait / 2, Duration::from_micros((wait.as_micros() % 1_000) as u64)] {
                if less.is_zero() || !self.may_run() {
                    continue;
                }
                let mut earlier = self.kept.clone();
                for kept in &mut earlier[number..] {
                    kept.at = Timestamp::ZERO + kept.at.since(Timestamp::ZERO).saturating_sub(less);
                }
                if self.try_out(earlier) {
                    shorter = true;
                    break;
                }
            }
            number += 1;
        }
        shorter
    }
}
