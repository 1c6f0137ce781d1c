//! What became of turns: delays of their ends, and cut-ins at their pauses.

use std::{array, iter::Sum, ops::Add};

use super::turns::Kind;

/// What became of some turns.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outcome {
    /// Ends that count and were committed.
    pub(crate) ends: usize,
    /// Sum of their delays in milliseconds, from the last voiced sample to the commit.
    pub(crate) waited: f64,
    /// Ends that count and were never committed.
    pub(crate) never: usize,
    /// Pauses inside of each kind, and those of them at which the turn was committed.
    pauses: [(usize, usize); Kind::ALL.len()],
    /// Commits at silences that do not count as pauses: shorter ones, and those that count in another turn.
    pub(crate) elsewhere: usize,
}

impl Outcome {
    /// One more pause inside.
    pub(crate) fn pause(&mut self, kind: Kind, cut: bool) {
        let (pauses, cuts) = &mut self.pauses[kind as usize];
        *pauses += 1;
        *cuts += usize::from(cut);
    }

    /// Mean delay in milliseconds.
    pub(crate) fn delay(&self) -> f64 {
        self.waited / self.ends.max(1) as f64
    }

    /// Pauses of a kind or of all, and those of them at which the turn was committed.
    pub(crate) fn pauses(&self, kind: Option<Kind>) -> (usize, usize) {
        let of = |all: (usize, usize), kind: Kind| {
            let (pauses, cuts) = self.pauses[kind as usize];
            (all.0 + pauses, all.1 + cuts)
        };
        Kind::ALL.into_iter().filter(|k| kind.is_none_or(|kind| kind == *k)).fold((0, 0), of)
    }

    /// Share of pauses, of a kind or of all, at which the turn was committed.
    pub(crate) fn cut_ins(&self, kind: Option<Kind>) -> f64 {
        let (pauses, cuts) = self.pauses(kind);
        cuts as f64 / pauses.max(1) as f64
    }
}

impl Add for Outcome {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            ends: self.ends + other.ends,
            waited: self.waited + other.waited,
            never: self.never + other.never,
            pauses: array::from_fn(|kind| {
                let ((pauses, cuts), more) = (self.pauses[kind], other.pauses[kind]);
                (pauses + more.0, cuts + more.1)
            }),
            elsewhere: self.elsewhere + other.elsewhere,
        }
    }
}

impl Sum for Outcome {
    fn sum<I: Iterator<Item = Self>>(outcomes: I) -> Self {
        outcomes.fold(Self::default(), Self::add)
    }
}
