//! The handle that callers hold.

use super::{
    shared::{Command, DataCommand, Profile, Reply, Shared},
    sink::Sink,
    streams,
};
use crate::{
    audio_stream::AudioStream,
    engine::{AudioSink, RtcSession, TextWriter, identities},
    error::RtcError,
    info::{ConnectionState, ParticipantInfo, RoomInfo, StreamId, TrackSid},
    media::decoder::SpeechDecoder,
    options::{AudioPublishOptions, DataPacket, LeaveReason, Scenario, TextOptions, Transcription},
    stats::RtcStats,
};
use async_trait::async_trait;
use livekit_data_stream::backend::outgoing;
use livekit_protocol::{self as proto, data_packet::Value};
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
use stella_core::audio::AudioFormat;
use tokio::sync::{mpsc, oneshot};

/// Largest payload of one packet, in bytes; the protocol's limit of 64,000 includes headers.
const MAX_PAYLOAD: usize = 60_000;
/// How long `leave` may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// See [`RtcSession`].
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) data: mpsc::Sender<DataCommand>,
    pub(crate) streams: outgoing::Manager,
}

impl Session {
    fn ended(&self) -> RtcError {
        self.shared.ended().unwrap_or(RtcError::Closed { what: "the session" })
    }

    async fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, RtcError> {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(command(reply)).await.is_err() {
            return Err(self.ended());
        }
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    async fn send(&self, packet: proto::DataPacket, reliable: bool) -> Result<(), RtcError> {
        self.check_may_send()?;
        let (reply, answer) = oneshot::channel();
        if self.data.send(DataCommand { packets: vec![packet], reliable, reply }).await.is_err() {
            return Err(self.ended());
        }
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    fn check_may_send(&self) -> Result<(), RtcError> {
        if let Some(error) = self.shared.ended() {
            return Err(error);
        }
        let allowed = self.shared.room.read().local().permissions.as_ref().is_none_or(|p| p.can_publish_data);
        allowed.then_some(()).ok_or_else(|| RtcError::NotPermitted { what: "publishing data".into() })
    }
}

#[async_trait]
impl RtcSession for Session {
    fn room(&self) -> RoomInfo {
        self.shared.room.read().info().clone()
    }

    fn local(&self) -> ParticipantInfo {
        self.shared.room.read().local().clone()
    }

    fn remotes(&self) -> Vec<ParticipantInfo> {
        self.shared.room.read().snapshot()
    }

    fn state(&self) -> ConnectionState {
        *self.shared.state.lock()
    }

    async fn publish_audio(&self, options: AudioPublishOptions) -> Result<Arc<dyn AudioSink>, RtcError> {
        options.validate()?;
        let sink = self.call(|reply| Command::Publish { options, reply }).await?;
        Ok(Arc::new(Sink::new(sink, self.commands.clone())))
    }

    async fn unpublish(&self, track: &TrackSid) -> Result<(), RtcError> {
        self.call(|reply| Command::Unpublish { track: track.clone(), reply }).await
    }

    async fn set_muted(&self, track: &TrackSid, muted: bool) -> Result<(), RtcError> {
        self.call(|reply| Command::SetMuted { track: track.clone(), muted, reply }).await
    }

    async fn set_subscribed(&self, track: &TrackSid, subscribed: bool) -> Result<(), RtcError> {
        self.call(|reply| Command::SetSubscribed { track: track.clone(), subscribed, reply }).await
    }

    fn audio_stream(&self, track: &TrackSid, format: AudioFormat) -> Result<AudioStream, RtcError> {
        if let Some(error) = self.shared.ended() {
            return Err(error);
        }
        let decoder = SpeechDecoder::new(format)?;
        let subscribed = self.shared.room.read().is_subscribed(track);
        let audio = self.shared.audio.lock().get(track).filter(|_| subscribed).cloned();
        let audio = audio.ok_or_else(|| RtcError::UnknownTrack { sid: track.clone() })?;
        Ok(AudioStream { inner: Box::new(audio.read(decoder)) })
    }

    async fn publish_data(&self, packet: DataPacket) -> Result<(), RtcError> {
        let size = packet.payload.len() + packet.topic.as_ref().map_or(0, String::len);
        if size > MAX_PAYLOAD {
            return Err(RtcError::TooLarge { size, limit: MAX_PAYLOAD });
        }
        let user =
            proto::UserPacket { payload: packet.payload.to_vec(), topic: packet.topic, ..proto::UserPacket::default() };
        let out = proto::DataPacket {
            destination_identities: identities(&packet.to),
            value: Some(Value::User(user)),
            ..proto::DataPacket::default()
        };
        self.send(out, packet.reliable).await
    }

    async fn send_text(&self, options: TextOptions, text: &str) -> Result<StreamId, RtcError> {
        self.check_may_send()?;
        let sent = self.streams.send_text(text, streams::send_options(options), &*self.shared).await;
        sent.map(|info| info.id.as_str().into()).map_err(|error| streams::send_error(&error, self.shared.ended()))
    }

    async fn open_text(&self, options: TextOptions) -> Result<Box<dyn TextWriter>, RtcError> {
        self.check_may_send()?;
        let opened = self.streams.stream_text(streams::open_options(options)).await;
        let writer = opened.map_err(|error| streams::send_error(&error, self.shared.ended()))?;
        Ok(Box::new(streams::Writer::new(writer, self.shared.clone(), self.commands.clone())))
    }

    async fn set_attributes(&self, attributes: HashMap<String, String>) -> Result<(), RtcError> {
        let change = Profile { attributes, ..Profile::default() };
        self.call(|reply| Command::UpdateSelf { change, reply }).await
    }

    async fn set_name(&self, name: String) -> Result<(), RtcError> {
        let change = Profile { name: Some(name), ..Profile::default() };
        self.call(|reply| Command::UpdateSelf { change, reply }).await
    }

    async fn set_metadata(&self, metadata: String) -> Result<(), RtcError> {
        let change = Profile { metadata: Some(metadata), ..Profile::default() };
        self.call(|reply| Command::UpdateSelf { change, reply }).await
    }

    async fn publish_transcription(&self, transcription: Transcription) -> Result<(), RtcError> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let segments = transcription.segments.into_iter().map(|segment| proto::TranscriptionSegment {
            id: segment.id,
            text: segment.text,
            start_time: millis(segment.start),
            end_time: millis(segment.end),
            r#final: segment.is_final,
            language: segment.language,
        });
        let value = proto::Transcription {
            transcribed_participant_identity: transcription.participant.as_str().to_owned(),
            track_id: transcription.track.as_str().to_owned(),
            segments: segments.collect(),
        };
        let size: usize = value.segments.iter().map(|segment| segment.text.len() + segment.id.len() + 32).sum();
        if size > MAX_PAYLOAD {
            return Err(RtcError::TooLarge { size, limit: MAX_PAYLOAD });
        }
        self.send(proto::DataPacket { value: Some(Value::Transcription(value)), ..Default::default() }, true).await
    }

    async fn stats(&self) -> Result<RtcStats, RtcError> {
        self.call(|reply| Command::Stats { reply }).await
    }

    async fn simulate(&self, scenario: Scenario) -> Result<(), RtcError> {
        self.call(|reply| Command::Simulate { scenario, reply }).await
    }

    async fn leave(&self, reason: LeaveReason) -> Result<(), RtcError> {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Leave { reason, reply }).await.is_ok() {
            let _ = tokio::time::timeout(LEAVE_LIMIT, done).await;
        }
        Ok(())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = self.shared.room.read();
        f.debug_struct("RtcSession")
            .field("room", &room.info().name)
            .field("identity", &room.local().identity)
            .field("state", &*self.shared.state.lock())
            .finish()
    }
}
