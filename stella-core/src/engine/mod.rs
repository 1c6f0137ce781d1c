//! The conversation engine: who has the floor, when a turn has ended, what a reply is doing.
//!
//! The engine is a pure state machine. It never blocks, reads no clock, does no I/O and knows no randomness:
//! ```
//! use stella_core::{engine::{Engine, Input, Options, WordListJudge}, time::Timestamp};
//!
//! let config = Options::default().validate()?;
//! let mut engine = Engine::new(config, Box::new(WordListJudge));
//! engine.handle(Timestamp::ZERO, Input::Tick);
//! while let Some(output) = engine.poll_output() {
//!     println!("{output:?}"); // a command to carry out, or an event to tell
//! }
//! if let Some(deadline) = engine.deadline() {
//!     engine.handle(deadline, Input::Tick);
//! }
//! # Ok::<(), stella_core::engine::OptionsError>(())
//! ```
//! After each [`handle`](Engine::handle), drain [`poll_output`](Engine::poll_output), then wait for the next input or
//! for [`deadline`](Engine::deadline), whichever comes first. The words, machines, rules and hard cases are described in
//! `docs/engine.md`.

/// Whether the engine is broken in this way, for a test; never without the feature `testing`.
#[cfg(feature = "testing")]
macro_rules! faulty {
    ($engine:expr, $fault:ident) => {
        $engine.fault == Some($crate::engine::Fault::$fault)
    };
}
#[cfg(not(feature = "testing"))]
macro_rules! faulty {
    ($engine:expr, $fault:ident) => {
        false
    };
}

mod application;
mod clause;
mod closing;
mod completeness;
mod controller;
mod endpointing;
#[cfg(feature = "testing")]
mod fault;
#[cfg(feature = "rules")]
mod fingerprint;
mod floor;
mod hearing;
mod input;
mod judge;
mod latency;
mod ledger;
mod limits;
mod listener;
mod options;
mod output;
mod overlap;
mod pace;
mod presence;
#[cfg(feature = "rules")]
mod probe;
mod replay;
mod replies;
mod reply;
mod speaking;
mod speech;
mod step;
mod timeline;
mod turn;
mod turns;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{
    chat::{ChatContext, ChatItem},
    id::{CallId, SpeakerId, UtteranceId},
    llm::TokenUsage,
    time::Timestamp,
    tool::ToolPolicy,
};
use {
    closing::Closing,
    controller::Controller,
    floor::Floor,
    listener::Speaker,
    overlap::Overlap,
    presence::Presence,
    reply::Reply,
    turn::{Collected, Turn},
};

pub use controller::{BudgetMissed, Knob, Steered, Steering, SteeringReason};
#[cfg(feature = "testing")]
pub use fault::Fault;
pub use input::{CloseReason, Input, Priority, ReplyOptions, Review, TypedPolicy};
pub use judge::{Judge, Overlapping, Said, Verdict, WordListJudge};
pub use latency::{Overdue, TurnLatency, Wait};
pub use options::{
    AfterLimit, Config, ConversationOptions, EndpointingMode, EndpointingOptions, Interruptibility,
    InterruptionOptions, LatencyOptions, OnLeave, Options, OptionsError, Others, RecoveryOptions, SpeculationOptions,
    SpeechOptions, TurnLimitOptions,
};
pub use output::{
    AgentState, Command, DiscardReason, Event, Output, Part, ReplyEnd, Source, Stage, TurnLimit, TurnOutcome, UserState,
};
#[cfg(feature = "rules")]
pub use probe::{Probe, ReplyProbe};
pub use replay::{
    Divergence, FORMAT as REPLAY_FORMAT, Header, Record, Recorded, Recorder, Recording, ReplayError, Report, replay,
};
pub use timeline::{Lane, Row, table, timeline};

/// Deadlines handled at one time. Each moves a machine on, so a handful is normal.
const MAX_DUE: usize = 64;

/// What the engine has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Answers to commands that were already answered or cancelled, and inputs after the end.
    pub late: u64,
    /// Replies that were begun on a probable end of turn.
    pub speculations: u64,
    /// Those that turned out to be wanted.
    pub adopted: u64,
    /// Replies that were withdrawn without a trace, speculative or not.
    pub rolled_back: u64,
    /// Tokens of the replies that were withdrawn. Those of a generation that was cancelled are estimated.
    pub wasted: TokenUsage,
}

