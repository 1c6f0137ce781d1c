//! Where a voice really ended.
//!
//! A detector judges whole windows, and for some of them it still believes in a voice that is gone. The wait that ends a
//! turn is short beside that, so the end is looked for in the sound itself: behind the last stretch that was not much
//! softer than the voice before it. Where there is noise behind the voice, the detector's word stands.

use std::time::Duration;

use stella_core::audio::AudioFormat;

use super::ring::Ring;

/// Stretches whose loudness is compared: 4 ms.
const STRETCH: usize = 64;
/// Sound that tells how loud the voice was. A syllable or two.
const CONTEXT: Duration = Duration::from_millis(400);
/// The end is at most this much before the one the detector names: four of Silero's windows.
const REACH: Duration = Duration::from_millis(128);
/// What is softer than the loudest stretch by this factor of power, 30 dB, is no voice. The consonants of a voice are
/// softer than its vowels by up to 25 dB.
const SOFTER: f64 = 1_000.0;

/// How many samples before `end`, where the detector says that the voice has ended which began at `voice`, were silent.
pub(super) fn silent(ring: &Ring, voice: u64, end: u64) -> u64 {
    let from = end.saturating_sub(AudioFormat::SPEECH.samples(CONTEXT)).max(voice);
    let samples = ring.slice(from, end);
    (samples.len() - voiced(&samples)) as u64
}

/// How many of the samples, which end where the detector says, belong to the voice.
fn voiced(samples: &[i16]) -> usize {
    let power = |stretch: &[i16]| stretch.iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>();
    let loudest = samples.chunks_exact(STRETCH).map(power).fold(0.0, f64::max);
    let earliest = samples.len().saturating_sub(AudioFormat::SPEECH.samples(REACH) as usize);
    let mut end = samples.len();
    // From the end, in whole stretches; a rest at the front counts as voice.
    for stretch in samples[earliest..].rchunks_exact(STRETCH) {
        if power(stretch) * SOFTER >= loudest {
            return end;
        }
        end -= stretch.len();
    }
    earliest.max(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sound of so many milliseconds, so loud.
    fn sound(parts: &[(usize, f64)]) -> Vec<i16> {
        let mut samples = Vec::new();
        for &(ms, loudness) in parts {
            for _ in 0..ms * 16 {
                let t = samples.len() as f64 / 16_000.0;
                samples.push(((t * 200.0 * std::f64::consts::TAU).sin() * loudness) as i16);
            }
        }
        samples
    }

    #[test]
    fn silence_behind_a_voice_is_no_voice() {
        let ms = |samples: Vec<i16>| voiced(&samples) / 16;
        assert_eq!(ms(sound(&[(340, 8_000.0), (60, 0.0)])), 340);
        assert_eq!(ms(sound(&[(340, 8_000.0), (20, 1_000.0), (40, 20.0)])), 360, "a soft consonant is a voice");
        assert_eq!(ms(sound(&[(340, 8_000.0), (60, 600.0)])), 400, "noise behind it is not taken for silence");
        assert_eq!(ms(sound(&[(400, 8_000.0)])), 400);
    }

    #[test]
    fn the_detector_is_not_corrected_by_more_than_it_can_be_wrong() {
        assert_eq!(voiced(&sound(&[(200, 8_000.0), (200, 0.0)])), 272 * 16);
        assert_eq!(voiced(&sound(&[(50, 0.0)])), 50 * 16, "what is silent throughout");
        assert_eq!(voiced(&[]), 0);
        assert_eq!(voiced(&[7; 100]), 100);
    }
}
