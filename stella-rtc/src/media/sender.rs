//! One own track, from queued PCM to RTP payloads.
//!
//! While there is sound, a packet leaves every 20 ms. When it ends, silence is encoded until the encoder itself
//! announces silence (discontinuous transmission), so that a listener's decoder fades out instead of stretching the
//! last syllable. Then one tiny packet every 400 ms tells listeners that the sender is silent, not lost. The first
//! packet after silence carries the marker bit, and its timestamp has advanced by the time that passed.

use super::{
    FRAME_TIME,
    encoder::SpeechEncoder,
    level,
    pacer::Pacer,
    packet,
    queue::{PlayoutQueue, Taken},
    red::RedEncoder,
};
use crate::{error::RtcError, options::AudioPublishOptions};
use std::time::{Duration, Instant};

/// Frames of silence encoded at most after the sound ended.
const TAIL: u32 = 25;
/// Without discontinuous transmission, this many.
const SHORT_TAIL: u32 = 10;
/// Between the packets that keep up silence.
const KEEP_ALIVE: Duration = Duration::from_millis(400);

/// Payload types agreed with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PayloadTypes {
    pub(crate) opus: u8,
    /// `None` without redundancy.
    pub(crate) red: Option<u8>,
}

/// What one RTP packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RtpPayload {
    pub(crate) payload_type: u8,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) level: i8,
    pub(crate) payload: Vec<u8>,
}

/// Counters of one sender.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SenderStats {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) worst_lateness: Duration,
    pub(crate) skipped_frames: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// Nothing to send; one small packet at `refresh`, if anything was ever sent.
    Idle { refresh: Option<Instant> },
    /// Sound.
    Voice,
    /// The sound has ended; `left` frames of silence at most.
    Tail { left: u32 },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Sender {
    encoder: SpeechEncoder,
    pacer: Pacer,
    red: Option<RedEncoder>,
    types: PayloadTypes,
    activity: Activity,
    dtx: bool,
    sequence: u64,
    frame: Vec<i16>,
    /// The last packet of silence, sent again while silent.
    silence: Vec<u8>,
    /// Whether the packet before announced silence.
    silent: bool,
    stats: SenderStats,
}

impl Sender {
    /// A sender whose first packet carries `sequence` (below 32,768) and `timestamp`.
    pub(crate) fn new(
        options: &AudioPublishOptions,
        types: PayloadTypes,
        sequence: u16,
        timestamp: u32,
    ) -> Result<Self, RtcError> {
        let encoder = SpeechEncoder::new(options.format, options.bitrate, options.dtx)?;
        let frame = vec![0; encoder.frame_len()];
        Ok(Self {
            encoder,
            pacer: Pacer::new(timestamp),
            red: types.red.map(|_| RedEncoder::new(types.opus)),
            types,
            activity: Activity::Idle { refresh: None },
            dtx: options.dtx,
            sequence: u64::from(sequence & 0x7fff),
            frame,
            silence: Vec::new(),
            silent: true,
            stats: SenderStats::default(),
        })
    }

    /// Counters so far.
    pub(crate) fn stats(&self) -> SenderStats {
        self.stats
    }

    /// Whether redundancy is sent.
    pub(crate) fn red(&self) -> bool {
        self.red.is_some()
    }

    /// When to call [`Sender::poll`] next, given that `queue` does not change.
    pub(crate) fn deadline(&self, queue: &PlayoutQueue, now: Instant) -> Option<Instant> {
        match self.activity {
            Activity::Idle { .. } if queue.ready() => Some(now),
            Activity::Idle { refresh } => refresh,
            Activity::Voice | Activity::Tail { .. } => self.pacer.deadline(),
        }
    }

