//! Synthesisers, one after the other.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use stella_core::{
    audio::AudioFormat,
    error::ProviderError,
    tts::{Tts, TtsCapabilities, TtsEvent, TtsRequest, TtsStream},
};

use super::{FallbackOptions, Line};

/// Asks the next synthesiser when one fails before its first part. A voice is asked for by name: where only the first
/// knows it, the others should have it as an alias or be given none.
#[derive(Debug)]
pub struct FallbackTts(Line<dyn Tts>);

impl FallbackTts {
    /// Synthesisers in the order in which they are asked.
    ///
    /// # Errors
    /// [`ProviderError::InvalidRequest`] names one whose audio has another format than the first one's.
    pub fn new(
        first: Arc<dyn Tts>,
        others: impl IntoIterator<Item = Arc<dyn Tts>>,
        options: FallbackOptions,
    ) -> Result<Self, ProviderError> {
        let line = Line::new(first, others, options);
        let format = line.first().format();
        match line.providers.iter().find(|tts| tts.format() != format) {
            Some(other) => Err(ProviderError::InvalidRequest {
                provider: other.name(),
                reason: format!("its audio is {:?}, that of {} is {format:?}", other.format(), line.first().name()),
            }),
            None => Ok(Self(line)),
        }
    }
}

/// The first part of the audio, if any, and the rest of it.
async fn begin(tts: &dyn Tts, request: TtsRequest) -> Result<(Option<TtsEvent>, TtsStream), ProviderError> {
    let mut rest = tts.synthesize(request).await?;
    Ok((rest.next().await.transpose()?, rest))
}

#[async_trait]
impl Tts for FallbackTts {
    fn name(&self) -> &'static str {
        self.0.first().name()
    }

    /// What all of them can do.
    fn capabilities(&self) -> TtsCapabilities {
        let all = |can: fn(TtsCapabilities) -> bool| self.0.providers.iter().all(|tts| can(tts.capabilities()));
        TtsCapabilities { streaming: all(|can| can.streaming), word_times: all(|can| can.word_times) }
    }

    fn format(&self) -> AudioFormat {
        self.0.first().format()
    }

    async fn synthesize(&self, request: TtsRequest) -> Result<TtsStream, ProviderError> {
        let ask = |tts| begin(tts, request.clone());
        let ((first, audio), rest) = self.0.ask(|tts| tts.name(), ask).await?;
        let audio = audio.inspect(move |event| {
            if let Err(error) = event {
                rest.take(error);
            }
        });
        Ok(stream::iter(first.map(Ok)).chain(audio).boxed())
    }
}
