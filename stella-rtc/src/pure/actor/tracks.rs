//! Own tracks: announced to the server, offered, live, and over reconnects announced again.

use super::{Actor, Duration, Instant};
use crate::{
    error::RtcError,
    event::RtcEvent,
    info::TrackSid,
    media::sender::{PayloadTypes, Sender, SenderStats},
    options::AudioPublishOptions,
    pure::{
        convert, sdp,
        shared::Reply,
        sink::{SinkShared, SinkState},
    },
    stats::SendStats,
};
use livekit_protocol::{self as proto, signal_request::Message};
use std::sync::Arc;

/// How long the server may take from our announcement to its answer.
const PUBLISH_LIMIT: Duration = Duration::from_secs(10);
/// Own tracks at most.
const MAX_TRACKS: usize = 16;

/// How far a track has come. Each loss of the link leads back to an earlier stage.
enum Stage {
    /// The server was told that it will come.
    Announced,
    /// The server has given it an id; it waits for an offer.
    Accepted { published: proto::TrackPublishedResponse },
    /// It is in the offer under way.
    Offered { published: proto::TrackPublishedResponse, mid: String },
    /// Sound flows.
    Live { published: proto::TrackPublishedResponse, mid: String, sender: Box<Sender> },
}

/// One own track.
pub(super) struct LocalTrack {
    /// Our id for it, which ties announcement and media section together.
    cid: String,
    options: AudioPublishOptions,
    shared: Arc<SinkShared>,
    muted: bool,
    stage: Stage,
    since: Instant,
    /// Whoever waits for it to be live.
    reply: Option<Reply<Arc<SinkShared>>>,
    /// Counters of senders of earlier links.
    before: SenderStats,
}

impl LocalTrack {
    /// When it has something to send, or has waited too long.
    pub(super) fn deadline(&self, now: Instant, up: bool) -> Option<Instant> {
        match &self.stage {
            Stage::Live { sender, .. } => up.then(|| sender.deadline(&self.shared.queue(), now)).flatten(),
            _ => self.reply.as_ref().map(|_| self.since + PUBLISH_LIMIT),
        }
    }

    /// Ends its sink.
    pub(super) fn close(&self, state: SinkState) {
        self.shared.close(state);
    }

    pub(super) fn stats(&self) -> SendStats {
        let (now, red) = match &self.stage {
            Stage::Live { sender, .. } => (sender.stats(), sender.red()),
            _ => (SenderStats::default(), false),
        };
        SendStats {
            track: self.shared.track(),
            packets: self.before.packets + now.packets,
            bytes: self.before.bytes + now.bytes,
            red,
            worst_lateness: self.before.worst_lateness.max(now.worst_lateness),
            skipped_frames: self.before.skipped_frames + now.skipped_frames,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live { .. })
    }

    fn published(&self) -> Option<&proto::TrackPublishedResponse> {
        match &self.stage {
            Stage::Announced => None,
            Stage::Accepted { published } | Stage::Offered { published, .. } | Stage::Live { published, .. } => {
                Some(published)
            }
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Stage::Live { sender, .. } = std::mem::replace(&mut self.stage, stage) {
            let last = sender.stats();
            self.before.packets += last.packets;
            self.before.bytes += last.bytes;
            self.before.worst_lateness = self.before.worst_lateness.max(last.worst_lateness);
            self.before.skipped_frames += last.skipped_frames;
        }
    }

    fn announcement(&self) -> proto::AddTrackRequest {
        let mut features = Vec::new();
        if !self.options.dtx {
            features.push(proto::AudioTrackFeature::TfNoDtx as i32);
        }
        if self.options.format.channels() > 1 {
            features.push(proto::AudioTrackFeature::TfStereo as i32);
        }
        proto::AddTrackRequest {
            cid: self.cid.clone(),
            name: self.options.name.clone(),
            r#type: proto::TrackType::Audio as i32,
            source: convert::track_source(self.options.source) as i32,
            muted: self.muted,
            disable_red: !self.options.red,
            audio_features: features,
            ..proto::AddTrackRequest::default()
        }
    }
}

impl Actor {
    pub(super) fn publish(&mut self, options: AudioPublishOptions, reply: Reply<Arc<SinkShared>>) {
        let allowed = self.shared.room.read().local().permissions.as_ref().is_none_or(|p| p.can_publish);
        if !allowed || self.tracks.len() >= MAX_TRACKS {
            let _ = reply.send(Err(RtcError::NotPermitted { what: "publishing audio".into() }));
            return;
        }
        let track = LocalTrack {
            cid: format!("TR_{:016x}", rand::random::<u64>()),
            shared: Arc::new(SinkShared::new(&options, self.shared.wake.clone())),
            options,
            muted: false,
            stage: Stage::Announced,
            since: Instant::now(),
            reply: Some(reply),
            before: SenderStats::default(),
        };
        self.announce(&track);
        self.tracks.push(track);
    }

