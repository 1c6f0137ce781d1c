//! Signs of listening, such as "mhm". The model has hardly read any, and writes down words of a similar sound instead; how
//! likely it finds them nevertheless says how far its words can be believed.

use super::vocabulary::Vocabulary;

/// Longest audio that may be a sign of listening, in samples: 1 s, and the silence around it.
pub(super) const LONGEST: usize = 16_000 + 2 * 3_200;
/// What is tried.
const SIGNS: [&str; 8] = ["Mm-hmm.", "Uh-huh.", "Hmm.", "Mm.", "Uh,", "Oh,", "Yeah.", "Okay."];
/// Logarithm of the odds, as the model has them, at which a sign and other words are equally likely in truth: set by hand on
/// clips of `cargo xtask bench bargein` and of six further voices. Most signs that were written down as other words have
/// more, and brief phrases have less, but for misheard ones and "who".
const EVEN: f32 = -8.5;

/// The tokens of each sign.
#[derive(Debug)]
pub(super) struct Signs(Vec<Vec<i64>>);

impl Signs {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        Self(SIGNS.iter().map(|sign| vocabulary.tokens(sign)).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[i64]> {
        self.0.iter().map(Vec::as_slice)
    }

    pub(super) fn contains(&self, tokens: &[i64]) -> bool {
        self.iter().any(|sign| sign == tokens)
    }
}

/// Most words that the model makes of a sign.
const MOST_WORDS: usize = 2;

/// Probability that `text` was said and not a sign of listening, from the logarithm of the odds that the model has for the
/// likeliest sign.
pub(super) fn believed(text: &str, log_odds: f32) -> f32 {
    if text.split_whitespace().count() > MOST_WORDS {
        return 1.0;
    }
    1.0 / (1.0 + (log_odds - EVEN).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likelier_a_sign_the_less_the_words_are_believed() {
        assert!((believed("Hammer.", EVEN) - 0.5).abs() < 1e-6);
        assert!(believed("Tell me.", -15.0) > 0.99 && believed("Tell me.", -2.0) < 0.01);
        assert!(believed("Hammer.", f32::NEG_INFINITY) > 0.99);
        assert!(believed("Or for evil.", -2.0) > 0.99, "longer than any sign");
    }
}
