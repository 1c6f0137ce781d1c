//! Pronunciation by rule, for the words no lexicon has: names, inventions, misspellings. Pure.
//!
//! Words without a vowel, and single letters, are spelled out; digits are read one by one. The rules are a small set of
//! our own that takes the first match from the left; their aim is to be understood, not to be right.

/// Names of the letters a-z, in misaki's phonemes (`A` as in day, `I` as in my, `O` as in go, `W` as in how, `Y` as in
/// boy).
const NAMES: [&str; 26] = [
    "ˈA",
    "bˈi",
    "sˈi",
    "dˈi",
    "ˈi",
    "ˈɛf",
    "ʤˈi",
    "ˈAʧ",
    "ˈI",
    "ʤˈA",
    "kˈA",
    "ˈɛl",
    "ˈɛm",
    "ˈɛn",
    "ˈO",
    "pˈi",
    "kjˈu",
    "ˈɑɹ",
    "ˈɛs",
    "tˈi",
    "jˈu",
    "vˈi",
    "dˈʌbᵊljˌu",
    "ˈɛks",
    "wˈI",
    "zˈi",
];

const DIGITS: [&str; 10] = ["zˈɪɹO", "wˈʌn", "tˈu", "θɹˈi", "fˈɔɹ", "fˈIv", "sˈɪks", "sˈɛvən", "ˈAt", "nˈIn"];

/// What may stand beside the letters of a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// Anything.
    Any,
    /// The start or end of the word.
    Edge,
    /// A vowel letter.
    Vowel,
    /// A consonant letter.
    Consonant,
    /// E, I or Y.
    Soft,
    /// One consonant letter, then a final e, or es, or ed: the vowel before it is long.
    SilentE,
    /// S and the end, or the end.
    Plural,
}

use Beside::{Any, Consonant, Edge, Plural, SilentE, Soft, Vowel};

