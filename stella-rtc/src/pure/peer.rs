//! Adapter around str0m: one WebRTC peer connection with its sockets.
//!
//! str0m wants every change followed by draining its output until it names the next timeout; every method here that
//! changes something does so.

use super::{
    ice::{self, CandidateGate},
    sdp,
    tcp::{Route, TcpEvent, TcpLinks},
};
use crate::{error::RtcError, media::sender::RtpPayload};
use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    media::{Direction, MediaKind, Mid},
    net::{Protocol, Receive, TcpType},
    rtp::{ExtensionValues, RtpWrite},
};
use tokio::{io::ReadBuf, net::UdpSocket};

/// Datagrams taken at one go, so that one peer cannot starve the others of its session.
const BATCH: usize = 32;
/// Unacknowledged data-channel bytes before writes are refused.
const MAX_BUFFERED: usize = 512 << 10;
/// With these, a connection that went dead is noticed after about seven seconds; the defaults take sixteen.
const MAX_STUN_WAIT: Duration = Duration::from_secs(1);
const MAX_STUN_TRIES: usize = 7;
/// How long UDP has to succeed before TCP is tried: at first, and after an ICE restart.
const TCP_HEAD_START: Duration = Duration::from_millis(500);
const TCP_HEAD_START_RESTART: Duration = Duration::from_millis(50);

/// Which of the two peer connections of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// We offer; our tracks and data go out.
    Publisher,
    /// The server offers; others' tracks and data come in.
    Subscriber,
}

/// What happened on a peer connection.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    /// ICE lost its way.
    IceLost,
    /// A data channel opened.
    ChannelOpen { id: ChannelId, label: String },
    /// A data channel closed.
    ChannelClosed { id: ChannelId },
    /// A message came.
    Message { id: ChannelId, bytes: Vec<u8> },
    /// Sound came.
    Rtp(RtpIn),
    /// The connection is beyond repair.
    Failed(String),
}

/// One received RTP packet.
#[derive(Debug)]
pub(crate) struct RtpIn {
    pub(crate) mid: String,
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u64,
    pub(crate) payload: Arc<[u8]>,
}

/// The channels that a publisher opens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Channels {
    pub(crate) reliable: ChannelId,
    pub(crate) lossy: ChannelId,
}

/// One peer connection. See the module.
pub(crate) struct Peer {
    role: Role,
    rtc: Rtc,
    sockets: Vec<(UdpSocket, SocketAddr)>,
    tcp: TcpLinks,
    /// Our ends of TCP connections, with the ICE generation that each is tied to.
    tcp_candidates: Vec<(Route, String, Candidate)>,
    gate: CandidateGate,
    restarted: bool,
    /// When str0m wants to be called.
    next: Instant,
    ice: IceConnectionState,
    dtls_up: bool,
    /// How often ICE became connected.
    times_connected: u32,
    pending: Option<SdpPendingOffer>,
    events: VecDeque<PeerEvent>,
    round_trip: Option<Duration>,
    over_tcp: bool,
    buffer: Box<[u8; 2_048]>,
}

impl Peer {
    /// Binds sockets at `addresses` and prepares a connection.
    pub(crate) async fn new(role: Role, addresses: &[IpAddr], red: bool) -> Result<Self, RtcError> {
        let mut sockets = Vec::new();
        for address in addresses {
            match UdpSocket::bind((*address, 0)).await.and_then(|socket| Ok((socket.local_addr()?, socket))) {
                Ok((local, socket)) => sockets.push((socket, local)),
                Err(error) => tracing::debug!(%address, %error, "no socket at this address"),
            }
        }
        if sockets.is_empty() {
            return Err(RtcError::Media { detail: "no UDP socket could be bound".into() });
        }
        let now = Instant::now();
        let mut config = Rtc::builder()
            .clear_codecs()
            .set_rtp_mode(true)
            .set_stats_interval(Some(Duration::from_secs(2)))
            .set_sctp_max_buffered_amount(MAX_BUFFERED);
        config.codec_config().enable_opus(true, red);
        config.set_max_stun_rto(MAX_STUN_WAIT);
        config.set_max_stun_retransmits(MAX_STUN_TRIES);
        let mut peer = Self {
            role,
            rtc: config.build(now),
            sockets,
            tcp: TcpLinks::new(),
            tcp_candidates: Vec::new(),
            gate: CandidateGate::default(),
            restarted: false,
            next: now,
            ice: IceConnectionState::New,
            dtls_up: false,
            times_connected: 0,
            pending: None,
            events: VecDeque::new(),
            round_trip: None,
            over_tcp: false,
            buffer: Box::new([0; 2_048]),
        };
        for (_, local) in &peer.sockets {
            let candidate = Candidate::host(*local, Protocol::Udp).map_err(media("local candidate"))?;
            peer.rtc.add_local_candidate(candidate);
        }
        peer.drain();
        Ok(peer)
    }

