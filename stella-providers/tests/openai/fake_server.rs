//! A fake server that plays scripts, byte for byte.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What a client asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// How many requests came before.
    pub(crate) number: usize,
    /// Such as `POST /v1/chat/completions`.
    pub(crate) line: String,
    /// The header lines, as sent.
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Request {
    /// The last thing the user said.
    pub(crate) fn said(&self) -> &str {
        let messages = self.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let user = messages.iter().rev().find(|message| message["role"] == "user");
        user.and_then(|message| message["content"].as_str()).unwrap_or_default()
    }
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// As it should.
    Well,
    /// Nothing more comes, until the client goes away.
    Hang,
    /// The connection is cut.
    Cut,
}

/// What the server does about a request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Status line and headers, if any are sent.
    head: Option<String>,
    /// Each is sent as a chunk of its own.
    pieces: Vec<Vec<u8>>,
    end: End,
}

impl Answer {
    /// An answer of this status and type.
    pub(crate) fn new(status: u16, kind: &str, body: impl AsRef<[u8]>) -> Self {
        let head = format!("HTTP/1.1 {status} Fake\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n");
        Self { head: Some(head), pieces: vec![body.as_ref().to_vec()], end: End::Well }
    }

    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// A stream of these chunks, without an end.
    pub(crate) fn chunks<'a>(chunks: impl IntoIterator<Item = &'a Value>) -> Self {
        let body: String = chunks.into_iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
        Self::new(200, "text/event-stream", body)
    }

    /// A whole stream that says these texts.
    pub(crate) fn saying<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::chunks(&texts.into_iter().map(say).collect::<Vec<_>>()).finished("stop")
    }

    /// No answer at all.
    pub(crate) fn silence() -> Self {
        Self { head: None, pieces: Vec::new(), end: End::Hang }
    }

    /// Ends the stream for this reason, with a count of tokens.
    pub(crate) fn finished(mut self, reason: &str) -> Self {
        let finish = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]});
        let usage = json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}});
        self.pieces.push(format!("data: {finish}\n\ndata: {usage}\n\ndata: [DONE]\n\n").into_bytes());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Some(head) = &mut self.head {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self
    }

    pub(crate) fn then_hang(self) -> Self {
        Self { end: End::Hang, ..self }
    }

    pub(crate) fn then_cut(self) -> Self {
        Self { end: End::Cut, ..self }
    }

    /// The same bytes, cut at these places.
    pub(crate) fn cut_at(mut self, places: impl IntoIterator<Item = proptest::sample::Index>) -> Self {
        let bytes = self.pieces.concat();
        let mut places: Vec<_> = places.into_iter().map(|place| place.index(bytes.len() + 1)).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        self.pieces = places.windows(2).map(|place| bytes[place[0]..place[1]].to_vec()).collect();
        self
    }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/v1", listener.local_addr().unwrap())
}

/// A chunk that says `text`.
pub(crate) fn say(text: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
}

/// A chunk with a part of a tool call.
pub(crate) fn call(index: u32, id: &str, name: &str, arguments: &str) -> Value {
    let call = json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}});
    json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": null}]})
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    connected: usize,
    asked: usize,
    disconnected: usize,
}

#[derive(Debug)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    counts: watch::Sender<Counts>,
}

/// The server; it ends when dropped.
#[derive(Debug)]
pub(crate) struct FakeServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl FakeServer {
    /// A server that answers every request by `script`.
    pub(crate) async fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { requests: Mutex::default(), counts: watch::Sender::default() });
        let script = Arc::new(script);
        let connections = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (shared, script) = (connections.clone(), script.clone());
                tokio::spawn(async move { serve(connection, &shared, &*script).await });
            }
        });
        Self { address, shared, task }
    }

    /// A server that gives these answers in turn, and the last one ever after.
    pub(crate) async fn playing<const N: usize>(answers: [Answer; N]) -> Self {
        Self::start(move |request| answers[request.number.min(N - 1)].clone()).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.shared.counts.borrow().connected
    }

    /// Completes when so many requests have come.
    pub(crate) async fn asked(&self, times: usize) {
        self.shared.counts.subscribe().wait_for(|counts| counts.asked >= times).await.unwrap();
    }

    /// Completes when a client has gone away during an answer.
    pub(crate) async fn disconnected(&self) {
        self.shared.counts.subscribe().wait_for(|counts| counts.disconnected > 0).await.unwrap();
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection; the client may ask several times.
async fn serve(mut connection: TcpStream, shared: &Shared, script: &(dyn Fn(&Request) -> Answer + Send + Sync)) {
    shared.counts.send_modify(|counts| counts.connected += 1);
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut connection, &mut buffer, shared).await {
        let answer = script(&request);
        shared.counts.send_modify(|counts| counts.asked += 1);
        if play(&mut connection, &answer).await.is_err() {
            shared.counts.send_modify(|counts| counts.disconnected += 1);
            return;
        }
        match answer.end {
            End::Well => {}
            End::Cut => return,
            End::Hang => {
                // The client sends nothing more, so this ends only when it goes away.
                while connection.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {}
                shared.counts.send_modify(|counts| counts.disconnected += 1);
                return;
            }
        }
    }
}

async fn receive(connection: &mut TcpStream, buffer: &mut Vec<u8>, shared: &Shared) -> Option<Request> {
    let find = |buffer: &[u8]| buffer.windows(4).position(|window| window == b"\r\n\r\n");
    while find(buffer).is_none() {
        if connection.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body_at = find(buffer)? + 4;
    let head = String::from_utf8(buffer[..body_at].to_vec()).ok()?.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
    while buffer.len() < body_at + length {
        if connection.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&buffer[body_at..body_at + length]).unwrap_or_default();
    buffer.drain(..body_at + length);
    let mut requests = shared.requests.lock().unwrap();
    let line = head.lines().next()?.trim_end_matches(" http/1.1").to_owned();
    let request = Request { number: requests.len(), line, head, body };
    requests.push(request.clone());
    Some(request)
}

async fn play(connection: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let Some(head) = &answer.head else { return Ok(()) };
    connection.set_nodelay(true)?;
    connection.write_all(format!("{head}\r\n").as_bytes()).await?;
    for piece in answer.pieces.iter().filter(|piece| !piece.is_empty()) {
        connection.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        connection.write_all(piece).await?;
        connection.write_all(b"\r\n").await?;
    }
    if answer.end == End::Well {
        connection.write_all(b"0\r\n\r\n").await?;
    }
    connection.flush().await
}
