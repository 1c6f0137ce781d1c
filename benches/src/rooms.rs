//! Joining rooms of the server that `cargo xtask bench` has started.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use stella_rtc::{
    ConnectOptions, EventStream, LeaveReason, PureEngine, RtcEngine, RtcSession,
    token::{ApiKey, TokenOptions, mint},
};

use crate::server::Server;

/// The server, and how to be let in.
#[derive(Debug)]
pub struct Rooms {
    /// Its address.
    pub url: String,
    key: ApiKey,
    engine: PureEngine,
    count: AtomicU32,
}

impl Rooms {
    /// The rooms of a server.
    #[must_use]
    pub fn new(server: &Server) -> Self {
        let key = ApiKey::new(&server.api_key, &server.api_secret);
        Self { url: server.url.clone(), key, engine: PureEngine::new(), count: AtomicU32::new(0) }
    }

    /// A name that no room of this run has had.
    #[must_use]
    pub fn new_name(&self) -> String {
        format!("bench-{:x}-{}", std::process::id(), self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// A token for a room.
    ///
    /// # Errors
    /// If room, identity, key or secret is empty.
    pub fn token(&self, room: &str, identity: &str) -> Result<String> {
        mint(&self.key, &TokenOptions::new(room, identity)).context("no token can be made")
    }

    /// Joins a room.
    ///
    /// # Errors
    /// If the server does not let us in.
    pub async fn join(&self, room: &str, identity: &str) -> Result<(Arc<dyn RtcSession>, EventStream)> {
        let token = self.token(room, identity)?;
        let joined = self.engine.connect(&self.url, &token, ConnectOptions::default()).await;
        joined.with_context(|| format!("cannot join the room {room}"))
    }
}

/// Leaves a room; the figures are taken already, so nothing depends on it.
pub async fn leave(session: &Arc<dyn RtcSession>) {
    let _ = tokio::time::timeout(Duration::from_secs(2), session.leave(LeaveReason::Finished)).await;
}
