//! Holds text back while it could still be a printed tool call.

use std::collections::BTreeSet;

use super::printed_call::{self, FENCE, Probe, TAG};

/// Most white space between printed calls, in characters.
const MAX_SPACES: usize = 16;

/// What a text turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Words; never empty.
    Text(String),
    /// A call.
    Call {
        /// Name of the tool, one of those offered.
        name: String,
        /// Its arguments, a JSON object.
        arguments: String,
    },
}

/// Text in, as it comes; words and calls out, as soon as they can be told apart.
#[derive(Debug)]
pub(super) struct Gate {
    known: BTreeSet<String>,
    /// Most bytes held back.
    max: usize,
    held: String,
    /// White space at the very start, which belongs to what follows.
    leading: String,
    /// Only white space has come since the last line break, or since the start.
    line_start: bool,
    said: bool,
    called: bool,
    /// What came after the last call, without what is held.
    dropped: String,
}

impl Gate {
    /// A gate that knows the tools of these names. Without any, it stands open.
    pub(super) fn new(known: impl IntoIterator<Item = String>, max: usize) -> Self {
        Self {
            known: known.into_iter().collect(),
            max,
            held: String::new(),
            leading: String::new(),
            line_start: true,
            said: false,
            called: false,
            dropped: String::new(),
        }
    }

    /// Takes more text.
    pub(super) fn push(&mut self, text: &str, out: &mut Vec<Piece>) {
        if self.known.is_empty() {
            out.extend((!text.is_empty()).then(|| Piece::Text(text.to_owned())));
            return;
        }
        self.held.push_str(text);
        loop {
            let start = self.candidate().unwrap_or(self.held.len());
            self.release(start, out);
            if self.held.is_empty() {
                return;
            }
            match printed_call::probe(&self.held) {
                Probe::Open if self.held.len() <= self.max => return,
                Probe::Open => self.release(self.held.len(), out),
                Probe::No => self.release(1, out), // the brace, back quote or angle bracket
                Probe::Complete(object) => match self.parse(&self.held[object.clone()]) {
                    None => self.release(object.end, out),
                    Some(call) => {
                        self.held.drain(..object.end);
                        self.called = true;
                        self.dropped.clear();
                        out.push(call);
                    }
                },
            }
        }
    }

    /// The text has ended: decides on what is held.
    pub(super) fn finish(&mut self, out: &mut Vec<Piece>) {
        match self.parse(&self.held) {
            Some(call) => {
                self.held.clear();
                out.push(call);
            }
            None => self.release(self.held.len(), out),
        }
    }

    /// Whether calls were printed and no further one follows: small models then go on and on, about results that they
    /// cannot know.
    pub(super) fn exhausted(&self) -> bool {
        let spaces = |text: &str| text.chars().filter(|c| c.is_whitespace()).count();
        let idle = printed_call::only_closes(&self.held) && spaces(&self.dropped) + spaces(&self.held) > MAX_SPACES;
        self.called && (idle || !printed_call::only_closes(&self.dropped))
    }

    fn parse(&self, text: &str) -> Option<Piece> {
        let (name, arguments) = printed_call::parse(text, |name| self.known.contains(name))?;
        Some(Piece::Call { name, arguments })
    }

    /// Where a call may begin in the held text.
    fn candidate(&self) -> Option<usize> {
        let mut line_start = self.line_start;
        for (at, c) in self.held.char_indices() {
            let rest = &self.held[at..];
            let begins = |mark: &str| rest.starts_with(mark) || mark.starts_with(rest);
            match c {
                '{' if line_start => return Some(at),
                '`' if line_start && begins(FENCE) => return Some(at),
                '<' if begins(TAG) => return Some(at),
                _ => line_start = next_line_start(line_start, c),
            }
        }
        None
    }

    /// Lets the first `bytes` held bytes go as text.
    fn release(&mut self, bytes: usize, out: &mut Vec<Piece>) {
        let text: String = self.held.drain(..bytes).collect();
        self.line_start = text.chars().fold(self.line_start, next_line_start);
        if self.called {
            self.dropped.push_str(&text);
        } else if !self.said && text.trim().is_empty() {
            self.leading.push_str(&text);
        } else if !text.is_empty() {
            self.said = true;
            out.push(Piece::Text(std::mem::take(&mut self.leading) + &text));
        }
    }
}

