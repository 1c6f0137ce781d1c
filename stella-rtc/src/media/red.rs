//! Redundant audio (RFC 2198): each packet repeats the frame before it.

use super::FRAME;

/// Largest block the header's ten-bit length field can describe, in bytes.
const MAX_BLOCK: usize = 0x3ff;
/// Largest distance the header's fourteen-bit field can describe, in units of the RTP clock.
const MAX_OFFSET: u32 = 0x3fff;
/// More blocks than any sender needs; a packet with more is malformed.
const MAX_BLOCKS: usize = 8;
/// Redundancy older than this helps nobody.
const USEFUL_OFFSET: u32 = FRAME * 10;

/// A packet taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Red<'a> {
    /// Older frames, oldest first: how far before the primary in units of the RTP clock, and the frame.
    pub(crate) redundant: Vec<(u32, &'a [u8])>,
    /// The packet's own frame.
    pub(crate) primary: &'a [u8],
}

/// Takes a packet apart, keeping the blocks of payload type `opus`. `None` if it is malformed.
pub(crate) fn parse(packet: &[u8], opus: u8) -> Option<Red<'_>> {
    let (mut at, mut headers) = (0, Vec::new());
    let primary_type = loop {
        let first = *packet.get(at)?;
        if first & 0x80 == 0 {
            at += 1;
            break first;
        }
        let word = u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?);
        if headers.len() == MAX_BLOCKS {
            return None;
        }
        headers.push((first & 0x7f, (word >> 10) & MAX_OFFSET, (word & 0x3ff) as usize));
        at += 4;
    };
    let mut redundant = Vec::with_capacity(headers.len());
    for (payload_type, offset, length) in headers {
        let block = packet.get(at..at + length)?;
        at += length;
        if payload_type == opus && offset > 0 && !block.is_empty() {
            redundant.push((offset, block));
        }
    }
    (primary_type == opus).then_some(Red { redundant, primary: packet.get(at..)? })
}

/// Puts packets together, remembering the last frame.
#[derive(Debug)]
pub(crate) struct RedEncoder {
    opus: u8,
    last: Option<(u32, Vec<u8>)>,
}

impl RedEncoder {
    /// For frames of payload type `opus`.
    pub(crate) fn new(opus: u8) -> Self {
        Self { opus, last: None }
    }

    /// The packet for `frame` at `timestamp`, which repeats the frame before if that is recent and small enough.
    pub(crate) fn wrap(&mut self, timestamp: u32, frame: &[u8]) -> Vec<u8> {
        let repeated = self.last.as_ref().and_then(|(then, last)| {
            let offset = timestamp.wrapping_sub(*then);
            let fits = (1..=USEFUL_OFFSET).contains(&offset) && (1..=MAX_BLOCK).contains(&last.len());
            fits.then_some((offset, last))
        });
        let mut packet = Vec::with_capacity(5 + frame.len() + repeated.map_or(0, |(_, last)| last.len()));
        if let Some((offset, last)) = repeated {
            let word = 1 << 31 | u32::from(self.opus) << 24 | offset << 10 | last.len() as u32;
            packet.extend_from_slice(&word.to_be_bytes());
        }
        packet.push(self.opus);
        if let Some((_, last)) = repeated {
            packet.extend_from_slice(last);
        }
        packet.extend_from_slice(frame);
        self.last = Some((timestamp, frame.to_vec()));
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_frame_before_is_repeated_unless_too_old_or_too_big() {
        let mut red = RedEncoder::new(111);
        assert_eq!(red.wrap(0, b"one"), b"\x6fone");
        let second = red.wrap(960, b"two");
        assert_eq!(parse(&second, 111), Some(Red { redundant: vec![(960, b"one")], primary: b"two" }));
        let after_silence = red.wrap(960 + 48_000, &[7; 1024]);
        assert_eq!(parse(&after_silence, 111).expect("valid").redundant, []);
        let after_giant = red.wrap(960 + 48_960, b"x");
        assert_eq!(parse(&after_giant, 111), Some(Red { redundant: vec![], primary: b"x" }));
    }

    #[test]
    fn malformed_packets_are_refused() {
        assert_eq!(parse(&[], 111), None);
        assert_eq!(parse(&[0x80 | 111, 0, 0], 111), None, "header cut short");
        assert_eq!(parse(&[0x80 | 111, 0, 0, 200, 111, 1, 2], 111), None, "block longer than the packet");
        assert_eq!(parse(&[100, 1, 2], 111), None, "not Opus");
        assert_eq!(parse(&[0xef, 0, 0, 0].repeat(50), 111), None, "endless headers");
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(packet in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(red) = parse(&packet, 111) {
                let total: usize = red.redundant.iter().map(|(_, b)| b.len()).sum();
                prop_assert!(total + red.primary.len() < packet.len());
            }
        }

        #[test]
        fn what_is_wrapped_can_be_parsed(
            frames in proptest::collection::vec((1u32..20_000, proptest::collection::vec(any::<u8>(), 1..1200)), 1..20)
        ) {
            let (mut red, mut timestamp, mut last) = (RedEncoder::new(111), 0u32, None::<(u32, Vec<u8>)>);
            for (step, frame) in frames {
                timestamp = timestamp.wrapping_add(step);
                let packet = red.wrap(timestamp, &frame);
                let parsed = parse(&packet, 111).expect("own packets are valid");
                prop_assert_eq!(parsed.primary, &frame[..]);
                for (offset, block) in parsed.redundant {
                    let (then, before) = last.as_ref().expect("nothing to repeat at first");
                    prop_assert_eq!(timestamp.wrapping_sub(offset), *then);
                    prop_assert_eq!(block, &before[..]);
                }
                last = Some((timestamp, frame));
            }
        }
    }
}
