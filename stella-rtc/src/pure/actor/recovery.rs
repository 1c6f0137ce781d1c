//! Coming back after a loss: first by resuming the session, then by joining anew.

use super::{Actor, Duration, End, Instant, Link};
use crate::{
    error::{DisconnectReason, RtcError},
    event::RtcEvent,
    info::ConnectionState,
    pure::{backoff::Backoff, signal::RestartError},
};
use livekit_protocol::{self as proto, signal_request::Message};
use prost::Message as _;
use tokio::{sync::oneshot, task::JoinHandle};

/// Peer connections that stay connected this long after a resume were never in danger.
const SETTLED: Duration = Duration::from_secs(3);
/// How long the server has to say why it closed a media connection. It may have sent us away, and then coming back
/// would be wrong, and would even create a deleted room again.
const GRACE: Duration = Duration::from_millis(300);
/// How long media may take to come back, in one attempt.
const RESTORE_LIMIT: Duration = Duration::from_secs(15);

type Joined = Result<(Link, proto::JoinResponse), RtcError>;

/// Where the session stands.
pub(super) enum Phase {
    /// The first join is not complete.
    Joining { deadline: Instant, ready: Option<oneshot::Sender<Result<(), RtcError>>> },
    /// Everything works.
    Live,
    /// Something was lost.
    Recovering(Recovery),
}

/// Attempts to come back.
pub(super) struct Recovery {
    backoff: Backoff,
    /// Whether the session itself is lost, so that only joining anew helps.
    anew: bool,
    pub(super) step: Step,
}

/// One attempt.
pub(super) enum Step {
    /// It begins at this time.
    Waiting { until: Instant },
    /// The signal connection is being made.
    Dialling,
    /// The server knows us again; media comes back.
    Restoring { since: Instant, publisher: u32, subscriber: u32 },
    /// A new join is under way.
    Joining(AbortOnDrop),
    /// Joined anew; media and tracks come back.
    Rejoined { since: Instant },
}

/// A join under way, given up with its owner.
pub(super) struct AbortOnDrop(JoinHandle<Joined>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Phase {
    /// When the session has to act by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Joining { deadline, .. } => Some(*deadline),
            Self::Live => None,
            Self::Recovering(recovery) => match &recovery.step {
                Step::Waiting { until } => Some(*until),
                Step::Dialling | Step::Joining(_) => None, // bounded by themselves
                Step::Restoring { since, .. } if since.elapsed() < SETTLED => Some(*since + SETTLED),
                Step::Restoring { since, .. } | Step::Rejoined { since } => Some(*since + RESTORE_LIMIT),
            },
        }
    }

    /// Waits for a join under way. Cancel-safe.
    pub(super) async fn joined(&mut self) -> Joined {
        match self {
            Self::Recovering(Recovery { step: Step::Joining(task), .. }) => match (&mut task.0).await {
                Ok(joined) => joined,
                Err(_) => Err(RtcError::Media { detail: "the join failed".into() }),
            },
            _ => std::future::pending().await,
        }
    }

    /// The first join has failed, with this error.
    pub(super) fn refuse(&mut self, error: RtcError) {
        if let Self::Joining { ready, .. } = self
            && let Some(ready) = ready.take()
        {
            let _ = ready.send(Err(error));
        }
    }

    /// The session is over.
    pub(super) fn fail(&mut self, reason: DisconnectReason) {
        self.refuse(RtcError::Disconnected { reason });
    }
}

impl Actor {
    /// The session may still be resumed.
    pub(super) fn resume(&mut self, why: &str, now: Instant) {
        self.lost(why, false, Duration::ZERO, now);
    }

    /// The session cannot be resumed.
    pub(super) fn join_anew(&mut self, why: &str, now: Instant) {
        self.lost(why, true, Duration::ZERO, now);
    }

    /// A media connection is gone, for now or (`for_good`) forever. Signalling may be about to say why.
    pub(super) fn media_lost(&mut self, why: &str, for_good: bool, now: Instant) {
        self.lost(why, for_good, GRACE, now);
    }

