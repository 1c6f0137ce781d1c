//! Chance from a seed.

use std::{ops::RangeInclusive, time::Duration};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Dice of one part of a conversation: what one part draws does not move what the others draw.
pub(crate) struct Dice(Mutex<StdRng>);

impl Dice {
    pub(crate) fn new(seed: u64, whose: &str) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        for (byte, letter) in bytes[8..].iter_mut().zip(whose.bytes()) {
            *byte = letter;
        }
        Self(Mutex::new(StdRng::from_seed(bytes)))
    }

    pub(crate) fn between(&self, range: RangeInclusive<u64>) -> u64 {
        self.0.lock().random_range(range)
    }

    /// True so many times of a hundred.
    pub(crate) fn percent(&self, percent: u64) -> bool {
        self.between(1..=100) <= percent
    }

    pub(crate) fn millis(&self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.between(range))
    }

    pub(crate) fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.between(0..=choices.len() as u64 - 1) as usize]
    }

    /// One of the choices, each as often as its weight says.
    pub(crate) fn weighted<T: Copy>(&self, choices: &[(u64, T)]) -> T {
        let mut left = self.between(1..=choices.iter().map(|(weight, _)| weight).sum());
        for &(weight, choice) in choices {
            if left <= weight {
                return choice;
            }
            left -= weight;
        }
        choices[0].1
    }
}
