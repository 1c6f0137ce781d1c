//! From received packets to the streams that callers read.

use crate::{
    audio_stream::{FrameSource, ReceivedFrame},
    media::{
        decoder::SpeechDecoder,
        jitter::{Item, JitterBuffer, JitterStats, Packet},
        red,
        sender::PayloadTypes,
    },
    pure::peer::RtpIn,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use stella_core::audio::AudioFormat;
use tokio::sync::Notify;

/// Frames kept for a slow reader: two seconds.
const QUEUE: usize = 100;
/// Frames kept until the first reader comes: one second.
const BACKLOG: usize = 50;

/// What one remote track gives, shared between the session's task and its readers.
#[derive(Debug, Default)]
pub(crate) struct TrackAudio {
    state: Mutex<TrackState>,
    overflowed: AtomicU64,
}

#[derive(Debug, Default)]
struct TrackState {
    readers: Vec<Weak<Reader>>,
    /// What came before the first reader.
    backlog: VecDeque<Item>,
    had_reader: bool,
    ended: bool,
}

#[derive(Debug, Default)]
struct Reader {
    items: Mutex<VecDeque<Item>>,
    changed: Notify,
    ended: std::sync::atomic::AtomicBool,
    dropped: AtomicU64,
}

impl TrackAudio {
    /// Gives an item to every reader. A reader that is too slow loses its oldest.
    pub(crate) fn give(&self, item: Item) {
        let mut state = self.state.lock();
        if !state.had_reader {
            if state.backlog.len() == BACKLOG {
                state.backlog.pop_front();
            }
            state.backlog.push_back(item);
            return;
        }
        state.readers.retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            let mut items = reader.items.lock();
            if items.len() == QUEUE {
                items.pop_front();
                reader.dropped.fetch_add(1, Ordering::Relaxed);
                self.overflowed.fetch_add(1, Ordering::Relaxed);
            }
            items.push_back(item.clone());
            drop(items);
            reader.changed.notify_one();
            true
        });
    }

    /// The track is gone: its streams end after what they hold.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        for reader in state.readers.drain(..).filter_map(|reader| reader.upgrade()) {
            reader.ended.store(true, Ordering::Release);
            reader.changed.notify_one();
        }
    }

    /// Frames lost by slow readers.
    pub(crate) fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// A new reader. The first one also gets the last second before it came.
    pub(crate) fn read(&self, decoder: SpeechDecoder) -> DecodedTrack {
        let reader = Arc::new(Reader::default());
        let mut state = self.state.lock();
        *reader.items.lock() = std::mem::take(&mut state.backlog);
        state.had_reader = true;
        reader.ended.store(state.ended, Ordering::Release);
        state.readers.push(Arc::downgrade(&reader));
        DecodedTrack { reader, decoder, position: 0 }
    }
}

/// One caller's view of a track. Decoding happens in the caller's task.
pub(crate) struct DecodedTrack {
    reader: Arc<Reader>,
    decoder: SpeechDecoder,
    position: u64,
}

#[async_trait]
impl FrameSource for DecodedTrack {
    async fn next(&mut self) -> Option<ReceivedFrame> {
        loop {
            let item = self.reader.items.lock().pop_front();
            if let Some(item) = item {
                let (audio, origin) = self.decoder.decode(&item);
                if audio.is_empty() {
                    continue;
                }
                let position = self.position;
                self.position += audio.len();
                return Some(ReceivedFrame { audio, origin, arrived: item.arrived(), position });
            }
            if self.reader.ended.load(Ordering::Acquire) {
                return None;
            }
            self.reader.changed.notified().await;
        }
    }

    fn format(&self) -> AudioFormat {
        self.decoder.format()
    }

    fn dropped(&self) -> u64 {
        self.reader.dropped.load(Ordering::Relaxed)
    }
}

/// The receiving side of one RTP stream.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) mid: String,
    types: PayloadTypes,
    audio: Arc<TrackAudio>,
    jitter: JitterBuffer,
    malformed: u64,
}

impl Receiver {
    /// For the stream that the section `mid` carries.
    pub(crate) fn new(mid: String, types: PayloadTypes, audio: Arc<TrackAudio>, now: Instant) -> Self {
        Self { mid, types, audio, jitter: JitterBuffer::new(now), malformed: 0 }
    }

    /// Takes a packet in.
    pub(crate) fn push(&mut self, now: Instant, rtp: &RtpIn) {
        let Some(packet) = unpack(rtp, self.types) else {
            self.malformed += 1;
            return;
        };
        self.jitter.push(now, packet);
        self.tick(now);
    }

    /// Gives on what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        while let Some(item) = self.jitter.poll(now) {
            self.audio.give(item);
        }
    }

    /// When to call [`Receiver::tick`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.jitter.deadline()
    }

    pub(crate) fn stats(&self) -> JitterStats {
        let stats = self.jitter.stats();
        JitterStats { malformed: stats.malformed + self.malformed, ..stats }
    }

    pub(crate) fn target(&self) -> Duration {
        self.jitter.target()
    }
}

fn unpack(rtp: &RtpIn, types: PayloadTypes) -> Option<Packet> {
    let (payload, redundant) = if rtp.payload_type == types.opus || rtp.payload.is_empty() {
        (rtp.payload.clone(), Vec::new())
    } else if Some(rtp.payload_type) == types.red {
        let red = red::parse(&rtp.payload, types.opus)?;
        let redundant = red.redundant.iter().map(|(offset, block)| (*offset, Arc::from(*block))).collect();
        (Arc::from(red.primary), redundant)
    } else {
        return None;
    };
    Some(Packet { sequence: rtp.sequence, timestamp: rtp.timestamp, payload, redundant })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio_stream::FrameOrigin;

    fn item(n: u8) -> Item {
        Item::Frame { payload: vec![0x48, n].into(), units: 960, redundant: false, arrived: Instant::now() }
    }

    fn decoder() -> SpeechDecoder {
        SpeechDecoder::new(AudioFormat::SPEECH).expect("valid format")
    }

    #[tokio::test]
    async fn the_first_reader_hears_what_came_before_it() {
        let track = TrackAudio::default();
        (0..60).for_each(|n| track.give(item(n)));
        let mut stream = track.read(decoder());
        track.end();
        let mut frames = 0;
        while let Some(frame) = stream.next().await {
            assert_eq!(frame.position, frames * 320);
            frames += 1;
        }
        assert_eq!(frames, BACKLOG as u64);
    }

    #[tokio::test]
    async fn a_slow_reader_loses_the_oldest_and_sees_how_many() {
        let track = TrackAudio::default();
        let (mut slow, mut fast) = (track.read(decoder()), track.read(decoder()));
        for n in 0..150 {
            track.give(item(n));
            assert!(fast.next().await.is_some_and(|frame| frame.origin == FrameOrigin::Packet));
        }
        assert_eq!((slow.dropped(), fast.dropped(), track.overflowed()), (50, 0, 50));
        track.end();
        let mut left = 0;
        while slow.next().await.is_some() {
            left += 1;
        }
        assert_eq!(left, QUEUE);
        assert!(fast.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stream_of_a_track_that_has_ended_ends() {
        let track = TrackAudio::default();
        track.end();
        assert!(track.read(decoder()).next().await.is_none());
    }
}
