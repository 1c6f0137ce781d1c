//! One model generation of a reply, or the wait for its tools.

use crate::{id::GenerationId, time::Timestamp};

/// What a reply is doing on the side of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Asked for; nothing came yet.
    Requested { generation: GenerationId, by: Timestamp },
    /// Parts come.
    Streaming { generation: GenerationId, by: Timestamp },
    /// The generation is complete; its tools are at work. Their deadlines are the ledger's.
    Tools { since: Timestamp },
    /// Nothing more will come.
    Done,
}

impl Step {
    /// The generation that is open.
    pub(super) fn generation(self) -> Option<GenerationId> {
        match self {
            Self::Requested { generation, .. } | Self::Streaming { generation, .. } => Some(generation),
            Self::Tools { .. } | Self::Done => None,
        }
    }

    pub(super) fn deadline(self) -> Option<Timestamp> {
        match self {
            Self::Requested { by, .. } | Self::Streaming { by, .. } => Some(by),
            Self::Tools { .. } | Self::Done => None,
        }
    }
}
