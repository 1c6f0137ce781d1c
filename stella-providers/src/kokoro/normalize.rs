//! Turns written text into words that can be pronounced: numbers, times, units, abbreviations, addresses. Pure.

use std::{ops::Range, sync::LazyLock};

use regex::{Captures, Regex};

use super::{
    letters,
    markup::{self, compile},
    numbers::{cardinal, digits, number, ordinal, plural, year},
    traced::Traced,
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Units, in the singular and the plural, after a number. Longer ones need no order: the whole unit must match.
const UNITS: &[(&str, &str, &str)] = &[
    ("km/h", "kilometer per hour", "kilometers per hour"),
    ("m/s", "meter per second", "meters per second"),
    ("mph", "mile per hour", "miles per hour"),
    ("km", "kilometer", "kilometers"),
    ("m", "meter", "meters"),
    ("cm", "centimeter", "centimeters"),
    ("mm", "millimeter", "millimeters"),
    ("mi", "mile", "miles"),
    ("ft", "foot", "feet"),
    ("kg", "kilogram", "kilograms"),
    ("g", "gram", "grams"),
    ("mg", "milligram", "milligrams"),
    ("lb", "pound", "pounds"),
    ("lbs", "pound", "pounds"),
    ("oz", "ounce", "ounces"),
    ("l", "liter", "liters"),
    ("L", "liter", "liters"),
    ("ml", "milliliter", "milliliters"),
    ("mL", "milliliter", "milliliters"),
    ("h", "hour", "hours"),
    ("hr", "hour", "hours"),
    ("hrs", "hour", "hours"),
    ("min", "minute", "minutes"),
    ("mins", "minute", "minutes"),
    ("s", "second", "seconds"),
    ("sec", "second", "seconds"),
    ("ms", "millisecond", "milliseconds"),
    ("kB", "kilobyte", "kilobytes"),
    ("KB", "kilobyte", "kilobytes"),
    ("MB", "megabyte", "megabytes"),
    ("GB", "gigabyte", "gigabytes"),
    ("TB", "terabyte", "terabytes"),
    ("Hz", "hertz", "hertz"),
    ("kHz", "kilohertz", "kilohertz"),
    ("MHz", "megahertz", "megahertz"),
    ("GHz", "gigahertz", "gigahertz"),
    ("W", "watt", "watts"),
    ("kW", "kilowatt", "kilowatts"),
    ("kWh", "kilowatt hour", "kilowatt hours"),
    ("V", "volt", "volts"),
    ("dB", "decibel", "decibels"),
    ("°C", "degree Celsius", "degrees Celsius"),
    ("°F", "degree Fahrenheit", "degrees Fahrenheit"),
    ("°", "degree", "degrees"),
    ("%", "percent", "percent"),
];

/// Abbreviations, written with their period, and what is said.
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("e.g.", "for example"),
    ("i.e.", "that is"),
    ("etc.", "et cetera"),
    ("vs.", "versus"),
    ("approx.", "approximately"),
    ("Mr.", "Mister"),
    ("Mrs.", "Missus"),
    ("Ms.", "Miz"),
    ("Dr.", "Doctor"),
    ("Prof.", "Professor"),
    ("Ave.", "Avenue"),
    ("Blvd.", "Boulevard"),
    ("Rd.", "Road"),
    ("Inc.", "Incorporated"),
    ("Ltd.", "Limited"),
    ("Corp.", "Corporation"),
    ("Dept.", "Department"),
    ("dept.", "department"),
    ("a.m.", "AM"),
    ("p.m.", "PM"),
];

/// Names with signs in them.
const NAMES: &[(&str, &str)] = &[
    ("C++", "C plus plus"),
    ("C#", "C sharp"),
    ("F#", "F sharp"),
    (".NET", "dot net"),
    ("Wi-Fi", "why fie"),
    ("WiFi", "why fie"),
    ("and/or", "and or"),
];