/// The conversation engine. See the [module](self).
#[derive(Debug, Clone)]
pub struct Engine {
    now: Timestamp,
    config: Config,
    judge: Arc<dyn Judge>,
    out: VecDeque<Output>,
    stats: Stats,
    ids: Ids,
    /// What the model is told to be.
    instructions: String,
    /// Tools the model may call.
    tools: BTreeMap<String, ToolPolicy>,
    /// What was said and heard.
    history: ChatContext,
    /// What was written of the last reply, but not heard.
    unheard: Option<String>,
    speakers: Vec<Speaker>,
    turn: Turn,
    floor: Floor,
    overlap: Overlap,
    closing: Closing,
    presence: Presence,
    /// Whose speech drives the turn; `None` for everybody's.
    linked: Option<SpeakerId>,
    /// Replies in a row that failed for good.
    failed_in_row: u32,
    controller: Controller,
    /// Replies that wait for the floor, in the order in which they get it.
    waiting: VecDeque<Box<Reply>>,
    /// Tools that go on although their reply is over, and until when.
    detached: Vec<(CallId, String, Timestamp)>,
    /// Finished utterances whose final transcript is still out, with its checkpoint.
    corrections: VecDeque<(UtteranceId, SpeakerId, u32)>,
    /// When the agent was first heard in this conversation, if it must be heard for a while before it may be interrupted.
    first_heard: Option<Timestamp>,
    /// When either side last did something.
    last_activity: Timestamp,
    user_state: UserState,
    agent_state: AgentState,
    #[cfg(feature = "testing")]
    fault: Option<Fault>,
}

/// The last id given.
#[derive(Debug, Clone, Default)]
struct Ids(u64);

impl Ids {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }

    /// What `next` will give.
    fn peek(&self) -> u64 {
        self.0 + 1
    }
}

/// Whose deadline it is.
#[derive(Debug, Clone, Copy)]
enum Due {
    Listener(usize),
    /// Interim text of a pause has been stable for long enough.
    Stable(usize),
    /// A voice has gone on for too long, or the final text up to its limit is missing.
    Limit(usize),
    /// A tool is at work for so long that something should be said.
    Filler,
    /// Nobody is here, and nobody has come back.
    Rejoin,
    Review,
    Step,
    Synthesis,
    Playout,
    Tool(CallId),
    Overlap(overlap::Due),
    Closing,
    Away,
    /// A reply has let others speak for long enough; settling begins it.
    GiveWay,
}

impl Engine {
    /// An engine at the start of a conversation.
    #[must_use]
    pub fn new(config: Config, judge: Box<dyn Judge>) -> Self {
        Self {
            now: Timestamp::ZERO,
            config,
            judge: judge.into(),
            out: VecDeque::new(),
            stats: Stats::default(),
            ids: Ids::default(),
            instructions: String::new(),
            tools: BTreeMap::new(),
            history: ChatContext::new(),
            unheard: None,
            speakers: Vec::new(),
            turn: Turn::Collecting(Collected::default()),
            floor: Floor::Idle,
            overlap: Overlap::None,
            closing: Closing::Open,
            presence: Presence::default(),
            linked: None,
            failed_in_row: 0,
            controller: Controller::default(),
            waiting: VecDeque::new(),
            detached: Vec::new(),
            corrections: VecDeque::new(),
            first_heard: None,
            last_activity: Timestamp::ZERO,
            user_state: UserState::default(),
            agent_state: AgentState::default(),
            #[cfg(feature = "testing")]
            fault: None,
        }
    }

