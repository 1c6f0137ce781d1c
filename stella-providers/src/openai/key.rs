//! Credentials that do not show.

use std::fmt;

use reqwest::header::{HeaderValue, InvalidHeaderValue};

/// A key for a server. It shows in no log: `Debug` hides it, and it is cut out of what a server says.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// The value of the `authorization` header.
    pub(super) fn header(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// `text` without the key.
    pub(super) fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "***")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<String>> From<T> for ApiKey {
    fn from(key: T) -> Self {
        Self(key.into())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_show() {
        let key = ApiKey::from("secret-1");
        assert_eq!(format!("{key:?} {:?}", key.header().unwrap()), "ApiKey(***) Sensitive");
        assert_eq!(key.redact("wrong key secret-1!"), "wrong key ***!");
    }
}
