use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// What a second of speech costs on this machine just now, in seconds of work: an average over the last few clauses of
/// all streams.
#[derive(Debug)]
pub(super) struct Cost(AtomicU32);

/// Before the first clause is measured: two shared cores without special instructions for 8-bit products.
const EXPECTED: f32 = 0.75;
/// Weight of the newest clause.
const WEIGHT: f32 = 0.25;

impl Default for Cost {
    fn default() -> Self {
        Self(AtomicU32::new(EXPECTED.to_bits()))
    }
}

impl Cost {
    pub(super) fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Takes a clause into account. Two at once may lose one of them, which does not matter.
    pub(super) fn add(&self, work: Duration, speech: Duration) {
        if !speech.is_zero() {
            let cost = self.get() + WEIGHT * (work.as_secs_f32() / speech.as_secs_f32() - self.get());
            self.0.store(cost.to_bits(), Ordering::Relaxed);
        }
    }
}
