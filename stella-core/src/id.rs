//! Identifiers inside one conversation: small numbers, counted up from 1 by the engine, so that equal inputs give
//! equal ids.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

ids! {
    /// One participant who can speak or type. Given by the shell.
    SpeakerId "s";
    /// One stretch of one speaker's speech, pauses inside a turn included.
    UtteranceId "u";
    /// What the user wants answered.
    TurnId "t";
    /// What the agent does about a turn, or by its own initiative.
    ReplyId "r";
    /// One model generation of a reply.
    GenerationId "g";
    /// One clause of a reply handed to synthesis.
    SegmentId "c";
    /// One request for an end-of-turn score.
    ScoreId "p";
    /// One tool call. The model's own name for it is [`ToolCall::id`](crate::chat::ToolCall::id).
    CallId "k";
    /// One typed message. Given by the shell.
    MessageId "m";
}
