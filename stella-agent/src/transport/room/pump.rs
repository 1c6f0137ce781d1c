//! Turns events of the room into events of the session.

use std::{future::pending, sync::Arc, time::Duration};

use stella_core::{audio::AudioFormat, engine::CloseReason, id::SpeakerId};
use stella_rtc::{
    DisconnectReason, EventStream, ParticipantIdentity, ParticipantInfo, RtcEvent, RtcSession, TextStreamReader,
    TrackInfo,
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{
    RoomOptions,
    audio::RoomInput,
    chat::{self, FromStrangers},
    people::{People, is_voice, may_talk},
};
use crate::transport::{Participant, TransportEvent};

/// Follows the room.
pub(super) struct Pump {
    session: Arc<dyn RtcSession>,
    people: People,
    events: mpsc::Sender<TransportEvent>,
    close_when_alone: bool,
    rejoin_within: Duration,
    listener_within: Duration,
    audience: Audience,
    /// When the conversation ends, unless somebody comes back.
    alone_until: Option<Instant>,
    /// Messages that are being typed in.
    reading: JoinSet<Option<Message>>,
    strangers: FromStrangers,
}

/// What somebody typed.
struct Message {
    from: ParticipantIdentity,
    /// The number of the sender when the message began; somebody whom the server has not told of yet has none.
    speaker: Option<SpeakerId>,
    text: String,
}

/// Whether somebody can hear the agent.
enum Audience {
    /// Nobody is there.
    None,
    /// Somebody is there, and may subscribe to the voice until then.
    Expected { until: Instant },
    /// The session was told.
    Told,
}

/// The session is over.
struct Gone;

enum Wake {
    Event(Option<RtcEvent>),
    Typed(Option<Message>),
    Timer,
}

impl Pump {
    pub(super) fn new(
        session: Arc<dyn RtcSession>,
        people: People,
        events: mpsc::Sender<TransportEvent>,
        options: &RoomOptions,
    ) -> Self {
        Self {
            session,
            people,
            events,
            close_when_alone: options.close_when_alone,
            rejoin_within: options.rejoin_within,
            listener_within: options.listener_within,
            audience: Audience::None,
            alone_until: None,
            reading: JoinSet::new(),
            strangers: FromStrangers::default(),
        }
    }

    /// Follows the room until it or the session is over.
    pub(super) async fn run(mut self, mut room: EventStream) {
        loop {
            let listener = if let Audience::Expected { until } = self.audience { Some(until) } else { None };
            let timer = listener.into_iter().chain(self.alone_until).min();
            let wake = tokio::select! {
                event = room.recv() => Wake::Event(event),
                Some(typed) = self.reading.join_next() => Wake::Typed(typed.ok().flatten()),
                () = until(timer) => Wake::Timer,
            };
            let result = match wake {
                Wake::Event(Some(event)) => self.event(event).await,
                Wake::Event(None) => self.close(CloseReason::Disconnected).await,
                Wake::Typed(Some(message)) => self.read(message).await,
                Wake::Typed(None) => Ok(()),
                Wake::Timer => self.timer().await,
            };
            if result.is_err() {
                return;
            }
        }
    }

    async fn event(&mut self, event: RtcEvent) -> Result<(), Gone> {
        match event {
            RtcEvent::Connected { .. } | RtcEvent::Lagged { .. } => self.compare().await,
            RtcEvent::ParticipantJoined { participant } => self.joined(&participant).await,
            RtcEvent::ParticipantLeft { participant, reason } => self.left(&participant.identity, reason).await,
            RtcEvent::TrackSubscribed { participant, track } => self.subscribed(&participant, &track).await,
            RtcEvent::TrackUnsubscribed { participant, track } => {
                self.people.unset_microphone(&track.sid);
                self.hear_another(&participant).await
            }
            RtcEvent::LocalTrackSubscribed { .. } => self.ready().await,
            RtcEvent::TextStream { reader } => {
                self.text(reader);
                Ok(())
            }
            RtcEvent::Reconnecting => self.send(TransportEvent::Reconnecting).await,
            RtcEvent::Reconnected { .. } => {
                self.compare().await?;
                self.send(TransportEvent::Reconnected).await
            }
            RtcEvent::Disconnected { reason } => {
                tracing::info!(%reason, "the room is over");
                self.close(close_reason(reason)).await
            }
            _ => Ok(()),
        }
    }

    /// Finds out who came and went while events were missing.
    async fn compare(&mut self) -> Result<(), Gone> {
        let remotes = self.session.remotes();
        for identity in self.people.present() {
            if !remotes.iter().any(|remote| remote.identity == identity) {
                self.left(&identity, DisconnectReason::Unknown).await?;
            }
        }
        for remote in remotes {
            self.joined(&remote).await?;
            for track in remote.tracks.iter().filter(|track| track.subscribed) {
                self.subscribed(&remote.identity, track).await?;
            }
        }
        Ok(())
    }

    async fn joined(&mut self, participant: &ParticipantInfo) -> Result<(), Gone> {
        let early = self.strangers.take(&participant.identity);
        if !may_talk(participant.kind) {
            return Ok(());
        }
        let Some(speaker) = self.people.join(&participant.identity) else { return Ok(()) };
        self.alone_until = None;
        if matches!(self.audience, Audience::None) {
            self.audience = Audience::Expected { until: Instant::now() + self.listener_within };
        }
        let participant =
            Participant { identity: participant.identity.as_str().to_owned(), name: participant.name.clone() };
        self.send(TransportEvent::Joined { speaker, participant }).await?;
        for text in early {
            self.typed(speaker, text).await?;
        }
        Ok(())
    }

    async fn left(&mut self, identity: &ParticipantIdentity, reason: DisconnectReason) -> Result<(), Gone> {
        let Some(speaker) = self.people.leave(identity) else { return Ok(()) };
        self.send(TransportEvent::Left { speaker }).await?;
        if !self.people.is_empty() {
            return Ok(());
        }
        if matches!(self.audience, Audience::Expected { .. }) {
            self.audience = Audience::None;
        }
        if !self.close_when_alone {
            return Ok(());
        }
        let on_purpose = matches!(
            reason,
            DisconnectReason::ClientInitiated
                | DisconnectReason::RoomDeleted
                | DisconnectReason::UserRejected
                | DisconnectReason::UserUnavailable
                | DisconnectReason::ParticipantRemoved
        );
        if on_purpose {
            return self.close(CloseReason::UserLeft).await;
        }
        self.alone_until = Some(Instant::now() + self.rejoin_within);
        Ok(())
    }

    async fn subscribed(&mut self, identity: &ParticipantIdentity, track: &TrackInfo) -> Result<(), Gone> {
        let Some(speaker) = self.people.speaker(identity).filter(|_| is_voice(track)) else { return Ok(()) };
        if !self.people.set_microphone(speaker, &track.sid) {
            return Ok(());
        }
        match self.session.audio_stream(&track.sid, AudioFormat::SPEECH) {
            Ok(stream) => self.send(TransportEvent::Audio { speaker, input: Box::new(RoomInput::new(stream)) }).await,
            Err(error) => {
                tracing::warn!(%identity, %error, "a voice cannot be heard");
                self.people.unset_microphone(&track.sid);
                Ok(())
            }
        }
    }

    /// Somebody's microphone is gone, but there may be another one: who changes the device publishes the new one first.
    async fn hear_another(&mut self, identity: &ParticipantIdentity) -> Result<(), Gone> {
        if self.people.speaker(identity).is_none_or(|speaker| self.people.microphone(speaker).is_some()) {
            return Ok(());
        }
        let remotes = self.session.remotes();
        let Some(remote) = remotes.iter().find(|remote| remote.identity == *identity) else { return Ok(()) };
        let Some(track) = remote.tracks.iter().rev().find(|track| track.subscribed && is_voice(track)) else {
            return Ok(());
        };
        self.subscribed(identity, track).await
    }

    fn text(&mut self, reader: TextStreamReader) {
        if reader.info().topic != chat::TOPIC {
            return;
        }
        let from = reader.info().from.clone();
        let speaker = self.people.speaker(&from);
        if speaker.is_none() && self.session.remotes().iter().any(|r| r.identity == from && !may_talk(r.kind)) {
            return;
        }
        self.reading.spawn(async move { chat::read(reader).await.map(|text| Message { from, speaker, text }) });
    }

    async fn read(&mut self, message: Message) -> Result<(), Gone> {
        let Message { from, speaker, text } = message;
        match speaker.or_else(|| self.people.speaker(&from)) {
            Some(speaker) => self.typed(speaker, text).await,
            None => {
                self.strangers.keep(from, text);
                Ok(())
            }
        }
    }

    async fn typed(&mut self, speaker: SpeakerId, text: String) -> Result<(), Gone> {
        self.ready().await?;
        self.send(TransportEvent::Typed { speaker, text }).await
    }

    async fn ready(&mut self) -> Result<(), Gone> {
        if matches!(std::mem::replace(&mut self.audience, Audience::Told), Audience::Told) {
            return Ok(());
        }
        self.send(TransportEvent::Ready).await
    }

    async fn timer(&mut self) -> Result<(), Gone> {
        let now = Instant::now();
        if self.alone_until.is_some_and(|until| now >= until) {
            return self.close(CloseReason::UserLeft).await;
        }
        match self.audience {
            Audience::Expected { until } if now >= until => self.ready().await,
            _ => Ok(()),
        }
    }

    async fn close(&mut self, reason: CloseReason) -> Result<(), Gone> {
        self.send(TransportEvent::Closed { reason }).await?;
        Err(Gone)
    }

    async fn send(&self, event: TransportEvent) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }
}

fn close_reason(reason: DisconnectReason) -> CloseReason {
    match reason {
        DisconnectReason::ClientInitiated | DisconnectReason::RoomDeleted | DisconnectReason::ParticipantRemoved => {
            CloseReason::Application
        }
        // The server closes a room when all people have left it.
        DisconnectReason::RoomClosed | DisconnectReason::UserUnavailable | DisconnectReason::UserRejected => {
            CloseReason::UserLeft
        }
        DisconnectReason::DuplicateIdentity => CloseReason::Error(reason.to_string()),
        _ => CloseReason::Disconnected,
    }
}

async fn until(timer: Option<Instant>) {
    match timer {
        Some(at) => tokio::time::sleep_until(at).await,
        None => pending().await,
    }
}
