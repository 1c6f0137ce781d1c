//! The agent's voice with a meter: what was synthesised, and whether playback ever had to wait for it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::StreamExt;
use stella_core::{
    audio::AudioFormat,
    error::ProviderError,
    tts::{Tts, TtsCapabilities, TtsEvent, TtsRequest, TtsStream},
};
use stella_examples::ear::Ear;

/// One clause that was synthesised to its end.
#[derive(Debug, Clone)]
struct Clause {
    text: String,
    samples: Vec<i16>,
    took: Duration,
}

/// What was synthesised so far. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter {
    clauses: Arc<Mutex<Vec<Clause>>>,
}

impl Meter {
    /// Time from request to end of synthesis for each second of speech, over all clauses; `None` without any.
    pub(crate) fn real_time_factor(&self) -> Option<f64> {
        let clauses = self.clauses.lock().unwrap_or_else(PoisonError::into_inner);
        let took: Duration = clauses.iter().map(|clause| clause.took).sum();
        let samples: usize = clauses.iter().map(|clause| clause.samples.len()).sum();
        (samples > 0).then(|| took.as_secs_f64() / AudioFormat::VOICE.duration(samples as u64).as_secs_f64())
    }

    /// How long a text lasts from its first to its last audible sample, as synthesised; `None` if it was not, or not
    /// wholly. The latest synthesis counts.
    pub(crate) fn length_of(&self, text: &str) -> Option<Duration> {
        let clauses = self.clauses.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = text.trim();
        let mut parts = Vec::new();
        for clause in clauses.iter().rev() {
            if let Some(before) = rest.strip_suffix(clause.text.trim()) {
                parts.push(&clause.samples);
                rest = before.trim_end();
            }
            if rest.is_empty() {
                break;
            }
        }
        if !rest.is_empty() || parts.is_empty() {
            return None;
        }
        let start = Instant::now();
        let mut ear = Ear::default();
        let samples: Vec<i16> = parts.into_iter().rev().flatten().copied().collect();
        ear.hear(start, &samples);
        let end = start + AudioFormat::VOICE.duration(samples.len() as u64);
        Some(ear.last_within(start, end)?.saturating_duration_since(ear.first_from(start)?))
    }
}

/// A synthesiser whose work is metered.
#[derive(Debug)]
pub(crate) struct Metered {
    pub(crate) inner: Arc<dyn Tts>,
    pub(crate) meter: Meter,
}

#[async_trait]
impl Tts for Metered {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn capabilities(&self) -> TtsCapabilities {
        self.inner.capabilities()
    }

    fn format(&self) -> AudioFormat {
        self.inner.format()
    }

    async fn synthesize(&self, request: TtsRequest) -> Result<TtsStream, ProviderError> {
        let (start, text) = (Instant::now(), request.text.clone());
        let clauses = self.meter.clauses.clone();
        let stream = self.inner.synthesize(request).await?;
        // One `None` more than the stream itself, to notice its end.
        let ended = futures_util::stream::once(async { None });
        let parts = stream.map(Some).chain(ended).scan(Vec::new(), move |samples: &mut Vec<i16>, part| {
            match &part {
                Some(Ok(TtsEvent::Audio(frame))) => samples.extend_from_slice(frame.samples()),
                Some(_) => {}
                None => clauses.lock().unwrap_or_else(PoisonError::into_inner).push(Clause {
                    text: text.clone(),
                    samples: std::mem::take(samples),
                    took: start.elapsed(),
                }),
            }
            std::future::ready(part)
        });
        Ok(Box::pin(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_text_is_that_of_its_clauses() {
        let meter = Meter::default();
        let clause = |text: &str, samples| Clause {
            text: text.into(),
            samples: vec![5_000; samples],
            took: Duration::from_secs(1),
        };
        let clauses = vec![clause("No.", 2_400), clause("Yes,", 24_000), clause(" I do.", 24_000)];
        *meter.clauses.lock().unwrap() = clauses;
        assert_eq!(meter.length_of("Yes, I do."), Some(Duration::from_secs(2)));
        assert_eq!(meter.length_of("Yes, I do not."), None);
        assert!(meter.real_time_factor().is_some_and(|rtf| (rtf - 3.0 / 2.1).abs() < 1e-9));
    }
}