fn next_line_start(line_start: bool, c: char) -> bool {
    c == '\n' || (line_start && c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALL: &str = r#"{"name": "clock", "arguments": {}}"#;

    /// The pieces of a text that comes in `parts`, texts in a row joined.
    fn run<'a>(parts: impl IntoIterator<Item = &'a str>) -> (String, usize) {
        let mut gate = Gate::new(["clock".to_owned()], 64);
        let mut out = Vec::new();
        for part in parts {
            gate.push(part, &mut out);
        }
        gate.finish(&mut out);
        let mut text = String::new();
        let mut calls = 0;
        for piece in out {
            match piece {
                Piece::Text(piece) => text.push_str(&piece),
                Piece::Call { name, arguments } => {
                    assert_eq!((name.as_str(), arguments.as_str()), ("clock", "{}"));
                    calls += 1;
                }
            }
        }
        (text, calls)
    }

    #[test]
    fn text_and_calls_are_told_apart() {
        let unknown = r#"{"name": "rocket", "arguments": {}}"#;
        let table = [
            ("Hello there.".to_owned(), "Hello there.", 0),
            (CALL.to_owned(), "", 1),
            (format!("\n {CALL}\n"), "", 1),
            (format!("```json\n{CALL}\n```"), "", 1),
            (format!("<tool_call>\n{CALL}\n</tool_call>\n<tool_call>\n{CALL}\n</tool_call>"), "", 2),
            (format!("{CALL}\nIt is noon."), "", 1),
            (format!("{{{CALL}"), "", 1),
            (format!("I look.\n{CALL}"), "I look.\n", 1),
            (format!("I look. <tool_call>{CALL}</tool_call>"), "I look. ", 1),
            (format!("Write {CALL} here"), &format!("Write {CALL} here"), 0),
            (unknown.to_owned(), unknown, 0),
            ("{\"a\": 1} is JSON".to_owned(), "{\"a\": 1} is JSON", 0),
            ("```rust\nfn main() {}\n```".to_owned(), "```rust\nfn main() {}\n```", 0),
            ("{\"name\": \"clock\", \"argu".to_owned(), "{\"name\": \"clock\", \"argu", 0),
            ("a < b, <b>c</b>, {x}".to_owned(), "a < b, <b>c</b>, {x}", 0),
        ];
        for (input, text, calls) in table {
            assert_eq!(run([input.as_str()]), (text.to_owned(), calls), "{input}");
            let letters: Vec<String> = input.chars().map(String::from).collect();
            assert_eq!(run(letters.iter().map(String::as_str)), (text.to_owned(), calls), "by letter: {input}");
        }
    }

    #[test]
    fn talk_after_a_call_is_noticed() {
        let table = [
            ("", false),
            ("\n```", false),
            ("\n``", false),
            ("\n</tool_call>\n", false),
            ("\n```\n\n```json\n{\"na", false),
            ("\n<tool_call>", false),
            (" It", true),
            (".", true),
            ("\n```\nIt", true),
            ("```rust", false),
            ("```rust\nfn", true),
            ("\n{x", true),
            ("```\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n", true),
        ];
        for (after, exhausted) in table {
            let mut gate = Gate::new(["clock".to_owned()], 64);
            let mut out = Vec::new();
            for part in [CALL].into_iter().chain(after.split_inclusive(['\n', '`'])) {
                gate.push(part, &mut out);
            }
            assert_eq!((gate.exhausted(), out.len()), (exhausted, 1), "{after:?}");
        }
        let mut gate = Gate::new(["clock".to_owned()], 64);
        gate.push("No call, but talk.", &mut Vec::new());
        assert!(!gate.exhausted());
    }

    #[test]
    fn plain_text_is_not_delayed() {
        let mut gate = Gate::new(["clock".to_owned()], 64);
        let mut out = Vec::new();
        for part in ["Hel", "lo", " ", "you.", "\n", "1 < 2"] {
            gate.push(part, &mut out);
            assert_eq!(out.pop(), Some(Piece::Text(part.to_owned())));
        }
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut gate = Gate::new(["clock".to_owned()], 64);
        let mut out = Vec::new();
        gate.push(&format!("{{\"a\": \"{}", "x".repeat(57)), &mut out);
        assert_eq!(out, []);
        gate.push("x", &mut out);
        assert!(matches!(&out[..], [Piece::Text(text)] if text.len() == 65), "{out:?}");
    }

    #[test]
    fn without_tools_the_gate_stands_open() {
        let mut gate = Gate::new([], 64);
        let mut out = Vec::new();
        gate.push("{\"name", &mut out);
        assert_eq!(out, [Piece::Text("{\"name".into())]);
    }

    proptest! {
        /// However a text is cut, it comes out whole, and the same calls are found.
        #[test]
        fn cuts_do_not_matter(
            words in prop::collection::vec(prop::sample::select(
                vec![CALL, "{", "}", "\"", "```", "```json\n", "<tool_call>", "<", "\n", " ", "a", "é", "`", "{{", "\\"]), 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let text = words.concat();
            let ends: Vec<_> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| ends[cut.index(ends.len())]).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let (said, calls) = run(cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]));
            if calls == 0 {
                prop_assert_eq!(said.trim_start(), text.trim_start());
            } else {
                prop_assert!(text.trim_start().starts_with(said.trim_start()));
            }
        }
    }
}