    /// Takes one input at the time it happened. A time before the previous one counts as the previous one.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        self.now = if faulty!(self, BelievesTheClock) { now } else { self.now.max(now) };
        if self.closing == Closing::Closed {
            self.stats.late += 1;
            return;
        }
        self.expire();
        if self.closing != Closing::Closed {
            self.accept(input);
            self.settle();
            self.expire();
        }
    }

    /// The next output, in order. Drain it after each [`handle`](Self::handle).
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Input::Tick`] is due if nothing else happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.due().map(|(at, _)| at)
    }

    /// Whether the conversation is over: nothing will follow.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closing == Closing::Closed
    }

    /// What was said and heard so far, as the model is shown it.
    #[must_use]
    pub fn history(&self) -> &ChatContext {
        &self.history
    }

    /// What the engine has counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    // Deadlines

    /// The earliest deadline; of equal ones, the first in this order.
    fn due(&self) -> Option<(Timestamp, Due)> {
        let listeners = self.speakers.iter().enumerate();
        let listeners = listeners.flat_map(|(i, s)| {
            let stable = s.listener.stable_at().map(|at| (at, Due::Stable(i)));
            let limit = s.listener.limit_at(&self.config.turn_limit).map(|at| (at, Due::Limit(i)));
            s.listener.deadline().map(|at| (at, Due::Listener(i))).into_iter().chain(stable).chain(limit)
        });
        let reply = self.floor.reply();
        let stalled = reply.filter(|_| !self.floor.is_held()).and_then(|r| r.speech.waiting_since());
        let overlap = reply.and_then(|r| self.overlap.due(&self.config.interruption, self.interruptibility(r)));
        let longer = Duration::from_secs(if faulty!(self, HoldsForever) && self.floor.is_held() { 60 } else { 0 });
        let others = [
            overlap.map(|(at, due)| (at + longer, Due::Overlap(due))),
            self.turn.deadline().map(|at| (at, Due::Review)),
            reply.filter(|_| !faulty!(self, WaitsForModels)).and_then(|r| r.step.deadline()).map(|at| (at, Due::Step)),
            reply.and_then(|r| r.speech.open()).map(|(_, at)| (at, Due::Synthesis)),
            stalled.map(|since| (since + self.config.recovery.playout_by, Due::Playout)),
            reply.and_then(|r| r.ledger.deadline()).map(|(at, call)| (at, Due::Tool(call))),
            self.detached.iter().map(|&(call, _, at)| (at, Due::Tool(call))).min_by_key(|&(at, _)| at),
            self.closing.deadline().filter(|_| !faulty!(self, NeverCloses)).map(|at| (at, Due::Closing)),
            self.filler_at().map(|at| (at, Due::Filler)),
            self.presence.deadline().filter(|_| self.closing.is_open()).map(|at| (at, Due::Rejoin)),
            self.away_at().map(|at| (at, Due::Away)),
            self.yields_at().map(|at| (at, Due::GiveWay)),
        ];
        listeners.chain(others.into_iter().flatten()).min_by_key(|&(at, _)| at)
    }

    /// Does what is due.
    fn expire(&mut self) {
        for _ in 0..MAX_DUE {
            match self.due() {
                Some((at, due)) if at <= self.now => self.fire(due),
                _ => return,
            }
            self.settle();
        }
    }

    fn fire(&mut self, due: Due) {
        match due {
            Due::Listener(index) if self.speakers[index].listener.is_ready() => self.finish(index),
            Due::Listener(index) => self.decide(index),
            Due::Stable(index) => self.text_is_stable(index),
            Due::Limit(index) => self.limit_due(index),
            Due::Filler => self.fill(),
            Due::Rejoin => self.rejoin_overdue(),
            Due::Review => self.review_overdue(),
            Due::Step => self.step_overdue(),
            Due::Synthesis => self.synthesis_overdue(),
            Due::Playout => self.playout_overdue(),
            Due::Tool(call) => self.tool_overdue(call),
            Due::Overlap(due) => self.overlap_due(due),
            Due::Closing => self.advance_closing(true),
            Due::Away => self.user_state_changed(UserState::Away),
            Due::GiveWay => {} // settling does it
        }
    }

    // Settling

    /// After something happened: gives the floor to who is next, and moves the reply on it as far as it goes.
    fn settle(&mut self) {
        self.next_overlap(); // no tool starts between two speakers over its reply
        self.advance();
        self.give_up();
        while self.closing.is_open() && self.floor.is_idle() {
            self.cut_overdue();
            if !self.give_floor() {
                break;
            }
            self.advance();
        }
        self.next_overlap();
        self.trim_history();
        self.advance_closing(false);
        self.tell_states();
    }

    // Outputs

    fn command(&mut self, command: Command) {
        self.out.push_back(Output::Command(command));
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn fail(&mut self, stage: Stage, error: String) {
        self.event(Event::Failed { stage, error });
    }

    /// Adds an item to the history, and tells it.
    fn remember(&mut self, item: ChatItem) {
        self.history.push(item.clone());
        self.event(Event::HistoryAdded(item));
    }

    /// Lets the oldest items of the history give way.
    fn trim_history(&mut self) {
        if self.history.len() > self.config.conversation.max_history {
            self.history.truncate_front(self.config.conversation.max_history);
        }
    }

    // States

    /// Somebody did something.
    fn active(&mut self) {
        self.last_activity = self.now;
    }

    /// The user did something, and so is not away.
    fn user_active(&mut self) {
        self.active();
        if self.user_state == UserState::Away {
            let speaking = self.speakers.iter().any(|s| s.listener.is_speaking());
            self.user_state_changed(if speaking { UserState::Speaking } else { UserState::Listening });
        }
    }

    /// When the user counts as away, if both sides are silent.
    fn away_at(&self) -> Option<Timestamp> {
        let silent = self.speakers.iter().all(|s| s.listener.utterance().is_none());
        let idle = self.floor.is_idle() && !matches!(self.turn, Turn::Reviewing { .. });
        let waits = self.closing.is_open() && idle && self.user_state != UserState::Away;
        (silent && waits).then(|| self.last_activity + self.config.conversation.user_away_after)
    }

    fn tell_states(&mut self) {
        let user = if self.speakers.iter().any(|s| s.listener.is_speaking()) {
            UserState::Speaking
        } else if self.user_state == UserState::Away {
            UserState::Away
        } else {
            UserState::Listening
        };
        self.user_state_changed(user);
        let agent = match &self.floor {
            Floor::Idle => AgentState::Listening,
            Floor::Thinking(reply) if reply.is_speculative() => AgentState::Listening,
            Floor::Thinking(_) => AgentState::Thinking,
            Floor::Speaking(_) => AgentState::Speaking,
            Floor::Held(reply) if reply.speech.is_heard() => AgentState::Speaking,
            Floor::Held(_) => AgentState::Thinking,
        };
        if agent != self.agent_state {
            self.agent_state = agent;
            self.event(Event::AgentState(agent));
        }
    }

    fn user_state_changed(&mut self, state: UserState) {
        if state != self.user_state || faulty!(self, RepeatsStates) {
            self.user_state = state;
            self.event(Event::UserState(state));
        }
    }

    /// Samples of the voice in `duration`.
    fn samples(&self, duration: Duration) -> u64 {
        (duration.as_micros() * u128::from(self.config.speech.sample_rate) / 1_000_000) as u64
    }
}
