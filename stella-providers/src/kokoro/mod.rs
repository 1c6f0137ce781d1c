//! Speech synthesis by Kokoro-82M (English), without a server.
//!
//! A text is made plain words ([`Tts`] callers may send numbers, links, even Markdown), the words become phonemes, and
//! the network speaks them clause by clause, so that the first is heard while the next is made. The network also says how
//! long each phoneme lasts; as every phoneme knows the characters it was made from, that gives the times of the words.

mod clauses;
mod cost;
mod exposed;
mod letters;
mod markup;
mod network;
mod normalize;
mod numbers;
mod pairing;
mod phonemes;
mod sound;
mod stream;
mod times;
mod traced;
mod voice;
mod words;

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use stella_core::{
    audio::AudioFormat,
    error::ProviderError,
    tts::{Tts, TtsCapabilities, TtsRequest, TtsStream},
};

use self::{
    cost::Cost,
    phonemes::{Accent, Alphabet, Pronouncer},
    voice::Voices,
};
use crate::runtime::{Cache, InferencePool, Model, ModelOptions};

const NAME: &str = "kokoro";
const FOLDER: &str = "kokoro-82m";

/// How Kokoro speaks unless a request says otherwise, and what it may use.
#[derive(Debug, Clone, PartialEq)]
pub struct KokoroOptions {
    /// Name of the voice: the first letter is the accent (a American, b British), the second f or m. Default
    /// `af_heart`.
    pub voice: String,
    /// Pace, 0.5-2. Default 1.
    pub speed: f32,
    /// Threads inside one run. Default 1: on shared cores two are slower than one; on idle ones they save a third.
    pub threads: usize,
    /// Clauses spoken at the same time by all streams; each beyond the first takes 0.2-0.5 GB. Default: one less than
    /// the pool's workers, at least 1, so that speaking never holds up listening.
    pub concurrency: Option<usize>,
}

impl Default for KokoroOptions {
    fn default() -> Self {
        Self { voice: "af_heart".to_owned(), speed: 1.0, threads: 1, concurrency: None }
    }
}

/// Kokoro-82M: 24 kHz, about 28 English voices, 0.7-0.8 s of one core for a second of speech. Times of words
/// come from the durations the network speaks by, in steps of 25 ms.
#[derive(Debug, Clone)]
pub struct Kokoro {
    speaker: Arc<Speaker>,
    options: KokoroOptions,
}

/// What all streams share.
#[derive(Debug)]
struct Speaker {
    model: Arc<Model>,
    alphabet: Alphabet,
    voices: Voices,
    american: OnceLock<Pronouncer>,
    british: OnceLock<Pronouncer>,
    cost: Cost,
    pool: InferencePool,
}

impl Speaker {
    fn pronouncer(&self, accent: Accent) -> &Pronouncer {
        let slot = match accent {
            Accent::American => &self.american,
            Accent::British => &self.british,
        };
        slot.get_or_init(|| Pronouncer::new(accent))
    }
}

impl Kokoro {
    /// Loads `models/kokoro-82m/` of the cache (`kokoro-v1.0.int8.onnx`, `vocab.json`, `voices/<name>.bin`); it runs on
    /// [`InferencePool::global`]. Takes about 1.5 s.
    ///
    /// # Errors
    /// [`ProviderError::Model`] if a file is missing or damaged, [`ProviderError::InvalidRequest`] if the options name
    /// no voice there is or a pace outside 0.5-2.
    pub fn load(cache: &Cache, options: KokoroOptions) -> Result<Self, ProviderError> {
        Self::load_on(cache, InferencePool::global(), options)
    }

    /// As [`load`](Self::load), on a pool of the caller's.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_on(cache: &Cache, pool: InferencePool, options: KokoroOptions) -> Result<Self, ProviderError> {
        let concurrency = options.concurrency.unwrap_or_else(|| pool.workers().saturating_sub(1)).max(1);
        let running = ModelOptions { threads: options.threads, concurrency, ..ModelOptions::default() };
        let file = cache.model(FOLDER, "kokoro-v1.0.int8.onnx");
        let model = Model::load_with(cache, NAME, file, running, network::DURATIONS.appendix())?;
        let alphabet = Alphabet::read(&cache.model(FOLDER, "vocab.json"))?;
        let voices = Voices::new(cache);
        let (american, british) = (OnceLock::new(), OnceLock::new());
        let speaker = Speaker { model, alphabet, voices, american, british, cost: Cost::default(), pool };
        let kokoro = Self { speaker: Arc::new(speaker), options };
        let plan = kokoro.plan(&TtsRequest::default())?;
        kokoro.speaker.pronouncer(plan.accent);
        Ok(kokoro)
    }

    /// Names of the voices in the cache.
    #[must_use]
    pub fn voices(&self) -> Vec<String> {
        self.speaker.voices.names()
    }

    /// What a request asks for, with the defaults filled in.
    fn plan(&self, request: &TtsRequest) -> Result<stream::Plan, ProviderError> {
        let refuse = |reason| Err(ProviderError::InvalidRequest { provider: NAME, reason });
        let name = request.voice.as_deref().unwrap_or(&self.options.voice);
        let voice = self.speaker.voices.get(name)?;
        let speed = request.speed.unwrap_or(self.options.speed);
        if !(0.5..=2.0).contains(&speed) {
            return refuse(format!("the speed {speed} is outside 0.5-2"));
        }
        let mut accent = if name.starts_with('b') { Accent::British } else { Accent::American };
        if let Some(tag) = &request.language {
            accent = match tag.to_ascii_lowercase().split(['-', '_']).collect::<Vec<_>>()[..] {
                ["en"] => accent,
                ["en", "gb" | "ie" | "au" | "nz" | "za", ..] => Accent::British,
                ["en", ..] => Accent::American,
                _ => return refuse(format!("it speaks English only, not {tag:?}")),
            };
        }
        Ok(stream::Plan { voice, speed, accent })
    }
}

#[async_trait]
impl Tts for Kokoro {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> TtsCapabilities {
        TtsCapabilities { streaming: true, word_times: true }
    }

    fn format(&self) -> AudioFormat {
        AudioFormat::VOICE
    }

    async fn synthesize(&self, request: TtsRequest) -> Result<TtsStream, ProviderError> {
        let plan = self.plan(&request)?;
        Ok(stream::open(self.speaker.clone(), plan, &request.text))
    }
}
