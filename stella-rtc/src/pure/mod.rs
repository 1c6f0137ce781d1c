//! The engine in pure Rust: LiveKit's signalling and data-stream crates, str0m for WebRTC, libopus for audio.
//!
//! [`actor`] is the task of a session and owns all of its state. [`session`] and [`sink`] are the handles that callers
//! hold. [`signal`] and [`streams`] are the only modules that know the livekit crates' clients, [`peer`] and [`ice`] the
//! only ones that know str0m. [`room`], [`reliable`], [`sdp`] and [`backoff`] are pure.

mod actor;
mod backoff;
pub(crate) mod convert;
pub(crate) mod events;
mod ice;
mod link;
mod peer;
mod receive;
mod reliable;
mod room;
mod sdp;
mod session;
mod shared;
mod signal;
pub(crate) mod sink;
mod streams;
mod tcp;
mod ws;

use crate::{
    engine::{EngineCapabilities, EngineInfo, RtcEngine, RtcSession},
    error::RtcError,
    event::EventStream,
    options::ConnectOptions,
};
use actor::{Actor, Parts};
use async_trait::async_trait;
use events::Events;
use link::Link;
use room::Room;
use session::Session;
use shared::Shared;
use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};
use tokio::sync::{mpsc, oneshot};

/// Commands and data under way from handles to the session's task.
const QUEUE: usize = 64;

/// The engine in pure Rust. Cheap to create and to clone; sessions share nothing but the process.
#[derive(Debug, Clone, Default)]
pub struct PureEngine {}

impl PureEngine {
    /// An engine.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

/// Prepares the cryptography of WebRTC, which costs the first connection of a process about 30 ms. Call it at
/// process start, off any latency-critical path; later calls cost nothing.
pub fn warm_up() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        ws::install();
        drop(str0m::Rtc::builder().build(Instant::now()));
    });
}

#[async_trait]
impl RtcEngine for PureEngine {
    fn info(&self) -> EngineInfo {
        EngineInfo {
            name: "pure",
            version: env!("CARGO_PKG_VERSION"),
            capabilities: EngineCapabilities { red: true, ice_tcp: true, ..EngineCapabilities::default() },
        }
    }

    async fn connect(
        &self,
        url: &str,
        token: &str,
        options: ConnectOptions,
    ) -> Result<(Arc<dyn RtcSession>, EventStream), RtcError> {
        let limit = options.timeout;
        let connected = tokio::time::timeout(limit, connect(url, token, options)).await;
        connected.unwrap_or(Err(RtcError::Timeout { what: "connecting", limit }))
    }
}

async fn connect(
    url: &str,
    token: &str,
    options: ConnectOptions,
) -> Result<(Arc<dyn RtcSession>, EventStream), RtcError> {
    warm_up();
    let (link, join) = Link::open(url, token, &options).await?;
    let shared = Arc::new(Shared::new(Room::new(&join)));
    let (events, stream) = Events::new(options.event_capacity);
    let (commands, command_inbox) = mpsc::channel(QUEUE);
    let (data, data_inbox) = mpsc::channel(QUEUE);
    let (ready, is_ready) = oneshot::channel();
    // Made first: if this call is given up, dropping the session ends the task.
    let session = Session { shared: shared.clone(), commands, streams: streams::outgoing(data.clone()), data };
    let parts = Parts {
        url: url.to_owned(),
        token: token.to_owned(),
        options,
        shared,
        events,
        commands: command_inbox,
        data: data_inbox,
        link,
        ready,
    };
    tokio::spawn(Actor::new(parts).run());
    is_ready.await.unwrap_or(Err(RtcError::Media { detail: "the session's task failed".into() }))?;
    Ok((Arc::new(session), stream))
}