    fn lost(&mut self, why: &str, anew: bool, grace: Duration, now: Instant) {
        match &mut self.phase {
            Phase::Joining { .. } => {
                self.phase.refuse(RtcError::Unreachable { detail: format!("lost while joining: {why}") });
                self.end = Some(End::Lost(DisconnectReason::JoinFailure));
            }
            Phase::Live => {
                tracing::info!(why, anew, "connection lost");
                self.set_state(ConnectionState::Reconnecting);
                self.events.emit(RtcEvent::Reconnecting);
                let backoff = Backoff::new(&self.options.reconnect);
                self.phase = Phase::Recovering(Recovery { backoff, anew, step: Step::Dialling });
                self.next_attempt(now + grace);
            }
            Phase::Recovering(_) if grace > Duration::ZERO && !anew => {} // media is what the attempt restores
            Phase::Recovering(recovery) => {
                let news = anew && !recovery.anew;
                recovery.anew |= anew;
                match recovery.step {
                    Step::Restoring { .. } | Step::Rejoined { .. } => self.next_attempt(now + grace),
                    Step::Dialling if news => self.next_attempt(now + grace),
                    Step::Waiting { .. } | Step::Dialling | Step::Joining(_) => {}
                }
            }
        }
    }

    /// Plans the next attempt, no earlier than `now`, or gives up.
    fn next_attempt(&mut self, now: Instant) {
        let Phase::Recovering(recovery) = &mut self.phase else { return };
        match recovery.backoff.next(rand::random()) {
            Some(delay) => recovery.step = Step::Waiting { until: now + delay },
            None => self.end = Some(End::Lost(DisconnectReason::ReconnectFailed)),
        }
    }

    /// Moves on if it is time.
    pub(super) fn recover(&mut self, now: Instant) {
        let up = self.link.as_ref().is_some_and(Link::is_up);
        match &mut self.phase {
            Phase::Live => {}
            Phase::Joining { ready, .. } if up => {
                if let Some(ready) = ready.take() {
                    let _ = ready.send(Ok(()));
                }
                self.phase = Phase::Live;
            }
            Phase::Joining { deadline, .. } => {
                if now >= *deadline {
                    let limit = self.options.timeout;
                    self.phase.refuse(RtcError::Timeout { what: "the media connection", limit });
                    self.end = Some(End::Lost(DisconnectReason::JoinFailure));
                }
            }
            Phase::Recovering(recovery) => match &recovery.step {
                Step::Waiting { until } if now >= *until => self.begin_attempt(),
                Step::Restoring { since, publisher, subscriber } => {
                    let (since, publisher, subscriber) = (*since, *publisher, *subscriber);
                    self.check_restored(since, publisher, subscriber, now);
                }
                Step::Rejoined { since } => {
                    if up && self.tracks.iter().all(super::LocalTrack::is_live) {
                        self.recovered(false);
                    } else if now >= *since + RESTORE_LIMIT {
                        self.next_attempt(now);
                    }
                }
                Step::Waiting { .. } | Step::Dialling | Step::Joining(_) => {}
            },
        }
    }

    fn begin_attempt(&mut self) {
        let Phase::Recovering(recovery) = &mut self.phase else { return };
        match &self.link {
            Some(link) if !recovery.anew => {
                recovery.step = Step::Dialling;
                link.signal.restart(proto::ReconnectReason::RrSignalDisconnected);
            }
            _ => {
                self.link = None; // closes its connections
                let (url, token, options) = (self.url.clone(), self.token.clone(), self.options.clone());
                let limit = options.timeout;
                let join = tokio::spawn(async move {
                    let opening = Link::open(&url, &token, &options);
                    let timeout = |_| RtcError::Timeout { what: "joining anew", limit };
                    tokio::time::timeout(limit, opening).await.map_err(timeout)?
                });
                recovery.step = Step::Joining(AbortOnDrop(join));
            }
        }
    }

    /// A new signal connection stands, or not.
    pub(super) fn on_restarted(&mut self, result: Result<proto::ReconnectResponse, RestartError>, now: Instant) {
        let Phase::Recovering(Recovery { step: Step::Dialling, anew, .. }) = &mut self.phase else { return };
        match result {
            Ok(response) => self.restore(&response, now),
            Err(RestartError::Fatal(reason)) => self.end = Some(End::Lost(reason)),
            Err(RestartError::Refused) => {
                tracing::info!("the server refused to resume");
                *anew = true;
                // It is there and has answered: there is nothing to wait for.
                self.begin_attempt();
            }
            Err(RestartError::Failed(why)) => {
                tracing::info!(why, "attempt to resume failed");
                self.next_attempt(now);
            }
        }
    }

