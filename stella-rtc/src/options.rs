//! What a caller can ask for. Every field states unit, default and consequence.

use crate::{
    error::RtcError,
    info::{ParticipantIdentity, StreamId, TrackSid, TrackSource},
};
use bytes::Bytes;
use std::{collections::HashMap, time::Duration};
use stella_core::audio::AudioFormat;

/// How to join.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// Receive every audio track that others publish. Default true. Otherwise ask with
    /// [`RtcSession::set_subscribed`](crate::RtcSession::set_subscribed).
    pub auto_subscribe: bool,
    /// Limit for the whole of `connect`, until media flows. Default 15 s.
    pub timeout: Duration,
    /// What to do when the connection is lost.
    pub reconnect: ReconnectOptions,
    /// Events kept for a slow reader before the newest are dropped and reported as
    /// [`RtcEvent::Lagged`](crate::RtcEvent::Lagged). Default 1,024, at least 16.
    pub event_capacity: usize,
    /// Largest incoming text stream in bytes, after decompression. A longer one fails for its reader only.
    /// Default 1 MiB.
    pub max_text_stream: usize,
    /// Offer and accept redundant audio (RFC 2198), which repairs isolated losses. Default true.
    pub red: bool,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            auto_subscribe: true,
            timeout: Duration::from_secs(15),
            reconnect: ReconnectOptions::default(),
            event_capacity: 1024,
            max_text_stream: 1 << 20,
            red: true,
        }
    }
}

/// How long and how often to try to come back. A resume keeps the session; where the server refuses it, a full
/// reconnect joins anew and publishes the tracks again.
#[derive(Debug, Clone)]
pub struct ReconnectOptions {
    /// Wait after the first failed attempt; doubled after each. Default 0.3 s.
    pub first_delay: Duration,
    /// Longest wait. Default 7 s.
    pub max_delay: Duration,
    /// Attempts before the session ends with [`DisconnectReason::ReconnectFailed`](crate::DisconnectReason).
    /// Default 10; 0 never tries.
    pub attempts: u32,
}

impl Default for ReconnectOptions {
    fn default() -> Self {
        Self { first_delay: Duration::from_millis(300), max_delay: Duration::from_secs(7), attempts: 10 }
    }
}

/// How to publish a voice.
#[derive(Debug, Clone)]
pub struct AudioPublishOptions {
    /// Track name. Default `roomio_audio`, which stock clients expect of an agent.
    pub name: String,
    /// Default microphone.
    pub source: TrackSource,
    /// Format of the frames that will be pushed: 8, 12, 16, 24 or 48 kHz, mono or stereo. Default 24 kHz mono.
    pub format: AudioFormat,
    /// Opus bits per second, 6,000-192,000. Default 32,000.
    pub bitrate: u32,
    /// Send almost nothing while the pushed audio is silent. Default true. (While nothing is pushed, almost nothing
    /// is sent in any case.)
    pub dtx: bool,
    /// Repeat each frame once in the next packet, when the server agrees. Default true.
    pub red: bool,
    /// Audio waiting to be sent before [`AudioSink::push`](crate::AudioSink::push) waits. Default 200 ms, 20 ms to
    /// 60 s. More makes a late producer harmless and `clear` throw away more.
    pub queue_limit: Duration,
}

impl Default for AudioPublishOptions {
    fn default() -> Self {
        Self {
            name: "roomio_audio".into(),
            source: TrackSource::Microphone,
            format: AudioFormat::VOICE,
            bitrate: 32_000,
            dtx: true,
            red: true,
            queue_limit: Duration::from_millis(200),
        }
    }
}

