//! Reading: any plain WAV file becomes 16 kHz mono.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::Path,
};

use stella_core::audio::{AudioFormat, AudioFrame};

use super::{
    error::{AudioFileError, Problem},
    header::{self, Header},
};
use crate::resample::resample;

/// Anything quieter is silence: -60 dBFS.
const SILENCE: f32 = 0.001;
/// Longest sound.
const MAX_SECONDS: u64 = 3_600;
/// Frames read at once.
const FRAMES: u64 = 16_384;

/// Reads a PCM WAV file as 16 kHz mono: 8-48 kHz, mono or stereo, 8, 16, 24 or 32-bit integers or 32 or 64-bit floats,
/// plain or extensible. Of a file whose writer did not know its length, as into a pipe, everything is read.
///
/// # Errors
/// [`AudioFileError`] with the file's name and what is wrong, in one line.
pub fn read(path: &Path) -> Result<AudioFrame, AudioFileError> {
    let open = || {
        // Opening a pipe that nobody writes to would wait forever.
        if !fs::metadata(path).map_err(Problem::Unreadable)?.is_file() {
            return Err(Problem::NotAFile);
        }
        decode(BufReader::new(File::open(path).map_err(Problem::Unreadable)?))
    };
    open().map_err(|problem| AudioFileError::new(path, problem))
}

fn decode(mut source: impl BufRead) -> Result<AudioFrame, Problem> {
    let header = header::read(&mut source)?;
    if !(8_000..=48_000).contains(&header.sample_rate) {
        return Err(Problem::SampleRate(header.sample_rate));
    }
    if header.channels > 2 {
        return Err(Problem::Channels(header.channels));
    }
    let mono = samples(&mut source, &header)?;
    if mono.is_empty() {
        return Err(Problem::Empty);
    }
    if mono.iter().all(|s| s.abs() < SILENCE) {
        return Err(Problem::Silent);
    }
    let speech = resample(&mono, header.sample_rate, AudioFormat::SPEECH.sample_rate());
    let speech: Vec<i16> = speech.into_iter().map(crate::resample::to_i16).collect();
    AudioFrame::new(AudioFormat::SPEECH, speech).map_err(|error| Problem::Broken(error.to_string()))
}

/// The mean of the channels. Bytes at the end that are no whole frame are left out.
fn samples(source: &mut impl Read, header: &Header) -> Result<Vec<f32>, Problem> {
    let (width, channels) = (header.encoding.bytes(), usize::from(header.channels));
    let frame = width * channels;
    let longest = MAX_SECONDS * u64::from(header.sample_rate) * frame as u64;
    if header.data.is_some_and(|data| data > longest) {
        return Err(Problem::TooLong);
    }
    let mut left = header.data.unwrap_or(longest + frame as u64);
    let mut mono = Vec::new();
    let mut block = Vec::new();
    while left > 0 {
        block.clear();
        let wanted = left.min(FRAMES * frame as u64);
        let got = source.by_ref().take(wanted).read_to_end(&mut block).map_err(Problem::Unreadable)? as u64;
        mono.extend(block.chunks_exact(frame).map(|frame| {
            let sum: f32 = frame.chunks_exact(width).map(|bytes| header.encoding.sample(bytes)).sum();
            sum / channels as f32
        }));
        left -= got;
        if got < wanted {
            return if header.data.is_none() { Ok(mono) } else { Err(header::cut_off(EOF.into())) };
        }
    }
    if header.data.is_none() { Err(Problem::TooLong) } else { Ok(mono) }
}

