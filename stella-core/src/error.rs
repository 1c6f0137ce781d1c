//! Errors of providers: recognisers, language models, synthesisers, detectors.

use std::{path::PathBuf, time::Duration};

/// Any error, boxed, as the cause of another.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a provider could not do what it was asked. The variants say who can act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The request can never succeed: the caller must change it (unknown voice, audio of a wrong rate, text too long).
    #[error("{provider} cannot take this request: {reason}")]
    InvalidRequest {
        /// Name of the provider.
        provider: &'static str,
        /// What is wrong, for the developer.
        reason: String,
    },
    /// The operator must supply other credentials.
    #[error("{provider} refused the credentials")]
    Unauthorized {
        /// Name of the provider.
        provider: &'static str,
    },
    /// Too much is asked of the provider at once.
    #[error("{provider} is overloaded")]
    Overloaded {
        /// Name of the provider.
        provider: &'static str,
        /// How long the provider asks to wait, if it says.
        retry_after: Option<Duration>,
    },
    /// No answer, or no further part of it, came in time.
    #[error("{provider} did not answer within {after:?}")]
    Timeout {
        /// Name of the provider.
        provider: &'static str,
        /// The limit that passed.
        after: Duration,
    },
    /// The connection could not be made or broke.
    #[error("{provider} could not be reached")]
    Transport {
        /// Name of the provider.
        provider: &'static str,
        /// The cause.
        source: BoxError,
    },
    /// The provider answered something that breaks its own protocol.
    #[error("{provider} gave an answer that cannot be used: {reason}")]
    Protocol {
        /// Name of the provider.
        provider: &'static str,
        /// What was wrong with the answer, without its content.
        reason: String,
    },
    /// A model file or library is missing or damaged: the operator must fetch it again.
    #[error("{provider} cannot load {file}: {reason} (`cargo xtask setup` fetches it again)", file = file.display())]
    Model {
        /// Name of the provider.
        provider: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The provider failed inside.
    #[error("{provider} failed")]
    Internal {
        /// Name of the provider.
        provider: &'static str,
        /// The cause.
        source: BoxError,
    },
}

impl ProviderError {
    /// Whether the same request may succeed later. Retry and fallback ask only this, never the variant.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Overloaded { .. } | Self::Timeout { .. } | Self::Transport { .. } | Self::Protocol { .. } => true,
            Self::InvalidRequest { .. } | Self::Unauthorized { .. } | Self::Model { .. } | Self::Internal { .. } => {
                false
            }
        }
    }

    /// Name of the provider that failed.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        match self {
            Self::InvalidRequest { provider, .. }
            | Self::Unauthorized { provider }
            | Self::Overloaded { provider, .. }
            | Self::Timeout { provider, .. }
            | Self::Transport { provider, .. }
            | Self::Protocol { provider, .. }
            | Self::Model { provider, .. }
            | Self::Internal { provider, .. } => provider,
        }
    }
}

/// The error and all its causes in one line, for a log: `Display` shows only the outermost.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
