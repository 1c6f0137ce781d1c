//! What is known about the room, its participants and their tracks: plain snapshots.

use std::{collections::HashMap, fmt, sync::Arc};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }
    };
}

id! {
    /// Server-given id of a track (`TR_…`). It changes when a track is published again after a full reconnect.
    TrackSid
}
id! {
    /// Server-given id of one stay of a participant in a room (`PA_…`). It may change after a full reconnect.
    ParticipantSid
}
id! {
    /// Who a participant is, from its token; unique in a room and stable over reconnects.
    ParticipantIdentity
}
id! {
    /// Id of one text stream.
    StreamId
}

/// The room a session is in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RoomInfo {
    /// Server-given id (`RM_…`).
    pub sid: String,
    /// Name, as in the token.
    pub name: String,
    /// Free text set by the application.
    pub metadata: String,
    /// Participants the server counts.
    pub participant_count: u32,
    /// Whether a recording is running.
    pub recording: bool,
}

/// Where a session stands. Only `Disconnected` is final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Media and signalling work.
    Connected,
    /// A resume or full reconnect is running; audio may go on meanwhile.
    Reconnecting,
    /// Over. The [`RtcEvent::Disconnected`](crate::RtcEvent::Disconnected) event says why.
    Disconnected,
}

/// What sort of participant this is, from its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ParticipantKind {
    /// A person or an application of its own.
    #[default]
    Standard,
    /// Feeds a stream into the room.
    Ingress,
    /// Records the room.
    Egress,
    /// A telephone call.
    Sip,
    /// An agent.
    Agent,
    /// A bridge to another network.
    Connector,
    /// A kind this version does not know.
    Other,
}

/// What the token allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Permissions {
    /// May hear others.
    pub can_subscribe: bool,
    /// May publish tracks.
    pub can_publish: bool,
    /// May send data and text streams.
    pub can_publish_data: bool,
    /// May change its own name, metadata and attributes.
    pub can_update_metadata: bool,
    /// Others do not see it.
    pub hidden: bool,
}

/// A participant, as last reported by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParticipantInfo {
    /// Id of this stay.
    pub sid: ParticipantSid,
    /// Who it is.
    pub identity: ParticipantIdentity,
    /// Display name.
    pub name: String,
    /// Free text set by the application.
    pub metadata: String,
    /// Key-value pairs, such as `lk.agent.state`.
    pub attributes: HashMap<String, String>,
    /// What sort of participant.
    pub kind: ParticipantKind,
    /// Whether its media connection is up. Before that it cannot receive data.
    pub active: bool,
    /// What its token allows; `None` where the server did not say.
    pub permissions: Option<Permissions>,
    /// What it publishes.
    pub tracks: Vec<TrackInfo>,
}

impl ParticipantInfo {
    /// A participant of whom nothing else is known, for engines of other crates. Set the other fields as known.
    #[must_use]
    pub fn new(sid: ParticipantSid, identity: ParticipantIdentity) -> Self {
        Self {
            sid,
            identity,
            name: String::new(),
            metadata: String::new(),
            attributes: HashMap::new(),
            kind: ParticipantKind::default(),
            active: false,
            permissions: None,
            tracks: Vec::new(),
        }
    }
}

/// Medium of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Pictures; never received by this crate.
    Video,
    /// Something else.
    Other,
}

/// Where a track comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TrackSource {
    /// Not said.
    #[default]
    Unknown,
    /// A microphone, or an agent's voice.
    Microphone,
    /// A camera.
    Camera,
    /// A shared screen.
    ScreenShare,
    /// Sound of a shared screen.
    ScreenShareAudio,
}

/// A published track.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackInfo {
    /// Server-given id.
    pub sid: TrackSid,
    /// Name given by the publisher.
    pub name: String,
    /// Medium.
    pub kind: TrackKind,
    /// Where it comes from.
    pub source: TrackSource,
    /// Whether the publisher has muted it.
    pub muted: bool,
    /// Whether this session receives it now; always false for own tracks.
    pub subscribed: bool,
    /// Codec, such as `audio/red`.
    pub mime_type: String,
}

impl TrackInfo {
    /// A track of which nothing else is known, for engines of other crates. Set the other fields as known.
    #[must_use]
    pub fn new(sid: TrackSid, kind: TrackKind) -> Self {
        Self {
            sid,
            name: String::new(),
            kind,
            source: TrackSource::default(),
            muted: false,
            subscribed: false,
            mime_type: String::new(),
        }
    }
}
