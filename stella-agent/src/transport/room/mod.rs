//! A LiveKit room: the agent is a participant that publishes a microphone track, hears everybody who is a person, reads
//! `lk.chat`, and writes `lk.transcription` and `lk.agent.state` as stock clients expect.

mod audio;
mod chat;
mod options;
mod people;
mod publisher;
mod pump;
mod transcripts;

use std::sync::Arc;

use async_trait::async_trait;
use stella_core::engine::CloseReason;
use stella_rtc::{EventStream, LeaveReason, PureEngine, RtcEngine, RtcError, RtcSession};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{Closer, Connection, Transport, TransportError};

pub use options::RoomOptions;

use {audio::RoomOutput, people::People, publisher::RoomPublisher, pump::Pump};

/// Events of the room that wait for the session at most.
const EVENTS: usize = 256;

/// A room that was joined.
#[derive(Debug)]
pub struct RoomTransport {
    session: Arc<dyn RtcSession>,
    events: EventStream,
    options: RoomOptions,
}

impl RoomTransport {
    /// Joins the room that `token` names at `url`.
    ///
    /// # Errors
    /// [`TransportError::Room`]: the server cannot be reached, refuses the token, or does not answer in time; or the token
    /// does not allow to hear others.
    pub async fn connect(url: &str, token: &str, options: RoomOptions) -> Result<Self, TransportError> {
        Self::connect_with(&PureEngine::new(), url, token, options).await
    }

    /// As [`connect`](Self::connect), with another LiveKit engine.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        engine: &dyn RtcEngine,
        url: &str,
        token: &str,
        options: RoomOptions,
    ) -> Result<Self, TransportError> {
        let connect = engine.connect(url, token, options.connect.clone());
        let (session, events) = connect.await.map_err(TransportError::Room)?;
        if session.local().permissions.is_some_and(|permissions| !permissions.can_subscribe) {
            return Err(TransportError::Room(RtcError::NotPermitted { what: "hearing others (subscribing)".into() }));
        }
        Ok(Self { session, events, options })
    }

    /// The session in the room, for whatever the agent wants to do there besides talking.
    #[must_use]
    pub fn session(&self) -> Arc<dyn RtcSession> {
        self.session.clone()
    }
}

#[async_trait]
impl Transport for RoomTransport {
    async fn open(self: Box<Self>) -> Result<Connection, TransportError> {
        let Self { session, events, options } = *self;
        let voice = session.publish_audio(options.publish.clone()).await.map_err(TransportError::Room)?;
        let people = People::default();
        let publisher = RoomPublisher::new(session.clone(), voice.clone(), people.clone(), &options);
        let (sender, receiver) = mpsc::channel(EVENTS);
        let pump = Pump::new(session.clone(), people, sender, &options);
        let pump = AbortOnDropHandle::new(tokio::spawn(pump.run(events)));
        Ok(Connection {
            events: receiver,
            audio: Box::new(RoomOutput::new(voice)),
            publisher: Box::new(publisher),
            closer: Box::new(RoomCloser { session, _pump: pump }),
            speed: 1.0,
        })
    }
}

/// Leaves the room.
struct RoomCloser {
    session: Arc<dyn RtcSession>,
    _pump: AbortOnDropHandle<()>,
}

#[async_trait]
impl Closer for RoomCloser {
    async fn close(self: Box<Self>, reason: &CloseReason) -> Result<(), TransportError> {
        let reason = match reason {
            CloseReason::Error(_) => LeaveReason::AgentError,
            CloseReason::UserLeft
            | CloseReason::Application
            | CloseReason::Shutdown
            | CloseReason::Completed
            | CloseReason::Disconnected => LeaveReason::Finished,
        };
        self.session.leave(reason).await.map_err(TransportError::Room)
    }
}
