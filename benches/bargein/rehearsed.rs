//! The agent's voice, rehearsed: real synthesised speech, made once and repeated as it is.
//!
//! Several rooms on a few cores cannot each have a synthesiser that needs most of a core; what is measured here is how
//! speech stops and goes on, not how fast it is made.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures_util::StreamExt;
use stella_core::{
    audio::AudioFormat,
    error::ProviderError,
    tts::{Tts, TtsCapabilities, TtsEvent, TtsRequest, TtsStream},
};

/// A synthesiser that says again what it has said before.
#[derive(Debug)]
pub(crate) struct Rehearsed {
    inner: Arc<dyn Tts>,
    takes: Mutex<HashMap<String, Vec<TtsEvent>>>,
}

impl Rehearsed {
    pub(crate) fn new(inner: Arc<dyn Tts>) -> Self {
        Self { inner, takes: Mutex::default() }
    }

    async fn take(&self, request: TtsRequest) -> Result<Vec<TtsEvent>, ProviderError> {
        let known = || self.takes.lock().unwrap_or_else(PoisonError::into_inner).get(&request.text).cloned();
        if let Some(take) = known() {
            return Ok(take);
        }
        let text = request.text.clone();
        let mut stream = self.inner.synthesize(request.clone()).await?;
        let mut take = Vec::new();
        while let Some(part) = stream.next().await {
            take.push(part?);
        }
        self.takes.lock().unwrap_or_else(PoisonError::into_inner).insert(text, take.clone());
        Ok(take)
    }
}

#[async_trait]
impl Tts for Rehearsed {
    fn name(&self) -> &'static str {
        "rehearsed"
    }

    fn capabilities(&self) -> TtsCapabilities {
        self.inner.capabilities()
    }

    fn format(&self) -> AudioFormat {
        self.inner.format()
    }

    async fn synthesize(&self, request: TtsRequest) -> Result<TtsStream, ProviderError> {
        let take = self.take(request).await?;
        Ok(Box::pin(futures_util::stream::iter(take.into_iter().map(Ok))))
    }
}
