//! The caller's side of an own track.

use crate::{
    engine::AudioSink,
    error::{DisconnectReason, RtcError},
    info::TrackSid,
    media::queue::{PlayoutQueue, Taken},
    options::AudioPublishOptions,
};
use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};
use std::{fmt, sync::Arc, time::Duration};
use stella_core::audio::{AudioFormat, AudioFrame};
use tokio::sync::Notify;

/// Whether a sink still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkState {
    /// It takes audio.
    Open,
    /// Its track was taken back.
    Unpublished,
    /// The session is over.
    Disconnected(DisconnectReason),
}

/// What sink and session share: the queue between the caller's [`Sink`] and the session's task.
#[derive(Debug)]
pub struct SinkShared {
    queue: Mutex<PlayoutQueue>,
    state: Mutex<SinkState>,
    track: Mutex<TrackSid>,
    /// Samples were taken or dropped, or the sink was closed.
    changed: Notify,
    /// Tells the session that there is something to send.
    wake: Arc<Notify>,
    format: AudioFormat,
}

impl SinkShared {
    /// An open sink of a track that has no id so far. `wake` is notified when there is something new to send.
    #[must_use]
    pub fn new(options: &AudioPublishOptions, wake: Arc<Notify>) -> Self {
        Self {
            queue: Mutex::new(PlayoutQueue::new(options.format, options.queue_limit)),
            state: Mutex::new(SinkState::Open),
            track: Mutex::new("".into()),
            changed: Notify::new(),
            wake,
            format: options.format,
        }
    }

    /// The queue, for the session's task. Call [`SinkShared::taken`] after taking samples.
    pub(crate) fn queue(&self) -> MutexGuard<'_, PlayoutQueue> {
        self.queue.lock()
    }

    /// Fills `frame` (interleaved, 20 ms) with what is to be sent now and counts it as sent. Untouched if there is
    /// nothing to send; a tail that does not fill the frame comes 20 ms later than the rest.
    pub fn take(&self, frame: &mut [i16]) -> Taken {
        let taken = self.queue().take(frame);
        if taken != Taken::Nothing {
            self.taken();
        }
        taken
    }

    /// Holds the queue while the track is muted.
    pub fn set_muted(&self, muted: bool) {
        self.queue().set_muted(muted);
        self.wake.notify_one();
    }

    /// Samples were taken.
    pub(crate) fn taken(&self) {
        self.changed.notify_waiters();
    }

    /// The track has a new id; returns the one before.
    pub fn set_track(&self, track: TrackSid) -> TrackSid {
        std::mem::replace(&mut self.track.lock(), track)
    }

    /// Id of the track.
    #[must_use]
    pub fn track(&self) -> TrackSid {
        self.track.lock().clone()
    }

    /// Ends the sink.
    pub fn close(&self, state: SinkState) {
        *self.state.lock() = state;
        self.queue.lock().clear();
        self.changed.notify_waiters();
    }

    fn check(&self) -> Result<(), RtcError> {
        match *self.state.lock() {
            SinkState::Open => Ok(()),
            SinkState::Unpublished => Err(RtcError::Closed { what: "the track" }),
            SinkState::Disconnected(reason) => Err(RtcError::Disconnected { reason }),
        }
    }
}

/// The caller's side of an own track. `K` is kept as long as the sink, such as a handle that keeps the session alive.
pub struct Sink<K> {
    shared: Arc<SinkShared>,
    /// Frames of two callers must not mix.
    pushing: tokio::sync::Mutex<()>,
    /// Keeps the session alive.
    _session: K,
}

impl<K> Sink<K> {
    /// The caller's side of `shared`.
    #[must_use]
    pub fn new(shared: Arc<SinkShared>, session: K) -> Self {
        Self { shared, pushing: tokio::sync::Mutex::new(()), _session: session }
    }
}

/// Takes back what a push that was given up has announced.
struct Announced<'a> {
    shared: &'a SinkShared,
    ticket: u64,
    left: usize,
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        if self.left > 0 {
            self.shared.queue.lock().abandon(self.ticket, self.left);
            self.shared.changed.notify_waiters();
        }
    }
}

