//! Do the words of a turn sound complete? English, by lists and punctuation.

use super::judge::words;

/// Factors for the odds that a turn is complete, by what its text ends with. They are the ratio of how often turns end
/// so to how often pauses inside turns do, rounded, in the recordings of even number of `cargo xtask bench endpoint`.
mod factor {
    /// A word that asks for more, such as "the" or "because", or a sound of hesitation.
    pub(super) const DANGLING: f32 = 0.06;
    /// A word that usually has something behind it, such as "want" or "is".
    pub(super) const OPEN: f32 = 0.3;
    /// A clause such as "if you know the number" without what follows from it.
    pub(super) const SUBORDINATE: f32 = 0.3;
    /// A comma, a dash, an ellipsis: recognisers set it where the voice asks for more.
    pub(super) const COMMA: f32 = 0.1;
    /// No punctuation at all, from a recogniser that punctuates elsewhere.
    pub(super) const BARE: f32 = 0.5;
    /// A number: a longer one may follow.
    pub(super) const NUMBER: f32 = 0.5;
    /// A full stop. Recognisers set it at most pauses.
    pub(super) const STOP: f32 = 1.5;
    /// A question mark.
    pub(super) const QUESTION: f32 = 2.0;
    /// An answer of one or two words, such as "yes please".
    pub(super) const ANSWER: f32 = 2.0;
}

/// Words after which something must follow, and sounds of hesitation.
const DANGLING: &[&str] = &[
    "a",
    "an",
    "the",
    "my",
    "your",
    "our",
    "their",
    "its",
    "every",
    "than",
    "as",
    "per",
    "via",
    "and",
    "or",
    "but",
    "nor",
    "because",
    "if",
    "unless",
    "although",
    "though",
    "whether",
    "while",
    "until",
    "since",
    "i",
    "we",
    "he",
    "she",
    "they",
    "im",
    "ive",
    "ill",
    "id",
    "were",
    "theyre",
    "youre",
    "hes",
    "shes",
    "um",
    "uh",
    "er",
    "erm",
    "hm",
    "hmm",
    "very",
    "really",
    "which",
    "whose",
    "such",
    "each",
    "who",
    "including",
    "plus",
    "versus",
];

/// The same, but a question may end with them: "who is it for?"
const PREPOSITIONS: &[&str] = &[
    "like", "of", "to", "from", "with", "without", "at", "by", "for", "into", "onto", "about", "between", "during",
    "through",
];

/// Words that begin such a question.
const QUESTIONS: &[&str] = &["what", "who", "where", "which", "how", "when", "whom"];

/// Words that usually have something behind them.
const OPEN: &[&str] = &[
    "want",
    "wants",
    "need",
    "needs",
    "get",
    "got",
    "give",
    "tell",
    "let",
    "make",
    "put",
    "take",
    "find",
    "press",
    "enter",
    "dial",
    "say",
    "said",
    "says",
    "called",
    "named",
    "please",
    "going",
    "so",
    "well",
    "then",
    "also",
    "just",
    "only",
    "not",
    "in",
    "on",
    "number",
    "first",
    "next",
    "currently",
    "more",
    "less",
    "other",
    "another",
    "some",
    "any",
    "this",
    "these",
    "those",
    "his",
    "her",
    "mister",
    "mr",
    "mrs",
    "doctor",
    "saint",
];

/// The same, unless one of [`SUBJECTS`] stands before: "my name is", but "yes it is".
const AUXILIARIES: &[&str] = &[
    "is", "are", "was", "am", "be", "been", "being", "has", "have", "had", "will", "would", "can", "could", "should",
    "may", "might", "must", "do", "does", "did", "dont", "doesnt", "didnt", "cant", "wont", "wouldnt", "shouldnt",
    "isnt", "arent",
];

/// Words before an auxiliary with which it is complete: "yes it is", "there you are".
const SUBJECTS: &[&str] = &["it", "i", "you", "he", "she", "we", "they", "there", "that", "this"];

/// Words that begin a clause on which another depends.
const SUBORDINATE: &[&str] =
    &["if", "when", "because", "although", "unless", "once", "while", "since", "after", "before"];

