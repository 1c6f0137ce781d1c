//! Speech recognition by Moonshine tiny (English), without a server.
//!
//! The model takes whole stretches of audio. A stream holds the audio of the open utterance and writes it down again
//! while it grows: every 0.4 s of new speech at most, as soon as the speaker seems to pause, and less often when that
//! would take more than a quarter of a core or others wait for the [`InferencePool`]. A checkpoint whose audio is
//! already written down is therefore answered at once; one that the next has superseded is answered with what is written
//! by then. Utterances of any length cost the same: from 20 s on the text before a pause is fixed and its audio forgotten.

mod activity;
mod input;
mod network;
mod signs;
mod stream;
mod utterance;
mod vocabulary;

use std::sync::Arc;

use async_trait::async_trait;
use stella_core::{
    error::ProviderError,
    stt::{Stt, SttCapabilities, SttOptions, SttSession},
};

use self::{network::Network, vocabulary::Vocabulary};
use crate::runtime::{Cache, InferencePool};

const NAME: &str = "moonshine";
const FOLDER: &str = "moonshine-tiny-en";

/// Moonshine tiny-en: 27 million parameters, English, 0.03-0.05 of a core while someone speaks, four times that with
/// interim texts.
#[derive(Debug, Clone)]
pub struct Moonshine {
    recogniser: Arc<Recogniser>,
    options: MoonshineOptions,
}

/// How Moonshine works for all its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoonshineOptions {
    /// Whether interim texts are made. Without them a stream costs about a fourth, but checkpoints are answered after a
    /// full recognition only. Default true.
    pub interim: bool,
}

impl Default for MoonshineOptions {
    fn default() -> Self {
        Self { interim: true }
    }
}

/// What all streams share.
#[derive(Debug)]
struct Recogniser {
    network: Network,
    vocabulary: Vocabulary,
    pool: InferencePool,
}

impl Moonshine {
    /// Loads `models/moonshine-tiny-en/` of the cache (`encoder_model.ort`, `decoder_model_merged.ort`, `tokens.txt`);
    /// it runs on [`InferencePool::global`]. Takes about 0.3 s.
    ///
    /// # Errors
    /// [`ProviderError::Model`] if a file is missing or damaged.
    pub fn load(cache: &Cache) -> Result<Self, ProviderError> {
        Self::load_on(cache, InferencePool::global(), MoonshineOptions::default())
    }

    /// As [`load`](Self::load), on a pool and with options of the caller's.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_on(cache: &Cache, pool: InferencePool, options: MoonshineOptions) -> Result<Self, ProviderError> {
        let vocabulary = Vocabulary::read(&cache.model(FOLDER, "tokens.txt"))?;
        let network = Network::load(cache, FOLDER, &vocabulary, pool.workers())?;
        Ok(Self { recogniser: Arc::new(Recogniser { network, vocabulary, pool }), options })
    }
}

#[async_trait]
impl Stt for Moonshine {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> SttCapabilities {
        SttCapabilities { interim: self.options.interim, ..SttCapabilities::default() }
    }

    async fn open(&self, options: &SttOptions) -> Result<SttSession, ProviderError> {
        let english = |tag: &str| tag.split('-').next().is_some_and(|language| language.eq_ignore_ascii_case("en"));
        if let Some(language) = options.language.as_deref().filter(|tag| !english(tag)) {
            let reason = format!("it knows English only, not {language:?}");
            return Err(ProviderError::InvalidRequest { provider: NAME, reason });
        }
        Ok(stream::open(self.recogniser.clone(), self.options))
    }
}
