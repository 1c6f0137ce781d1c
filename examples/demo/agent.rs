//! The agent: local models, a language model behind an address, one session in the room.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use stella_agent::{
    AgentSession, BasicAgent, LlmOptions,
    local::{LocalModels, LocalOptions},
};
use stella_core::engine::Options;
use stella_providers::{kokoro::KokoroOptions, openai::ApiKey, runtime::Cache};

use super::voice::{Meter, Metered};

/// The agent's voice; the user has another.
const VOICE: &str = "af_heart";
/// Most tokens of an answer: about 25 s of speech, more than anybody listens to.
const MAX_TOKENS: u32 = 80;

const INSTRUCTIONS: &str = "You are Stella, a friendly voice assistant. Reply with one short, plain sentence. When the \
                            user reads a long text to you, thank the user for reading. Only when the user asks for a \
                            story, tell a story of six sentences.";

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

/// Loads every model that runs in this process, and asks whether the language model is there.
pub(crate) async fn models(cache: Cache, llm: LlmAddress) -> Result<LocalModels> {
    let options = LocalOptions {
        cache,
        llm_url: Some(llm.url),
        llm_model: Some(llm.model),
        llm_key: llm.key.map(ApiKey::from),
        voice: KokoroOptions { voice: VOICE.to_owned(), ..KokoroOptions::default() },
    };
    LocalModels::load(options).await.context("the models cannot be used")
}

/// Options for a small model and a slow voice on few cores.
fn options() -> Options {
    let mut options = Options::default();
    // A reader pauses up to 0.9 s between clauses, and a text cut there is understood worse. Waiting costs nothing: the
    // answer is begun at once, speculatively, and needs longer than that.
    options.endpointing.wait_complete = Duration::from_millis(950);
    options.endpointing.wait_unsure = Duration::from_millis(1_200);
    options.endpointing.wait_incomplete = Duration::from_millis(1_800);
    // A model on one shared core reads 50 tokens a second, and the user reads a page.
    options.recovery.first_token_by = Duration::from_secs(12);
    options.recovery.first_audio_by = Duration::from_secs(8);
    // Kokoro needs 0.75 s for a second of speech: what is made ahead must cover the longest clause.
    options.speech.look_ahead = Duration::from_secs(6);
    options.speech.clause = 40;
    options.speech.max_clause = 120;
    options
}

/// A session, ready to run. The engine's part of it is recorded into a file.
pub(crate) fn session(models: &LocalModels, meter: Meter, record: &Path) -> Result<AgentSession> {
    let llm_options = LlmOptions { temperature: Some(0.0), max_tokens: Some(MAX_TOKENS) };
    AgentSession::builder()
        .local(models)
        .tts(Arc::new(Metered { inner: models.tts.clone(), meter }))
        .llm_options(llm_options)
        .options(options())
        .agent(BasicAgent::new(INSTRUCTIONS).greeting(GREETING))
        .record(record)
        .build()
        .context("the agent cannot be built")
}
