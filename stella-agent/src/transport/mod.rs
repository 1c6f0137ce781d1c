//! Where a session hears and speaks: a room, a file, or whatever implements [`Transport`].

#[cfg(feature = "room")]
pub mod room;
pub mod wav;

mod paced;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    engine::{CloseReason, Event},
    error::BoxError,
    id::SpeakerId,
};
use tokio::{sync::mpsc, time::Instant};

pub use paced::PacedOutput;

/// A way to reach people. One value serves one session.
#[async_trait]
pub trait Transport: Send {
    /// Begins. Events flow from now on; the first may be waiting already.
    ///
    /// # Errors
    /// [`TransportError`]; ask [`TransportError::retryable`] whether trying again makes sense.
    async fn open(self: Box<Self>) -> Result<Connection, TransportError>;
}

/// An open transport. Dropping all of it releases everything at once; [`Closer::close`] is the polite way.
pub struct Connection {
    /// What happens on the other side.
    pub events: mpsc::Receiver<TransportEvent>,
    /// Where the agent's voice goes.
    pub audio: Box<dyn AudioOutput>,
    /// Who is told what happens in the conversation.
    pub publisher: Box<dyn Publisher>,
    /// How the transport is ended.
    pub closer: Box<dyn Closer>,
    /// How many times faster than real time the conversation runs; 1 for people.
    pub speed: f64,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("speed", &self.speed).finish_non_exhaustive()
    }
}

/// Somebody who speaks or types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Who, unique in the transport and stable over reconnects.
    pub identity: String,
    /// Name to show; may be empty.
    pub name: String,
}

/// Something that happened on the other side.
#[non_exhaustive]
pub enum TransportEvent {
    /// Somebody can hear the agent. The agent enters with the first one; later ones change nothing.
    Ready,
    /// Somebody came.
    Joined {
        /// Number of the speaker; the same person keeps it.
        speaker: SpeakerId,
        /// Who.
        participant: Participant,
    },
    /// Somebody left.
    Left {
        /// Who.
        speaker: SpeakerId,
    },
    /// A speaker's sound; it replaces an earlier one of the same speaker.
    Audio {
        /// Whose.
        speaker: SpeakerId,
        /// The sound.
        input: Box<dyn AudioInput>,
    },
    /// Somebody typed.
    Typed {
        /// Who.
        speaker: SpeakerId,
        /// What.
        text: String,
    },
    /// The connection is lost for the moment.
    Reconnecting,
    /// The connection is back.
    Reconnected,
    /// The transport is over; nothing follows.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Sound of one speaker, [`AudioFormat::SPEECH`] without gaps.
#[async_trait]
pub trait AudioInput: Send {
    /// The next frame; `None` when the sound has ended for good. Cancel-safe.
    async fn next(&mut self) -> Option<InputFrame>;
}

/// A frame that was heard.
#[derive(Debug, Clone)]
pub struct InputFrame {
    /// The samples, 16 kHz mono.
    pub audio: AudioFrame,
    /// When its last sample was there.
    pub arrived: Instant,
}

/// Where the agent's voice goes. Audio leaves at the pace of the clock. Positions count samples that really left; they
/// never go back. No call blocks.
pub trait AudioOutput: Send {
    /// Format of the frames to push: mono.
    fn format(&self) -> AudioFormat;

    /// Adds a frame behind what is queued. The caller keeps the queue short.
    fn push(&mut self, frame: AudioFrame);

    /// Audio not yet sent.
    fn queued(&self) -> Duration;

    /// Throws away what is queued.
    fn clear(&mut self);

    /// Stops at once. Not one sample beyond [`position`](Self::position) leaves until [`resume`](Self::resume).
    fn pause(&mut self);

    /// Goes on with what is queued.
    fn resume(&mut self);

    /// Samples sent so far.
    fn position(&self) -> u64;
}

/// Tells the other side what happens in the conversation: transcripts, states.
#[async_trait]
pub trait Publisher: Send {
    /// The agent has entered.
    async fn entered(&mut self) {}

    /// Something happened. It may take its time: the conversation does not wait for it.
    async fn publish(&mut self, event: &Event);
}

/// Ends a transport.
#[async_trait]
pub trait Closer: Send {
    /// Leaves; returns when the other side knows, or after at most 5 s.
    ///
    /// # Errors
    /// [`TransportError`] if something could not be completed, such as writing a file.
    async fn close(self: Box<Self>, reason: &CloseReason) -> Result<(), TransportError>;
}

/// Why a transport cannot be used. The variants say who can act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The room cannot be joined or used.
    #[cfg(feature = "room")]
    #[error("the room cannot be used")]
    Room(#[source] stella_rtc::RtcError),
    /// A file cannot be used: **caller:** give another.
    #[error(transparent)]
    File(#[from] crate::wav::AudioFileError),
    /// Another transport failed.
    #[error("the transport failed")]
    Other {
        /// The cause.
        source: BoxError,
        /// Whether trying again may help.
        retryable: bool,
    },
}

impl TransportError {
    /// Whether the same call may succeed later without a change.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            #[cfg(feature = "room")]
            Self::Room(error) => error.retryable(),
            Self::File(error) => error.retryable(),
            Self::Other { retryable, .. } => *retryable,
        }
    }
}
