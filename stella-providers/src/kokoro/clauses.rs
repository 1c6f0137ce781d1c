//! Where a phrase is cut so that its beginning can be heard while its end is still being made. Pure.

use std::{collections::VecDeque, time::Duration};

/// A part of a sentence that is spoken in one run of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) phonemes: String,
    /// Silence after it, from its last punctuation mark, at natural pace.
    pub(super) pause: Duration,
}

/// Fewest phonemes, spaces and stress marks included, of the first clause: under a second. Shorter ones sound clipped.
const FIRST: usize = 12;
/// Fewest phonemes of the others: longer parts sound more natural, and there is time to make them.
const OTHERS: usize = 48;
/// From this length on a sentence without punctuation is cut between words, at about half that length.
const LONGEST: usize = 150;

/// Cuts the phonemes of a sentence. `first` says that nothing was spoken before.
pub(super) fn split(phonemes: &str, mut first: bool) -> VecDeque<Clause> {
    let mut clauses = VecDeque::new();
    let mut rest = phonemes.trim();
    while !rest.is_empty() {
        let end = cut(rest, if first { FIRST } else { OTHERS });
        let (clause, next) = rest.split_at(end);
        let clause = clause.trim();
        if clause.chars().any(char::is_alphabetic) {
            clauses.push_back(Clause { phonemes: clause.to_owned(), pause: pause(clause) });
            first = false;
        }
        rest = next.trim_start();
    }
    clauses
}

/// Bytes of the first clause of `text`: to the first punctuation mark after `shortest` characters if enough follows.
fn cut(text: &str, shortest: usize) -> usize {
    let mut count = 0;
    let mut space = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        count += 1;
        let end = at + character.len_utf8();
        let before_space = characters.peek().is_none_or(|(_, next)| *next == ' ');
        if is_break(character) && before_space && count >= shortest && text[end..].chars().count() >= FIRST {
            return end;
        }
        if character == ' ' && (space.is_none() || count <= LONGEST / 2) {
            space = Some(end);
        }
        if count >= LONGEST {
            return space.unwrap_or(end);
        }
    }
    text.len()
}

fn is_break(character: char) -> bool {
    matches!(character, '.' | '!' | '?' | '…' | ',' | ';' | ':' | '—')
}

/// How long a speaker pauses after such an end.
fn pause(clause: &str) -> Duration {
    let last = clause.chars().rev().find(|character| !matches!(character, '"' | '”' | ')' | ' '));
    Duration::from_millis(match last {
        Some('.' | '!' | '?') => 280,
        Some('…') => 350,
        Some(';' | ':' | '—') => 180,
        Some(',') => 120,
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(phonemes: &str, first: bool) -> Vec<String> {
        split(phonemes, first).into_iter().map(|clause| clause.phonemes).collect()
    }

    #[test]
    fn the_first_clause_is_short_and_the_others_longer() {
        let text = "wˈɛl ðˈɛn nˈW, lˈɛt mˌi sˈi, ɪt ɪz fˈIv, ænd sˈʌni, ˌɪn fˈækt ɪt ɪz vˈɛɹi wˈɔɹm.";
        assert_eq!(
            texts(text, true),
            ["wˈɛl ðˈɛn nˈW,", "lˈɛt mˌi sˈi, ɪt ɪz fˈIv, ænd sˈʌni, ˌɪn fˈækt ɪt ɪz vˈɛɹi wˈɔɹm."]
        );
        assert_eq!(texts("nˈO, ɪt ˈɪznt.", true), ["nˈO, ɪt ˈɪznt."]);
    }

    #[test]
    fn a_long_run_of_words_is_cut_between_them() {
        let text = "wˈɜɹd ".repeat(60);
        let clauses = texts(&text, true);
        assert!(clauses.iter().all(|clause| clause.chars().count() <= LONGEST && clause.ends_with('d')));
        assert_eq!(clauses.join(" "), text.trim());
        assert_eq!(texts(&"a".repeat(400), true).concat(), "a".repeat(400));
    }

    #[test]
    fn pauses_follow_the_punctuation() {
        let clause = |text| split(text, true).pop_front().map(|clause| clause.pause.as_millis());
        assert_eq!(clause("hˈI."), Some(280));
        assert_eq!(clause("“hˈI,”"), Some(120));
        assert_eq!(clause("hˈI"), Some(0));
        assert_eq!(clause("..."), None);
    }
}
