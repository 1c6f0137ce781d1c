//! Audio between PCM and RTP, without sockets, tasks or clocks: time always comes in as an argument.

pub(crate) mod decoder;
pub(crate) mod encoder;
pub(crate) mod jitter;
pub(crate) mod level;
pub(crate) mod pacer;
pub(crate) mod packet;
pub(crate) mod queue;
pub(crate) mod red;
pub(crate) mod sender;

/// Samples a second of the RTP clock of Opus, whatever the format of the sound.
pub(crate) const RTP_CLOCK: u32 = 48_000;

/// Length of the frames we send, in units of the RTP clock.
pub(crate) const FRAME: u32 = RTP_CLOCK / 50;

/// Length of the frames we send.
pub(crate) const FRAME_TIME: std::time::Duration = std::time::Duration::from_millis(20);

/// `duration` in units of the RTP clock, rounded down.
pub(crate) fn rtp_units(duration: std::time::Duration) -> u64 {
    let units = duration.as_nanos() * u128::from(RTP_CLOCK) / 1_000_000_000;
    u64::try_from(units).unwrap_or(u64::MAX)
}

/// How long `units` of the RTP clock last.
pub(crate) fn rtp_time(units: u64) -> std::time::Duration {
    let rate = u64::from(RTP_CLOCK);
    std::time::Duration::new(units / rate, ((units % rate) * 1_000_000_000 / rate) as u32)
}
