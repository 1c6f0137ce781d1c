//! The seam: what any LiveKit engine offers. All traits are object-safe.

use crate::{
    audio_stream::AudioStream,
    error::RtcError,
    event::EventStream,
    info::{ConnectionState, ParticipantIdentity, ParticipantInfo, RoomInfo, StreamId, TrackSid},
    options::{AudioPublishOptions, ConnectOptions, DataPacket, LeaveReason, Scenario, TextOptions, Transcription},
    stats::RtcStats,
};
use async_trait::async_trait;
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
use stella_core::audio::{AudioFormat, AudioFrame};

/// What an engine is called and can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineInfo {
    /// Short name, for logs and metrics.
    pub name: &'static str,
    /// Version of the engine.
    pub version: &'static str,
    /// What it can do.
    pub capabilities: EngineCapabilities,
}

impl EngineInfo {
    /// What an engine of another crate says about itself.
    #[must_use]
    pub fn new(name: &'static str, version: &'static str, capabilities: EngineCapabilities) -> Self {
        Self { name, version, capabilities }
    }
}

/// What an engine can do. A new field defaults to "cannot".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineCapabilities {
    /// Redundant audio (RFC 2198).
    pub red: bool,
    /// ICE over TCP.
    pub ice_tcp: bool,
    /// TURN relays.
    pub turn: bool,
    /// End-to-end encryption.
    pub e2ee: bool,
    /// Video.
    pub video: bool,
    /// Remote procedure calls.
    pub rpc: bool,
    /// Byte streams.
    pub byte_streams: bool,
}

/// Joins rooms.
#[async_trait]
pub trait RtcEngine: fmt::Debug + Send + Sync + 'static {
    /// Name, version and abilities.
    fn info(&self) -> EngineInfo;

    /// Joins the room that `token` names at `url` (`ws://`, `wss://`, `http://` or `https://`), and returns when media
    /// can flow: both ways, unless the token forbids to subscribe.
    ///
    /// The session leaves the room when the last handle to it (session, sink, writer) is dropped, but only
    /// [`RtcSession::leave`] lets you wait for it.
    ///
    /// # Errors
    /// Within [`ConnectOptions::timeout`]: [`RtcError::InvalidUrl`], [`RtcError::Unreachable`],
    /// [`RtcError::Unauthorized`], [`RtcError::NotPermitted`], [`RtcError::Server`], [`RtcError::Timeout`],
    /// [`RtcError::Disconnected`] if the server sent us away at once.
    async fn connect(
        &self,
        url: &str,
        token: &str,
        options: ConnectOptions,
    ) -> Result<(Arc<dyn RtcSession>, EventStream), RtcError>;
}

/// A participant in a room. Every method returns [`RtcError::Disconnected`] once the session is over.
#[async_trait]
pub trait RtcSession: fmt::Debug + Send + Sync + 'static {
    /// The room.
    fn room(&self) -> RoomInfo;
    /// Ourselves.
    fn local(&self) -> ParticipantInfo;
    /// The others.
    fn remotes(&self) -> Vec<ParticipantInfo>;
    /// Where the connection stands.
    fn state(&self) -> ConnectionState;

    /// Publishes an audio track and returns where to push its sound. It survives a full reconnect.
    ///
    /// # Errors
    /// [`RtcError::NotPermitted`], [`RtcError::UnsupportedFormat`], [`RtcError::InvalidOption`],
    /// [`RtcError::Timeout`] (10 s for the server's answer).
    async fn publish_audio(&self, options: AudioPublishOptions) -> Result<Arc<dyn AudioSink>, RtcError>;

    /// Takes an own track back. Its sink is closed.
    ///
    /// # Errors
    /// [`RtcError::UnknownTrack`].
    async fn unpublish(&self, track: &TrackSid) -> Result<(), RtcError>;

    /// Mutes or unmutes an own track. While muted the sink holds its audio, as when paused.
    ///
    /// # Errors
    /// [`RtcError::UnknownTrack`].
    async fn set_muted(&self, track: &TrackSid, muted: bool) -> Result<(), RtcError>;

    /// Starts or stops receiving a track of somebody else.
    ///
    /// # Errors
    /// [`RtcError::UnknownTrack`].
    async fn set_subscribed(&self, track: &TrackSid, subscribed: bool) -> Result<(), RtcError>;

    /// The sound of one remote track, decoded to `format` (8, 12, 16, 24 or 48 kHz; mono or stereo). Each call gives a
    /// stream of its own. It ends when the track does.
    ///
    /// # Errors
    /// [`RtcError::UnknownTrack`], [`RtcError::UnsupportedFormat`].
    fn audio_stream(&self, track: &TrackSid, format: AudioFormat) -> Result<AudioStream, RtcError>;

    /// Sends one message. Waits while too much is under way.
    ///
    /// # Errors
    /// [`RtcError::TooLarge`], [`RtcError::NotPermitted`].
    async fn publish_data(&self, packet: DataPacket) -> Result<(), RtcError>;

    /// Sends a whole text.
    ///
    /// # Errors
    /// [`RtcError::TooLarge`] if attributes and receivers alone exceed a packet.
    async fn send_text(&self, options: TextOptions, text: &str) -> Result<StreamId, RtcError>;

    /// Starts a text that is written in pieces.
    ///
    /// # Errors
    /// As [`RtcSession::send_text`].
    async fn open_text(&self, options: TextOptions) -> Result<Box<dyn TextWriter>, RtcError>;

    /// Replaces the given attributes; an empty value removes one; others stay. Needs a token that allows it.
    ///
    /// # Errors
    /// [`RtcError::NotPermitted`], [`RtcError::Refused`], [`RtcError::Timeout`].
    async fn set_attributes(&self, attributes: HashMap<String, String>) -> Result<(), RtcError>;

    /// Replaces the display name.
    ///
    /// # Errors
    /// As [`RtcSession::set_attributes`].
    async fn set_name(&self, name: String) -> Result<(), RtcError>;

    /// Replaces the metadata.
    ///
    /// # Errors
    /// As [`RtcSession::set_attributes`].
    async fn set_metadata(&self, metadata: String) -> Result<(), RtcError>;

    /// Sends the older transcription packet. The server drops it unless the token is an agent's.
    ///
    /// # Errors
    /// As [`RtcSession::publish_data`].
    async fn publish_transcription(&self, transcription: Transcription) -> Result<(), RtcError>;

    /// Counters since the session began.
    ///
    /// # Errors
    /// [`RtcError::Disconnected`].
    async fn stats(&self) -> Result<RtcStats, RtcError>;

    /// Provokes a fault, for tests.
    ///
    /// # Errors
    /// [`RtcError::Disconnected`].
    async fn simulate(&self, scenario: Scenario) -> Result<(), RtcError>;

    /// Leaves the room and waits, at most 5 s, until the server was told. Calling it again is harmless.
    ///
    /// # Errors
    /// None at present.
    async fn leave(&self, reason: LeaveReason) -> Result<(), RtcError>;
}

