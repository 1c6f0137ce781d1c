//! What the handles and the tasks of a session share.

use crate::{convert, listen::Heard, playout::Voice};
use livekit::Room;
use livekit_protocol as proto;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};
use stella_rtc::{ConnectionState, DisconnectReason, RtcError, TrackSid, backend::SinkState};
use tokio::runtime::Handle;

/// State of a session. It does not keep the session alive; [`Guard`] does. Locks are held for moments only.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) room: Room,
    /// Whether redundant audio may be sent.
    pub(crate) red: bool,
    /// Largest incoming text stream, in bytes.
    pub(crate) max_text_stream: usize,
    end: Mutex<Option<DisconnectReason>>,
    /// Whether we ourselves end the session.
    leaving: AtomicBool,
    /// Whether own audio is held because the connection is lost.
    pub(crate) held: Arc<AtomicBool>,
    /// Own tracks.
    voices: Mutex<Vec<Arc<Voice>>>,
    /// Remote audio tracks that are received now.
    pub(crate) heard: Mutex<HashMap<TrackSid, Heard>>,
    pub(crate) resumes: AtomicU32,
    pub(crate) full_reconnects: AtomicU32,
    pub(crate) events_dropped: AtomicU64,
}

impl Shared {
    pub(crate) fn new(room: Room, red: bool, max_text_stream: usize) -> Self {
        Self {
            room,
            red,
            max_text_stream,
            end: Mutex::new(None),
            leaving: AtomicBool::new(false),
            held: Arc::default(),
            voices: Mutex::default(),
            heard: Mutex::default(),
            resumes: AtomicU32::new(0),
            full_reconnects: AtomicU32::new(0),
            events_dropped: AtomicU64::new(0),
        }
    }

    /// The error of every call once the session is over.
    pub(crate) fn check(&self) -> Result<(), RtcError> {
        self.end.lock().map_or(Ok(()), |reason| Err(RtcError::Disconnected { reason }))
    }

    /// What a failed call means: the end of the session if it has ended meanwhile.
    pub(crate) fn explain(&self, error: RtcError) -> RtcError {
        self.check().err().unwrap_or(error)
    }

    pub(crate) fn state(&self) -> ConnectionState {
        match *self.end.lock() {
            Some(_) => ConnectionState::Disconnected,
            None => convert::state(self.room.connection_state()),
        }
    }

    /// Ends the session from our side. Harmless when it is over.
    pub(crate) async fn close(&self, reason: proto::DisconnectReason) {
        self.leaving.store(true, Ordering::Release);
        if let Err(error) = self.room.close_with_reason(reason).await {
            tracing::debug!(%error, "the room was closed before");
        }
    }

    /// Why the session ended, given what the SDK says.
    pub(crate) fn end_reason(&self, said: proto::DisconnectReason) -> DisconnectReason {
        use DisconnectReason::{ConnectionTimeout, ReconnectFailed, SignalClosed, Unknown};
        if self.leaving.load(Ordering::Acquire) {
            return DisconnectReason::ClientInitiated;
        }
        match convert::disconnect_reason(said) {
            // The SDK names what began the reconnecting, not that it failed.
            Unknown | SignalClosed | ConnectionTimeout if self.held.load(Ordering::Acquire) => ReconnectFailed,
            reason => reason,
        }
    }

    /// Marks the session as over: from now on every call says so.
    pub(crate) fn finish(&self, reason: DisconnectReason) {
        *self.end.lock() = Some(reason);
        for voice in self.voices.lock().drain(..) {
            voice.close(SinkState::Disconnected(reason));
        }
        for (_, heard) in self.heard.lock().drain() {
            heard.ended.cancel();
        }
    }

    /// Adds an own track.
    pub(crate) fn add_voice(&self, voice: Arc<Voice>) {
        self.voices.lock().push(voice.clone());
        if let Some(reason) = *self.end.lock() {
            voice.close(SinkState::Disconnected(reason));
        }
    }

    /// An own track.
    pub(crate) fn voice(&self, track: &TrackSid) -> Result<Arc<Voice>, RtcError> {
        let found = self.voices.lock().iter().find(|voice| voice.sink.track() == *track).cloned();
        found.ok_or_else(|| RtcError::UnknownTrack { sid: track.clone() })
    }

    /// Own tracks, as of now.
    pub(crate) fn voices(&self) -> Vec<Arc<Voice>> {
        self.voices.lock().clone()
    }

    /// Takes an own track away.
    pub(crate) fn remove_voice(&self, track: &TrackSid) -> Result<Arc<Voice>, RtcError> {
        let mut voices = self.voices.lock();
        let at = voices.iter().position(|voice| voice.sink.track() == *track);
        at.map(|at| voices.swap_remove(at)).ok_or_else(|| RtcError::UnknownTrack { sid: track.clone() })
    }
}

/// Kept by everything a caller holds: when the last of them goes, the session leaves the room.
pub(crate) struct Guard {
    shared: Arc<Shared>,
    runtime: Handle,
}

impl Guard {
    /// Must be called in a tokio runtime.
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), runtime: Handle::current() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Where tasks go that are started outside of one.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.shared.check().is_ok() {
            let shared = self.shared.clone();
            self.runtime.spawn(async move { shared.close(proto::DisconnectReason::ClientInitiated).await });
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&self.shared.room).finish()
    }
}
