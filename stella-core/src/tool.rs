//! The seam to tools: what a model can make the agent do.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{chat::ToolSpec, error::BoxError};

/// What happens to a running tool when the user interrupts the reply that asked for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInterrupt {
    /// Its future is dropped at its next await point; the model is told "cancelled".
    #[default]
    Cancel,
    /// It goes on in the background; the model is told so, and of the result when it comes.
    Continue,
}

/// How a tool may be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolPolicy {
    /// Whether a call changes nothing outside, so that it may run for a reply that is later rolled back. Default false.
    pub read_only: bool,
    /// Time after which the call counts as failed. Default 20 s.
    pub timeout: Duration,
    /// What an interruption does to it. Default: cancel.
    pub on_interrupt: OnInterrupt,
    /// Whether the model need not say anything after it, because what it does can be heard or seen: music begins, a call
    /// is transferred. Default false: a model that says nothing is asked again, and then the agent apologises.
    #[serde(default)]
    pub quiet: bool,
}

impl Default for ToolPolicy {
    fn default() -> Self {
        Self { read_only: false, timeout: Duration::from_secs(20), on_interrupt: OnInterrupt::Cancel, quiet: false }
    }
}

/// Why a tool call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// There is no tool of this name; the model is told which there are.
    #[error("there is no tool named {name:?}")]
    Unknown {
        /// The name the model used.
        name: String,
    },
    /// The arguments do not fit the schema; the model is told how, and can mend it.
    #[error("the arguments do not fit: {reason}")]
    Arguments {
        /// What does not fit.
        reason: String,
    },
    /// The tool says no, in words meant for the model.
    #[error("{0}")]
    Refused(String),
    /// The tool took longer than its policy allows.
    #[error("the tool did not finish within {0:?}")]
    Timeout(Duration),
    /// The tool failed inside. The model is told only that; the cause is for the log.
    #[error("the tool failed")]
    Internal {
        /// The cause.
        source: BoxError,
    },
}

impl ToolError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Internal { .. } => true,
            Self::Unknown { .. } | Self::Arguments { .. } | Self::Refused(_) => false,
        }
    }
}

/// Something the model can ask the agent to do.
#[async_trait]
pub trait Tool: fmt::Debug + Send + Sync {
    /// Name, description and argument schema for the model.
    fn spec(&self) -> &ToolSpec;

    /// How calls may be run. Default: [`ToolPolicy::default`].
    fn policy(&self) -> ToolPolicy {
        ToolPolicy::default()
    }

    /// Runs one call. Dropping the future cancels it, so a step that must not be torn belongs in a task of its own.
    /// A string result is given to the model as it is, anything else as JSON.
    ///
    /// # Errors
    /// [`ToolError`]; its text goes to the model, except the cause of [`ToolError::Internal`].
    async fn call(&self, arguments: Value) -> Result<Value, ToolError>;
}
