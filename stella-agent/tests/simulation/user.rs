//! A person: speaks, pauses, interrupts, coughs, types, leaves and comes back.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use stella_agent::transport::{Participant, TransportEvent};
use stella_core::{engine::AgentState, id::SpeakerId};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use crate::{dice::Dice, link::Link, mouth::Mouth};

const WORDS: &[&str] = &["what", "the", "train", "please", "tell", "coffee", "wait", "no", "and", "Lyon"];

/// Everything that was typed, by anybody.
#[derive(Clone, Default)]
pub(crate) struct Typed(Arc<Mutex<Vec<TypedMessage>>>);

/// A message that was typed.
#[derive(Debug, Clone)]
pub(crate) struct TypedMessage {
    pub(crate) text: String,
    /// Whether whoever typed it was told that the session is over.
    pub(crate) refused: bool,
}

impl Typed {
    /// A text that nobody has typed before.
    pub(crate) fn compose(&self) -> String {
        let mut typed = self.0.lock();
        let text = format!("typed{} please", typed.len());
        typed.push(TypedMessage { text: text.clone(), refused: false });
        text
    }

    /// The message did not get through.
    pub(crate) fn refuse(&self, text: &str) {
        for message in self.0.lock().iter_mut().filter(|message| message.text == text) {
            message.refused = true;
        }
    }

    pub(crate) fn take(&self) -> Vec<TypedMessage> {
        std::mem::take(&mut *self.0.lock())
    }
}

pub(crate) struct User {
    pub(crate) speaker: SpeakerId,
    pub(crate) mouth: Arc<Mouth>,
    pub(crate) events: mpsc::Sender<TransportEvent>,
    pub(crate) agent: watch::Receiver<AgentState>,
    pub(crate) dice: Arc<Dice>,
    pub(crate) link_trouble: u64,
    pub(crate) typed: Typed,
    /// Millisecond after which nothing new is begun.
    pub(crate) until: u64,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Ask,
    Interrupt,
    Agree,
    Cough,
    Type,
    Wait,
    Leave,
    ChangeMicrophone,
}

impl User {
    pub(crate) async fn live(mut self) {
        sleep(self.dice.millis(0..=2_000)).await;
        self.come().await;
        while self.mouth.now() < self.until {
            let act = self.dice.weighted(&[
                (40, Act::Ask),
                (20, Act::Interrupt),
                (12, Act::Agree),
                (6, Act::Cough),
                (8, Act::Type),
                (8, Act::Wait),
                (3, Act::Leave),
                (2, Act::ChangeMicrophone),
            ]);
            self.act(act).await;
        }
    }

    async fn act(&mut self, act: Act) {
        match act {
            Act::Ask => {
                self.sentence().await;
                if self.dice.percent(80) {
                    self.await_agent(AgentState::Speaking).await;
                }
                if self.dice.percent(60) {
                    self.await_agent(AgentState::Listening).await;
                }
                sleep(self.dice.millis(0..=2_000)).await;
            }
            Act::Interrupt => {
                self.await_agent(AgentState::Speaking).await;
                sleep(self.dice.millis(50..=3_000)).await;
                self.sentence().await;
            }
            Act::Agree => {
                self.await_agent(AgentState::Speaking).await;
                sleep(self.dice.millis(50..=3_000)).await;
                self.mouth.say("mhm", self.dice.millis(150..=400)).await;
                sleep(self.dice.millis(200..=1_500)).await;
            }
            Act::Cough => {
                sleep(self.dice.millis(0..=3_000)).await;
                self.mouth.cough(self.dice.millis(50..=600)).await;
            }
            Act::Type => {
                let text = self.typed.compose();
                if !self.send(TransportEvent::Typed { speaker: self.speaker, text: text.clone() }).await {
                    self.typed.refuse(&text);
                }
                sleep(self.dice.millis(0..=4_000)).await;
            }
            Act::Wait => sleep(self.dice.millis(500..=20_000)).await,
            Act::Leave => {
                self.mouth.unplug();
                self.send(TransportEvent::Left { speaker: self.speaker }).await;
                sleep(self.dice.millis(0..=15_000)).await;
                self.come().await;
            }
            Act::ChangeMicrophone => self.publish().await,
        }
    }

    /// A few words, with a pause here and there.
    async fn sentence(&self) {
        for number in 0..self.dice.between(1..=9) {
            if number > 0 && self.dice.percent(10) {
                sleep(self.dice.millis(250..=1_800)).await;
            }
            self.mouth.say(self.dice.pick(WORDS), self.dice.millis(180..=450)).await;
            sleep(self.dice.millis(0..=60)).await;
        }
    }

    async fn await_agent(&mut self, state: AgentState) {
        // Nobody waits for ever for an answer.
        let patience = self.dice.millis(500..=12_000);
        let _ = timeout(patience, self.agent.wait_for(|now| *now == state)).await;
    }

    async fn come(&mut self) {
        let participant = Participant { identity: self.speaker.to_string(), name: String::new() };
        self.send(TransportEvent::Joined { speaker: self.speaker, participant }).await;
        self.publish().await;
        self.send(TransportEvent::Ready).await;
    }

    async fn publish(&mut self) {
        self.mouth.unplug();
        let dice = Dice::new(self.dice.between(0..=u64::MAX), "link");
        let input = Box::new(Link::new(self.mouth.clone(), dice, self.link_trouble));
        self.send(TransportEvent::Audio { speaker: self.speaker, input }).await;
        sleep(Duration::from_millis(1)).await;
    }

    /// False if the session is over.
    async fn send(&self, event: TransportEvent) -> bool {
        self.events.send(event).await.is_ok()
    }
}
