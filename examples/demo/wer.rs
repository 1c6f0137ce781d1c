//! Word error rate: how far what was heard is from what was said.

use serde::Serialize;

/// A comparison of a heard text with the words really said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct WordErrors {
    /// Words really said.
    pub(crate) words: usize,
    /// Words heard as other words.
    pub(crate) substituted: usize,
    /// Words heard that were not said.
    pub(crate) inserted: usize,
    /// Words said that were not heard.
    pub(crate) deleted: usize,
}

impl WordErrors {
    /// Compares two texts. Letter case, punctuation and hyphens do not count.
    pub(crate) fn between(said: &str, heard: &str) -> Self {
        let (said, heard) = (words(said), words(heard));
        // Row by row: errors and their kinds for each prefix of `heard`.
        let mut row: Vec<Self> = (0..=heard.len()).map(|inserted| Self { inserted, ..Self::none() }).collect();
        for word in &said {
            let mut next = Vec::with_capacity(row.len());
            next.push(Self { deleted: row[0].deleted + 1, ..row[0].clone() });
            for (n, other) in heard.iter().enumerate() {
                let changed = usize::from(word != other);
                let options = [
                    Self { substituted: row[n].substituted + changed, ..row[n].clone() },
                    Self { deleted: row[n + 1].deleted + 1, ..row[n + 1].clone() },
                    Self { inserted: next[n].inserted + 1, ..next[n].clone() },
                ];
                next.extend(options.into_iter().min_by_key(Self::errors));
            }
            row = next;
        }
        Self { words: said.len(), ..row.pop().unwrap_or(Self::none()) }
    }

    fn none() -> Self {
        Self { words: 0, substituted: 0, inserted: 0, deleted: 0 }
    }

    /// All errors.
    pub(crate) fn errors(&self) -> usize {
        self.substituted + self.inserted + self.deleted
    }

    /// Errors for each word said; 0 is perfect.
    pub(crate) fn rate(&self) -> f64 {
        self.errors() as f64 / self.words.max(1) as f64
    }
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’')))
        .map(|word| word.trim_matches(['\'', '’']).replace('’', "'"))
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_is_counted() {
        let count = |said, heard| {
            let e = WordErrors::between(said, heard);
            (e.words, e.substituted, e.inserted, e.deleted)
        };
        assert_eq!(count("It was the best-of times.", "it was the BEST of times"), (6, 0, 0, 0));
        assert_eq!(count("a b c d", "a x c d"), (4, 1, 0, 0));
        assert_eq!(count("a b c d", "a b c c d"), (4, 0, 1, 0));
        assert_eq!(count("a b c d", "a d"), (4, 0, 0, 2));
        assert_eq!(count("a b", ""), (2, 0, 0, 2));
        assert_eq!(count("", "a"), (0, 0, 1, 0));
    }

    #[test]
    fn the_rate_is_errors_by_words() {
        assert!((WordErrors::between("one two three four", "one too three").rate() - 0.5).abs() < 1e-9);
    }
}
