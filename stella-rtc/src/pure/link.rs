//! One join: a signalling connection, two peer connections, and what was agreed on them. A full reconnect replaces it.

use super::{
    peer::{Channels, Peer, Role, local_addresses},
    receive::Receiver,
    sdp,
    signal::{Signal, SignalInput},
};
use crate::{error::RtcError, info::TrackSid, media::sender::PayloadTypes, options::ConnectOptions};
use livekit_protocol::{self as proto, signal_request::Message};
use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::Instant,
};
use str0m::channel::ChannelId;

/// See the module.
pub(crate) struct Link {
    pub(crate) signal: Signal,
    pub(crate) publisher: Peer,
    pub(crate) subscriber: Peer,
    /// Whether the server will offer a connection for what comes in: it does not where the token forbids to subscribe.
    pub(crate) subscribes: bool,
    pub(crate) channels: Option<Channels>,
    /// Channels of ours that are open.
    pub(crate) open: HashSet<ChannelId>,
    /// Channels of the server and what they are called.
    pub(crate) labels: HashMap<ChannelId, String>,
    /// Which track each section of the subscriber carries, by the newest offer.
    pub(crate) sections: HashMap<String, TrackSid>,
    /// By SSRC.
    pub(crate) receivers: HashMap<u32, Receiver>,
    pub(crate) last_offer: Option<proto::SessionDescription>,
    pub(crate) last_answer: Option<proto::SessionDescription>,
    /// Sections of own tracks that the next offer stops.
    pub(crate) retired: Vec<String>,
    /// When our offer left that waits for its answer.
    pub(crate) offered_at: Option<Instant>,
}

/// What woke a link.
pub(crate) enum LinkInput {
    Signal(Box<SignalInput>),
    /// Packets were taken in.
    Packets,
}

impl Link {
    /// Joins and begins to connect.
    pub(crate) async fn open(
        url: &str,
        token: &str,
        options: &ConnectOptions,
    ) -> Result<(Self, proto::JoinResponse), RtcError> {
        let unusable = |error: std::io::Error| RtcError::Media { detail: format!("network interfaces: {error}") };
        let addresses = local_addresses(is_loopback(url)).map_err(unusable)?;
        let publisher = Peer::new(Role::Publisher, &addresses, options.red).await?;
        let subscriber = Peer::new(Role::Subscriber, &addresses, options.red).await?;
        let (signal, join) = Signal::join(url, token).await?;
        let permission = join.participant.as_ref().and_then(|participant| participant.permission.as_ref());
        let subscribes = permission.is_none_or(|permission| permission.can_subscribe);
        let mut link = Self {
            signal,
            publisher,
            subscriber,
            subscribes,
            channels: None,
            open: HashSet::new(),
            labels: HashMap::new(),
            sections: HashMap::new(),
            receivers: HashMap::new(),
            last_offer: None,
            last_answer: None,
            retired: Vec::new(),
            offered_at: None,
        };
        // At once, so that data can be sent without waiting for a track.
        if let Some((sdp, channels)) = link.publisher.offer_channels() {
            link.channels = Some(channels);
            link.send_offer(sdp, Instant::now());
        }
        Ok((link, join))
    }

    /// Waits for whatever comes first. Cancel-safe.
    pub(crate) async fn next(&mut self) -> LinkInput {
        tokio::select! {
            input = self.signal.next() => LinkInput::Signal(Box::new(input)),
            () = self.publisher.receive() => LinkInput::Packets,
            () = self.subscriber.receive() => LinkInput::Packets,
        }
    }

    /// Whether media can flow in every way that it will.
    pub(crate) fn is_up(&self) -> bool {
        self.publisher.is_up() && (self.subscriber.is_up() || !self.subscribes)
    }

    /// Whether a new offer may be made. Not before the publisher is connected: a server that gets a second offer while
    /// its ICE agent has not started takes it for an ICE restart, and its answer kills the connection.
    pub(crate) fn may_offer(&self) -> bool {
        !self.publisher.offer_pending() && self.publisher.is_up()
    }

    pub(crate) fn send_offer(&mut self, sdp: String, now: Instant) {
        self.offered_at = Some(now);
        let offer = proto::SessionDescription { r#type: "offer".into(), sdp, ..Default::default() };
        self.signal.send(Message::Offer(offer));
    }

    /// Answers an offer and returns the tracks that its sections carry.
    pub(crate) fn answer(&mut self, offer: proto::SessionDescription) -> Result<HashSet<TrackSid>, RtcError> {
        let sdp = self.subscriber.accept_offer(&offer.sdp)?;
        let answer = proto::SessionDescription { r#type: "answer".into(), sdp, id: offer.id, ..Default::default() };
        self.signal.send(Message::Answer(answer.clone()));
        let named = if offer.mid_to_track_id.is_empty() {
            sdp::tracks_by_mid(&offer.sdp)
        } else {
            offer.mid_to_track_id.clone()
        };
        let sections: HashMap<_, TrackSid> = named.into_iter().map(|(mid, sid)| (mid, sid.into())).collect();
        // A section that carries another track now must not go on with the old one's jitter buffer.
        self.receivers.retain(|_, receiver| sections.get(&receiver.mid) == self.sections.get(&receiver.mid));
        self.sections = sections;
        self.last_offer = Some(offer);
        self.last_answer = Some(answer);
        Ok(self.sections.values().cloned().collect())
    }

    /// Payload types of a section of the subscriber.
    pub(crate) fn payload_types(&self, mid: &str) -> PayloadTypes {
        let offered = self.last_offer.as_ref().and_then(|offer| sdp::payload_types(&offer.sdp, mid));
        offered.unwrap_or(PayloadTypes { opus: 111, red: Some(63) })
    }
}

/// Whether a server address names this machine.
fn is_loopback(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host_port.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((v6, _)) => v6,
        None => host_port.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_recognised() {
        for url in ["ws://127.0.0.1:7880", "http://localhost", "ws://[::1]:7880/path", "wss://me@LOCALHOST:1?x"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["wss://example.com", "ws://10.0.0.1:7880", "ws://[fd00::1]", "nonsense", ""] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