/// Signs and what is said for them, with spaces around.
const SIGNS: &[(char, &str)] = &[
    ('&', "and"),
    ('+', "plus"),
    ('=', "equals"),
    ('@', "at"),
    ('×', "times"),
    ('÷', "divided by"),
    ('±', "plus or minus"),
    ('≈', "about"),
    ('≤', "at most"),
    ('≥', "at least"),
    ('<', "less than"),
    ('>', "greater than"),
    ('→', "to"),
    ('%', "percent"),
    ('°', "degrees"),
    ('€', "euros"),
    ('£', "pounds"),
    ('$', "dollars"),
    ('§', "section"),
    ('µ', "micro"),
    ('½', "one half"),
    ('¼', "one quarter"),
    ('¾', "three quarters"),
];

macro_rules! patterns {
    ($($name:ident $pattern:expr;)*) => {$(
        static $name: LazyLock<Regex> = LazyLock::new(|| compile($pattern));
    )*};
}

patterns! {
    EMAIL r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b";
    LINK r#"\b(?:https?://|www\.)[^\s<>"')\]]*[\w/]"#;
    DOMAIN r"\b(?:[a-zA-Z][\w-]*\.)+(?:com|org|net|io|dev|app|ai|edu|gov|uk|de|fr|eu|me)(?:/[\w/.-]*\w)?\b";
    TIME r"\b(\d{1,2}):([0-5]\d)(?::[0-5]\d)?(?:\s?([AaPp])[Mm]\b)?";
    HOUR r"\b(\d{1,2})\s?([AaPp])[Mm]\b";
    ISO_DATE r"\b(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])\b";
    US_DATE r"\b(0?[1-9]|1[0-2])/(0?[1-9]|[12]\d|3[01])/(\d{4})\b";
    MONTH r"\b(Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.?\s+(\d{1,2})\b";
    DAY r"\b(January|February|March|April|May|June|July|August|September|October|November|December)\s+(\d{1,2})(?:st|nd|rd|th)?\b";
    MONEY r"([$€£])\s?(\d+(?:,\d{3})*)(?:\.(\d+))?(?:\s?(thousand|million|billion|trillion|[kKMB])\b)?";
    PHONE r"(?:\+\d{1,3}[ .-]?)?(?:\(\d{3}\)\s?|\b\d{3}[ .-])\d{3}[ .-]\d{4}\b";
    VERSION r"\b[vV]?(\d+(?:\.\d+){2,})\b";
    V_NUMBER r"\b[vV](\d+(?:\.\d+)?)\b";
    FRACTION r"\b(\d{1,2})/(\d{1,3})\b";
    RANGE r"\b(\d+(?:[.,]\d+)*)\s?[-–]\s?(\d)";
    ORDINAL r"\b(\d+(?:,\d{3})*)(?:st|nd|rd|th)\b";
    DECADE r"(?:\b|')(\d{2,4})'?s\b";
    HASH r"#\s?(\d)";
    NO r"\b(?:No|no|Nr)\.\s?(\d)";
    STREET r"\b([A-Z][\w']*\s)St\.";
    SAINT r"\bSt\.\s";
    UNIT r"(\d+(?:,\d{3})*(?:\.\d+)?)\s?(km/h|m/s|°\s?[CF]\b|°|%|[a-zA-Z]+)";
    BEFORE_LETTER r"(\d)([A-Za-z])";
    AFTER_LETTER r"([A-Za-z])(\d)";
    NUMBER r"(^|[\s(\[—,;:])-(\d)";
    DIGITS r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?";
    ABOUT r"(^|\s)~\s?(\d)";
    TIMES r"(\d)\s?[*x]\s?(\d)";
    DOTS r"\.{2,}";
    DASH r"\s+[-–—]+\s+|--+|—";
    FILE r"(\w)\.([a-z]{1,5})\b";
    INITIALS r"\b((?:[A-Za-z]\.){2,})(\s*$)?";
    SPACE r"\s+";
}

