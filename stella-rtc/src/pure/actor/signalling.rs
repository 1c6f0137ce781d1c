//! What the server says.

use super::{Actor, End, Instant};
use crate::{
    error::RtcError,
    event::{RtcEvent, Speaker},
    pure::{convert, signal::SignalInput},
};
use livekit_protocol::{self as proto, leave_request::Action, signal_response::Message};

impl Actor {
    pub(super) fn on_signal(&mut self, input: SignalInput) {
        let now = Instant::now();
        match input {
            SignalInput::Message(message) => self.on_message(*message, now),
            SignalInput::Closed(why) => self.resume(&why, now),
            SignalInput::Restarted(result) => self.on_restarted(result, now),
        }
    }

    fn on_message(&mut self, message: Message, now: Instant) {
        match message {
            Message::Offer(offer) => self.on_offer(offer, now),
            Message::Answer(answer) => self.on_answer(&answer, now),
            Message::Trickle(trickle) => self.on_trickle(&trickle),
            Message::TrackPublished(published) => self.on_published(published),
            Message::TrackUnpublished(unpublished) => self.on_unpublished(&unpublished.track_sid),
            Message::Update(update) => {
                let events = self.shared.room.write().update(&update.participants);
                self.report(events);
                self.confirm_updates();
            }
            Message::SpeakersChanged(changed) => self.on_speakers(&changed.speakers),
            Message::RoomUpdate(update) => {
                let event = update.room.and_then(|room| self.shared.room.write().update_room(&room));
                self.report(event.into_iter().collect());
            }
            Message::ConnectionQuality(update) => self.on_quality(&update.updates),
            Message::Mute(mute) => {
                let _ = self.set_muted(&mute.sid.as_str().into(), mute.muted, false);
            }
            Message::Leave(leave) => self.on_leave(&leave, now),
            Message::RefreshToken(token) => {
                self.token = token;
                self.events.emit(RtcEvent::TokenRefreshed);
            }
            Message::SubscriptionResponse(response) => {
                let detail = proto::SubscriptionError::try_from(response.err).unwrap_or_default();
                self.events.emit(RtcEvent::SubscriptionFailed {
                    track: response.track_sid.into(),
                    detail: detail.as_str_name().to_owned(),
                });
            }
            Message::TrackSubscribed(subscribed) => {
                self.events.emit(RtcEvent::LocalTrackSubscribed { track: subscribed.track_sid.into() });
            }
            Message::RequestResponse(response) => self.on_request_response(&response),
            Message::RoomMoved(_) => self.join_anew("the room was moved", now),
            _ => {}
        }
    }

    fn on_offer(&mut self, offer: proto::SessionDescription, now: Instant) {
        let Some(link) = &mut self.link else { return };
        match link.answer(offer) {
            Ok(tracks) => {
                let events = self.shared.room.write().wire(tracks);
                self.report(events);
            }
            Err(error) => self.join_anew(&error.to_string(), now),
        }
    }

    fn on_trickle(&mut self, trickle: &proto::TrickleRequest) {
        let Some(link) = &mut self.link else { return };
        let for_subscriber = trickle.target == proto::SignalTarget::Subscriber as i32;
        let peer = if for_subscriber { &mut link.subscriber } else { &mut link.publisher };
        peer.add_remote_candidate(&trickle.candidate_init);
    }

    fn on_speakers(&mut self, changed: &[proto::SpeakerInfo]) {
        for speaker in changed {
            let sid = speaker.sid.as_str().into();
            if speaker.active {
                self.speakers.insert(sid, speaker.level);
            } else {
                self.speakers.remove(&sid);
            }
        }
        let room = self.shared.room.read();
        // Whoever is not in the room any more does not speak.
        self.speakers.retain(|sid, _| room.identity_of(sid.as_str()).is_some());
        let mut speakers: Vec<_> = self
            .speakers
            .iter()
            .filter_map(|(sid, level)| Some(Speaker { participant: room.identity_of(sid.as_str())?, level: *level }))
            .collect();
        drop(room);
        speakers.sort_by(|a, b| b.level.total_cmp(&a.level));
        self.events.emit(RtcEvent::ActiveSpeakers { speakers });
    }

    fn on_quality(&mut self, updates: &[proto::ConnectionQualityInfo]) {
        for update in updates {
            let participant = self.shared.room.read().identity_of(&update.participant_sid);
            if let Some(participant) = participant {
                let quality = convert::quality(update.quality);
                self.events.emit(RtcEvent::ConnectionQuality { participant, quality });
            }
        }
    }

    fn on_leave(&mut self, leave: &proto::LeaveRequest, now: Instant) {
        let reason = convert::disconnect_reason(leave.reason);
        match Action::try_from(leave.action) {
            Ok(Action::Resume) => self.resume("the server asked for it", now),
            Ok(Action::Reconnect) => self.join_anew("the server asked for it", now),
            _ => {
                self.phase.refuse(RtcError::Disconnected { reason });
                self.end = Some(End::Lost(reason));
            }
        }
    }
}
