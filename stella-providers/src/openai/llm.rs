//! The model.

use std::time::SystemTime;

use async_trait::async_trait;
use reqwest::{
    Client, RequestBuilder, Response, Url,
    header::{AUTHORIZATION, HeaderValue},
};
use stella_core::{
    error::ProviderError,
    llm::{Llm, LlmCapabilities, LlmRequest, LlmStream, ToolChoice},
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    assemble::Assembler,
    builder::{Limits, OpenAiLlmBuilder, Timeouts},
    failure::{self, Failure, PROVIDER},
    generation::Generation,
    key::ApiKey,
    request::{self, Defaults},
    retry::RetryPolicy,
};

/// Most bytes read of the body of a failure.
const FAILURE_BYTES: usize = 16 << 10;

/// A language model behind an OpenAI-compatible server. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct OpenAiLlm {
    pub(super) client: Client,
    pub(super) base: Url,
    pub(super) key: Option<ApiKey>,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) defaults: Defaults,
    pub(super) timeouts: Timeouts,
    pub(super) retry: RetryPolicy,
    pub(super) limits: Limits,
}

impl OpenAiLlm {
    /// Starts building a model: `base_url` is the address before `/chat/completions`, such as
    /// `http://127.0.0.1:8080/v1`; `model` is the name the server knows it by.
    ///
    /// Proxies of the environment are used, but never for a server on this machine.
    pub fn builder(base_url: impl Into<String>, model: impl Into<String>) -> OpenAiLlmBuilder {
        OpenAiLlmBuilder::new(base_url.into(), model.into())
    }

    /// The model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.defaults.model
    }

    /// One try.
    async fn attempt(&self, request: &LlmRequest, with_tools: bool) -> Result<Generation, Failure> {
        let first = self.timeouts.first;
        let first_by = Instant::now() + first;
        let body = request::body(request, &self.defaults, with_tools);
        let send = self.send(self.client.post(self.url("chat/completions")).json(&body));
        let response = timeout_at(first_by, send).await.map_err(|_| failure::timeout(first))??;
        let names = request.tools.iter().map(|tool| tool.name.clone());
        let assembler = Assembler::new(names, request.tool_choice != ToolChoice::None, self.limits.held);
        let times = (first_by, first, self.timeouts.next);
        Generation::start(response, assembler, times, &self.limits, self.key.clone()).await
    }

    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Sends a request; an answer without success is a failure.
    pub(super) async fn send(&self, mut request: RequestBuilder) -> Result<Response, Failure> {
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let response = request.send().await.map_err(|error| failure::from_reqwest(error, self.timeouts.connect))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = failure::retry_after(response.headers(), SystemTime::now());
        let message = failure::message(&read_some(response).await, self.key.as_ref());
        Err(failure::from_status(status, retry_after, message))
    }
}

#[async_trait]
impl Llm for OpenAiLlm {
    fn name(&self) -> &'static str {
        PROVIDER
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities { tools: true, streaming: true }
    }

    /// Returns when the model has given something: until then, failed attempts are repeated.
    async fn generate(&self, request: LlmRequest) -> Result<LlmStream, ProviderError> {
        let started = Instant::now();
        let mut with_tools = !request.tools.is_empty();
        let mut repetition = 0;
        loop {
            let failure = match self.attempt(&request, with_tools).await {
                Ok(generation) => return Ok(generation.into_stream()),
                Err(failure) => failure,
            };
            if failure.server_error && with_tools && request.tool_choice != ToolChoice::Required {
                tracing::debug!("the server failed on a request with tools: asking again without them");
                with_tools = false;
                continue;
            }
            let Some(pause) = self.retry.pause(repetition, started.elapsed(), &failure.error) else {
                return Err(failure.error);
            };
            tracing::debug!(error = stella_core::error::chain(&failure.error), ?pause, "trying again");
            sleep(pause).await;
            repetition += 1;
        }
    }
}

/// The beginning of a body; what cannot be read is left out.
async fn read_some(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > FAILURE_BYTES {
            bytes.truncate(FAILURE_BYTES);
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
