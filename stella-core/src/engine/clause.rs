//! Cuts the text of a reply into segments for synthesis, as it is written.
//!
//! A segment ends after a sentence, or after a clause that is long enough; the first one of a reply is short, so that
//! it is heard early. The segments together are the text, byte for byte.

use super::options::SpeechOptions;

/// Text that is not cut yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Clauses {
    buffer: String,
    /// Segments cut so far.
    cut: usize,
}

impl Clauses {
    /// Appends text, and returns the segments it completes.
    pub(super) fn push(&mut self, text: &str, options: &SpeechOptions) -> Vec<String> {
        self.buffer.push_str(text);
        let mut segments = Vec::new();
        while let Some(end) = self.boundary(options) {
            let rest = self.buffer.split_off(end);
            segments.push(std::mem::replace(&mut self.buffer, rest));
            self.cut += 1;
        }
        segments
    }

    /// The rest, at the end of the text; `None` if there is none.
    pub(super) fn finish(&mut self) -> Option<String> {
        if self.buffer.is_empty() {
            return None;
        }
        self.cut += 1;
        Some(std::mem::take(&mut self.buffer))
    }

    /// The rest.
    pub(super) fn rest(&self) -> &str {
        &self.buffer
    }

    /// Forgets the rest.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Byte at which the first segment ends, with the white space behind it; `None` if more text is needed.
    fn boundary(&self, options: &SpeechOptions) -> Option<usize> {
        let at_comma = if self.cut == 0 { options.first_clause } else { options.clause };
        let mut characters = 0;
        let mut spoken = false;
        let mut last_space = None;
        let mut indices = self.buffer.char_indices().peekable();
        while let Some((at, c)) = indices.next() {
            characters += 1;
            spoken |= c.is_alphanumeric();
            let Some(&(next_at, next)) = indices.peek() else {
                return self.ends_first(at, c, characters >= at_comma).then_some(self.buffer.len());
            };
            if next.is_whitespace() {
                last_space = Some(next_at);
            }
            let ends = match c {
                '\n' => true,
                '.' => next.is_whitespace() && !self.is_abbreviation(at),
                '!' | '?' | '…' | '。' | '！' | '？' => next.is_whitespace() || !next.is_ascii(),
                ',' | ';' | ':' | '—' | '–' => next.is_whitespace() && characters >= at_comma,
                _ => false,
            };
            if spoken && ends {
                return self.after_space(next_at);
            }
            if characters >= options.max_clause {
                return self.after_space(last_space.unwrap_or(next_at));
            }
        }
        None
    }

    /// Whether the first segment ends with the newest character `c` at byte `at`, before the next one is known: a token is
    /// not waited for when a mark behind a word hardly ever goes on. A number might, such as 1,000.
    fn ends_first(&self, at: usize, c: char, long_enough: bool) -> bool {
        let follows_word = self.buffer[..at].chars().next_back().is_some_and(char::is_alphabetic);
        let ends = match c {
            '.' => !self.is_abbreviation(at),
            '!' | '?' => true,
            ',' | ';' => long_enough,
            _ => false,
        };
        self.cut == 0 && follows_word && ends
    }

    /// Past the white space at `at`, once the character behind it is known.
    fn after_space(&self, at: usize) -> Option<usize> {
        let rest = &self.buffer[at..];
        let space = rest.len() - rest.trim_start().len();
        (space < rest.len()).then_some(at + space)
    }

    /// Whether the full stop at byte `at` ends an abbreviation or a list number, not a sentence.
    fn is_abbreviation(&self, at: usize) -> bool {
        let word = self.buffer[..at].rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
        let known = ["Mr", "Mrs", "Ms", "Dr", "Prof", "St", "No", "vs", "etc", "e.g", "i.e", "approx", "Jr", "Sr"];
        let initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic) && word != "I";
        let numbering = self.buffer[..at].trim_start() == word && word.chars().all(|c| c.is_ascii_digit());
        known.contains(&word) || initial || numbering
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<String> {
        let options = SpeechOptions::default();
        let mut clauses = Clauses::default();
        let mut segments: Vec<String> = text.chars().flat_map(|c| clauses.push(&c.to_string(), &options)).collect();
        segments.extend(clauses.finish());
        segments
    }

    #[test]
    fn the_first_segment_ends_at_a_comma_and_the_others_at_sentences() {
        assert_eq!(
            cut("Well, the capital of France, as you know, is Paris. It lies on the Seine, you see. "),
            ["Well, the capital of France,", " as you know, is Paris. ", "It lies on the Seine, you see. "]
        );
    }

    #[test]
    fn the_first_segment_does_not_wait_for_a_token_that_decides_nothing() {
        let options = SpeechOptions::default();
        let cut = |tokens: &[&str]| {
            let mut clauses = Clauses::default();
            tokens.iter().map(|token| clauses.push(token, &options).concat()).collect::<Vec<_>>()
        };
        assert_eq!(cut(&["I", " heard", " you,", " and"]), ["", "", "I heard you,", ""]);
        assert_eq!(cut(&["Sure", ".", " Yes.", " No."]), ["", "Sure.", "", " Yes. "], "later ones wait");
        assert_eq!(cut(&["That costs you 1,", "000"]), ["", ""]);
        assert_eq!(cut(&["Ask Dr.", " Who."]), ["", "Ask Dr. Who."]);
    }

    #[test]
    fn numbers_and_abbreviations_do_not_end_a_sentence() {
        assert_eq!(cut("It costs 3.50 at Dr. Smith's. Yes."), ["It costs 3.50 at Dr. Smith's.", " Yes."]);
        assert_eq!(cut("1. Take the pan off."), ["1. Take the pan off."]);
    }

    #[test]
    fn endless_text_is_cut_at_a_space() {
        let segments = cut(&"word ".repeat(100));
        assert!(segments.len() > 1 && segments.iter().all(|s| s.chars().count() <= 201), "{segments:?}");
        assert_eq!(segments.concat(), "word ".repeat(100));
    }

    proptest::proptest! {
        #[test]
        fn segments_are_the_text(text in "[a-zé .,!?\n\\d…]{0,400}", at in 0usize..400) {
            let options = SpeechOptions::default();
            let at = (0..=text.len().min(at)).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
            let mut clauses = Clauses::default();
            let mut segments = clauses.push(&text[..at], &options);
            segments.extend(clauses.push(&text[at..], &options));
            segments.extend(clauses.finish());
            proptest::prop_assert_eq!(segments.concat(), text);
        }
    }
}
