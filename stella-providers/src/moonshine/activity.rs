//! Loudness of an utterance over time, to find its pauses. Pure.

use std::ops::Range;

/// Samples of one step: 20 ms.
pub(super) const STEP: usize = 320;
/// Loudness (RMS of 16-bit samples) below which all is silence: about -64 dB of full scale.
const FLOOR: f32 = 20.0;

/// Loudness of 16 kHz audio in steps of 20 ms.
#[derive(Debug, Clone, Default)]
pub(super) struct Activity {
    levels: Vec<f32>,
    /// Square sum and length of the step that is not full yet.
    energy: f64,
    filled: usize,
}

impl Activity {
    pub(super) fn push(&mut self, samples: &[i16]) {
        for &sample in samples {
            self.energy += f64::from(sample) * f64::from(sample);
            self.filled += 1;
            if self.filled == STEP {
                self.levels.push((self.energy / STEP as f64).sqrt() as f32);
                (self.energy, self.filled) = (0.0, 0);
            }
        }
    }

    /// Forgets the first `steps` steps.
    pub(super) fn forget(&mut self, steps: usize) {
        self.levels.drain(..steps.min(self.levels.len()));
    }

    /// Forgets all but the first `steps` steps.
    pub(super) fn truncate(&mut self, steps: usize) {
        self.levels.truncate(steps);
        (self.energy, self.filled) = (0.0, 0);
    }

    /// Whole steps so far.
    pub(super) fn steps(&self) -> usize {
        self.levels.len()
    }

    /// Loudness up to which a step counts as silent: twice that of the quietest tenth, because the quietest tenth is
    /// background; but at least 24 dB below the loudest, in case there is no pause at all.
    fn threshold(&self) -> f32 {
        if self.levels.is_empty() {
            return FLOOR;
        }
        let mut sorted = self.levels.clone();
        let mut at = |share: f32| {
            let index = ((sorted.len() - 1) as f32 * share) as usize;
            *sorted.select_nth_unstable_by(index, f32::total_cmp).1
        };
        let (quiet, loud) = (at(0.10), at(0.95));
        (2.0 * quiet).min(loud / 16.0).max(FLOOR)
    }

    /// The stretches of silence at least `shortest` steps long.
    pub(super) fn pauses(&self, shortest: usize) -> Vec<Range<usize>> {
        let threshold = self.threshold();
        let mut pauses = Vec::new();
        let mut start = 0;
        for step in 0..=self.levels.len() {
            if self.levels.get(step).is_some_and(|&level| level <= threshold) {
                continue;
            }
            if step - start >= shortest {
                pauses.push(start..step);
            }
            start = step + 1;
        }
        pauses
    }

    /// From the first to the last step that is not silent; `None` if all are.
    pub(super) fn voiced(&self) -> Option<Range<usize>> {
        let threshold = self.threshold();
        let first = self.levels.iter().position(|&level| level > threshold)?;
        let last = self.levels.iter().rposition(|&level| level > threshold)?;
        Some(first..last + 1)
    }

    /// Where to cut it in two: in the middle of the longest pause that leaves `part` steps or more at either side, else at
    /// the quietest place there. It must be longer than two such parts and five steps.
    pub(super) fn halves(&self, part: usize) -> usize {
        let inside = part..self.steps() - part;
        self.longest_pause(1, &inside).unwrap_or_else(|| self.quietest(inside))
    }

    /// The middle of the longest silence at least `shortest` steps long, of those whose middle is `inside`; of two as long,
    /// of the later one.
    pub(super) fn longest_pause(&self, shortest: usize, inside: &Range<usize>) -> Option<usize> {
        let pauses = self.pauses(shortest);
        let middles = pauses.iter().map(|pause| (pause.len(), pause.start + pause.len() / 2));
        middles.filter(|(_, middle)| inside.contains(middle)).max().map(|(_, middle)| middle)
    }

    /// The quietest place in `range`: the middle of the five steps with the least energy.
    pub(super) fn quietest(&self, range: Range<usize>) -> usize {
        let energy = |window: &[f32]| window.iter().map(|level| level * level).sum::<f32>();
        let windows = self.levels[range.clone()].windows(5).enumerate();
        let quietest = windows.min_by(|(_, a), (_, b)| energy(a).total_cmp(&energy(b)));
        range.start + quietest.map_or(0, |(index, _)| index + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(levels: &[i16]) -> Activity {
        let mut activity = Activity::default();
        for &level in levels {
            activity.push(&[level; STEP]);
        }
        activity
    }

    #[test]
    fn pauses_are_found_over_background_noise() {
        let noisy = activity(&[50, 60, 2_000, 2_500, 55, 50, 60, 3_000, 900, 50]);
        assert_eq!(noisy.pauses(2), [0..2, 4..7]);
        assert_eq!(noisy.voiced(), Some(2..9));
    }

    #[test]
    fn silence_has_no_voice_and_speech_without_pause_no_silence() {
        assert_eq!(activity(&[0, 3, 10]).voiced(), None);
        assert!(activity(&[2_000, 3_000, 1_500]).pauses(1).is_empty());
        assert_eq!(Activity::default().voiced(), None);
    }

    #[test]
    fn it_is_cut_in_two_at_its_longest_pause_inside() {
        let (silence, voice) = ([0; 6], [2_000; 12]);
        let levels = [&silence[..], &voice[..2], &silence[..3], &voice[..9], &silence[..2], &voice].concat();
        assert_eq!(activity(&levels).halves(5), 9);
        assert_eq!(activity(&levels).halves(10), 21, "the longest is too near to an end");
        assert_eq!(activity(&[900; 30]).halves(10), 12, "no pause at all");
    }

    #[test]
    fn the_quietest_place_is_in_the_valley() {
        let activity = activity(&[900, 900, 900, 100, 90, 80, 90, 100, 900, 900]);
        assert_eq!(activity.quietest(0..10), 5);
    }
}
