//! A recording in memory.

use std::{
    io::{self, Write},
    sync::Arc,
};

use parking_lot::Mutex;
use stella_core::engine::{ReplayError, Report, WordListJudge, replay};

/// Takes a recording ([`record_to`](crate::AgentSessionBuilder::record_to)). Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Tape(Arc<Mutex<Vec<u8>>>);

impl Tape {
    /// What was recorded so far.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().clone()
    }

    /// Runs the recording again, with the default judge.
    ///
    /// # Errors
    /// [`ReplayError`] if the engine does not do what it did.
    pub fn replay(&self) -> Result<Report, ReplayError> {
        replay(&self.bytes()[..], Box::new(WordListJudge))
    }
}

impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
