//! Word error rate: how far a transcript is from what was said.

/// Words that are wrong, missing or too many in `heard`, compared with `said`, as a part of the words of `said` (0 is
/// perfect, above 1 is possible). Case and punctuation do not count, and numbers up to a hundred are the same in words
/// and in digits. 0 if both are empty, 1 if only `said` is.
#[must_use]
pub fn wer(said: &str, heard: &str) -> f64 {
    let (said, heard) = (words(said), words(heard));
    let errors = distance(&said, &heard);
    if said.is_empty() { f64::from(u8::from(errors > 0)) } else { errors as f64 / said.len() as f64 }
}

/// Fewest insertions, deletions and substitutions between two sequences.
fn distance(said: &[String], heard: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=heard.len()).collect();
    for (above, word) in said.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, other) in heard.iter().enumerate() {
            let substituted = diagonal + usize::from(word != other);
            diagonal = row[at + 1];
            row[at + 1] = substituted.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[heard.len()]
}

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('\u{2019}', "'").replace("o'clock", " ").replace(":00", " ");
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '\'');
    let words: Vec<_> = words.map(|word| word.trim_matches('\'')).filter(|word| !word.is_empty()).collect();
    words.into_iter().flat_map(spell).collect()
}

/// A number of at most two digits in words; any other word as it is.
fn spell(word: &str) -> Vec<String> {
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
    match word.parse::<usize>() {
        Ok(number @ 0..20) => vec![ONES[number].to_owned()],
        Ok(number @ 20..100) if number % 10 == 0 => vec![TENS[number / 10].to_owned()],
        Ok(number @ 20..100) => vec![TENS[number / 10].to_owned(), ONES[number % 10].to_owned()],
        _ => vec![word.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_count() {
        assert_eq!(wer("It's 21, Sir!", "it’s twenty-one sir"), 0.0);
        assert_eq!(wer("at seven o'clock", "At 7:00 o'clock."), 0.0);
    }

    #[test]
    fn errors_are_counted_against_what_was_said() {
        assert_eq!(wer("one two three four", "one too three"), 0.5);
        assert_eq!(wer("one two", "one and a two"), 1.0);
        assert_eq!((wer("", ""), wer("", "word"), wer("word", "")), (0.0, 1.0, 1.0));
    }
}
