//! The environment that programs started by xtask get: where the files are, where the servers are.

use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::servers::Peer;
use crate::servers::livekit::LiveKit;
use crate::servers::llm::Llm;
use crate::setup::{Setup, browser, server, venv};

/// When the command was given, since the beginning of 1970.
static STARTED: OnceLock<Duration> = OnceLock::new();

/// Notes when the command was given. Programs learn it, so that they can tell how long a person has waited in all.
pub(crate) fn note_start() {
    if let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) {
        let _ = STARTED.set(now);
    }
}

/// Cache and inference library. The library's telemetry stays off.
pub(crate) fn files(command: &mut Command, setup: &Setup) {
    command.env(crate::cache::ENV, setup.cache.root());
    command.env("ORT_DISABLE_TELEMETRY", "1");
}

/// What `cargo test` gets: every server under a name of its own, so that a test cannot use one by accident.
pub(crate) fn tests(command: &mut Command, setup: &Setup, livekit: &LiveKit, llm: &Llm) {
    files(command, setup);
    command.env("STELLA_TEST_LIVEKIT_URL", &livekit.url);
    command.env("STELLA_TEST_LIVEKIT_KEY", &livekit.key);
    command.env("STELLA_TEST_LIVEKIT_SECRET", &livekit.secret);
    command.env("STELLA_TEST_LIVEKIT_SERVER", server::program(setup));
    command.env("STELLA_TEST_LLM_URL", &llm.url);
    command.env("STELLA_TEST_LLM_MODEL", &llm.model);
    command.env("STELLA_TEST_PYTHON", venv::TOOLS.python(setup));
    command.env("STELLA_TEST_BROWSER", setup.cache.path(browser::PROGRAM));
    command.env("STELLA_TEST_LIVEKIT_CLIENT", setup.cache.path(browser::LIVEKIT_CLIENT));
}

/// What the demo and the benchmarks get. `llm` is the address and the model's name, ours or the user's.
pub(crate) fn program(
    command: &mut Command,
    setup: &Setup,
    livekit: Option<&LiveKit>,
    llm: Option<(&str, &str)>,
    peers: &[Peer],
) {
    files(command, setup);
    if let Some(livekit) = livekit {
        command.env("LIVEKIT_URL", &livekit.url);
        command.env("LIVEKIT_API_KEY", &livekit.key);
        command.env("LIVEKIT_API_SECRET", &livekit.secret);
    }
    if let Some((url, model)) = llm {
        command.env("STELLA_LLM_URL", url);
        command.env("STELLA_LLM_MODEL", model);
    }
    command.env("STELLA_TEST_PYTHON", venv::TOOLS.python(setup));
    if let Some(started) = STARTED.get() {
        command.env("STELLA_STARTED", started.as_millis().to_string());
    }
    command.env("STELLA_PEERS", serde_json::to_string(peers).unwrap_or_default());
}

fn peer(name: &str, version: &str) -> Peer {
    Peer { name: name.to_owned(), version: version.to_owned(), url: None, model: None }
}

/// The framework that benchmarks compare with, as a peer for reports.
pub(crate) fn agents_peer() -> Peer {
    peer("livekit-agents", venv::LIVEKIT_AGENTS)
}

/// The libraries and models of the cache, as peers for reports.
pub(crate) fn model_peers() -> Vec<Peer> {
    vec![
        peer("onnxruntime", "1.32.0"),
        peer("moonshine-tiny-en", "moonshine-voice 0.0.73"),
        peer("kokoro-82m int8", "1.0"),
        peer("silero-vad", "5"),
        peer("smart-turn", "3.2"),
    ]
}
