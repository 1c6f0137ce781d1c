//! When the words of a clause sound. Pure.

use std::ops::Range;

use stella_core::tts::WordTime;

use super::{network::UNIT, words::Word};

/// How much earlier than its place in the durations a phoneme sounds: 50 ms. The network learned its durations from an
/// aligner that lags. Measured on 32 clauses with three voices: voiced sounds match their loudness best 45-52 ms early
/// (35 ms at pace 1.5, 57 ms at 0.7), the bursts of p, t and k come 45-50 ms early.
const EARLY: usize = 2 * UNIT;
/// How much earlier still a word begins: 25 ms, the shortest space between two words. A hiss begins 100 ms early, and
/// before a burst the lips are closed for a moment.
const LEAD: usize = UNIT;

/// The times of `words`, from the first sample that is kept. Phoneme n lasts from sample `bounds[n]` to `bounds[n + 1]`
/// of the network's sound, of which `kept` is played. The first word begins with the clause: all that sounds before its
/// phonemes is the beginning of them. A word of which nothing is played has no time.
pub(super) fn times(words: &[Word], bounds: &[usize], kept: &Range<usize>) -> Vec<WordTime> {
    let mut times = Vec::with_capacity(words.len());
    let mut free = kept.start;
    for word in words {
        let (Some(start), Some(end)) = (bounds.get(word.phonemes.start), bounds.get(word.phonemes.end)) else { break };
        let start = if times.is_empty() { free } else { start.saturating_sub(EARLY + LEAD).max(free) };
        let samples = start..end.saturating_sub(EARLY).min(kept.end);
        if samples.is_empty() {
            continue;
        }
        free = samples.end;
        let played = |sample: usize| (sample - kept.start) as u64;
        times.push(WordTime { text: word.text.clone(), samples: played(samples.start)..played(samples.end) });
    }
    times
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(phonemes: &[Range<usize>]) -> Vec<Word> {
        let word = |(at, phonemes): (usize, &Range<usize>)| Word { text: at..at + 1, phonemes: phonemes.clone() };
        phonemes.iter().enumerate().map(word).collect()
    }

    #[test]
    fn words_begin_a_little_before_their_sound_and_never_overlap() {
        // Two phonemes, a space, one phoneme, and one more without a space between.
        let bounds = [6_000, 7_200, 8_400, 9_600, 12_000, 13_200];
        let times = times(&words(&[0..2, 3..4, 4..5]), &bounds, &(3_000..20_000));
        let samples: Vec<_> = times.into_iter().map(|time| time.samples).collect();
        assert_eq!(samples, [0..4_200, 4_800..7_800, 7_800..9_000]);
    }

    #[test]
    fn what_is_not_played_has_no_time() {
        let bounds = [6_000, 7_200, 8_400, 30_000];
        let times = times(&words(&[0..1, 1..2, 2..3]), &bounds, &(6_500..10_000));
        assert_eq!(times.into_iter().map(|time| time.samples).collect::<Vec<_>>(), [0..700, 700..3_500]);
    }

    proptest! {
        #[test]
        fn times_lie_apart_in_the_sound(
            units in prop::collection::vec(1_usize..9, 1..20),
            lengths in prop::collection::vec((0_usize..3, 1_usize..4), 0..9),
            cut in (0_usize..6_000, 0_usize..90_000),
        ) {
            let mut at = 0;
            let mut bounds: Vec<usize> = units.iter().map(|units| { at += units * UNIT; at }).collect();
            bounds.push(at + UNIT);
            let mut phoneme = 0;
            let phonemes: Vec<_> = lengths.iter().map(|(skip, length)| {
                let start = phoneme + skip;
                phoneme = start + length;
                start..phoneme
            }).collect();
            let kept = cut.0..cut.1.max(cut.0);
            let mut end = 0;
            for time in times(&words(&phonemes), &bounds, &kept) {
                prop_assert!(time.samples.start >= end && !time.samples.is_empty(), "{:?}", time);
                end = time.samples.end;
            }
            prop_assert!(end as usize <= kept.len());
        }
    }
}
