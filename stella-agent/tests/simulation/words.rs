//! Words as sound: each sample of a word has the word's number in it. So whoever gets the sound knows exactly which words
//! it holds, and how much of each.

/// Sample of the word with the number 0.
const FIRST: i16 = 2_000;
/// Numbers of words.
pub(crate) const WORDS: u16 = 30_000;
/// A sound that is no word, such as a cough.
pub(crate) const NOISE: i16 = -3_000;
/// Samples of 16 kHz in a millisecond; the sound of a word changes only between two of them.
pub(crate) const MILLISECOND: usize = 16;

pub(crate) fn sample(word: u16) -> i16 {
    FIRST + word as i16
}

pub(crate) fn word(sample: i16) -> Option<u16> {
    u16::try_from(sample.checked_sub(FIRST)?).ok()
}

/// Sample of the last moment of a word: whoever hears it has heard the word to its end.
pub(crate) fn last_sample(word: u16) -> i16 {
    -sample(word)
}

/// The word whose last moment this is a sample of.
pub(crate) fn ended_word(sample: i16) -> Option<u16> {
    word(sample.checked_neg()?)
}

/// Whether a detector takes this for a voice.
pub(crate) fn is_loud(sample: i16) -> bool {
    sample.unsigned_abs() >= 1_000
}

/// Letters and digits only: what can be heard of a text.
pub(crate) fn sounds(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}
