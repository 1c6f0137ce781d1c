//! Whoever talks to the agent: a program of its own, told what to do and telling what it hears, in JSON.

pub(crate) mod rig;

use std::{any::Any, time::Duration};

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// How long anything may take. Machines that run tests are slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// An environment variable that the test runner sets.
pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`"))
}

/// The line to such a program, which ends when this is dropped.
pub(crate) struct Peer {
    commands: UnboundedSender<Value>,
    incoming: UnboundedReceiver<Value>,
    /// All events so far.
    events: Vec<Value>,
    _program: Box<dyn Any + Send>,
}

impl Peer {
    pub(crate) fn new(
        commands: UnboundedSender<Value>,
        incoming: UnboundedReceiver<Value>,
        program: impl Any + Send,
    ) -> Self {
        Self { commands, incoming, events: Vec::new(), _program: Box::new(program) }
    }

    pub(crate) fn send(&self, command: Value) {
        self.commands.send(command).expect("it listens");
    }

    /// The next event that `pick` likes, from now on.
    pub(crate) async fn wait(&mut self, what: &str, mut pick: impl FnMut(&Value) -> bool) -> Value {
        let reading = async {
            while let Some(event) = self.incoming.recv().await {
                self.events.push(event.clone());
                if pick(&event) {
                    return Some(event);
                }
                if event["event"] == "error" {
                    break;
                }
            }
            None
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(Some(event)) => event,
            _ => panic!("no event: {what}, after {:#?}", self.events),
        }
    }

    /// The first event that `pick` likes, since the beginning.
    pub(crate) async fn seen(&mut self, what: &str, pick: impl Fn(&Value) -> bool) -> Value {
        match self.events.iter().find(|event| pick(event)) {
            Some(event) => event.clone(),
            None => self.wait(what, pick).await,
        }
    }

    /// Waits until the agent has been in these states one after the other, since the beginning.
    pub(crate) async fn states(&mut self, wanted: &[&str]) {
        let mut left = wanted.iter().peekable();
        let mut arrives = |event: &Value| {
            left.next_if(|state| event["event"] == "state" && event["state"] == **state);
            left.peek().is_none()
        };
        if !self.events.iter().any(&mut arrives) {
            self.wait(&format!("the states {wanted:?}"), arrives).await;
        }
    }
}
