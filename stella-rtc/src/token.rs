//! Short-lived tokens that admit one identity to one room.

use crate::{error::RtcError, info::ParticipantIdentity};
use livekit_api::access_token::{AccessToken, VideoGrants};
use std::{collections::HashMap, fmt, time::Duration};

/// A LiveKit API key with its secret. `Debug` shows only the key.
#[derive(Clone)]
pub struct ApiKey {
    key: String,
    secret: String,
}

impl ApiKey {
    /// A key and its secret.
    #[must_use]
    pub fn new(key: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { key: key.into(), secret: secret.into() }
    }

    pub(crate) fn parts(&self) -> (&str, &str) {
        (&self.key, &self.secret)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("key", &self.key).field("secret", &"…").finish()
    }
}

/// Whom to admit, where, and what they may do.
#[derive(Debug, Clone)]
pub struct TokenOptions {
    /// Room; created by the server on the first join if it may.
    pub room: String,
    /// Who.
    pub identity: ParticipantIdentity,
    /// Display name. Default empty.
    pub name: String,
    /// Free text. Default empty.
    pub metadata: String,
    /// First attributes. Default none.
    pub attributes: HashMap<String, String>,
    /// How long the token admits. Default 10 min. A session that is on stays on; reconnects use the tokens that the
    /// server hands out meanwhile.
    pub ttl: Duration,
    /// May publish tracks. Default true.
    pub can_publish: bool,
    /// May hear others. Default true.
    pub can_subscribe: bool,
    /// May send data and text. Default true.
    pub can_publish_data: bool,
    /// May change its own name, metadata and attributes. Default true: agents report their state that way.
    pub can_update_own_metadata: bool,
    /// Whether others do not see it. Default false.
    pub hidden: bool,
    /// Whether it counts as an agent, which stock clients show as such. Default false.
    pub agent: bool,
}

impl TokenOptions {
    /// A token for `identity` in `room`, with every default.
    #[must_use]
    pub fn new(room: impl Into<String>, identity: impl Into<ParticipantIdentity>) -> Self {
        Self {
            room: room.into(),
            identity: identity.into(),
            name: String::new(),
            metadata: String::new(),
            attributes: HashMap::new(),
            ttl: Duration::from_secs(600),
            can_publish: true,
            can_subscribe: true,
            can_publish_data: true,
            can_update_own_metadata: true,
            hidden: false,
            agent: false,
        }
    }
}

/// Signs a token.
///
/// # Errors
/// [`RtcError::InvalidOption`] if room, identity, key or secret is empty or the token cannot be signed.
pub fn mint(key: &ApiKey, options: &TokenOptions) -> Result<String, RtcError> {
    let invalid = |name, reason: &str| RtcError::InvalidOption { name, reason: reason.to_owned() };
    if options.room.is_empty() {
        return Err(invalid("room", "is empty"));
    }
    if options.identity.as_str().is_empty() {
        return Err(invalid("identity", "is empty"));
    }
    let (api_key, secret) = key.parts();
    if api_key.is_empty() || secret.is_empty() {
        return Err(invalid("key", "key or secret is empty"));
    }
    let grants = VideoGrants {
        room_join: true,
        room: options.room.clone(),
        can_publish: Some(options.can_publish),
        can_subscribe: Some(options.can_subscribe),
        can_publish_data: Some(options.can_publish_data),
        can_update_own_metadata: Some(options.can_update_own_metadata),
        hidden: options.hidden,
        agent: options.agent,
        ..VideoGrants::default()
    };
    let mut token = AccessToken::with_api_key(api_key, secret)
        .with_ttl(options.ttl)
        .with_identity(options.identity.as_str())
        .with_name(&options.name)
        .with_metadata(&options.metadata)
        .with_attributes(&options.attributes)
        .with_grants(grants);
    if options.agent {
        token = token.with_kind("agent");
    }
    token.to_jwt().map_err(|error| RtcError::InvalidOption { name: "token", reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_api::access_token::TokenVerifier;
    use std::time::SystemTime;

    const SECRET: &str = "a secret of thirty-two characters";

    fn key() -> ApiKey {
        ApiKey::new("key", SECRET)
    }

    #[test]
    fn a_token_admits_one_identity_to_one_room_for_ten_minutes() {
        let options = TokenOptions { hidden: true, ..TokenOptions::new("room", "me") };
        let token = mint(&key(), &options).expect("valid options");
        let claims = TokenVerifier::with_api_key("key", SECRET).verify(&token).expect("signed with the key");
        assert_eq!((claims.sub.as_str(), claims.video.room.as_str(), claims.iss.as_str()), ("me", "room", "key"));
        assert!(claims.video.room_join && claims.video.hidden);
        assert!(!claims.video.room_admin && !claims.video.room_create && !claims.video.room_list);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        assert!((claims.exp as u64).abs_diff(now + 600) < 5);
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = |key: &ApiKey, room: &str, identity: &str| match mint(key, &TokenOptions::new(room, identity)) {
            Err(RtcError::InvalidOption { name, .. }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(missing(&key(), "", "me"), "room");
        assert_eq!(missing(&key(), "room", ""), "identity");
        assert_eq!(missing(&ApiKey::new("key", ""), "room", "me"), "key");
    }

    #[test]
    fn the_secret_never_shows() {
        assert!(!format!("{:?}", key()).contains(SECRET));
    }
}
