//! The media clock of one own track: when the next frame is due, and which RTP timestamp it carries.
//!
//! While running, frames are due on a grid of 20 ms from the moment the run began, so that no lateness accumulates.
//! Between runs the timestamp advances by the time that passed.

use super::{FRAME, FRAME_TIME, rtp_units};
use std::time::{Duration, Instant};

/// Lateness that is made up for by sending at once what is due. Beyond it, time is skipped.
const CATCH_UP: Duration = Duration::from_millis(120);

/// When to send, and with which timestamp.
#[derive(Debug)]
pub struct Pacer {
    /// When the next frame is due; `None` between runs.
    next: Option<Instant>,
    /// A moment on the grid with its timestamp.
    anchor: Option<(Instant, u32)>,
    first_timestamp: u32,
}

/// One frame is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Timestamp for RTP, in units of 1/48,000 s.
    pub timestamp: u32,
    /// How late it is.
    pub late: Duration,
    /// Frames of time that were skipped before it.
    pub skipped: u64,
}

impl Pacer {
    /// A clock whose first frame carries `first_timestamp`.
    #[must_use]
    pub fn new(first_timestamp: u32) -> Self {
        Self { next: None, anchor: None, first_timestamp }
    }

    /// Begins a run: a frame is due at once. Does nothing during a run.
    pub fn start(&mut self, now: Instant) {
        if self.next.is_none() {
            self.next = Some(now);
        }
    }

    /// Ends the run.
    pub fn stop(&mut self) {
        self.next = None;
    }

    /// When the next frame is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Takes the frame that is due, if one is.
    pub fn tick(&mut self, now: Instant) -> Option<Tick> {
        let due = self.next.filter(|due| *due <= now)?;
        let late = now - due;
        let skipped = if late > CATCH_UP { (late.as_nanos() / FRAME_TIME.as_nanos()) as u64 } else { 0 };
        let slot = due + FRAME_TIME * u32::try_from(skipped).unwrap_or(u32::MAX);
        let timestamp = self.stamp(slot);
        self.next = Some(slot + FRAME_TIME);
        Some(Tick { timestamp, late, skipped })
    }

    /// The timestamp of a moment that lies off the grid, between runs.
    pub(crate) fn stamp(&mut self, slot: Instant) -> u32 {
        let timestamp = match self.anchor {
            None => self.first_timestamp,
            Some((then, stamp)) => {
                let elapsed = rtp_units(slot.saturating_duration_since(then)).max(u64::from(FRAME));
                stamp.wrapping_add(elapsed as u32) // modulo 2^32 is what RTP means
            }
        };
        self.anchor = Some((slot, timestamp));
        timestamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn ticks(pacer: &mut Pacer, now: Instant) -> Vec<Tick> {
        std::iter::from_fn(|| pacer.tick(now)).collect()
    }

    #[test]
    fn frames_are_due_every_20_ms_whatever_the_lateness() {
        let (t0, mut pacer) = (Instant::now(), Pacer::new(100));
        pacer.start(t0);
        let mut stamps = Vec::new();
        for (i, late) in [0, 7, 19, 3, 0, 55, 20, 0].into_iter().enumerate() {
            stamps.extend(ticks(&mut pacer, t0 + MS * (20 * i as u32 + late)).iter().map(|t| t.timestamp));
        }
        assert_eq!(stamps, (0..stamps.len() as u32).map(|i| 100 + i * 960).collect::<Vec<_>>());
        assert_eq!(pacer.deadline().map(|d| (d - t0).as_millis()), Some(stamps.len() as u128 * 20));
    }

    #[test]
    fn a_short_stall_is_caught_up_and_a_long_one_skipped() {
        let (t0, mut pacer) = (Instant::now(), Pacer::new(0));
        pacer.start(t0);
        assert_eq!(ticks(&mut pacer, t0 + MS * 100).len(), 6);
        let after = ticks(&mut pacer, t0 + MS * 1_125);
        assert_eq!(after, [Tick { timestamp: 56 * 960, late: MS * 1005, skipped: 50 }]);
    }

    #[test]
    fn after_silence_the_timestamp_has_advanced_by_the_time_that_passed() {
        let (t0, mut pacer) = (Instant::now(), Pacer::new(u32::MAX - 100));
        pacer.start(t0);
        let first = pacer.tick(t0).expect("due").timestamp;
        pacer.stop();
        assert_eq!(pacer.tick(t0 + MS * 500), None);
        pacer.start(t0 + MS * 1_007);
        let second = pacer.tick(t0 + MS * 1_007).expect("due").timestamp;
        assert_eq!(second.wrapping_sub(first), 1_007 * 48);
    }

    proptest! {
        #[test]
        fn no_drift_and_no_overlap(wakes in proptest::collection::vec(0u64..60, 1..300)) {
            let (t0, mut pacer) = (Instant::now(), Pacer::new(0));
            pacer.start(t0);
            let (mut now, mut last, mut sent, mut skipped) = (t0, None::<u32>, 0u64, 0u64);
            for wake in wakes {
                now += MS * wake as u32;
                while let Some(tick) = pacer.tick(now) {
                    if let Some(last) = last {
                        prop_assert_eq!(tick.timestamp - last, 960 * (tick.skipped as u32 + 1));
                    }
                    last = Some(tick.timestamp);
                    sent += 1;
                    skipped += tick.skipped;
                }
                prop_assert_eq!(sent + skipped, (now - t0).as_millis() as u64 / 20 + 1);
            }
        }
    }
}
