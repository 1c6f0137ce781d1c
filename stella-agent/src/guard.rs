//! Panics of providers and of the application become errors, so that nobody waits for an answer that never comes.

use std::{any::Any, future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use stella_core::error::ProviderError;

/// A panic, in words.
#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
pub(crate) struct Panicked(String);

impl Panicked {
    pub(crate) fn new(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self(text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".into()))
    }
}

/// Runs a future; a panic in it becomes an error.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|payload| Panicked::new(&*payload))
}

/// Runs a call of a provider; a panic in it becomes [`ProviderError::Internal`].
pub(crate) async fn provider<T>(
    provider: &'static str,
    future: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    match caught(future).await {
        Ok(result) => result,
        Err(panicked) => Err(ProviderError::Internal { provider, source: Box::new(panicked) }),
    }
}

/// As [`provider`], for a call that does not wait.
pub(crate) fn provider_now<T>(
    provider: &'static str,
    call: impl FnOnce() -> Result<T, ProviderError>,
) -> Result<T, ProviderError> {
    std::panic::catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|payload| Err(ProviderError::Internal { provider, source: Box::new(Panicked::new(&*payload)) }))
}
