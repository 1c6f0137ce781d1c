//! Rows of a timeline, set for reading.

use std::fmt::Write;

use super::{Lane, Row};
use crate::time::Timestamp;

/// Characters of the times, with what follows them.
const TIMES: usize = 11;
/// Characters between the lanes.
const GUTTER: usize = 2;
/// Fewest characters of a lane.
const NARROWEST: usize = 20;
/// Silence that is shown as such, in milliseconds.
const SILENCE: u128 = 1_000;

/// Sets rows as a table of `width` characters: the user and the agent have a lane each, and what the engine has to say
/// about it stands below, across both. With `colour` the lanes are told apart by ANSI colours too.
#[must_use]
pub fn table(rows: &[Row], width: usize, colour: bool) -> String {
    let lane = (width.saturating_sub(TIMES + GUTTER) / 2).max(NARROWEST);
    let mut table = Table { text: String::new(), lane, colour, last: None };
    let _ = writeln!(table.text, "{:>9}  {:lane$}  agent", "seconds", "user");
    for row in rows {
        table.row(row);
    }
    table.text
}

struct Table {
    text: String,
    /// Characters of one lane.
    lane: usize,
    colour: bool,
    last: Option<Timestamp>,
}

impl Table {
    fn row(&mut self, row: &Row) {
        if let Some(gap) = self.last.map(|last| row.at.since(last).as_millis()).filter(|gap| *gap >= SILENCE) {
            let gap = format!("… {}.{} s …", gap / 1_000, gap % 1_000 / 100);
            self.line("", Lane::Engine, 0, &gap);
        }
        let time = if self.last == Some(row.at) { String::new() } else { row.at.to_string() };
        self.last = Some(row.at);
        let (indent, width) = match row.lane {
            Lane::User => (0, self.lane),
            Lane::Agent => (self.lane + GUTTER, self.lane),
            Lane::Engine => (0, 2 * self.lane + GUTTER - 2),
        };
        for (number, line) in wrap(&row.text, width).iter().enumerate() {
            let time = if number == 0 { time.as_str() } else { "" };
            let mark = match (row.lane, number) {
                (Lane::Engine, 0) => "· ",
                (Lane::Engine, _) => "  ",
                (Lane::User | Lane::Agent, _) => "",
            };
            self.line(time, row.lane, indent, &format!("{mark}{line}"));
        }
    }

    fn line(&mut self, time: &str, lane: Lane, indent: usize, text: &str) {
        // Cyan, green, faint.
        let (on, off) = match lane {
            _ if !self.colour => ("", ""),
            Lane::User => ("\x1b[36m", "\x1b[0m"),
            Lane::Agent => ("\x1b[32m", "\x1b[0m"),
            Lane::Engine => ("\x1b[2m", "\x1b[0m"),
        };
        let _ = writeln!(self.text, "{time:>9}  {:indent$}{on}{text}{off}", "");
    }
}

/// Cuts a text into lines, between words, or within one that is longer than a line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        while !word.is_empty() {
            let rest = word.split_off(word.len().min(width));
            let part: String = word.iter().collect();
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + word.len() <= width => {
                    line.push(' ');
                    line.push_str(&part);
                }
                _ => lines.push(part),
            }
            word = rest;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_asked() {
        let row = |lane, text: &str| Row { at: Timestamp::from_millis(1_500), lane, text: text.into() };
        let long = "word ".repeat(40);
        let rows = [
            row(Lane::User, &long),
            row(Lane::Agent, &"x".repeat(200)),
            row(Lane::Engine, &long),
            Row { at: Timestamp::from_millis(4_000), ..row(Lane::Agent, "listens") },
        ];
        for width in [60, 80, 121] {
            let text = table(&rows, width, false);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            assert!(text.contains("… 2.5 s …") && !text.contains('\x1b'), "{text}");
        }
        assert!(table(&rows, 80, true).contains("\x1b[36mword"));
    }
}