/// The sentences of `text` in words to be pronounced, with their punctuation. Empty if there is nothing to say.
pub(super) fn sentences(text: &str) -> Vec<Traced> {
    let text = markup::strip(text);
    let lines = text.lines().map(|line| words(text.part(line.trim())));
    lines.filter(|line| line.chars().any(char::is_alphanumeric)).flat_map(|line| split(&line)).collect()
}

type Rule = (&'static LazyLock<Regex>, fn(&Captures<'_>) -> String);

/// What is said for each pattern, in the order in which they are looked for.
const RULES: &[Rule] = &[
    (&EMAIL, |found| address(&found[0])),
    (&LINK, |found| link(&found[0])),
    (&DOMAIN, |found| link(&found[0])),
    (&INITIALS, initials),
    (&TIME, time),
    (&HOUR, |found| format!("{} {}M", number(&found[1]), found[2].to_uppercase())),
    (&ISO_DATE, |found| date(&found[1], &found[2], &found[3])),
    (&US_DATE, |found| date(&found[3], &found[1], &found[2])),
    (&MONTH, |found| format!("{} {}", month(&found[1]), &found[2])),
    (&DAY, |found| format!("{} {}", &found[1], ordinal(value(&found[2])))),
    (&MONEY, money),
    (&PHONE, phone),
    (&VERSION, |found| found[1].split('.').map(number).collect::<Vec<_>>().join(" point ")),
    (&V_NUMBER, |found| format!("version {}", number(&found[1]))),
    (&FRACTION, fraction),
    (&RANGE, |found| format!("{} to {}", &found[1], &found[2])),
    (&ORDINAL, |found| ordinal(value(&found[1]))),
    (&DECADE, decade),
    (&HASH, |found| format!("number {}", &found[1])),
    (&NO, |found| format!("number {}", &found[1])),
    (&STREET, |found| format!("{}Street", &found[1])),
    (&SAINT, |_| "Saint ".to_owned()),
    (&ABOUT, |found| format!("{}about {}", &found[1], &found[2])),
    (&TIMES, |found| format!("{} times {}", &found[1], &found[2])),
    (&UNIT, unit),
    (&BEFORE_LETTER, |found| format!("{} {}", &found[1], &found[2])),
    (&AFTER_LETTER, |found| format!("{} {}", &found[1], &found[2])),
    (&NUMBER, |found| format!("{}minus {}", &found[1], &found[2])),
    (&DIGITS, |found| number(&found[0])),
    (&DOTS, |_| "…".to_owned()),
    (&DASH, |_| " — ".to_owned()),
    (&FILE, |found| format!("{} dot {}", &found[1], &found[2])),
];

fn words(line: Traced) -> Traced {
    let mut line = line.map(|character| Some(fold(character)));
    for (name, spoken) in NAMES {
        line = whole_words(line, name, spoken);
    }
    for (short, long) in ABBREVIATIONS {
        line = expand(line, short, long);
    }
    for (pattern, spoken) in RULES {
        line = line.replace(pattern, spoken);
    }
    let signs = line.char_indices().filter_map(|(at, character)| {
        let range = at..at + character.len_utf8();
        match SIGNS.iter().find(|(sign, _)| *sign == character) {
            Some((_, name)) => Some((range, format!(" {name} "))),
            None => (!is_spoken(character)).then(|| (range, " ".to_owned())),
        }
    });
    tidy(&line.edit(signs))
}

/// A letter without its accent; the lexicon has "cafe", not "café".
fn fold(character: char) -> char {
    if character.is_ascii() {
        return character;
    }
    match letters::plain(character) {
        Some(letter) if character.is_uppercase() => letter.to_ascii_uppercase(),
        Some(letter) => letter,
        None => character,
    }
}

