//! The application's side of a running session.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use stella_core::{
    chat::{ChatContext, ChatItem},
    engine::{CloseReason, Input, ReplyOptions, TypedPolicy},
    id::{MessageId, SpeakerId},
};
use tokio::sync::{broadcast, mpsc, watch};

use super::{event::SessionEvent, inputs::Message};
use crate::agent::Agent;

/// Events kept for a slow subscriber before the oldest are lost to it.
const EVENTS: usize = 1_024;

/// The session is over, so nothing can be asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct Ended;

/// Asks things of a session and follows it. Cheap to clone. Calls only wait while the session has no time to take them.
#[derive(Clone)]
pub struct SessionHandle {
    sender: mpsc::Sender<Message>,
    shared: Arc<Shared>,
}

struct Shared {
    events: broadcast::Sender<SessionEvent>,
    history: RwLock<ChatContext>,
    messages: AtomicU64,
    closed: watch::Sender<Option<CloseReason>>,
}

impl SessionHandle {
    pub(super) fn new(sender: mpsc::Sender<Message>) -> Self {
        let shared = Shared {
            events: broadcast::channel(EVENTS).0,
            history: RwLock::default(),
            messages: AtomicU64::new(0),
            closed: watch::channel(None).0,
        };
        Self { sender, shared: Arc::new(shared) }
    }

    /// Says a text, after what is being said, and not into the words of somebody who is speaking: that is waited for, up to
    /// [`give_way`](stella_core::engine::ConversationOptions::give_way).
    ///
    /// # Errors
    /// [`Ended`], as all calls of a handle.
    pub async fn say(&self, text: impl Into<String>) -> Result<(), Ended> {
        self.say_with(text, ReplyOptions::default()).await
    }

    /// Says a text. What may not be interrupted waits for nobody who is speaking.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn say_with(&self, text: impl Into<String>, options: ReplyOptions) -> Result<(), Ended> {
        self.input(Input::Say { text: text.into(), options }).await
    }

    /// Makes the model speak by its own initiative. `instructions` hold for this reply only, and may be empty.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn generate(&self, instructions: impl Into<String>) -> Result<(), Ended> {
        self.generate_with(instructions, ReplyOptions::default()).await
    }

    /// As [`generate`](Self::generate), with options.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn generate_with(&self, instructions: impl Into<String>, options: ReplyOptions) -> Result<(), Ended> {
        self.input(Input::Generate { instructions: instructions.into(), options }).await
    }

    /// Stops the agent's reply; with `force` also one that may not be interrupted.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn interrupt(&self, force: bool) -> Result<(), Ended> {
        self.input(Input::Interrupt { force }).await
    }

    /// Ends the user's turn: what was said so far is answered. Needed in
    /// [`EndpointingMode::Manual`](stella_core::engine::EndpointingMode::Manual), possible in every mode.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn commit_turn(&self) -> Result<(), Ended> {
        self.input(Input::CommitTurn).await
    }

    /// Forgets what the user has said and typed since the last committed turn.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn clear_turn(&self) -> Result<(), Ended> {
        self.input(Input::ClearTurn).await
    }

    /// Types as the user: it is answered like speech. An event confirms the message's arrival under its id.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn type_text(&self, text: impl Into<String>, policy: TypedPolicy) -> Result<MessageId, Ended> {
        let message = self.next_message();
        self.send(Message::Typed { message, text: text.into(), policy }).await?;
        Ok(message)
    }

    /// Lets the speech of one participant drive the turns; `None` for everybody's, as it is at first. What becomes of the
    /// words of others, [`others`](stella_core::engine::ConversationOptions::others) says.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn link(&self, speaker: Option<SpeakerId>) -> Result<(), Ended> {
        self.input(Input::Link { speaker }).await
    }

    /// Lets another agent take over: its instructions and tools hold from the next generation on, and it enters.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn update_agent(&self, agent: impl Agent) -> Result<(), Ended> {
        self.send(Message::UpdateAgent(Arc::new(agent))).await
    }

    /// Adds an item to what the model is shown, at the end of the history.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn add_history(&self, item: ChatItem) -> Result<(), Ended> {
        self.input(Input::AddHistory { item }).await
    }

    /// Ends the conversation, with last words if time allows; it is over after `within` at the latest.
    ///
    /// # Errors
    /// [`Ended`], if it is over already.
    pub async fn end(&self, reason: CloseReason, farewell: Option<String>, within: Duration) -> Result<(), Ended> {
        self.input(Input::End { reason, farewell, within }).await
    }

    /// What happens from now on. A subscriber that is more than 1,024 events behind loses the oldest, and is told so.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<SessionEvent> {
        self.shared.events.subscribe()
    }

    /// What was said and heard so far.
    #[must_use]
    pub fn history(&self) -> ChatContext {
        self.shared.history.read().clone()
    }

    /// Returns when the conversation is over, with the reason.
    pub async fn closed(&self) -> CloseReason {
        let mut closed = self.shared.closed.subscribe();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(CloseReason::Application),
            // Not possible: this handle holds the sender.
            Err(_) => CloseReason::Application,
        }
    }

    async fn input(&self, input: Input) -> Result<(), Ended> {
        self.send(Message::Input(input)).await
    }

    async fn send(&self, message: Message) -> Result<(), Ended> {
        self.sender.send(message).await.map_err(|_| Ended)
    }

    pub(super) fn sender(&self) -> mpsc::Sender<Message> {
        self.sender.clone()
    }

    pub(super) fn next_message(&self) -> MessageId {
        MessageId(self.shared.messages.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn tell(&self, event: SessionEvent) {
        // An error means that nobody listens.
        let _ = self.shared.events.send(event);
    }

    pub(super) fn remember(&self, item: ChatItem) {
        self.shared.history.write().push(item);
    }

    pub(super) fn close(&self, reason: &CloseReason) {
        self.shared.closed.send_if_modified(|closed| {
            let first = closed.is_none();
            if first {
                *closed = Some(reason.clone());
            }
            first
        });
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").field("closed", &*self.shared.closed.borrow()).finish_non_exhaustive()
    }
}
