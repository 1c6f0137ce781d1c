//! Signs of listening, such as "mhm". The model has hardly read any, and writes down words of a similar sound instead; how
//! likely it finds them nevertheless says how far its words can be believed.

use super::vocabulary::Vocabulary;

/// Longest audio that may be a sign of listening, in samples: 1 s, and the silence around it.
pub(super) const LONGEST: usize = 16_000 + 2 * 3_200;
/// What is tried: murmurs, in the spellings that tell them best from words. "Yeah", "okay" and "oh" are not among them: the
/// model writes them itself when they are said, and finds them nearly as likely in "no", "wait" and "what" as in a murmur.
const SIGNS: [&str; 3] = ["Mm-hmm,", "Uh-huh,", "Mm."];
/// Logarithm of the odds, as the model has them, at which a sign and other words are equally likely in truth.
///
/// Spellings and value were chosen on half of Kokoro's 28 English voices: "mhm", "uh-huh", "mm-hmm", "mm", "yeah" and "okay"
/// against "stop", "no", "wait", "what", "hang on", "help", "Tuesday" and "Paris", sent through Opus, with and without a
/// quiet room, each heard while it goes on and at its end. With the limits of `WordListJudge`, 8 % of their signs are taken
/// for an interruption, and of those of the other half 1 %; 4 % of the words of either are not. A value of -10.5 gives 10 %
/// and 4 % of the signs, and one of -11.5 loses 5-6 % of the words.
const EVEN: f32 = -11.0;

/// Most words that the model makes of a sign: "as am I", "but how am I". A fifth makes no difference.
const MOST_WORDS: usize = 4;

/// The signs as the model writes them.
#[derive(Debug)]
pub(super) struct Signs {
    /// The tokens of each.
    signs: Vec<Vec<i64>>,
    /// Whether a token begins a word.
    begins: Vec<bool>,
}

impl Signs {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        Self { signs: vocabulary.tokens(&SIGNS), begins: vocabulary.beginnings() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[i64]> {
        self.signs.iter().map(Vec::as_slice)
    }

    /// Whether the model may have written `tokens` for a sign: few words, and not one itself.
    pub(super) fn may_be(&self, tokens: &[i64]) -> bool {
        let begins = |token: &i64| usize::try_from(*token).is_ok_and(|token| self.begins.get(token) == Some(&true));
        let Some((_, rest)) = tokens.split_first() else { return false };
        let further = rest.iter().filter(|token| begins(token)).count();
        further < MOST_WORDS && !self.iter().any(|sign| sign == tokens)
    }
}

/// Probability that words were said and not a sign of listening, from the logarithm of the odds that the model has for the
/// likeliest sign.
pub(super) fn believed(log_odds: f32) -> f32 {
    1.0 / (1.0 + (log_odds - EVEN).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likelier_a_sign_the_less_the_words_are_believed() {
        assert!((believed(EVEN) - 0.5).abs() < 1e-6);
        assert!(believed(-16.0) > 0.99 && believed(-2.0) < 0.01);
        assert!(believed(f32::NEG_INFINITY) > 0.99);
    }

    #[test]
    fn few_words_may_be_a_sign_and_a_sign_or_more_words_are_not_in_doubt() {
        let signs = Signs { signs: vec![vec![1, 2]], begins: vec![true, true, false] };
        assert!(signs.may_be(&[0, 2]) && signs.may_be(&[0, 1, 0, 1, 2]));
        assert!(!signs.may_be(&[]) && !signs.may_be(&[1, 2]));
        assert!(!signs.may_be(&[0, 1, 0, 1, 0]), "longer than any sign");
    }
}
