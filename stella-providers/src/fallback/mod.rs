//! Several providers of one kind, one after the other: when the first fails or does not answer in time, the next is
//! asked, and the one that failed rests for a while.
//!
//! Only what was not begun can be given to another provider: once a part of an answer was passed on, an error ends it,
//! and the conversation engine goes on by its recovery script. The engine's own deadlines should leave time for two:
//! each provider has [`FallbackOptions::first_by`], half of the engine's defaults.

mod llm;
mod stt;
mod tts;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stella_core::error::{ProviderError, chain};
use tokio::time::Instant;

pub use llm::FallbackLlm;
pub use stt::FallbackStt;
pub use tts::FallbackTts;

/// When the next provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FallbackOptions {
    /// Longest wait for the first part of an answer. Default 2 s: the conversation engine waits 4 s for the first audio
    /// of a segment and 5 s for the first token.
    pub first_by: Duration,
    /// How long a provider that failed is asked only after the others. Default 30 s.
    pub rest: Duration,
}

impl Default for FallbackOptions {
    fn default() -> Self {
        Self { first_by: Duration::from_secs(2), rest: Duration::from_secs(30) }
    }
}

/// Providers in the order in which they are asked.
#[derive(Debug)]
struct Line<P: ?Sized> {
    options: FallbackOptions,
    /// Never empty.
    providers: Vec<Arc<P>>,
    /// Until when each rests.
    rests: Arc<Mutex<Vec<Option<Instant>>>>,
}

/// Lets one provider rest.
#[derive(Debug, Clone)]
struct Rest {
    index: usize,
    rest: Duration,
    rests: Arc<Mutex<Vec<Option<Instant>>>>,
}

impl Rest {
    /// The provider has failed.
    fn take(&self, error: &ProviderError) {
        tracing::warn!(provider = error.provider(), error = chain(error), "a provider failed and rests");
        self.rests.lock()[self.index] = Some(Instant::now() + self.rest);
    }
}

impl<P: ?Sized + fmt::Debug> Line<P> {
    fn new(first: Arc<P>, others: impl IntoIterator<Item = Arc<P>>, options: FallbackOptions) -> Self {
        let providers: Vec<_> = std::iter::once(first).chain(others).collect();
        let rests = Arc::new(Mutex::new(vec![None; providers.len()]));
        Self { options, providers, rests }
    }

    fn first(&self) -> &P {
        &self.providers[0]
    }

    /// The providers as they are to be asked now: those that rest come last.
    fn order(&self) -> Vec<usize> {
        let now = Instant::now();
        let rests = self.rests.lock();
        let (resting, ready): (Vec<_>, Vec<_>) =
            (0..self.providers.len()).partition(|index| rests[*index].is_some_and(|until| until > now));
        ready.into_iter().chain(resting).collect()
    }

    fn rest(&self, index: usize) -> Rest {
        Rest { index, rest: self.options.rest, rests: self.rests.clone() }
    }

    /// Asks one provider after the other until one has begun to answer; else the last error.
    async fn ask<'a, T, F>(
        &'a self,
        name: fn(&P) -> &'static str,
        ask: impl Fn(&'a P) -> F,
    ) -> Result<(T, Rest), ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>> + Send + 'a,
    {
        let mut last = None;
        for index in self.order() {
            let provider = &*self.providers[index];
            let after = self.options.first_by;
            let error = match tokio::time::timeout(after, ask(provider)).await {
                Ok(Ok(answer)) => return Ok((answer, self.rest(index))),
                Ok(Err(error)) => error,
                Err(_) => ProviderError::Timeout { provider: name(provider), after },
            };
            self.rest(index).take(&error);
            last = Some(error);
        }
        let nobody = || ProviderError::Protocol { provider: "fallback", reason: "there is no provider".into() };
        Err(last.unwrap_or_else(nobody))
    }
}

#[cfg(test)]
mod tests;
