//! Text that knows which bytes of the written text it was made from. Pure.
//!
//! A text on its way to the voice is rewritten many times: markup goes, numbers become words, words become phonemes.
//! Every step is a list of edits, and every character keeps its origin through them, so that at the end each phoneme
//! still knows what it speaks.

use std::ops::{Deref, Range};

use regex::{Captures, Regex};

use super::pairing::pair;

/// Text and the origin of each of its bytes. Origins never go back: neither their starts nor their ends do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traced {
    text: String,
    /// As many as the text has bytes; those of one character are equal.
    origins: Vec<Range<usize>>,
}

impl Deref for Traced {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Traced {
    /// Text as it was written: each character comes from itself.
    pub(super) fn new(text: &str) -> Self {
        let mut traced = Self::default();
        for (at, character) in text.char_indices() {
            traced.push(character, at..at + character.len_utf8());
        }
        traced
    }

    /// The bytes of the written text that `range` was made from; for an empty one, those of the character before it.
    pub(super) fn origin(&self, range: Range<usize>) -> Range<usize> {
        let before = || self.origins.get(range.start.saturating_sub(1)).cloned().unwrap_or_default();
        self.origins.get(range.clone()).and_then(union).unwrap_or_else(before)
    }

    /// Each character with its origin.
    pub(super) fn characters(&self) -> impl Iterator<Item = (char, Range<usize>)> {
        self.text.char_indices().map(|(at, character)| (character, self.origins[at].clone()))
    }

    /// The part of the text in `range`, which must be on the bounds of characters.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        Self { text: self.text[range.clone()].to_owned(), origins: self.origins[range].to_vec() }
    }

    /// The part of the text that `part`, a slice of it, is.
    pub(super) fn part(&self, part: &str) -> Self {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize).min(self.text.len());
        self.slice(start..(start + part.len()).min(self.text.len()))
    }

    /// Appends a character made from `origin`.
    pub(super) fn push(&mut self, character: char, origin: Range<usize>) {
        self.text.push(character);
        self.origins.resize(self.text.len(), origin);
    }

    /// Each character replaced by another, or left out.
    pub(super) fn map(&self, replace: impl Fn(char) -> Option<char>) -> Self {
        let mut result = Self::default();
        for (character, origin) in self.characters() {
            if let Some(character) = replace(character) {
                result.push(character, origin);
            }
        }
        result
    }

    /// Every match of `pattern` replaced by what `new` makes of it.
    pub(super) fn replace(self, pattern: &Regex, new: impl Fn(&Captures<'_>) -> String) -> Self {
        let edits = pattern.captures_iter(&self.text).map(|found| (found.get_match().range(), new(&found)));
        let edits: Vec<_> = edits.collect();
        if edits.is_empty() { self } else { self.edit(edits) }
    }

    /// Of every match of `pattern` only its first group is kept.
    pub(super) fn unwrap(self, pattern: &Regex) -> Self {
        let mut edits = Vec::new();
        for found in pattern.captures_iter(&self.text) {
            let whole = found.get_match().range();
            let inner = found.get(1).map_or(whole.end..whole.end, |inner| inner.range());
            edits.extend([(whole.start..inner.start, String::new()), (inner.end..whole.end, String::new())]);
        }
        if edits.is_empty() { self } else { self.edit(edits) }
    }

    /// The text with `edits`, which are in order and do not overlap. What replaces several words is shared out among
    /// them.
    pub(super) fn edit(&self, edits: impl IntoIterator<Item = (Range<usize>, impl AsRef<str>)>) -> Self {
        let mut result = Self::default();
        let mut done = 0;
        for (range, new) in edits {
            result.copy(self, done..range.start);
            result.rewrite(self, range.clone(), new.as_ref());
            done = range.end;
        }
        result.copy(self, done..self.text.len());
        result
    }

    fn copy(&mut self, from: &Self, range: Range<usize>) {
        self.text.push_str(&from.text[range.clone()]);
        self.origins.extend_from_slice(&from.origins[range]);
    }

    /// Appends `new`, which stands for `range` of `from`.
    fn rewrite(&mut self, from: &Self, range: Range<usize>, new: &str) {
        let old = &from.text[range.clone()];
        let start = common(atoms(old), atoms(new));
        let end = common(atoms(&old[start..]).into_iter().rev(), atoms(&new[start..]).into_iter().rev());
        self.copy(from, range.start..range.start + start);
        self.share(from, range.start + start..range.end - end, &new[start..new.len() - end]);
        self.copy(from, range.end - end..range.end);
    }

    /// Appends `new`, each word of it made from those words of `range` of `from` that it is paired with.
    fn share(&mut self, from: &Self, range: Range<usize>, new: &str) {
        let old = &from.text[range.clone()];
        let old_words: Vec<&str> = old.split_whitespace().collect();
        let new_words: Vec<&str> = new.split_whitespace().collect();
        if old_words.len() < 2 || new_words.is_empty() {
            self.text.push_str(new);
            self.origins.resize(self.text.len(), from.origin(range));
            return;
        }
        let within = |part: &str| part.as_ptr() as usize - old.as_ptr() as usize + range.start;
        let mut rest = new;
        for (word, pairs) in new_words.iter().zip(pair(&old_words, &new_words)) {
            let (first, last) = (old_words[pairs.start], old_words[pairs.end - 1]);
            // The space before a word goes with it.
            let end = word.as_ptr() as usize + word.len() - rest.as_ptr() as usize;
            self.text.push_str(&rest[..end]);
            self.origins.resize(self.text.len(), from.origin(within(first)..within(last) + last.len()));
            rest = &rest[end..];
        }
        let last = self.origins.last().cloned().unwrap_or_default();
        self.text.push_str(rest);
        self.origins.resize(self.text.len(), last);
    }
}

