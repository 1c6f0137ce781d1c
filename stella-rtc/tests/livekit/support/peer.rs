//! The Python participant.

use super::{PATIENCE, setting, token, url};
use base64_lite::encode;
use serde_json::{Value, json};
use std::{collections::VecDeque, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A participant on libwebrtc, in a process of its own that ends with it.
pub(crate) struct Peer {
    _process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Events that nobody has waited for.
    seen: VecDeque<Value>,
    commands: u32,
}

impl Peer {
    /// Joins `room` as `identity`.
    pub(crate) async fn join(room: &str, identity: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/py/peer.py");
        let mut process = Command::new(setting("STELLA_TEST_PYTHON"))
            .arg(script)
            .env("PEER_URL", url())
            .env("PEER_TOKEN", token(room, identity))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("STELLA_TEST_PYTHON starts");
        let stdin = process.stdin.take().expect("piped");
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut peer = Self { _process: process, stdin, lines, seen: VecDeque::new(), commands: 0 };
        peer.wait("connected", |_| true).await;
        peer
    }

    /// The first event of this name, old or new, that `fits`; it will not be seen again.
    pub(crate) async fn wait(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let fits = |event: &Value| event["event"] == name && fits(event);
        if let Some(at) = self.seen.iter().position(fits) {
            return self.seen.remove(at).expect("just found");
        }
        let reading = async {
            loop {
                let line = self.lines.next_line().await.expect("readable");
                let line = line.unwrap_or_else(|| panic!("the Python peer ended before {name:?}"));
                let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
                if fits(&event) {
                    return event;
                }
                self.seen.push_back(event);
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("timed out waiting for {name:?}"))
    }

    /// Runs a command and returns its answer.
    pub(crate) async fn call(&mut self, name: &str, mut fields: Value) -> Value {
        self.commands += 1;
        let id = self.commands;
        fields["do"] = name.into();
        fields["id"] = id.into();
        self.stdin.write_all(format!("{fields}\n").as_bytes()).await.expect("the Python peer listens");
        let answer = self.wait_any(&["done", "failed"], |event| event["id"] == id).await;
        assert_eq!(answer["event"], "done", "{name}: {}", answer["error"]);
        answer
    }

    async fn wait_any(&mut self, names: &[&str], fits: impl Fn(&Value) -> bool) -> Value {
        let reading = async {
            loop {
                let line = self.lines.next_line().await.expect("readable").expect("the Python peer runs");
                let event: Value = serde_json::from_str(&line).expect("JSON");
                if names.iter().any(|name| event["event"] == *name) && fits(&event) {
                    return event;
                }
                self.seen.push_back(event);
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("timed out waiting for {names:?}"))
    }

    /// Publishes a tone.
    pub(crate) async fn tone(&mut self, frequency: u32) -> String {
        let answer = self.call("tone", json!({ "frequency": frequency })).await;
        answer["track"].as_str().expect("a track id").to_owned()
    }

    /// Forgets what was heard so far.
    pub(crate) async fn mark(&mut self) {
        self.call("mark", json!({})).await;
    }

    /// What was heard of `identity` since the mark; null if nothing.
    pub(crate) async fn heard(&mut self, identity: &str) -> Value {
        self.call("heard", json!({})).await["tracks"][identity].clone()
    }

    /// Sends a message.
    pub(crate) async fn data(&mut self, topic: &str, payload: &[u8], reliable: bool) {
        self.call("data", json!({ "topic": topic, "payload": encode(payload), "reliable": reliable })).await;
    }

    /// How many events of this name that fit have come so far.
    pub(crate) async fn count(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> usize {
        self.call("participants", json!({})).await; // takes in what has come
        self.seen.iter().filter(|event| event["event"] == name && fits(event)).count()
    }
}

/// Base64, which the peer's JSON needs for bytes.
mod base64_lite {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    pub(super) fn encode(bytes: &[u8]) -> String {
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let word = chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for digit in 0..4 {
                let index = (word >> (18 - 6 * digit)) as usize & 63;
                text.push(if digit <= chunk.len() { DIGITS[index] as char } else { '=' });
            }
        }
        text
    }
}
