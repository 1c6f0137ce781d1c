//! The words of a written text, and which phonemes speak each of them. Pure.

use std::ops::Range;

use super::{
    pairing::{bounds, share},
    traced::Traced,
};

/// A word, or as much of it as one clause speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Its bytes in the written text.
    pub(super) text: Range<usize>,
    /// Its phonemes, counted in the clause: from its first sound to its last, no space or mark around it.
    pub(super) phonemes: Range<usize>,
}

/// The words of a text, of which the first have been spoken.
#[derive(Debug, Clone)]
pub(super) struct Words {
    text: String,
    /// Bytes of each: what stands between spaces.
    words: Vec<Range<usize>>,
    /// Words of which at least a part was given to a clause.
    begun: usize,
}

/// Where a sound is: its clause and its place in there.
type Place = (usize, usize);

impl Words {
    pub(super) fn new(text: &str) -> Self {
        let start = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
        let words = text.split_whitespace().map(|word| start(word)..start(word) + word.len()).collect();
        Self { text: text.to_owned(), words, begun: 0 }
    }

    /// The words that the next clauses of the text speak, clause by clause. A word that goes on in another clause is
    /// cut in proportion to its sounds there.
    pub(super) fn speak(&mut self, clauses: &[&Traced]) -> Vec<Vec<Word>> {
        let mut spoken = vec![Vec::new(); clauses.len()];
        for (word, places) in self.sounds(clauses) {
            let parts: Vec<&[Place]> = places.chunk_by(|a, b| a.0 == b.0).collect();
            let whole = self.words[word].clone();
            let weights: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            let cuts = cuts(&self.text[whole.clone()], &weights);
            for (part, cut) in parts.iter().zip(cuts.windows(2)) {
                let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
                if cut[0] < cut[1] {
                    let text = whole.start + cut[0]..whole.start + cut[1];
                    spoken[first.0].push(Word { text, phonemes: first.1..last.1 + 1 });
                }
            }
        }
        spoken
    }

    /// The words that are spoken, in order, each with all its sounds.
    fn sounds(&mut self, clauses: &[&Traced]) -> Vec<(usize, Vec<Place>)> {
        let all = clauses.iter().enumerate().flat_map(|(clause, phonemes)| {
            let sounds = phonemes.characters().enumerate().filter(|(_, (phoneme, _))| phoneme.is_alphabetic());
            sounds.map(move |(at, (_, origin))| ((clause, at), origin))
        });
        let all: Vec<(Place, Range<usize>)> =
            all.map(|(place, origin)| (place, self.touched(&origin))).filter(|(_, words)| !words.is_empty()).collect();
        let mut spoken: Vec<(usize, Vec<Place>)> = Vec::new();
        for run in all.chunk_by(|a, b| a.1 == b.1) {
            let words = run[0].1.clone();
            let weights: Vec<usize> = self.words[words.clone()].iter().map(|word| word.len()).collect();
            for ((place, _), part) in run.iter().zip(share(&weights, run.len())) {
                // Never back: a sound of a word that is over belongs to the word that is being spoken.
                let word = spoken.last().map_or(0, |(word, _)| *word).max(words.start + part.start);
                match spoken.last_mut() {
                    Some((last, places)) if *last == word => places.push(*place),
                    _ => spoken.push((word, vec![*place])),
                }
            }
        }
        // A word of the sentence before has had its time.
        spoken.retain(|(word, _)| *word >= self.begun);
        self.begun = spoken.last().map_or(self.begun, |(word, _)| word + 1);
        spoken
    }

    /// The words that share bytes with `origin`.
    fn touched(&self, origin: &Range<usize>) -> Range<usize> {
        let start = self.words.partition_point(|word| word.end <= origin.start);
        let end = self.words.partition_point(|word| word.start < origin.end);
        start..end.max(start)
    }
}

