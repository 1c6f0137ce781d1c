//! The clock that fakes wait by; injected, because this crate knows no runtime.

use std::{fmt, future::Future, pin::Pin, time::Duration};

/// Tells the time and waits. The time counts from any fixed point.
pub trait Timer: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Duration;

    /// Completes at the time `at`, at once if it has passed.
    fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}
