//! What can go wrong with a session as a whole.

use stella_core::engine::OptionsError;

use crate::transport::TransportError;

/// Why a session could not be built. **Developer:** fix the call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A part is missing.
    #[error("the session has no {0}; give it one with `AgentSession::builder().{0}(...)`")]
    Missing(&'static str),
    /// An option lies outside its bounds.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The session speaks at 24 kHz; providers of other rates are resampled.
    #[error("option speech.sample_rate is {0} Hz, but the session always speaks at 24,000 Hz")]
    SampleRate(u32),
}

/// Why a session broke down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The transport could not be opened or closed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The recording cannot be written. **Caller:** choose another file.
    #[error("the recording cannot be written")]
    Recording(#[source] std::io::Error),
    /// A fault in the engine or the driver. **Maintainers:** report it, with a recording if there is one.
    #[error("the conversation broke down: {0}")]
    Broken(String),
}

impl SessionError {
    /// Whether a new session may succeed without a change.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Transport(error) => error.retryable(),
            Self::Recording(_) => false,
            Self::Broken(_) => true,
        }
    }
}
