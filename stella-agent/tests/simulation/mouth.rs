//! What the user's mouth does, in milliseconds since the start.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stella_core::id::SpeakerId;
use tokio::time::Instant;

use crate::words::{self, MILLISECOND, NOISE, WORDS};

/// Everything that was said, by the number of the word.
pub(crate) type Said = Arc<Mutex<Vec<SaidWord>>>;

/// A word that was said.
#[derive(Debug, Clone)]
pub(crate) struct SaidWord {
    pub(crate) speaker: SpeakerId,
    pub(crate) text: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Milliseconds of it that came through the link.
    pub(crate) delivered: u64,
    /// When the microphone was taken away next, if it was.
    pub(crate) unplugged: Option<u64>,
}

/// One person's mouth.
pub(crate) struct Mouth {
    zero: Instant,
    speaker: SpeakerId,
    said: Said,
    sounds: Mutex<VecDeque<Sound>>,
}

struct Sound {
    sample: i16,
    from: u64,
    to: u64,
}

impl Mouth {
    pub(crate) fn new(zero: Instant, speaker: SpeakerId, said: Said) -> Self {
        Self { zero, speaker, said, sounds: Mutex::default() }
    }

    pub(crate) fn now(&self) -> u64 {
        self.zero.elapsed().as_millis() as u64
    }

    pub(crate) fn instant(&self, millis: u64) -> Instant {
        self.zero + Duration::from_millis(millis)
    }

    /// Says a word for so long, from now on.
    pub(crate) async fn say(&self, text: &str, length: Duration) {
        let (from, to) = self.stretch(length);
        let word = {
            let mut said = self.said.lock();
            let word = said.len() as u16;
            assert!(word < WORDS, "too many words for one conversation");
            // No two words are alike, except for signs of listening.
            let text = if text == "mhm" { text.to_owned() } else { format!("{text}{word}") };
            said.push(SaidWord { speaker: self.speaker, text, from, to, delivered: 0, unplugged: None });
            word
        };
        self.sound(words::sample(word), from, to).await;
    }

    /// Coughs.
    pub(crate) async fn cough(&self, length: Duration) {
        let (from, to) = self.stretch(length);
        self.sound(NOISE, from, to).await;
    }

    fn stretch(&self, length: Duration) -> (u64, u64) {
        let from = self.now();
        (from, from + length.as_millis() as u64)
    }

    async fn sound(&self, sample: i16, from: u64, to: u64) {
        self.sounds.lock().push_back(Sound { sample, from, to });
        tokio::time::sleep_until(self.instant(to)).await;
    }

    /// The samples of a stretch that has passed, later than all earlier ones; `None` if it is silent.
    pub(crate) fn hear(&self, from: u64, to: u64) -> Option<Vec<i16>> {
        let mut sounds = self.sounds.lock();
        while sounds.front().is_some_and(|sound| sound.to <= from) {
            sounds.pop_front();
        }
        sounds.front().filter(|sound| sound.from < to)?;
        let mut samples = vec![0; (to - from) as usize * MILLISECOND];
        for sound in sounds.iter().filter(|sound| sound.from < to) {
            let (first, last) = (sound.from.max(from) - from, sound.to.min(to) - from);
            samples[first as usize * MILLISECOND..last as usize * MILLISECOND].fill(sound.sample);
        }
        Some(samples)
    }

    /// Notes that the microphone is taken away, or replaced.
    pub(crate) fn unplug(&self) {
        let now = self.now();
        for word in self.said.lock().iter_mut().rev().filter(|word| word.speaker == self.speaker) {
            if word.unplugged.is_some() {
                break;
            }
            word.unplugged = Some(now);
        }
    }

    /// Notes that sound has come through.
    pub(crate) fn delivered(&self, samples: &[i16]) {
        let mut said = self.said.lock();
        for sample in samples.iter().step_by(MILLISECOND) {
            if let Some(word) = words::word(*sample) {
                said[usize::from(word)].delivered += 1;
            }
        }
    }
}
