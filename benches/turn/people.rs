//! The people, who are a Python program on the official LiveKit SDK: `user.py`. The same one speaks with both sides.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use stella_benches::server::Server;
use tokio::{io::AsyncWriteExt, process::Command};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/turn/user.py");
/// What the user says: 2.25 s of a recorded sentence without a long pause, cut hard, as the peer was measured.
const FROM_MS: u32 = 1_450;
const LENGTH_MS: u32 = 2_250;
/// It was recorded softly.
const GAIN: u32 = 3;
/// From the last join to the first turn.
const SETTLE_MS: u32 = 2_000;
/// Limit for one task.
const TASK_BY: Duration = Duration::from_secs(300);

/// How the program is started.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) python: PathBuf,
    pub(crate) recording: PathBuf,
    pub(crate) server: Server,
}

/// What they shall do.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Task<'a> {
    Calls {
        rooms: &'a [String],
        calls: usize,
        turns: usize,
        slot_ms: u64,
        settle_ms: u32,
        dispatch: Option<&'a str>,
        recording: &'a PathBuf,
        from_ms: u32,
        length_ms: u32,
        gain: u32,
    },
    Way {
        rooms: &'a [String],
        turns: usize,
        slot_ms: u64,
        settle_ms: u32,
    },
}

/// What came of calls.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Calls {
    /// Last voiced sample spoken to first audible sample heard, in milliseconds, of each answered turn.
    pub(crate) responses: Vec<f64>,
    /// Turns without an answer.
    pub(crate) unanswered: usize,
    /// Turns during which the agent was audible before the user had ended.
    pub(crate) cut_in: usize,
    /// Calls given up because the agent did not stop speaking.
    pub(crate) endless: usize,
    /// Calls that an agent has joined.
    pub(crate) joined: usize,
    /// Processor cores taken by the people.
    pub(crate) cores: f64,
}

/// What came of people calling each other.
#[derive(Debug, Deserialize)]
pub(crate) struct Ways {
    /// Sample spoken to sample heard, in milliseconds.
    pub(crate) ways: Vec<f64>,
    /// Sounds that were not heard.
    pub(crate) lost: usize,
}

/// How calls are held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Calls at once.
    pub(crate) calls: usize,
    /// Turns of each call.
    pub(crate) turns: usize,
    /// Time given to each turn; the calls' turns begin spread over it. A slow answer takes what it needs.
    pub(crate) slot: Duration,
}

impl People {
    /// Holds calls, one in each room.
    pub(crate) async fn call(&self, plan: Plan, rooms: &[String], dispatch: Option<&str>) -> Result<Calls> {
        let task = Task::Calls {
            rooms,
            calls: plan.calls,
            turns: plan.turns,
            slot_ms: millis(plan.slot),
            settle_ms: SETTLE_MS,
            dispatch,
            recording: &self.recording,
            from_ms: FROM_MS,
            length_ms: LENGTH_MS,
            gain: GAIN,
        };
        self.run(&task).await
    }

    /// Two in each room call each other in turns, `turns` sounds in each room.
    pub(crate) async fn way(&self, rooms: &[String], turns: usize, slot: Duration) -> Result<Ways> {
        self.run(&Task::Way { rooms, turns, slot_ms: millis(slot), settle_ms: SETTLE_MS }).await
    }

    async fn run<T: DeserializeOwned>(&self, task: &Task<'_>) -> Result<T> {
        let mut child = Command::new(&self.python)
            .arg(PROGRAM)
            .envs(self.server.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.python.display()))?;
        let mut input = child.stdin.take().context("the people do not listen")?;
        input.write_all(&serde_json::to_vec(task)?).await.context("the people do not listen")?;
        drop(input);
        let output = tokio::time::timeout(TASK_BY, child.wait_with_output());
        let output = output.await.context("the people did not come to an end")?.context("the people were lost")?;
        if !output.status.success() {
            bail!("the people failed ({})", output.status);
        }
        serde_json::from_slice(&output.stdout).context("the people's result cannot be read")
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
