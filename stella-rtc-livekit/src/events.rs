//! The task that turns the SDK's events into ours, one by one, and keeps the session's state beside them.

use crate::{convert, listen::Heard, shared::Shared, text};
use livekit::prelude::{
    Participant, ParticipantSid, RemoteParticipant, RemoteTrack, RemoteTrackPublication, RoomEvent, TrackKind,
    TrackPublication,
};
use std::sync::{Arc, atomic::Ordering};
use stella_rtc::{DisconnectReason, RtcEvent, Speaker, backend::Events};
use tokio::sync::mpsc::UnboundedReceiver;

/// Runs until the session is over.
pub(crate) async fn run(shared: Arc<Shared>, mut sdk: UnboundedReceiver<RoomEvent>, events: Events) {
    let own_sid = shared.room.local_participant().sid();
    let mut task = Task { shared, events, own_sid };
    let reason = loop {
        match sdk.recv().await {
            Some(RoomEvent::Disconnected { reason }) => break task.shared.end_reason(reason),
            Some(event) => task.on_event(event),
            None => break DisconnectReason::InternalError,
        }
    };
    task.shared.finish(reason);
    let end = task.events.finish(reason);
    drop((task, sdk)); // a reader that never reads the end must not keep the room
    end.await;
}

struct Task {
    shared: Arc<Shared>,
    events: Events,
    /// Our id of this stay: another one after a reconnect shows that it was a full one.
    own_sid: ParticipantSid,
}

impl Task {
    fn emit(&mut self, event: RtcEvent) {
        self.events.emit(event);
        self.shared.events_dropped.store(self.events.dropped(), Ordering::Relaxed);
    }

    fn on_event(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::Connected { participants_with_tracks } => self.on_connected(&participants_with_tracks),
            RoomEvent::Reconnecting => self.on_reconnecting(),
            RoomEvent::Reconnected => self.on_reconnected(),
            RoomEvent::TrackPublished { publication, participant } => {
                decline_video(&publication);
                let (participant, track) =
                    (convert::identity(&participant.identity()), convert::remote_publication(&publication));
                self.emit(RtcEvent::TrackPublished { participant, track });
            }
            RoomEvent::TrackSubscribed { track, publication, participant } => {
                self.on_subscribed(track, &publication, &participant);
            }
            RoomEvent::TrackUnsubscribed { track: RemoteTrack::Audio(_), publication, participant } => {
                self.on_unsubscribed(&publication, &participant);
            }
            RoomEvent::TrackMuted { participant, publication } => self.on_muted(&participant, &publication, true),
            RoomEvent::TrackUnmuted { participant, publication } => self.on_muted(&participant, &publication, false),
            RoomEvent::LocalTrackRepublished { previous_sid, publication, .. } => {
                let (old, new) = (convert::sid(&previous_sid), convert::sid(&publication.sid()));
                if let Ok(voice) = self.shared.voice(&old) {
                    voice.sink.set_track(new.clone());
                }
                self.emit(RtcEvent::LocalTrackRepublished { old, new });
            }
            RoomEvent::RoomUpdated { .. } | RoomEvent::Moved { .. } => {
                let room = convert::room(&self.shared.room);
                self.emit(RtcEvent::RoomUpdated { room });
            }
            RoomEvent::TextStreamOpened { reader, participant_identity, .. } => {
                let limit = self.shared.max_text_stream;
                if let Some(reader) = reader.take() {
                    self.emit(RtcEvent::TextStream { reader: text::reader(reader, &participant_identity, limit) });
                }
            }
            other => {
                if let Some(event) = plain(other) {
                    self.emit(event);
                }
            }
        }
    }

    fn on_connected(&mut self, present: &[(RemoteParticipant, Vec<RemoteTrackPublication>)]) {
        present.iter().flat_map(|(_, publications)| publications).for_each(decline_video);
        let participants = present.iter().map(|(participant, _)| convert::remote(participant)).collect();
        let room = convert::room(&self.shared.room);
        self.emit(RtcEvent::Connected { room, participants });
    }

    fn on_reconnecting(&mut self) {
        self.shared.held.store(true, Ordering::Release);
        self.emit(RtcEvent::Reconnecting);
    }

    fn on_reconnected(&mut self) {
        self.shared.held.store(false, Ordering::Release);
        let sid = self.shared.room.local_participant().sid();
        let resumed = sid == self.own_sid;
        self.own_sid = sid;
        let counter = if resumed { &self.shared.resumes } else { &self.shared.full_reconnects };
        counter.fetch_add(1, Ordering::Relaxed);
        self.emit(RtcEvent::Reconnected { resumed });
    }

    fn on_subscribed(
        &mut self,
        track: RemoteTrack,
        publication: &RemoteTrackPublication,
        participant: &RemoteParticipant,
    ) {
        let RemoteTrack::Audio(track) = track else { return decline_video(publication) };
        let (participant, info) =
            (convert::identity(&participant.identity()), convert::remote_publication(publication));
        let before = self.shared.heard.lock().insert(info.sid.clone(), Heard::new(participant.clone(), track));
        if let Some(before) = before {
            before.ended.cancel();
        }
        self.emit(RtcEvent::TrackSubscribed { participant, track: info });
    }

    fn on_unsubscribed(&mut self, publication: &RemoteTrackPublication, participant: &RemoteParticipant) {
        let track = convert::remote_publication(publication);
        if let Some(heard) = self.shared.heard.lock().remove(&track.sid) {
            heard.ended.cancel();
        }
        let participant = convert::identity(&participant.identity());
        self.emit(RtcEvent::TrackUnsubscribed { participant, track });
    }

    fn on_muted(&mut self, participant: &Participant, publication: &TrackPublication, muted: bool) {
        let track = convert::sid(&publication.sid());
        if let Ok(voice) = self.shared.voice(&track) {
            voice.sink.set_muted(muted);
        }
        let participant = convert::identity(&participant.identity());
        self.emit(match muted {
            true => RtcEvent::TrackMuted { participant, track },
            false => RtcEvent::TrackUnmuted { participant, track },
        });
    }
}

