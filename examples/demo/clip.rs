//! A stretch of speech to be played as a microphone.

use std::{ops::Range, sync::Arc, time::Duration};

use stella_core::audio::{AudioFormat, AudioFrame};

/// Rate of everything the user says and hears.
pub(crate) const FORMAT: AudioFormat = AudioFormat::VOICE;
/// Samples looked at together for loudness: 5 ms.
pub(crate) const WINDOW: usize = 120;
/// Root mean square from which a window is audible: -48 dBFS.
const AUDIBLE: f64 = 130.0;

/// Whether a window of samples can be heard.
pub(crate) fn audible(window: &[i16]) -> bool {
    let energy: f64 = window.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    (energy / window.len().max(1) as f64).sqrt() > AUDIBLE
}

/// Speech at 24 kHz, and where in it the voice is.
#[derive(Debug, Clone)]
pub(crate) struct Clip {
    pub(crate) samples: Arc<[i16]>,
    /// From the first to the last voiced sample; empty if there is none.
    pub(crate) voiced: Range<usize>,
}

impl Clip {
    /// A clip of mono audio of any rate.
    pub(crate) fn new(audio: &AudioFrame) -> Self {
        let audio = audio.to_mono();
        let samples = resample(audio.samples(), audio.format().sample_rate(), FORMAT.sample_rate());
        let voice = |n: usize| n * WINDOW;
        let mut windows = samples.chunks(WINDOW);
        let first = windows.position(audible).map_or(0, voice);
        let last = samples.chunks(WINDOW).rposition(audible).map_or(0, |n| voice(n + 1).min(samples.len()));
        Self { samples: samples.into(), voiced: first..last }
    }

    /// How long it plays.
    pub(crate) fn duration(&self) -> Duration {
        FORMAT.duration(self.samples.len() as u64)
    }
}

/// Samples at another rate, by a windowed sinc of 16 zero crossings on each side.
fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to {
        return samples.to_vec();
    }
    const REACH: f64 = 16.0;
    let step = f64::from(from) / f64::from(to);
    // When going down, what the new rate cannot hold must go.
    let cut = (1.0 / step).min(1.0);
    let reach = REACH / cut;
    let kernel = |x: f64| {
        if x.abs() < 1e-9 {
            return cut;
        }
        let sinc = (std::f64::consts::PI * x * cut).sin() / (std::f64::consts::PI * x);
        sinc * (std::f64::consts::FRAC_PI_2 * x / reach).cos().powi(2)
    };
    let count = (samples.len() as f64 / step) as usize;
    (0..count)
        .map(|n| {
            let at = n as f64 * step;
            let range = (at - reach).ceil().max(0.0) as usize..((at + reach) as usize + 1).min(samples.len());
            let sum: f64 = range.map(|m| f64::from(samples[m]) * kernel(at - m as f64)).sum();
            sum.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_voice_in_a_clip_is_found() {
        let mut samples = vec![0_i16; 24_000];
        for (n, s) in samples[6_000..18_000].iter_mut().enumerate() {
            *s = if n % 100 < 50 { 3_000 } else { -3_000 };
        }
        let clip = Clip::new(&AudioFrame::new(FORMAT, samples).unwrap());
        assert_eq!(clip.voiced, 6_000..18_000);
        let silent = Clip::new(&AudioFrame::silence(FORMAT, Duration::from_secs(1)));
        assert!(silent.voiced.is_empty());
    }

    #[test]
    fn a_tone_survives_resampling() {
        let tone = |rate: u32| -> Vec<i16> {
            let wave = |n| (f64::from(n) * 500.0 * std::f64::consts::TAU / f64::from(rate)).sin() * 10_000.0;
            (0..rate).map(|n| wave(n) as i16).collect()
        };
        for from in [8_000, 16_000, 44_100, 48_000] {
            let (made, wanted) = (resample(&tone(from), from, 24_000), tone(24_000));
            assert!(made.len().abs_diff(24_000) <= 1);
            let worst = made[1_000..23_000].iter().zip(&wanted[1_000..]).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(worst < Some(60), "{from}: {worst:?}");
        }
    }
}
