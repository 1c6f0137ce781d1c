//! The handle that callers hold.

use crate::{
    convert, error, playout,
    shared::{Guard, Shared},
    stats, text,
};
use async_trait::async_trait;
use livekit::{RoomError, SimulateScenario, prelude as sdk};
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
use stella_core::audio::AudioFormat;
use stella_rtc::{
    AudioPublishOptions, AudioSink, AudioStream, ConnectionState, DataPacket, LeaveReason, ParticipantInfo,
    Permissions, RoomInfo, RtcError, RtcSession, RtcStats, Scenario, StreamId, TextOptions, TextWriter, TrackSid,
    Transcription, backend::Sink,
};

/// Largest payload of one packet, in bytes.
const MAX_PAYLOAD: usize = 60_000;
/// How long the SDK waits for the server's answer to a change of ourselves.
const UPDATE_LIMIT: Duration = Duration::from_secs(5);
/// How long data may wait for its channel. For errors only: the SDK has its own limit.
const DATA_LIMIT: Duration = Duration::from_secs(15);
/// How long `leave` may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// See [`RtcSession`].
pub(crate) struct Session {
    guard: Arc<Guard>,
}

impl Session {
    pub(crate) fn new(guard: Arc<Guard>) -> Self {
        Self { guard }
    }

    fn shared(&self) -> &Arc<Shared> {
        self.guard.shared()
    }

    fn me(&self) -> sdk::LocalParticipant {
        self.shared().room.local_participant()
    }

    /// Whether the session is on and its token allows `what`.
    fn check_may(&self, what: &str, allows: impl Fn(&Permissions) -> bool) -> Result<(), RtcError> {
        self.shared().check()?;
        let permissions = self.me().permission().as_ref().map(convert::permissions);
        let allowed = permissions.as_ref().is_none_or(allows);
        allowed.then_some(()).ok_or_else(|| RtcError::NotPermitted { what: what.to_owned() })
    }

    fn check_may_send(&self) -> Result<(), RtcError> {
        self.check_may("publishing data", |permissions| permissions.can_publish_data)
    }

    fn check_may_update(&self) -> Result<(), RtcError> {
        self.check_may("changing own name, metadata or attributes", |permissions| permissions.can_update_metadata)
    }

    fn failed(&self, error: RoomError, what: &'static str, limit: Duration) -> RtcError {
        self.shared().explain(error::of_room(error, what, limit, ""))
    }

    fn remote_publication(&self, track: &TrackSid) -> Option<sdk::RemoteTrackPublication> {
        let sid = convert::to_sdk_sid(track)?;
        let remotes = self.shared().room.remote_participants();
        remotes.values().find_map(|remote| remote.get_track_publication(&sid))
    }
}

#[async_trait]
impl RtcSession for Session {
    fn room(&self) -> RoomInfo {
        convert::room(&self.shared().room)
    }

    fn local(&self) -> ParticipantInfo {
        convert::participant(&sdk::Participant::Local(self.me()))
    }

    fn remotes(&self) -> Vec<ParticipantInfo> {
        let remotes = self.shared().room.remote_participants();
        let mut remotes: Vec<_> = remotes.values().map(convert::remote).collect();
        remotes.sort_by(|a, b| a.identity.cmp(&b.identity));
        remotes
    }

    fn state(&self) -> ConnectionState {
        self.shared().state()
    }

    async fn publish_audio(&self, options: AudioPublishOptions) -> Result<Arc<dyn AudioSink>, RtcError> {
        options.validate()?;
        self.check_may("publishing audio", |permissions| permissions.can_publish)?;
        let limit = playout::PUBLISH_LIMIT;
        // In a task of its own: a track that is accepted after the caller gave up must be taken back.
        let publishing = tokio::spawn(playout::publish(self.shared().clone(), options));
        let published = tokio::time::timeout(limit, publishing).await;
        let published = published.map_err(|_| RtcError::Timeout { what: "publishing a track", limit })?;
        let failed = || RtcError::Media { detail: "the SDK failed while publishing".into() };
        let voice = published.map_err(|_| failed())?.map_err(|e| self.shared().explain(e))?.keep();
        Ok(Arc::new(Sink::new(voice.ok_or_else(failed)?.sink.clone(), self.guard.clone())))
    }

    async fn unpublish(&self, track: &TrackSid) -> Result<(), RtcError> {
        self.shared().check()?;
        playout::unpublish(self.shared(), track).await
    }

    async fn set_muted(&self, track: &TrackSid, muted: bool) -> Result<(), RtcError> {
        self.shared().check()?;
        let voice = self.shared().voice(track)?;
        let publication = convert::to_sdk_sid(track).and_then(|sid| self.me().get_track_publication(&sid));
        let publication = publication.ok_or_else(|| RtcError::UnknownTrack { sid: track.clone() })?;
        voice.sink.set_muted(muted);
        if muted {
            publication.mute()
        } else {
            publication.unmute()
        }
        Ok(())
    }

    async fn set_subscribed(&self, track: &TrackSid, subscribed: bool) -> Result<(), RtcError> {
        self.shared().check()?;
        let audio = self.remote_publication(track).filter(|found| found.kind() == sdk::TrackKind::Audio);
        audio.ok_or_else(|| RtcError::UnknownTrack { sid: track.clone() })?.set_subscribed(subscribed);
        Ok(())
    }

