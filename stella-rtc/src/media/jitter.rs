//! Puts the packets of one remote track in order and says what to decode, when.
//!
//! A listener that does not play sound aloud needs order and completeness, not an even pace. So a packet that comes in
//! order is given at once; only a hole makes later packets wait, for as long as packets were recently seen to be out
//! of order (40-120 ms), and then it is concealed. A sender that falls silent (discontinuous transmission) leaves a
//! hole in the timestamps but none in the sequence numbers; it is filled with silence at the pace of the clock while
//! it lasts. A sender that says nothing may also be a network that stalls, and silence put into the middle of a word does
//! more harm than lateness: unless the sender announced its silence, a third of a second is waited for.
//!
//! Calling contract: after every [`JitterBuffer::push`], and at every [`JitterBuffer::deadline`], call
//! [`JitterBuffer::poll`] until it gives nothing.

use super::{FRAME, FRAME_TIME, packet, rtp_time, rtp_units};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bounds of how long a missing packet is waited for.
const MIN_TARGET: Duration = Duration::from_millis(40);
const MAX_TARGET: Duration = Duration::from_millis(120);
/// Frames kept at most; beyond it the oldest hole is given up.
const MAX_FRAMES: usize = 100;
/// Concealed at most for one hole; the rest of it is silence.
const MAX_CONCEALED: u32 = FRAME * 6;
/// Put in at most when a hole turns out longer than the silence already given.
const MAX_CORRECTION: u64 = FRAME as u64 * 10;
/// Silence given at most while nothing comes.
const MAX_SILENCE: Duration = Duration::from_secs(10);
/// How long nothing may come, unannounced, before it counts as silence.
const STALL: Duration = Duration::from_millis(300);
/// A timestamp this far behind means that the sender began anew.
const RESTART: u64 = FRAME as u64 * 100;

/// What to decode next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A packet.
    Frame { payload: Arc<[u8]>, units: u32, redundant: bool, arrived: Instant },
    /// A lost frame, with the packet after it, if that follows without a gap.
    Lost { next: Option<Arc<[u8]>>, units: u32, arrived: Instant },
    /// The sender is silent.
    Silence { units: u32, arrived: Instant },
}

impl Item {
    /// When this was known.
    pub(crate) fn arrived(&self) -> Instant {
        match self {
            Self::Frame { arrived, .. } | Self::Lost { arrived, .. } | Self::Silence { arrived, .. } => *arrived,
        }
    }
}

/// One RTP packet with its redundancy taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Extended sequence number.
    pub(crate) sequence: u64,
    /// Extended timestamp, in units of the RTP clock.
    pub(crate) timestamp: u64,
    /// The frame; empty for padding.
    pub(crate) payload: Arc<[u8]>,
    /// Older frames and how far before they belong.
    pub(crate) redundant: Vec<(u32, Arc<[u8]>)>,
}

/// Counters of one buffer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct JitterStats {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    pub(crate) recovered: u64,
    pub(crate) concealed: u64,
    pub(crate) discarded: u64,
    pub(crate) silence_frames: u64,
    pub(crate) malformed: u64,
}

#[derive(Debug)]
struct Frame {
    payload: Arc<[u8]>,
    units: u32,
    /// `None` if it came as redundancy.
    sequence: Option<u64>,
    arrived: Instant,
}

/// The buffer of one remote track. See the module.
#[derive(Debug)]
pub(crate) struct JitterBuffer {
    frames: BTreeMap<u64, Frame>,
    /// Timestamp that follows what was given; `None` before the first packet.
    next: Option<u64>,
    /// Newest sequence number given or skipped.
    sequence: u64,
    target: Duration,
    /// Silence given since `next`, in units of the RTP clock.
    filled: u64,
    /// When sound was last given, plus its length: from here silence is counted.
    idle_since: Instant,
    /// Whether the sender announced silence.
    announced: bool,
    /// Concealed since sound was last given, in units of the RTP clock.
    concealing: u32,
    stats: JitterStats,
}

