//! How the command fails: one line, and an exit code.

use std::{fmt, process::ExitCode};

use stella_agent::{BuildError, SessionError, local::LocalError, transport::TransportError, wav::AudioFileError};
use stella_core::error::chain;

/// Why the command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// The user has to call the command differently: exit code 2, as for a flag that does not exist.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 2 }
    }

    /// Something failed: exit code 1.
    pub(crate) fn other(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// The user stopped the command for the second time: exit code 130, as shells have it for Ctrl-C.
    pub(crate) fn stopped() -> Self {
        Self { text: "stopped at once, at the second request".into(), code: 130 }
    }

    /// The same, where it happened.
    pub(crate) fn at(self, place: &str) -> Self {
        Self { text: format!("{place}: {}", self.text), ..self }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<AudioFileError> for Failure {
    fn from(error: AudioFileError) -> Self {
        Self::usage(chain(&error))
    }
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::File(error) => error.into(),
            error => Self::other(chain(&error)),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Transport(error) => error.into(),
            error => Self::other(chain(&error)),
        }
    }
}

impl From<LocalError> for Failure {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::NoLlm | LocalError::NoModel { .. } => Self::usage(chain(&error)),
            error => Self::other(chain(&error)),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        Self::usage(chain(&error))
    }
}
