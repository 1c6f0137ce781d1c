//! When each sample of a sound was heard, by its position.

use stella_core::{audio::AudioFormat, time::Timestamp};

/// A later frame than this is no jitter: the sound stood still.
const STALL: i64 = 300_000;
/// How much later the line may move with each microsecond of sound, as a fraction: 500 parts in a million.
const DRIFT: i64 = 2_000;

/// Maps positions to times. Frames arrive with jitter, never too early: so the earliest arrivals tell where the line is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Position of the first sample of this sound.
    base: u64,
    /// When the sample at `base` was heard, in microseconds; `None` before the first frame.
    anchor: Option<i64>,
}

impl Line {
    /// The line of a sound whose first sample gets the position `base`.
    pub(super) fn new(base: u64) -> Self {
        Self { base, anchor: None }
    }

    /// Notes that the samples up to `end`, the last `samples` of them new, were there at `at`.
    pub(super) fn observe(&mut self, end: u64, samples: u64, at: Timestamp) {
        let seen = micros(at.as_micros()) - self.offset(end);
        self.anchor = Some(match self.anchor {
            None => seen,
            Some(anchor) if seen <= anchor => seen,
            Some(anchor) if seen - anchor > STALL => seen,
            Some(anchor) => seen.min(anchor + self.offset(self.base + samples) / DRIFT),
        });
    }

    /// When the sample at a position was heard.
    pub(super) fn time(&self, position: u64) -> Timestamp {
        let at = self.anchor.unwrap_or_default() + self.offset(position);
        Timestamp::from_micros(u64::try_from(at).unwrap_or_default())
    }

    fn offset(&self, position: u64) -> i64 {
        let offset = |samples| micros(AudioFormat::SPEECH.duration(samples).as_micros());
        if position >= self.base { offset(position - self.base) } else { -offset(self.base - position) }
    }
}

fn micros(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_does_not_move_the_line_but_a_stall_does() {
        let mut line = Line::new(0);
        let mut end = 0;
        for (n, late) in [0_u64, 40, 5, 90, 0].into_iter().enumerate() {
            end += 320;
            line.observe(end, 320, Timestamp::from_millis(1_000 + (n as u64 + 1) * 20 + late));
        }
        assert_eq!(line.time(0).as_millis(), 1_000);
        assert_eq!(line.time(16_000).as_millis(), 2_000);
        end += 320;
        line.observe(end, 320, Timestamp::from_millis(1_120 + 2_000));
        assert_eq!(line.time(end).as_millis(), 3_120);
    }
}