    /// The packet that is due, if one is. Call it until it gives nothing.
    ///
    /// # Errors
    /// [`RtcError::Media`] if the encoder failed.
    pub(crate) fn poll(&mut self, now: Instant, queue: &mut PlayoutQueue) -> Result<Option<RtpPayload>, RtcError> {
        if let Activity::Idle { refresh } = self.activity {
            if queue.ready() {
                self.pacer.start(now);
                self.activity = Activity::Voice;
            } else if let Some(due) = refresh.filter(|due| *due <= now) {
                return Ok(Some(self.refresh(due, now)));
            }
        }
        while let Some(tick) = self.pacer.tick(now) {
            self.stats.worst_lateness = self.stats.worst_lateness.max(tick.late);
            self.stats.skipped_frames += tick.skipped;
            let taken = queue.take(&mut self.frame);
            let level = match taken {
                Taken::Samples(_) => level::dbov(&self.frame),
                Taken::Nothing => -127,
            };
            let payload = self.encode(taken)?;
            let announces = self.dtx && packet::is_silence(&payload);
            let marker = std::mem::replace(&mut self.silent, announces) && !announces;
            let ended = self.advance(taken, queue, announces, now);
            if ended {
                self.silence.clone_from(&payload);
            } else if announces && !marker && self.repeats_silence(&payload) {
                continue;
            }
            return Ok(Some(self.packet(tick.timestamp, marker, level, &payload)));
        }
        Ok(None)
    }

    fn encode(&mut self, taken: Taken) -> Result<Vec<u8>, RtcError> {
        if taken == Taken::Nothing {
            self.frame.fill(0);
        }
        self.encoder.encode(&self.frame)
    }

    /// Moves on after a frame; true if it was the last one before silence.
    fn advance(&mut self, taken: Taken, queue: &PlayoutQueue, announces: bool, now: Instant) -> bool {
        self.activity = match (self.activity, taken) {
            (_, Taken::Samples(_)) => Activity::Voice,
            (Activity::Voice, Taken::Nothing) if queue.ready() => Activity::Voice,
            (Activity::Tail { left: 0 }, Taken::Nothing) => self.idle(now),
            (Activity::Tail { .. }, Taken::Nothing) if announces => self.idle(now),
            (Activity::Tail { left }, Taken::Nothing) => Activity::Tail { left: left - 1 },
            (_, Taken::Nothing) => Activity::Tail { left: if self.dtx { TAIL } else { SHORT_TAIL } },
        };
        matches!(self.activity, Activity::Idle { .. })
    }

    fn idle(&mut self, now: Instant) -> Activity {
        self.pacer.stop();
        Activity::Idle { refresh: Some(now + KEEP_ALIVE) }
    }

    /// Whether the packet before already announced this silence.
    fn repeats_silence(&mut self, payload: &[u8]) -> bool {
        if self.silence == payload {
            return true;
        }
        self.silence = payload.to_vec();
        false
    }

    fn refresh(&mut self, due: Instant, now: Instant) -> RtpPayload {
        let timestamp = self.pacer.stamp(due);
        self.activity = Activity::Idle { refresh: Some((due + KEEP_ALIVE).max(now + FRAME_TIME)) };
        let silence = std::mem::take(&mut self.silence);
        let packet = self.packet(timestamp, false, -127, &silence);
        self.silence = silence;
        packet
    }

