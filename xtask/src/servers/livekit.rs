//! A LiveKit server of our own: generated configuration, free ports, a log file, a deadline for its start.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Peer, free_port, http_status, run_dir};
use crate::cache::hex;
use crate::process::{Running, describe, log_tail};
use crate::setup::{Setup, server};

const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running LiveKit server; dropping it ends it.
#[derive(Debug)]
pub(crate) struct LiveKit {
    /// Its WebSocket address, `ws://127.0.0.1:PORT`.
    pub(crate) url: String,
    /// Its API key.
    pub(crate) key: String,
    /// Its API secret, new for each run.
    pub(crate) secret: String,
    version: String,
    log: PathBuf,
    _process: Running,
}

impl LiveKit {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When it ends early or does not answer in time; the text holds the end of its log.
    pub(crate) fn start(setup: &Setup) -> Result<Self> {
        let program = server::program(setup);
        let version = server::version_of(&program)
            .context("livekit-server is missing; run `cargo xtask setup livekit-server`")?;
        let mut problem = None;
        // A port found free can be taken by another program before the server opens it.
        for _ in 0..3 {
            match Self::start_once(&program, &version) {
                Ok(started) => return Ok(started),
                Err(error) => problem = Some(error),
            }
        }
        Err(problem.unwrap_or_else(|| anyhow::anyhow!("livekit-server did not start")))
    }

    fn start_once(program: &std::path::Path, version: &str) -> Result<Self> {
        let (port, tcp, udp) = (free_port()?, free_port()?, free_port()?);
        let (key, secret) = ("stella".to_owned(), random_hex(24)?);
        let dir = run_dir()?;
        let log = dir.join(format!("livekit-{port}.log"));
        let out = File::create(&log).context("cannot write the server's log")?;
        let err = out.try_clone().context("cannot share the server's log")?;
        let mut command = Command::new(program);
        // By the environment, not a file: the secret is then readable by this user only and gone with the process.
        command
            .env("LIVEKIT_CONFIG", config_text(port, tcp, udp, &key, &secret))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        let mut process = Running::start(&mut command)?;
        let deadline = Instant::now() + START_DEADLINE;
        while http_status(port, "/") != Some(200) {
            if let Some(status) = process.ended()? {
                bail!("livekit-server {} while starting\n{}", describe(status), log_tail(&log, 8));
            }
            if Instant::now() >= deadline {
                bail!("livekit-server did not answer within {} s\n{}", START_DEADLINE.as_secs(), log_tail(&log, 8));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let url = format!("ws://127.0.0.1:{port}");
        Ok(Self { url, key, secret, version: version.to_owned(), log, _process: process })
    }

    /// Name and version for reports.
    pub(crate) fn peer(&self) -> Peer {
        let version = self.version.clone();
        Peer { name: "livekit-server".to_owned(), version, url: Some(self.url.clone()), model: None }
    }

    /// How often a participant has become active so far: evidence that a run really used the server.
    pub(crate) fn participants_seen(&self) -> usize {
        fs::read_to_string(&self.log).map(|text| text.matches("participant active").count()).unwrap_or(0)
    }
}

fn random_hex(bytes: usize) -> Result<String> {
    let mut buffer = vec![0; bytes];
    File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut buffer)).context("cannot draw a secret")?;
    Ok(hex(&buffer))
}

fn config_text(port: u16, tcp: u16, udp: u16, key: &str, secret: &str) -> String {
    format!(
        "port: {port}
bind_addresses: [\"127.0.0.1\"]
rtc:
  tcp_port: {tcp}
  udp_port: {udp}
  use_external_ip: false
  node_ip: 127.0.0.1
  enable_loopback_candidate: true
keys:
  {key}: {secret}
logging:
  level: info
  json: false
room:
  empty_timeout: 30
  departure_timeout: 5
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_listens_on_the_loopback_only() {
        let text = config_text(1, 2, 3, "key", "secret");
        assert!(text.contains("bind_addresses: [\"127.0.0.1\"]"));
        assert!(text.contains("port: 1\n") && text.contains("tcp_port: 2\n") && text.contains("udp_port: 3\n"));
        assert!(text.contains("  key: secret\n"));
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let (one, two) = (random_hex(24).unwrap(), random_hex(24).unwrap());
        assert_eq!(one.len(), 48);
        assert_ne!(one, two);
    }
}
