//! Tells the room what happens in the conversation.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use stella_core::engine::{AgentState, Event};
use stella_rtc::{AudioSink, ConnectionState, RtcError, RtcSession};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{RoomOptions, people::People, transcripts::Transcripts};
use crate::transport::Publisher;

/// Attribute with the agent's state.
const STATE: &str = "lk.agent.state";
/// Attribute with the agent's name.
const NAME: &str = "lk.agent.name";

/// Writes attributes and transcripts.
pub(super) struct RoomPublisher {
    state: watch::Sender<&'static str>,
    transcripts: Transcripts,
    _states: AbortOnDropHandle<()>,
}

impl RoomPublisher {
    pub(super) fn new(
        session: Arc<dyn RtcSession>,
        voice: Arc<dyn AudioSink>,
        people: People,
        options: &RoomOptions,
    ) -> Self {
        let (state, states) = watch::channel("initializing");
        let name = options.agent_name.clone();
        let task = tokio::spawn(publish_states(session.clone(), name, states));
        let transcripts = Transcripts::new(session, voice, people, options.legacy_transcription);
        Self { state, transcripts, _states: AbortOnDropHandle::new(task) }
    }
}

/// Publishes the newest state, so that states never pile up behind a slow server.
async fn publish_states(session: Arc<dyn RtcSession>, name: Option<String>, mut states: watch::Receiver<&'static str>) {
    let mut attributes: HashMap<String, String> = name.into_iter().map(|name| (NAME.to_owned(), name)).collect();
    loop {
        attributes.insert(STATE.to_owned(), (*states.borrow_and_update()).to_owned());
        match session.set_attributes(attributes.clone()).await {
            Ok(()) => attributes.clear(),
            Err(RtcError::NotPermitted { .. }) => {
                tracing::warn!("clients cannot see the agent's state: its token lacks the grant canUpdateOwnMetadata");
                return;
            }
            // The session sends it again when the connection is back.
            Err(error) if session.state() != ConnectionState::Connected => {
                tracing::debug!(%error, "the agent's state is not published yet");
            }
            Err(error) => tracing::warn!(%error, "the agent's state could not be published"),
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Publisher for RoomPublisher {
    async fn entered(&mut self) {
        // Unless a reply has begun already.
        self.state.send_if_modified(|state| {
            let first = *state == "initializing";
            if first {
                *state = "listening";
            }
            first
        });
    }

    async fn publish(&mut self, event: &Event) {
        match event {
            Event::AgentState(state) => {
                self.state.send_replace(match state {
                    AgentState::Listening => "listening",
                    AgentState::Thinking => "thinking",
                    AgentState::Speaking => "speaking",
                });
            }
            Event::UserTranscript { speaker, utterance, text, is_final } => {
                self.transcripts.user(*speaker, *utterance, text, *is_final).await;
            }
            Event::AgentSpoke { reply, text } | Event::AgentUnspoken { reply, text } => {
                self.transcripts.agent(*reply, text).await;
            }
            Event::ReplyEnded { reply, .. } => self.transcripts.agent_ended(*reply).await,
            _ => {}
        }
    }
}
