//! What a session tells.

use stella_core::{
    chat::ChatContext,
    engine::{CloseReason, Event, Stats, TurnLatency},
    time::Timestamp,
};

use crate::transport::Participant;

/// Something that happened in a session.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The agent has entered: somebody can hear it.
    Entered,
    /// Somebody came.
    Joined(Participant),
    /// Somebody left.
    Left(Participant),
    /// The connection is lost for the moment.
    Reconnecting,
    /// The connection is back.
    Reconnected,
    /// Something happened in the conversation.
    Conversation {
        /// When, since its start.
        at: Timestamp,
        /// What.
        event: Event,
    },
}

/// A conversation that is over.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SessionEnd {
    /// Why.
    pub reason: CloseReason,
    /// What was said and heard.
    pub history: ChatContext,
    /// Where the time of each turn went.
    pub latencies: Vec<TurnLatency>,
    /// What the engine has counted: replies begun early, those withdrawn, and the tokens they cost.
    pub stats: Stats,
    /// How long it was.
    pub duration: std::time::Duration,
}
