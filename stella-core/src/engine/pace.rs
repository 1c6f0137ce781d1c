//! How a speaker pauses: learned from their pauses so far.

use std::time::Duration;

/// Weight of the newest pause. A handful of pauses tell how somebody speaks, and a change of mood is followed.
const NEWEST: f32 = 0.15;
/// Mean length in milliseconds of pauses inside turns, until something else is known: that of eot-bench's English
/// turns, of those pauses that a voice detector notices.
const USUAL_PAUSE: f32 = 550.0;
/// Share of pauses that end a turn, until something else is known.
const USUAL_ENDS: f32 = 0.5;
/// How far what was learned may move the waits, either way.
const MOST: f32 = 2.0;

/// One speaker's pauses. The same pauses give the same numbers on any machine: there is nothing in it but sums and
/// products.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// Mean length in milliseconds of pauses inside turns; newer ones count more.
    inside: f32,
    /// Share of pauses that ended a turn.
    ends: f32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { inside: USUAL_PAUSE, ends: USUAL_ENDS }
    }
}

impl Pace {
    /// The speaker went on after a pause; one longer than `longest` counts as that long.
    pub(super) fn went_on(&mut self, pause: Duration, longest: Duration) {
        let millis = pause.min(longest).as_millis() as f32;
        self.inside += NEWEST * (millis - self.inside);
        self.ends -= NEWEST * self.ends;
    }

    /// A pause was the end of a turn.
    pub(super) fn ended(&mut self) {
        self.ends += NEWEST * (1.0 - self.ends);
    }

    /// Factor for waits: above 1 for somebody who pauses for longer than is usual.
    pub(super) fn slowness(&self) -> f32 {
        (self.inside / USUAL_PAUSE).clamp(1.0 / MOST, MOST)
    }

    /// Factor for the odds that a pause ends the turn: below 1 for somebody who pauses often before the end.
    pub(super) fn decisiveness(&self) -> f32 {
        let odds = |share: f32| share / (1.0 - share).max(0.01);
        (odds(self.ends) / odds(USUAL_ENDS)).clamp(1.0 / MOST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_pauses_often_and_long_is_given_time() {
        let mut pace = Pace::default();
        assert!((pace.slowness() - 1.0).abs() < 1e-6 && (pace.decisiveness() - 1.0).abs() < 1e-6);
        for _ in 0..5 {
            pace.went_on(Duration::from_millis(1_200), Duration::from_secs(2));
        }
        assert!(pace.slowness() > 1.5 && pace.decisiveness() < 0.8, "{pace:?}");
        for _ in 0..20 {
            pace.ended();
        }
        assert!(pace.decisiveness() > 1.5, "{pace:?}");
    }

    #[test]
    fn what_is_learned_is_bounded() {
        let mut pace = Pace::default();
        for _ in 0..1_000 {
            pace.went_on(Duration::from_secs(3_600), Duration::from_millis(1_600));
        }
        assert!(pace.slowness() <= MOST && pace.decisiveness() >= 1.0 / MOST);
    }
}