/// Whatever is subscribed by itself includes video, which would be decoded for nobody.
fn decline_video(publication: &RemoteTrackPublication) {
    if publication.kind() == TrackKind::Video && publication.is_desired() {
        publication.set_subscribed(false);
    }
}

/// Events that change nothing here. `None` for those without a counterpart.
fn plain(event: RoomEvent) -> Option<RtcEvent> {
    let of = |participant: &Participant| convert::identity(&participant.identity());
    Some(match event {
        RoomEvent::ParticipantConnected(participant) => {
            RtcEvent::ParticipantJoined { participant: convert::remote(&participant) }
        }
        RoomEvent::ParticipantActive(participant) => {
            RtcEvent::ParticipantActive { participant: convert::identity(&participant.identity()) }
        }
        RoomEvent::ParticipantDisconnected(participant) => RtcEvent::ParticipantLeft {
            reason: convert::departure(participant.disconnect_reason()),
            participant: convert::remote(&participant),
        },
        RoomEvent::TrackUnpublished { publication, participant } => RtcEvent::TrackUnpublished {
            participant: convert::identity(&participant.identity()),
            track: convert::remote_publication(&publication),
        },
        RoomEvent::TrackSubscriptionFailed { error, track_sid, .. } => {
            RtcEvent::SubscriptionFailed { track: convert::sid(&track_sid), detail: error.to_string() }
        }
        RoomEvent::LocalTrackSubscribed { track } => {
            RtcEvent::LocalTrackSubscribed { track: convert::sid(&track.sid()) }
        }
        RoomEvent::ActiveSpeakersChanged { speakers } => {
            RtcEvent::ActiveSpeakers { speakers: loudest_first(&speakers) }
        }
        RoomEvent::ConnectionQualityChanged { quality, participant } => {
            RtcEvent::ConnectionQuality { participant: of(&participant), quality: convert::quality(quality) }
        }
        RoomEvent::ParticipantMetadataChanged { participant, metadata, .. } => {
            RtcEvent::MetadataChanged { participant: of(&participant), metadata }
        }
        RoomEvent::ParticipantNameChanged { participant, name, .. } => {
            RtcEvent::NameChanged { participant: of(&participant), name }
        }
        RoomEvent::ParticipantAttributesChanged { participant, changed_attributes } => {
            RtcEvent::AttributesChanged { participant: of(&participant), changed: changed_attributes }
        }
        RoomEvent::ParticipantPermissionChanged { participant, permission } => RtcEvent::PermissionsChanged {
            participant: of(&participant),
            permissions: convert::permissions(&permission?),
        },
        RoomEvent::DataReceived { payload, topic, kind, participant } => RtcEvent::Data {
            from: participant.map(|participant| convert::identity(&participant.identity())),
            topic,
            payload: Arc::unwrap_or_clone(payload).into(),
            reliable: kind == livekit::DataPacketKind::Reliable,
        },
        RoomEvent::TranscriptionReceived { participant, track_publication, segments } => RtcEvent::Transcription {
            participant: of(&participant?),
            track: convert::sid(&track_publication?.sid()),
            segments: segments.into_iter().map(convert::segment).collect(),
        },
        RoomEvent::SipDTMFReceived { code, digit, participant } => RtcEvent::SipDtmf {
            from: participant.map(|participant| convert::identity(&participant.identity())),
            code,
            digit: digit.unwrap_or_default(),
        },
        RoomEvent::TokenRefreshed { .. } => RtcEvent::TokenRefreshed,
        // Own tracks (the caller knows), room metadata and connection state (other events follow), chat messages, byte
        // streams, data tracks, encryption: no counterpart.
        _ => return None,
    })
}

fn loudest_first(speakers: &[Participant]) -> Vec<Speaker> {
    let mut speakers: Vec<_> = speakers
        .iter()
        .map(|participant| Speaker::new(convert::identity(&participant.identity()), participant.audio_level()))
        .collect();
    speakers.sort_by(|a, b| b.level.total_cmp(&a.level));
    speakers
}
