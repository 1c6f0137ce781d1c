//! The agent's side of the floor: idle, thinking, speaking or held. At most one reply has it.

use super::reply::Reply;

/// Who has the floor on the agent's side.
#[derive(Debug, Clone, Default)]
pub(super) enum Floor {
    /// Nobody.
    #[default]
    Idle,
    /// A reply of which nothing was heard yet.
    Thinking(Box<Reply>),
    /// A reply that is audible.
    Speaking(Box<Reply>),
    /// A reply that stands still until the speech over it is judged. Ends by [`Overlap`](super::overlap::Overlap).
    Held(Box<Reply>),
}

impl Floor {
    pub(super) fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Idle => None,
            Self::Thinking(reply) | Self::Speaking(reply) | Self::Held(reply) => Some(reply),
        }
    }

    pub(super) fn reply_mut(&mut self) -> Option<&mut Reply> {
        match self {
            Self::Idle => None,
            Self::Thinking(reply) | Self::Speaking(reply) | Self::Held(reply) => Some(reply),
        }
    }

    /// Takes the reply off the floor.
    pub(super) fn take(&mut self) -> Option<Box<Reply>> {
        match std::mem::take(self) {
            Self::Idle => None,
            Self::Thinking(reply) | Self::Speaking(reply) | Self::Held(reply) => Some(reply),
        }
    }

    /// Thinking or speaking, as much of the reply has been heard or not.
    pub(super) fn give(&mut self, reply: Box<Reply>) {
        *self = if reply.speech.is_heard() { Self::Speaking(reply) } else { Self::Thinking(reply) };
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }
}