/// Complete answers of one or two words.
const ANSWERS: &[&str] = &[
    "yes",
    "no",
    "yeah",
    "yep",
    "nope",
    "okay",
    "ok",
    "sure",
    "right",
    "thanks",
    "thank you",
    "yes please",
    "no thanks",
    "no thank you",
    "please do",
    "hello",
    "hi",
    "hey",
    "bye",
    "goodbye",
    "good bye",
    "stop",
    "wait",
    "correct",
    "exactly",
    "of course",
    "that's it",
    "thats it",
    "fine",
    "great",
    "perfect",
    "not really",
    "i do",
    "i am",
    "i did",
    "what",
    "why",
    "how",
    "when",
    "where",
    "who",
    "which",
    "whose",
    "why not",
    "what else",
    "really",
    "sorry",
    "pardon",
];

/// By how much the text changes the odds that the turn is complete: 1 says nothing.
pub(super) fn english(text: &str) -> f32 {
    let text = text.trim();
    // Only the last sentence matters; the mark at the very end belongs to it.
    let body = text.trim_end_matches(|c: char| c.is_whitespace() || is_mark(c));
    let mark = text[body.len()..].trim();
    let start = body.rfind(['.', '?', '!']).map_or(0, |at| at + 1);
    let sentence: Vec<String> = words(&body[start..]).collect();
    let Some(last) = sentence.last().map(String::as_str) else { return 1.0 };
    if ANSWERS.contains(&sentence.join(" ").as_str()) {
        return factor::ANSWER;
    }
    let asks = mark.contains('?') && QUESTIONS.contains(&sentence[0].as_str());
    if DANGLING.contains(&last) || (PREPOSITIONS.contains(&last) && !asks) {
        return factor::DANGLING;
    }
    let before = sentence.len().checked_sub(2).map(|index| sentence[index].as_str());
    let subject = before.is_some_and(|word| SUBJECTS.contains(&word));
    if OPEN.contains(&last) || (AUXILIARIES.contains(&last) && !subject) {
        return factor::OPEN;
    }
    if mark.contains('?') {
        return factor::QUESTION;
    }
    let depends = SUBORDINATE.contains(&sentence[0].as_str()) && !body[start..].contains(',');
    if depends {
        return factor::SUBORDINATE;
    }
    if last.chars().all(|c| c.is_ascii_digit()) {
        return factor::NUMBER;
    }
    if mark.contains([',', '…', '-', '–', '—', ';', ':']) || mark.ends_with("..") {
        factor::COMMA
    } else if mark.contains(['.', '!']) {
        factor::STOP
    } else {
        factor::BARE
    }
}

/// By how much only the punctuation changes the odds, for other languages.
pub(super) fn punctuation(text: &str) -> f32 {
    let text = text.trim();
    match text.chars().next_back() {
        Some('?' | '？' | '؟') => factor::QUESTION,
        Some(',' | '，' | '、' | '…' | '-' | '–' | '—' | ';' | ':') => factor::COMMA,
        Some('.' | '!' | '。' | '！') if !text.ends_with("..") => factor::STOP,
        Some('.') => factor::COMMA,
        _ => 1.0,
    }
}

fn is_mark(c: char) -> bool {
    matches!(c, '.' | ',' | '?' | '!' | ';' | ':' | '…' | '-' | '–' | '—')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_ask_for_more_are_incomplete() {
        for text in [
            "I would like the",
            "I would like the.",
            "It was because",
            "Um",
            "So I",
            "My number is",
            "I want",
            "It looks like",
            "Why don't",
        ] {
            assert!(english(text) < 0.5, "{text}");
        }
        assert!(english("If you know the number") < 0.5);
        assert!(english("I would like coffee, milk,") < 1.0);
        assert!(english("I would like coffee") < 1.0);
        assert!(english("It is 2 0 0") < 1.0);
    }

    #[test]
    fn sentences_and_answers_are_complete() {
        for text in [
            "I would like a coffee.",
            "What about Rome?",
            "Yes",
            "Hello.",
            "Yes, it is.",
            "Wait... no!",
            "Who is it for?",
            "What is the weather like?",
            "Which?",
            "No, I don't.",
        ] {
            assert!(english(text) > 1.0, "{text}");
        }
        assert!(english("If you know the number, press one.") > 1.0);
    }

    #[test]
    fn nothing_says_nothing() {
        for text in ["", " ", "...", "?", "。"] {
            assert!((english(text) - 1.0).abs() < 1e-6, "{text}");
        }
        assert!(punctuation("Wie spät ist es?") > 1.0 && punctuation("我想要，") < 1.0);
        assert!((punctuation("Ich möchte") - 1.0).abs() < 1e-6);
    }
}
