//! The little of the server's API that an agent's host needs.

use crate::{error::RtcError, info::ParticipantInfo, pure::convert, token::ApiKey};
use livekit_api::services::{ServerError, ServerErrorCode, ServiceError, room::RoomClient};
use std::{fmt, time::Duration};

/// Looks into rooms from outside. Needs the API key, not a participant's token.
pub struct RoomServer {
    client: RoomClient,
}

impl RoomServer {
    /// The server at `url` (`ws`, `wss`, `http` or `https`). Requests take at most 10 s.
    #[must_use]
    pub fn new(url: &str, key: &ApiKey) -> Self {
        let (key, secret) = key.parts();
        let client = RoomClient::with_api_key(url, key, secret)
            .with_request_timeout(Duration::from_secs(10))
            .with_failover(false);
        Self { client }
    }

    /// Everybody in a room; empty if there is no such room.
    ///
    /// # Errors
    /// [`RtcError::Unreachable`], [`RtcError::Unauthorized`], [`RtcError::Server`].
    pub async fn participants(&self, room: &str) -> Result<Vec<ParticipantInfo>, RtcError> {
        match self.client.list_participants(room).await {
            Ok(list) => Ok(list.iter().map(convert::participant).collect()),
            Err(error) if is_not_found(&error) => Ok(Vec::new()),
            Err(error) => Err(convert_error(&error)),
        }
    }

    /// Ends a room for everybody. A room that does not exist is no error.
    ///
    /// # Errors
    /// As [`RoomServer::participants`].
    pub async fn delete_room(&self, room: &str) -> Result<(), RtcError> {
        match self.client.delete_room(room).await {
            Err(error) if !is_not_found(&error) => Err(convert_error(&error)),
            _ => Ok(()),
        }
    }

    /// Sends one participant away.
    ///
    /// # Errors
    /// As [`RoomServer::participants`]; [`RtcError::Server`] with 404 if it is not there.
    pub async fn remove_participant(&self, room: &str, identity: &str) -> Result<(), RtcError> {
        self.client.remove_participant(room, identity).await.map_err(|error| convert_error(&error))
    }
}

impl fmt::Debug for RoomServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomServer")
    }
}

fn is_not_found(error: &ServiceError) -> bool {
    matches!(error, ServiceError::Twirp(ServerError::Twirp(answer)) if answer.code == ServerErrorCode::NOT_FOUND)
}

fn convert_error(error: &ServiceError) -> RtcError {
    let detail = error.to_string();
    match error {
        ServiceError::Env(_) | ServiceError::AccessToken(_) => RtcError::InvalidOption { name: "key", reason: detail },
        ServiceError::Twirp(ServerError::Url(_)) => RtcError::InvalidUrl { reason: detail },
        ServiceError::Twirp(ServerError::Request(_)) => RtcError::Unreachable { detail },
        ServiceError::Twirp(ServerError::Prost(_)) => RtcError::Protocol { detail },
        ServiceError::Twirp(ServerError::Twirp(answer)) => match answer.code.as_str() {
            ServerErrorCode::UNAUTHENTICATED => RtcError::Unauthorized { detail },
            ServerErrorCode::PERMISSION_DENIED => RtcError::NotPermitted { what: detail },
            ServerErrorCode::NOT_FOUND => RtcError::Server { status: 404, detail },
            ServerErrorCode::RESOURCE_EXHAUSTED => RtcError::Server { status: 429, detail },
            ServerErrorCode::UNAVAILABLE => RtcError::Server { status: 503, detail },
            ServerErrorCode::DEADLINE_EXCEEDED => RtcError::Server { status: 504, detail },
            ServerErrorCode::INTERNAL => RtcError::Server { status: 500, detail },
            _ => RtcError::Server { status: 400, detail },
        },
    }
}
