//! The peer: a livekit-agents worker in production mode, `peer_worker.py`.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use super::people::{Calls, People, Plan};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/turn/peer_worker.py");
/// The name it is dispatched by.
const NAME: &str = "stella-bench-peer";
/// Limits for its start and its end.
const READY_BY: Duration = Duration::from_secs(60);
const OVER_BY: Duration = Duration::from_secs(15);

/// A worker that takes calls. It must be ended; dropped, only its first process is.
struct Worker {
    child: Child,
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    async fn start(python: &Path, people: &People, log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = Command::new(python)
            .args([PROGRAM, "start"])
            .envs(people.server.variables())
            .env("LIVEKIT_LOG_LEVEL", "warn")
            .env("PYTHONWARNINGS", "ignore::DeprecationWarning")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("the worker says nothing")?).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if line == "ready" {
                    return Ok(());
                }
            }
            anyhow::bail!("it ended")
        };
        tokio::time::timeout(READY_BY, ready).await.context("the worker did not register in time")??;
        Ok(Self { child, _lines: lines })
    }

    async fn end(mut self) -> Result<()> {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).context("the worker cannot be ended")?;
        }
        match tokio::time::timeout(OVER_BY, self.child.wait()).await {
            Ok(status) => status.map(drop).context("the worker was lost"),
            Err(_) => self.child.kill().await.context("the worker cannot be ended"),
        }
    }
}

/// Holds calls with it.
pub(crate) async fn measure(people: &People, python: &Path, plan: Plan, rooms: &[String]) -> Result<Calls> {
    let log: PathBuf = std::env::temp_dir().join(format!("stella-bench-peer-{}.log", std::process::id()));
    let worker = Worker::start(python, people, &log).await.with_context(|| format!("see {}", log.display()))?;
    let calls = people.call(plan, rooms, Some(NAME)).await;
    worker.end().await?;
    let _ = std::fs::remove_file(log);
    calls
}
