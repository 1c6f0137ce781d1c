//! What peer connections carry: sound in, data both ways.

use super::{Actor, Instant};
use crate::{
    event::RtcEvent,
    info::ParticipantIdentity,
    options::TranscriptionSegment,
    pure::{
        peer::{PeerEvent, Role, RtpIn},
        receive::Receiver,
        streams,
    },
};
use livekit_protocol::{self as proto, data_packet::Value};
use prost::Message;
use std::time::Duration;

/// Streams of sound received at most.
const MAX_RECEIVERS: usize = 256;

impl Actor {
    /// Takes in what happened on both peer connections.
    pub(super) fn handle_peer_events(&mut self, now: Instant) {
        for role in [Role::Subscriber, Role::Publisher] {
            loop {
                let Some(link) = &mut self.link else { return };
                let peer = if role == Role::Publisher { &mut link.publisher } else { &mut link.subscriber };
                let Some(event) = peer.poll_event() else { break };
                self.on_peer_event(role, event, now);
            }
        }
    }

    fn on_peer_event(&mut self, role: Role, event: PeerEvent, now: Instant) {
        match event {
            PeerEvent::Rtp(rtp) => self.on_rtp(&rtp, now),
            PeerEvent::Message { id, bytes } => {
                let label = self.link.as_ref().and_then(|link| link.labels.get(&id)).map_or("", String::as_str);
                match label {
                    "_reliable" | "_lossy" => {
                        let reliable = label == "_reliable";
                        self.on_packet(&bytes, reliable, now);
                    }
                    _ => {} // data tracks, which nobody asked for
                }
            }
            PeerEvent::ChannelOpen { id, label } => {
                if let Some(link) = &mut self.link {
                    link.labels.insert(id, label);
                    if role == Role::Publisher {
                        link.open.insert(id);
                    }
                }
            }
            PeerEvent::ChannelClosed { id } => {
                if let Some(link) = &mut self.link {
                    link.labels.remove(&id);
                    link.open.remove(&id);
                }
            }
            PeerEvent::IceLost => self.media_lost("the media connection was lost", false, now),
            PeerEvent::Failed(detail) => self.media_lost(&detail, true, now),
        }
    }

    fn on_rtp(&mut self, rtp: &RtpIn, now: Instant) {
        let Some(link) = &mut self.link else { return };
        if !link.receivers.contains_key(&rtp.ssrc) {
            let Some(track) = link.sections.get(&rtp.mid) else { return };
            if link.receivers.len() >= MAX_RECEIVERS {
                self.counters.malformed += 1;
                return;
            }
            let audio = self.shared.audio.lock().entry(track.clone()).or_default().clone();
            // A section with a new stream has no more use for its old one.
            link.receivers.retain(|_, receiver| receiver.mid != rtp.mid);
            let types = link.payload_types(&rtp.mid);
            link.receivers.insert(rtp.ssrc, Receiver::new(rtp.mid.clone(), types, audio, now));
        }
        if let Some(receiver) = link.receivers.get_mut(&rtp.ssrc) {
            receiver.push(now, rtp);
        }
    }

    pub(super) fn tick_receivers(&mut self, now: Instant) {
        for receiver in self.link.iter_mut().flat_map(|link| link.receivers.values_mut()) {
            receiver.tick(now);
        }
    }

    fn on_packet(&mut self, bytes: &[u8], reliable: bool, now: Instant) {
        let Ok(mut packet) = proto::DataPacket::decode(bytes) else {
            self.counters.malformed += 1;
            return;
        };
        if reliable && !self.inbox.accept(now, &packet.participant_sid, packet.sequence) {
            return; // came before a resume already
        }
        if streams::is_stream(&packet) {
            if let Some(value) = packet.value.take() {
                let accepted = self.streams.push(now, &packet.participant_identity, value);
                self.counters.malformed += u64::from(!accepted);
            }
            return;
        }
        let from = Some(packet.participant_identity.as_str()).filter(|identity| !identity.is_empty());
        let from = from.map(ParticipantIdentity::from);
        match packet.value {
            Some(Value::User(user)) => self.events.emit(RtcEvent::Data {
                from,
                topic: user.topic.filter(|topic| !topic.is_empty()),
                payload: user.payload.into(),
                reliable,
            }),
            Some(Value::Transcription(transcription)) => self.events.emit(RtcEvent::Transcription {
                participant: transcription.transcribed_participant_identity.into(),
                track: transcription.track_id.into(),
                segments: transcription.segments.into_iter().map(segment).collect(),
            }),
            Some(Value::SipDtmf(dtmf)) => {
                self.events.emit(RtcEvent::SipDtmf { from, code: dtmf.code, digit: dtmf.digit });
            }
            _ => {}
        }
    }

    /// Sends reliable data as far as the connection takes it.
    pub(super) fn send_data(&mut self) {
        let Some(link) = self.link.as_mut().filter(|link| link.publisher.is_up()) else { return };
        let Some(channel) = link.channels.map(|channels| channels.reliable).filter(|id| link.open.contains(id)) else {
            return;
        };
        while self.outbox.unsent().is_some_and(|bytes| link.publisher.send_message(channel, bytes)) {
            self.outbox.mark_sent();
        }
    }
}

fn segment(segment: proto::TranscriptionSegment) -> TranscriptionSegment {
    TranscriptionSegment {
        id: segment.id,
        text: segment.text,
        start: Duration::from_millis(segment.start_time),
        end: Duration::from_millis(segment.end_time),
        is_final: segment.r#final,
        language: segment.language,
    }
}
