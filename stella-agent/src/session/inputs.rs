//! The way to the driver.

use std::sync::Arc;

use stella_core::{
    engine::{Input, TypedPolicy},
    id::MessageId,
};
use tokio::sync::mpsc;

use crate::agent::Agent;

/// What waits for the driver at most. The driver only computes, so a full queue means that the process has no time.
pub(super) const CAPACITY: usize = 1_024;

/// Something for the driver.
pub(crate) enum Message {
    /// For the engine.
    Input(Input),
    /// The application typed.
    Typed { message: MessageId, text: String, policy: TypedPolicy },
    /// Another agent takes over.
    UpdateAgent(Arc<dyn Agent>),
}

/// Sends to the driver. When its queue is full, senders wait, and nothing is lost: a recogniser, a model or a
/// synthesiser is then held up by a few milliseconds. Only positions are left out, because the next one replaces them.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    sender: mpsc::Sender<Message>,
}

impl Inputs {
    pub(crate) fn new(sender: mpsc::Sender<Message>) -> Self {
        Self { sender }
    }

    /// Sends, and waits while the queue is full. After the end of the session nothing is sent.
    pub(crate) async fn send(&self, input: Input) {
        let _ = self.sender.send(Message::Input(input)).await;
    }

    /// Sends unless the queue is full; for what is replaced by the next of its kind.
    pub(crate) fn report(&self, input: Input) -> bool {
        self.sender.try_send(Message::Input(input)).is_ok()
    }
}
