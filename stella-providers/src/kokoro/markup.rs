//! Removes what is meant for the eye: Markdown, HTML tags, emoji. Pure.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::traced::Traced;

/// Code blocks, images and links, and HTML tags.
static FENCE: LazyLock<Regex> = LazyLock::new(|| compile(r"(?s)```.*?(?:```|\z)"));
static LINK: LazyLock<Regex> = LazyLock::new(|| compile(r"!?\[([^\]]*)\]\([^)]*\)"));
static TAG: LazyLock<Regex> = LazyLock::new(|| compile(r"</?[a-zA-Z][^<>]*>"));
/// What begins a line: headings, quotes, bullets; tables' rules.
static START: LazyLock<Regex> = LazyLock::new(|| compile(r"(?m)^[ \t]*(?:#{1,6}[ \t]+|(?:>[ \t]?)+|[-*+•][ \t]+)"));
static ITEM: LazyLock<Regex> = LazyLock::new(|| compile(r"(?m)^[ \t]*(\d{1,3})[.)][ \t]+"));
static RULE: LazyLock<Regex> = LazyLock::new(|| compile(r"(?m)^[ \t]*[-*_=|: \t]{3,}$"));
/// Marks around words.
static STRONG: LazyLock<Regex> = LazyLock::new(|| compile(r"\*{1,3}([^\s*](?:[^*\n]*[^\s*])?)\*{1,3}"));
static UNDER: LazyLock<Regex> = LazyLock::new(|| compile(r"\b_{1,3}([^\s_](?:[^_\n]*[^\s_])?)_{1,3}\b"));
static STRUCK: LazyLock<Regex> = LazyLock::new(|| compile("~~"));

/// A pattern written in this crate.
pub(super) fn compile(pattern: &str) -> Regex {
    #[allow(clippy::expect_used, reason = "the patterns are constants and the tests use each")]
    Regex::new(pattern).expect("a valid pattern")
}

/// The words of `text`, its lines kept.
pub(super) fn strip(text: &str) -> Traced {
    let nothing = |_: &Captures<'_>| String::new();
    let text = Traced::new(text)
        .replace(&FENCE, |_| "\n".to_owned())
        .unwrap(&LINK)
        .replace(&TAG, nothing)
        .replace(&RULE, nothing)
        .replace(&START, nothing)
        .replace(&ITEM, |found| format!("{}: ", &found[1]))
        .unwrap(&STRONG)
        .unwrap(&UNDER)
        .replace(&STRUCK, nothing);
    text.map(|character| (!is_picture(character)).then(|| plain(character)))
}

/// Characters that stand for others here.
fn plain(character: char) -> char {
    match character {
        '`' | '\u{a0}' | '\t' => ' ',
        '|' => ',',
        '‘' | '’' | 'ʼ' => '\'',
        '\u{2010}' | '\u{2011}' | '−' => '-',
        other => other,
    }
}

/// Emoji, their joiners and colours, and symbols without a name.
fn is_picture(character: char) -> bool {
    matches!(character as u32,
        0x200B..=0x200F | 0x20E3 | 0x2122 | 0x2139 | 0x2300..=0x23FF | 0x2500..=0x27BF | 0x2B00..=0x2BFF
        | 0xA9 | 0xAE | 0xFE00..=0xFE0F | 0xFEFF | 0xE000..=0xF8FF | 0x1F000..=0x1FAFF | 0xE0000..=0xE007F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_removed() {
        for (text, words) in [
            ("# Title\nSome **bold**, *slanted* and _both_ words", "Title\nSome bold, slanted and both words"),
            ("See [the guide](https://a.b/c) and `code`.", "See the guide and  code ."),
            ("- one\n* two\n3. three", "one\ntwo\n3: three"),
            ("before\n```rust\nfn main() {}\n```\nafter", "before\n\n\nafter"),
            ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
            ("<b>Hi</b> 👋🏽 there ❤️", "Hi  there "),
        ] {
            assert_eq!(*strip(text), *words);
        }
    }
}
