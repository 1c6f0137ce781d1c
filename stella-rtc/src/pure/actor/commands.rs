//! What handles ask for.

use super::{Actor, End, Instant};
use crate::{
    error::RtcError,
    info::{TrackInfo, TrackKind, TrackSid},
    options::Scenario,
    pure::shared::{Command, DataCommand, Profile, Reply},
    stats::{ReceiveStats, RtcStats},
};
use livekit_protocol::{self as proto, signal_request::Message, simulate_scenario};
use prost::Message as _;
use std::time::Duration;

/// How long the server may take to apply a change of ours to ourselves.
const UPDATE_LIMIT: Duration = Duration::from_secs(5);

/// A change of ours to ourselves that the server has not confirmed.
pub(super) struct PendingUpdate {
    request_id: u32,
    pub(super) deadline: Instant,
    reply: Reply<()>,
}

impl Actor {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish { options, reply } => self.publish(options, reply),
            Command::Unpublish { track, reply } => {
                let result = self.unpublish(&track);
                let _ = reply.send(result);
            }
            Command::SetMuted { track, muted, reply } => {
                let result = self.set_muted(&track, muted, true);
                let _ = reply.send(result);
            }
            Command::SetSubscribed { track, subscribed, reply } => {
                let result = self.set_subscribed(track, subscribed);
                let _ = reply.send(result);
            }
            Command::UpdateSelf { change, reply } => self.update_self(&change, reply),
            Command::Stats { reply } => {
                let _ = reply.send(Ok(self.stats()));
            }
            Command::Simulate { scenario, reply } => {
                self.simulate(scenario);
                let _ = reply.send(Ok(()));
            }
            Command::Leave { reason, reply } => self.end = Some(End::Leave(reason, Some(reply))),
        }
    }

    pub(super) fn on_data(&mut self, command: DataCommand) {
        let own_sid = self.shared.room.read().local().sid.as_str().to_owned();
        for mut packet in command.packets {
            packet.participant_sid.clone_from(&own_sid);
            if command.reliable {
                packet.sequence = self.outbox.next_sequence();
                self.outbox.add(Instant::now(), packet.sequence, packet.encode_to_vec());
            } else if let Some(link) = &mut self.link {
                // Lossy means: now or never.
                if let Some(channels) = link.channels.filter(|channels| link.open.contains(&channels.lossy)) {
                    let _ = link.publisher.send_message(channels.lossy, &packet.encode_to_vec());
                }
            }
        }
        let _ = command.reply.send(Ok(()));
    }

    fn set_subscribed(&mut self, track: TrackSid, subscribed: bool) -> Result<(), RtcError> {
        let is_audio = self.shared.room.read().find_track(&track).is_some_and(|(_, t)| t.kind == TrackKind::Audio);
        if !is_audio {
            return Err(RtcError::UnknownTrack { sid: track });
        }
        self.wanted.insert(track.clone(), subscribed);
        self.ask_for([track], subscribed);
        Ok(())
    }

    /// Tells the server to send tracks, or to stop.
    fn ask_for(&mut self, tracks: impl IntoIterator<Item = TrackSid>, subscribe: bool) {
        let track_sids: Vec<_> = tracks.into_iter().map(|sid| sid.as_str().to_owned()).collect();
        if let Some(link) = self.link.as_ref().filter(|_| !track_sids.is_empty()) {
            let request = proto::UpdateSubscription { track_sids, subscribe, ..Default::default() };
            link.signal.send(Message::Subscription(request));
        }
    }

    /// Whether a track of somebody else is to be received.
    ///
    /// The server's own automatic subscription would include video, whose codecs this crate does not offer; the server
    /// then fails to make an offer at all and ends the session.
    fn wants(&self, track: &TrackInfo) -> bool {
        track.kind == TrackKind::Audio && *self.wanted.get(&track.sid).unwrap_or(&self.options.auto_subscribe)
    }

    /// A track was published.
    pub(super) fn subscribe_if_wanted(&mut self, track: &TrackInfo) {
        if self.wants(track) {
            self.ask_for([track.sid.clone()], true);
        }
    }

    /// Every track that is to be received.
    pub(super) fn wanted_tracks(&self) -> Vec<TrackSid> {
        let remotes = self.shared.room.read().snapshot();
        let tracks = remotes.into_iter().flat_map(|participant| participant.tracks);
        tracks.filter(|track| self.wants(track)).map(|track| track.sid).collect()
    }

    /// The link is new: the server knows of no subscription.
    pub(super) fn subscribe_again(&mut self) {
        let tracks = self.wanted_tracks();
        self.ask_for(tracks, true);
    }

    fn update_self(&mut self, change: &Profile, reply: Reply<()>) {
        let allowed = self.shared.room.read().local().permissions.as_ref().is_none_or(|p| p.can_update_metadata);
        if !allowed {
            let _ =
                reply.send(Err(RtcError::NotPermitted { what: "changing own name, metadata or attributes".into() }));
            return;
        }
        self.profile.merge(change);
        let request_id = self.send_profile(change);
        self.updates.push(PendingUpdate { request_id, deadline: Instant::now() + UPDATE_LIMIT, reply });
    }

    /// Sends a change; name and metadata go along unchanged, as the server expects.
    pub(super) fn send_profile(&mut self, change: &Profile) -> u32 {
        self.next_request += 1;
        let room = self.shared.room.read();
        let request = proto::UpdateParticipantMetadata {
            name: change.name.clone().unwrap_or_else(|| room.local().name.clone()),
            metadata: change.metadata.clone().unwrap_or_else(|| room.local().metadata.clone()),
            attributes: change.attributes.clone(),
            request_id: self.next_request,
        };
        if let Some(link) = &self.link {
            link.signal.send(Message::UpdateMetadata(request));
        }
        self.next_request
    }

    /// The server's answer to a request with a number.
    pub(super) fn on_request_response(&mut self, response: &proto::RequestResponse) {
        use proto::request_response::Reason;
        let result = match Reason::try_from(response.reason) {
            Ok(Reason::Ok) => Ok(()),
            Ok(Reason::Queued) => return,
            Ok(Reason::NotAllowed) => Err(RtcError::NotPermitted { what: response.message.clone() }),
            _ => Err(RtcError::Refused { what: "the request", detail: response.message.clone() }),
        };
        if let Some(proto::request_response::Request::AddTrack(request)) = &response.request {
            if let Err(error) = result {
                self.publication_failed(&request.cid, error);
            }
            return;
        }
        if let Some(at) = self.updates.iter().position(|update| update.request_id == response.request_id) {
            let _ = self.updates.swap_remove(at).reply.send(result);
        }
    }

    /// A server that sends no answer shows by our own new state that the change was applied.
    pub(super) fn confirm_updates(&mut self) {
        let applied = {
            let room = self.shared.room.read();
            let local = room.local();
            let attribute = |(key, value): (&String, &String)| {
                local.attributes.get(key).map_or("", String::as_str) == value.as_str()
            };
            self.profile.name.as_ref().is_none_or(|name| *name == local.name)
                && self.profile.metadata.as_ref().is_none_or(|metadata| *metadata == local.metadata)
                && self.profile.attributes.iter().all(attribute)
        };
        if applied {
            for update in self.updates.drain(..) {
                let _ = update.reply.send(Ok(()));
            }
        }
    }

    pub(super) fn expire_updates(&mut self, now: Instant) {
        while let Some(at) = self.updates.iter().position(|update| now >= update.deadline) {
            let error = RtcError::Timeout { what: "the change of name, metadata or attributes", limit: UPDATE_LIMIT };
            let _ = self.updates.swap_remove(at).reply.send(Err(error));
        }
    }

    fn simulate(&mut self, scenario: Scenario) {
        use simulate_scenario::Scenario as Server;
        let now = Instant::now();
        let server = match scenario {
            Scenario::SignalReconnect => return self.resume("simulated loss of the signal connection", now),
            Scenario::FullReconnect => return self.join_anew("simulated", now),
            Scenario::DisconnectSignalOnResume => Server::DisconnectSignalOnResume(true),
            Scenario::NodeFailure => Server::NodeFailure(true),
            Scenario::Migration => Server::Migration(true),
            Scenario::ServerLeave => Server::ServerLeave(true),
            Scenario::SwitchToTcp => Server::SwitchCandidateProtocol(proto::CandidateProtocol::Tcp as i32),
        };
        if let Some(link) = &self.link {
            link.signal.send(Message::Simulate(proto::SimulateScenario { scenario: Some(server) }));
        }
    }

    fn stats(&mut self) -> RtcStats {
        let mut stats = RtcStats {
            resumes: self.counters.resumes,
            full_reconnects: self.counters.full_reconnects,
            events_dropped: self.events.dropped(),
            malformed: self.counters.malformed,
            data_buffered: self.outbox.unsent_bytes(),
            sent: self.tracks.iter().map(super::LocalTrack::stats).collect(),
            ..RtcStats::default()
        };
        let Some(link) = &self.link else { return stats };
        stats.round_trip = link.publisher.round_trip().or(link.subscriber.round_trip());
        stats.over_tcp = (link.publisher.over_tcp(), link.subscriber.over_tcp());
        let (room, audio) = (self.shared.room.read(), self.shared.audio.lock());
        for receiver in link.receivers.values() {
            let jitter = receiver.stats();
            stats.malformed += jitter.malformed;
            let Some(track) = link.sections.get(&receiver.mid) else { continue };
            let Some((participant, _)) = room.find_track(track) else { continue };
            stats.received.push(ReceiveStats {
                track: track.clone(),
                participant: participant.clone(),
                packets: jitter.packets,
                lost: jitter.lost,
                recovered: jitter.recovered,
                concealed: jitter.concealed,
                discarded: jitter.discarded,
                silence_frames: jitter.silence_frames,
                overflowed: audio.get(track).map_or(0, |audio| audio.overflowed()),
                reorder_target: receiver.target(),
            });
        }
        stats
    }
}
