//! One answer, from its first byte to its end.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::Response;
use serde_json::Value;
use stella_core::{
    error::ProviderError,
    llm::{LlmEvent, LlmStream},
};
use tokio::time::{Instant, timeout_at};

use super::{
    assemble::Assembler,
    builder::Limits,
    failure::{self, Failure, protocol},
    key::ApiKey,
    sse::{Event, Parser},
    wire::Chunk,
};

/// Longest wait for the last bytes of an answer whose events are all here, so that the connection can be used again.
const LAST_BYTES: Duration = Duration::from_millis(100);

/// An answer under way. Dropping it before its end closes the connection.
#[derive(Debug)]
pub(super) struct Generation {
    assembler: Assembler,
    /// `None` when nothing more is to be read.
    body: Option<Body>,
    /// The server said that no event follows.
    no_more: bool,
    next: Duration,
    key: Option<ApiKey>,
}

#[derive(Debug)]
struct Body {
    response: Response,
    parser: Parser,
    received: usize,
    limits: Limits,
}

impl Generation {
    /// Reads an answer until it has given something, so that until then it can fail without a trace. The first event is
    /// awaited until `first_by`, each further one for `next`.
    pub(super) async fn start(
        response: Response,
        assembler: Assembler,
        (first_by, first, next): (Instant, Duration, Duration),
        limits: &Limits,
        key: Option<ApiKey>,
    ) -> Result<Self, Failure> {
        let kind = content_type(&response);
        let parser = Parser::new(limits.line);
        let body = Body { response, parser, received: 0, limits: limits.clone() };
        let mut generation = Self { assembler, body: None, no_more: false, next, key };
        match kind {
            Kind::Events => generation.body = Some(body),
            Kind::Json => {
                let text = timeout_at(first_by, body.read_all()).await.map_err(|_| failure::timeout(first))??;
                generation.take_chunk(&text)?;
                generation.assembler.end();
            }
            Kind::Page => return Err(protocol("a web page, not a model's answer: is base_url right?").into()),
        }
        let (mut by, mut limit) = (first_by, first);
        while !generation.assembler.has_event() {
            timeout_at(by, generation.advance()).await.map_err(|_| failure::timeout(limit))??;
            (by, limit) = (Instant::now() + next, next);
        }
        Ok(generation)
    }

    /// The rest of the answer.
    pub(super) fn into_stream(self) -> LlmStream {
        let events = stream::unfold(self, |mut generation| async {
            generation.poll().await.transpose().map(|event| (event, generation))
        });
        Box::pin(events.fuse())
    }

    async fn poll(&mut self) -> Result<Option<LlmEvent>, ProviderError> {
        loop {
            if let Some(event) = self.assembler.poll() {
                return Ok(Some(event));
            }
            if self.no_more
                && let Some(mut body) = self.body.take()
            {
                let _ = tokio::time::timeout(LAST_BYTES, body.response.chunk()).await;
            }
            if self.body.is_none() {
                return Ok(None);
            }
            let step = tokio::time::timeout(self.next, self.advance()).await;
            let step = step.unwrap_or_else(|_| Err(failure::timeout(self.next).into()));
            if let Err(failure) = step {
                self.body = None;
                if !self.assembler.finished() {
                    return Err(failure.error);
                }
                // The generation is whole: only what it cost may be missing.
                tracing::debug!(error = %failure.error, "the answer broke off after its end");
                self.assembler.end();
            }
        }
    }

    /// Reads one event.
    async fn advance(&mut self) -> Result<(), Failure> {
        let Some(body) = &mut self.body else { return Ok(()) };
        match body.next().await? {
            Some(Event::Data(data)) if data.trim() == "[DONE]" => {
                self.assembler.end();
                self.no_more = true;
                Ok(())
            }
            Some(Event::Data(data)) => self.take_chunk(&data),
            Some(Event::Error(error)) => {
                let error = serde_json::from_str(&error).unwrap_or(Value::String(error));
                Err(failure::from_error_object(&error, self.key.as_ref()))
            }
            None if self.assembler.finished() => {
                self.assembler.end();
                self.body = None;
                Ok(())
            }
            None => Err(protocol("it ended before the generation did").into()),
        }
    }

    fn take_chunk(&mut self, json: &str) -> Result<(), Failure> {
        let mut chunk: Chunk = serde_json::from_str(json)
            .map_err(|error| protocol(format!("a chunk is not as expected (at {})", error.column())))?;
        match chunk.error.take() {
            Some(error) => Err(failure::from_error_object(&error, self.key.as_ref())),
            None => {
                self.assembler.push(chunk);
                if self.assembler.stopped() {
                    self.body = None;
                }
                Ok(())
            }
        }
    }
}

impl Body {
    /// The next event; `None` at the end.
    async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(event) = self.parser.poll() {
                return Ok(Some(event));
            }
            match self.chunk().await? {
                Some(bytes) => self.parser.push(&bytes),
                None => {
                    self.parser.finish().map_err(|error| protocol(error.to_string()))?;
                    return Ok(self.parser.poll());
                }
            }
            .map_err(|error| protocol(error.to_string()))?;
        }
    }

    async fn read_all(mut self) -> Result<String, Failure> {
        let mut all = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            all.extend_from_slice(&bytes);
        }
        String::from_utf8(all).map_err(|_| protocol("the answer is not UTF-8").into())
    }

    async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, Failure> {
        let chunk = self.response.chunk().await.map_err(|error| failure::transport(error.without_url()))?;
        self.received += chunk.as_ref().map_or(0, bytes::Bytes::len);
        if self.received > self.limits.answer {
            return Err(protocol(format!("it is longer than {} bytes", self.limits.answer)).into());
        }
        Ok(chunk)
    }
}

enum Kind {
    Events,
    /// The server does not stream.
    Json,
    Page,
}

fn content_type(response: &Response) -> Kind {
    let value = response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match value.unwrap_or_default().split(';').next().unwrap_or_default().trim() {
        "application/json" => Kind::Json,
        "text/html" => Kind::Page,
        _ => Kind::Events, // some servers stream as text/plain
    }
}