    fn announce(&self, track: &LocalTrack) {
        if let Some(link) = &self.link {
            link.signal.send(Message::AddTrack(track.announcement()));
        }
    }

    /// The server has given a track its id.
    pub(super) fn on_published(&mut self, published: proto::TrackPublishedResponse) {
        let Some(sid) = published.track.as_ref().map(|track| TrackSid::from(track.sid.as_str())) else { return };
        let Some(track) = self.tracks.iter_mut().find(|track| track.cid == published.cid) else { return };
        if matches!(track.stage, Stage::Announced) {
            track.set_stage(Stage::Accepted { published });
            let old = track.shared.set_track(sid.clone());
            if !old.as_str().is_empty() && old != sid {
                self.events.emit(RtcEvent::LocalTrackRepublished { old, new: sid });
            }
        }
    }

    /// Offers every track that waits for it, if an offer may be made now.
    pub(super) fn offer_tracks(&mut self, now: Instant) {
        let Some(link) = self.link.as_mut().filter(|link| link.may_offer()) else { return };
        let waiting: Vec<_> = self.tracks.iter_mut().filter(|t| matches!(t.stage, Stage::Accepted { .. })).collect();
        if waiting.is_empty() && link.retired.is_empty() {
            return;
        }
        let cids: Vec<_> = waiting.iter().map(|track| track.cid.clone()).collect();
        let retired = std::mem::take(&mut link.retired);
        let Some((sdp, mids)) = link.publisher.offer_tracks(&cids, &retired) else { return };
        for (track, mid) in waiting.into_iter().zip(mids) {
            if let Stage::Accepted { published } = &track.stage {
                let published = published.clone();
                track.set_stage(Stage::Offered { published, mid });
            }
        }
        link.send_offer(sdp, now);
    }

    /// The server answered an offer: its tracks go live.
    pub(super) fn on_answer(&mut self, answer: &proto::SessionDescription, now: Instant) {
        let Some(link) = &mut self.link else { return };
        link.offered_at = None;
        if let Err(error) = link.publisher.accept_answer(&answer.sdp) {
            return self.join_anew(&error.to_string(), now);
        }
        let mut failed = Vec::new();
        for track in &mut self.tracks {
            let Stage::Offered { published, mid } = &track.stage else { continue };
            let (published, mid) = (published.clone(), mid.clone());
            let types = sdp::payload_types(&answer.sdp, &mid);
            let types = types.map(|t| PayloadTypes { red: t.red.filter(|_| track.options.red), ..t });
            let refused = || RtcError::Refused { what: "the track", detail: "its codec was not accepted".into() };
            let sender = types
                .ok_or_else(refused)
                .and_then(|types| Sender::new(&track.options, types, rand::random(), rand::random()));
            match sender {
                Ok(sender) => {
                    track.set_stage(Stage::Live { published, mid, sender: Box::new(sender) });
                    if let Some(reply) = track.reply.take() {
                        let _ = reply.send(Ok(track.shared.clone()));
                    }
                }
                Err(error) => failed.push((track.cid.clone(), error)),
            }
        }
        for (cid, error) in failed {
            self.publication_failed(&cid, error);
        }
    }