#[async_trait]
impl<K: Send + Sync + 'static> AudioSink for Sink<K> {
    fn track(&self) -> TrackSid {
        self.shared.track()
    }

    fn format(&self) -> AudioFormat {
        self.shared.format
    }

    async fn push(&self, frame: AudioFrame) -> Result<(), RtcError> {
        if frame.format() != self.shared.format {
            return Err(RtcError::UnsupportedFormat { format: format!("{:?}", frame.format()) });
        }
        self.shared.check()?;
        let samples = frame.samples();
        let ticket = self.shared.queue.lock().announce(samples.len());
        let mut announced = Announced { shared: &self.shared, ticket, left: samples.len() };
        let _turn = self.pushing.lock().await;
        while announced.left > 0 {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            self.shared.check()?;
            let taken = self.shared.queue.lock().push(ticket, &samples[samples.len() - announced.left..]);
            announced.left -= taken;
            if taken > 0 {
                self.shared.wake.notify_one();
            }
            if announced.left > 0 {
                changed.await;
            }
        }
        Ok(())
    }

    fn queued(&self) -> Duration {
        self.shared.queue.lock().queued()
    }

    fn clear(&self) -> u64 {
        let dropped = self.shared.queue.lock().clear();
        self.shared.changed.notify_waiters();
        dropped
    }

    fn pause(&self) -> u64 {
        self.shared.queue.lock().set_paused(true)
    }

    fn resume(&self) {
        self.shared.queue.lock().set_paused(false);
        self.shared.wake.notify_one();
    }

    async fn drained(&self) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.shared.queue.lock().is_drained() || self.shared.check().is_err() {
                return;
            }
            changed.await;
        }
    }

    fn playout_position(&self) -> u64 {
        self.shared.queue.lock().position()
    }
}

impl<K> fmt::Debug for Sink<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.shared.queue.lock();
        f.debug_struct("AudioSink")
            .field("track", &self.shared.track())
            .field("position", &queue.position())
            .field("queued", &queue.queued())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sink() -> (Arc<SinkShared>, Sink<()>) {
        let shared = Arc::new(SinkShared::new(&AudioPublishOptions::default(), Arc::new(Notify::new())));
        (shared.clone(), Sink::new(shared, ()))
    }

    fn frame(samples: usize) -> AudioFrame {
        AudioFrame::new(AudioFormat::VOICE, vec![1; samples]).expect("mono")
    }

    #[tokio::test]
    async fn push_waits_while_the_queue_is_full_and_clear_lets_it_go() {
        let (shared, sink) = sink();
        let sink = Arc::new(sink);
        sink.push(frame(4_800)).await.expect("fits");
        let waiting = tokio::spawn({
            let sink = sink.clone();
            async move { sink.push(frame(2_400)).await }
        });
        tokio::task::yield_now().await;
        let mut out = [0; 480];
        assert_eq!(shared.queue().take(&mut out), Taken::Samples(480));
        shared.taken();
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert_eq!(sink.clear(), 4_800 + 2_400 - 480);
        waiting.await.expect("no panic").expect("cleared, not failed");
        sink.drained().await;
        assert_eq!(sink.playout_position(), 480);
    }

    #[tokio::test]
    async fn a_push_that_is_given_up_leaves_nothing_behind() {
        let (_, sink) = sink();
        sink.push(frame(4_800)).await.expect("fits");
        assert!(tokio::time::timeout(Duration::from_millis(5), sink.push(frame(100))).await.is_err());
        assert_eq!(sink.clear(), 4_800);
    }

    #[tokio::test]
    async fn a_closed_sink_says_why() {
        let (shared, sink) = sink();
        shared.close(SinkState::Unpublished);
        assert_eq!(sink.push(frame(1)).await, Err(RtcError::Closed { what: "the track" }));
        sink.drained().await;
        let wrong = AudioFrame::silence(AudioFormat::SPEECH, Duration::from_millis(20));
        assert!(matches!(sink.push(wrong).await, Err(RtcError::UnsupportedFormat { .. })));
    }
}
