//! How long things took.

use std::time::Duration;

use anyhow::{Result, ensure};

/// Times in nanoseconds, in a table whose memory does not grow.
#[derive(Debug)]
pub(crate) struct Times(Vec<u32>);

impl Times {
    /// A table for so many times.
    pub(crate) fn with_capacity(most: usize) -> Self {
        Self(Vec::with_capacity(most))
    }

    /// Notes a time.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(u32::try_from(time.as_nanos()).unwrap_or(u32::MAX));
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many fit into the memory of the table.
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Sorts them, for [`at`](Self::at).
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn sorted(mut self) -> Result<Self> {
        ensure!(!self.0.is_empty(), "nothing was measured");
        self.0.sort_unstable();
        Ok(self)
    }

    /// The time below which this share of them lies, in µs.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let index = ((self.0.len() - 1) as f64 * share) as usize;
        f64::from(self.0[index]) / 1e3
    }
}
