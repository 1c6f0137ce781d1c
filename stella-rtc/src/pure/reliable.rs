//! Bookkeeping that makes reliable data survive a resume: sequence numbers, what to send again, what came twice.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// Bytes kept for sending again. Beyond it, what was sent longest ago is forgotten, and new data has to wait.
const MAX_KEPT: usize = 1 << 20;
/// How long sent data is kept.
const KEEP: Duration = Duration::from_secs(30);
/// How long a silent sender's last sequence number is remembered.
const REMEMBER: Duration = Duration::from_secs(30);
/// Senders remembered at most.
const MAX_SENDERS: usize = 4_096;

#[derive(Debug)]
struct Kept {
    sequence: u32,
    bytes: Vec<u8>,
    at: Instant,
}

/// Our own reliable packets: those not yet sent, and those that may have to be sent again.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    last: u32,
    kept: VecDeque<Kept>,
    /// How many of `kept` are sent.
    sent: usize,
    bytes: usize,
}

impl Outbox {
    /// The number of the next packet, which [`Outbox::add`] must get.
    pub(crate) fn next_sequence(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1).max(1);
        self.last
    }

    /// Takes an encoded packet.
    pub(crate) fn add(&mut self, now: Instant, sequence: u32, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        self.kept.push_back(Kept { sequence, bytes, at: now });
        while self.sent > 0
            && self.kept.front().is_some_and(|k| self.bytes > MAX_KEPT || now.saturating_duration_since(k.at) > KEEP)
        {
            self.forget_first();
        }
    }

    /// Whether another packet may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.unsent_bytes() < MAX_KEPT
    }

    /// The next packet to send.
    pub(crate) fn unsent(&self) -> Option<&[u8]> {
        self.kept.get(self.sent).map(|kept| &kept.bytes[..])
    }

    /// The packet from [`Outbox::unsent`] was sent.
    pub(crate) fn mark_sent(&mut self) {
        self.sent = (self.sent + 1).min(self.kept.len());
    }

    /// After a resume the server has everything up to `last`; the rest is unsent again.
    pub(crate) fn replay_after(&mut self, last: u32) {
        while self.kept.front().is_some_and(|kept| kept.sequence <= last) {
            self.forget_first();
        }
        self.sent = 0;
    }

    /// After a full reconnect numbers begin anew. What was sent is forgotten; what was not is returned in order, to be
    /// encoded again.
    pub(crate) fn restart(&mut self) -> Vec<Vec<u8>> {
        let before = std::mem::take(self);
        before.kept.into_iter().skip(before.sent).map(|kept| kept.bytes).collect()
    }

    /// Bytes not yet sent.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.kept.iter().skip(self.sent).map(|kept| kept.bytes.len()).sum()
    }

    fn forget_first(&mut self) {
        if let Some(kept) = self.kept.pop_front() {
            self.bytes -= kept.bytes.len();
            self.sent = self.sent.saturating_sub(1);
        }
    }
}

/// The last packet of each sender.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    last: HashMap<String, (u32, Instant)>,
}

impl Inbox {
    /// Whether this packet is new. Packets without number or sender always are.
    pub(crate) fn accept(&mut self, now: Instant, sender: &str, sequence: u32) -> bool {
        if sequence == 0 || sender.is_empty() {
            return true;
        }
        if let Some((last, at)) = self.last.get_mut(sender) {
            *at = now;
            let new = sequence > *last;
            *last = sequence.max(*last);
            return new;
        }
        if self.last.len() >= MAX_SENDERS {
            self.last.retain(|_, (_, at)| now.saturating_duration_since(*at) < REMEMBER);
        }
        if self.last.len() < MAX_SENDERS {
            self.last.insert(sender.to_owned(), (sequence, now));
        }
        true
    }

    /// Sender and number of what came last, for the server after a resume.
    pub(crate) fn received(&self) -> impl Iterator<Item = (&str, u32)> {
        self.last.iter().map(|(sender, (last, _))| (sender.as_str(), *last))
    }

    /// Everything begins anew.
    pub(crate) fn clear(&mut self) {
        self.last.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn senders_are_bounded() {
        let (now, mut inbox) = (Instant::now(), Inbox::default());
        for n in 0..10_000 {
            assert!(inbox.accept(now, &n.to_string(), 1));
        }
        assert_eq!(inbox.last.len(), MAX_SENDERS);
        assert!(inbox.accept(now + REMEMBER * 2, "another", 1));
        assert_eq!(inbox.last.len(), 1, "old ones make room");
    }

    #[test]
    fn what_was_sent_is_kept_within_bounds() {
        let (now, mut outbox) = (Instant::now(), Outbox::default());
        for _ in 0..100 {
            let sequence = outbox.next_sequence();
            outbox.add(now, sequence, vec![0; 60_000]);
            outbox.mark_sent();
        }
        assert!(outbox.bytes <= MAX_KEPT);
        while outbox.has_room() {
            let sequence = outbox.next_sequence();
            outbox.add(now, sequence, vec![0; 60_000]);
        }
        assert!(outbox.bytes <= MAX_KEPT + 60_000, "unsent data is never forgotten, but bounded");
    }

    proptest! {
        /// Whatever is lost and replayed, the receiver gets each packet once and in order.
        #[test]
        fn exactly_once_over_resumes(steps in proptest::collection::vec((0u8..4, 1usize..5), 1..120)) {
            let (now, mut outbox, mut inbox) = (Instant::now(), Outbox::default(), Inbox::default());
            let (mut on_wire, mut got, mut server_has) = (VecDeque::new(), Vec::new(), 0u32);
            let mut deliver = |bytes: Vec<u8>, server_has: &mut u32, got: &mut Vec<u32>| {
                let sequence = u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"));
                *server_has = sequence.max(*server_has);
                if inbox.accept(now, "PA_1", sequence) { got.push(sequence) }
            };
            for (step, amount) in steps.into_iter().chain([(2, 1), (1, 1_000), (3, 1_000)]) {
                match step {
                    0 => for _ in 0..amount {
                        let sequence = outbox.next_sequence();
                        outbox.add(now, sequence, sequence.to_be_bytes().to_vec());
                    },
                    1 => for _ in 0..amount {
                        let Some(bytes) = outbox.unsent() else { break };
                        on_wire.push_back(bytes.to_vec());
                        outbox.mark_sent();
                    },
                    2 => { // the connection breaks: the wire may or may not deliver, then a resume
                        let keep = on_wire.len() / 2;
                        for bytes in on_wire.drain(..).take(keep) { deliver(bytes, &mut server_has, &mut got) }
                        outbox.replay_after(server_has);
                    }
                    _ => for _ in 0..amount {
                        let Some(bytes) = on_wire.pop_front() else { break };
                        deliver(bytes, &mut server_has, &mut got);
                    },
                }
            }
            prop_assert_eq!(got, (1..=outbox.last).collect::<Vec<_>>());
        }
    }
}
