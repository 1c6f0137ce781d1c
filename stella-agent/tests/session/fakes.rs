//! Providers that fail, and one that notes what it is asked.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use stella_core::{
    audio::AudioFormat,
    error::ProviderError,
    llm::{Llm, LlmCapabilities, LlmRequest, LlmStream},
    stt::{Stt, SttCapabilities, SttOptions, SttSession},
    tts::{Tts, TtsCapabilities, TtsRequest, TtsStream},
    turn_detector::{TurnDetector, TurnDetectorCapabilities, TurnDetectorRequest},
    vad::{Vad, VadStream},
};

/// How a provider fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// With an error that may pass.
    Error,
    /// With a panic.
    Panic,
    /// By never answering.
    Hang,
}

/// A provider that fails the first few times, or always.
pub(crate) struct Failing<P: ?Sized> {
    inner: Arc<P>,
    fault: Fault,
    left: AtomicUsize,
}

impl<P: ?Sized> Failing<P> {
    pub(crate) fn first(times: usize, fault: Fault, inner: Arc<P>) -> Arc<Self> {
        Arc::new(Self { inner, fault, left: AtomicUsize::new(times) })
    }

    pub(crate) fn always(fault: Fault, inner: Arc<P>) -> Arc<Self> {
        Self::first(usize::MAX, fault, inner)
    }

    fn due(&self) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    async fn fail(&self) -> Result<(), ProviderError> {
        match (self.due(), self.fault) {
            (false, _) => Ok(()),
            (true, Fault::Error) => Err(ProviderError::Timeout { provider: "failing", after: Duration::ZERO }),
            (true, Fault::Panic) => panic!("a fault of the test"),
            (true, Fault::Hang) => std::future::pending().await,
        }
    }
}

impl<P: ?Sized> fmt::Debug for Failing<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failing").field("fault", &self.fault).finish_non_exhaustive()
    }
}

#[async_trait]
impl Llm for Failing<dyn Llm> {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn capabilities(&self) -> LlmCapabilities {
        self.inner.capabilities()
    }

    async fn generate(&self, request: LlmRequest) -> Result<LlmStream, ProviderError> {
        self.fail().await?;
        self.inner.generate(request).await
    }
}

#[async_trait]
impl Tts for Failing<dyn Tts> {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn capabilities(&self) -> TtsCapabilities {
        self.inner.capabilities()
    }

    fn format(&self) -> AudioFormat {
        self.inner.format()
    }

    async fn synthesize(&self, request: TtsRequest) -> Result<TtsStream, ProviderError> {
        self.fail().await?;
        self.inner.synthesize(request).await
    }
}

#[async_trait]
impl Stt for Failing<dyn Stt> {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn capabilities(&self) -> SttCapabilities {
        self.inner.capabilities()
    }

    async fn open(&self, options: &SttOptions) -> Result<SttSession, ProviderError> {
        self.fail().await?;
        self.inner.open(options).await
    }
}

impl Vad for Failing<dyn Vad> {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn window(&self) -> usize {
        self.inner.window()
    }

    fn open(&self) -> Result<Box<dyn VadStream>, ProviderError> {
        let inner = self.inner.open()?;
        let left = AtomicUsize::new(self.left.load(Ordering::Relaxed));
        Ok(Box::new(FailingStream { inner, faults: Failing { inner: Arc::new(()), fault: self.fault, left } }))
    }
}

struct FailingStream {
    inner: Box<dyn VadStream>,
    faults: Failing<()>,
}

#[async_trait]
impl VadStream for FailingStream {
    async fn predict(&mut self, window: &[i16]) -> Result<f32, ProviderError> {
        self.faults.fail().await?;
        self.inner.predict(window).await
    }
}

/// A detector that takes every pause for the end of a turn, and notes what it was asked.
#[derive(Debug, Default)]
pub(crate) struct NotingDetector(Mutex<Vec<TurnDetectorRequest>>);

impl NotingDetector {
    pub(crate) fn asked(&self) -> Vec<TurnDetectorRequest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl TurnDetector for NotingDetector {
    fn name(&self) -> &'static str {
        "noting"
    }

    fn capabilities(&self) -> TurnDetectorCapabilities {
        TurnDetectorCapabilities { audio: true, text: false }
    }

    async fn predict(&self, request: TurnDetectorRequest) -> Result<f32, ProviderError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        Ok(0.95)
    }
}
