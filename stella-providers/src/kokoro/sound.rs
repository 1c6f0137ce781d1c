//! From the network's sound to what is played. Pure.

use std::ops::Range;

/// Loudness of 5 ms, as part of full scale, from which there is sound: -46 dB.
const AUDIBLE: f32 = 0.005;
/// Samples looked at together: 5 ms.
const STEP: usize = 120;
/// Silence kept before the first sound: 15 ms, so that no soft onset is cut.
const LEAD: usize = 3 * STEP;
/// Silence kept after the last sound: 40 ms, for the decay.
const TRAIL: usize = 8 * STEP;
/// Samples faded at a cut: 2.5 ms.
const FADE: usize = 60;
/// Highest peak let through; above it the whole clause is made quieter.
const PEAK: f32 = 0.98;

/// What is played of a clause.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sound {
    /// The speech and the pause behind it. Empty if there was no sound at all.
    pub(super) samples: Vec<i16>,
    /// Which samples of the network's sound are the speech.
    pub(super) kept: Range<usize>,
}

/// Cuts the silence around the sound, keeps the peak in range and appends `pause` samples of silence.
pub(super) fn finish(mut audio: Vec<f32>, pause: usize) -> Sound {
    let audible = |step: &[f32]| (step.iter().map(|s| s * s).sum::<f32>() / step.len() as f32).sqrt() >= AUDIBLE;
    let steps = || audio.chunks(STEP);
    let (Some(first), Some(last)) = (steps().position(audible), steps().rposition(audible)) else {
        return Sound::default();
    };
    let start = (first * STEP).saturating_sub(LEAD);
    let end = ((last + 1) * STEP + TRAIL).min(audio.len());
    audio.truncate(end);
    audio.drain(..start);
    let peak = audio.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    let gain = if peak > PEAK { PEAK / peak } else { 1.0 };
    let length = audio.len();
    let mut samples = Vec::with_capacity(length + pause);
    samples.extend(audio.iter().enumerate().map(|(index, sample)| {
        let edge = index.min(length - 1 - index);
        let fade = if edge < FADE { edge as f32 / FADE as f32 } else { 1.0 };
        (sample * gain * fade * 32_767.0).round() as i16
    }));
    samples.resize(length + pause, 0);
    Sound { samples, kept: start..end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_around_the_sound_is_cut_and_the_pause_appended() {
        let mut audio = vec![0.0; 12_000];
        audio[4_800..7_200].fill(0.5);
        let Sound { samples, kept } = finish(audio, 480);
        assert_eq!(kept, 4_800 - LEAD..7_200 + TRAIL);
        assert_eq!(samples.len(), LEAD + 2_400 + TRAIL + 480);
        assert!(samples[samples.len() - 480..].iter().all(|&sample| sample == 0));
    }

    #[test]
    fn too_loud_is_made_quieter_and_silence_is_nothing() {
        let samples = finish(vec![3.0; 2_400], 0).samples;
        assert!(samples.iter().all(|sample| sample.unsigned_abs() <= 32_112));
        assert!(finish(vec![0.0001; 2_400], 480).samples.is_empty());
    }
}
