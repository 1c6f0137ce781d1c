//! A session: one agent in one conversation.

mod builder;
mod driver;
mod error;
mod event;
mod handle;
mod hooks;
mod inputs;
mod publishing;
mod recording;
mod thinking;

use std::sync::Arc;

use stella_core::{
    engine::{Config, Judge},
    llm::Llm,
    tts::Tts,
};
use tokio::sync::mpsc;

pub use builder::AgentSessionBuilder;
pub use error::{BuildError, SessionError};
pub use event::{SessionEnd, SessionEvent};
pub use handle::{Ended, SessionHandle};
pub use thinking::LlmOptions;

pub(crate) use inputs::{Inputs, Message};

use crate::{agent::Agent, hearing::EarParts, speaking::VoiceOptions, transport::Transport};

/// One agent, ready to hold one conversation. Made by [`AgentSession::builder`].
pub struct AgentSession {
    parts: Parts,
    handle: SessionHandle,
    messages: mpsc::Receiver<Message>,
}

/// What a session is made of.
struct Parts {
    ear: EarParts,
    llm: Arc<dyn Llm>,
    llm_options: LlmOptions,
    tts: Arc<dyn Tts>,
    voice_options: VoiceOptions,
    judge: Box<dyn Judge>,
    config: Config,
    agent: Arc<dyn Agent>,
    record: recording::Record,
}

impl AgentSession {
    /// Begins to build a session.
    pub fn builder() -> AgentSessionBuilder {
        AgentSessionBuilder::default()
    }

    /// A handle, to be taken before [`run`](Self::run). It may be used at once: what is asked before the conversation has
    /// begun is done when it begins.
    #[must_use]
    pub fn handle(&self) -> SessionHandle {
        self.handle.clone()
    }

    /// Holds the conversation, from opening the transport to its end. Dropping the future ends it at once, without a word;
    /// [`SessionHandle::end`] is the polite way.
    ///
    /// # Errors
    /// [`SessionError`] if the transport cannot be opened or closed, or if the conversation broke down.
    pub async fn run(self, transport: impl Transport + 'static) -> Result<SessionEnd, SessionError> {
        driver::run(self.parts, self.handle, self.messages, Box::new(transport)).await
    }
}

impl std::fmt::Debug for AgentSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentSession")
            .field("llm", &self.parts.llm)
            .field("tts", &self.parts.tts)
            .finish_non_exhaustive()
    }
}
