//! The local language model behind an OpenAI-compatible address (llama.cpp's server in the Python environment).

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Peer, free_port, http_status, run_dir};
use crate::process::{Running, describe, log_tail};
use crate::setup::{Setup, venv};
use crate::workspace;

const START_DEADLINE: Duration = Duration::from_secs(120);

/// The small model, part of the default set-up: its name in requests and its file in the cache.
pub(crate) const SMALL: (&str, &str) = ("qwen2.5-0.5b", "models/llm/qwen2.5-0.5b.gguf");

/// A running model server; dropping it ends it. It also ends by itself when this process is gone.
#[derive(Debug)]
pub(crate) struct Llm {
    /// The base of its API, `http://127.0.0.1:PORT/v1`.
    pub(crate) url: String,
    /// The model's name in requests.
    pub(crate) model: String,
    version: String,
    log: PathBuf,
    _stdin: ChildStdin,
    _process: Running,
}

#[derive(Debug, Deserialize)]
struct Ready {
    address: String,
    version: String,
}

impl Llm {
    /// Starts the small model with `threads` threads and waits until it answers.
    ///
    /// # Errors
    /// When it ends early or is not ready in time; the text holds the end of its log.
    pub(crate) fn start(setup: &Setup, threads: usize) -> Result<Self> {
        let (model, file) = SMALL;
        let mut problem = None;
        for _ in 0..3 {
            match Self::start_once(setup, model, &setup.cache.path(file), threads) {
                Ok(started) => return Ok(started),
                Err(error) => problem = Some(error),
            }
        }
        Err(problem.unwrap_or_else(|| anyhow::anyhow!("the LLM server did not start")))
    }

    fn start_once(setup: &Setup, model: &str, file: &Path, threads: usize) -> Result<Self> {
        let port = free_port()?;
        let log = run_dir()?.join(format!("llm-{port}.log"));
        let mut command = Command::new(venv::TOOLS.python(setup));
        command.arg(workspace::root().join("xtask/py/llm_server.py"));
        command.arg("--model").arg(file).args(["--alias", model]);
        command.args(["--port", &port.to_string(), "--threads", &threads.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(&log).context("cannot write the LLM server's log")?);
        let mut process = Running::start(&mut command)?;
        let stdin = process.take_stdin().context("the LLM server has no input")?;
        let stdout = process.take_stdout().context("the LLM server has no output")?;
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            if BufReader::new(stdout).read_line(&mut line).is_ok() {
                let _ = tell.send(line);
            }
        });
        let deadline = Instant::now() + START_DEADLINE;
        let ready: Ready = loop {
            match told.recv_timeout(Duration::from_millis(50)) {
                Ok(line) if !line.is_empty() => {
                    break serde_json::from_str(&line).context("the LLM server's first line is not understood")?;
                }
                _ => {}
            }
            if let Some(status) = process.ended()? {
                bail!("the LLM server {} while starting\n{}", describe(status), log_tail(&log, 8));
            }
            if Instant::now() >= deadline {
                bail!("the LLM server was not ready within {} s\n{}", START_DEADLINE.as_secs(), log_tail(&log, 8));
            }
        };
        if http_status(port, "/health") != Some(200) {
            bail!("the LLM server says it is ready but does not answer\n{}", log_tail(&log, 8));
        }
        let url = format!("{}/v1", ready.address);
        Ok(Self { url, model: model.to_owned(), version: ready.version, log, _stdin: stdin, _process: process })
    }

    /// Name, version and model for reports.
    pub(crate) fn peer(&self) -> Peer {
        Peer {
            name: "llama.cpp (xllamacpp)".to_owned(),
            version: self.version.clone(),
            url: Some(self.url.clone()),
            model: Some(self.model.clone()),
        }
    }

    /// How many completions it has made so far: evidence that a run really used it.
    pub(crate) fn completions_seen(&self) -> usize {
        fs::read(&self.log).map(|b| String::from_utf8_lossy(&b).matches("launch_slot").count()).unwrap_or(0)
    }
}
