//! Where a voice really ended.
//!
//! A detector judges whole windows, and for some of them it still believes in a voice that is gone. The wait that ends a
//! turn is short beside that, so the end is looked for in the sound itself: behind the last stretch that was not much
//! softer than the voice before it. Where there is noise behind the voice, the detector's word stands.

use std::time::Duration;

use crate::audio::AudioFormat;

/// Stretches whose loudness is compared: 4 ms.
const STRETCH: usize = 64;
/// Sound that tells how loud the voice was, and is all that [`silent_tail`] looks at: a syllable or two, 400 ms.
pub const TAIL_CONTEXT: Duration = Duration::from_millis(400);
/// The end is at most this much before the one the detector names: four of Silero's windows.
const REACH: Duration = Duration::from_millis(128);
/// What is softer than the loudest stretch by this factor of power, 30 dB, is no voice. The consonants of a voice are
/// softer than its vowels by up to 25 dB.
const SOFTER: f64 = 1_000.0;

/// How many samples at the end of a voice are silent. `voice` is 16 kHz mono sound that ends where a detector says that
/// the voice ended. Of a longer one the last [`TAIL_CONTEXT`] counts; it should not begin before the voice.
#[must_use]
pub fn silent_tail(voice: &[i16]) -> u64 {
    let samples = |duration| AudioFormat::SPEECH.samples(duration) as usize;
    let context = &voice[voice.len().saturating_sub(samples(TAIL_CONTEXT))..];
    let reach = &context[context.len().saturating_sub(samples(REACH))..];
    let loudest = context.chunks_exact(STRETCH).map(power).fold(0.0, f64::max);
    // From the end, in whole stretches; a rest at the front counts as voice.
    let silent = reach.rchunks_exact(STRETCH).take_while(|stretch| power(stretch) * SOFTER < loudest);
    (silent.count() * STRETCH) as u64
}

fn power(stretch: &[i16]) -> f64 {
    stretch.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum()
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

    fn voiced(samples: &[i16]) -> usize {
        samples.len() - silent_tail(samples) as usize
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
