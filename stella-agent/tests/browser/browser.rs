//! The browser, a Chromium without windows, on a page of the test's own.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::{Value, json};
use stella_agent::wav;
use stella_core::audio::AudioFrame;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::mpsc as channel};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    page,
    peer::{Peer, setting},
};

/// How long the browser's processes may take to be gone.
const END: Duration = Duration::from_secs(10);

/// The browser's processes. Dropping this ends them all, then removes their folder.
struct Browser {
    process: Child,
    /// Closes when no process of the browser is left that could write a line.
    log: mpsc::Receiver<()>,
    _folder: TempDir,
    _page: AbortOnDropHandle<()>,
}

/// Starts a browser whose microphone hears `voice` once each time it is opened, and joins a room in it.
pub(crate) async fn join(url: &str, token: &str, voice: &AudioFrame) -> Peer {
    let library = std::fs::read_to_string(setting("STELLA_TEST_LIVEKIT_CLIENT"));
    let library = library.expect("run `cargo xtask setup browser`");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (commands, queue) = channel::unbounded_channel();
    let (events, incoming) = channel::unbounded_channel();
    let page = AbortOnDropHandle::new(tokio::spawn(page::serve(listener, library, queue, events.clone())));
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let recording = folder.path().join("voice.wav");
    wav::write(&recording, voice).expect("writable");
    let mut process = command(&format!("http://{address}/"), folder.path(), &recording).spawn().expect("sh starts");
    let log = watch(&mut process, events);
    let mut peer = Peer::new(commands, incoming, Browser { process, log, _folder: folder, _page: page });
    peer.send(json!({ "do": "join", "url": url, "token": token }));
    peer.wait("joined", |event| event["event"] == "joined").await;
    peer
}

fn command(page: &str, folder: &Path, recording: &Path) -> Command {
    let program = setting("STELLA_TEST_BROWSER");
    assert!(Path::new(&program).is_file(), "{program} is not there: run `cargo xtask setup browser`");
    let libraries = Path::new(&program).with_file_name("lib");
    let mut command = Command::new("sh");
    // The browser takes commands on 3 and answers on 4. It gets none, but it ends when 3 closes: also if this process is
    // killed.
    command.args(["-c", r#"exec "$0" "$@" 3<&0 4>/dev/null"#]).arg(program);
    command.args([
        "--remote-debugging-pipe",
        // The page is our own, and nothing but the loopback interface is reached: no name has an address.
        "--no-sandbox",
        "--no-zygote",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-gpu",
        "--disable-software-rasterizer",
        "--no-first-run",
        // Also on a machine that has no other network.
        "--allow-loopback-in-peer-connection",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--enable-logging=stderr",
    ]);
    command.arg(format!("--use-file-for-fake-audio-capture={}%noloop", recording.display()));
    command.arg(format!("--user-data-dir={}", folder.join("profile").display())).arg(page);
    command.env("LD_LIBRARY_PATH", libraries).env("HOME", folder).env("TMPDIR", folder);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Makes events of what the browser logs.
fn watch(process: &mut Child, events: channel::UnboundedSender<Value>) -> mpsc::Receiver<()> {
    let lines = BufReader::new(process.stderr.take().expect("piped")).lines();
    let (open, closed) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok).filter(|line| !line.contains(":WARNING:")) {
            let _ = events.send(json!({ "event": "log", "line": line }));
        }
        let _ = events.send(json!({ "event": "error", "text": "the browser is gone" }));
        drop(open);
    });
    closed
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its other processes end when they miss it.
        let _ = self.log.recv_timeout(END);
    }
}
