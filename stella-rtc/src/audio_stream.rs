//! Sound of one remote track, ready for voice activity detection and recognition.

use std::{fmt, time::Instant};
use stella_core::audio::{AudioFormat, AudioFrame};

/// Where a frame's samples come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FrameOrigin {
    /// Its own packet.
    Packet,
    /// Redundant audio in a later packet: as good as its own.
    Redundant,
    /// Forward error correction in the next packet: lower quality.
    ErrorCorrection,
    /// Made up by the decoder in place of a lost packet.
    Concealment,
    /// Silence put in while the sender sends nothing.
    Silence,
}

impl FrameOrigin {
    /// Whether the samples are invented, not sent by anybody.
    #[must_use]
    pub fn concealed(self) -> bool {
        matches!(self, Self::Concealment | Self::Silence)
    }
}

/// A decoded frame, usually of 20 ms.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReceivedFrame {
    /// The samples.
    pub audio: AudioFrame,
    /// Where they come from.
    pub origin: FrameOrigin,
    /// When the packet that completed the frame arrived. For concealment and silence, when that was decided.
    pub arrived: Instant,
    /// Position in the stream: samples of one channel before this frame.
    pub position: u64,
}

impl ReceivedFrame {
    /// A frame, for engines of other crates.
    #[must_use]
    pub fn new(audio: AudioFrame, origin: FrameOrigin, arrived: Instant, position: u64) -> Self {
        Self { audio, origin, arrived, position }
    }

    /// Whether the samples are invented. See [`FrameOrigin::concealed`].
    #[must_use]
    pub fn concealed(&self) -> bool {
        self.origin.concealed()
    }
}

/// Frames of one remote track, without gaps: lost audio is repaired or concealed, and while the sender is silent
/// frames of silence keep coming at the pace of the clock, so that a detector sees the end of speech.
///
/// At most two seconds wait for a slow reader; then the oldest are dropped and counted in [`AudioStream::dropped`].
pub struct AudioStream {
    pub(crate) inner: Box<dyn FrameSource>,
}

/// Where the frames of an [`AudioStream`] come from. Each method is behind the one of that name there.
#[async_trait::async_trait]
pub trait FrameSource: Send {
    /// The next frame; `None` when the track has ended. Must be cancel-safe.
    async fn next(&mut self) -> Option<ReceivedFrame>;
    /// Format of the frames.
    fn format(&self) -> AudioFormat;
    /// Frames dropped because the reader was slow.
    fn dropped(&self) -> u64;
}

impl AudioStream {
    /// A stream of what `source` gives, for engines of other crates.
    #[must_use]
    pub fn new(source: Box<dyn FrameSource>) -> Self {
        Self { inner: source }
    }

    /// The next frame; `None` when the track has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<ReceivedFrame> {
        self.inner.next().await
    }

    /// Format of the frames.
    #[must_use]
    pub fn format(&self) -> AudioFormat {
        self.inner.format()
    }

    /// Frames dropped because this reader was slow.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inner.dropped()
    }
}

impl fmt::Debug for AudioStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioStream").field("format", &self.format()).field("dropped", &self.dropped()).finish()
    }
}
