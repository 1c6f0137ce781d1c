//! What is known of the conversation at this moment: what the agent's session tells, and what the user hears.

use std::time::{Duration, Instant};

use stella_agent::SessionEvent;
use stella_core::{
    engine::{AgentState, DiscardReason, Event, ReplyEnd, Stage, TurnLatency, TurnOutcome, UserState},
    id::{ReplyId, TurnId},
};
use stella_examples::ear::Ear;

/// Everything that waiting depends on.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    /// What the user hears.
    pub(crate) ear: Ear,
    /// What the agent's session tells.
    pub(crate) talk: Talk,
    /// Captions that the user's client received: who spoke, and what.
    pub(crate) captions: Vec<(String, String)>,
    /// Whether the user's connection is lost for now, so that nobody hears the agent.
    pub(crate) lost: bool,
    /// Why it cannot go on, once one side is gone.
    pub(crate) over: Option<String>,
}

/// A turn of the user.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) id: TurnId,
    pub(crate) text: String,
    pub(crate) committed: Instant,
    pub(crate) outcome: Option<TurnOutcome>,
}

impl Turn {
    /// Whether its words stand for themselves, not as a part of a later turn.
    pub(crate) fn stands(&self) -> bool {
        !matches!(self.outcome, Some(TurnOutcome::Merged { .. }))
    }
}

/// A reply of the agent.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) id: ReplyId,
    pub(crate) turn: Option<TurnId>,
    /// When the engine noticed its first words as heard.
    pub(crate) audible: Option<Instant>,
    pub(crate) ended: Option<(Instant, ReplyEnd)>,
    pub(crate) heard: String,
    pub(crate) unheard: String,
    pub(crate) interrupted: bool,
    /// Overlaps that turned out to be no interruption.
    pub(crate) false_alarms: u32,
    pub(crate) latency: Option<TurnLatency>,
}

impl Reply {
    /// All its words, heard or not.
    pub(crate) fn text(&self) -> String {
        let (heard, unheard) = (self.heard.trim(), self.unheard.trim());
        [heard, unheard].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The conversation as the agent's session tells it.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    pub(crate) turns: Vec<Turn>,
    pub(crate) replies: Vec<Reply>,
    /// Stages that failed, with the causes.
    pub(crate) failures: Vec<(Stage, String)>,
    /// Texts of the user that became part of no turn.
    pub(crate) discarded: Vec<(String, DiscardReason)>,
    pub(crate) entered: bool,
    pub(crate) closed: bool,
    user: UserState,
    agent: AgentState,
    /// Whether words of the user are being written down that belong to no turn yet.
    collecting: bool,
    /// Since when nobody does anything.
    idle_since: Option<Instant>,
}

impl Talk {
    /// Takes what the session tells.
    pub(crate) fn apply(&mut self, now: Instant, event: &SessionEvent) {
        match event {
            SessionEvent::Entered => self.entered = true,
            SessionEvent::Conversation { event, .. } => self.conversation(now, event),
            _ => {}
        }
        let idle = self.agent == AgentState::Listening
            && self.user != UserState::Speaking
            && !self.collecting
            && self.turns.iter().all(|turn| turn.outcome.is_some())
            && self.replies.iter().all(|reply| reply.ended.is_some());
        self.idle_since = if idle { self.idle_since.or(Some(now)) } else { None };
    }

    fn conversation(&mut self, now: Instant, event: &Event) {
        match event {
            Event::UserState(state) => self.user = *state,
            Event::AgentState(state) => self.agent = *state,
            Event::UserTranscript { text, is_final, .. } => self.collecting = !is_final && !text.trim().is_empty(),
            Event::Discarded { text, reason, .. } => {
                self.collecting = false;
                if !text.trim().is_empty() {
                    self.discarded.push((text.clone(), *reason));
                }
            }
            Event::TurnCommitted { turn, parts } => {
                self.collecting = false;
                let text = parts.iter().map(|part| part.text.trim()).collect::<Vec<_>>().join(" ");
                self.turns.push(Turn { id: *turn, text, committed: now, outcome: None });
            }
            Event::TurnEnded { turn, outcome } => {
                if let Some(turn) = self.turns.iter_mut().find(|t| t.id == *turn) {
                    turn.outcome = Some(outcome.clone());
                }
            }
            Event::ReplyStarted { reply, turn } => self.replies.push(Reply {
                id: *reply,
                turn: *turn,
                audible: None,
                ended: None,
                heard: String::new(),
                unheard: String::new(),
                interrupted: false,
                false_alarms: 0,
                latency: None,
            }),
            Event::AgentSpoke { reply, text } => self.change(*reply, |reply| {
                reply.audible.get_or_insert(now);
                reply.heard.push_str(text);
            }),
            Event::ReplyEnded { reply, end, heard, unheard, .. } => self.change(*reply, |reply| {
                reply.ended = Some((now, *end));
                reply.heard.clone_from(heard);
                reply.unheard.clone_from(unheard);
            }),
            Event::Interrupted { reply, .. } => self.change(*reply, |reply| reply.interrupted = true),
            Event::FalseInterruption { reply, .. } => self.change(*reply, |reply| reply.false_alarms += 1),
            Event::Latency(latency) => {
                self.change(latency.reply, |reply| reply.latency = Some(latency.clone()));
            }
            Event::Failed { stage, error } => self.failures.push((*stage, error.clone())),
            Event::Closed { .. } => self.closed = true,
            Event::MessageAccepted { .. }
            | Event::AgentUnspoken { .. }
            | Event::Overlap { .. }
            | Event::HistoryAdded(_)
            | Event::Steered(_)
            | Event::BudgetMissed(_)
            | Event::TurnLimit(_) => {}
        }
    }

    fn change(&mut self, id: ReplyId, change: impl FnOnce(&mut Reply)) {
        if let Some(reply) = self.replies.iter_mut().rev().find(|reply| reply.id == id) {
            change(reply);
        }
    }

    /// Whether nobody has done anything for so long.
    pub(crate) fn idle_for(&self, time: Duration) -> bool {
        self.idle_since.is_some_and(|since| since.elapsed() >= time)
    }

    /// The last reply to a turn.
    pub(crate) fn reply_to(&self, turn: TurnId) -> Option<&Reply> {
        self.replies.iter().rev().find(|reply| reply.turn == Some(turn))
    }

    /// Turns committed from a moment on that are not part of later ones.
    pub(crate) fn turns_since(&self, at: Instant) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(move |turn| turn.committed >= at && turn.stands())
    }
}

impl Scene {
    /// Whether the conversation rests: nobody does anything, and nothing is to be heard.
    pub(crate) fn rests_for(&self, time: Duration) -> bool {
        self.talk.idle_for(time) && !self.ear.is_audible(time)
    }
}
