//! A stretch of speech to be played as a microphone.

use std::{ops::Range, sync::Arc, time::Duration};

use anyhow::Result;
use futures_util::StreamExt;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    tts::{Tts, TtsEvent, TtsRequest},
};

/// Rate of everything the user says and hears.
pub const FORMAT: AudioFormat = AudioFormat::VOICE;
/// Samples looked at together for loudness: 5 ms.
pub const WINDOW: usize = 120;
/// Root mean square from which a window is audible: -48 dBFS.
const AUDIBLE: f64 = 130.0;

/// Root mean square of a window of samples; zero of none.
#[must_use]
pub fn level(window: &[i16]) -> f64 {
    let energy: f64 = window.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    (energy / window.len().max(1) as f64).sqrt()
}

/// Whether a window of samples can be heard.
#[must_use]
pub fn audible(window: &[i16]) -> bool {
    level(window) > AUDIBLE
}

/// Sounds nearer to each other than this belong together, and are a voice only if they last this long in all: a click
/// of the microphone is none.
const JOIN: usize = 20;
const SHORTEST: usize = 50;
/// Peak to which recorded speech is brought, as the gain control of a microphone does, and the most it may add.
const PEAK: f64 = 16_000.0;
const GAIN: f64 = 8.0;

/// Speech at 24 kHz, and where in it the voice is.
#[derive(Debug, Clone)]
pub struct Clip {
    /// All of it.
    pub samples: Arc<[i16]>,
    /// From the first to the last voiced sample; empty if there is none.
    pub voiced: Range<usize>,
}

impl Clip {
    /// A clip of audio of any format.
    #[must_use]
    pub fn new(audio: &AudioFrame) -> Self {
        let audio = audio.to_mono();
        let samples = resample(audio.samples(), audio.format().sample_rate(), FORMAT.sample_rate());
        let voiced = voiced(&samples);
        Self { samples: samples.into(), voiced }
    }

    /// A clip of a whole text.
    ///
    /// # Errors
    /// What the synthesiser failed with.
    pub async fn spoken(tts: &dyn Tts, request: TtsRequest) -> Result<Self> {
        let format = AudioFormat::new(tts.format().sample_rate(), 1)?;
        let mut stream = tts.synthesize(request).await?;
        let mut samples = Vec::new();
        while let Some(part) = stream.next().await {
            if let TtsEvent::Audio(frame) = part? {
                samples.extend_from_slice(frame.to_mono().samples());
            }
        }
        Ok(Self::new(&AudioFrame::new(format, samples)?))
    }

    /// A clip of a recording, which may be soft; as loud as speech into a microphone is.
    #[must_use]
    pub fn recorded(audio: &AudioFrame) -> Self {
        let clip = Self::new(audio);
        let peak = clip.samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or_default();
        let gain = (PEAK / f64::from(peak.max(1))).clamp(1.0, GAIN);
        let louder = |&s: &i16| (f64::from(s) * gain).round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16;
        Self { samples: clip.samples.iter().map(louder).collect(), voiced: clip.voiced }
    }

    /// The clip without what follows the voice, but for a little silence.
    #[must_use]
    pub fn trimmed(self) -> Self {
        let end = (self.voiced.end + FORMAT.sample_rate() as usize / 5).min(self.samples.len());
        Self { samples: self.samples[..end].into(), voiced: self.voiced }
    }

    /// How long it plays.
    #[must_use]
    pub fn duration(&self) -> Duration {
        FORMAT.duration(self.samples.len() as u64)
    }
}

/// From the first to the last voiced sample.
fn voiced(samples: &[i16]) -> Range<usize> {
    let mut sounds: Vec<Range<usize>> = Vec::new();
    for (n, _) in samples.chunks(WINDOW).enumerate().filter(|(_, window)| audible(window)) {
        match sounds.last_mut() {
            Some(last) if n <= last.end + JOIN => last.end = n + 1,
            _ => sounds.push(n..n + 1),
        }
    }
    let mut voices = sounds.iter().filter(|sound| sound.len() >= SHORTEST);
    let Some(first) = voices.next() else { return 0..0 };
    let last = voices.next_back().unwrap_or(first);
    first.start * WINDOW..(last.end * WINDOW).min(samples.len())
}

/// Samples at another rate, by a windowed sinc of 16 zero crossings on each side.
#[must_use]
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
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
        samples[22_000..22_200].fill(9_000);
        let frame = AudioFrame::new(FORMAT, samples).unwrap();
        assert_eq!(Clip::new(&frame).voiced, 6_000..18_000, "a click is no voice");
        let loud = Clip::recorded(&frame);
        assert_eq!((loud.samples[22_100], loud.voiced.clone()), (16_000, 6_000..18_000));
        assert_eq!(loud.trimmed().samples.len(), 18_000 + 4_800);
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
