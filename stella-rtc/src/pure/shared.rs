//! What the session's handles and its task share.

use super::{receive::TrackAudio, room::Room, sink::SinkShared};
use crate::{
    error::{DisconnectReason, RtcError},
    info::{ConnectionState, TrackSid},
    options::{AudioPublishOptions, LeaveReason, Scenario},
    stats::RtcStats,
};
use livekit_protocol as proto;
use parking_lot::{Mutex, RwLock};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{Notify, oneshot};

/// A call's way back.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, RtcError>>;

/// State that handles may read at any time. Locks are held for moments only, and never two at once.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) room: RwLock<Room>,
    pub(crate) state: Mutex<ConnectionState>,
    end: Mutex<Option<DisconnectReason>>,
    /// Sound of the remote tracks that media sections carry.
    pub(crate) audio: Mutex<HashMap<TrackSid, Arc<TrackAudio>>>,
    /// Wakes the session's task when a sink has something to send.
    pub(crate) wake: Arc<Notify>,
}

impl Shared {
    pub(crate) fn new(room: Room) -> Self {
        Self {
            room: RwLock::new(room),
            state: Mutex::new(ConnectionState::Connected),
            end: Mutex::new(None),
            audio: Mutex::new(HashMap::new()),
            wake: Arc::new(Notify::new()),
        }
    }

    /// Marks the session as over.
    pub(crate) fn finish(&self, reason: DisconnectReason) {
        *self.end.lock() = Some(reason);
        *self.state.lock() = ConnectionState::Disconnected;
        for (_, audio) in self.audio.lock().drain() {
            audio.end();
        }
    }

    /// The error that every call gets once the session is over.
    pub(crate) fn ended(&self) -> Option<RtcError> {
        self.end.lock().map(|reason| RtcError::Disconnected { reason })
    }
}

/// What a handle asks of the session's task.
#[derive(Debug)]
pub(crate) enum Command {
    Publish { options: AudioPublishOptions, reply: Reply<Arc<SinkShared>> },
    Unpublish { track: TrackSid, reply: Reply<()> },
    SetMuted { track: TrackSid, muted: bool, reply: Reply<()> },
    SetSubscribed { track: TrackSid, subscribed: bool, reply: Reply<()> },
    UpdateSelf { change: Profile, reply: Reply<()> },
    Stats { reply: Reply<RtcStats> },
    Simulate { scenario: Scenario, reply: Reply<()> },
    Leave { reason: LeaveReason, reply: oneshot::Sender<()> },
}

/// Data to send, in one go.
#[derive(Debug)]
pub(crate) struct DataCommand {
    pub(crate) packets: Vec<proto::DataPacket>,
    pub(crate) reliable: bool,
    pub(crate) reply: Reply<()>,
}

/// What a participant says about itself; `None` and absent keys stay as they are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    pub(crate) name: Option<String>,
    pub(crate) metadata: Option<String>,
    pub(crate) attributes: HashMap<String, String>,
}

impl Profile {
    /// Puts a later change on top.
    pub(crate) fn merge(&mut self, change: &Self) {
        if change.name.is_some() {
            self.name.clone_from(&change.name);
        }
        if change.metadata.is_some() {
            self.metadata.clone_from(&change.metadata);
        }
        self.attributes.extend(change.attributes.clone());
    }

    /// Whether nothing was ever set.
    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_none() && self.metadata.is_none() && self.attributes.is_empty()
    }
}
