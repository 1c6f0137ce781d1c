//! The state of an engine as one number, for tests: equal for states that will behave equally.
//!
//! Only compiled with the feature `rules`. Ids are numbered again in the order in which they appear, times count from
//! now, and what only the latency report and the bill read is left out, as are the history and the counters.

use std::{
    collections::hash_map::DefaultHasher,
    fmt::Write,
    hash::{Hash, Hasher},
};

use super::Engine;

/// What only the latency report reads, and so is left out. The bill is left out always.
#[derive(Debug, Clone, Copy)]
struct Reported {
    /// The moments of turns and replies, but for the wait that ended a turn: without a budget, nothing is steered by them.
    moments: bool,
    /// When a turn was committed: without a filler, nothing waits from there.
    committed: bool,
}

impl Reported {
    fn is_type(self, name: &[u8]) -> bool {
        name == b"TokenUsage" || (self.moments && name == b"Stamps")
    }

    fn is_field(self, name: &[u8]) -> bool {
        (self.moments && [&b"transcribed"[..], b"reviewed", b"review_overdue"].contains(&name))
            || (self.committed && name == b"committed")
    }
}

/// Age in milliseconds from which the past is all the same; more than any default that counts from the past.
const LONG_AGO: i64 = 20_000;

impl Engine {
    /// The state as a number. Two states with the same number give the same outputs to the same later inputs, but for
    /// ids, the history shown to the model, and latencies; times are told apart to the millisecond.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut text = String::with_capacity(4_096);
        let speech = (&self.speakers, &self.turn, &self.overlap, self.user_state);
        let replies = (&self.floor, &self.waiting, &self.detached, self.agent_state);
        let rest = (&self.closing, &self.corrections, &self.tools, &self.instructions, self.last_activity);
        let steered = (&self.controller, self.presence, self.linked, self.failed_in_row, self.first_heard);
        let _ = write!(text, "{speech:?}{replies:?}{rest:?}{steered:?}");
        let moments = self.config.latency.budget.is_none();
        let committed = moments && self.config.conversation.filler.is_empty();
        canonical(&text, self.now.as_millis(), Reported { moments, committed })
    }
}

/// Hashes what `Debug` printed, less what does not matter.
fn canonical(text: &str, now: u64, reported: Reported) -> u64 {
    let bytes = text.as_bytes();
    let mut hasher = DefaultHasher::new();
    let mut ids: Vec<&[u8]> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let c = bytes[at];
        if c == b'"' {
            let end = string_end(bytes, at);
            hash_string(&bytes[at..end], &mut hasher);
            at = end;
        } else if c.is_ascii_alphanumeric() || c == b'_' {
            let end =
                at + bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
            let word = &bytes[at..end];
            if reported.is_type(word) || (bytes.get(end) == Some(&b':') && reported.is_field(word)) {
                at = value_end(bytes, end);
                continue;
            }
            if reported.moments && word == b"Moments" {
                let past = value_end(bytes, end);
                first_field(&bytes[end..past]).hash(&mut hasher);
                at = past;
                continue;
            }
            if let Some(millis) = time(word) {
                (now as i64 - millis).min(LONG_AGO).hash(&mut hasher);
            } else if is_id(word) {
                let number = ids.iter().position(|id| *id == word).unwrap_or_else(|| {
                    ids.push(word);
                    ids.len() - 1
                });
                (word[0], number).hash(&mut hasher);
            } else {
                word.hash(&mut hasher);
            }
            at = end;
        } else {
            c.hash(&mut hasher);
            at += 1;
        }
    }
    hasher.finish()
}

/// Hashes a string, less the number that makes the name of a tool call unique.
fn hash_string(string: &[u8], hasher: &mut DefaultHasher) {
    let mut in_number = false;
    for &c in string {
        in_number = c == b'#' || (in_number && c.is_ascii_digit());
        if !in_number || c == b'#' {
            c.hash(hasher);
        }
    }
}

/// Past the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// Past the value that begins at `at`, before the comma or bracket behind it.
fn value_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0;
    let mut end = at;
    while end < bytes.len() {
        match bytes[end] {
            b'"' => {
                end = string_end(bytes, end);
                continue;
            }
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' if depth == 0 => return end,
            b'}' | b')' | b']' => depth -= 1,
            b',' if depth == 0 => return end,
            _ => {}
        }
        end += 1;
    }
    end
}

/// The first field of a printed struct: of the moments of a turn, the wait that ended it.
fn first_field(value: &[u8]) -> &[u8] {
    value.split(|b| *b == b',').next().unwrap_or_default()
}

/// Milliseconds of a timestamp such as `1.250s`.
fn time(word: &[u8]) -> Option<i64> {
    let digits = word.strip_suffix(b"s")?;
    let point = digits.len().checked_sub(4)?;
    let (whole, fraction) = (&digits[..point], &digits[point + 1..]);
    if digits[point] != b'.' || whole.is_empty() {
        return None;
    }
    let number = |digits: &[u8]| {
        let digit = |sum: i64, b: &u8| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0'));
        digits.iter().try_fold(0, digit)
    };
    Some(number(whole)? * 1_000 + number(fraction)?)
}

/// Whether the word is an id, such as `u12`. Those of speakers stay: who speaks matters.
fn is_id(word: &[u8]) -> bool {
    matches!(word[0], b'u' | b't' | b'r' | b'g' | b'c' | b'p' | b'k' | b'm')
        && word.len() > 1
        && word[1..].iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Wait, turn::Moments},
        *,
    };
    use crate::time::Timestamp;

    /// Without a budget and a filler.
    const PLAIN: Reported = Reported { moments: true, committed: true };
    const STEERED: Reported = Reported { moments: false, committed: false };

    fn moments(seconds: u64, wait: Wait) -> String {
        format!("{:?}", Some(Moments::at(Timestamp::from_millis(1_000 * seconds), wait)))
    }

    #[test]
    fn ids_and_times_are_relative() {
        let one =
            r#"Utterance { id: u7, since: 1.250s, text: "u7 at 1.250s" }, Pause { transcribed: 1.300s, by: 2.000s }"#;
        let two =
            r#"Utterance { id: u9, since: 2.250s, text: "u7 at 1.250s" }, Pause { transcribed: 2.999s, by: 3.000s }"#;
        assert_eq!(canonical(one, 1_500, PLAIN), canonical(two, 2_500, PLAIN));
        assert_ne!(canonical(one, 1_500, PLAIN), canonical(two, 2_501, PLAIN));
        assert_ne!(canonical("u1 u1", 0, PLAIN), canonical("u1 u2", 0, PLAIN));
    }

    #[test]
    fn the_wait_that_ended_a_turn_counts_and_its_moments_only_with_a_budget() {
        let numbers = |reported| {
            let of = |seconds, wait| canonical(&moments(seconds, wait), 9_000, reported);
            [of(1, Wait::Typed), of(1, Wait::Limit), of(2, Wait::Typed)]
        };
        let [typed, limit, later] = numbers(PLAIN);
        assert_ne!(typed, limit);
        assert_eq!(typed, later);
        let [typed, limit, later] = numbers(STEERED);
        assert_ne!(typed, limit);
        assert_ne!(typed, later);
    }

    #[test]
    fn the_commit_of_a_turn_counts_only_with_a_filler() {
        let number = |committed, text| canonical(text, 9_000, Reported { moments: true, committed });
        let (one, two) = ("Committed { committed: 1.000s }", "Committed { committed: 2.000s }");
        assert_eq!(number(true, one), number(true, two));
        assert_ne!(number(false, one), number(false, two));
    }
}
