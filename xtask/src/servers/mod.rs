//! Real servers on the loopback interface, started for a command and ended with it.

pub(crate) mod livekit;
pub(crate) mod llm;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::workspace;

/// A server or library that a run was made with, as written in reports.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Peer {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Where it listens, for a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// The model it serves, for a model server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
}

/// How long the log of a server is kept.
const LOGS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder of server logs; those of yesterday are removed.
fn run_dir() -> Result<PathBuf> {
    let dir = workspace::target_dir().join("xtask");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    for entry in fs::read_dir(&dir).into_iter().flatten().filter_map(Result::ok) {
        let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
        if age.is_some_and(|a| a > LOGS_KEPT) {
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(dir)
}

/// A TCP port that is free now, and free for UDP too.
fn free_port() -> Result<u16> {
    for _ in 0..50 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot open a port")?;
        let port = tcp.local_addr().context("cannot see the port")?.port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("found no free port on the loopback interface")
}

/// The status line of an HTTP GET on the loopback interface; `None` while nobody answers.
fn http_status(port: u16, path: &str) -> Option<u16> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let mut stream = TcpStream::connect_timeout(&address.into(), Duration::from_millis(500)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
    let mut head = [0; 12];
    stream.read_exact(&mut head).ok()?;
    std::str::from_utf8(&head).ok()?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_an_answer_is_read() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
            let _ = stream.read(&mut [0; 256]);
        });
        assert_eq!(http_status(port, "/health"), Some(503));
        server.join().unwrap();
        assert_eq!(http_status(port, "/health"), None);
    }
}