    /// Tells the server what we have, sends again what it has not, and restarts our side of media, in this order.
    fn restore(&mut self, response: &proto::ReconnectResponse, now: Instant) {
        self.shared.room.write().begin_resync();
        self.withdraw_offer();
        let published = self.published_tracks();
        let subscribed = self.wanted_tracks().iter().map(|sid| sid.as_str().to_owned()).collect();
        let Some(link) = &mut self.link else { return };
        let states = self
            .inbox
            .received()
            .map(|(sender, last)| proto::DataChannelReceiveState { publisher_sid: sender.to_owned(), last_seq: last });
        link.signal.send(Message::SyncState(proto::SyncState {
            offer: link.last_offer.clone(),
            answer: link.last_answer.clone(),
            subscription: Some(proto::UpdateSubscription {
                track_sids: subscribed,
                subscribe: true,
                ..proto::UpdateSubscription::default()
            }),
            publish_tracks: published,
            datachannel_receive_states: states.collect(),
            ..proto::SyncState::default()
        }));
        self.outbox.replay_after(response.last_message_seq);
        let (publisher, subscriber) = (link.publisher.times_connected(), link.subscriber.times_connected());
        if let Some(offer) = link.publisher.offer_restart() {
            link.send_offer(offer, now);
        }
        if let Phase::Recovering(recovery) = &mut self.phase {
            recovery.step = Step::Restoring { since: now, publisher, subscriber };
        }
        self.send_data();
    }

    fn check_restored(&mut self, since: Instant, publisher: u32, subscriber: u32, now: Instant) {
        let Some(link) = &self.link else { return };
        let again = link.publisher.times_connected() > publisher
            && (!link.subscribes || link.subscriber.times_connected() > subscriber);
        let settled = again || now >= since + SETTLED;
        if link.is_up() && !link.publisher.offer_pending() && settled {
            link.signal.reconnected();
            let events = self.shared.room.write().end_resync();
            self.report(events);
            self.recovered(true);
        } else if now >= since + RESTORE_LIMIT {
            self.join_anew("media did not come back", now);
        }
    }

    fn recovered(&mut self, resumed: bool) {
        tracing::info!(resumed, "connection is back");
        self.phase = Phase::Live;
        self.set_state(ConnectionState::Connected);
        if resumed {
            self.counters.resumes += 1;
        } else {
            self.counters.full_reconnects += 1;
        }
        self.events.emit(RtcEvent::Reconnected { resumed });
    }

    /// A new join has succeeded, or not.
    pub(super) fn on_joined(&mut self, joined: Joined) {
        let now = Instant::now();
        match joined {
            Ok((link, join)) => {
                self.link = Some(link);
                let events = self.shared.room.write().rejoin(&join);
                self.report(events);
                self.after_rejoin();
                if let Phase::Recovering(recovery) = &mut self.phase {
                    recovery.step = Step::Rejoined { since: now };
                }
            }
            Err(error) if error.retryable() => {
                tracing::info!(%error, "attempt to join anew failed");
                self.next_attempt(now);
            }
            Err(RtcError::Disconnected { reason }) => self.end = Some(End::Lost(reason)),
            Err(error) => {
                tracing::warn!(%error, "cannot join anew");
                self.end = Some(End::Lost(DisconnectReason::JoinFailure));
            }
        }
    }

    /// Brings everything that callers set to the new join.
    fn after_rejoin(&mut self) {
        self.inbox.clear();
        self.streams.abort_all();
        self.speakers.clear();
        self.announce_again();
        if !self.profile.is_empty() {
            let profile = self.profile.clone();
            self.send_profile(&profile);
        }
        self.subscribe_again();
        let own_sid = self.shared.room.read().local().sid.as_str().to_owned();
        for bytes in self.outbox.restart() {
            let Ok(mut packet) = proto::DataPacket::decode(&bytes[..]) else { continue };
            packet.participant_sid.clone_from(&own_sid);
            packet.sequence = self.outbox.next_sequence();
            self.outbox.add(Instant::now(), packet.sequence, packet.encode_to_vec());
        }
    }
}