impl AudioPublishOptions {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`RtcError::UnsupportedFormat`] and [`RtcError::InvalidOption`]; nothing is clamped in silence.
    pub fn validate(&self) -> Result<(), RtcError> {
        let rate_fits = matches!(self.format.sample_rate(), 8_000 | 12_000 | 16_000 | 24_000 | 48_000);
        if !rate_fits || self.format.channels() > 2 {
            return Err(RtcError::UnsupportedFormat { format: format!("{:?}", self.format) });
        }
        if !(6_000..=192_000).contains(&self.bitrate) {
            let reason = format!("{} is outside 6,000-192,000 bit/s", self.bitrate);
            return Err(RtcError::InvalidOption { name: "bitrate", reason });
        }
        if self.queue_limit < Duration::from_millis(20) || self.queue_limit > Duration::from_secs(60) {
            let reason = format!("{:?} is outside 20 ms-60 s", self.queue_limit);
            return Err(RtcError::InvalidOption { name: "queue_limit", reason });
        }
        Ok(())
    }
}

/// One application message.
#[derive(Debug, Clone, Default)]
pub struct DataPacket {
    /// At most 60,000 bytes. Use a text stream for more.
    pub payload: Bytes,
    /// What it is about.
    pub topic: Option<String>,
    /// Delivered in order and exactly once over resumes, or perhaps not at all but never late.
    pub reliable: bool,
    /// Receivers; empty for everybody.
    pub to: Vec<ParticipantIdentity>,
}

/// How to send text.
#[derive(Debug, Clone, Default)]
pub struct TextOptions {
    /// What it is about, such as `lk.transcription` or `lk.chat`.
    pub topic: String,
    /// Sent ahead of the text.
    pub attributes: HashMap<String, String>,
    /// Receivers; empty for everybody.
    pub to: Vec<ParticipantIdentity>,
    /// Id of the stream; a random one if `None`.
    pub stream_id: Option<StreamId>,
    /// Stream this one answers.
    pub reply_to: Option<StreamId>,
    /// On whose behalf, such as the user whose speech is transcribed. Needs an agent's token.
    pub sender: Option<ParticipantIdentity>,
    /// Whether a machine made the text. Default false.
    pub generated: bool,
}

impl TextOptions {
    /// Text about `topic`, to everybody.
    #[must_use]
    pub fn topic(topic: impl Into<String>) -> Self {
        Self { topic: topic.into(), ..Self::default() }
    }

    /// Adds one attribute.
    #[must_use]
    pub fn attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(key.into(), value.into());
        self
    }

    /// Adds one receiver.
    #[must_use]
    pub fn to(mut self, identity: impl Into<ParticipantIdentity>) -> Self {
        self.to.push(identity.into());
        self
    }
}

/// The older transcription packet, for clients that do not read `lk.transcription` streams.
#[derive(Debug, Clone)]
pub struct Transcription {
    /// Whose speech.
    pub participant: ParticipantIdentity,
    /// The track that carried it.
    pub track: TrackSid,
    /// What was said.
    pub segments: Vec<TranscriptionSegment>,
}

/// A stretch of transcribed speech. Updates of one stretch share its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TranscriptionSegment {
    /// Id, the same in every update.
    pub id: String,
    /// The text so far.
    pub text: String,
    /// Start in the track; 0 if unknown.
    pub start: Duration,
    /// End in the track; 0 if unknown.
    pub end: Duration,
    /// Whether it will change no more.
    pub is_final: bool,
    /// Language tag, or empty.
    pub language: String,
}

/// Faults to provoke, for tests. Needs a server that allows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scenario {
    /// Drop our own signal connection and resume.
    SignalReconnect,
    /// The server drops the signal connection again during the next resume.
    DisconnectSignalOnResume,
    /// Join anew, as after a refused resume.
    FullReconnect,
    /// The server pretends that its node failed.
    NodeFailure,
    /// The server pretends to move the session elsewhere.
    Migration,
    /// The server tells the session to leave.
    ServerLeave,
    /// The server moves media from UDP to TCP.
    SwitchToTcp,
}

/// Why a session leaves, as others will see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LeaveReason {
    /// Done.
    #[default]
    Finished,
    /// The agent failed.
    AgentError,
    /// The called person did not answer.
    UserUnavailable,
    /// The called person declined.
    UserRejected,
}
