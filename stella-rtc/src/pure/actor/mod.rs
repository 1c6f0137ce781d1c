//! The task of one session: it owns everything that changes, and nothing in it waits for anything but the next input.

mod commands;
mod media;
mod recovery;
mod signalling;
mod tracks;

use super::{
    events::Events,
    link::{Link, LinkInput},
    reliable::{Inbox, Outbox},
    shared::{Command, DataCommand, Profile, Shared},
    sink::SinkState,
    streams::Incoming,
};
use crate::{
    error::{DisconnectReason, RtcError},
    event::RtcEvent,
    info::{ConnectionState, ParticipantSid, TrackSid},
    options::{ConnectOptions, LeaveReason},
};
use commands::PendingUpdate;
use livekit_protocol as proto;
use recovery::Phase;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};
use tracks::LocalTrack;

/// Longest sleep; every deadline is below it in practice.
const LONG: Duration = Duration::from_secs(3_600);
/// How long leaving waits for data under way.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);
/// How long the server may take to answer an offer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How the session ends.
enum End {
    /// We leave, and tell the server.
    Leave(LeaveReason, Option<oneshot::Sender<()>>),
    /// There is nobody left to tell.
    Lost(DisconnectReason),
}

/// Counters that no part of the session keeps by itself.
#[derive(Debug, Default)]
struct Counters {
    resumes: u32,
    full_reconnects: u32,
    malformed: u64,
}

/// See the module.
pub(crate) struct Actor {
    url: String,
    /// The newest token the server gave.
    token: String,
    options: ConnectOptions,
    shared: Arc<Shared>,
    events: Events,
    commands: mpsc::Receiver<Command>,
    data: mpsc::Receiver<DataCommand>,
    link: Option<Link>,
    phase: Phase,
    end: Option<End>,
    tracks: Vec<LocalTrack>,
    outbox: Outbox,
    inbox: Inbox,
    streams: Incoming,
    /// What callers set, to be set again after joining anew.
    profile: Profile,
    updates: Vec<PendingUpdate>,
    next_request: u32,
    /// Subscriptions that callers changed, to be asked for again after joining anew.
    wanted: HashMap<TrackSid, bool>,
    speakers: HashMap<ParticipantSid, f32>,
    counters: Counters,
}

/// What an actor is made of.
pub(crate) struct Parts {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) options: ConnectOptions,
    pub(crate) shared: Arc<Shared>,
    pub(crate) events: Events,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) data: mpsc::Receiver<DataCommand>,
    pub(crate) link: Link,
    /// Told when media can flow, or why it never will.
    pub(crate) ready: oneshot::Sender<Result<(), RtcError>>,
}

impl Actor {
    /// An actor for a join whose media connections are being made.
    pub(crate) fn new(parts: Parts) -> Self {
        let deadline = Instant::now() + parts.options.timeout;
        let mut actor = Self {
            url: parts.url,
            token: parts.token,
            streams: Incoming::new(parts.options.max_text_stream),
            options: parts.options,
            shared: parts.shared,
            events: parts.events,
            commands: parts.commands,
            data: parts.data,
            link: Some(parts.link),
            phase: Phase::Joining { deadline, ready: Some(parts.ready) },
            end: None,
            tracks: Vec::new(),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            profile: Profile::default(),
            updates: Vec::new(),
            next_request: 0,
            wanted: HashMap::new(),
            speakers: HashMap::new(),
            counters: Counters::default(),
        };
        let (room, participants) = {
            let room = actor.shared.room.read();
            (room.info().clone(), room.snapshot())
        };
        actor.events.emit(RtcEvent::Connected { room, participants });
        actor.subscribe_again();
        actor
    }

    /// Runs until the session is over.
    pub(crate) async fn run(mut self) {
        while self.end.is_none() {
            self.wait().await;
            self.step(Instant::now());
        }
        self.finish().await;
    }

    /// Waits for one input and takes it in.
    async fn wait(&mut self) {
        let deadline = self.deadline().unwrap_or_else(|| Instant::now() + LONG);
        let can_send = self.outbox.has_room();
        tokio::select! {
            input = next_of(&mut self.link) => match input {
                LinkInput::Signal(input) => self.on_signal(*input),
                LinkInput::Packets => {}
            },
            command = self.commands.recv() => match command {
                Some(command) => self.on_command(command),
                None => self.end = Some(End::Leave(LeaveReason::Finished, None)), // every handle was dropped
            },
            Some(data) = self.data.recv(), if can_send => self.on_data(data),
            event = self.streams.next() => self.events.emit(event),
            joined = self.phase.joined() => self.on_joined(joined),
            () = self.shared.wake.notified() => {}
            () = tokio::time::sleep_until(deadline.into()) => {}
        }
    }

    /// Does everything that is due.
    fn step(&mut self, now: Instant) {
        if let Some(link) = &mut self.link {
            link.publisher.tick(now);
            link.subscriber.tick(now);
        }
        self.handle_peer_events(now);
        self.send_audio(now);
        self.send_data();
        self.tick_receivers(now);
        self.offer_tracks(now);
        self.expire(now);
        self.recover(now);
    }

