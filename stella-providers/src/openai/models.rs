//! What can be known before the first turn.

use stella_core::error::ProviderError;
use tokio::time::{Instant, timeout_at};

use super::{
    failure::{self, protocol},
    llm::OpenAiLlm,
    wire::{Model, ModelList},
};

/// Most names in an error.
const NAMES: usize = 10;

impl OpenAiLlm {
    /// The names of the models the server has.
    ///
    /// # Errors
    /// As [`check`](Self::check), except that an absent model is none.
    pub async fn models(&self) -> Result<Vec<String>, ProviderError> {
        Ok(self.list().await?.into_iter().map(|model| model.id).collect())
    }

    /// Asks the server whether it can be used, once and without repetition, and leaves a connection open for the first
    /// generation. For the start of a program: what is wrong is said there, and not in the first turn.
    ///
    /// A llama.cpp server with one model answers to any name, so any name is right there.
    ///
    /// # Errors
    /// * [`ProviderError::Transport`], [`ProviderError::Timeout`]: there is no server.
    /// * [`ProviderError::InvalidRequest`]: the address leads elsewhere, or the server does not have the model; the
    ///   error names those it has.
    /// * [`ProviderError::Unauthorized`]: the key is missing or wrong.
    /// * [`ProviderError::Overloaded`]: the server is still loading its model; ask again.
    pub async fn check(&self) -> Result<(), ProviderError> {
        let models = self.list().await?;
        let any_name = matches!(&models[..], [only] if only.owned_by.as_deref() == Some("llamacpp"));
        if any_name || models.iter().any(|model| model.id == self.model()) {
            return Ok(());
        }
        let mut names: Vec<_> = models.iter().take(NAMES).map(|model| model.id.as_str()).collect();
        if models.len() > NAMES {
            names.push("…");
        }
        let has = if names.is_empty() { "no models".to_owned() } else { names.join(", ") };
        let reason = format!("the server has no model {:?}; it has {has}", self.model());
        Err(failure::invalid(reason))
    }

    async fn list(&self) -> Result<Vec<Model>, ProviderError> {
        let url = self.url("models");
        let by = Instant::now() + self.timeouts.first;
        let late = || failure::timeout(self.timeouts.first);
        let response = timeout_at(by, self.send(self.client.get(url.clone()))).await.map_err(|_| late())?;
        let mut response = response.map_err(|failure| match failure.error {
            ProviderError::InvalidRequest { reason, .. } => {
                failure::invalid(format!("{reason} (asked {url}: is base_url right? It usually ends in /v1)"))
            }
            error => error,
        })?;
        let mut body = Vec::new();
        while let Some(chunk) = timeout_at(by, response.chunk())
            .await
            .map_err(|_| late())?
            .map_err(|error| failure::transport(error.without_url()))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > self.limits.answer {
                return Err(protocol(format!("it is longer than {} bytes", self.limits.answer)));
            }
        }
        let list: ModelList = serde_json::from_slice(&body)
            .map_err(|_| failure::invalid(format!("{url} does not list models: is base_url right?")))?;
        Ok(list.data)
    }
}
