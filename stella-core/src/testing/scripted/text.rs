//! What a fake says.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Where a fake's texts come from.
#[derive(Debug)]
pub enum ScriptedText {
    /// Always the same text.
    Constant(String),
    /// One text after the other; after the last one, the first again.
    Script {
        /// The texts; none gives an empty text.
        texts: Vec<String>,
        /// How many were taken.
        taken: AtomicUsize,
    },
}

impl ScriptedText {
    /// Always `text`.
    pub fn constant(text: impl Into<String>) -> Self {
        Self::Constant(text.into())
    }

    /// One text after the other, again and again.
    pub fn script<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Script { texts: texts.into_iter().map(Into::into).collect(), taken: AtomicUsize::new(0) }
    }

    /// The next text.
    #[must_use]
    pub fn next(&self) -> String {
        match self {
            Self::Constant(text) => text.clone(),
            Self::Script { texts, .. } if texts.is_empty() => String::new(),
            Self::Script { texts, taken } => texts[taken.fetch_add(1, Ordering::Relaxed) % texts.len()].clone(),
        }
    }
}

/// The words of a text, each with the space before it.
pub(super) fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && in_word {
            words.push(&text[start..at]);
            start = at;
        }
        in_word = !c.is_whitespace();
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_spaces() {
        assert_eq!(words("Hello, big  world."), ["Hello,", " big", "  world."]);
        assert_eq!(words("").len(), 0);
    }

    #[test]
    fn a_script_starts_over() {
        let text = ScriptedText::script(["a", "b"]);
        assert_eq!([text.next(), text.next(), text.next()], ["a", "b", "a"]);
    }
}
