//! Counters of a session.

use crate::info::{ParticipantIdentity, TrackSid};
use std::time::Duration;

/// Counters since the session began; they survive reconnects.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RtcStats {
    /// Round trip of the media connection; `None` before the first measurement.
    pub round_trip: Option<Duration>,
    /// Resumes that succeeded.
    pub resumes: u32,
    /// Full reconnects that succeeded.
    pub full_reconnects: u32,
    /// Events dropped because their reader was slow.
    pub events_dropped: u64,
    /// Malformed packets and messages that were ignored.
    pub malformed: u64,
    /// Bytes of reliable data waiting to be sent.
    pub data_buffered: usize,
    /// Whether media runs over TCP: publishing, receiving.
    pub over_tcp: (bool, bool),
    /// One entry for each own track.
    pub sent: Vec<SendStats>,
    /// One entry for each remote track received now.
    pub received: Vec<ReceiveStats>,
}

/// Counters of an own track.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SendStats {
    /// The track.
    pub track: TrackSid,
    /// Packets sent, silence included.
    pub packets: u64,
    /// Payload bytes sent.
    pub bytes: u64,
    /// Whether redundant audio was negotiated.
    pub red: bool,
    /// Worst delay of a frame against the clock.
    pub worst_lateness: Duration,
    /// Frames' worth of time skipped because the process was too late to catch up.
    pub skipped_frames: u64,
}

impl SendStats {
    /// Counters at zero, for engines of other crates.
    #[must_use]
    pub fn new(track: TrackSid) -> Self {
        Self { track, packets: 0, bytes: 0, red: false, worst_lateness: Duration::ZERO, skipped_frames: 0 }
    }
}

/// Counters of a remote track.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReceiveStats {
    /// The track.
    pub track: TrackSid,
    /// Who publishes it.
    pub participant: ParticipantIdentity,
    /// Packets received.
    pub packets: u64,
    /// Frames that never arrived in their own packet in time.
    pub lost: u64,
    /// Of these, repaired from redundant audio.
    pub recovered: u64,
    /// Of these, concealed.
    pub concealed: u64,
    /// Packets that came twice or too late.
    pub discarded: u64,
    /// Frames of silence put in while the sender was silent.
    pub silence_frames: u64,
    /// Frames dropped because a reader was slow, over all streams of the track.
    pub overflowed: u64,
    /// How long a missing packet is waited for now.
    pub reorder_target: Duration,
}

impl ReceiveStats {
    /// Counters at zero, for engines of other crates.
    #[must_use]
    pub fn new(track: TrackSid, participant: ParticipantIdentity) -> Self {
        Self {
            track,
            participant,
            packets: 0,
            lost: 0,
            recovered: 0,
            concealed: 0,
            discarded: 0,
            silence_frames: 0,
            overflowed: 0,
            reorder_target: Duration::ZERO,
        }
    }
}