    fn packet(&mut self, timestamp: u32, marker: bool, level: i8, frame: &[u8]) -> RtpPayload {
        let (payload_type, payload) = match (&mut self.red, self.types.red) {
            (Some(red), Some(payload_type)) => (payload_type, red.wrap(timestamp, frame)),
            _ => (self.types.opus, frame.to_vec()),
        };
        let sequence = self.sequence;
        self.sequence += 1;
        self.stats.packets += 1;
        self.stats.bytes += payload.len() as u64;
        RtpPayload { payload_type, sequence, timestamp, marker, level, payload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stella_core::audio::AudioFormat;

    const MS: Duration = Duration::from_millis(1);
    const TYPES: PayloadTypes = PayloadTypes { opus: 111, red: Some(63) };

    fn tone(ms: usize) -> Vec<i16> {
        (0..ms * 24).map(|i| ((i as f32 * 0.115).sin() * 12_000.0) as i16).collect()
    }

    /// Runs for `until`, pushing `speech` at the given times, and returns (ms, packet).
    fn run(
        options: &AudioPublishOptions,
        speech: &[(u64, usize)],
        until: u64,
    ) -> (Vec<(u64, RtpPayload)>, PlayoutQueue) {
        let mut queue = PlayoutQueue::new(AudioFormat::VOICE, Duration::from_secs(60));
        let mut sender = Sender::new(options, TYPES, 7, 1_000).expect("valid options");
        let (start, mut out) = (Instant::now(), Vec::new());
        for ms in 0..until {
            let now = start + MS * ms as u32;
            for (_, length) in speech.iter().filter(|(at, _)| *at == ms) {
                let samples = tone(*length);
                let ticket = queue.announce(samples.len());
                assert_eq!(queue.push(ticket, &samples), samples.len());
            }
            if sender.deadline(&queue, now).is_some_and(|due| due <= now) {
                while let Some(packet) = sender.poll(now, &mut queue).expect("encodes") {
                    out.push((ms, packet));
                }
            }
        }
        (out, queue)
    }

    #[test]
    fn sound_leaves_every_20_ms_and_silence_costs_next_to_nothing() {
        let (out, queue) = run(&AudioPublishOptions::default(), &[(0, 1_000), (3_005, 200)], 4_000);
        let during = |from, to| out.iter().filter(|(ms, _)| (from..to).contains(ms)).count();
        assert_eq!(during(0, 1_000), 50);
        assert!(during(1_700, 3_000) <= 5, "{} packets of silence", during(1_700, 3_000));
        assert_eq!(queue.position(), 24_000 + 4_800);
        assert!(out[0].1.marker, "the first packet of speech is marked");
        let second = out.iter().find(|(ms, _)| *ms >= 3_005).expect("spoke again");
        assert_eq!(second.0, 3_005, "without waiting for a grid");
        assert!(second.1.marker);
        assert_eq!(second.1.timestamp, 1_000 + 3_005 * 48, "the timestamp follows the clock");
        assert_eq!(out.iter().filter(|(_, packet)| packet.marker).count(), 2);
    }

    #[test]
    fn sequence_numbers_have_no_hole_and_timestamps_never_go_back() {
        let (out, _) = run(&AudioPublishOptions::default(), &[(0, 90), (300, 33), (900, 500)], 3_000);
        for (i, pair) in out.windows(2).enumerate() {
            assert_eq!(pair[0].1.sequence, 7 + i as u64);
            assert!(pair[1].1.timestamp.wrapping_sub(pair[0].1.timestamp) < 1 << 31);
            assert!(pair[1].1.timestamp != pair[0].1.timestamp);
        }
    }

    #[test]
    fn without_discontinuous_transmission_silence_ends_too() {
        let options = AudioPublishOptions { dtx: false, ..AudioPublishOptions::default() };
        let (out, _) = run(&options, &[(0, 100)], 3_000);
        assert!(out.iter().filter(|(ms, _)| *ms > 500).count() <= 7);
    }

    #[test]
    fn what_is_sent_decodes_to_what_was_pushed() {
        let (out, _) = run(&AudioPublishOptions::default(), &[(0, 500)], 480);
        let mut decoder = opus::Decoder::new(24_000, opus::Channels::Mono).expect("decoder");
        let (mut pcm, mut heard) = (vec![0; 480], Vec::new());
        for (_, packet) in out {
            let red = super::super::red::parse(&packet.payload, 111).expect("own packets are valid");
            let n = decoder.decode(red.primary, &mut pcm, false).expect("decodes");
            heard.extend_from_slice(&pcm[..n]);
        }
        assert!((level::dbov(&heard[4_800..]) - level::dbov(&tone(100))).abs() <= 1);
    }
}
