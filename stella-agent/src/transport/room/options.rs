//! How an agent behaves in a room.

use std::time::Duration;

use stella_rtc::{AudioPublishOptions, ConnectOptions};

/// Options of a room.
#[derive(Debug, Clone)]
pub struct RoomOptions {
    /// How to join.
    pub connect: ConnectOptions,
    /// How to publish the voice. The format stays 24 kHz mono.
    pub publish: AudioPublishOptions,
    /// Name of the agent for clients (attribute `lk.agent.name`). Default none.
    pub agent_name: Option<String>,
    /// Whether the conversation ends when the last person has left on purpose, or has not come back within
    /// `rejoin_within`. Default true.
    pub close_when_alone: bool,
    /// How long somebody whose connection was lost may take to come back. Default 20 s.
    pub rejoin_within: Duration,
    /// How long the agent waits, once somebody is there, for its voice to be subscribed to before it enters without a
    /// listener. Default 5 s.
    pub listener_within: Duration,
    /// Whether transcripts are also sent as the older packets, for clients that do not read `lk.transcription`. Default
    /// true.
    pub legacy_transcription: bool,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self {
            connect: ConnectOptions::default(),
            publish: AudioPublishOptions { queue_limit: Duration::from_secs(1), ..AudioPublishOptions::default() },
            agent_name: None,
            close_when_alone: true,
            rejoin_within: Duration::from_secs(20),
            listener_within: Duration::from_secs(5),
            legacy_transcription: true,
        }
    }
}
