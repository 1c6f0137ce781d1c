//! Settings tried one after the other, and what the best of them gives.

use std::time::Duration;

use anyhow::Result;
use stella_core::engine::{EndpointingMode, Options};

use super::{
    outcome::Outcome,
    replay::{Case, Policy, Scores, replay},
};

/// What decides when the turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Silence alone.
    Vad,
    /// smart-turn alone, as eot-bench asks it: threshold, delay, timeout.
    SmartTurn,
    /// smart-turn alone, with the engine's wait.
    SmartTurnWait,
    /// The words alone.
    Words,
    /// smart-turn and the words.
    Fused,
    /// The same, and the speaker's own pauses.
    Adaptive,
}

impl Method {
    pub(crate) const ALL: [Self; 6] =
        [Self::Vad, Self::SmartTurn, Self::SmartTurnWait, Self::Words, Self::Fused, Self::Adaptive];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vad => "silence alone",
            Self::SmartTurn => "smart-turn alone, threshold",
            Self::SmartTurnWait => "smart-turn alone, our wait",
            Self::Words => "words alone, our wait",
            Self::Fused => "fused",
            Self::Adaptive => "fused, adaptive",
        }
    }

    /// What eot-bench gives for something like it: mean delay in milliseconds at 5 % of false cut-ins, in English.
    pub(crate) fn peer(self) -> (&'static str, f64) {
        match self {
            Self::Vad => ("silence alone on eot-bench", 1_600.0),
            Self::SmartTurn | Self::SmartTurnWait => ("smart-turn v3.2 on eot-bench", 1_051.0),
            Self::Words | Self::Fused | Self::Adaptive => ("LiveKit v1-mini on eot-bench", 1_070.0),
        }
    }

    /// Every setting worth trying.
    fn policies(self) -> Vec<Policy> {
        let grid = |complete: &[u64], unsure: &[u64], incomplete: &[u64]| {
            let mut waits = Vec::new();
            for &c in complete {
                for &u in unsure {
                    for &i in incomplete {
                        waits.extend((c <= u && u <= i).then_some([c, u, i]));
                    }
                }
            }
            waits
        };
        let policy = |waits: [u64; 3], score, words, adaptive| {
            let mut options = with_waits(waits);
            options.endpointing.adaptive = adaptive;
            Policy { options, words, score }
        };
        let steps: Vec<u64> = (200..=3_000).step_by(50).collect();
        let fine = || grid(&[200, 250, 400], &(200..=2_400).step_by(100).collect::<Vec<_>>(), LONGEST);
        match self {
            Self::Vad => steps
                .iter()
                .map(|&wait| {
                    let mut policy = policy([wait; 3], Scores::Absent, false, false);
                    policy.options.endpointing.mode = EndpointingMode::Silence;
                    policy
                })
                .collect(),
            Self::SmartTurn => {
                let delays: Vec<u64> = (200..=1_200).step_by(100).collect();
                let thresholds = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97];
                let waits = delays.iter().flat_map(|&d| LONGEST.iter().filter(move |&&l| l >= d).map(move |&l| (d, l)));
                // In the middle, so that both ends are reached.
                let waits: Vec<[u64; 3]> = waits.map(|(d, l)| [d, ((d * l) as f64).sqrt() as u64, l]).collect();
                let all = thresholds.iter().flat_map(|&t| waits.iter().map(move |&w| (t, w)));
                all.map(|(t, w)| policy(w, Scores::Hard(t), false, false)).collect()
            }
            Self::SmartTurnWait => fine().into_iter().map(|w| policy(w, Scores::Kept, false, false)).collect(),
            Self::Words => fine().into_iter().map(|w| policy(w, Scores::Absent, true, false)).collect(),
            Self::Fused => fine().into_iter().map(|w| policy(w, Scores::Kept, true, false)).collect(),
            Self::Adaptive => fine().into_iter().map(|w| policy(w, Scores::Kept, true, true)).collect(),
        }
    }
}

/// Longest waits.
const LONGEST: &[u64] = &[800, 1_200, 1_600, 2_000, 2_500, 3_000, 4_000];

/// The engine's defaults, with these waits in milliseconds: complete, unsure, incomplete.
pub(crate) fn with_waits([complete, unsure, incomplete]: [u64; 3]) -> Options {
    let mut options = Options::default();
    let waits = &mut options.endpointing;
    waits.wait_complete = Duration::from_millis(complete);
    waits.wait_unsure = Duration::from_millis(unsure);
    waits.wait_incomplete = Duration::from_millis(incomplete);
    options
}

/// A setting, and what it gives on the turns of each recording.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) policy: Policy,
    pub(crate) recordings: Vec<Outcome>,
}

impl Point {
    /// Tries a setting.
    pub(crate) fn measure(policy: Policy, cases: &[Case]) -> Result<Self> {
        let mut recordings: Vec<Outcome> = Vec::new();
        let mut name = "";
        for (case, outcome) in cases.iter().zip(replay(cases, &policy)?) {
            // Turns of one recording come one after the other.
            match recordings.last_mut() {
                Some(last) if case.turn.name == name => *last = *last + outcome,
                _ => recordings.push(outcome),
            }
            name = &case.turn.name;
        }
        Ok(Self { policy, recordings })
    }

    /// What it gives on the turns of some recordings, by their numbers.
    pub(crate) fn on(&self, recording: impl Fn(usize) -> bool) -> Outcome {
        self.recordings.iter().enumerate().filter(|(n, _)| recording(*n)).map(|(_, outcome)| *outcome).sum()
    }

    /// What it gives on all turns.
    pub(crate) fn all(&self) -> Outcome {
        self.on(|_| true)
    }
}

/// Tries every setting of a method.
pub(crate) fn sweep(method: Method, cases: &[Case]) -> Result<Vec<Point>> {
    method.policies().into_iter().map(|policy| Point::measure(policy, cases)).collect()
}
