//! What can go wrong, ordered by who can do something about it.

use crate::info::TrackSid;
use std::{fmt, time::Duration};

/// Why a call into this crate failed. No variant and no message ever holds a token or a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtcError {
    /// The address cannot be used. **Caller:** fix the configuration.
    #[error("server address cannot be used, it should look like ws://127.0.0.1:7880: {reason}")]
    InvalidUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing answered at the address. **Operator:** start the server, open the firewall; or try again.
    #[error("server cannot be reached: {detail}")]
    Unreachable {
        /// What the network said.
        detail: String,
    },
    /// The server did not accept the token: malformed, expired or signed with another key (HTTP 401).
    /// **Caller:** get a new token.
    #[error("token was not accepted: {detail}")]
    Unauthorized {
        /// What the server said.
        detail: String,
    },
    /// The token is valid, but does not allow this (HTTP 403, or a missing grant). **Token issuer:** add the grant.
    #[error("not permitted: {what}")]
    NotPermitted {
        /// What was tried.
        what: String,
    },
    /// The server refused or failed (any other HTTP status). **Operator:** see the server's log; 5xx and 429 may pass.
    #[error("server answered {status}: {detail}")]
    Server {
        /// HTTP status.
        status: u16,
        /// What the server said.
        detail: String,
    },
    /// Something did not happen in time. Trying again may help.
    #[error("{what} took longer than {limit:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
    /// The session is over. **Caller:** connect again if the reason allows.
    #[error("session is over: {reason}")]
    Disconnected {
        /// Why it ended.
        reason: DisconnectReason,
    },
    /// The server refused one request. **Caller:** change the request.
    #[error("server refused {what}: {detail}")]
    Refused {
        /// Which request.
        what: &'static str,
        /// What the server said.
        detail: String,
    },
    /// No such track, or not an audio track that this session receives. **Caller:** wait for `TrackSubscribed`.
    #[error("no such track: {sid}")]
    UnknownTrack {
        /// The id that was given.
        sid: TrackSid,
    },
    /// Opus cannot take or give this audio format. **Caller:** use 8, 12, 16, 24 or 48 kHz, mono or stereo.
    #[error("audio format {format} is not one of 8, 12, 16, 24 or 48 kHz in mono or stereo")]
    UnsupportedFormat {
        /// The format that was given.
        format: String,
    },
    /// An option lies outside its bounds. **Caller:** fix it.
    #[error("option {name}: {reason}")]
    InvalidOption {
        /// Name of the field.
        name: &'static str,
        /// Which bound it broke.
        reason: String,
    },
    /// A message is larger than the protocol allows. **Caller:** split it, or use a text stream.
    #[error("{size} bytes exceed the limit of {limit}")]
    TooLarge {
        /// Size in bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// The sink, writer or stream was closed. **Caller:** stop using it.
    #[error("{what} is closed")]
    Closed {
        /// What was closed.
        what: &'static str,
    },
    /// The server said something that makes no sense. **Maintainers:** report it.
    #[error("server broke the protocol: {detail}")]
    Protocol {
        /// What was wrong.
        detail: String,
    },
    /// The WebRTC stack failed. **Maintainers:** report it; a new connection may work.
    #[error("media failed: {detail}")]
    Media {
        /// What failed.
        detail: String,
    },
}

impl RtcError {
    /// Whether the same call may succeed later without a change. Retry loops ask only this, never the variant.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Media { .. } => true,
            Self::Server { status, .. } => *status == 429 || *status >= 500,
            Self::Disconnected { reason } => reason.retryable(),
            Self::InvalidUrl { .. }
            | Self::Unauthorized { .. }
            | Self::NotPermitted { .. }
            | Self::Refused { .. }
            | Self::UnknownTrack { .. }
            | Self::UnsupportedFormat { .. }
            | Self::InvalidOption { .. }
            | Self::TooLarge { .. }
            | Self::Closed { .. }
            | Self::Protocol { .. } => false,
        }
    }
}

/// Why a session or a participant left the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// It left by itself.
    ClientInitiated,
    /// Another participant joined with the same identity.
    DuplicateIdentity,
    /// The server shut down.
    ServerShutdown,
    /// Removed through the server API.
    ParticipantRemoved,
    /// The room was deleted.
    RoomDeleted,
    /// The room closed because it was empty.
    RoomClosed,
    /// Server and client disagreed on the session's state.
    StateMismatch,
    /// The join did not complete.
    JoinFailure,
    /// Moved to another server.
    Migration,
    /// The signal connection was lost.
    SignalClosed,
    /// The called person did not answer.
    UserUnavailable,
    /// The called person declined.
    UserRejected,
    /// The telephone trunk failed.
    SipTrunkFailure,
    /// The media connection was lost.
    ConnectionTimeout,
    /// Media failed.
    MediaFailure,
    /// An agent failed.
    AgentError,
    /// Every reconnect attempt failed.
    ReconnectFailed,
    /// A fault in this crate ended the session.
    InternalError,
    /// No reason was given.
    Unknown,
}

impl DisconnectReason {
    /// Whether joining again with the same token may succeed and makes sense.
    #[must_use]
    pub fn retryable(self) -> bool {
        match self {
            Self::ServerShutdown
            | Self::StateMismatch
            | Self::JoinFailure
            | Self::Migration
            | Self::SignalClosed
            | Self::ConnectionTimeout
            | Self::MediaFailure
            | Self::ReconnectFailed
            | Self::InternalError
            | Self::Unknown => true,
            Self::ClientInitiated
            | Self::DuplicateIdentity
            | Self::ParticipantRemoved
            | Self::RoomDeleted
            | Self::RoomClosed
            | Self::UserUnavailable
            | Self::UserRejected
            | Self::SipTrunkFailure
            | Self::AgentError => false,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientInitiated => "left by itself",
            Self::DuplicateIdentity => "another participant joined with the same identity",
            Self::ServerShutdown => "the server shut down",
            Self::ParticipantRemoved => "removed from the room",
            Self::RoomDeleted => "the room was deleted",
            Self::RoomClosed => "the room closed",
            Self::StateMismatch => "server and client disagreed on the state",
            Self::JoinFailure => "the join did not complete",
            Self::Migration => "moved to another server",
            Self::SignalClosed => "the signal connection was lost",
            Self::UserUnavailable => "the called person did not answer",
            Self::UserRejected => "the called person declined",
            Self::SipTrunkFailure => "the telephone trunk failed",
            Self::ConnectionTimeout => "the media connection was lost",
            Self::MediaFailure => "media failed",
            Self::AgentError => "the agent failed",
            Self::ReconnectFailed => "every reconnect attempt failed",
            Self::InternalError => "internal fault",
            Self::Unknown => "no reason given",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_by_itself_is_retryable() {
        let server = |status| RtcError::Server { status, detail: String::new() };
        assert!(server(503).retryable() && server(429).retryable() && !server(404).retryable());
        assert!(!RtcError::Unauthorized { detail: String::new() }.retryable());
        assert!(RtcError::Disconnected { reason: DisconnectReason::ServerShutdown }.retryable());
        assert!(!RtcError::Disconnected { reason: DisconnectReason::RoomDeleted }.retryable());
    }
}
