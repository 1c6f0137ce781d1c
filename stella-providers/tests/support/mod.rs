//! Recordings and the models for the tests of the local providers.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::{path::Path, sync::Arc};

use stella_core::audio::{AudioFormat, AudioFrame};
use stella_providers::runtime::Cache;

/// What the loading of a model gave; a failure names the command that fetches the file.
pub(crate) fn loaded<T>(result: Result<T, stella_core::error::ProviderError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// A recording of the cache as 16 kHz mono.
pub(crate) fn recording(name: &str) -> Vec<i16> {
    let file = Cache::from_env().audio(name);
    assert!(file.exists(), "{} is missing: run `cargo xtask setup`", file.display());
    wav(&file)
}

/// A WAV file of 16, 24 or 48 kHz as 16 kHz mono.
pub(crate) fn wav(file: &Path) -> Vec<i16> {
    let mut reader = hound::WavReader::open(file).expect("a WAV file");
    let spec = reader.spec();
    let samples: Arc<[i16]> = reader.samples::<i16>().map(|sample| sample.expect("16-bit samples")).collect();
    let format = AudioFormat::new(spec.sample_rate, spec.channels).expect("a usual format");
    let mono = AudioFrame::new(format, samples).expect("whole groups").to_mono();
    resample(mono.samples(), spec.sample_rate)
}

/// To 16 kHz by a windowed sinc, for offline use.
pub(crate) fn resample(samples: &[i16], rate: u32) -> Vec<i16> {
    if rate == 16_000 {
        return samples.to_vec();
    }
    let ratio = f64::from(rate) / 16_000.0;
    let cutoff = 1.0 / ratio.max(1.0);
    let half = 24.0 * ratio;
    let at = |position: f64| {
        let (from, to) = ((position - half).ceil().max(0.0) as usize, (position + half).floor() as usize);
        let taps = (from..=to.min(samples.len() - 1)).map(|index| {
            let x = position - index as f64;
            let sinc = if x == 0.0 {
                1.0
            } else {
                (std::f64::consts::PI * x * cutoff).sin() / (std::f64::consts::PI * x * cutoff)
            };
            let window = 0.5 + 0.5 * (std::f64::consts::PI * x / half).cos();
            f64::from(samples[index]) * sinc * window * cutoff
        });
        taps.sum::<f64>().clamp(-32_768.0, 32_767.0) as i16
    };
    (0..(samples.len() as f64 / ratio) as usize).map(|index| at(index as f64 * ratio)).collect()
}

/// 16 kHz frames of 20 ms, the last one shorter.
pub(crate) fn frames(samples: &[i16]) -> impl Iterator<Item = AudioFrame> + '_ {
    samples.chunks(320).map(|chunk| AudioFrame::new(AudioFormat::SPEECH, chunk).expect("mono"))
}

/// Two seconds of someone saying "I think that America could do it very well".
pub(crate) fn speech() -> Vec<i16> {
    recording("clone-test.wav")[1_600..].to_vec()
}
