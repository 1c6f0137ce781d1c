//! What happens in the room, and incoming text.

use crate::{
    error::{DisconnectReason, RtcError},
    info::{ParticipantIdentity, ParticipantInfo, Permissions, RoomInfo, StreamId, TrackInfo, TrackSid},
    options::TranscriptionSegment,
};
use bytes::Bytes;
use std::{collections::HashMap, fmt, time::Duration};

/// The events of a session, in order, ending with [`RtcEvent::Disconnected`]. Audio never passes through it.
///
/// It is bounded by [`ConnectOptions::event_capacity`](crate::ConnectOptions::event_capacity). A reader that falls
/// behind never holds up the session: the newest events are dropped, and [`RtcEvent::Lagged`] takes their place.
/// `Disconnected` is always delivered. Dropping the stream drops all events and nothing else.
pub type EventStream = tokio::sync::mpsc::Receiver<RtcEvent>;

/// Something happened in the room. Events about a participant name it by identity; the snapshot after the event is
/// in [`RtcSession::remotes`](crate::RtcSession::remotes).
#[derive(Debug)]
#[non_exhaustive]
pub enum RtcEvent {
    /// The join is complete. The first event of every session.
    Connected {
        /// The room.
        room: RoomInfo,
        /// Who was there. Whoever came since is in later events.
        participants: Vec<ParticipantInfo>,
    },
    /// The connection was lost; attempts to come back have begun. Audio may go on.
    Reconnecting,
    /// The connection is back.
    Reconnected {
        /// Whether the session goes on (true), or was joined anew and its tracks published again (false).
        resumed: bool,
    },
    /// The session is over. The last event of every session.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
    },
    /// The reader was too slow: events are missing here. Compare with [`RtcSession::remotes`](crate::RtcSession).
    Lagged {
        /// How many.
        missed: u64,
    },
    /// Somebody came.
    ParticipantJoined {
        /// Who.
        participant: ParticipantInfo,
    },
    /// Somebody's media connection is up: data sent from now on reaches them.
    ParticipantActive {
        /// Who.
        participant: ParticipantIdentity,
    },
    /// Somebody left. Their tracks were reported before.
    ParticipantLeft {
        /// Who, as last known.
        participant: ParticipantInfo,
        /// Why.
        reason: DisconnectReason,
    },
    /// Somebody publishes a track.
    TrackPublished {
        /// Who.
        participant: ParticipantIdentity,
        /// What.
        track: TrackInfo,
    },
    /// Somebody no longer publishes a track.
    TrackUnpublished {
        /// Who.
        participant: ParticipantIdentity,
        /// What.
        track: TrackInfo,
    },
    /// A track can be heard: [`RtcSession::audio_stream`](crate::RtcSession::audio_stream) accepts it.
    TrackSubscribed {
        /// Whose.
        participant: ParticipantIdentity,
        /// What.
        track: TrackInfo,
    },
    /// A track can no longer be heard; its streams end.
    TrackUnsubscribed {
        /// Whose.
        participant: ParticipantIdentity,
        /// What.
        track: TrackInfo,
    },
    /// A subscription failed.
    SubscriptionFailed {
        /// Which track.
        track: TrackSid,
        /// What the server said.
        detail: String,
    },
    /// A track was muted by its publisher.
    TrackMuted {
        /// Whose.
        participant: ParticipantIdentity,
        /// Which.
        track: TrackSid,
    },
    /// A track was unmuted.
    TrackUnmuted {
        /// Whose.
        participant: ParticipantIdentity,
        /// Which.
        track: TrackSid,
    },
    /// Somebody hears an own track for the first time.
    LocalTrackSubscribed {
        /// Which.
        track: TrackSid,
    },
    /// An own track was published again after a full reconnect.
    LocalTrackRepublished {
        /// Its id before.
        old: TrackSid,
        /// Its id now.
        new: TrackSid,
    },
    /// Who speaks, loudest first, ourselves included.
    ActiveSpeakers {
        /// All who speak now.
        speakers: Vec<Speaker>,
    },
    /// How good somebody's connection is.
    ConnectionQuality {
        /// Whose.
        participant: ParticipantIdentity,
        /// How good.
        quality: ConnectionQuality,
    },
    /// Metadata changed, ours included.
    MetadataChanged {
        /// Whose.
        participant: ParticipantIdentity,
        /// The new value.
        metadata: String,
    },
    /// Attributes changed, ours included.
    AttributesChanged {
        /// Whose.
        participant: ParticipantIdentity,
        /// Those that changed, with their new values; removed ones are empty.
        changed: HashMap<String, String>,
    },
    /// The display name changed, ours included.
    NameChanged {
        /// Whose.
        participant: ParticipantIdentity,
        /// The new name.
        name: String,
    },
    /// What somebody may do changed, ours included.
    PermissionsChanged {
        /// Whose.
        participant: ParticipantIdentity,
        /// What is allowed now.
        permissions: Permissions,
    },
    /// A message.
    Data {
        /// Who sent it; `None` if the server did.
        from: Option<ParticipantIdentity>,
        /// What it is about.
        topic: Option<String>,
        /// The message.
        payload: Bytes,
        /// Whether it came over the reliable channel.
        reliable: bool,
    },
    /// Somebody began to send text.
    TextStream {
        /// Reads it. Dropping it ignores the text.
        reader: TextStreamReader,
    },
    /// An older transcription packet.
    Transcription {
        /// Whose speech.
        participant: ParticipantIdentity,
        /// The track that carried it.
        track: TrackSid,
        /// What was said.
        segments: Vec<TranscriptionSegment>,
    },
    /// A telephone key.
    SipDtmf {
        /// Who pressed it.
        from: Option<ParticipantIdentity>,
        /// Key number.
        code: u32,
        /// Key, such as `#`.
        digit: String,
    },
    /// Something about the room changed.
    RoomUpdated {
        /// The room now.
        room: RoomInfo,
    },
    /// The server gave a new token, which later reconnects use.
    TokenRefreshed,
}

