//! The caller, in a process of its own that ends with it.

use std::process::Stdio;

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
    sync::mpsc,
};

use crate::peer::{Peer, setting};

/// Joins a room.
pub(crate) async fn join(url: &str, token: &str) -> Peer {
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
    let mut input = process.stdin.take().expect("piped");
    let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
    let (commands, mut queue) = mpsc::unbounded_channel::<serde_json::Value>();
    let (events, incoming) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(command) = queue.recv().await {
            let _ = input.write_all(format!("{command}\n").as_bytes()).await;
        }
    });
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            let _ = serde_json::from_str(&line).map(|event| events.send(event));
        }
    });
    let mut caller = Peer::new(commands, incoming, process);
    caller.wait("joined", |event| event["event"] == "joined").await;
    caller
}

/// Begins to speak; returns when that was, by the caller's clock in seconds.
pub(crate) async fn speak(caller: &mut Peer, ms: u32) -> f64 {
    caller.send(json!({ "do": "speak", "ms": ms }));
    let event = caller.wait("speaking", |event| event["event"] == "speaking").await;
    event["at"].as_f64().expect("a time")
}