/// Letters, what must stand before and after them, and their phonemes. The first rule that fits is used, so longer ones
/// stand first.
const RULES: &[(Beside, &str, Beside, &str)] = &[
    // endings
    (Any, "tion", Plural, "ʃᵊn"),
    (Vowel, "sion", Plural, "ʒᵊn"),
    (Any, "sion", Plural, "ʃᵊn"),
    (Any, "cious", Edge, "ʃəs"),
    (Any, "tious", Edge, "ʃəs"),
    (Any, "cial", Edge, "ʃᵊl"),
    (Any, "tial", Edge, "ʃᵊl"),
    (Any, "ture", Plural, "ʧəɹ"),
    (Any, "ology", Edge, "ɑləʤi"),
    (Any, "ious", Edge, "iəs"),
    (Any, "ous", Edge, "əs"),
    (Any, "able", Edge, "əbᵊl"),
    (Any, "ible", Edge, "əbᵊl"),
    (Consonant, "les", Edge, "ᵊlz"),
    (Consonant, "le", Edge, "ᵊl"),
    (Any, "ment", Plural, "mᵊnt"),
    (Any, "ness", Edge, "nəs"),
    (Any, "ings", Edge, "ɪŋz"),
    (Any, "ing", Edge, "ɪŋ"),
    (Any, "ted", Edge, "tᵻd"),
    (Any, "ded", Edge, "dᵻd"),
    (Consonant, "ed", Edge, "d"),
    (Any, "ism", Plural, "ɪzᵊm"),
    // groups of consonants
    (Edge, "kn", Any, "n"),
    (Edge, "gn", Any, "n"),
    (Edge, "wr", Any, "ɹ"),
    (Edge, "ps", Any, "s"),
    (Edge, "pn", Any, "n"),
    (Edge, "x", Any, "z"),
    (Any, "tch", Any, "ʧ"),
    (Any, "sch", Any, "ʃ"),
    (Any, "chr", Any, "kɹ"),
    (Any, "ch", Any, "ʧ"),
    (Any, "sh", Any, "ʃ"),
    (Any, "th", Any, "θ"),
    (Any, "ph", Any, "f"),
    (Edge, "gh", Any, "ɡ"),
    (Any, "ght", Any, "t"),
    (Vowel, "gh", Any, ""),
    (Any, "wh", Any, "w"),
    (Any, "rh", Any, "ɹ"),
    (Any, "ck", Any, "k"),
    (Any, "dge", Any, "ʤ"),
    (Any, "dg", Soft, "ʤ"),
    (Any, "nk", Any, "ŋk"),
    (Any, "ng", Edge, "ŋ"),
    (Any, "ng", Soft, "nʤ"),
    (Any, "ng", Any, "ŋɡ"),
    (Any, "mb", Edge, "m"),
    (Any, "qu", Any, "kw"),
    (Any, "sc", Soft, "s"),
    (Any, "cc", Soft, "ks"),
    (Any, "zz", Any, "z"),
    (Any, "ss", Any, "s"),
    (Any, "ff", Any, "f"),
    // groups of vowels
    (Any, "eigh", Any, "A"),
    (Any, "igh", Any, "I"),
    (Any, "augh", Any, "ɔ"),
    (Any, "ough", Any, "O"),
    (Any, "eau", Any, "O"),
    (Any, "air", Any, "ɛɹ"),
    (Any, "ear", Any, "ɪɹ"),
    (Any, "eer", Any, "ɪɹ"),
    (Any, "oor", Any, "ɔɹ"),
    (Any, "our", Any, "Wəɹ"),
    (Any, "ai", Any, "A"),
    (Any, "ay", Any, "A"),
    (Any, "au", Any, "ɔ"),
    (Any, "aw", Any, "ɔ"),
    (Any, "aa", Any, "ɑ"),
    (Any, "ee", Any, "i"),
    (Any, "ea", Any, "i"),
    (Any, "ei", Any, "A"),
    (Any, "ey", Edge, "i"),
    (Any, "ey", Any, "A"),
    (Any, "eu", Any, "ju"),
    (Any, "ew", Any, "ju"),
    (Any, "ie", Edge, "i"),
    (Any, "ie", Any, "i"),
    (Any, "oa", Any, "O"),
    (Any, "oe", Any, "O"),
    (Any, "oi", Any, "Y"),
    (Any, "oy", Any, "Y"),
    (Any, "oo", Any, "u"),
    (Any, "ou", Any, "W"),
    (Any, "ow", Edge, "O"),
    (Any, "ow", Any, "W"),
    (Any, "ue", Edge, "u"),
    (Any, "ui", Any, "u"),
    (Any, "uy", Any, "I"),
    // vowels before r
    (Any, "are", Edge, "ɛɹ"),
    (Any, "ire", Edge, "Iəɹ"),
    (Any, "ore", Edge, "ɔɹ"),
    (Any, "ure", Edge, "jʊɹ"),
    (Any, "ere", Edge, "ɪɹ"),
    (Any, "er", Plural, "əɹ"),
    (Any, "or", Plural, "əɹ"),
    (Any, "arr", Any, "ɛɹ"),
    (Any, "ar", Vowel, "æɹ"),
    (Any, "ar", Any, "ɑɹ"),
    (Any, "er", Vowel, "ɛɹ"),
    (Any, "er", Any, "ɜɹ"),
    (Any, "ir", Vowel, "ɪɹ"),
    (Any, "ir", Any, "ɜɹ"),
    (Any, "or", Any, "ɔɹ"),
    (Any, "ur", Any, "ɜɹ"),
    // single vowels
    (Any, "a", SilentE, "A"),
    (Any, "e", SilentE, "i"),
    (Any, "i", SilentE, "I"),
    (Any, "o", SilentE, "O"),
    (Any, "u", SilentE, "u"),
    (Any, "y", SilentE, "I"),
    (Any, "a", Edge, "ə"),
    (Any, "a", Any, "æ"),
    (Edge, "e", Edge, "i"),
    (Any, "e", Edge, ""),
    (Consonant, "es", Edge, "z"),
    (Any, "e", Any, "ɛ"),
    (Any, "i", Edge, "i"),
    (Any, "i", Vowel, "i"),
    (Any, "i", Any, "ɪ"),
    (Any, "o", Edge, "O"),
    (Any, "o", Any, "ɑ"),
    (Any, "u", Edge, "u"),
    (Any, "u", Vowel, "u"),
    (Any, "u", Any, "ʌ"),
    (Edge, "y", Vowel, "j"),
    (Any, "y", Edge, "i"),
    (Any, "y", Vowel, "j"),
    (Any, "y", Any, "ɪ"),
    // single consonants
    (Any, "c", Soft, "s"),
    (Any, "c", Any, "k"),
    (Any, "g", Soft, "ʤ"),
    (Any, "g", Any, "ɡ"),
    (Vowel, "s", Edge, "z"),
    (Any, "s", Any, "s"),
    (Any, "b", Any, "b"),
    (Any, "d", Any, "d"),
    (Any, "f", Any, "f"),
    (Vowel, "h", Consonant, ""),
    (Vowel, "h", Edge, ""),
    (Any, "h", Any, "h"),
    (Any, "j", Any, "ʤ"),
    (Any, "k", Any, "k"),
    (Any, "l", Any, "l"),
    (Any, "m", Any, "m"),
    (Any, "n", Any, "n"),
    (Any, "p", Any, "p"),
    (Any, "q", Any, "k"),
    (Any, "r", Any, "ɹ"),
    (Any, "t", Any, "t"),
    (Any, "v", Any, "v"),
    (Vowel, "w", Edge, ""),
    (Vowel, "w", Consonant, ""),
    (Any, "w", Any, "w"),
    (Any, "x", Any, "ks"),
    (Any, "z", Any, "z"),
];

