//! Where a sentence is cut so that its beginning can be heard while its end is still being made. Pure.
//!
//! Lengths are phonemes with spaces and stress marks; about 17 of them take a second.

use std::{collections::VecDeque, time::Duration};

use super::traced::Traced;

/// A part of a sentence that is spoken in one run of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) phonemes: Traced,
    /// Silence after it, from its last punctuation mark, at natural pace.
    pub(super) pause: Duration,
}

/// Phonemes spoken in a second at natural pace.
pub(super) const PER_SECOND: f32 = 17.0;
/// Fewest phonemes of a clause: shorter ones sound clipped.
const SHORTEST: usize = 12;
/// Length at which a mark inside a sentence is taken for a cut, once there is time: longer parts sound more natural.
const COMFORTABLE: usize = 48;
/// Seconds between two clauses that pass for a natural pause.
const GAP: f32 = 0.2;
/// Most phonemes of a clause: 9 s, for which the network takes half a gigabyte.
const LONGEST: usize = 150;

/// Cuts sentences into clauses, short at first, then as long as the time allows that the clause before takes to play.
#[derive(Debug, Clone)]
pub(super) struct Cutter {
    /// Seconds of work for a second of speech.
    cost: f32,
    /// Longest next clause that is made in time.
    limit: f32,
    /// Speech, in phonemes, that plays after all clauses so far are made.
    ahead: Option<f32>,
}

impl Cutter {
    /// For a network that works `cost` seconds for a second of speech, and a first sound wanted after `patience`.
    pub(super) fn new(cost: f32, patience: Duration) -> Self {
        // Above 1 no cut can help: the speech falls behind anyway.
        let cost = cost.clamp(0.05, 1.0);
        let limit = (patience.as_secs_f32() / cost * PER_SECOND).clamp(18.0, LONGEST as f32);
        Self { cost, limit, ahead: None }
    }

    /// The clauses of a sentence, which follows the sentences given before.
    pub(super) fn split(&mut self, phonemes: &Traced) -> VecDeque<Clause> {
        let mut clauses = VecDeque::new();
        let mut rest = phonemes.trim();
        while !rest.is_empty() {
            let limit = self.limit as usize;
            let shortest = if self.ahead.is_some() { COMFORTABLE.min(limit) } else { SHORTEST };
            let (clause, next) = rest.split_at(cut(rest, shortest, limit));
            let clause = clause.trim();
            if clause.chars().any(char::is_alphabetic) {
                let pause = pause(clause);
                self.took(clause.chars().count() as f32, pause.as_secs_f32() * PER_SECOND);
                clauses.push_back(Clause { phonemes: phonemes.part(clause), pause });
            }
            rest = next.trim_start();
        }
        clauses
    }

    /// Notes that a clause of `spoken` phonemes and a pause, counted in phonemes too, were given out.
    fn took(&mut self, spoken: f32, pause: f32) {
        let left = self.ahead.map_or(0.0, |ahead| (ahead - spoken * self.cost).max(0.0));
        let ahead = left + spoken + pause;
        let affordable = (ahead + GAP * PER_SECOND) / self.cost;
        self.limit = affordable.clamp(self.limit, LONGEST as f32);
        self.ahead = Some(ahead);
    }
}

/// Bytes of the first clause of `text`: to the first punctuation mark after `shortest`, else, if that is longer than
/// `limit`, to the last place before `limit` where an unstressed word (the, of, and, …) follows a stressed one.
fn cut(text: &str, shortest: usize, limit: usize) -> usize {
    let total = text.chars().count();
    if total <= limit + SHORTEST {
        // Short enough to be one clause, unless the beginning should be heard before.
        return mark(text, shortest, total).unwrap_or(text.len());
    }
    if let Some(end) = mark(text, shortest, limit + limit / 4) {
        return end;
    }
    let joints = || joints(text).take_while(|joint| joint.at <= LONGEST && joint.at + SHORTEST <= total);
    let early = joints().filter(|joint| joint.soft && (SHORTEST..=limit).contains(&joint.at)).last();
    let late = joints().find(|joint| joint.soft && joint.at > limit && joint.at <= limit * 2);
    let any = joints().filter(|joint| joint.at <= limit.max(SHORTEST)).last();
    match early.or(late).or(any).or_else(|| joints().last()) {
        Some(joint) => joint.byte,
        None => text.char_indices().nth(LONGEST).map_or(text.len(), |(byte, _)| byte),
    }
}

