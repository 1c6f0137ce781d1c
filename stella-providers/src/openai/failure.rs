//! What servers and connections say when they fail, as [`ProviderError`]s.

use std::time::{Duration, SystemTime};

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};
use serde_json::Value;
use stella_core::error::{BoxError, ProviderError, chain};

use super::key::ApiKey;

/// The name in errors, metrics and logs.
pub(super) const PROVIDER: &str = "openai";

/// Longest part of a server's message that is kept, in characters.
const MESSAGE_CHARS: usize = 200;

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ProviderError,
    /// The server said 500: with tools, that may be the tools' fault.
    pub(super) server_error: bool,
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self { error, server_error: false }
    }
}

/// An answer with a status that tells of a failure, or an error in the middle of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the server answered {status}: {message}")]
struct Answer {
    status: u16,
    message: String,
}

/// The failure behind a status other than success.
pub(super) fn from_status(status: StatusCode, retry_after: Option<Duration>, message: String) -> Failure {
    let provider = PROVIDER;
    let error = match status.as_u16() {
        401 | 403 => ProviderError::Unauthorized { provider },
        429 | 503 => ProviderError::Overloaded { provider, retry_after },
        408 | 500.. => transport(Answer { status: status.as_u16(), message }),
        300..=399 => invalid(format!("the server redirects ({status}): set base_url to where it leads")),
        _ => invalid(format!("the server answered {status}: {message}")),
    };
    Failure { error, server_error: status == StatusCode::INTERNAL_SERVER_ERROR }
}

/// The failure behind an `error` object that came in place of a chunk.
pub(super) fn from_error_object(error: &Value, key: Option<&ApiKey>) -> Failure {
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let code = ["code", "status"].iter().find_map(|field| number(error.get(field)?));
    let status = code.and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok());
    let status = status.filter(|status| status.as_u16() >= 400).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    from_status(status, None, shorten(&message_of(error), key))
}

/// The error behind a request that got no answer, or half of one.
pub(super) fn from_reqwest(error: reqwest::Error, connect_timeout: Duration) -> ProviderError {
    if error.is_connect() && error.is_timeout() {
        return ProviderError::Timeout { provider: PROVIDER, after: connect_timeout };
    }
    if error.is_builder() {
        return invalid(chain(&error.without_url()));
    }
    transport(error.without_url())
}

pub(super) fn transport(source: impl Into<BoxError>) -> ProviderError {
    ProviderError::Transport { provider: PROVIDER, source: source.into() }
}

pub(super) fn timeout(after: Duration) -> ProviderError {
    ProviderError::Timeout { provider: PROVIDER, after }
}

pub(super) fn protocol(reason: impl Into<String>) -> ProviderError {
    ProviderError::Protocol { provider: PROVIDER, reason: reason.into() }
}

pub(super) fn invalid(reason: impl Into<String>) -> ProviderError {
    ProviderError::InvalidRequest { provider: PROVIDER, reason: reason.into() }
}

/// The message in the body of a failure: servers have several forms for it.
pub(super) fn message(body: &str, key: Option<&ApiKey>) -> String {
    let message = match serde_json::from_str::<Value>(body) {
        Ok(value) => message_of(value.get("error").unwrap_or(&value)),
        Err(_) if body.trim_start().starts_with('<') => "a web page".to_owned(),
        Err(_) => body.to_owned(),
    };
    shorten(&message, key)
}

fn message_of(error: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    text(error)
        .or_else(|| ["message", "detail", "error"].iter().find_map(|field| text(error.get(field)?)))
        .unwrap_or_else(|| error.to_string())
}

/// `text` on one line, short, without anything that looks like a key.
pub(super) fn shorten(text: &str, key: Option<&ApiKey>) -> String {
    let text = key.map_or_else(|| text.to_owned(), |key| key.redact(text));
    let is_secret = |word: &str| word.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with("sk-");
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let words: Vec<_> = words.map(|word| if is_secret(word) { "***" } else { word }).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.is_empty() => "no message".to_owned(),
        None => line,
    }
}

/// How long the server asks to wait.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    if let Some(millis) = number("retry-after-ms") {
        return Duration::try_from_secs_f64(millis / 1_000.0).ok();
    }
    if let Some(seconds) = number(RETRY_AFTER.as_str()) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(headers.get(RETRY_AFTER)?.to_str().ok()?).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_and_shortened() {
        let key = ApiKey::from("hunter2");
        let table = [
            (r#"{"error": {"message": "no such model", "code": 404}}"#, "no such model"),
            (r#"{"error": "bad key hunter2"}"#, "bad key ***"),
            (r#"{"detail": "two\nlines"}"#, "two lines"),
            (r#"{"message": "key \"sk-abc\" is wrong"}"#, "key *** is wrong"),
            (r#"{"other": 1}"#, r#"{"other":1}"#),
            ("<html><body>nginx</body></html>", "a web page"),
            ("plain", "plain"),
            ("", "no message"),
        ];
        for (body, expected) in table {
            assert_eq!(message(body, Some(&key)), expected, "{body}");
        }
        assert_eq!(message(&"é".repeat(999), None).chars().count(), MESSAGE_CHARS + 1);
    }

    #[test]
    fn a_status_says_who_can_act() {
        let kind = |status: u16| {
            let failure = from_status(StatusCode::from_u16(status).unwrap(), None, "x".into());
            format!("{:?}", failure.error).split([' ', '{']).next().unwrap_or_default().to_owned()
        };
        let table = [
            (301, "InvalidRequest"),
            (400, "InvalidRequest"),
            (401, "Unauthorized"),
            (403, "Unauthorized"),
            (404, "InvalidRequest"),
            (408, "Transport"),
            (422, "InvalidRequest"),
            (429, "Overloaded"),
            (500, "Transport"),
            (502, "Transport"),
            (503, "Overloaded"),
        ];
        for (status, expected) in table {
            assert_eq!(kind(status), expected, "{status}");
        }
    }

    #[test]
    fn the_wait_is_read_in_each_form() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let table = [
            ("retry-after", "2", Some(2_000)),
            ("retry-after", "0.5", Some(500)),
            ("retry-after", "-1", None),
            ("retry-after", "soon", None),
            ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("retry-after-ms", "250", Some(250)),
        ];
        for (name, value, millis) in table {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), millis.map(Duration::from_millis), "{name}: {value}");
        }
    }
}
