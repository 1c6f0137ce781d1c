//! From words to the phonemes the network knows.

use std::{collections::HashMap, fmt, path::Path};

use misaki_rs::{Fallback, G2P, Language, fallback::FallbackError};
use stella_core::error::ProviderError;

use super::{NAME, letters, traced::Traced};
use crate::runtime::{damaged, read};

/// English as it is spoken in America or in Britain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accent {
    American,
    British,
}

/// What misaki writes for a word it has no phonemes for.
const UNKNOWN: char = '\u{2753}';

/// Says how words are pronounced: a lexicon with parts of speech, then rules for the words that are not in it.
pub(super) struct Pronouncer(G2P);

impl fmt::Debug for Pronouncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pronouncer").finish_non_exhaustive()
    }
}

struct Rules;

impl Fallback for Rules {
    fn phonemize(&self, word: &str) -> Result<String, FallbackError> {
        // An error would silence the whole sentence; a word without letters has no sound anyway.
        Ok(letters::pronounce(word))
    }
}

impl Pronouncer {
    /// Takes about 0.3 s.
    pub(super) fn new(accent: Accent) -> Self {
        let language = match accent {
            Accent::American => Language::EnglishUS,
            Accent::British => Language::EnglishGB,
        };
        Self(G2P::with_fallback(language, Some(Box::new(Rules))))
    }

    /// The phonemes of a normalised sentence, punctuation and single spaces included.
    pub(super) fn pronounce(&self, sentence: &Traced) -> Result<Traced, ProviderError> {
        let (_, tokens) = self
            .0
            .g2p(sentence)
            .map_err(|error| ProviderError::Internal { provider: NAME, source: Box::new(error) })?;
        let mut phonemes = Traced::default();
        let mut at = 0;
        for token in tokens {
            // The texts of the tokens and the spaces behind them are the sentence.
            let start = sentence[at..].find(&token.text).map(|skipped| at + skipped);
            let range = start.map_or(at..at, |start| start..start + token.text.len());
            let origin = sentence.origin(range.clone());
            let spoken = token.phonemes.as_deref().unwrap_or_default().chars().chain(token.whitespace.chars());
            for phoneme in spoken.map(|phoneme| if phoneme.is_whitespace() { ' ' } else { phoneme }) {
                let doubled = phoneme == ' ' && (phonemes.is_empty() || phonemes.ends_with(' '));
                if phoneme != UNKNOWN && !doubled {
                    phonemes.push(phoneme, origin.clone());
                }
            }
            at = range.end;
        }
        Ok(phonemes.part(phonemes.trim_end()))
    }
}

/// Numbers of the phonemes: `vocab.json`, an object `vocab` from one character to its number.
#[derive(Debug)]
pub(super) struct Alphabet(HashMap<char, i64>);

impl Alphabet {
    pub(super) fn read(file: &Path) -> Result<Self, ProviderError> {
        let json: serde_json::Value =
            serde_json::from_slice(&read(NAME, file)?).map_err(|error| damaged(NAME, file, error))?;
        let vocabulary = json.get("vocab").and_then(|vocabulary| vocabulary.as_object());
        let numbers = vocabulary.into_iter().flatten().filter_map(|(phoneme, number)| {
            let mut characters = phoneme.chars();
            let phoneme = characters.next().filter(|_| characters.next().is_none())?;
            Some((phoneme, number.as_i64()?))
        });
        let numbers: HashMap<_, _> = numbers.collect();
        if numbers.is_empty() { Err(damaged(NAME, file, "it has no object \"vocab\"")) } else { Ok(Self(numbers)) }
    }

    /// `phonemes` without the characters the network does not know.
    pub(super) fn known(&self, phonemes: &Traced) -> Traced {
        phonemes.map(|phoneme| self.0.contains_key(&phoneme).then_some(phoneme))
    }

    /// The numbers of `phonemes`; characters the network does not know are left out.
    pub(super) fn tokens(&self, phonemes: &str) -> Vec<i64> {
        phonemes.chars().filter_map(|phoneme| self.0.get(&phoneme).copied()).collect()
    }
}
