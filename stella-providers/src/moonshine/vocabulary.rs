use std::{collections::HashMap, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use stella_core::error::ProviderError;

use super::NAME;
use crate::runtime::{damaged, read};

/// Starts every decoding.
pub(super) const START: i64 = 1;
/// Ends every decoding.
pub(super) const END: i64 = 2;
/// SentencePiece writes a space as U+2581.
const SPACE: &str = "\u{2581}";

/// The pieces of text the decoder chooses from.
#[derive(Debug)]
pub(super) struct Vocabulary {
    /// Bytes of each token; empty for those that are no text.
    pieces: Vec<Vec<u8>>,
}

impl Vocabulary {
    /// Reads `tokens.txt`: a line for each token, its bytes in base64, a space, its number counted from 0.
    pub(super) fn read(file: &Path) -> Result<Self, ProviderError> {
        let text = String::from_utf8(read(NAME, file)?).map_err(|error| damaged(NAME, file, error))?;
        Self::parse(&text).map_err(|reason| damaged(NAME, file, reason))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::with_capacity(32_768);
        for line in text.lines() {
            let wrong = || format!("line {} is not \"base64 number\"", pieces.len() + 1);
            let (bytes, number) = line.rsplit_once(' ').ok_or_else(wrong)?;
            let bytes = STANDARD.decode(bytes).map_err(|_| wrong())?;
            if number.parse() != Ok(pieces.len()) {
                return Err(wrong());
            }
            let special = bytes.starts_with(b"<") && bytes.ends_with(b">") && bytes.len() > 2;
            pieces.push(if special { Vec::new() } else { bytes });
        }
        if pieces.len() <= END as usize { Err("it holds no tokens".to_owned()) } else { Ok(Self { pieces }) }
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Texts in the pieces that the model itself writes them in: SentencePiece's byte pair encoding, whose merges are
    /// ranked as the tokens are numbered. Characters without a token are left out.
    pub(super) fn tokens(&self, texts: &[&str]) -> Vec<Vec<i64>> {
        // Of equal ones the last: the first 256 stand for single bytes and are only written where there is no character.
        let numbers: HashMap<&[u8], i64> = self.pieces.iter().map(Vec::as_slice).zip(0..).collect();
        let tokens = |text: &&str| {
            let text = format!("{SPACE}{}", text.replace(' ', SPACE));
            let mut parts: Vec<Vec<u8>> = text.chars().map(|c| c.to_string().into_bytes()).collect();
            loop {
                let pairs = parts.windows(2).enumerate();
                let merges = pairs.filter_map(|(at, pair)| Some((numbers.get(&*pair.concat())?, at)));
                let Some((_, at)) = merges.min() else { break };
                let second = parts.remove(at + 1);
                parts[at].extend(second);
            }
            parts.iter().filter_map(|part| numbers.get(&**part).copied()).collect()
        };
        texts.iter().map(tokens).collect()
    }

    /// Whether each token begins a word.
    pub(super) fn beginnings(&self) -> Vec<bool> {
        self.pieces.iter().map(|piece| piece.starts_with(SPACE.as_bytes())).collect()
    }

    /// The text of a decoding, with single spaces and none at its ends.
    pub(super) fn text(&self, tokens: &[i64]) -> String {
        let pieces = tokens.iter().filter_map(|&token| self.pieces.get(usize::try_from(token).ok()?));
        let bytes: Vec<u8> = pieces.flatten().copied().collect();
        // The model writes some commas twice.
        let text = String::from_utf8_lossy(&bytes).replace(SPACE, " ").replace(",,", ",");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_words() {
        let lines = ["<unk>", "<s>", "</s>", "\u{2581}two", "\u{2581}word", "s", "<<ST_1>>"];
        let lines = lines.iter().enumerate().map(|(k, piece)| format!("{} {k}\n", STANDARD.encode(piece)));
        let vocabulary = Vocabulary::parse(&lines.collect::<String>()).expect("well-formed");
        assert_eq!(vocabulary.len(), 7);
        assert_eq!(vocabulary.text(&[START, 3, 4, 5, 6, 99, -1, END]), "two words");
    }

    #[test]
    fn a_text_is_cut_into_pieces_as_the_model_does_it() {
        let pieces = ["<unk>", "<s>", "</s>", "h", "\u{2581}", "h", "m", "-", "mm", "\u{2581}h", "hm"];
        let lines = pieces.iter().enumerate().map(|(k, piece)| format!("{} {k}\n", STANDARD.encode(piece)));
        let vocabulary = Vocabulary::parse(&lines.collect::<String>()).expect("well-formed");
        assert_eq!(vocabulary.tokens(&["hm-hmm"]), [[9, 6, 7, 5, 8]]);
        assert_eq!(vocabulary.text(&vocabulary.tokens(&["hm hm"])[0]), "hm hm");
    }

    #[test]
    fn a_damaged_file_is_refused() {
        assert!(Vocabulary::parse("").is_err());
        assert!(Vocabulary::parse("!! 0\n").is_err());
        assert!(Vocabulary::parse("AA== 1\n").is_err());
    }
}