/// The phonemes of anything; empty only if there is no letter and no digit in it.
pub(super) fn pronounce(word: &str) -> String {
    let plain: Vec<char> = word.chars().filter_map(plain).collect();
    let runs = plain.chunk_by(|a, b| a.is_ascii_alphabetic() && b.is_ascii_alphabetic());
    let spoken = runs.map(|run| match run {
        [digit] if digit.is_ascii_digit() => DIGITS[*digit as usize - '0' as usize].to_owned(),
        letters if readable(letters) => stress(&sound(letters)),
        letters => spell(letters),
    });
    spoken.filter(|phonemes| !phonemes.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The phonemes of the names of letters.
fn spell(letters: &[char]) -> String {
    letters.iter().map(|&letter| NAMES[letter as usize - 'a' as usize]).collect()
}

/// A letter as small ASCII without its accent, or a digit.
pub(super) fn plain(character: char) -> Option<char> {
    let lower = character.to_lowercase().next()?;
    match lower {
        'a'..='z' | '0'..='9' => Some(lower),
        'à'..='æ' | 'ā' | 'ă' | 'ą' => Some('a'),
        'ç' | 'ć' | 'č' => Some('c'),
        'ď' | 'đ' | 'ð' => Some('d'),
        'è'..='ë' | 'ē' | 'ę' | 'ě' => Some('e'),
        'ğ' => Some('g'),
        'ì'..='ï' | 'ī' | 'ı' => Some('i'),
        'ł' => Some('l'),
        'ñ' | 'ń' | 'ň' => Some('n'),
        'ò'..='ö' | 'ø' | 'ō' | 'ő' | 'œ' => Some('o'),
        'ř' => Some('r'),
        'ß' | 'ś' | 'š' | 'ş' | 'ș' => Some('s'),
        'ť' | 'ț' | 'ţ' | 'þ' => Some('t'),
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => Some('u'),
        'ý' | 'ÿ' => Some('y'),
        'ź' | 'ż' | 'ž' => Some('z'),
        _ => None,
    }
}

fn vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

/// Whether letters can be read as a word: there is a vowel, and no long run of consonants.
fn readable(letters: &[char]) -> bool {
    let longest = letters.split(|&letter| vowel(letter)).map(<[char]>::len).max();
    letters.len() > 1 && letters.iter().any(|&letter| vowel(letter)) && longest.is_none_or(|longest| longest <= 4)
}

/// The phonemes of a word, without stress, one string for each rule used.
fn sound(letters: &[char]) -> Vec<&'static str> {
    let mut phonemes = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let fits = |(before, rule, after, _): &&(Beside, &str, Beside, &str)| {
            let end = at + rule.len();
            end <= letters.len()
                && rule.chars().eq(letters[at..end].iter().copied())
                && fits_before(*before, &letters[..at])
                && fits_after(*after, &letters[end..])
        };
        let Some((_, rule, _, sound)) = RULES.iter().find(fits) else {
            at += 1;
            continue;
        };
        phonemes.push(*sound);
        at += rule.len();
        // A doubled consonant sounds once.
        if at < letters.len() && rule.len() == 1 && !vowel(letters[at]) && letters[at] == letters[at - 1] {
            at += 1;
        }
    }
    phonemes
}

