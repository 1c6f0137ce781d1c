//! How an [`OpenAiLlm`] is set up.

use std::{net::IpAddr, time::Duration};

use reqwest::{Client, Url, redirect};
use serde_json::{Map, Value};
use stella_core::error::ProviderError;

use super::{failure::invalid, key::ApiKey, llm::OpenAiLlm, request::Defaults, retry::RetryPolicy};

/// How long each step may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// To make the connection. Default 5 s.
    pub connect: Duration,
    /// From sending the request to the first event of the answer, and for a whole answer of
    /// [`check`](OpenAiLlm::check). Each attempt has its own. Default 10 s.
    pub first: Duration,
    /// From one event of the answer to the next. Default 10 s.
    pub next: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), first: Duration::from_secs(10), next: Duration::from_secs(10) }
    }
}

/// How much a server may send. What exceeds a limit ends the generation with [`ProviderError::Protocol`], except
/// `held`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a line, and of an event. Default 256 KiB.
    pub line: usize,
    /// Bytes of an answer. Default 8 MiB.
    pub answer: usize,
    /// Bytes of text held back because they could still be a printed tool call; more than that is text. Default 4 KiB.
    pub held: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line: 256 << 10, answer: 8 << 20, held: 4 << 10 }
    }
}

/// Builds an [`OpenAiLlm`].
#[derive(Debug, Clone)]
#[must_use]
pub struct OpenAiLlmBuilder {
    base_url: String,
    model: String,
    key: Option<ApiKey>,
    temperature: Option<f32>,
    max_tokens: Option<u32>,
    extra: Map<String, Value>,
    timeouts: Timeouts,
    retry: RetryPolicy,
    limits: Limits,
}

impl OpenAiLlmBuilder {
    pub(super) fn new(base_url: String, model: String) -> Self {
        Self {
            base_url,
            model,
            key: None,
            temperature: None,
            max_tokens: None,
            extra: Map::new(),
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            limits: Limits::default(),
        }
    }

    /// The key to send. Default: none, as local servers want it. An empty one counts as none.
    pub fn api_key(mut self, key: impl Into<ApiKey>) -> Self {
        self.key = Some(key.into()).filter(|key| !key.is_empty());
        self
    }

    /// Sampling temperature, 0 to 2, of requests that say none. Default: the server's.
    pub fn temperature(mut self, temperature: f32) -> Self {
        self.temperature = Some(temperature);
        self
    }

    /// Most tokens to write, at least 1, of requests that say none. Default: the server's, which may be endless.
    pub fn max_tokens(mut self, max: u32) -> Self {
        self.max_tokens = Some(max);
        self
    }

    /// A further field of every request's body, such as `seed` or `cache_prompt`. It wins over a field of ours.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// How long each step may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// When failed attempts are repeated.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// How much a server may send.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Builds it. Nothing is sent yet: [`OpenAiLlm::check`] does that.
    ///
    /// # Errors
    /// [`ProviderError::InvalidRequest`] names the value that cannot be: an address that is not `http` or `https` or
    /// holds a password, an empty model, a key with control characters, a temperature out of range, a time or limit of
    /// zero.
    pub fn build(self) -> Result<OpenAiLlm, ProviderError> {
        let base = base_url(&self.base_url)?;
        let timeouts = [self.timeouts.connect, self.timeouts.first, self.timeouts.next];
        let checks = [
            (!self.model.trim().is_empty(), "model is empty"),
            (self.temperature.is_none_or(|t| (0.0..=2.0).contains(&t)), "temperature is not between 0 and 2"),
            (self.max_tokens != Some(0), "max_tokens is 0"),
            (timeouts.iter().all(|time| !time.is_zero()), "a timeout is zero"),
            (self.limits.line > 0 && self.limits.answer > 0, "a limit is zero"),
        ];
        if let Some((_, reason)) = checks.iter().find(|(holds, _)| !holds) {
            return Err(invalid(*reason));
        }
        let authorization = self.key.as_ref().map(ApiKey::header).transpose();
        let authorization = authorization.map_err(|_| invalid("api_key has characters that no header can hold"))?;
        if authorization.is_some() && base.scheme() == "http" && !is_loopback(&base) {
            tracing::warn!(host = base.host_str(), "the API key crosses the network unencrypted: use https");
        }
        let mut client = Client::builder().connect_timeout(self.timeouts.connect).redirect(redirect::Policy::none());
        if is_loopback(&base) {
            client = client.no_proxy(); // a proxy would look for the server on its own machine
        }
        let client = client.build().map_err(|error| invalid(stella_core::error::chain(&error)))?;
        let openai = base.host_str().is_some_and(|host| host == "openai.com" || host.ends_with(".openai.com"));
        let defaults = Defaults {
            model: self.model,
            temperature: self.temperature,
            max_tokens: self.max_tokens,
            max_tokens_field: if openai { "max_completion_tokens" } else { "max_tokens" },
            extra: self.extra,
        };
        Ok(OpenAiLlm {
            client,
            base,
            key: self.key,
            authorization,
            defaults,
            timeouts: self.timeouts,
            retry: self.retry,
            limits: self.limits,
        })
    }
}

/// Parses and checks the address; the result has no slash at its end.
fn base_url(text: &str) -> Result<Url, ProviderError> {
    let mut url = Url::parse(text.trim()).map_err(|error| invalid(format!("base_url is not an address: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("base_url begins with neither http:// nor https://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(invalid("base_url holds credentials or a query: give a key with api_key()"));
    }
    let path = url.path().trim_end_matches('/');
    if path.ends_with("/chat/completions") {
        return Err(invalid("base_url ends in /chat/completions: leave that away"));
    }
    let path = path.to_owned();
    url.set_path(&path);
    url.set_fragment(None);
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let name = host == "localhost" || host.ends_with(".localhost");
    name || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_values_are_named() {
        let build = |url: &str| OpenAiLlm::builder(url, "m");
        let good = "http://127.0.0.1:1/v1";
        let table = [
            (build("127.0.0.1:8080/v1"), "base_url is not an address"),
            (build("file:///v1"), "base_url begins with neither"),
            (build("http://me:secret@host/v1"), "base_url holds credentials"),
            (build("http://host/v1/chat/completions"), "base_url ends in"),
            (OpenAiLlm::builder(good, " "), "model is empty"),
            (build(good).temperature(2.5), "temperature"),
            (build(good).temperature(f32::NAN), "temperature"),
            (build(good).max_tokens(0), "max_tokens"),
            (build(good).api_key("a\nb"), "api_key"),
            (build(good).timeouts(Timeouts { next: Duration::ZERO, ..Timeouts::default() }), "a timeout"),
            (build(good).limits(Limits { line: 0, ..Limits::default() }), "a limit"),
        ];
        for (builder, expected) in table {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn loopback_is_known() {
        for (url, loopback) in [
            ("http://127.0.0.1:8080/v1", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:8080", true),
            ("http://localhost", true),
            ("http://llm.localhost", true),
            ("http://10.0.0.1", false),
            ("https://localhost.example", false),
        ] {
            assert_eq!(is_loopback(&base_url(url).unwrap()), loopback, "{url}");
        }
    }

    #[test]
    fn neither_builder_nor_model_shows_the_key() {
        let builder = OpenAiLlm::builder("http://localhost/v1/", "m").api_key("hunter2");
        let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
