//! Numbers as English words. Pure.

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const GROUPS: [(u64, &str); 5] = [
    (1_000_000_000_000_000, "quadrillion"),
    (1_000_000_000_000, "trillion"),
    (1_000_000_000, "billion"),
    (1_000_000, "million"),
    (1_000, "thousand"),
];

/// `21` as "twenty one".
pub(super) fn cardinal(number: u64) -> String {
    if let Some(word) = ONES.get(number as usize) {
        return (*word).to_owned();
    }
    let (high, low) = if number < 100 {
        (TENS[number as usize / 10].to_owned(), number % 10)
    } else if number < 1_000 {
        (format!("{} hundred", ONES[number as usize / 100]), number % 100)
    } else if let Some((size, name)) = GROUPS.iter().find(|(size, _)| number >= *size).filter(|_| number < 1 << 60) {
        (format!("{} {name}", cardinal(number / size)), number % size)
    } else {
        return digits(&number.to_string());
    };
    if low == 0 { high } else { format!("{high} {}", cardinal(low)) }
}

/// `21` as "twenty first".
pub(super) fn ordinal(number: u64) -> String {
    let words = cardinal(number);
    let (start, last) = words.rsplit_once(' ').map_or(("", words.as_str()), |(start, last)| (start, last));
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        tens if tens.ends_with('y') => format!("{}ieth", &tens[..tens.len() - 1]),
        other => format!("{other}th"),
    };
    if start.is_empty() { last } else { format!("{start} {last}") }
}

/// A year, or any number of four digits that is read like one: `1984`, `1500`, `2005`, `2024`.
pub(super) fn year(number: u64) -> String {
    let (high, low) = (number / 100, number % 100);
    match (high, low) {
        (_, 0) if high % 10 == 0 => cardinal(number),
        (_, 0) => format!("{} hundred", cardinal(high)),
        (20, 1..=9) => cardinal(number),
        (_, 1..=9) => format!("{} oh {}", cardinal(high), cardinal(low)),
        _ => format!("{} {}", cardinal(high), cardinal(low)),
    }
}

/// Each digit by itself; other characters are left out.
pub(super) fn digits(text: &str) -> String {
    let words = text.chars().filter_map(|character| character.to_digit(10)).map(|digit| ONES[digit as usize]);
    words.collect::<Vec<_>>().join(" ")
}

/// Digits with optional commas and an optional decimal part: `1,250.5`. Four digits without a comma are read like a
/// year, a leading zero and more than 15 digits one by one.
pub(super) fn number(text: &str) -> String {
    let (whole, part) = text.split_once('.').map_or((text, ""), |(whole, part)| (whole, part));
    let plain: String = whole.chars().filter(char::is_ascii_digit).collect();
    let words = match plain.parse::<u64>() {
        _ if plain.len() > 15 || (plain.len() > 1 && plain.starts_with('0')) => digits(&plain),
        Ok(value) if part.is_empty() && plain.len() == 4 && whole == plain && (1_100..2_100).contains(&value) => {
            year(value)
        }
        Ok(value) => cardinal(value),
        Err(_) => String::new(),
    };
    if part.is_empty() { words } else { format!("{words} point {}", digits(part)) }
}

/// The plural of the last word of a number: "nineties", "fives".
pub(super) fn plural(words: &str) -> String {
    match words.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if words.ends_with('x') => format!("{words}es"),
        None => format!("{words}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_words() {
        for (text, words) in [
            ("0", "zero"),
            ("21", "twenty one"),
            ("305", "three hundred five"),
            ("1,250", "one thousand two hundred fifty"),
            ("12,000,001", "twelve million one"),
            ("3.14", "three point one four"),
            ("0.5", "zero point five"),
            ("007", "zero zero seven"),
            ("1984", "nineteen eighty four"),
            ("1500", "fifteen hundred"),
            ("2000", "two thousand"),
            ("2005", "two thousand five"),
            ("1905", "nineteen oh five"),
            ("2024", "twenty twenty four"),
        ] {
            assert_eq!(number(text), words, "{text}");
        }
    }

    #[test]
    fn ordinals_and_plurals_are_regular_or_not() {
        let words = [1, 2, 3, 12, 20, 21, 100, 103].map(ordinal).join(", ");
        assert_eq!(words, "first, second, third, twelfth, twentieth, twenty first, one hundredth, one hundred third");
        assert_eq!([plural("nineteen ninety"), plural("six")].join(" "), "nineteen nineties sixes");
    }
}