/// Somebody who speaks.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Speaker {
    /// Who.
    pub participant: ParticipantIdentity,
    /// How loud, 0-1.
    pub level: f32,
}

impl Speaker {
    /// A speaker, for engines of other crates.
    #[must_use]
    pub fn new(participant: ParticipantIdentity, level: f32) -> Self {
        Self { participant, level }
    }
}

/// How good a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionQuality {
    /// Bad.
    Poor,
    /// Usable.
    Good,
    /// Very good.
    Excellent,
    /// Gone.
    Lost,
}

/// What an incoming text stream says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextStreamInfo {
    /// Its id.
    pub id: StreamId,
    /// What it is about.
    pub topic: String,
    /// Who sends it, or on whose behalf.
    pub from: ParticipantIdentity,
    /// Attributes from its beginning. See [`TextStreamReader::attributes`] for those at its end.
    pub attributes: HashMap<String, String>,
    /// Length in bytes, where the sender knew it.
    pub total_length: Option<u64>,
    /// When it began, since the Unix epoch, by the sender's clock.
    pub timestamp: Duration,
}

impl TextStreamInfo {
    /// A stream without attributes, length and time, for engines of other crates. Set the other fields as known.
    #[must_use]
    pub fn new(id: StreamId, topic: impl Into<String>, from: ParticipantIdentity) -> Self {
        let (attributes, timestamp) = (HashMap::new(), Duration::ZERO);
        Self { id, topic: topic.into(), from, attributes, total_length: None, timestamp }
    }
}

/// Reads one incoming text stream. At most [`ConnectOptions::max_text_stream`](crate::ConnectOptions) bytes come.
pub struct TextStreamReader {
    pub(crate) info: TextStreamInfo,
    pub(crate) source: Box<dyn TextSource>,
}

/// Where the pieces of a [`TextStreamReader`] come from. Each method is behind the one of that name there.
#[async_trait::async_trait]
pub trait TextSource: Send + Sync {
    /// The next piece; `None` at the end, and after an error.
    async fn next(&mut self) -> Option<Result<String, RtcError>>;
    /// The attributes as known now.
    fn attributes(&self) -> HashMap<String, String>;
}

impl TextStreamReader {
    /// A reader of what `source` gives, for engines of other crates. `source` keeps to the limit
    /// [`ConnectOptions::max_text_stream`](crate::ConnectOptions).
    #[must_use]
    pub fn new(info: TextStreamInfo, source: Box<dyn TextSource>) -> Self {
        Self { info, source }
    }

    /// What the stream says about itself.
    #[must_use]
    pub fn info(&self) -> &TextStreamInfo {
        &self.info
    }

    /// The attributes as known now. After the last piece they include those given at the end of the stream.
    #[must_use]
    pub fn attributes(&self) -> HashMap<String, String> {
        self.source.attributes()
    }

    /// The next piece; `None` at the end. Pieces end on character boundaries.
    ///
    /// # Errors
    /// [`RtcError::Closed`] if the stream broke off, [`RtcError::TooLarge`] beyond the limit. It is over then.
    pub async fn next(&mut self) -> Option<Result<String, RtcError>> {
        self.source.next().await
    }

    /// The whole text.
    ///
    /// # Errors
    /// As [`TextStreamReader::next`].
    pub async fn read_all(mut self) -> Result<String, RtcError> {
        let mut text = String::new();
        while let Some(piece) = self.next().await {
            text.push_str(&piece?);
        }
        Ok(text)
    }
}

impl fmt::Debug for TextStreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TextStreamReader").field(&self.info).finish()
    }
}
