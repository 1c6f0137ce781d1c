//! A livekit-server that a test may harm.

use super::{PATIENCE, setting};
use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server of one test's own.
pub(crate) struct OwnServer {
    process: Child,
    port: u16,
    config: String,
}

impl OwnServer {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        let free = || std::net::UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port();
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let config = format!(
            "{{port: {port}, bind_addresses: ['127.0.0.1'], rtc: {{udp_port: {}, tcp_port: 0, node_ip: 127.0.0.1, \
             use_external_ip: false, enable_loopback_candidate: true}}, logging: {{level: error}}, keys: {{{}: {}}}}}",
            free(),
            setting("STELLA_TEST_LIVEKIT_KEY"),
            setting("STELLA_TEST_LIVEKIT_SECRET")
        );
        let server = Self { process: run(&config), port, config };
        server.await_answer();
        server
    }

    fn await_answer(&self) {
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "the server does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts it again after [`kill`](Self::kill): the same address, but it knows nothing any more.
    pub(crate) fn start_again(&mut self) {
        self.process.wait().expect("was killed");
        self.process = run(&self.config);
        self.await_answer();
    }

    /// Ends it without a goodbye.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("runs");
    }

    /// Freezes it (`STOP`) or lets it go on (`CONT`).
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

fn run(config: &str) -> Child {
    let program = std::env::var("STELLA_TEST_LIVEKIT_SERVER").unwrap_or_else(|_| setting("STELLA_TEST_LIVEKIT_BIN"));
    let mut command = Command::new(program);
    command.args(["--config-body", config]).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the server starts")
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
