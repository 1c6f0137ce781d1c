//! How much silence the model hears behind the voice.

/// Samples of silence: 0.2 s, what the model was made for (pipecat recommends it for the voice detector that goes before
/// it). Its scores depend on it: with a quarter less or more, as few turns are cut short only by waiting 0.1 s longer
/// (`cargo xtask bench endpoint`).
const PAUSE: usize = 3_200;

/// The audio with as much silence at its end as the model expects: silence beyond that is cut off; for what is missing,
/// the last of it is played backwards. `silence` samples of `audio` are silent; if there are none, nothing is changed.
pub(super) fn settle(mut audio: Vec<i16>, silence: usize) -> Vec<i16> {
    let silence = silence.min(audio.len());
    let voice = audio.len() - silence;
    let quiet = audio.split_off(voice);
    if !quiet.is_empty() {
        let backwards = quiet.iter().rev();
        audio.extend(quiet.iter().chain(backwards.cycle()).take(PAUSE));
    }
    audio
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_silence_has_the_length_that_the_model_expects() {
        let voice = [9; 1_000];
        let quiet = |samples: usize| (0..samples).map(|n| n as i16 % 7).collect::<Vec<_>>();
        for silence in [1, 800, 3_199, 3_200, 9_000] {
            let settled = settle([&voice[..], &quiet(silence)].concat(), silence);
            assert_eq!(settled.len(), 1_000 + PAUSE, "{silence}");
            assert_eq!(settled[..1_000], voice);
            let kept = silence.min(PAUSE);
            assert_eq!(settled[1_000..][..kept], quiet(silence)[..kept], "what was heard stays");
        }
        let settled = settle([&voice[..], &[1, 2, 3]].concat(), 3);
        assert_eq!(settled[1_000..1_008], [1, 2, 3, 3, 2, 1, 3, 2]);
    }

    #[test]
    fn without_silence_nothing_changes() {
        assert_eq!(settle(vec![1, 2, 3], 0), [1, 2, 3]);
        assert!(settle(Vec::new(), 5).is_empty());
    }
}
