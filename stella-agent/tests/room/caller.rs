//! The caller, in a process of its own that ends with it.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::rig::setting;

/// How long anything may take. Machines that run tests are slow.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Caller {
    _process: Child,
    commands: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// All events so far.
    events: Vec<Value>,
}

impl Caller {
    /// Joins a room.
    pub(crate) async fn join(url: &str, token: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/py/caller.py");
        let mut process = Command::new(setting("STELLA_TEST_PYTHON"))
            .arg(script)
            .env("CALLER_URL", url)
            .env("CALLER_TOKEN", token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python starts");
        let commands = process.stdin.take().expect("piped");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut caller = Self { _process: process, commands, lines, events: Vec::new() };
        caller.wait("joined", |event| event["event"] == "joined").await;
        caller
    }

    pub(crate) async fn send(&mut self, command: Value) {
        let line = format!("{command}\n");
        self.commands.write_all(line.as_bytes()).await.expect("the caller listens");
    }

    /// Begins to speak; returns when that was, by the caller's clock in seconds.
    pub(crate) async fn speak(&mut self, ms: u32) -> f64 {
        self.send(json!({ "do": "speak", "ms": ms })).await;
        let event = self.wait("speaking", |event| event["event"] == "speaking").await;
        event["at"].as_f64().expect("a time")
    }

    /// The next event that `pick` likes, from now on.
    pub(crate) async fn wait(&mut self, what: &str, pick: impl Fn(&Value) -> bool) -> Value {
        let reading = async {
            loop {
                let line = self.lines.next_line().await.expect("readable").expect("the caller is there");
                let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
                self.events.push(event.clone());
                if pick(&event) {
                    return event;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(event) => event,
            Err(_) => panic!("no event: {what}, after {:#?}", self.events),
        }
    }

    /// The first event that `pick` likes, since the beginning.
    pub(crate) async fn seen(&mut self, what: &str, pick: impl Fn(&Value) -> bool) -> Value {
        match self.events.iter().find(|event| pick(event)) {
            Some(event) => event.clone(),
            None => self.wait(what, pick).await,
        }
    }
}
