//! A LiveKit room participant over the official SDK, the `livekit` crate with libwebrtc: the second engine behind the
//! traits of [`stella_rtc`]. The first is [`stella_rtc::PureEngine`], which needs no native library.
//!
//! ```no_run
//! use stella_rtc::{AudioPublishOptions, ConnectOptions, LeaveReason, RtcEngine};
//! use stella_rtc_livekit::LivekitEngine;
//!
//! # async fn example(url: &str, token: &str) -> Result<(), stella_rtc::RtcError> {
//! let (session, mut events) = LivekitEngine::new().connect(url, token, ConnectOptions::default()).await?;
//! let voice = session.publish_audio(AudioPublishOptions::default()).await?;
//! while let Some(event) = events.recv().await {
//!     println!("{event:?}");
//! }
//! println!("{} samples were played", voice.playout_position());
//! session.leave(LeaveReason::Finished).await
//! # }
//! ```
//!
//! # What was checked
//! **This crate has been type-checked and nothing else.** It has never been linked or run by us, and no test covers it,
//! because libwebrtc could not be had where it was written. What is said here about the SDK's behaviour was read in its
//! source (`livekit` 0.10.0). The README says how to link it. Before you rely on it, run your own calls over it.
//!
//! # When to choose it
//! TURN, libwebrtc's jitter buffer and congestion control, at the price of a native library and, by our estimate, several
//! megabytes a session. Everything else is in [`stella_rtc::PureEngine`].
//!
//! # Where it differs from the pure engine
//! | part | here |
//! |---|---|
//! | [`ConnectOptions::reconnect`] | the SDK's own schedule holds, which has the same defaults; other values are logged and have no effect |
//! | [`ConnectOptions::red`] | decides what is sent; the SDK always accepts redundant audio |
//! | [`FrameOrigin`](stella_rtc::FrameOrigin) | always `Packet`: libwebrtc does not say which samples it made up |
//! | first reader of a track | hears nothing from before it came |
//! | full reconnect | everybody else is reported as gone and back; counters of tracks start anew |
//! | while reconnecting | own audio is held, as when paused, so that no word is lost |
//! | silence | leaves as frames too, which the encoder shrinks; a word after silence waits up to 20 ms for the next frame |
//! | incoming text streams | no bound on how many are open |
//! | senders that the SDK does not know | their data comes without a sender, their older transcriptions not at all |
//! | [`RtcStats`](stella_rtc::RtcStats) | `malformed` and `data_buffered` stay zero; frames are estimated from samples |
//!
//! # What it does not do
//! Video (it is declined), end-to-end encryption, byte streams and remote procedure calls, though the SDK has them.
//!
//! # Hazards of the SDK
//! As its source reads, a track's id that lacks the usual prefix ends the SDK's event task; anybody in the room can send
//! one, in an older transcription packet. The session then goes on without events until it is left.

mod convert;
mod error;
mod events;
mod listen;
mod playout;
mod session;
mod shared;
mod stats;
mod text;

use async_trait::async_trait;
use livekit::{Room, RoomDataStreamOptions, RoomEvent, RoomOptions};
use session::Session;
use shared::{Guard, Shared};
use std::sync::Arc;
use stella_rtc::{
    ConnectOptions, EngineCapabilities, EngineInfo, EventStream, ReconnectOptions, RtcEngine, RtcError, RtcSession,
    backend::Events,
};
use tokio::sync::mpsc::UnboundedReceiver;

/// The engine over the official SDK. Cheap to create and to clone; all sessions of a process share libwebrtc's threads.
#[derive(Debug, Clone, Default)]
pub struct LivekitEngine {}

impl LivekitEngine {
    /// An engine.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

#[async_trait]
impl RtcEngine for LivekitEngine {
    fn info(&self) -> EngineInfo {
        let mut capabilities = EngineCapabilities::default();
        capabilities.red = true;
        capabilities.ice_tcp = true;
        capabilities.turn = true; // the SDK takes the relays that the server names when we join
        EngineInfo::new("livekit", livekit::SDK_VERSION, capabilities)
    }

    async fn connect(
        &self,
        url: &str,
        token: &str,
        options: ConnectOptions,
    ) -> Result<(Arc<dyn RtcSession>, EventStream), RtcError> {
        let limit = options.timeout;
        warn_of_other_schedule(&options.reconnect);
        let joined = tokio::time::timeout(limit, join(url, token, &options)).await;
        let (guard, sdk_events) = joined.unwrap_or(Err(RtcError::Timeout { what: "connecting", limit }))?;
        let (events, stream) = Events::new(options.event_capacity);
        tokio::spawn(events::run(guard.shared().clone(), sdk_events, events));
        Ok((Arc::new(Session::new(guard)), stream))
    }
}

/// Joins in a task of its own: whoever gives up waiting must not leave a half-joined room behind.
async fn join(
    url: &str,
    token: &str,
    options: &ConnectOptions,
) -> Result<(Arc<Guard>, UnboundedReceiver<RoomEvent>), RtcError> {
    let mut room_options = RoomOptions::default();
    room_options.auto_subscribe = options.auto_subscribe;
    room_options.connect_timeout = options.timeout;
    room_options.join_retries = 0; // the caller asks `RtcError::retryable` and tries again itself
    room_options.data_stream = RoomDataStreamOptions::default().with_max_payload_byte_length(options.max_text_stream);
    let (red, max_text_stream) = (options.red, options.max_text_stream);
    let (url, owned_token) = (url.to_owned(), token.to_owned());
    let joining = tokio::spawn(async move {
        let (room, events) = Room::connect(&url, &owned_token, room_options).await?;
        Ok((Arc::new(Guard::new(Shared::new(room, red, max_text_stream))), events))
    });
    let joined = joining.await.map_err(|_| RtcError::Media { detail: "the SDK failed while joining".into() })?;
    joined.map_err(|failure| error::of_room(failure, "joining", options.timeout, token))
}

fn warn_of_other_schedule(wanted: &ReconnectOptions) {
    let fixed = ReconnectOptions::default();
    let same =
        (wanted.first_delay, wanted.max_delay, wanted.attempts) == (fixed.first_delay, fixed.max_delay, fixed.attempts);
    if !same {
        tracing::warn!(?wanted, ?fixed, "the LiveKit SDK reconnects on its own schedule");
    }
}