    fn audio_stream(&self, track: &TrackSid, format: AudioFormat) -> Result<AudioStream, RtcError> {
        self.shared().check()?;
        // The formats that can be heard are those that can be spoken.
        AudioPublishOptions { format, ..AudioPublishOptions::default() }.validate()?;
        let heard = self.shared().heard.lock().get(track).cloned();
        let heard = heard.ok_or_else(|| RtcError::UnknownTrack { sid: track.clone() })?;
        Ok(heard.listen(format, self.guard.runtime()))
    }

    async fn publish_data(&self, packet: DataPacket) -> Result<(), RtcError> {
        let size = packet.payload.len() + packet.topic.as_ref().map_or(0, String::len);
        if size > MAX_PAYLOAD {
            return Err(RtcError::TooLarge { size, limit: MAX_PAYLOAD });
        }
        self.check_may_send()?;
        let packet = sdk::DataPacket {
            payload: packet.payload.into(),
            topic: packet.topic,
            reliable: packet.reliable,
            destination_identities: convert::to_sdk_identities(&packet.to),
        };
        let sent = self.me().publish_data(packet).await;
        sent.map_err(|e| self.failed(e, "sending data", DATA_LIMIT))
    }

    async fn send_text(&self, options: TextOptions, text: &str) -> Result<StreamId, RtcError> {
        self.check_may_send()?;
        let sent = self.me().send_text(text, text::send_options(options)).await;
        let info = sent.map_err(|e| self.shared().explain(error::of_stream(&e)))?;
        Ok(info.id.as_str().into())
    }

    async fn open_text(&self, options: TextOptions) -> Result<Box<dyn TextWriter>, RtcError> {
        self.check_may_send()?;
        let opened = self.me().stream_text(text::open_options(options)).await;
        let writer = opened.map_err(|e| self.shared().explain(error::of_stream(&e)))?;
        Ok(Box::new(text::Writer::new(writer, self.guard.clone())))
    }

    async fn set_attributes(&self, attributes: HashMap<String, String>) -> Result<(), RtcError> {
        self.check_may_update()?;
        let set = self.me().set_attributes(attributes).await;
        set.map_err(|e| self.failed(e, "the change of attributes", UPDATE_LIMIT))
    }

    async fn set_name(&self, name: String) -> Result<(), RtcError> {
        self.check_may_update()?;
        let set = self.me().set_name(name).await;
        set.map_err(|e| self.failed(e, "the change of the name", UPDATE_LIMIT))
    }

    async fn set_metadata(&self, metadata: String) -> Result<(), RtcError> {
        self.check_may_update()?;
        let set = self.me().set_metadata(metadata).await;
        set.map_err(|e| self.failed(e, "the change of metadata", UPDATE_LIMIT))
    }

    async fn publish_transcription(&self, transcription: Transcription) -> Result<(), RtcError> {
        let size = transcription.segments.iter().map(|segment| segment.text.len() + segment.id.len() + 32).sum();
        if size > MAX_PAYLOAD {
            return Err(RtcError::TooLarge { size, limit: MAX_PAYLOAD });
        }
        self.check_may_send()?;
        let packet = sdk::Transcription {
            participant_identity: transcription.participant.as_str().to_owned(),
            track_id: transcription.track.as_str().to_owned(),
            segments: transcription.segments.into_iter().map(convert::to_sdk_segment).collect(),
        };
        let sent = self.me().publish_transcription(packet).await;
        sent.map_err(|e| self.failed(e, "sending a transcription", DATA_LIMIT))
    }

    async fn stats(&self) -> Result<RtcStats, RtcError> {
        self.shared().check()?;
        stats::read(self.shared()).await
    }

    async fn simulate(&self, scenario: Scenario) -> Result<(), RtcError> {
        self.shared().check()?;
        let scenario = match scenario {
            Scenario::SignalReconnect => SimulateScenario::SignalReconnect,
            Scenario::DisconnectSignalOnResume => SimulateScenario::DisconnectSignalOnResume,
            Scenario::FullReconnect => SimulateScenario::FullReconnect,
            Scenario::NodeFailure => SimulateScenario::NodeFailure,
            Scenario::Migration => SimulateScenario::Migration,
            Scenario::ServerLeave => SimulateScenario::ServerLeave,
            Scenario::SwitchToTcp => SimulateScenario::ForceTcp,
            other => {
                let reason = format!("the SDK cannot provoke {other:?}");
                return Err(RtcError::InvalidOption { name: "scenario", reason });
            }
        };
        let done = self.shared().room.simulate_scenario(scenario).await;
        done.map_err(|e| self.shared().explain(error::of_engine(e, "the simulation", DATA_LIMIT, "")))
    }

    async fn leave(&self, reason: LeaveReason) -> Result<(), RtcError> {
        let shared = self.shared().clone();
        // In a task of its own: leaving goes on when nobody waits for it any more.
        let leaving = tokio::spawn(async move { shared.close(convert::to_sdk_leave(reason)).await });
        let _ = tokio::time::timeout(LEAVE_LIMIT, leaving).await;
        Ok(())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtcSession")
            .field("room", &self.shared().room.name())
            .field("identity", &self.me().identity().as_str())
            .field("state", &self.state())
            .finish()
    }
}
