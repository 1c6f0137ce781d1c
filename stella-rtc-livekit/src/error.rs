//! From the SDK's errors to ours, by who can act.

use crate::convert;
use livekit::{RoomError, StreamError, rtc_engine::EngineError};
use livekit_protocol::request_response::Reason;
use livekit_signaling::SignalError;
use std::time::Duration;
use stella_rtc::RtcError;

/// `what` was tried and may take `limit`. `token` is cut out of every message: servers may quote it.
pub(crate) fn of_room(error: RoomError, what: &'static str, limit: Duration, token: &str) -> RtcError {
    match error {
        RoomError::Engine(error) => of_engine(error, what, limit, token),
        RoomError::Internal(detail) => RtcError::Media { detail: without(token, detail) },
        RoomError::Rtc(error) => RtcError::Media { detail: error.to_string() },
        RoomError::TrackAlreadyPublished => RtcError::Refused { what, detail: "the track is published".into() },
        RoomError::AlreadyClosed => RtcError::Closed { what: "the session" },
        RoomError::Request { reason: Reason::NotAllowed, message } => {
            RtcError::NotPermitted { what: without(token, message) }
        }
        RoomError::Request { message, .. } => RtcError::Refused { what, detail: without(token, message) },
    }
}

/// As [`of_room`], one layer below.
pub(crate) fn of_engine(error: EngineError, what: &'static str, limit: Duration, token: &str) -> RtcError {
    match error {
        EngineError::Signal(error) => of_signal(error, what, limit, token),
        EngineError::Rtc(error) => RtcError::Media { detail: error.to_string() },
        EngineError::Connection(detail) => RtcError::Unreachable { detail: without(token, detail.into_owned()) },
        EngineError::Internal(detail) => RtcError::Media { detail: without(token, detail.into_owned()) },
    }
}

fn of_signal(error: SignalError, what: &'static str, limit: Duration, token: &str) -> RtcError {
    let detail = without(token, error.to_string());
    match error {
        SignalError::UrlParse(_) => RtcError::InvalidUrl { reason: detail },
        SignalError::TokenFormat => RtcError::Unauthorized { detail },
        SignalError::Client(status, said) | SignalError::Server(status, said) => {
            of_status(status.as_u16(), without(token, said))
        }
        SignalError::Handshake { status } => of_status(status.as_u16(), detail),
        SignalError::Timeout(_) => RtcError::Timeout { what, limit },
        SignalError::LeaveRequest { reason, .. } => {
            RtcError::Disconnected { reason: convert::disconnect_reason(reason) }
        }
        SignalError::ProtoParse(_) => RtcError::Protocol { detail },
        _ => RtcError::Unreachable { detail },
    }
}

fn of_status(status: u16, detail: String) -> RtcError {
    match status {
        401 => RtcError::Unauthorized { detail },
        403 => RtcError::NotPermitted { what: detail },
        _ => RtcError::Server { status, detail },
    }
}

/// A text stream that could not be sent.
pub(crate) fn of_stream(error: &StreamError) -> RtcError {
    match error {
        StreamError::HeaderTooLarge => RtcError::TooLarge { size: HEADER_LIMIT + 1, limit: HEADER_LIMIT },
        StreamError::AlreadyClosed => RtcError::Closed { what: "the text stream" },
        _ => RtcError::Closed { what: "the data channel" },
    }
}

/// Most bytes of a stream's first packet. The SDK does not say by how much it was exceeded.
const HEADER_LIMIT: usize = 15_000;

fn without(token: &str, text: String) -> String {
    if token.is_empty() { text } else { text.replace(token, "…") }
}
