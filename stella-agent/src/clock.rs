//! The clock of one session.

use std::time::Duration;

use stella_core::time::Timestamp;
use tokio::time::Instant;

/// Maps the runtime's clock to the time of the conversation. A session over a file may run faster than real time; then
/// one second of the clock is several of the conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    speed: f64,
}

impl Clock {
    /// A clock that starts now and runs `speed` times as fast as the real one.
    pub(crate) fn start(speed: f64) -> Self {
        Self { start: Instant::now(), speed }
    }

    /// The time of the conversation now.
    pub(crate) fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// The time of the conversation at an instant; its start for an earlier one.
    pub(crate) fn at(&self, instant: Instant) -> Timestamp {
        let elapsed = instant.saturating_duration_since(self.start);
        Timestamp::ZERO + if self.is_real() { elapsed } else { elapsed.mul_f64(self.speed) }
    }

    /// The instant at which the conversation reaches a time.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        self.start + self.real(at.since(Timestamp::ZERO))
    }

    /// How long a stretch of the conversation lasts on the real clock.
    pub(crate) fn real(&self, duration: Duration) -> Duration {
        if self.is_real() { duration } else { duration.div_f64(self.speed) }
    }

    #[expect(clippy::float_cmp, reason = "1 is given as a literal and means: do not convert")]
    fn is_real(&self) -> bool {
        self.speed == 1.0
    }
}
