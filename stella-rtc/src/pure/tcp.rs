//! ICE over TCP, active side: one connection for each remote passive candidate, framed as RFC 4571 says.

use std::{
    collections::HashMap,
    net::SocketAddr,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinSet,
};

/// Packets waiting in one direction before they are lost, as on any full link.
const QUEUE: usize = 256;
/// Largest packet taken from the network, in bytes.
const MAX_PACKET: usize = 8_192;
/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Connections made at most for one ICE generation.
const MAX_PER_GENERATION: usize = 4;

/// The two ends of a connection: ours, theirs.
pub(crate) type Route = (SocketAddr, SocketAddr);

/// What a connection did.
#[derive(Debug)]
pub(crate) enum TcpEvent {
    Up { route: Route, generation: String, packets: mpsc::Sender<Vec<u8>> },
    Packet { route: Route, bytes: Vec<u8> },
    Down { route: Route },
}

/// The connections of one peer connection. Dropping it closes them.
#[derive(Debug)]
pub(crate) struct TcpLinks {
    tasks: JoinSet<()>,
    events: mpsc::Sender<TcpEvent>,
    inbox: mpsc::Receiver<TcpEvent>,
    links: HashMap<Route, mpsc::Sender<Vec<u8>>>,
    /// Candidates to connect to, unless UDP works by then.
    due: Vec<(Instant, SocketAddr)>,
    /// A server ties a connection to the ICE generation of its first packet, so each generation needs new ones.
    generation: String,
    attempts: usize,
}

impl TcpLinks {
    /// No connection.
    pub(crate) fn new() -> Self {
        let (events, inbox) = mpsc::channel(QUEUE);
        Self {
            tasks: JoinSet::new(),
            events,
            inbox,
            links: HashMap::new(),
            due: Vec::new(),
            generation: String::new(),
            attempts: 0,
        }
    }

    /// A new ICE generation began. Connections of the old one stay until the new one works.
    pub(crate) fn begin(&mut self, generation: &str) {
        if self.generation != generation {
            generation.clone_into(&mut self.generation);
            self.attempts = 0;
            self.due.clear();
        }
    }

    /// Connects to `remote` at `when`.
    pub(crate) fn plan(&mut self, when: Instant, remote: SocketAddr) {
        if self.attempts < MAX_PER_GENERATION && !self.due.iter().any(|(_, planned)| *planned == remote) {
            self.attempts += 1;
            self.due.push((when, remote));
        }
    }

    /// When to call [`TcpLinks::tick`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.iter().map(|(when, _)| *when).min()
    }

    /// Makes the connections that are due, or forgets them if they are not `needed`.
    pub(crate) fn tick(&mut self, now: Instant, needed: bool) {
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.due).into_iter().partition(|(when, _)| *when <= now);
        self.due = later;
        for (_, remote) in due.into_iter().filter(|_| needed) {
            self.tasks.spawn(run(remote, self.generation.clone(), self.events.clone()));
        }
    }

    /// The next event.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TcpEvent> {
        while self.tasks.try_join_next().is_some() {}
        let Some(event) = ready!(self.inbox.poll_recv(cx)) else { return Poll::Pending };
        match &event {
            TcpEvent::Up { route, packets, .. } => drop(self.links.insert(*route, packets.clone())),
            TcpEvent::Down { route } => drop(self.links.remove(route)),
            TcpEvent::Packet { .. } => {}
        }
        Poll::Ready(event)
    }

    /// Sends a packet, or loses it.
    pub(crate) fn send(&self, route: Route, packet: &[u8]) {
        if let Some(packets) = self.links.get(&route) {
            let _ = packets.try_send(packet.to_vec());
        }
    }

    /// Closes a connection.
    pub(crate) fn close(&mut self, route: Route) {
        self.links.remove(&route);
    }
}

async fn run(remote: SocketAddr, generation: String, events: mpsc::Sender<TcpEvent>) {
    let Ok(Ok(stream)) = tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(remote)).await else { return };
    let Ok(local) = stream.local_addr() else { return };
    let _ = stream.set_nodelay(true);
    let route = (local, remote);
    let (packets, outbox) = mpsc::channel(QUEUE);
    if events.send(TcpEvent::Up { route, generation, packets }).await.is_err() {
        return;
    }
    let (reader, writer) = stream.into_split();
    tokio::select! {
        () = read(reader, route, &events) => {}
        () = write(writer, outbox) => {}
    }
    let _ = events.send(TcpEvent::Down { route }).await;
}

async fn read(mut reader: OwnedReadHalf, route: Route, events: &mpsc::Sender<TcpEvent>) {
    while let Ok(length) = reader.read_u16().await {
        let mut bytes = vec![0; usize::from(length)];
        if bytes.len() > MAX_PACKET || reader.read_exact(&mut bytes).await.is_err() {
            return;
        }
        if events.send(TcpEvent::Packet { route, bytes }).await.is_err() {
            return;
        }
    }
}

/// Ends when the link is closed.
async fn write(mut writer: OwnedWriteHalf, mut outbox: mpsc::Receiver<Vec<u8>>) {
    while let Some(packet) = outbox.recv().await {
        let Ok(length) = u16::try_from(packet.len()) else { continue };
        let framed = [&length.to_be_bytes()[..], &packet].concat();
        if writer.write_all(&framed).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn packets_are_framed_both_ways_and_oversize_ends_the_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut links = TcpLinks::new();
        links.begin("one");
        links.plan(Instant::now(), listener.local_addr().expect("an address"));
        links.tick(Instant::now(), true);
        let (mut server, _) = listener.accept().await.expect("a connection");
        let TcpEvent::Up { route, generation, .. } = poll_fn(|cx| links.poll(cx)).await else { panic!("not up") };
        assert_eq!(generation, "one");
        links.send(route, b"hello");
        let mut framed = [0; 7];
        server.read_exact(&mut framed).await.expect("a packet");
        assert_eq!(&framed, b"\0\x05hello");
        server.write_all(b"\0\x02hi\xff\xff").await.expect("written");
        assert!(matches!(poll_fn(|cx| links.poll(cx)).await, TcpEvent::Packet { bytes, .. } if bytes == b"hi"));
        assert!(matches!(poll_fn(|cx| links.poll(cx)).await, TcpEvent::Down { .. }));
    }

    #[tokio::test]
    async fn a_plan_that_is_not_needed_is_forgotten_and_plans_are_bounded() {
        let mut links = TcpLinks::new();
        for port in 1..100 {
            links.plan(Instant::now(), ([127, 0, 0, 1], port).into());
        }
        assert_eq!(links.due.len(), MAX_PER_GENERATION);
        links.tick(Instant::now() + Duration::from_secs(1), false);
        assert_eq!(links.deadline(), None);
        assert!(links.tasks.is_empty());
    }
}
