//! Synthesis of segments.

use std::sync::Arc;

use futures_util::StreamExt;
use stella_core::{
    audio::AudioFormat,
    engine::Input,
    error::{ProviderError, chain},
    id::SegmentId,
    tts::{Tts, TtsEvent, TtsRequest, WordTime},
};

use super::store::Store;
use crate::{guard, resample::Resampler, session::Inputs};

/// How the agent speaks. Each `None` takes the provider's default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VoiceOptions {
    /// Name of the voice.
    pub voice: Option<String>,
    /// Pace, 1 is natural.
    pub speed: Option<f32>,
    /// BCP 47 tag of the language.
    pub language: Option<String>,
}

/// Speaks segments into the store, at [`AudioFormat::VOICE`].
#[derive(Debug, Clone)]
pub(crate) struct Voice {
    pub(crate) tts: Arc<dyn Tts>,
    pub(crate) options: VoiceOptions,
    pub(crate) store: Store,
    pub(crate) inputs: Inputs,
}

impl Voice {
    /// Speaks one segment and tells the engine of every part and of the end. Dropping the future cancels.
    pub(crate) async fn speak(self, segment: SegmentId, text: String) {
        // However this ends, the segments behind must be able to follow.
        let _done = Done { store: self.store.clone(), segment };
        let input = match self.try_speak(segment, text).await {
            Ok(()) => {
                self.store.finish(segment);
                Input::Synthesized { segment }
            }
            Err(error) => {
                self.store.finish(segment);
                let (retryable, error) = (error.retryable(), chain(&error));
                Input::SynthesisFailed { segment, retryable, error }
            }
        };
        self.inputs.send(input).await;
    }

    async fn try_speak(&self, segment: SegmentId, text: String) -> Result<(), ProviderError> {
        let name = self.tts.name();
        let format = self.tts.format();
        let options = self.options.clone();
        let request = TtsRequest { text, voice: options.voice, speed: options.speed, language: options.language };
        let mut stream = guard::provider(name, self.tts.synthesize(request)).await?;
        let mut resampler = if format.sample_rate() == AudioFormat::VOICE.sample_rate() {
            None
        } else {
            let resampler = Resampler::new(format.sample_rate(), AudioFormat::VOICE.sample_rate());
            Some(resampler.ok_or_else(|| ProviderError::InvalidRequest {
                provider: name,
                reason: format!("audio of {format:?} cannot be resampled"),
            })?)
        };
        while let Some(event) = guard::provider(name, async { stream.next().await.transpose() }).await? {
            match event {
                TtsEvent::Audio(frame) if frame.format() == format => {
                    let mono = frame.to_mono();
                    match &mut resampler {
                        None => self.append(segment, mono.samples()).await,
                        Some(resampler) => self.append(segment, &resampler.push(mono.samples())).await,
                    }
                }
                TtsEvent::Audio(frame) => {
                    let reason = format!("audio is {:?}, not {format:?}", frame.format());
                    return Err(ProviderError::Protocol { provider: name, reason });
                }
                TtsEvent::Words(words) => {
                    let words = words.into_iter().map(|word| at_voice_rate(word, format)).collect();
                    self.inputs.send(Input::Words { segment, words }).await;
                }
            }
        }
        if let Some(resampler) = &mut resampler {
            self.append(segment, &resampler.finish()).await;
        }
        Ok(())
    }

    async fn append(&self, segment: SegmentId, samples: &[i16]) {
        if !samples.is_empty() {
            self.store.append(segment, samples);
            self.inputs.send(Input::Audio { segment, samples: samples.len() as u64 }).await;
        }
    }
}

/// Word times in samples of [`AudioFormat::VOICE`].
fn at_voice_rate(word: WordTime, format: AudioFormat) -> WordTime {
    let (from, to) = (u64::from(format.sample_rate()), u64::from(AudioFormat::VOICE.sample_rate()));
    let convert = |sample: u64| sample * to / from;
    WordTime { text: word.text, samples: convert(word.samples.start)..convert(word.samples.end) }
}

/// Completes a segment when it is dropped.
struct Done {
    store: Store,
    segment: SegmentId,
}

impl Drop for Done {
    fn drop(&mut self) {
        self.store.finish(self.segment);
    }
}