    /// When something is due without any input.
    fn deadline(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut soonest = self.phase.deadline();
        let mut consider = |deadline: Option<Instant>| {
            if let Some(deadline) = deadline {
                soonest = Some(soonest.map_or(deadline, |soonest| soonest.min(deadline)));
            }
        };
        if let Some(link) = &self.link {
            consider(Some(link.publisher.deadline()));
            consider(Some(link.subscriber.deadline()));
            consider(link.offered_at.map(|at| at + ANSWER_LIMIT));
            for receiver in link.receivers.values() {
                consider(receiver.deadline());
            }
            for track in &self.tracks {
                consider(track.deadline(now, link.publisher.is_up()));
            }
        }
        for update in &self.updates {
            consider(Some(update.deadline));
        }
        soonest
    }

    /// Gives up what took too long.
    fn expire(&mut self, now: Instant) {
        self.expire_updates(now);
        self.expire_publications(now);
        let overdue =
            self.link.as_ref().and_then(|link| link.offered_at).is_some_and(|offered| now >= offered + ANSWER_LIMIT);
        if overdue {
            if let Some(link) = &mut self.link {
                link.offered_at = None;
            }
            self.join_anew("the server did not answer an offer", now);
        }
    }

    /// Reports what changed in the room, and does what follows from it.
    fn report(&mut self, events: Vec<RtcEvent>) {
        for event in events {
            match &event {
                RtcEvent::TrackSubscribed { track, .. } => {
                    self.shared.audio.lock().entry(track.sid.clone()).or_default();
                }
                RtcEvent::TrackUnsubscribed { track, .. } => self.drop_audio(&track.sid),
                RtcEvent::ParticipantLeft { participant, .. } => {
                    self.streams.abort_from(participant.identity.as_str());
                }
                RtcEvent::TrackPublished { track, .. } => self.subscribe_if_wanted(track),
                RtcEvent::TrackUnpublished { track, .. } => drop(self.wanted.remove(&track.sid)),
                _ => {}
            }
            self.events.emit(event);
        }
    }

    fn drop_audio(&mut self, track: &TrackSid) {
        if let Some(audio) = self.shared.audio.lock().remove(track) {
            audio.end();
        }
        if let Some(link) = &mut self.link {
            let sections = &link.sections;
            link.receivers.retain(|_, receiver| sections.get(&receiver.mid).is_some_and(|carried| carried != track));
        }
    }

    fn set_state(&self, state: ConnectionState) {
        *self.shared.state.lock() = state;
    }

    /// Lets data reach the server that was sent before leaving.
    async fn flush(&mut self) {
        while let Ok(data) = self.data.try_recv() {
            self.on_data(data);
        }
        let end = Instant::now() + FLUSH_LIMIT;
        loop {
            let now = Instant::now();
            if let Some(link) = &mut self.link {
                link.publisher.tick(now);
            }
            self.send_data();
            let unsent = self.outbox.unsent().is_some();
            let Some(link) = self.link.as_mut().filter(|link| link.publisher.is_up()) else { return };
            let channel = link.channels.map(|channels| channels.reliable);
            let under_way = unsent || channel.is_some_and(|id| link.publisher.buffered(id) > 0);
            if !under_way || now >= end {
                return;
            }
            let next = link.publisher.deadline().min(end);
            tokio::select! {
                _ = link.next() => {}
                () = tokio::time::sleep_until(next.into()) => {}
            }
        }
    }

    async fn finish(mut self) {
        if matches!(self.end, Some(End::Leave(..))) {
            self.flush().await;
        }
        let (leave, reason, reply) = match self.end.take() {
            Some(End::Leave(reason, reply)) => {
                let leave = proto::LeaveRequest {
                    reason: super::convert::leave_reason(reason) as i32,
                    action: proto::leave_request::Action::Disconnect as i32,
                    ..proto::LeaveRequest::default()
                };
                (Some(leave), DisconnectReason::ClientInitiated, reply)
            }
            Some(End::Lost(reason)) => (None, reason, None),
            None => (None, DisconnectReason::InternalError, None),
        };
        self.shared.finish(reason);
        for track in &self.tracks {
            track.close(SinkState::Disconnected(reason));
        }
        self.phase.fail(reason);
        self.commands.close();
        self.data.close();
        // The reader of events may be slow or gone; nobody waits for it.
        tokio::spawn(self.events.finish(reason));
        if let Some(link) = self.link.take() {
            link.signal.close(leave).await;
        }
        if let Some(reply) = reply {
            let _ = reply.send(());
        }
    }
}

async fn next_of(link: &mut Option<Link>) -> LinkInput {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

impl Drop for Actor {
    /// Also when the task was aborted or has panicked.
    fn drop(&mut self) {
        if self.shared.ended().is_some() {
            return;
        }
        let reason = DisconnectReason::InternalError;
        self.shared.finish(reason);
        for track in &self.tracks {
            track.close(SinkState::Disconnected(reason));
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.events.finish(reason));
        }
    }
}
