//! From words to the phonemes the network knows.

use std::{collections::HashMap, fmt, ops::Range, path::Path};

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
            // The texts of the tokens and the spaces behind them are the sentence. A mark may be part of a token.
            let start = sentence[at..].find(&token.text).map(|skipped| at + skipped);
            let range = start.map_or(at..at, |start| start..start + token.text.len());
            let origin = sentence.origin(letters_of(&sentence[range.clone()], range.start));
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

/// Where `text`, which begins at `start`, has its letters and digits; all of it, if it has none.
fn letters_of(text: &str, start: usize) -> Range<usize> {
    let behind = text.trim_start_matches(|character: char| !character.is_alphanumeric());
    let letters = behind.trim_end_matches(|character: char| !character.is_alphanumeric());
    let skipped = text.len() - behind.len();
    if letters.is_empty() { start..start + text.len() } else { start + skipped..start + skipped + letters.len() }
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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::kokoro::{normalize::sentences, words::Words};

    static AMERICAN: LazyLock<Pronouncer> = LazyLock::new(|| Pronouncer::new(Accent::American));

    /// The words of a text and what is said for each.
    fn spoken(text: &str) -> Vec<(&str, String)> {
        let mut words = Words::new(text);
        let mut spoken = Vec::new();
        for sentence in sentences(text) {
            let phonemes = AMERICAN.pronounce(&sentence).expect("it is pronounced");
            for word in words.speak(&[&phonemes]).into_iter().flatten() {
                let sounds = phonemes.chars().skip(word.phonemes.start).take(word.phonemes.len()).collect();
                spoken.push((&text[word.text], sounds));
            }
        }
        spoken
    }

    #[test]
    fn every_phoneme_leads_back_to_the_word_as_it_was_written() {
        for (text, expected) in [
            ("See you at 5:30 pm.", "See=sˈi you=ju at=æt 5:30=fˈIv θˈɜɹTi pm.=pˌiˈɛm"),
            (
                "It’s $4.50 or $2.5 million.",
                "It’s=ˌɪts $4.50=fˈɔɹ dˈɑləɹz ænd fˈɪfti sˈɛnts or=ɔɹ $2.5=tˈu pˈYnt fˈIv million.=mˈɪljᵊn dˈɑləɹz",
            ),
            (
                "Dr. Lee ran 26 km, e.g. in May.",
                "Dr.=dˈɑktəɹ Lee=lˈi ran=ɹˈæn 26=twˈɛnti sˈɪks km,=kəlˈɑməTəɹz e.g.=fɔɹ ɪɡzˈæmpəl in=ɪn May.=mˈA",
            ),
            (
                "**Open** [the guide](https://a.b/c) & go",
                "**Open**=ˈOpᵊn [the=ðə guide](https://a.b/c)=ɡˈId &=ænd go=ɡˌO",
            ),
            ("# One\n```\nno\n```\n2. Two — three", "One=wˈʌn 2.=tˈu Two=tˈu three=θɹˈi"),
            ("Jan. 21, 10 – 20", "Jan.=ʤˈænjəwˌɛɹi 21,=twˈɛnti fˈɜɹst 10=tˈɛn –=tə 20=twˈɛnti"),
            ("(555) 123-4567", "(555)=fˈIv fˈIv fˈIv 123-4567=wˈʌn tˈu θɹˈi, fˈɔɹ fˈIv sˈɪks sˈɛvən"),
            ("( river … a", "river=ɹˈɪvəɹ a=ɐ"),
            ("blorp zx", "blorp=blˈɔɹp zx=zˈiˈɛks"),
        ] {
            let spoken: Vec<_> = spoken(text).into_iter().map(|(word, sounds)| format!("{word}={sounds}")).collect();
            assert_eq!(spoken.join(" "), expected, "{text:?}");
        }
    }

    proptest! {
        /// Plain words among anything are all spoken, once each.
        #[test]
        fn plain_words_are_spoken_whatever_stands_between(
            between in prop::collection::vec(
                prop::sample::select(&[
                    "5:30", "$4.20", "1/2", "12", "-", "&", "Dr.", "e.g.", "🙂", "caf\u{e9}", "a@b.com", "3 kg", "5%", "(", "…", "St.", "\n",
                ][..]),
                0..8,
            ),
        ) {
            let mut text = String::from("start");
            for piece in &between {
                text.push_str(&format!(" {piece} river"));
            }
            let spoken = spoken(&text);
            let rivers = spoken.iter().filter(|(word, _)| *word == "river");
            prop_assert_eq!(rivers.clone().count(), between.len(), "{:?}", spoken);
            for (_, sounds) in rivers {
                prop_assert_eq!(sounds, "ɹˈɪvəɹ");
            }
        }

        /// Any text at all: its words are spoken in order, each a part of the text that no other is.
        #[test]
        fn the_words_of_any_text_are_in_order(text in "(\\PC|[a-z0-9 $.,:/*\\-\\n()\\[\\]`_#&']|St\\. |p\\.m\\.){0,32}") {
            let mut end = text.as_ptr() as usize;
            for (word, sounds) in spoken(&text) {
                prop_assert!(!word.is_empty() && word.as_ptr() as usize >= end, "{:?}", word);
                prop_assert!(sounds.chars().any(char::is_alphabetic), "{:?}", sounds);
                end = word.as_ptr() as usize + word.len();
            }
        }
    }
}
