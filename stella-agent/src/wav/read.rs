//! Reading: any plain WAV file becomes 16 kHz mono.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read, Seek},
    path::Path,
};

use hound::{SampleFormat, WavReader};
use stella_core::audio::{AudioFormat, AudioFrame};

use super::error::{AudioFileError, Problem};
use crate::resample::resample;

/// Anything quieter is silence: -60 dBFS.
const SILENCE: f32 = 0.001;

/// Reads a PCM WAV file (8-48 kHz, mono or stereo, 8, 16, 24 or 32-bit integers or 32-bit floats) as 16 kHz mono.
///
/// # Errors
/// [`AudioFileError`] with the file's name and what is wrong, in one line.
pub fn read(path: &Path) -> Result<AudioFrame, AudioFileError> {
    let open = || {
        let mut file = BufReader::new(File::open(path).map_err(Problem::Unreadable)?);
        let mut magic = Vec::new();
        file.by_ref().take(12).read_to_end(&mut magic).map_err(Problem::Unreadable)?;
        if magic.is_empty() {
            return Err(Problem::Empty);
        }
        if !magic.starts_with(b"RIFF") || magic.get(8..12) != Some(b"WAVE") {
            return Err(Problem::NotWav);
        }
        file.rewind().map_err(Problem::Unreadable)?;
        WavReader::new(file).map_err(problem)
    };
    open().and_then(decode).map_err(|problem| AudioFileError::new(path, problem))
}

fn problem(error: hound::Error) -> Problem {
    match error {
        // The decoder itself says "other" when the data ends before its header says so.
        hound::Error::IoError(error) => match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::Other => Problem::Broken("it ends too early".into()),
            _ => Problem::Unreadable(error),
        },
        hound::Error::FormatError(text) => Problem::Broken(text.into()),
        hound::Error::Unsupported | hound::Error::InvalidSampleFormat => Problem::NotPcm,
        error => Problem::Broken(error.to_string()),
    }
}

fn decode<R: Read>(mut reader: WavReader<R>) -> Result<AudioFrame, Problem> {
    let spec = reader.spec();
    if !(8_000..=48_000).contains(&spec.sample_rate) {
        return Err(Problem::SampleRate(spec.sample_rate));
    }
    if !(1..=2).contains(&spec.channels) {
        return Err(Problem::Channels(spec.channels));
    }
    if reader.duration() > spec.sample_rate * 3_600 {
        return Err(Problem::TooLong);
    }
    let samples: Vec<f32> = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Int, bits @ (8 | 16 | 24 | 32)) => {
            let scale = (1_u32 << (bits - 1)) as f32;
            reader.samples::<i32>().map(|s| s.map(|s| s as f32 / scale)).collect::<Result<_, _>>()
        }
        (SampleFormat::Float, 32) => reader.samples::<f32>().map(|s| s.map(finite)).collect(),
        _ => return Err(Problem::NotPcm),
    }
    .map_err(problem)?;
    let channels = usize::from(spec.channels);
    let mono: Vec<f32> =
        samples.chunks_exact(channels).map(|group| group.iter().sum::<f32>() / channels as f32).collect();
    if mono.is_empty() {
        return Err(Problem::Empty);
    }
    if samples.iter().all(|s| s.abs() < SILENCE) {
        return Err(Problem::Silent);
    }
    let speech = resample(&mono, spec.sample_rate, AudioFormat::SPEECH.sample_rate());
    let speech: Vec<i16> = speech.into_iter().map(crate::resample::to_i16).collect();
    AudioFrame::new(AudioFormat::SPEECH, speech).map_err(|error| Problem::Broken(error.to_string()))
}

/// Floats may be anything; what is no number becomes silence.
fn finite(sample: f32) -> f32 {
    if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use hound::{WavSpec, WavWriter};

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

    #[test]
    fn what_is_wrong_is_said() {
        let good = bytes(spec(16_000, 1, 16, SampleFormat::Int));
        check(b"", "holds no audio");
        check(b"hello", "is not a WAV file");
        check(&good[..20], "is damaged: it ends too early");
        check(&good[..good.len() / 2], "is damaged: it ends too early");
        check(&bytes(spec(96_000, 1, 16, SampleFormat::Int)), "8,000 to 48,000 Hz can be used");
        check(&bytes(spec(16_000, 3, 16, SampleFormat::Int)), "has 3 channels; one or two can be used");
        let mut silent = good.clone();
        silent[44..].fill(0);
        check(&silent, "holds only silence");
        let mut mulaw = good.clone();
        mulaw[20] = 7;
        check(&mulaw, "convert it to plain PCM");
        let mut empty = good[..44].to_vec();
        empty[40..44].fill(0);
        check(&empty, "holds no audio");
        let missing = read(Path::new("does/not/exist.wav")).expect_err("no file");
        assert!(matches!(missing.problem, Problem::Unreadable(_)));
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
