//! What the conversation is doing, for knowing when to begin and when to end.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stella_core::{
    engine::{AgentState, Event, UserState},
    id::{ReplyId, TurnId},
};
use tokio::time::Instant;

/// What is on. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scene {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    agent: AgentState,
    user: UserState,
    turns: HashSet<TurnId>,
    replies: HashSet<ReplyId>,
    spoke: bool,
    changed: Option<Instant>,
    /// When the recording began, since the start.
    begun: Option<Duration>,
}

impl Scene {
    /// Takes note of an event.
    pub(super) fn observe(&self, event: &Event) {
        let mut state = self.state.lock();
        match event {
            Event::AgentState(agent) => state.agent = *agent,
            Event::UserState(user) => state.user = *user,
            Event::TurnCommitted { turn, .. } => drop(state.turns.insert(*turn)),
            Event::TurnEnded { turn, .. } => drop(state.turns.remove(turn)),
            Event::ReplyStarted { reply, .. } => drop(state.replies.insert(*reply)),
            Event::ReplyEnded { reply, .. } => {
                state.replies.remove(reply);
                state.spoke = true;
            }
            _ => return,
        }
        state.changed = Some(Instant::now());
    }

    /// For how long nothing has been going on, if so.
    pub(super) fn idle(&self) -> Option<Duration> {
        let state = self.state.lock();
        let quiet = state.agent == AgentState::Listening
            && state.user != UserState::Speaking
            && state.turns.is_empty()
            && state.replies.is_empty();
        quiet.then(|| state.changed.map_or(Duration::MAX, |changed| changed.elapsed()))
    }

    /// Whether the agent has said something to its end.
    pub(super) fn spoke(&self) -> bool {
        self.state.lock().spoke
    }

    /// Notes when the recording begins.
    pub(super) fn begin(&self, at: Duration) {
        self.state.lock().begun = Some(at);
    }

    /// When the recording began, since the start.
    pub(super) fn begun(&self) -> Option<Duration> {
        self.state.lock().begun
    }
}
