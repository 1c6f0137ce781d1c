//! A LiveKit room participant in pure Rust: signalling, WebRTC audio, data and text streams.
//!
//! ```no_run
//! use stella_core::audio::{AudioFormat, AudioFrame};
//! use stella_rtc::{AudioPublishOptions, ConnectOptions, LeaveReason, PureEngine, RtcEngine, RtcEvent};
//!
//! # async fn example(url: &str, token: &str) -> Result<(), stella_rtc::RtcError> {
//! let engine = PureEngine::new();
//! let (session, mut events) = engine.connect(url, token, ConnectOptions::default()).await?;
//! let voice = session.publish_audio(AudioPublishOptions::default()).await?;
//! voice.push(AudioFrame::silence(AudioFormat::VOICE, std::time::Duration::from_millis(20))).await?;
//! while let Some(event) = events.recv().await {
//!     match event {
//!         RtcEvent::TrackSubscribed { track, .. } => {
//!             let mut audio = session.audio_stream(&track.sid, AudioFormat::SPEECH)?;
//!             tokio::spawn(async move { while let Some(frame) = audio.next().await { drop(frame) } });
//!         }
//!         RtcEvent::TextStream { reader } => println!("{:?}", reader.read_all().await),
//!         RtcEvent::Disconnected { reason } => println!("{reason}"),
//!         _ => {}
//!     }
//! }
//! session.leave(LeaveReason::Finished).await
//! # }
//! ```
//!
//! # Map
//! | you want to | see |
//! |---|---|
//! | join a room | [`RtcEngine::connect`], [`ConnectOptions`], [`PureEngine`] |
//! | make a token, look into a room from outside | [`token`], [`server`] |
//! | speak, and stop at an exact sample | [`RtcSession::publish_audio`], [`AudioSink`] |
//! | hear one participant | [`RtcSession::audio_stream`], [`AudioStream`] |
//! | send and receive text and data | [`RtcSession::send_text`], [`RtcSession::open_text`], [`RtcSession::publish_data`] |
//! | follow the room | [`RtcEvent`], [`RtcSession::remotes`] |
//! | know what went wrong and who can act | [`RtcError`], [`DisconnectReason`] |
//! | write an engine over another WebRTC stack | [`backend`] |
//!
//! # What it does not do
//! Video, end-to-end encryption, TURN, byte streams and remote procedure calls. Networks that block UDP are served by
//! ICE over TCP; networks that block that too are not.

mod audio_stream;
pub mod backend;
mod engine;
mod error;
mod event;
mod info;
mod media;
mod options;
mod pure;
pub mod server;
mod stats;
pub mod token;

pub use audio_stream::{AudioStream, FrameOrigin, ReceivedFrame};
pub use engine::{AudioSink, EngineCapabilities, EngineInfo, RtcEngine, RtcSession, TextWriter};
pub use error::{DisconnectReason, RtcError};
pub use event::{ConnectionQuality, EventStream, RtcEvent, Speaker, TextStreamInfo, TextStreamReader};
pub use info::{
    ConnectionState, ParticipantIdentity, ParticipantInfo, ParticipantKind, ParticipantSid, Permissions, RoomInfo,
    StreamId, TrackInfo, TrackKind, TrackSid, TrackSource,
};
pub use options::{
    AudioPublishOptions, ConnectOptions, DataPacket, LeaveReason, ReconnectOptions, Scenario, TextOptions,
    Transcription, TranscriptionSegment,
};
pub use pure::{PureEngine, warm_up};
pub use stats::{ReceiveStats, RtcStats, SendStats};
