//! The end of a conversation.

use super::input::CloseReason;
use crate::time::Timestamp;

/// How far the conversation has ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Closing {
    /// Not at all.
    #[default]
    Open,
    /// The last words are spoken, until `drain_at`.
    Farewell { reason: CloseReason, drain_at: Timestamp, by: Timestamp },
    /// Tools at work may still return, until `by`.
    Draining { reason: CloseReason, by: Timestamp },
    /// It is over.
    Closed,
}

impl Closing {
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    /// A second end may come sooner than the first, never later.
    pub(super) fn hasten(&mut self, sooner: Timestamp) {
        match self {
            Self::Open | Self::Closed => {}
            Self::Farewell { drain_at, by, .. } => {
                *by = sooner.min(*by);
                *drain_at = sooner.min(*drain_at);
            }
            Self::Draining { by, .. } => *by = sooner.min(*by),
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Open | Self::Closed => None,
            Self::Farewell { drain_at, .. } => Some(*drain_at),
            Self::Draining { by, .. } => Some(*by),
        }
    }
}