/// From the first start to the last end.
fn union(origins: &[Range<usize>]) -> Option<Range<usize>> {
    Some(origins.first()?.start..origins.last()?.end)
}

/// Runs of letters and digits, and all other characters by themselves.
fn atoms(text: &str) -> Vec<&str> {
    let mut atoms = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|character: char| !character.is_alphanumeric()).unwrap_or(rest.len());
        let (atom, after) = rest.split_at(if run == 0 { first.len_utf8() } else { run });
        atoms.push(atom);
        rest = after;
    }
    atoms
}

/// Bytes that two lists have in common at their beginnings.
fn common<'a>(a: impl IntoIterator<Item = &'a str>, b: impl IntoIterator<Item = &'a str>) -> usize {
    a.into_iter().zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    /// What each word of `text` was made from in `written`.
    fn sources<'a>(text: &'a Traced, written: &'a str) -> Vec<(&'a str, &'a str)> {
        let start = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
        let words = text.split_whitespace().map(|word| (word, text.origin(start(word)..start(word) + word.len())));
        words.map(|(word, origin)| (word, &written[origin])).collect()
    }

    #[test]
    fn what_is_not_changed_keeps_its_place() {
        let written = "Am 3. Mai";
        let text = Traced::new(written).edit([(3..5, "dritten")]);
        assert_eq!(sources(&text, written), [("Am", "Am"), ("dritten", "3."), ("Mai", "Mai")]);
    }

    #[test]
    fn several_words_are_shared_out() {
        for (written, new, expected) in [
            ("$2.5 million", "two point five million dollars", "$2.5 $2.5 $2.5 million million"),
            ("5:30 pm", "five thirty PM", "5:30 5:30 pm"),
            ("Jan. 21", "January 21", "Jan. 21"),
            ("5 km", "five kilometers", "5 km"),
            ("(555) 1234", "five five five, one two three four", "(555) (555) (555) 1234 1234 1234 1234"),
        ] {
            let text = Traced::new(written).edit([(0..written.len(), new)]);
            assert_eq!(*text, *new);
            let sources: Vec<_> = sources(&text, written).into_iter().map(|(_, source)| source).collect();
            assert_eq!(sources.join(" "), expected, "{written}");
        }
    }

    #[test]
    fn edits_of_edits_lead_back_to_the_first_text() {
        static DIGIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d").expect("valid"));
        static BOLD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\*(\w+)\*").expect("valid"));
        let written = "a *bold* 1";
        let text = Traced::new(written).unwrap(&BOLD).replace(&DIGIT, |_| "one x".to_owned());
        let text = text.edit([(text.len() - 1..text.len(), "y")]);
        assert_eq!(sources(&text, written), [("a", "a"), ("bold", "bold"), ("one", "1"), ("y", "1")]);
    }

    proptest! {
        /// Whatever is replaced by whatever: every byte has an origin on the bounds of characters, and none goes back.
        #[test]
        fn origins_lie_in_the_text_and_never_go_back(
            written in "[a-c1-3é $.*]{0,24}",
            edits in prop::collection::vec((0_usize..24, 0_usize..12, "[a-c1-3é $.]{0,12}"), 0..6),
        ) {
            let mut text = Traced::new(&written);
            for (at, length, new) in edits {
                let bound = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte);
                text = text.edit([(bound(at)..bound(at + length), new)]);
                prop_assert_eq!(text.origins.len(), text.len());
                for origin in &text.origins {
                    prop_assert!(written.get(origin.clone()).is_some(), "{:?} in {:?}", origin, written);
                }
                for pair in text.origins.windows(2) {
                    prop_assert!(pair[0].start <= pair[1].start && pair[0].end <= pair[1].end, "{:?}", text);
                }
            }
        }
    }
}
