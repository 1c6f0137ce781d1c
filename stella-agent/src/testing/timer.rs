//! The clock of the scripted providers.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use stella_core::testing::scripted::Timer;
use tokio::time::Instant;

/// tokio's clock.
#[derive(Debug, Clone, Copy)]
pub struct TokioTimer {
    zero: Instant,
}

impl TokioTimer {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Arc<dyn Timer> {
        Arc::new(Self { zero: Instant::now() })
    }
}

impl Timer for TokioTimer {
    fn now(&self) -> Duration {
        self.zero.elapsed()
    }

    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep_until(self.zero + at))
    }
}
