//! Providers that fail in every way, and whether the next one is asked.

use std::{
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    llm::{FinishReason, Llm, LlmCapabilities, LlmEvent, LlmRequest, LlmStream},
    stt::{Stt, SttCapabilities, SttOptions, SttSession},
    testing::{
        contract,
        scripted::{ScriptedLlm, ScriptedText, Timer},
    },
    tts::{Tts, TtsCapabilities, TtsEvent, TtsRequest, TtsStream},
};

use super::*;

/// How a fake provider behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Good,
    Refuses,
    /// Answers with an error at once.
    FailsFirst,
    /// Answers with an error after its first part.
    FailsLater,
    Hangs,
}

/// A provider of every kind that behaves as it is told, and counts how often it was asked.
#[derive(Debug)]
struct Fake {
    how: How,
    asked: AtomicUsize,
    rate: u32,
}

fn fake(how: How) -> Arc<Fake> {
    Arc::new(Fake { how, asked: AtomicUsize::new(0), rate: 24_000 })
}

impl Fake {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn error(&self) -> ProviderError {
        ProviderError::Overloaded { provider: "fake", retry_after: None }
    }

    async fn answer<T: Send + 'static>(
        &self,
        parts: Vec<T>,
    ) -> Result<stream::BoxStream<'static, Result<T, ProviderError>>, ProviderError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let parts: Vec<Result<T, ProviderError>> = match self.how {
            How::Good => parts.into_iter().map(Ok).collect(),
            How::Refuses => return Err(self.error()),
            How::FailsFirst => vec![Err(self.error())],
            How::FailsLater => parts.into_iter().take(1).map(Ok).chain([Err(self.error())]).collect(),
            How::Hangs => return Ok(stream::pending().boxed()),
        };
        Ok(stream::iter(parts).boxed())
    }
}

#[async_trait]
impl Llm for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities { tools: self.how == How::Good, streaming: true }
    }

    async fn generate(&self, _: LlmRequest) -> Result<LlmStream, ProviderError> {
        self.answer(vec![LlmEvent::Text("Hi.".into()), LlmEvent::Done(FinishReason::Stop)]).await
    }
}

#[async_trait]
impl Tts for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self) -> TtsCapabilities {
        TtsCapabilities::default()
    }

    fn format(&self) -> AudioFormat {
        if self.rate == 24_000 { AudioFormat::VOICE } else { AudioFormat::SPEECH }
    }

    async fn synthesize(&self, _: TtsRequest) -> Result<TtsStream, ProviderError> {
        let frame = || TtsEvent::Audio(AudioFrame::silence(AudioFormat::VOICE, Duration::from_millis(100)));
        self.answer(vec![frame(), frame()]).await
    }
}

#[async_trait]
impl Stt for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn capabilities(&self) -> SttCapabilities {
        SttCapabilities::default()
    }

    async fn open(&self, _: &SttOptions) -> Result<SttSession, ProviderError> {
        struct Deaf;
        impl stella_core::stt::SttInput for Deaf {
            fn start(&mut self, _: stella_core::id::UtteranceId) {}
            fn push(&mut self, _: &AudioFrame) -> Result<(), ProviderError> {
                Ok(())
            }
            fn checkpoint(&mut self, _: u32) {}
            fn finish(&mut self) {}
        }
        let events = self.answer(Vec::new()).await?;
        Ok(SttSession { input: Box::new(Deaf), events })
    }
}

fn llm(first: &Arc<Fake>, second: &Arc<Fake>) -> FallbackLlm {
    FallbackLlm::new(first.clone(), [second.clone() as Arc<dyn Llm>], FallbackOptions::default())
}

async fn generated(llm: &FallbackLlm) -> Vec<Result<LlmEvent, ProviderError>> {
    llm.generate(LlmRequest::default()).await.expect("one of them answers").collect().await
}

