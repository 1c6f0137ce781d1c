//! The log-mel picture of speech the network looks at, as Whisper's. Pure.
//!
//! The last 8 s at 16 kHz, zeros in front if there are fewer; mean 0 and variance 1; frames of 400 samples every 160,
//! the ends mirrored; Hann window; power spectrum; 80 triangular filters, evenly spaced on Slaney's mel scale and of
//! equal area; log10, at most 8 below the loudest; (x + 4) / 4. Source: pipecat-ai 1.14.0, module `_whisper_features`.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

/// Samples of the window: 8 s.
pub(super) const SAMPLES: usize = 128_000;
/// Mel filters.
pub(super) const MELS: usize = 80;
/// Frames of the window.
pub(super) const FRAMES: usize = SAMPLES / HOP;

const RATE: f64 = 16_000.0;
const FRAME: usize = 400;
const HOP: usize = 160;
const BINS: usize = FRAME / 2 + 1;
/// Smallest energy before the logarithm.
const LEAST: f64 = 1e-10;
/// Added to the variance.
const EPSILON: f64 = 1e-7;

/// One mel filter: its first bin and its weights.
struct Filter {
    first: usize,
    weights: Vec<f64>,
}

/// Tables for [`compute`](Features::compute), made once.
pub(super) struct Features {
    transform: Arc<dyn RealToComplex<f64>>,
    window: [f64; FRAME],
    filters: Vec<Filter>,
}

impl Features {
    pub(super) fn new() -> Self {
        let window = std::array::from_fn(|n| 0.5 - 0.5 * (2.0 * std::f64::consts::PI * n as f64 / FRAME as f64).cos());
        Self { transform: RealFftPlanner::new().plan_fft_forward(FRAME), window, filters: filters() }
    }

    /// The picture of the last 8 s of `audio` (16 kHz mono): f32 \[80, 800\], row by row.
    pub(super) fn compute(&self, audio: &[i16]) -> Vec<f32> {
        let wave = normalise(audio);
        let mut mels = vec![0.0_f64; MELS * FRAMES];
        let mut frame = self.transform.make_input_vec();
        let mut spectrum = self.transform.make_output_vec();
        let mut scratch = self.transform.make_scratch_vec();
        let mut power = [0.0; BINS];
        for index in 0..FRAMES {
            for (offset, (sample, weight)) in frame.iter_mut().zip(&self.window).enumerate() {
                *sample = f64::from(wave[mirror(index * HOP + offset)]) * weight;
            }
            // The buffers come from the transform itself, so their lengths fit.
            let _ = self.transform.process_with_scratch(&mut frame, &mut spectrum, &mut scratch);
            for (power, value) in power.iter_mut().zip(&spectrum) {
                *power = value.norm_sqr();
            }
            for (mel, filter) in self.filters.iter().enumerate() {
                let bins = power[filter.first..].iter().zip(&filter.weights);
                let energy: f64 = bins.map(|(power, weight)| power * weight).sum();
                mels[mel * FRAMES + index] = energy.max(LEAST).log10();
            }
        }
        let loudest = mels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        mels.iter().map(|&mel| ((mel.max(loudest - 8.0) + 4.0) / 4.0) as f32).collect()
    }
}

/// The window of 8 s with mean 0 and variance 1, the zeros in front included.
fn normalise(audio: &[i16]) -> Vec<f32> {
    let audio = &audio[audio.len().saturating_sub(SAMPLES)..];
    let mut wave = vec![0.0_f32; SAMPLES - audio.len()];
    wave.extend(audio.iter().map(|&sample| f32::from(sample) / 32_768.0));
    let mean = wave.iter().map(|&sample| f64::from(sample)).sum::<f64>() / SAMPLES as f64;
    let variance = wave.iter().map(|&sample| (f64::from(sample) - mean).powi(2)).sum::<f64>() / SAMPLES as f64;
    let scale = 1.0 / (variance + EPSILON).sqrt();
    wave.iter().map(|&sample| ((f64::from(sample) - mean) * scale) as f32).collect()
}

/// The sample at `position` of the wave with half a frame mirrored at each end.
fn mirror(position: usize) -> usize {
    let from_start = position.abs_diff(FRAME / 2);
    if from_start < SAMPLES { from_start } else { 2 * (SAMPLES - 1) - from_start }
}

fn filters() -> Vec<Filter> {
    let top = mel_of(RATE / 2.0);
    let corners: Vec<f64> = (0..MELS + 2).map(|n| hertz_of(top * n as f64 / (MELS + 1) as f64)).collect();
    let triangle = |corner: &[f64]| {
        let [low, middle, high] = [corner[0], corner[1], corner[2]];
        let weight = |bin: usize| {
            let hertz = bin as f64 * RATE / FRAME as f64;
            let slope = ((hertz - low) / (middle - low)).min((high - hertz) / (high - middle));
            slope.max(0.0) * 2.0 / (high - low)
        };
        let first = (0..BINS).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
        Filter { first, weights: (first..BINS).map(weight).take_while(|&weight| weight > 0.0).collect() }
    };
    corners.windows(3).map(triangle).collect()
}

/// Slaney's mel scale: even below 1 kHz (mel 15), logarithmic above.
fn mel_of(hertz: f64) -> f64 {
    if hertz < 1_000.0 { 3.0 * hertz / 200.0 } else { 15.0 + (hertz / 1_000.0).ln() * 27.0 / 6.4_f64.ln() }
}

fn hertz_of(mel: f64) -> f64 {
    if mel < 15.0 { 200.0 * mel / 3.0 } else { 1_000.0 * ((mel - 15.0) * 6.4_f64.ln() / 27.0).exp() }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/smart_turn");
        fs::read(folder.join(name)).expect("a committed fixture")
    }

    /// The fixtures come from the original code; see `tests/py/smart_turn_features.py`.
    #[test]
    fn agrees_with_the_original() {
        let features = Features::new();
        for line in String::from_utf8(fixture("expected.txt")).expect("text").lines() {
            let [name, repetitions, _] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let bytes = fixture(&format!("{name}.pcm"));
            let samples: Vec<i16> = bytes.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
            let ours = features.compute(&samples.repeat(repetitions.parse().expect("a number")));
            let bytes = fixture(&format!("{name}.features"));
            let theirs = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            let worst = ours.iter().step_by(8).zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{name}: {worst}");
        }
    }

    #[test]
    fn silence_and_nothing_give_numbers() {
        let features = Features::new();
        for audio in [vec![], vec![0; 16_000], vec![i16::MIN; 200_000]] {
            let picture = features.compute(&audio);
            assert_eq!(picture.len(), MELS * FRAMES);
            assert!(picture.iter().all(|value| value.is_finite()));
        }
    }
}
