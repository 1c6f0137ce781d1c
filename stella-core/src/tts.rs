//! The seam to speech synthesis.

use std::{fmt, ops::Range, pin::Pin};

use async_trait::async_trait;
use futures_core::Stream;
use serde::{Deserialize, Serialize};

use crate::{
    audio::{AudioFormat, AudioFrame},
    error::ProviderError,
};

/// What a synthesiser can do, asked once per session. A new field defaults to "cannot", so old providers stay right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TtsCapabilities {
    /// Gives audio as it is made, not in one piece at the end.
    pub streaming: bool,
    /// Says when each word is spoken.
    pub word_times: bool,
}

/// One text to be spoken: a clause or a sentence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TtsRequest {
    /// The text, in plain words; the provider normalises numbers and abbreviations.
    pub text: String,
    /// Name of the voice; `None` takes the provider's default.
    pub voice: Option<String>,
    /// Pace, 1 is natural; `None` takes the provider's default. Providers take at least 0.5-2.
    pub speed: Option<f32>,
    /// BCP 47 tag of the language; `None` takes the voice's own.
    pub language: Option<String>,
}

impl TtsRequest {
    /// `text` in the default voice at natural pace.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// When a word of the text is spoken. A word that takes long to say, such as a telephone number, may come in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordTime {
    /// Bytes of the word in [`TtsRequest::text`].
    pub text: Range<usize>,
    /// Samples of the word, from the first sample of the synthesis, in the provider's format.
    pub samples: Range<u64>,
}

/// One part of a synthesis.
#[derive(Debug, Clone, PartialEq)]
pub enum TtsEvent {
    /// Audio to append, in [`Tts::format`].
    Audio(AudioFrame),
    /// Times of words, in the order of the text.
    Words(Vec<WordTime>),
}

/// The parts of one synthesis. It ends when all was spoken or after the first error; dropping it cancels.
pub type TtsStream = Pin<Box<dyn Stream<Item = Result<TtsEvent, ProviderError>> + Send>>;

/// A speech synthesiser.
#[async_trait]
pub trait Tts: fmt::Debug + Send + Sync {
    /// Short name of the provider, for errors, metrics and logs.
    fn name(&self) -> &'static str;

    /// What the synthesiser can do.
    fn capabilities(&self) -> TtsCapabilities;

    /// The format of all its audio.
    fn format(&self) -> AudioFormat;

    /// Starts to speak a text. A text without anything to pronounce gives an empty stream, not an error.
    ///
    /// # Errors
    /// [`ProviderError`]; ask [`ProviderError::retryable`] whether trying again makes sense.
    async fn synthesize(&self, request: TtsRequest) -> Result<TtsStream, ProviderError>;
}
