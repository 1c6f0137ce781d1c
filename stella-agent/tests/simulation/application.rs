//! The application: an agent with hooks that go wrong, and what is asked of its session.

use std::sync::Arc;

use async_trait::async_trait;
use stella_agent::{Agent, Ended, SessionEvent, SessionHandle, UserTurn};
use stella_core::{
    chat::{ChatItem, Role},
    engine::{CloseReason, Priority, ReplyOptions, Review, TypedPolicy},
};
use stella_tools::Registry;
use tokio::time::sleep;

use crate::{dice::Dice, stream::PANIC, tools::tools, user::Typed};

/// The agent of a simulated conversation.
#[derive(Clone)]
pub(crate) struct Clerk {
    pub(crate) dice: Arc<Dice>,
    pub(crate) trouble: u64,
    pub(crate) reviews: bool,
}

impl Clerk {
    /// Goes wrong, so many times of 1,000 if all is trouble.
    async fn stumble(&self, often: u64) {
        if self.trouble == 0 || self.dice.between(1..=100_000) > often * self.trouble {
            return;
        }
        match self.dice.between(0..=2) {
            0 => panic!("{PANIC}"),
            1 => std::future::pending().await,
            _ => sleep(self.dice.millis(100..=6_000)).await,
        }
    }
}

#[async_trait]
impl Agent for Clerk {
    fn tools(&self) -> Registry {
        tools(&self.dice, self.trouble)
    }

    fn greeting(&self) -> Option<String> {
        Some("Hello, this is the clerk. How can I help you today?".into())
    }

    fn reviews_turns(&self) -> bool {
        self.reviews
    }

    async fn on_user_turn(&self, _: &SessionHandle, _: &UserTurn) -> Review {
        self.stumble(500).await;
        sleep(self.dice.millis(0..=300)).await;
        match self.dice.between(0..=4) {
            0 => Review::Decline { reason: "not now".into() },
            1 => Review::Answer { text: Some("Something else".into()), context: Some("It rains.".into()) },
            _ => Review::Answer { text: None, context: None },
        }
    }

    async fn on_event(&self, _: &SessionHandle, _: &SessionEvent) {
        self.stumble(1).await;
    }

    async fn on_exit(&self, _: &SessionHandle, _: Option<&CloseReason>) {
        self.stumble(500).await;
    }
}

/// Asks something of the session now and then.
pub(crate) async fn interfere(clerk: Clerk, session: SessionHandle, dice: Arc<Dice>, typed: Typed) {
    while act(&clerk, &session, &dice, &typed).await.is_ok() {
        sleep(dice.millis(0..=40_000)).await;
    }
}

async fn act(clerk: &Clerk, session: &SessionHandle, dice: &Dice, typed: &Typed) -> Result<(), Ended> {
    let options = ReplyOptions {
        interruptible: dice.percent(70),
        remember: dice.percent(90),
        priority: dice.pick(&[Priority::Low, Priority::Normal, Priority::High]),
        interruptibility: None,
    };
    match dice.between(0..=9) {
        0 | 1 => session.say_with("By the way, we close at six.", options).await,
        2 => session.generate_with("Ask whether anybody is there.", options).await,
        3 => session.interrupt(dice.percent(50)).await,
        4 => session.add_history(ChatItem::message(Role::System, "It rains.")).await,
        5 => session.update_agent(clerk.clone()).await,
        6 | 7 => {
            let text = typed.compose();
            let policy = dice.pick(&[TypedPolicy::Interrupt, TypedPolicy::Queue, TypedPolicy::Merge]);
            session.type_text(text.clone(), policy).await.map(drop).inspect_err(|Ended| typed.refuse(&text))
        }
        _ => Ok(()),
    }
}