/// Whether a character is a letter, a digit, or a mark that changes how it is spoken.
fn is_spoken(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(
            character,
            ' ' | '.' | ',' | ';' | ':' | '!' | '?' | '…' | '—' | '\'' | '"' | '“' | '”' | '(' | ')' | '-'
        )
}

/// Replaces `name` where it is not part of a longer word.
fn whole_words(text: Traced, name: &str, spoken: &str) -> Traced {
    edit_each(text, name, |before, after| {
        let inside = before.ends_with(char::is_alphanumeric)
            && name.starts_with(|c: char| c.is_alphanumeric() || c == '.')
            || after.starts_with(char::is_alphanumeric);
        (!inside).then(|| spoken.to_owned())
    })
}

/// Writes an abbreviation out. A period that also ends the sentence is kept.
fn expand(text: Traced, short: &str, long: &str) -> Traced {
    edit_each(text, short, |before, after| {
        let time = matches!(long, "AM" | "PM");
        if before.ends_with(|c: char| c.is_alphabetic() || c == '.' || (c.is_numeric() && !time)) {
            return None;
        }
        let space = if time && before.ends_with(char::is_numeric) { " " } else { "" };
        let ends = short.ends_with(['c', 'm', '.']) && !long.starts_with(['M', 'D', 'P']) || time;
        let next = after.trim_start();
        let period = next.is_empty() || (ends && next.len() < after.len() && next.starts_with(char::is_uppercase));
        Some(format!("{space}{long}{}", if period { "." } else { "" }))
    })
}

/// Replaces what `find` matches by what `new` makes of the text before and behind it, if anything.
fn edit_each(text: Traced, find: &str, new: impl Fn(&str, &str) -> Option<String>) -> Traced {
    let edits = text.match_indices(find).filter_map(|(at, found)| {
        let range: Range<usize> = at..at + found.len();
        Some((range.clone(), new(&text[..range.start], &text[range.end..])?))
    });
    let edits: Vec<_> = edits.collect();
    if edits.is_empty() { text } else { text.edit(edits) }
}

fn initials(found: &Captures<'_>) -> String {
    let letters = found[1].replace('.', "").to_uppercase();
    if found.get(2).is_some() { letters + "." } else { letters }
}

/// A number the pattern has checked.
fn value(digits: &str) -> u64 {
    digits.replace(',', "").parse().unwrap_or_default()
}

fn address(email: &str) -> String {
    email.replace('@', " at ").replace('.', " dot ").replace('_', " underscore ").replace('-', " dash ")
}

fn link(url: &str) -> String {
    let bare = url.split_once("://").map_or(url, |(_, rest)| rest);
    let bare = bare.strip_prefix("www.").unwrap_or(bare);
    let (path, _) = bare.split_once(['?', '#']).unwrap_or((bare, ""));
    path.trim_end_matches('/')
        .replace('.', " dot ")
        .replace('/', " slash ")
        .replace(['-', '_'], " ")
        .replace(':', " port ")
}

fn time(found: &Captures<'_>) -> String {
    let (hour, minute) = (value(&found[1]), value(&found[2]));
    let half = found.get(3).map(|half| format!(" {}M", half.as_str().to_uppercase()));
    let minutes = match minute {
        0 if half.is_some() => String::new(),
        0 if (1..=12).contains(&hour) => " o'clock".to_owned(),
        0 => " hundred".to_owned(),
        1..=9 => format!(" oh {}", cardinal(minute)),
        _ => format!(" {}", cardinal(minute)),
    };
    format!("{}{minutes}{}", cardinal(hour), half.unwrap_or_default())
}

fn month(short: &str) -> &'static str {
    MONTHS.iter().find(|month| month.starts_with(&short[..3])).copied().unwrap_or_default()
}

fn date(years: &str, months: &str, days: &str) -> String {
    let month = MONTHS.get((value(months) as usize).wrapping_sub(1)).copied().unwrap_or_default();
    format!("{month} {}, {}", ordinal(value(days)), year(value(years)))
}

