//! Sound of remote tracks.

use async_trait::async_trait;
use futures_util::StreamExt;
use livekit::{
    prelude::RemoteAudioTrack,
    webrtc::audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions},
};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use stella_core::audio::{AudioFormat, AudioFrame};
use stella_rtc::{AudioStream, FrameOrigin, ParticipantIdentity, ReceivedFrame, backend::FrameSource};
use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Length of the frames we give; libwebrtc's have half of it.
const FRAME: Duration = Duration::from_millis(20);
/// Frames that wait for a slow reader: two seconds.
const QUEUE: usize = 100;
/// libwebrtc's frames that wait for our task, which does nothing but fetch them: half a second.
const NATIVE_QUEUE: usize = 50;

/// A remote audio track that is received now.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) participant: ParticipantIdentity,
    pub(crate) track: RemoteAudioTrack,
    /// Ends its streams.
    pub(crate) ended: CancellationToken,
    /// Frames lost by slow readers, over all streams.
    overflowed: Arc<AtomicU64>,
}

impl Heard {
    pub(crate) fn new(participant: ParticipantIdentity, track: RemoteAudioTrack) -> Self {
        Self { participant, track, ended: CancellationToken::new(), overflowed: Arc::default() }
    }

    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// A new stream, fed by a task of `runtime`.
    pub(crate) fn listen(&self, format: AudioFormat, runtime: &Handle) -> AudioStream {
        let queue = Arc::new(Queue { overflowed: self.overflowed.clone(), ..Queue::default() });
        let options = NativeAudioStreamOptions { queue_size_frames: Some(NATIVE_QUEUE) };
        let (rate, channels) = (format.sample_rate().cast_signed(), i32::from(format.channels()));
        let native = NativeAudioStream::with_options(self.track.rtc_track(), rate, channels, options);
        let task = runtime.spawn(fetch(native, self.ended.clone(), queue.clone(), format));
        AudioStream::new(Box::new(Source { queue, format, task }))
    }
}

/// Frames on their way to one reader.
#[derive(Debug, Default)]
struct Queue {
    frames: Mutex<VecDeque<ReceivedFrame>>,
    changed: Notify,
    ended: AtomicBool,
    dropped: AtomicU64,
    overflowed: Arc<AtomicU64>,
}

impl Queue {
    fn push(&self, frame: ReceivedFrame) {
        let mut frames = self.frames.lock();
        if frames.len() == QUEUE {
            frames.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.overflowed.fetch_add(1, Ordering::Relaxed);
        }
        frames.push_back(frame);
        drop(frames);
        self.changed.notify_one();
    }
}

/// Joins libwebrtc's frames to ours until the track ends.
async fn fetch(mut native: NativeAudioStream, ended: CancellationToken, queue: Arc<Queue>, format: AudioFormat) {
    let length = usize::try_from(format.samples(FRAME)).unwrap_or(usize::MAX) * usize::from(format.channels());
    let (mut samples, mut position) = (Vec::with_capacity(length), 0);
    let mut give = |samples: &mut Vec<i16>| match AudioFrame::new(format, std::mem::take(samples)) {
        Ok(audio) if !audio.is_empty() => {
            let at = position;
            position += audio.len();
            queue.push(ReceivedFrame::new(audio, FrameOrigin::Packet, Instant::now(), at));
        }
        Ok(_) => {}
        Err(error) => tracing::debug!(%error, "the SDK gave a broken frame"),
    };
    loop {
        let frame = tokio::select! {
            biased;
            () = ended.cancelled() => break,
            frame = native.next() => frame,
        };
        let Some(frame) = frame else { break };
        samples.extend_from_slice(&frame.data);
        if samples.len() >= length {
            give(&mut samples);
        }
    }
    give(&mut samples);
    queue.ended.store(true, Ordering::Release);
    queue.changed.notify_one();
}

/// One reader's side.
struct Source {
    queue: Arc<Queue>,
    format: AudioFormat,
    task: JoinHandle<()>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[async_trait]
impl FrameSource for Source {
    async fn next(&mut self) -> Option<ReceivedFrame> {
        loop {
            // In this order: what came before the end is given before the end.
            let ended = self.queue.ended.load(Ordering::Acquire);
            if let Some(frame) = self.queue.frames.lock().pop_front() {
                return Some(frame);
            }
            if ended {
                return None;
            }
            self.queue.changed.notified().await;
        }
    }

    fn format(&self) -> AudioFormat {
        self.format
    }

    fn dropped(&self) -> u64 {
        self.queue.dropped.load(Ordering::Relaxed)
    }
}