    /// Whether media can flow.
    pub(crate) fn is_up(&self) -> bool {
        self.dtls_up && self.ice_connected()
    }

    /// How often ICE became connected, which tells whether it did so again.
    pub(crate) fn times_connected(&self) -> u32 {
        self.times_connected
    }

    /// Round trip, as last measured.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Whether the connection runs over TCP.
    pub(crate) fn over_tcp(&self) -> bool {
        self.over_tcp
    }

    /// Whether an offer of ours waits for its answer.
    pub(crate) fn offer_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// Forgets an offer whose answer cannot come any more.
    pub(crate) fn abandon_offer(&mut self) {
        self.pending = None;
    }

    /// The next event.
    pub(crate) fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    /// When to call [`Peer::tick`].
    pub(crate) fn deadline(&self) -> Instant {
        self.tcp.deadline().map_or(self.next, |tcp| tcp.min(self.next))
    }

    /// Lets time pass.
    pub(crate) fn tick(&mut self, now: Instant) {
        let needed = !self.ice_connected();
        self.tcp.tick(now, needed);
        if now >= self.next {
            self.input(Input::Timeout(now));
        }
    }

    /// Waits for packets and takes them in. Cancel-safe.
    pub(crate) async fn receive(&mut self) {
        poll_fn(|cx| self.poll_receive(cx)).await;
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut received = false;
        for at in 0..self.sockets.len() {
            for _ in 0..BATCH {
                let (socket, local) = &self.sockets[at];
                let (local, mut buffer) = (*local, ReadBuf::new(&mut self.buffer[..]));
                let (source, length) = match socket.poll_recv_from(cx, &mut buffer) {
                    Poll::Ready(Ok(source)) => (source, buffer.filled().len()),
                    Poll::Ready(Err(_)) => continue, // an ICMP error of an earlier packet
                    Poll::Pending => break,
                };
                received = true;
                self.datagram(Protocol::Udp, source, local, length);
            }
        }
        for _ in 0..BATCH {
            let Poll::Ready(event) = self.tcp.poll(cx) else { break };
            received = true;
            self.tcp_event(event);
        }
        if received { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes in the first `length` bytes of the buffer.
    fn datagram(&mut self, proto: Protocol, source: SocketAddr, destination: SocketAddr, length: usize) {
        let Ok(contents) = self.buffer[..length].try_into() else { return };
        let receive = Receive { proto, source, destination, contents };
        let result = self.rtc.handle_input(Input::Receive(Instant::now(), receive));
        self.check(result.map_err(|error| error.to_string()));
        self.drain();
    }

    fn tcp_event(&mut self, event: TcpEvent) {
        match event {
            TcpEvent::Up { route: route @ (local, _), generation, .. } => {
                self.drop_tcp_candidates(|_, of| *of != generation);
                let candidate = Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build();
                if let Some(added) = candidate.ok().and_then(|candidate| self.rtc.add_local_candidate(candidate)) {
                    self.tcp_candidates.push((route, generation, added.clone()));
                }
                self.drain();
            }
            TcpEvent::Packet { route: (local, remote), bytes } => {
                let Ok(contents) = bytes[..].try_into() else { return };
                let receive = Receive { proto: Protocol::Tcp, source: remote, destination: local, contents };
                self.input(Input::Receive(Instant::now(), receive));
            }
            TcpEvent::Down { route } => self.drop_tcp_candidates(|of, _| *of == route),
        }
    }

    fn drop_tcp_candidates(&mut self, unwanted: impl Fn(&Route, &String) -> bool) {
        for (route, generation, candidate) in std::mem::take(&mut self.tcp_candidates) {
            if unwanted(&route, &generation) {
                self.rtc.direct_api().invalidate_candidate(&candidate);
                self.tcp.close(route);
                self.drain();
            } else {
                self.tcp_candidates.push((route, generation, candidate));
            }
        }
    }

    /// Takes a trickled candidate; what cannot be read is ignored.
    pub(crate) fn add_remote_candidate(&mut self, json: &str) {
        if let Some(candidate) = ice::parse(json).and_then(|candidate| self.gate.admit(candidate)) {
            self.use_candidate(candidate);
        }
    }

    fn use_candidate(&mut self, candidate: Candidate) {
        if candidate.proto() == Protocol::Tcp && candidate.tcptype() == Some(TcpType::Passive) {
            let head_start = if self.restarted { TCP_HEAD_START_RESTART } else { TCP_HEAD_START };
            self.tcp.plan(Instant::now() + head_start, candidate.addr());
        }
        self.rtc.add_remote_candidate(candidate);
        self.drain();
    }

    fn remote_description_set(&mut self, sdp: &str) {
        let ufrag = sdp::ice_ufrag(sdp);
        self.tcp.begin(ufrag.unwrap_or_default());
        for candidate in self.gate.open(ufrag) {
            self.use_candidate(candidate);
        }
    }

    /// Answers an offer of the server.
    pub(crate) fn accept_offer(&mut self, sdp: &str) -> Result<String, RtcError> {
        let offer = parse(sdp, SdpOffer::from_sdp_string)?;
        self.restarted |= self.times_connected > 0;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(media("offer"));
        self.drain();
        let answer = answer?.to_sdp_string();
        self.remote_description_set(sdp);
        Ok(answer)
    }

    /// Takes the answer to our offer. An answer that is refused has used up the offer: the connection cannot go on.
    pub(crate) fn accept_answer(&mut self, sdp: &str) -> Result<(), RtcError> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let answer = parse(sdp, SdpAnswer::from_sdp_string)?;
        let result = self.rtc.sdp_api().accept_answer(pending, answer).map_err(media("answer"));
        self.drain();
        result?;
        self.remote_description_set(sdp);
        Ok(())
    }

    /// Our first offer, which opens the data channels.
    pub(crate) fn offer_channels(&mut self) -> Option<(String, Channels)> {
        let mut api = self.rtc.sdp_api();
        let reliable = ChannelConfig { label: "_reliable".into(), ..ChannelConfig::default() };
        let lossy = ChannelConfig {
            label: "_lossy".into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..ChannelConfig::default()
        };
        let channels =
            Channels { reliable: api.add_channel_with_config(reliable), lossy: api.add_channel_with_config(lossy) };
        let offer = api.apply();
        Some((self.apply(offer)?, channels))
    }

    /// An offer that adds a track for each of `add` (a client id, which must be the track id) and stops `remove`.
    /// Returns it with the media sections of the new tracks.
    pub(crate) fn offer_tracks(&mut self, add: &[String], remove: &[String]) -> Option<(String, Vec<String>)> {
        let mut api = self.rtc.sdp_api();
        let mids: Vec<_> = add
            .iter()
            .map(|cid| {
                api.add_media(MediaKind::Audio, Direction::SendOnly, Some("stella".into()), Some(cid.clone()), None)
            })
            .collect();
        for mid in remove {
            api.set_direction(Mid::from(mid.as_str()), Direction::Inactive);
        }
        let offer = api.apply();
        Some((self.apply(offer)?, mids.iter().map(Mid::to_string).collect()))
    }

    /// An offer that restarts ICE.
    pub(crate) fn offer_restart(&mut self) -> Option<String> {
        self.restarted = true;
        let mut api = self.rtc.sdp_api();
        api.ice_restart(true);
        let offer = api.apply();
        self.apply(offer)
    }

    fn apply(&mut self, offer: Option<(SdpOffer, SdpPendingOffer)>) -> Option<String> {
        self.drain();
        let (offer, pending) = offer?;
        self.pending = Some(pending);
        Some(offer.to_sdp_string())
    }

    /// Sends a data-channel message; false if it does not fit now.
    pub(crate) fn send_message(&mut self, id: ChannelId, bytes: &[u8]) -> bool {
        let sent = self.rtc.channel(id).is_some_and(|mut channel| channel.write(true, bytes).unwrap_or(false));
        if sent {
            self.input(Input::Timeout(Instant::now()));
        }
        sent
    }

    /// Bytes of a data channel that the server has not acknowledged.
    pub(crate) fn buffered(&mut self, id: ChannelId) -> usize {
        self.rtc.channel(id).map_or(0, |mut channel| channel.buffered_amount())
    }

    /// Sends sound at once.
    pub(crate) fn send_rtp(&mut self, now: Instant, mid: &str, packet: RtpPayload) -> bool {
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(Mid::from(mid), None) else { return false };
        let extensions = ExtensionValues {
            audio_level: Some(packet.level),
            voice_activity: Some(packet.level > -50),
            ..ExtensionValues::default()
        };
        let write =
            RtpWrite::new(packet.payload_type.into(), packet.sequence.into(), packet.timestamp, now, packet.payload);
        stream.write_rtp(write.marker(packet.marker).ext_vals(extensions));
        self.input(Input::Timeout(now)); // media moves only when time does
        true
    }

    fn ice_connected(&self) -> bool {
        matches!(self.ice, IceConnectionState::Connected | IceConnectionState::Completed)
    }

    fn input(&mut self, input: Input<'_>) {
        let result = self.rtc.handle_input(input);
        self.check(result.map_err(|error| error.to_string()));
        self.drain();
    }

    /// A single bad packet is the network's fault; a dead connection is not.
    fn check(&mut self, result: Result<(), String>) {
        if let Err(detail) = result {
            tracing::debug!(role = ?self.role, detail, "packet refused");
            if !self.rtc.is_alive() {
                self.events.push_back(PeerEvent::Failed(detail));
            }
        }
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(next)) => {
                    self.next = next;
                    return;
                }
                Ok(Output::Transmit(transmit)) => self.transmit(&transmit),
                Ok(Output::Event(event)) => self.event(event),
                Err(error) => {
                    self.next = Instant::now() + Duration::from_secs(1);
                    self.events.push_back(PeerEvent::Failed(error.to_string()));
                    return;
                }
            }
        }
    }

    fn transmit(&mut self, transmit: &str0m::net::Transmit) {
        if transmit.proto == Protocol::Tcp {
            self.tcp.send((transmit.source, transmit.destination), &transmit.contents);
        } else if let Some((socket, _)) = self.sockets.iter().find(|(_, local)| *local == transmit.source) {
            // A full or refused socket is a lost packet and nothing more.
            let _ = socket.try_send_to(&transmit.contents, transmit.destination);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Connected => self.dtls_up = true,
            Event::IceConnectionStateChange(state) => {
                tracing::debug!(role = ?self.role, ?state, "ICE");
                let before = self.ice_connected();
                self.ice = state;
                if self.ice_connected() {
                    self.times_connected += u32::from(!before);
                } else if state == IceConnectionState::Disconnected {
                    self.events.push_back(PeerEvent::IceLost);
                }
            }
            Event::ChannelOpen(id, label) => self.events.push_back(PeerEvent::ChannelOpen { id, label }),
            Event::ChannelClose(id) => self.events.push_back(PeerEvent::ChannelClosed { id }),
            Event::ChannelData(data) => {
                self.events.push_back(PeerEvent::Message { id: data.id, bytes: data.data });
            }
            Event::RtpPacket(packet) => {
                let mut api = self.rtc.direct_api();
                let Some(mid) = api.stream_rx(&packet.header.ssrc).map(|stream| stream.mid().to_string()) else {
                    return;
                };
                self.events.push_back(PeerEvent::Rtp(RtpIn {
                    mid,
                    ssrc: *packet.header.ssrc,
                    payload_type: *packet.header.payload_type,
                    sequence: *packet.seq_no,
                    timestamp: packet.time.numer(),
                    payload: packet.payload,
                }));
            }
            Event::PeerStats(stats) => {
                let pair = stats.selected_candidate_pair;
                self.over_tcp = pair.as_ref().is_some_and(|pair| pair.protocol == Protocol::Tcp);
                self.round_trip = pair.and_then(|pair| pair.current_round_trip_time).or(stats.rtt);
            }
            Event::Closed => self.events.push_back(PeerEvent::Failed("closed by the server".into())),
            _ => {}
        }
    }
}

