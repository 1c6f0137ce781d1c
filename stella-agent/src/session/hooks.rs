//! Calling the agent.

use std::{sync::Arc, time::Duration};

use stella_core::{
    engine::{CloseReason, Input, Review, TurnLimit},
    id::TurnId,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::{SessionEvent, SessionHandle, inputs::Inputs};
use crate::{
    agent::{Agent, UserTurn},
    guard,
    transport::Participant,
};

/// Events that wait for a slow agent before further ones are left out.
const WAITING: usize = 1_024;
/// Longest farewell of an agent.
const EXIT_BY: Duration = Duration::from_secs(2);

/// Calls the hooks of the agent, each in a task, so that the driver never waits.
pub(super) struct Hooks {
    agent: Arc<dyn Agent>,
    session: SessionHandle,
    events: mpsc::Sender<(Arc<dyn Agent>, SessionEvent)>,
    /// Tells the agent of events until there are no more.
    telling: AbortOnDropHandle<()>,
}

impl Hooks {
    pub(super) fn new(agent: Arc<dyn Agent>, session: SessionHandle) -> Self {
        let (events, mut waiting) = mpsc::channel::<(Arc<dyn Agent>, SessionEvent)>(WAITING);
        let handle = session.clone();
        let telling = AbortOnDropHandle::new(tokio::spawn(async move {
            while let Some((agent, event)) = waiting.recv().await {
                report("on_event", guard::caught(agent.on_event(&handle, &event)).await);
            }
        }));
        Self { agent, session, events, telling }
    }

    pub(super) fn agent(&self) -> &Arc<dyn Agent> {
        &self.agent
    }

    pub(super) fn event(&self, event: SessionEvent) {
        // A full queue leaves the event out, as documented.
        let _ = self.events.try_send((self.agent.clone(), event));
    }

    pub(super) fn enter(&self, tasks: &mut JoinSet<()>) {
        let (agent, session) = (self.agent.clone(), self.session.clone());
        tasks.spawn(async move { report("on_enter", guard::caught(agent.on_enter(&session)).await) });
    }

    pub(super) fn joined(&self, participant: Participant, tasks: &mut JoinSet<()>) {
        let (agent, session) = (self.agent.clone(), self.session.clone());
        tasks.spawn(async move { report("on_joined", guard::caught(agent.on_joined(&session, &participant)).await) });
    }

    pub(super) fn turn_limit(&self, limit: TurnLimit, tasks: &mut JoinSet<()>) {
        let (agent, session) = (self.agent.clone(), self.session.clone());
        tasks.spawn(async move { report("on_turn_limit", guard::caught(agent.on_turn_limit(&session, &limit)).await) });
    }

    pub(super) fn review(&self, turn: TurnId, text: String, inputs: Inputs, tasks: &mut JoinSet<()>) {
        let (agent, session) = (self.agent.clone(), self.session.clone());
        tasks.spawn(async move {
            let user_turn = UserTurn { turn, text };
            let review = guard::caught(agent.on_user_turn(&session, &user_turn)).await.unwrap_or_else(|panicked| {
                report("on_user_turn", Err(panicked));
                Review::Answer { text: None, context: None }
            });
            inputs.send(Input::Reviewed { turn, review }).await;
        });
    }

    /// Another agent takes over.
    pub(super) fn replace(&mut self, agent: Arc<dyn Agent>, tasks: &mut JoinSet<()>) {
        let old = std::mem::replace(&mut self.agent, agent);
        let session = self.session.clone();
        tasks.spawn(async move { exit(old, session, None).await });
    }

    /// The conversation is over. The agent is told of the last events first.
    pub(super) async fn exit(self, reason: &CloseReason) {
        drop(self.events);
        if tokio::time::timeout(EXIT_BY, self.telling).await.is_err() {
            tracing::warn!("on_event took longer than {EXIT_BY:?} for the last events; the rest is left out");
        }
        exit(self.agent, self.session, Some(reason)).await;
    }
}

async fn exit(agent: Arc<dyn Agent>, session: SessionHandle, reason: Option<&CloseReason>) {
    match tokio::time::timeout(EXIT_BY, guard::caught(agent.on_exit(&session, reason))).await {
        Ok(result) => report("on_exit", result),
        Err(_) => tracing::warn!("on_exit took longer than {EXIT_BY:?} and was dropped"),
    }
}

fn report(hook: &str, result: Result<(), guard::Panicked>) {
    if let Err(panicked) = result {
        tracing::error!(hook, %panicked, "a hook of the agent failed");
    }
}