fn fits_before(what: Beside, letters: &[char]) -> bool {
    match what {
        Edge => letters.is_empty(),
        Vowel => letters.last().is_some_and(|&letter| vowel(letter)),
        Consonant => letters.last().is_some_and(|&letter| !vowel(letter)),
        _ => true,
    }
}

fn fits_after(what: Beside, letters: &[char]) -> bool {
    match what {
        Any => true,
        Edge => letters.is_empty(),
        Plural => matches!(letters, [] | ['s']),
        Vowel => letters.first().is_some_and(|&letter| vowel(letter)),
        Consonant => letters.first().is_some_and(|&letter| !vowel(letter)),
        Soft => matches!(letters.first(), Some('e' | 'i' | 'y')),
        SilentE => match letters {
            [consonant, 'e'] | [consonant, 'e', 's' | 'd'] => !vowel(*consonant) && *consonant != 'x',
            _ => false,
        },
    }
}

/// Joins phonemes with stress on one vowel: the first of two, the last but two of more, the one before an ending such
/// as -tion.
fn stress(sounds: &[&str]) -> String {
    let vowels: Vec<usize> = (0..sounds.len()).filter(|&index| sounds[index].contains(SYLLABIC)).collect();
    let shifts = sounds.last().is_some_and(|last| last.starts_with(['ʃ', 'ʒ'])) && vowels.len() > 1;
    let stressed = match vowels.len() {
        0 => None,
        count if shifts => Some(vowels[count - 2]),
        1 | 2 => Some(vowels[0]),
        count => Some(vowels[count - 3]),
    };
    let mut phonemes = String::new();
    for (index, sound) in sounds.iter().enumerate() {
        match sound.find(SYLLABIC).filter(|_| Some(index) == stressed) {
            Some(at) => {
                phonemes.push_str(&sound[..at]);
                phonemes.push('ˈ');
                phonemes.push_str(&sound[at..]);
            }
            None => phonemes.push_str(sound),
        }
    }
    phonemes
}

/// Phonemes that make a syllable.
const SYLLABIC: &[char] = &['A', 'I', 'O', 'W', 'Y', 'i', 'u', 'ɑ', 'ɔ', 'æ', 'ɛ', 'ɪ', 'ʊ', 'ʌ', 'ə', 'ɜ', 'ᵊ', 'ᵻ'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invented_words_are_read() {
        for (word, phonemes) in [
            ("quux", "kwˈʌks"),
            ("blorp", "blˈɔɹp"),
            ("snake", "snˈAk"),
            ("zarnation", "zɑɹnˈæʃᵊn"),
            ("Zürich", "zˈɜɹɪʧ"),
            ("wobbly", "wˈɑbli"),
        ] {
            assert_eq!(pronounce(word), phonemes, "{word}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_spelled() {
        assert_eq!(pronounce("qzx"), "kjˈuzˈiˈɛks");
        assert_eq!(pronounce("b7"), "bˈi sˈɛvən");
        assert_eq!(pronounce("…?"), "");
    }
}