    /// A track will not come to be.
    pub(super) fn publication_failed(&mut self, cid: &str, error: RtcError) {
        if let Some(at) = self.tracks.iter().position(|track| track.cid == cid) {
            let mut track = self.tracks.swap_remove(at);
            track.close(SinkState::Unpublished);
            self.retire(&track);
            if let Some(reply) = track.reply.take() {
                let _ = reply.send(Err(error));
            }
        }
    }

    pub(super) fn expire_publications(&mut self, now: Instant) {
        let late = |track: &LocalTrack| track.reply.is_some() && now >= track.since + PUBLISH_LIMIT;
        let late: Vec<_> = self.tracks.iter().filter(|track| late(track)).map(|track| track.cid.clone()).collect();
        for cid in late {
            self.publication_failed(&cid, RtcError::Timeout { what: "publishing the track", limit: PUBLISH_LIMIT });
        }
    }

    pub(super) fn unpublish(&mut self, sid: &TrackSid) -> Result<(), RtcError> {
        let at = self.tracks.iter().position(|track| track.shared.track() == *sid);
        let at = at.ok_or_else(|| RtcError::UnknownTrack { sid: sid.clone() })?;
        let track = self.tracks.swap_remove(at);
        track.close(SinkState::Unpublished);
        self.retire(&track);
        Ok(())
    }

    /// Its media section will be stopped by the next offer.
    fn retire(&mut self, track: &LocalTrack) {
        if let (Some(link), Stage::Live { mid, .. } | Stage::Offered { mid, .. }) = (&mut self.link, &track.stage) {
            link.retired.push(mid.clone());
        }
    }

    /// Mutes a track; `tell` unless the server has told us.
    pub(super) fn set_muted(&mut self, sid: &TrackSid, muted: bool, tell: bool) -> Result<(), RtcError> {
        let track = self.tracks.iter_mut().find(|track| track.shared.track() == *sid);
        let track = track.ok_or_else(|| RtcError::UnknownTrack { sid: sid.clone() })?;
        track.muted = muted;
        track.shared.queue().set_muted(muted);
        self.shared.wake.notify_one();
        if let Some(link) = self.link.as_ref().filter(|_| tell) {
            link.signal.send(Message::Mute(proto::MuteTrackRequest { sid: sid.as_str().to_owned(), muted }));
        }
        Ok(())
    }

    /// The server no longer has a track of ours.
    pub(super) fn on_unpublished(&mut self, sid: &str) {
        let _ = self.unpublish(&sid.into());
    }

    /// Sends the sound that is due. While the connection is down the sinks hold their audio.
    pub(super) fn send_audio(&mut self, now: Instant) {
        let Some(link) = self.link.as_mut().filter(|link| link.publisher.is_up()) else { return };
        for track in &mut self.tracks {
            let Stage::Live { mid, sender, .. } = &mut track.stage else { continue };
            let before = sender.stats().packets;
            loop {
                let packet = sender.poll(now, &mut track.shared.queue());
                match packet {
                    Ok(Some(packet)) => {
                        link.publisher.send_rtp(now, mid, packet);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(%error, "a frame could not be encoded");
                        break;
                    }
                }
            }
            if sender.stats().packets > before {
                track.shared.taken();
            }
        }
    }

    /// What the server gave ids to, for a resume.
    pub(super) fn published_tracks(&self) -> Vec<proto::TrackPublishedResponse> {
        self.tracks.iter().filter_map(LocalTrack::published).cloned().collect()
    }

    /// The offer under way died with its connection: its tracks will be offered again.
    pub(super) fn withdraw_offer(&mut self) {
        if let Some(link) = &mut self.link {
            link.publisher.abandon_offer();
            link.offered_at = None;
        }
        for track in &mut self.tracks {
            if let Stage::Offered { published, .. } = &track.stage {
                let published = published.clone();
                track.set_stage(Stage::Accepted { published });
            }
        }
    }

    /// The link is new: every track is announced again.
    pub(super) fn announce_again(&mut self) {
        for track in &mut self.tracks {
            track.set_stage(Stage::Announced);
            track.since = Instant::now();
            track.cid = format!("TR_{:016x}", rand::random::<u64>());
        }
        for track in &self.tracks {
            self.announce(track);
        }
    }
}