const EOF: std::io::ErrorKind = std::io::ErrorKind::UnexpectedEof;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use hound::{SampleFormat, WavSpec, WavWriter};

    use super::*;

    fn spec(sample_rate: u32, channels: u16, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
        WavSpec { channels, sample_rate, bits_per_sample, sample_format }
    }

    /// A second of 440 Hz at half scale.
    fn tone(path: &Path, spec: WavSpec) {
        let mut writer = WavWriter::create(path, spec).unwrap();
        for n in 0..spec.sample_rate {
            let value = 0.5 * (std::f32::consts::TAU * 440.0 * n as f32 / spec.sample_rate as f32).sin();
            for _ in 0..spec.channels {
                match spec.sample_format {
                    SampleFormat::Float => writer.write_sample(value).unwrap(),
                    SampleFormat::Int => {
                        let scale = (1_u32 << (spec.bits_per_sample - 1)) as f32 - 1.0;
                        writer.write_sample((value * scale) as i32).unwrap();
                    }
                }
            }
        }
        writer.finalize().unwrap();
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        (folder, path)
    }

    #[test]
    fn every_plain_format_gives_the_same_tone() {
        let (_folder, path) = folder();
        for (rate, channels) in [(8_000, 1), (16_000, 1), (22_050, 2), (44_100, 1), (48_000, 2)] {
            for (bits, format) in [(8, SampleFormat::Int), (16, SampleFormat::Int), (24, SampleFormat::Int)]
                .into_iter()
                .chain([(32, SampleFormat::Int), (32, SampleFormat::Float)])
            {
                tone(&path, spec(rate, channels, bits, format));
                let frame = read(&path).unwrap_or_else(|error| panic!("{rate} {channels} {bits}: {error}"));
                assert!(frame.len().abs_diff(16_000) <= 1, "{} samples of {rate} Hz", frame.len());
                let middle = &frame.samples()[4_000..12_000];
                let power = middle.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 8_000.0;
                let level = power.sqrt() / 32_768.0;
                assert!((level - 0.3535).abs() < 0.01, "level {level} at {rate} Hz, {bits} bit");
                let crossings = middle.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
                assert!(crossings.abs_diff(440) <= 2, "{crossings} crossings at {rate} Hz, {bits} bit");
            }
        }
    }

    fn check(bytes: &[u8], expected: &str) {
        let (_folder, path) = folder();
        std::fs::write(&path, bytes).unwrap();
        let error = read(&path).expect_err(expected).to_string();
        assert!(error.ends_with(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    fn bytes(spec: WavSpec) -> Vec<u8> {
        let (_folder, path) = folder();
        tone(&path, spec);
        std::fs::read(&path).unwrap()
    }

    fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut chunk = [name, &(content.len() as u32).to_le_bytes()[..], content].concat();
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    }

    fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = chunks.concat();
        [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], b"WAVE", &body].concat()
    }

    /// A `fmt ` chunk of 16 kHz.
    fn format(tag: u16, channels: u16, bits: u16, container: u16, more: &[u8]) -> Vec<u8> {
        let block = channels * container / 8;
        let mut text = [tag.to_le_bytes(), channels.to_le_bytes()].concat();
        text.extend([16_000_u32.to_le_bytes(), (16_000 * u32::from(block)).to_le_bytes()].concat());
        text.extend([block.to_le_bytes(), bits.to_le_bytes()].concat());
        text.extend(more);
        chunk(b"fmt ", &text)
    }

    fn plain() -> Vec<u8> {
        format(1, 1, 16, 16, &[])
    }

    /// What an extensible format says beyond the plain one.
    fn extension(tag: u8, bits: u8, mask: u8) -> Vec<u8> {
        let mut text = vec![22, 0, bits, 0, mask, 0, 0, 0, tag, 0];
        text.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
        text
    }

    /// A quarter of a second of 400 Hz as a square wave.
    fn square() -> Vec<i16> {
        (0..4_000).map(|n| if n % 40 < 20 { 8_000 } else { -8_000 }).collect()
    }

    fn bytes_of(samples: &[i16], write: impl Fn(i16) -> Vec<u8>) -> Vec<u8> {
        samples.iter().flat_map(|&s| write(s)).collect()
    }

    fn i16s(samples: &[i16]) -> Vec<u8> {
        bytes_of(samples, |s| s.to_le_bytes().to_vec())
    }

    fn read_bytes(bytes: &[u8]) -> Result<AudioFrame, AudioFileError> {
        let (_folder, path) = folder();
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn every_form_of_header_gives_the_same_samples() {
        let pcm = i16s(&square());
        let float = |s: i16| f32::from(s) / 32_768.0;
        let data = chunk(b"data", &pcm);
        let lists = [chunk(b"JUNK", &[7; 29]), plain(), chunk(b"LIST", b"INFOodd"), data.clone(), chunk(b"LIST", b"x")];
        let mut unpadded = lists.clone();
        unpadded[0].pop();
        let both = bytes_of(&square(), |s| [s.to_le_bytes(), s.to_le_bytes()].concat());
        let deep = bytes_of(&square(), |s| [&[0], &s.to_le_bytes()[..]].concat());
        let singles = bytes_of(&square(), |s| float(s).to_le_bytes().to_vec());
        let doubles = bytes_of(&square(), |s| f64::from(float(s)).to_le_bytes().to_vec());
        let files = [
            ("plain", riff(&[plain(), data.clone()])),
            ("empty extension", riff(&[format(1, 1, 16, 16, &[0, 0]), data.clone()])),
            ("odd chunks around", riff(&lists)),
            ("odd chunks without padding", riff(&unpadded)),
            ("extensible", riff(&[format(0xfffe, 1, 16, 16, &extension(1, 16, 4)), data.clone()])),
            ("extensible without a mask", riff(&[format(0xfffe, 1, 16, 16, &extension(1, 16, 0)), data.clone()])),
            ("stereo", riff(&[format(1, 2, 16, 16, &[]), chunk(b"data", &both)])),
            ("24 bit", riff(&[format(1, 1, 24, 24, &[]), chunk(b"data", &deep)])),
            ("20 bit in 24", riff(&[format(0xfffe, 1, 24, 24, &extension(1, 20, 4)), chunk(b"data", &deep)])),
            ("12 bit in 16", riff(&[format(1, 1, 12, 16, &[]), data.clone()])),
            ("float", riff(&[format(3, 1, 32, 32, &[]), chunk(b"data", &singles)])),
            ("extensible float", riff(&[format(0xfffe, 1, 32, 32, &extension(3, 32, 4)), chunk(b"data", &singles)])),
            ("double", riff(&[format(3, 1, 64, 64, &[]), chunk(b"data", &doubles)])),
            ("half a sample more", riff(&[plain(), chunk(b"data", &[&pcm[..], &[1]].concat())])),
        ];
        for (name, bytes) in files {
            let frame = read_bytes(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(frame.samples(), square(), "{name}");
        }
    }

    #[test]
    fn a_file_written_into_a_pipe_is_read_to_its_end() {
        let whole = riff(&[plain(), chunk(b"data", &i16s(&square()))]);
        let data = whole.windows(4).position(|name| name == b"data").unwrap() + 4;
        for (riff_size, data_size) in [(u32::MAX, u32::MAX), (0, 0), (u32::MAX, 0), (0x7fff_f024, 0x7fff_f000)] {
            let mut piped = whole.clone();
            piped[4..8].copy_from_slice(&riff_size.to_le_bytes());
            piped[data..data + 4].copy_from_slice(&data_size.to_le_bytes());
            piped.push(1);
            assert_eq!(read_bytes(&piped).unwrap().samples(), square(), "{data_size:x}");
        }
    }

    #[test]
    fn soft_loud_and_short_speech_is_not_silence() {
        for samples in [vec![0, 40, -40], vec![i16::MAX, i16::MIN], vec![-12_000]] {
            assert_eq!(read_bytes(&riff(&[plain(), chunk(b"data", &i16s(&samples))])).unwrap().samples(), samples);
        }
        let lead = [vec![0; 16_000], square()].concat();
        assert_eq!(read_bytes(&riff(&[plain(), chunk(b"data", &i16s(&lead))])).unwrap().samples(), lead);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = bytes(spec(16_000, 1, 16, SampleFormat::Int));
        let data = chunk(b"data", &i16s(&square()));
        check(b"", "holds no audio");
        check(b"hello", "is not a WAV file");
        check(&[b"RF64", &good[4..]].concat(), "is not a WAV file");
        check(&good[..20], "is damaged: it ends too early");
        check(&good[..good.len() / 2], "is damaged: it ends too early");
        check(&good[..good.len() / 2 + 1], "is damaged: it ends too early");
        check(&riff(&[plain()]), "is damaged: it ends too early");
        check(&riff(std::slice::from_ref(&data)), "is damaged: its samples come before their format");
        check(&riff(&[format(1, 0, 16, 16, &[]), data.clone()]), "is damaged: it has no channel");
        check(&riff(&[format(1, 1, 30, 16, &[]), data.clone()]), "size of its samples makes no sense");
        check(&bytes(spec(96_000, 1, 16, SampleFormat::Int)), "8,000 to 48,000 Hz can be used");
        check(&bytes(spec(16_000, 3, 16, SampleFormat::Int)), "has 3 channels; one or two can be used");
        let mut silent = good.clone();
        silent[44..].fill(0);
        check(&silent, "holds only silence");
        for (name, tag, bits) in
            [("ADPCM", 2, 4), ("A-law", 6, 8), ("mu-law", 7, 8), ("IMA ADPCM", 0x11, 4), ("MP3", 0x55, 0)]
        {
            let file = riff(&[format(tag, 1, bits, 8, &[0, 0]), data.clone()]);
            assert!(matches!(read_bytes(&file).unwrap_err().problem, Problem::NotPcm), "{name}");
        }
        check(&riff(&[plain(), chunk(b"data", &[])]), "holds no audio");
        let long = [plain(), chunk(b"data", &[0; 8])].concat();
        let mut long = [b"RIFF\0\0\0\0WAVE", &long[..]].concat();
        let size = long.len() - 12;
        long[size..size + 4].copy_from_slice(&(3_601 * 32_000_u32).to_le_bytes());
        check(&long, "is longer than an hour");
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let missing = read(Path::new("does/not/exist.wav")).expect_err("no file");
        assert!(matches!(missing.problem, Problem::Unreadable(_)));
        let (folder, path) = folder();
        assert!(matches!(read(folder.path()).expect_err("a folder").problem, Problem::NotAFile));
        #[cfg(unix)]
        {
            let made = std::process::Command::new("mkfifo").arg(&path).status();
            assert!(made.is_ok_and(|status| status.success()));
            assert!(matches!(read(&path).expect_err("a pipe").problem, Problem::NotAFile));
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let good = bytes(spec(8_000, 2, 24, SampleFormat::Int));
        let (_folder, path) = folder();
        let mut seed = 1_u32;
        for _ in 0..500 {
            let mut damaged = good[..200].to_vec();
            for _ in 0..4 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                damaged[12 + (seed >> 8) as usize % 60] = (seed >> 16) as u8;
            }
            std::fs::write(&path, &damaged).unwrap();
            let _ = read(&path);
        }
    }
}