fn parse<T, E: std::fmt::Display>(sdp: &str, parser: impl FnOnce(&str) -> Result<T, E>) -> Result<T, RtcError> {
    if sdp.len() > sdp::MAX_LEN {
        return Err(RtcError::Protocol { detail: "session description too long".into() });
    }
    parser(sdp).map_err(|error| RtcError::Protocol { detail: format!("session description: {error}") })
}

fn media<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> RtcError {
    move |error| RtcError::Media { detail: format!("{what}: {error}") }
}

/// The addresses to bind sockets at: loopback where the server is, and those of the host. At most six.
pub(crate) fn local_addresses(server_is_loopback: bool) -> io::Result<Vec<IpAddr>> {
    let interfaces = if_addrs::get_if_addrs()?;
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_unspecified(),
    };
    let mut addresses: Vec<_> = interfaces
        .iter()
        .filter(|interface| !interface.is_loopback() || server_is_loopback)
        .map(if_addrs::Interface::ip)
        .filter(usable)
        .collect();
    addresses.sort_by_key(|ip| (!ip.is_loopback(), ip.is_ipv6()));
    addresses.dedup();
    addresses.truncate(6);
    if addresses.is_empty() {
        addresses.push(IpAddr::from([127, 0, 0, 1]));
    }
    Ok(addresses)
}
