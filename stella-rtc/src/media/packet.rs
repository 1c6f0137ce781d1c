//! What the first bytes of an Opus packet tell without decoding (RFC 6716, section 3.1).

use super::RTP_CLOCK;

/// Longest packet that Opus allows, 120 ms.
const LONGEST: u32 = RTP_CLOCK / 1000 * 120;

/// How long a packet plays, in units of the RTP clock; `None` if it is no valid Opus packet.
pub(crate) fn duration(packet: &[u8]) -> Option<u32> {
    let first = *packet.first()?;
    let config = first >> 3;
    let per_ms = RTP_CLOCK / 1000;
    let frame = match config {
        0..=11 => [10, 20, 40, 60][usize::from(config % 4)] * per_ms,
        12..=15 => [10, 20][usize::from(config % 2)] * per_ms,
        _ => (per_ms * 5 / 2) << (config % 4),
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(*packet.get(1)? & 0x3f),
    };
    let total = frame * frames;
    (total > 0 && total <= LONGEST).then_some(total)
}

/// Whether a packet only says that silence begins or goes on (discontinuous transmission).
pub(crate) fn is_silence(packet: &[u8]) -> bool {
    packet.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_libopus(packet in proptest::collection::vec(any::<u8>(), 1..40)) {
            let reference = opus::packet::get_nb_samples(&packet, 48_000).ok().filter(|&n| n > 0 && n <= 5760);
            prop_assert_eq!(duration(&packet).map(|d| d as usize), reference);
        }
    }
}