impl JitterBuffer {
    /// An empty buffer.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            frames: BTreeMap::new(),
            next: None,
            sequence: 0,
            target: MIN_TARGET,
            filled: 0,
            idle_since: now,
            announced: false,
            concealing: 0,
            stats: JitterStats::default(),
        }
    }

    /// Counters so far.
    pub(crate) fn stats(&self) -> JitterStats {
        self.stats
    }

    /// How long a missing packet is waited for now.
    pub(crate) fn target(&self) -> Duration {
        self.target
    }

    /// Takes a packet.
    pub(crate) fn push(&mut self, now: Instant, packet: Packet) {
        self.stats.packets += 1;
        let Some(units) = packet::duration(&packet.payload) else {
            let padding = packet.payload.is_empty();
            self.stats.malformed += u64::from(!padding);
            if padding && self.next.is_some() && packet.sequence == self.sequence + 1 {
                self.sequence = packet.sequence;
            }
            return;
        };
        let next = *self.next.get_or_insert(packet.timestamp);
        if packet.sequence > self.sequence && packet.timestamp + RESTART < next {
            self.frames.clear();
            self.next = Some(packet.timestamp);
            self.filled = 0;
        }
        self.learn(now, packet.timestamp);
        for (offset, payload) in packet.redundant {
            let (Some(units), Some(timestamp)) =
                (packet::duration(&payload), packet.timestamp.checked_sub(u64::from(offset)))
            else {
                continue;
            };
            let missing = timestamp >= self.next.unwrap_or(0) && !self.frames.contains_key(&timestamp);
            if missing && offset >= units {
                self.frames.insert(timestamp, Frame { payload, units, sequence: None, arrived: now });
            }
        }
        let late = packet.timestamp < self.next.unwrap_or(0);
        let twice = self.frames.get(&packet.timestamp).is_some_and(|frame| frame.sequence.is_some());
        if late || twice {
            self.stats.discarded += 1;
            return;
        }
        let frame = Frame { payload: packet.payload, units, sequence: Some(packet.sequence), arrived: now };
        self.frames.insert(packet.timestamp, frame);
    }

    /// The next thing to decode, if it is time for it.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Item> {
        loop {
            let next = self.next?;
            let Some((&timestamp, frame)) = self.frames.first_key_value() else { return self.silence(now) };
            if timestamp < next {
                self.frames.pop_first(); // overlaps with what was given
                self.stats.discarded += 1;
            } else if timestamp == next {
                return self.give_first();
            } else if self.is_pause(frame) {
                match self.fill_pause(timestamp - next, now) {
                    Some(item) => return Some(item),
                    None => self.skip_to(timestamp),
                }
            } else if now >= frame.arrived + self.target || self.frames.len() > MAX_FRAMES {
                if self.filled > 0 {
                    self.skip_to(timestamp.min(next + self.filled)); // silence has taken its place
                    continue;
                }
                return Some(self.conceal(timestamp - next, now));
            } else {
                return self.silence(now);
            }
        }
    }

    /// When [`JitterBuffer::poll`] may have something without a new packet.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next?;
        let hole = self.frames.first_key_value().map(|(_, frame)| frame.arrived + self.target);
        [hole, self.silence_due()].into_iter().flatten().min()
    }

    /// Whether the hole before `frame` is silence of the sender, not loss.
    fn is_pause(&self, frame: &Frame) -> bool {
        frame.sequence.is_some_and(|sequence| sequence == self.sequence + 1)
    }

    fn give_first(&mut self) -> Option<Item> {
        let (timestamp, frame) = self.frames.pop_first()?;
        self.skip_to(timestamp + u64::from(frame.units));
        self.idle_since = frame.arrived + rtp_time(u64::from(frame.units));
        self.announced = packet::is_silence(&frame.payload);
        self.concealing = 0;
        match frame.sequence {
            Some(sequence) => self.sequence = self.sequence.max(sequence),
            None => {
                self.stats.lost += 1;
                self.stats.recovered += 1;
                self.sequence += 1;
            }
        }
        let redundant = frame.sequence.is_none();
        Some(Item::Frame { payload: frame.payload, units: frame.units, redundant, arrived: frame.arrived })
    }

    fn skip_to(&mut self, timestamp: u64) {
        self.next = Some(timestamp);
        self.filled = 0;
    }

    /// What is still missing of the silence of `hole` units, in whole milliseconds.
    fn fill_pause(&mut self, hole: u64, now: Instant) -> Option<Item> {
        let missing = hole.saturating_sub(self.filled).min(MAX_CORRECTION);
        let units = missing.min(u64::from(FRAME)) / 48 * 48;
        if units == 0 || hole > rtp_units(MAX_SILENCE) {
            return None;
        }
        self.filled += units;
        if missing == MAX_CORRECTION {
            self.filled = hole.saturating_sub(MAX_CORRECTION - units);
        }
        self.stats.silence_frames += 1;
        Some(Item::Silence { units: units as u32, arrived: now })
    }

    /// Gives a substitute for one frame of a hole of `hole` units that will not be filled any more: error correction
    /// where the next packet has it, else concealment, and silence once that would only be noise.
    fn conceal(&mut self, hole: u64, now: Instant) -> Item {
        let skipped = if hole > RESTART { hole - u64::from(FRAME) } else { 0 };
        let units = (hole - skipped).min(u64::from(FRAME)) as u32;
        let is_last = hole - skipped <= u64::from(FRAME);
        let after = self.frames.first_key_value().filter(|_| is_last).map(|(_, frame)| frame.payload.clone());
        let next = after.filter(|payload| !packet::is_silence(payload) && units == FRAME);
        self.skip_to(self.next.unwrap_or(0) + skipped + u64::from(units));
        self.sequence += 1;
        self.stats.lost += 1;
        self.stats.concealed += u64::from(next.is_none());
        self.concealing += units;
        if next.is_none() && self.concealing > MAX_CONCEALED {
            return Item::Silence { units, arrived: now };
        }
        Item::Lost { next, units, arrived: now }
    }

    /// When the next frame of silence is due.
    fn silence_due(&self) -> Option<Instant> {
        let given = rtp_time(self.filled);
        let patience = match (self.filled, self.announced) {
            (0, true) => FRAME_TIME,
            (0, false) => STALL,
            _ => FRAME_TIME,
        };
        (given < MAX_SILENCE).then(|| self.idle_since + given + patience)
    }

    fn silence(&mut self, now: Instant) -> Option<Item> {
        if now < self.silence_due()? {
            return None;
        }
        self.filled += u64::from(FRAME);
        self.stats.silence_frames += 1;
        Some(Item::Silence { units: FRAME, arrived: now })
    }

    /// Learns from a packet that came after a later one how long waiting is worth while.
    fn learn(&mut self, now: Instant, timestamp: u64) {
        let overtaken_by = self.frames.range(timestamp + 1..).find(|(_, frame)| frame.sequence.is_some());
        if let Some((_, frame)) = overtaken_by {
            let waited = now.saturating_duration_since(frame.arrived);
            self.target = self.target.max(waited.mul_f32(1.5)).min(MAX_TARGET);
        } else if self.next.is_some_and(|next| timestamp < next) {
            self.target = (self.target + FRAME_TIME).min(MAX_TARGET); // given up too early
        } else {
            let above = self.target.saturating_sub(MIN_TARGET);
            self.target = MIN_TARGET + above - above / 256; // forgets half in 3.5 s
        }
    }
}

#[cfg(test)]
#[path = "jitter_tests.rs"]
mod tests;
