//! When the agent was audible at the user's side.

use std::time::{Duration, Instant};

use crate::clip::{FORMAT, WINDOW, audible};

/// Audible stretches nearer to each other than this are one.
const JOIN: Duration = Duration::from_millis(30);

/// A stretch in which the agent was audible.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// When its first audible sample was heard.
    pub from: Instant,
    /// When its last audible sample was heard.
    pub to: Instant,
}

/// Notes when there is something to hear.
#[derive(Debug, Default)]
pub struct Ear {
    stretches: Vec<Stretch>,
    /// Until when anything at all, silence included, was heard.
    latest: Option<Instant>,
}

impl Ear {
    /// Takes a frame whose first sample is heard at `at`.
    pub fn hear(&mut self, at: Instant, samples: &[i16]) {
        for (n, window) in samples.chunks(WINDOW).enumerate() {
            if !audible(window) {
                continue;
            }
            let from = at + FORMAT.duration((n * WINDOW) as u64);
            let to = from + FORMAT.duration(window.len() as u64);
            match self.stretches.last_mut() {
                Some(last) if from <= last.to + JOIN => last.to = last.to.max(to),
                _ => self.stretches.push(Stretch { from, to }),
            }
        }
        self.latest = Some(at + FORMAT.duration(samples.len() as u64));
    }

    /// The first audible sample not before `at`.
    #[must_use]
    pub fn first_from(&self, at: Instant) -> Option<Instant> {
        self.stretches.iter().find(|s| s.to > at).map(|s| s.from.max(at))
    }

    /// The last audible sample between two moments.
    #[must_use]
    pub fn last_within(&self, from: Instant, to: Instant) -> Option<Instant> {
        self.stretches.iter().rev().find(|s| s.from < to && s.to > from).map(|s| s.to.min(to))
    }

    /// How long the agent was audible since a moment.
    #[must_use]
    pub fn audible_since(&self, at: Instant) -> Duration {
        self.stretches.iter().filter(|s| s.to > at).map(|s| s.to - s.from.max(at)).sum()
    }

    /// Whether the agent is audible now, or was so short ago that it is between two sounds.
    #[must_use]
    pub fn is_audible(&self, within: Duration) -> bool {
        match (self.latest, self.stretches.last()) {
            (Some(latest), Some(last)) => latest.saturating_duration_since(last.to) <= within,
            _ => false,
        }
    }

    /// The longest silence between two sounds from one moment to another.
    #[must_use]
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let inside: Vec<&Stretch> = self.stretches.iter().filter(|s| s.to > from && s.from < to).collect();
        inside.windows(2).map(|pair| pair[1].from.saturating_duration_since(pair[0].to)).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_and_gaps_are_found() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut ear = Ear::default();
        for frame in 0..50 {
            let loud = (10..20).contains(&frame) || (30..40).contains(&frame);
            ear.hear(at(frame * 20), &[if loud { 4_000 } else { 0 }; 480]);
        }
        assert_eq!(ear.first_from(start), Some(at(200)));
        assert_eq!(ear.first_from(at(500)), Some(at(600)));
        assert_eq!(ear.last_within(at(250), at(550)), Some(at(400)));
        assert_eq!(ear.last_within(at(450), at(550)), None);
        assert_eq!(ear.audible_since(at(300)), Duration::from_millis(300));
        assert_eq!(ear.longest_gap(start, at(1_000)), Duration::from_millis(200));
        assert!(!ear.is_audible(Duration::from_millis(150)) && ear.is_audible(Duration::from_millis(250)));
    }
}
