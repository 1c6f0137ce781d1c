//! The open utterance: its audio, what is written of it, and when to write again. Pure.

use std::ops::Range;

use stella_core::id::UtteranceId;

use super::activity::{Activity, STEP};

/// Steps in a second.
const SECOND: usize = 16_000 / STEP;
/// From this length on the text before a clear pause is fixed, so that writing again stays cheap.
/// Measured on a reading of 44 s sent as Opus (three alignments, two settings of the encoder): 0.8-2.5 % of the words
/// are misheard with this length, 1.7-3.4 % with 16 s, 2.5-5 % with 12 s, 4-10 % with 8 s.
const SOFT: usize = 20 * SECOND;
/// From this length on a short pause will do.
const FIRM: usize = 23 * SECOND;
/// From this length on it is cut at the quietest place.
const HARD: usize = 26 * SECOND;
/// Shortest fixed part: cut finer, more words are misheard.
const SHORTEST_PART: usize = 10 * SECOND;
/// Silence kept at either end when the audio is written down, 0.2 s. More makes the model invent words.
const MARGIN: usize = SECOND / 5;
/// Silence that suggests a pause and is worth a new text at once: 120 ms, below every usual `min_silence`.
const PAUSE: usize = 6;
/// New audio worth a new interim text: 400 ms.
const FRESH: usize = SECOND * 2 / 5;

/// What was written of the audio up to some place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Heard {
    /// Steps of the tail it covers.
    pub(super) upto: usize,
    pub(super) tokens: Vec<i64>,
    pub(super) text: String,
    pub(super) confidence: Option<f32>,
}

/// A stretch of speech that has not ended.
#[derive(Debug)]
pub(super) struct Utterance {
    pub(super) id: UtteranceId,
    /// Text that is fixed, of audio already forgotten.
    fixed: String,
    /// The audio after it.
    tail: Vec<i16>,
    activity: Activity,
    heard: Option<Heard>,
}

impl Utterance {
    pub(super) fn new(id: UtteranceId) -> Self {
        Self { id, fixed: String::new(), tail: Vec::new(), activity: Activity::default(), heard: None }
    }

    pub(super) fn push(&mut self, samples: &[i16]) {
        self.tail.extend_from_slice(samples);
        self.activity.push(samples);
    }

    /// Whole steps of the tail.
    pub(super) fn steps(&self) -> usize {
        self.activity.steps()
    }

    /// Where the tail should be cut now: the text before is to be fixed.
    pub(super) fn cut(&self) -> Option<usize> {
        let steps = self.steps();
        let shortest_pause = match steps {
            ..SOFT => return None,
            SOFT..FIRM => SECOND / 4,
            _ => SECOND / 10,
        };
        match self.activity.longest_pause(shortest_pause, &(SHORTEST_PART..HARD)) {
            Some(middle) => Some(middle),
            None if steps >= HARD => Some(self.activity.quietest(HARD / 2..HARD)),
            None => None,
        }
    }

    /// The speech in the first `upto` steps, without the silence around it; empty if nothing was said.
    pub(super) fn speech(&self, upto: usize) -> Vec<i16> {
        let mut part = self.activity.clone();
        part.truncate(upto);
        let Some(Range { start, end }) = part.voiced() else { return Vec::new() };
        let (start, end) = (start.saturating_sub(MARGIN), (end + MARGIN).min(upto));
        self.tail[start * STEP..end * STEP].to_vec()
    }

    /// Forgets the audio before `cut`, of which `text` was said.
    pub(super) fn fix(&mut self, cut: usize, text: &str) {
        self.fixed = join(&self.fixed, text);
        self.tail.drain(..cut * STEP);
        self.activity.forget(cut);
        self.heard = None;
    }

    /// Takes what was written of the tail.
    pub(super) fn hear(&mut self, heard: Heard) {
        self.heard = Some(heard);
    }

    /// Tokens written before of the same tail.
    pub(super) fn draft(&self) -> Vec<i64> {
        self.heard.as_ref().map(|heard| heard.tokens.clone()).unwrap_or_default()
    }

    /// The whole text, as far as it is written, and its confidence.
    pub(super) fn text(&self) -> (String, Option<f32>) {
        match &self.heard {
            Some(heard) => (join(&self.fixed, &heard.text), heard.confidence),
            None => (self.fixed.clone(), None),
        }
    }

    /// Whether what is written (or being written) up to this step is the whole: nothing but silence followed, and it
    /// ended in silence itself, so that no last consonant was cut off.
    pub(super) fn complete(&self, upto: usize) -> bool {
        let spoken = self.activity.voiced().map_or(0, |voiced| voiced.end);
        spoken == 0 || spoken + PAUSE <= upto || upto >= self.steps()
    }

    /// Whether the text is the whole.
    pub(super) fn settled(&self) -> bool {
        self.complete(self.heard.as_ref().map_or(0, |heard| heard.upto))
    }

    /// Whether a new interim text is worth its cost: the speaker pauses and the last words are not written, or enough
    /// new audio has come, counted in steps and at least `patience`.
    pub(super) fn wants_interim(&self, patience: usize) -> bool {
        let upto = self.heard.as_ref().map_or(0, |heard| heard.upto);
        let Some(voiced) = self.activity.voiced() else { return false };
        let spoken = voiced.end;
        if spoken + PAUSE <= upto {
            return false;
        }
        let pausing = self.steps() >= spoken + PAUSE;
        let fresh = spoken.saturating_sub(upto.max(voiced.start));
        pausing || fresh >= FRESH.max(patience)
    }
}

/// Two texts in sequence.
fn join(first: &str, second: &str) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second.to_owned(),
        (_, true) => first.to_owned(),
        _ => format!("{first} {second}"),
    }
}
