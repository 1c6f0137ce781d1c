//! Sound to and from the room.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::FutureExt;
use stella_core::audio::{AudioFormat, AudioFrame};
use stella_rtc::{AudioSink, AudioStream};
use tokio::time::Instant;

use crate::transport::{AudioInput, AudioOutput, InputFrame};

/// The agent's own track.
pub(super) struct RoomOutput {
    sink: Arc<dyn AudioSink>,
}

impl RoomOutput {
    pub(super) fn new(sink: Arc<dyn AudioSink>) -> Self {
        Self { sink }
    }
}

impl AudioOutput for RoomOutput {
    fn format(&self) -> AudioFormat {
        self.sink.format()
    }

    fn push(&mut self, frame: AudioFrame) {
        // The queue is kept far below its limit, so a push never waits; it fails once the room is lost, which an event
        // tells.
        match self.sink.push(frame).now_or_never() {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!(%error, "audio was not sent"),
            None => tracing::error!("audio was dropped: the queue of the voice is full"),
        }
    }

    fn queued(&self) -> Duration {
        self.sink.queued()
    }

    fn clear(&mut self) {
        self.sink.clear();
    }

    fn pause(&mut self) {
        self.sink.pause();
    }

    fn resume(&mut self) {
        self.sink.resume();
    }

    fn position(&self) -> u64 {
        self.sink.playout_position()
    }
}

/// Somebody's track.
pub(super) struct RoomInput {
    stream: AudioStream,
    dropped: u64,
}

impl RoomInput {
    pub(super) fn new(stream: AudioStream) -> Self {
        Self { stream, dropped: 0 }
    }
}

#[async_trait]
impl AudioInput for RoomInput {
    async fn next(&mut self) -> Option<InputFrame> {
        let frame = self.stream.next().await?;
        let dropped = self.stream.dropped();
        if dropped > self.dropped {
            tracing::warn!(frames = dropped - self.dropped, "hearing is too slow: sound of a speaker was lost");
            self.dropped = dropped;
        }
        Some(InputFrame { audio: frame.audio, arrived: Instant::from_std(frame.arrived) })
    }
}
