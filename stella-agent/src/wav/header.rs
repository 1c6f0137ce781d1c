//! The chunks of a WAV file, up to its samples.

use std::io::{self, BufRead, Read};

use super::error::Problem;

/// Sizes from here on say only that the writer did not know the size: an hour of sound is less. Programs that write
/// into a pipe put all ones, or something just below the half of that.
const UNKNOWN: u32 = 0x7fff_f000;
/// Longest description of the format that is read; none is longer than 40 bytes today.
const MAX_FORMAT: u32 = 4_096;
/// What follows the tag in the sub-format of an extensible file.
const SUB_FORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// How one sample is written; all little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Encoding {
    /// Bytes of a sample.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The sample in these bytes, from -1 to 1. What is no number becomes silence.
    pub(super) fn sample(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::U8, &[a]) => (f32::from(a) - 128.0) / 128.0,
            (Self::I16, &[a, b]) => f32::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (Self::I24, &[a, b, c]) => i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0,
            (Self::I32, &[a, b, c, d]) => i32::from_le_bytes([a, b, c, d]) as f32 / 2_147_483_648.0,
            (Self::F32, &[a, b, c, d]) => finite(f32::from_le_bytes([a, b, c, d])),
            (Self::F64, &[a, b, c, d, e, f, g, h]) => finite(f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32),
            _ => 0.0,
        }
    }
}

fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

/// What a file says of its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) encoding: Encoding,
    pub(super) channels: u16,
    pub(super) sample_rate: u32,
    /// Bytes of samples; `None` if they go on to the end of the file.
    pub(super) data: Option<u64>,
}

/// Reads up to the first sample.
pub(super) fn read(source: &mut impl BufRead) -> Result<Header, Problem> {
    let mut riff = Vec::new();
    source.by_ref().take(12).read_to_end(&mut riff).map_err(Problem::Unreadable)?;
    if riff.is_empty() {
        return Err(Problem::Empty);
    }
    if !riff.starts_with(b"RIFF") || riff.get(8..12) != Some(b"WAVE") {
        return Err(Problem::NotWav);
    }
    let riff_size = u32_at(&riff, 4);
    let mut format = None;
    loop {
        let head: [u8; 8] = exactly(source)?;
        let size = u32_at(&head, 4);
        match &head[..4] {
            b"data" => {
                let (encoding, channels, sample_rate) =
                    format.ok_or_else(|| Problem::Broken("its samples come before their format".into()))?;
                let unsized_file = size == 0 && (riff_size == 0 || riff_size >= UNKNOWN);
                let data = (size < UNKNOWN && !unsized_file).then_some(u64::from(size));
                return Ok(Header { encoding, channels, sample_rate, data });
            }
            b"fmt " if size <= MAX_FORMAT => {
                let mut text = vec![0; size as usize];
                source.read_exact(&mut text).map_err(cut_off)?;
                format = Some(format_of(&text)?);
            }
            _ => {
                let skipped = io::copy(&mut source.by_ref().take(size.into()), &mut io::sink()).map_err(cut_off)?;
                if skipped < u64::from(size) {
                    return Err(Problem::Broken(TOO_EARLY.into()));
                }
            }
        }
        // An odd chunk is followed by a zero, which some writers forget; no name of a chunk begins with one.
        if size % 2 == 1 && source.fill_buf().map_err(cut_off)?.first() == Some(&0) {
            source.consume(1);
        }
    }
}

const TOO_EARLY: &str = "it ends too early";

/// The file ends, or cannot be read.
pub(super) fn cut_off(error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Problem::Broken(TOO_EARLY.into()),
        _ => Problem::Unreadable(error),
    }
}

fn exactly<const N: usize>(source: &mut impl Read) -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(cut_off)?;
    Ok(bytes)
}

/// Encoding, channels and rate of a `fmt ` chunk.
fn format_of(text: &[u8]) -> Result<(Encoding, u16, u32), Problem> {
    if text.len() < 16 {
        return Err(Problem::Broken("the description of its format is too short".into()));
    }
    let (channels, sample_rate) = (u16_at(text, 2), u32_at(text, 4));
    let (block, bits) = (u16_at(text, 12), u16_at(text, 14));
    let tag = match u16_at(text, 0) {
        0xfffe if text.len() >= 40 && text[26..40] == SUB_FORMAT => u16_at(text, 24),
        tag => tag,
    };
    if channels == 0 {
        return Err(Problem::Broken("it has no channel".into()));
    }
    // Samples lie in whole bytes, which may be more than their bits need.
    let bytes = if block % channels == 0 && block > 0 { block / channels } else { bits.div_ceil(8) };
    let encoding = match (tag, bytes) {
        (1, 1) => Encoding::U8,
        (1, 2) => Encoding::I16,
        (1, 3) => Encoding::I24,
        (1, 4) => Encoding::I32,
        (3, 4) => Encoding::F32,
        (3, 8) => Encoding::F64,
        _ => return Err(Problem::NotPcm),
    };
    if bits == 0 || usize::from(bits) > encoding.bytes() * 8 || usize::from(bits.div_ceil(8)) * 2 < encoding.bytes() {
        return Err(Problem::Broken("what it says of the size of its samples makes no sense".into()));
    }
    Ok((encoding, channels, sample_rate))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_reaches_from_minus_one_to_one() {
        let near = |encoding: Encoding, bytes: &[u8], expected: f32| {
            assert_eq!(encoding.bytes(), bytes.len());
            let sample = encoding.sample(bytes);
            assert!((sample - expected).abs() < 0.01, "{encoding:?} {bytes:?}: {sample}");
        };
        near(Encoding::U8, &[0], -1.0);
        near(Encoding::U8, &[128], 0.0);
        near(Encoding::U8, &[255], 1.0);
        near(Encoding::I16, &i16::MIN.to_le_bytes(), -1.0);
        near(Encoding::I24, &[0xff, 0xff, 0x7f], 1.0);
        near(Encoding::I24, &[0, 0, 0xc0], -0.5);
        near(Encoding::I32, &i32::MIN.to_le_bytes(), -1.0);
        near(Encoding::F32, &0.25_f32.to_le_bytes(), 0.25);
        near(Encoding::F32, &f32::NAN.to_le_bytes(), 0.0);
        near(Encoding::F64, &(-7.0_f64).to_le_bytes(), -1.0);
    }
}
