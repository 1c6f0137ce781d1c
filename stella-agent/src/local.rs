//! Everything an agent needs, on this machine: Silero, Moonshine, smart-turn and Kokoro from the cache that
//! `cargo xtask setup` fills, and a language model behind any OpenAI-compatible address.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use stella_agent::{AgentSession, local::{LocalModels, LocalOptions}};
//!
//! let models = LocalModels::load(LocalOptions::from_env()).await?; // once per process
//! let session = AgentSession::builder().local(&models).build()?; // one per conversation
//! # drop(session); Ok(()) }
//! ```

use std::{env, sync::Arc};

use stella_core::{error::ProviderError, llm::Llm, stt::Stt, tts::Tts, turn_detector::TurnDetector, vad::Vad};
use stella_providers::{
    kokoro::{Kokoro, KokoroOptions},
    moonshine::Moonshine,
    openai::{ApiKey, OpenAiLlm},
    runtime::Cache,
    silero::Silero,
    smart_turn::SmartTurn,
};

use crate::AgentSessionBuilder;

/// Where the models are.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The folder with the models. Default: [`Cache::from_env`].
    pub cache: Cache,
    /// Address of the language model, such as `http://127.0.0.1:8080/v1`. Default: `STELLA_LLM_URL`.
    pub llm_url: Option<String>,
    /// Name of the language model. Default: `STELLA_LLM_MODEL`, else the first one that the server names.
    pub llm_model: Option<String>,
    /// Key of the language model. Default: `STELLA_LLM_KEY`, else none.
    pub llm_key: Option<ApiKey>,
    /// The voice.
    pub voice: KokoroOptions,
}

impl LocalOptions {
    /// What the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            cache: Cache::from_env(),
            llm_url: set("STELLA_LLM_URL"),
            llm_model: set("STELLA_LLM_MODEL"),
            llm_key: set("STELLA_LLM_KEY").map(ApiKey::from),
            voice: KokoroOptions::default(),
        }
    }
}

/// Why the models cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// No language model was named. **Operator:** name one.
    #[error(
        "no language model: set STELLA_LLM_URL to the address of an OpenAI-compatible server, such as http://127.0.0.1:8080/v1"
    )]
    NoLlm,
    /// The server offers no model. **Operator:** load one there, or set `STELLA_LLM_MODEL`.
    #[error("the language model server at {url} names no model: set STELLA_LLM_MODEL")]
    NoModel {
        /// The address.
        url: String,
    },
    /// The language model cannot be used. **Operator:** start its server, or correct address, name or key.
    #[error("the language model at {url} cannot be used")]
    LanguageModel {
        /// The address.
        url: String,
        /// Why.
        source: ProviderError,
    },
    /// A model cannot be loaded.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// Loading was interrupted, because the program ends.
    #[error("loading the models was interrupted")]
    Interrupted,
}

impl LocalError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Provider(error) | Self::LanguageModel { source: error, .. } => error.retryable(),
            Self::NoLlm | Self::NoModel { .. } | Self::Interrupted => false,
        }
    }
}

/// Loaded models, for any number of sessions at the same time.
#[derive(Debug, Clone)]
pub struct LocalModels {
    /// Voice activity.
    pub vad: Arc<dyn Vad>,
    /// Recognition.
    pub stt: Arc<dyn Stt>,
    /// End of turn.
    pub turn_detector: Arc<dyn TurnDetector>,
    /// Language model.
    pub llm: Arc<dyn Llm>,
    /// Voice.
    pub tts: Arc<dyn Tts>,
}

impl LocalModels {
    /// Loads the models, which takes about two seconds, and asks the language model's server whether it is there.
    ///
    /// # Errors
    /// [`LocalError`]: a file is missing, or the language model cannot be reached.
    pub async fn load(options: LocalOptions) -> Result<Self, LocalError> {
        let llm = language_model(&options).await?;
        let load = tokio::task::spawn_blocking(move || -> Result<Self, ProviderError> {
            Ok(Self {
                vad: Arc::new(Silero::load(&options.cache)?),
                stt: Arc::new(Moonshine::load(&options.cache)?),
                turn_detector: Arc::new(SmartTurn::load(&options.cache)?),
                llm,
                tts: Arc::new(Kokoro::load(&options.cache, options.voice)?),
            })
        });
        Ok(load.await.map_err(|_| LocalError::Interrupted)??)
    }
}

async fn language_model(options: &LocalOptions) -> Result<Arc<dyn Llm>, LocalError> {
    let url = options.llm_url.clone().ok_or(LocalError::NoLlm)?;
    let unusable = |source| LocalError::LanguageModel { url: without_credentials(&url), source };
    let build = |model: &str| {
        let mut builder = OpenAiLlm::builder(url.clone(), model);
        if let Some(key) = &options.llm_key {
            builder = builder.api_key(key.clone());
        }
        builder.build().map_err(unusable)
    };
    let llm = match &options.llm_model {
        Some(model) => {
            let llm = build(model)?;
            llm.check().await.map_err(unusable)?;
            llm
        }
        None => {
            let models = build("default")?.models().await.map_err(unusable)?;
            build(models.first().ok_or_else(|| LocalError::NoModel { url: without_credentials(&url) })?)?
        }
    };
    Ok(Arc::new(llm))
}

/// An address that may be shown.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

impl AgentSessionBuilder {
    /// Sets vad, stt, llm, tts and turn detector to local models.
    pub fn local(self, models: &LocalModels) -> Self {
        self.vad(models.vad.clone())
            .stt(models.stt.clone())
            .turn_detector(models.turn_detector.clone())
            .llm(models.llm.clone())
            .tts(models.tts.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_an_address_are_not_shown() {
        assert_eq!(without_credentials("http://127.0.0.1:8080/v1"), "http://127.0.0.1:8080/v1");
        assert_eq!(without_credentials("https://me:secret@host/v1?key=secret"), "https://host/v1");
        assert_eq!(without_credentials("http://me@host@host"), "http://host");
        assert_eq!(without_credentials("nonsense"), "nonsense");
    }

    #[tokio::test]
    async fn a_language_model_that_is_not_there_is_named() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{closed}/v1");
        let options = LocalOptions { llm_url: Some(url.clone()), ..LocalOptions::from_env() };
        let error = LocalModels::load(options).await.expect_err("nobody is there");
        assert!(error.retryable() && error.to_string().contains(&url), "{error}");
    }
}
