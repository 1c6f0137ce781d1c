//! The agent: local models, a language model behind an address, one session in the room.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use stella_agent::{AgentSession, BasicAgent, LlmOptions};
use stella_core::{
    engine::Options,
    error::ProviderError,
    stt::Stt,
    turn_detector::TurnDetector,
    vad::Vad,
};
use stella_providers::{
    kokoro::{Kokoro, KokoroOptions},
    moonshine::Moonshine,
    openai::OpenAiLlm,
    runtime::Cache,
    silero::Silero,
    smart_turn::SmartTurn,
};

use super::voice::{Meter, Metered};

/// The agent's voice; the user has another.
const VOICE: &str = "af_heart";
/// Most tokens of an answer: about 25 s of speech, more than anybody listens to.
const MAX_TOKENS: u32 = 80;

const INSTRUCTIONS: &str = "You are Stella, a friendly voice assistant. Your words are spoken aloud, so use plain \
                            sentences only. Answer every question with one short sentence of at most fifteen words. \
                            Only if the user asks for a story, tell one of six sentences.";

/// What the agent says first.
pub(crate) const GREETING: &str = "Hello, I am Stella. What would you like to tell me?";
/// What the agent says last.
pub(crate) const FAREWELL: &str = "It was nice to talk with you. Goodbye!";

/// Where the language model is.
#[derive(Debug, Clone)]
pub(crate) struct LlmAddress {
    pub(crate) url: String,
    pub(crate) model: String,
    pub(crate) key: Option<String>,
}

/// Every model that runs in this process, loaded.
#[derive(Debug, Clone)]
pub(crate) struct Models {
    vad: Arc<dyn Vad>,
    stt: Arc<dyn Stt>,
    detector: Arc<dyn TurnDetector>,
    pub(crate) tts: Kokoro,
}

impl Models {
    /// Loads them all; takes some seconds of the calling thread.
    pub(crate) fn load(cache: &Cache) -> Result<Self, ProviderError> {
        std::thread::scope(|scope| {
            let tts = scope.spawn(|| {
                Kokoro::load(cache, KokoroOptions { voice: VOICE.to_owned(), ..KokoroOptions::default() })
            });
            let vad = Arc::new(Silero::load(cache)?);
            let detector = Arc::new(SmartTurn::load(cache)?);
            let stt = Arc::new(Moonshine::load(cache)?);
            let tts = tts.join().unwrap_or_else(|_| {
                Err(ProviderError::Internal { provider: "kokoro", source: "loading it panicked".into() })
            })?;
            Ok(Self { vad, stt, detector, tts })
        })
    }
}

/// A language model that is there.
///
/// # Errors
/// If it is not, or does not know the model.
pub(crate) async fn language_model(address: &LlmAddress) -> Result<OpenAiLlm> {
    let mut builder = OpenAiLlm::builder(&address.url, &address.model).temperature(0.0);
    if let Some(key) = &address.key {
        builder = builder.api_key(key.as_str());
    }
    let llm = builder.build().context("the language model cannot be used")?;
    llm.check().await.with_context(|| format!("the language model at {} cannot be used", address.url))?;
    Ok(llm)
}

/// Options for a small model and a slow voice on few cores.
fn options() -> Options {
    let mut options = Options::default();
    // A model on one shared core reads 50 tokens a second, and the user reads a page.
    options.recovery.first_token_by = Duration::from_secs(12);
    options.recovery.first_audio_by = Duration::from_secs(8);
    // Kokoro needs 0.75 s for a second of speech: what is made ahead must cover the longest clause.
    options.speech.look_ahead = Duration::from_secs(6);
    options.speech.clause = 40;
    options.speech.max_clause = 120;
    options
}

/// A session, ready to run.
pub(crate) fn session(models: &Models, llm: OpenAiLlm, meter: Meter) -> Result<AgentSession> {
    let llm_options = LlmOptions { max_tokens: Some(MAX_TOKENS), ..LlmOptions::default() };
    AgentSession::builder()
        .vad(models.vad.clone())
        .stt(models.stt.clone())
        .turn_detector(models.detector.clone())
        .tts(Arc::new(Metered { inner: models.tts.clone(), meter }))
        .llm(Arc::new(llm))
        .llm_options(llm_options)
        .options(options())
        .agent(BasicAgent::new(INSTRUCTIONS).greeting(GREETING))
        .build()
        .context("the agent cannot be built")
}