fn money(found: &Captures<'_>) -> String {
    let (one, many, small) = match &found[1] {
        "$" => ("dollar", "dollars", "cents"),
        "£" => ("pound", "pounds", "pence"),
        _ => ("euro", "euros", "cents"),
    };
    let scale = found.get(4).map(|scale| match scale.as_str() {
        "k" | "K" => "thousand",
        "M" => "million",
        "B" => "billion",
        word => word,
    });
    let whole = cardinal(value(&found[2]));
    let part = found.get(3).map(|part| part.as_str());
    let unit = if whole == "one" { one } else { many };
    match (scale, part) {
        (Some(scale), Some(part)) => format!("{whole} point {} {scale} {many}", digits(part)),
        (Some(scale), None) => format!("{whole} {scale} {many}"),
        (None, None | Some("00")) => format!("{whole} {unit}"),
        (None, Some(part)) if part.len() == 2 => {
            let cents = value(part);
            let small = if cents == 1 && small == "cents" { "cent" } else { small };
            format!("{whole} {unit} and {} {small}", cardinal(cents))
        }
        (None, Some(part)) => format!("{whole} point {} {many}", digits(part)),
    }
}

fn phone(found: &Captures<'_>) -> String {
    let groups = found[0].split(|character: char| !character.is_ascii_digit()).filter(|group| !group.is_empty());
    groups.map(digits).collect::<Vec<_>>().join(", ")
}

fn fraction(found: &Captures<'_>) -> String {
    let (top, bottom) = (value(&found[1]), value(&found[2]));
    let parts = match bottom {
        2 if top == 1 => "half".to_owned(),
        4 => "quarter".to_owned(),
        3 | 5..=20 if top < bottom => ordinal(bottom),
        _ => return format!("{} {}", cardinal(top), cardinal(bottom)),
    };
    if top == 1 { format!("one {parts}") } else { format!("{} {parts}s", cardinal(top)) }
}

fn decade(found: &Captures<'_>) -> String {
    let (text, number) = (&found[1], value(&found[1]));
    match text.len() {
        4 if number % 10 == 0 => plural(&year(number)),
        2 if number % 10 == 0 && number >= 20 => plural(&cardinal(number)),
        _ => found[0].to_owned(),
    }
}

fn unit(found: &Captures<'_>) -> String {
    let (count, written) = (&found[1], found[2].replace(' ', ""));
    match UNITS.iter().find(|(short, ..)| *short == written) {
        // The number itself is read by the rule for digits.
        Some((_, one, _)) if count == "1" => format!("1 {one}"),
        Some((.., many)) => format!("{count} {many}"),
        None => found[0].to_owned(),
    }
}

/// Single spaces, none before a mark.
fn tidy(text: &Traced) -> Traced {
    let text = text.part(text.trim());
    let spaces = SPACE.find_iter(&text).map(|space| {
        let mark = text[space.end()..].starts_with(['.', ',', ';', ':', '!', '?', '…', ')', '”']);
        (space.range(), if mark { "" } else { " " })
    });
    text.edit(spaces)
}

