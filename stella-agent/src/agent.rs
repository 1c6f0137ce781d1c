//! What makes an agent this agent: instructions, tools, and what it does when something happens.

use std::fmt;

use async_trait::async_trait;
use stella_core::{
    engine::{CloseReason, Priority, ReplyOptions, Review, TurnLimit},
    id::TurnId,
};
use stella_tools::Registry;

use crate::{
    session::{SessionEvent, SessionHandle},
    transport::Participant,
};

/// An agent. Everything has a default, so `impl Agent for MyAgent {}` is an agent already.
///
/// Hooks run beside the conversation, which never waits for them, except for [`on_user_turn`](Self::on_user_turn). A hook
/// that panics is logged, and the conversation goes on.
#[async_trait]
pub trait Agent: Send + Sync + 'static {
    /// What the model is told to be. Asked when the agent takes over.
    fn instructions(&self) -> String {
        DEFAULT_INSTRUCTIONS.into()
    }

    /// What the model can make the agent do. Asked when the agent takes over.
    fn tools(&self) -> Registry {
        Registry::new()
    }

    /// What the agent says first. Default: nothing, it waits for the user.
    fn greeting(&self) -> Option<String> {
        None
    }

    /// How the greeting is said: whether, and how readily, speech interrupts it. Default: with high priority, so that it
    /// comes before the answer to a "Hello?" that was quicker; else as every other reply.
    fn greeting_options(&self) -> ReplyOptions {
        before_all_answers()
    }

    /// Whether [`on_user_turn`](Self::on_user_turn) is called. Default false: a reply can then be begun before the user's
    /// turn is certain to have ended, which saves time. The session asks once, when it is built.
    fn reviews_turns(&self) -> bool {
        false
    }

    /// Somebody can hear the agent, for the first time, or the agent takes over from another one. Default: says the
    /// [`greeting`](Self::greeting).
    async fn on_enter(&self, session: &SessionHandle) {
        if let Some(greeting) = self.greeting() {
            // An error means that the conversation is over already.
            let _ = session.say_with(greeting, self.greeting_options()).await;
        }
    }

    /// Somebody came, also those who were there before the agent.
    async fn on_joined(&self, _session: &SessionHandle, _participant: &Participant) {}

    /// The user's turn has ended; the conversation waits for the answer, at most
    /// [`review_by`](stella_core::engine::RecoveryOptions::review_by). Default: answer it as it is. Only called if
    /// [`reviews_turns`](Self::reviews_turns) says so.
    async fn on_user_turn(&self, _session: &SessionHandle, _turn: &UserTurn) -> Review {
        Review::Answer { text: None, context: None }
    }

    /// A user goes on for longer than the session's
    /// [`turn_limit`](stella_core::engine::Options::turn_limit) allows. The place to speak up, uninterruptibly, because
    /// the user is still speaking. Default: nothing.
    async fn on_turn_limit(&self, _session: &SessionHandle, _limit: &TurnLimit) {}

    /// Something happened in the conversation. Events come one after the other; if the agent is very slow with them, some
    /// are left out.
    async fn on_event(&self, _session: &SessionHandle, _event: &SessionEvent) {}

    /// The conversation is over, or another agent takes over (then there is no reason). It has two seconds.
    async fn on_exit(&self, _session: &SessionHandle, _reason: Option<&CloseReason>) {}
}

const DEFAULT_INSTRUCTIONS: &str = "You are a helpful voice assistant. You talk with the user by voice: answer in one to \
                                    three short, plain sentences, without lists, headings or emoji.";

/// A turn of the user that is about to be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserTurn {
    /// Which.
    pub turn: TurnId,
    /// What the user said and typed.
    pub text: String,
}

/// An agent of instructions, a greeting and tools, for when no hook is needed.
#[derive(Debug, Clone, Default)]
pub struct BasicAgent {
    instructions: Option<String>,
    greeting: Option<String>,
    greeting_options: Option<ReplyOptions>,
    tools: Registry,
}

fn before_all_answers() -> ReplyOptions {
    ReplyOptions { priority: Priority::High, ..ReplyOptions::default() }
}

impl BasicAgent {
    /// An agent with these instructions.
    pub fn new(instructions: impl Into<String>) -> Self {
        Self { instructions: Some(instructions.into()), ..Self::default() }
    }

    /// Sets what it says first.
    #[must_use]
    pub fn greeting(mut self, greeting: impl Into<String>) -> Self {
        self.greeting = Some(greeting.into());
        self
    }

    /// Sets how that is said: whether, and how readily, speech interrupts it.
    #[must_use]
    pub fn greeting_options(mut self, options: ReplyOptions) -> Self {
        self.greeting_options = Some(options);
        self
    }

    /// Sets what the model can make it do.
    #[must_use]
    pub fn tools(mut self, tools: Registry) -> Self {
        self.tools = tools;
        self
    }
}

impl Agent for BasicAgent {
    fn instructions(&self) -> String {
        self.instructions.clone().unwrap_or_else(|| DEFAULT_INSTRUCTIONS.into())
    }

    fn greeting(&self) -> Option<String> {
        self.greeting.clone()
    }

    fn greeting_options(&self) -> ReplyOptions {
        self.greeting_options.unwrap_or_else(before_all_answers)
    }

    fn tools(&self) -> Registry {
        self.tools.clone()
    }
}

impl fmt::Debug for dyn Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agent")
    }
}
