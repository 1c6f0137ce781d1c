//! A stream whose items come at fixed times.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;

use super::timer::Timer;

/// Gives each item at its own time after the start, in order, and then ends.
pub struct Timeline<T> {
    timer: Arc<dyn Timer>,
    start: Duration,
    items: VecDeque<(Duration, T)>,
    wait: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<T> Timeline<T> {
    /// A timeline that starts now. Each item is given so long after the start.
    pub fn new(timer: Arc<dyn Timer>, items: impl IntoIterator<Item = (Duration, T)>) -> Self {
        let start = timer.now();
        Self { timer, start, items: items.into_iter().collect(), wait: None }
    }
}

impl<T: Unpin> Stream for Timeline<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let this = &mut *self;
        let Some((at, _)) = this.items.front() else { return Poll::Ready(None) };
        let at = this.start + *at;
        let wait = this.wait.get_or_insert_with(|| this.timer.sleep_until(at));
        if wait.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        this.wait = None;
        Poll::Ready(this.items.pop_front().map(|(_, item)| item))
    }
}

impl<T> fmt::Debug for Timeline<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").field("items", &self.items.len()).finish_non_exhaustive()
    }
}