#[tokio::test(start_paused = true)]
async fn the_next_model_answers_for_one_that_does_not() {
    for how in [How::Refuses, How::FailsFirst, How::Hangs] {
        let (first, second) = (fake(how), fake(How::Good));
        let events = generated(&llm(&first, &second)).await;
        assert!(events.len() == 2 && events.iter().all(Result::is_ok), "{how:?}: {events:?}");
        assert_eq!((first.asked(), second.asked()), (1, 1), "{how:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_failed_rests_and_is_asked_again_later() {
    let (first, second) = (fake(How::Refuses), fake(How::Good));
    let llm = llm(&first, &second);
    for _ in 0..3 {
        generated(&llm).await;
    }
    assert_eq!((first.asked(), second.asked()), (1, 3));
    tokio::time::advance(FallbackOptions::default().rest).await;
    generated(&llm).await;
    assert_eq!((first.asked(), second.asked()), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_begun_is_not_given_to_another() {
    let (first, second) = (fake(How::FailsLater), fake(How::Good));
    let llm = llm(&first, &second);
    let events = generated(&llm).await;
    assert!(matches!(events[..], [Ok(LlmEvent::Text(_)), Err(_)]), "{events:?}");
    assert_eq!(second.asked(), 0);
    generated(&llm).await;
    assert_eq!((first.asked(), second.asked()), (1, 1), "but the next request is");
}

#[tokio::test(start_paused = true)]
async fn when_all_fail_the_last_error_is_told_and_all_are_asked_again() {
    let (first, second) = (fake(How::Refuses), fake(How::Hangs));
    let llm = llm(&first, &second);
    for times in 1..3 {
        let error = llm.generate(LlmRequest::default()).await.map(drop).expect_err("both fail");
        assert!(error.retryable(), "{error:?}");
        assert_eq!((first.asked(), second.asked()), (times, times));
    }
    assert!(!llm.capabilities().tools);
}

#[tokio::test(start_paused = true)]
async fn the_next_voice_speaks_for_one_that_does_not() {
    for how in [How::Refuses, How::FailsFirst, How::Hangs] {
        let (first, second) = (fake(how), fake(How::Good));
        let tts = FallbackTts::new(first.clone(), [second.clone() as Arc<dyn Tts>], FallbackOptions::default());
        let audio = tts.expect("equal formats").synthesize(TtsRequest::new("Hi.")).await.expect("one of them speaks");
        assert_eq!(audio.collect::<Vec<_>>().await.len(), 2, "{how:?}");
        assert_eq!((first.asked(), second.asked()), (1, 1), "{how:?}");
    }
}

#[test]
fn voices_of_different_formats_are_refused() {
    let other = Arc::new(Fake { how: How::Good, asked: AtomicUsize::new(0), rate: 16_000 });
    let tts = FallbackTts::new(fake(How::Good), [other as Arc<dyn Tts>], FallbackOptions::default());
    assert!(matches!(tts, Err(ProviderError::InvalidRequest { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_recogniser_that_fails_later_makes_room_for_the_next() {
    let (first, second) = (fake(How::FailsFirst), fake(How::Good));
    let stt = FallbackStt::new(first.clone(), [second.clone() as Arc<dyn Stt>], FallbackOptions::default());
    let mut opened = stt.open(&SttOptions::default()).await.expect("the first opens");
    assert!(matches!(opened.events.next().await, Some(Err(_))));
    stt.open(&SttOptions::default()).await.expect("the second opens");
    assert_eq!((first.asked(), second.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract_of_models() {
    /// tokio's clock.
    #[derive(Debug)]
    struct Tokio(Instant);
    impl Timer for Tokio {
        fn now(&self) -> Duration {
            self.0.elapsed()
        }
        fn sleep_until(&self, at: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(tokio::time::sleep_until(self.0 + at))
        }
    }
    let model =
        || Arc::new(ScriptedLlm::new(Arc::new(Tokio(Instant::now())), ScriptedText::constant("One two three.")));
    let llm = FallbackLlm::new(fake(How::Refuses), [model() as Arc<dyn Llm>], FallbackOptions::default());
    contract::llm::text_ends_in_one_done(&llm).await;
    contract::llm::usage_is_given_once(&llm).await;
    contract::llm::any_history_is_taken(&llm).await;
}