/// Cuts `word` in proportion to `weights`, on the bounds of characters: as many pieces as weights, the last of them
/// empty if there are too few characters.
fn cuts(word: &str, weights: &[usize]) -> Vec<usize> {
    let characters = word.chars().count();
    let pieces = weights.len().min(characters);
    let byte = |at: usize| word.char_indices().nth(at).map_or(word.len(), |(byte, _)| byte);
    let mut cuts: Vec<usize> = bounds(&weights[..pieces], characters).into_iter().map(byte).collect();
    cuts.resize(weights.len() + 1, word.len());
    cuts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Clauses of one letter for a sound, each written as the sounds and the bytes they come from.
    fn clause(parts: &[(&str, Range<usize>)]) -> Traced {
        let mut clause = Traced::default();
        for (sounds, origin) in parts {
            sounds.chars().for_each(|sound| clause.push(sound, origin.clone()));
        }
        clause
    }

    fn spoken(text: &str, clauses: &[Traced]) -> String {
        let spoken = Words::new(text).speak(&clauses.iter().collect::<Vec<_>>());
        let word = |word: &Word| format!("{}={:?}", &text[word.text.clone()], word.phonemes);
        let clause = |words: &Vec<Word>| words.iter().map(word).collect::<Vec<_>>().join(" ");
        spoken.iter().map(clause).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_word_is_its_sounds_without_spaces_and_marks() {
        let clauses = [clause(&[("aa", 0..2), (", ", 2..3), ("bbb", 4..5), (".", 5..6)])];
        assert_eq!(spoken("No, I.", &clauses), "No,=0..2 I.=4..7");
    }

    #[test]
    fn a_word_in_two_clauses_is_cut() {
        let clauses = [clause(&[("a ", 0..1), ("bb,", 2..10)]), clause(&[("bb b", 2..10), (" cc", 11..12)])];
        assert_eq!(spoken("a 555-1234 b", &clauses), "a=0..1 555=2..4 | -1234=0..4 b=5..7");
        let clauses = [clause(&[("bb", 0..1)]), clause(&[("bb", 0..1)])];
        assert_eq!(spoken("7", &clauses), "7=0..2 | ");
    }

    #[test]
    fn sounds_of_several_words_are_shared_out() {
        assert_eq!(spoken("et al", &[clause(&[("abcd", 0..5)])]), "et=0..2 al=2..4");
    }

    #[test]
    fn a_word_is_spoken_once() {
        let mut words = Words::new("one two");
        let first = words.speak(&[&clause(&[("a", 0..3), (" ", 3..4), ("b", 4..7)])]);
        assert_eq!(first[0].len(), 2);
        assert_eq!(words.speak(&[&clause(&[("b", 4..7)])]), [[]]);
    }

    proptest! {
        /// Any sounds from anywhere: words in order, apart, not empty, on the bounds of characters.
        #[test]
        fn words_and_phonemes_are_in_order(
            text in "[a-cé ]{0,16}",
            clauses in prop::collection::vec(prop::collection::vec((0_usize..16, 0_usize..8, "[a-c ,]{0,3}"), 0..5), 0..4),
        ) {
            let bound = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
            let mut at = (0, 0);
            let mut clauses_made = Vec::new();
            for parts in clauses {
                let mut made = Traced::default();
                for (start, length, sounds) in parts {
                    at = (bound(start).max(at.0), bound(start + length).max(at.1));
                    sounds.chars().for_each(|sound| made.push(sound, at.0..at.1));
                }
                clauses_made.push(made);
            }
            let spoken = Words::new(&text).speak(&clauses_made.iter().collect::<Vec<_>>());
            prop_assert_eq!(spoken.len(), clauses_made.len());
            let mut byte = 0;
            for (words, clause) in spoken.iter().zip(&clauses_made) {
                let mut phoneme = 0;
                for word in words {
                    prop_assert!(text.get(word.text.clone()).is_some_and(|word| !word.is_empty()), "{:?}", word);
                    prop_assert!(word.text.start >= byte && word.phonemes.start >= phoneme, "{:?}", word);
                    prop_assert!(!word.phonemes.is_empty() && word.phonemes.end <= clause.chars().count());
                    (byte, phoneme) = (word.text.end, word.phonemes.end);
                }
            }
        }
    }
}