/// The end of the first punctuation mark between `shortest` and `limit` characters with enough text behind it.
fn mark(text: &str, shortest: usize, limit: usize) -> Option<usize> {
    let mut characters = text.char_indices().enumerate().skip(shortest.saturating_sub(1)).take(limit);
    characters.find_map(|(_, (at, character))| {
        let end = at + character.len_utf8();
        let rest = &text[end..];
        let breaks = matches!(character, '.' | '!' | '?' | '…' | ',' | ';' | ':' | '—');
        (breaks && rest.starts_with(' ') && rest.chars().count() > SHORTEST).then_some(end)
    })
}

/// A space between words.
struct Joint {
    /// Characters before it, and bytes.
    at: usize,
    byte: usize,
    /// Whether a phrase is likely to end here.
    soft: bool,
}

fn joints(text: &str) -> impl Iterator<Item = Joint> {
    let spaces = text.char_indices().enumerate().filter(|(_, (_, character))| *character == ' ');
    spaces.map(|(at, (byte, _))| {
        let stressed = |word: Option<&str>| word.is_some_and(|word| word.contains('ˈ'));
        let soft = stressed(text[..byte].rsplit(' ').next()) && !stressed(text[byte + 1..].split(' ').next());
        Joint { at, byte, soft }
    })
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

    fn texts(phonemes: &str, cost: f32) -> Vec<String> {
        let mut cutter = Cutter::new(cost, Duration::from_secs(1));
        cutter.split(&Traced::new(phonemes)).into_iter().map(|clause| clause.phonemes.to_string()).collect()
    }

    #[test]
    fn the_first_clause_ends_at_the_first_mark_and_the_next_is_longer() {
        let text = "wˈɛl ðˈɛn nˈW, lˈɛt mˌi sˈi ɪf ɪt ɪz sˈʌni, ɪt ɪz.";
        assert_eq!(texts(text, 0.2), ["wˈɛl ðˈɛn nˈW,", "lˈɛt mˌi sˈi ɪf ɪt ɪz sˈʌni, ɪt ɪz."]);
        assert_eq!(texts("nˈO, ɪt ˈɪznt.", 0.2), ["nˈO, ɪt ˈɪznt."]);
    }

    #[test]
    fn a_slow_machine_cuts_between_phrases_and_a_fast_one_does_not() {
        let text = "bˈʊkt ɐ tˈAbᵊl fɔɹ fˈIv pˈipᵊl æt ðə ɹˈɛstɹɑnt ˌɔn mˈAn stɹˈit fɔɹ təmˈɑɹO ˈivnɪŋ";
        assert_eq!(
            texts(text, 0.75),
            ["bˈʊkt ɐ tˈAbᵊl", "fɔɹ fˈIv pˈipᵊl", "æt ðə ɹˈɛstɹɑnt", "ˌɔn mˈAn stɹˈit fɔɹ təmˈɑɹO ˈivnɪŋ"]
        );
        assert_eq!(texts(text, 0.2), [text]);
    }

    #[test]
    fn nothing_is_lost_and_nothing_too_long() {
        for text in ["wˈɜɹd ".repeat(60), "a".repeat(400), "ðə ".repeat(100), "ˈa, ".repeat(100)] {
            let clauses = texts(&text, 0.75);
            assert!(clauses.iter().all(|clause| clause.chars().count() <= LONGEST), "{clauses:?}");
            let kept = |text: &str| text.replace(' ', "");
            assert_eq!(kept(&clauses.concat()), kept(&text));
        }
    }

    #[test]
    fn pauses_follow_the_punctuation() {
        let clause = |text| {
            let first = Cutter::new(0.5, Duration::from_secs(1)).split(&Traced::new(text)).pop_front();
            first.map(|clause| clause.pause.as_millis())
        };
        assert_eq!(clause("hˈI."), Some(280));
        assert_eq!(clause("“hˈI,”"), Some(120));
        assert_eq!(clause("hˈI"), Some(0));
        assert_eq!(clause("..."), None);
    }
}
