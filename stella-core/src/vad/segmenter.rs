//! From probabilities to voice starts and ends.

use std::time::Duration;

use crate::audio::AudioFormat;

/// When probabilities count as voice.
///
/// A start is reported when what successive windows say for a voice adds up to enough (the cumulative sum test of Page,
/// "Continuous inspection schemes", 1954): one window that is rather sure, or some that are less so. Each speaks by how
/// far its probability exceeds `activation`; one below it speaks against. Silero hesitates over shouts for 0.2 s, and
/// whoever speaks over the agent is noticed too late by two windows of 0.5 in a row, its usual rule: over the phrases of
/// `cargo xtask bench bargein`, 95 % are noticed within 168 ms instead of 224, half of them within 48 instead of 72.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VadOptions {
    /// Probability, below 1, above which a window speaks for a voice while there is none. Default 0.2.
    pub activation: f32,
    /// Probability below which a window is unvoiced while there is a voice. Default 0.35, Silero's own.
    pub deactivation: f32,
    /// Certain voice before a start is reported: a window of probability 1 counts whole, one halfway between
    /// `activation` and 1 half. Default 16 ms, a window of 0.6.
    pub min_speech: Duration,
    /// Unvoiced time before an end is reported. Default 160 ms: the models that tell the end of a turn are asked then, and
    /// after 128 ms they know less (`cargo xtask bench endpoint`: 0.1 s more of waiting for as many turns cut short).
    pub min_silence: Duration,
}

impl Default for VadOptions {
    fn default() -> Self {
        Self {
            activation: 0.2,
            deactivation: 0.35,
            min_speech: Duration::from_millis(16),
            min_silence: Duration::from_millis(160),
        }
    }
}

/// What the segmenter noticed. Positions are samples of 16 kHz audio since the first window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VadEvent {
    /// A voice began with this sample.
    Started {
        /// First voiced sample.
        at: u64,
    },
    /// The voice ended before this sample.
    Ended {
        /// One past the last voiced sample.
        at: u64,
    },
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// No voice. `evidence` for one not yet reported, in samples of certain voice, since `at`.
    Silent { evidence: f32, at: u64 },
    /// A voice; `unvoiced` counts the samples of an end not yet reported.
    Voiced { unvoiced: u64 },
}

/// Turns the probabilities of successive windows into voice starts and ends. Pure: no clock, no I/O.
#[derive(Debug, Clone)]
pub struct Segmenter {
    options: VadOptions,
    window: u64,
    position: u64,
    state: State,
}

impl Segmenter {
    /// A segmenter for windows of `window` samples of 16 kHz audio.
    #[must_use]
    pub fn new(options: VadOptions, window: usize) -> Self {
        Self { options, window: window as u64, position: 0, state: State::Silent { evidence: 0.0, at: 0 } }
    }

    /// Takes the probability of the next window.
    pub fn push(&mut self, probability: f32) -> Option<VadEvent> {
        self.push_with(probability, |_| 0)
    }

    /// As [`push`](Self::push), for a caller that looks at the sound itself: a detector believes in a voice for some time
    /// after it is gone. When the first unvoiced window begins at a sample, `silent` is asked how many samples before that
    /// one were silent already ([`silent_tail`](super::silent_tail)). They count as unvoiced too, so that an end is
    /// reported sooner and at its place.
    pub fn push_with(&mut self, probability: f32, silent: impl FnOnce(u64) -> u64) -> Option<VadEvent> {
        let start = self.position;
        self.position += self.window;
        let samples = |duration| AudioFormat::SPEECH.samples(duration);
        match &mut self.state {
            State::Silent { evidence, at } => {
                if *evidence == 0.0 {
                    *at = start;
                }
                let activation = self.options.activation;
                *evidence += self.window as f32 * (probability - activation) / (1.0 - activation);
                *evidence = evidence.max(0.0);
                if *evidence == 0.0 || *evidence < samples(self.options.min_speech) as f32 {
                    return None;
                }
                let at = *at;
                self.state = State::Voiced { unvoiced: 0 };
                Some(VadEvent::Started { at })
            }
            State::Voiced { unvoiced } => {
                *unvoiced = match (probability < self.options.deactivation, *unvoiced) {
                    (false, _) => 0,
                    (true, 0) => silent(start).min(start) + self.window,
                    (true, unvoiced) => unvoiced + self.window,
                };
                if *unvoiced == 0 || *unvoiced < samples(self.options.min_silence) {
                    return None;
                }
                let at = self.position - *unvoiced;
                self.state = State::Silent { evidence: 0.0, at: 0 };
                Some(VadEvent::Ended { at })
            }
        }
    }

    /// Samples seen so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(probabilities: &[f32]) -> Vec<VadEvent> {
        let mut segmenter = Segmenter::new(VadOptions::default(), 512);
        probabilities.iter().filter_map(|&p| segmenter.push(p)).collect()
    }

    #[test]
    fn a_voice_starts_at_its_first_window_and_ends_after_its_last() {
        let mut probabilities = vec![0.1, 0.9, 0.9, 0.9];
        probabilities.extend([0.1; 8]);
        assert_eq!(run(&probabilities), [VadEvent::Started { at: 512 }, VadEvent::Ended { at: 4 * 512 }]);
    }

    #[test]
    fn a_voice_that_the_detector_hesitates_over_starts_where_it_began_to() {
        assert_eq!(run(&[0.1, 0.23, 0.22, 0.59, 0.9]), [VadEvent::Started { at: 512 }]);
        assert_eq!(run(&[0.0, 0.7]), [VadEvent::Started { at: 512 }], "a sure one at once");
        assert_eq!(run(&[0.5, 0.1, 0.5]), [VadEvent::Started { at: 0 }], "in doubt, the dip belongs to it");
    }

    #[test]
    fn silence_that_the_detector_took_for_voice_counts() {
        let mut segmenter = Segmenter::new(VadOptions::default(), 512);
        let mut events = Vec::new();
        for p in [0.9, 0.9, 0.9, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.1, 0.1] {
            events.extend(segmenter.push_with(p, |at| if at > 3_000 { 1_500 } else { 100 }));
        }
        // The first dip is no end; after the second, four windows and 1,500 samples are long enough.
        assert_eq!(events, [VadEvent::Started { at: 0 }, VadEvent::Ended { at: 8 * 512 - 1_500 }]);
        assert_eq!(segmenter.position(), 12 * 512);
    }

    #[test]
    fn a_little_doubt_is_not_a_voice_and_a_dip_is_not_an_end() {
        assert_eq!(run(&[0.4, 0.0, 0.4, 0.0, 0.3, 0.3, 0.1, 0.3]), []);
        assert_eq!(run(&[0.9, 0.9, 0.0, 0.0, 0.4, 0.0, 0.0]), [VadEvent::Started { at: 0 }]);
    }
}