/// Where the sound of one own track goes. Positions count samples of one channel, in the sink's format, that were
/// really handed to the network since the track was published; they never go back.
///
/// Audio leaves in frames of 20 ms, paced by the clock. An utterance whose length is no multiple of 20 ms ends in a
/// frame filled up with silence, which is not counted.
#[async_trait]
pub trait AudioSink: fmt::Debug + Send + Sync + 'static {
    /// Current id of the track. A full reconnect changes it.
    fn track(&self) -> TrackSid;

    /// Format of the frames to push.
    fn format(&self) -> AudioFormat;

    /// Adds a frame. Waits while more than the queue limit is waiting, also while paused.
    ///
    /// # Errors
    /// [`RtcError::UnsupportedFormat`] if the frame's format is not the sink's, [`RtcError::Closed`] after
    /// `unpublish`, [`RtcError::Disconnected`].
    async fn push(&self, frame: AudioFrame) -> Result<(), RtcError>;

    /// Audio not yet sent.
    fn queued(&self) -> Duration;

    /// Throws away what is queued and returns how many samples that was. A waiting `push` goes on with its frame, so
    /// stop the producer first.
    fn clear(&self) -> u64;

    /// Stops at once and returns the exact position: not one sample beyond it was or will be sent until
    /// [`AudioSink::resume`].
    fn pause(&self) -> u64;

    /// Goes on where `pause` stopped, with what is then in the queue.
    fn resume(&self);

    /// Returns when the queue is empty and its last frame was sent; also when the sink is closed.
    async fn drained(&self);

    /// Samples sent so far.
    fn playout_position(&self) -> u64;
}

/// An open text stream. Dropping it ends the stream without closing attributes.
#[async_trait]
pub trait TextWriter: fmt::Debug + Send + Sync + 'static {
    /// Id of the stream.
    fn id(&self) -> &StreamId;

    /// Appends text.
    ///
    /// # Errors
    /// [`RtcError::Disconnected`], [`RtcError::Closed`].
    async fn write(&mut self, text: &str) -> Result<(), RtcError>;

    /// Ends the stream. `attributes` update those it was opened with, such as `lk.transcription_final`.
    ///
    /// # Errors
    /// As [`TextWriter::write`].
    async fn close(self: Box<Self>, attributes: HashMap<String, String>) -> Result<(), RtcError>;
}

/// Identities as the protocol wants them.
pub(crate) fn identities(list: &[ParticipantIdentity]) -> Vec<String> {
    list.iter().map(|identity| identity.as_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PureEngine, RtcEvent, TextStreamReader};

    #[test]
    fn handles_can_be_moved_and_shared_between_tasks() {
        fn send<T: Send + ?Sized>() {}
        fn share<T: Send + Sync + ?Sized>() {}
        send::<AudioStream>();
        send::<RtcEvent>();
        send::<TextStreamReader>();
        share::<PureEngine>();
        share::<dyn RtcSession>();
        share::<dyn AudioSink>();
        share::<dyn TextWriter>();
    }
}