/// Cuts after `.`, `!`, `?` and `…` where a new sentence follows.
fn split(line: &Traced) -> Vec<Traced> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, _) in line.match_indices(' ') {
        let (before, after) = (&line[start..at], &line[at + 1..]);
        let ended = before.trim_end_matches(['"', '”', ')', '\'']);
        let initial = ended.strip_suffix('.').is_some_and(|rest| {
            let last = rest.rsplit(' ').next().unwrap_or_default();
            last.len() == 1 && last.starts_with(char::is_uppercase) && last != "I"
        });
        let next = after.trim_start_matches(['"', '“', '(', '\'']);
        if ended.ends_with(['.', '!', '?', '…']) && !initial && !next.starts_with(char::is_lowercase) {
            sentences.push(line.slice(start..at));
            start = at + 1;
        }
    }
    sentences.push(line.slice(start..line.len()));
    sentences.retain(|sentence| sentence.chars().any(char::is_alphanumeric));
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, spoken: &str) {
        let sentences: Vec<String> = sentences(text).iter().map(|sentence| sentence.to_string()).collect();
        assert_eq!(sentences.join(" | "), spoken, "{text}");
    }

    #[test]
    fn times_and_dates() {
        check("See you at 5:30pm.", "See you at five thirty PM.");
        check(
            "At 5:00 p.m. or 17:45, 9:05 and 7:00",
            "At five PM or seventeen forty five, nine oh five and seven o'clock",
        );
        check("Open 9am-5 pm.", "Open nine AM-five PM.");
        check(
            "On 2024-03-05 and 3/14/2024.",
            "On March fifth, twenty twenty four and March fourteenth, twenty twenty four.",
        );
        check("March 3rd, Jan. 21 and May 1", "March third, January twenty first and May first");
        check("the 1990s and '80s", "the nineteen nineties and eighties");
    }

    #[test]
    fn money_units_and_numbers() {
        check(
            "$4.50, $1, £3.99 and €1,250",
            "four dollars and fifty cents, one dollar, three pounds and ninety nine pence and one thousand two hundred fifty euros",
        );
        check("$2.5 million or $30k", "two point five million dollars or thirty thousand dollars");
        check(
            "5 km at 30 °C, 1 kg, 15% of 3.14",
            "five kilometers at thirty degrees Celsius, one kilogram, fifteen percent of three point one four",
        );
        check("-5 to +3, 3-4 times, ~20", "minus five to plus three, three to four times, about twenty");
        check("1/2 cup, 3/4 full, 24/7", "one half cup, three quarters full, twenty four seven");
        check(
            "the 21st, 1,000,000 people in 1984, room 221B",
            "the twenty first, one million people in nineteen eighty four, room two hundred twenty one B",
        );
        check("Call 555-123-4567 now!", "Call five five five, one two three, four five six seven now!");
        check("v2.0.1 and #4521", "two point zero point one and number four thousand five hundred twenty one");
    }

    #[test]
    fn addresses_and_abbreviations() {
        check(
            "Visit https://www.example.com/a-b?x=1 or mail bob.smith@example.com.",
            "Visit example dot com slash a b or mail bob dot smith at example dot com.",
        );
        check("Dr. Smith lives on Baker St. near St. Paul.", "Doctor Smith lives on Baker Street near Saint Paul.");
        check("Fruit, e.g. apples, etc. Then more.", "Fruit, for example apples, et cetera. | Then more.");
        check("He lives in the U.S.A.", "He lives in the USA.");
        check("J. Smith wrote C++ and main.rs.", "J. Smith wrote C plus plus and main dot rs.");
    }

    #[test]
    fn markup_and_signs() {
        check("# Steps\n1. Open it\n2. **Close** it 😀", "Steps | one: Open it | two: Close it");
        check("cats & dogs = fun; caf\u{e9}s -- yes...", "cats and dogs equals fun; cafes — yes…");
        check("It works! Does it? \"Yes.\" (Sure.)", "It works! | Does it? | \"Yes.\" | (Sure.)");
        check("日本 *** 😀\n---\n", "");
        check("", "");
    }

    #[test]
    fn no_text_makes_it_fail_or_leaves_a_digit() {
        let pieces =
            ["1", "12:", ":30", "/", "$", ".", ",", "-", "am", "é", "№", " ", "\n", "x", "St.", "@", "b.c", "*", "["];
        let mut seed = 7_u64;
        for _ in 0..2_000 {
            let mut text = String::new();
            for _ in 0..8 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            for sentence in sentences(&text) {
                assert!(!sentence.contains(|character: char| character.is_ascii_digit()), "{text:?} → {sentence:?}");
            }
        }
    }
}
