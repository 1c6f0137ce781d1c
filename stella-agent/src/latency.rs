//! Where the time of the turns went, as a table.

use std::{fmt, time::Duration};

use stella_core::engine::{TurnLatency, Wait};

/// A table of turns, in milliseconds, with the medians below. Each row adds up to its response time: from the user's last
/// voiced sample to the agent's first sample sent. Work that was done ahead of time counts as zero.
#[derive(Debug, Clone, Copy)]
pub struct LatencyTable<'a> {
    turns: &'a [TurnLatency],
}

impl<'a> LatencyTable<'a> {
    /// A table of these turns.
    #[must_use]
    pub fn new(turns: &'a [TurnLatency]) -> Self {
        Self { turns }
    }

    /// The middle response time; the lower one of two. `None` without turns.
    #[must_use]
    pub fn median(&self) -> Option<Duration> {
        median(self.turns.iter().map(TurnLatency::response).collect())
    }
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}

impl fmt::Display for LatencyTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.turns.first() else { return f.write_str("no turn was answered") };
        write!(f, "{:>6}", "turn")?;
        for (owner, _) in first.gaps() {
            write!(f, "{owner:>13}")?;
        }
        write!(f, "{:>13}  ended by", "response")?;
        for turn in self.turns {
            write!(f, "\n{:>6}", turn.turn.to_string())?;
            for (_, gap) in turn.gaps() {
                write!(f, "{:>13}", millis(gap))?;
            }
            let wait = match turn.wait {
                Wait::Complete => "complete",
                Wait::Unsure => "unsure",
                Wait::Incomplete => "incomplete",
                Wait::Silence => "silence",
                Wait::Recogniser => "recogniser",
                Wait::Manual => "application",
                Wait::Left => "left",
                Wait::Limit => "limit",
                Wait::Typed => "typed",
            };
            write!(
                f,
                "{:>13}  {wait}{}",
                millis(turn.response()),
                if turn.speculative { ", speculative" } else { "" }
            )?;
        }
        write!(f, "\n{:>6}", "median")?;
        for at in 0..first.gaps().len() {
            let gap = median(self.turns.iter().map(|turn| turn.gaps()[at].1).collect());
            write!(f, "{:>13}", millis(gap.unwrap_or_default()))?;
        }
        write!(f, "{:>13}", millis(self.median().unwrap_or_default()))
    }
}

fn millis(time: Duration) -> u128 {
    (time.as_micros() + 500) / 1_000
}

#[cfg(test)]
mod tests {
    use stella_core::{
        id::{ReplyId, TurnId},
        time::Timestamp,
    };

    use super::*;

    #[test]
    fn a_row_adds_up() {
        let at = Timestamp::from_millis;
        let turn = TurnLatency {
            turn: TurnId(3),
            reply: ReplyId(4),
            wait: Wait::Complete,
            percent: Some(90),
            speculative: true,
            last_voiced: at(1_000),
            voice_ended: at(1_200),
            ready: at(1_250),
            transcribed: at(1_230),
            committed: at(1_250),
            requested: at(1_235),
            first_token: at(1_335),
            first_segment: at(1_400),
            first_audio: at(1_450),
            first_sample: at(1_470),
        };
        let table = LatencyTable::new(std::slice::from_ref(&turn)).to_string();
        let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[1][..10], ["t3", "200", "50", "0", "0", "85", "65", "50", "20", "470"]);
        assert_eq!(rows[1][10..], ["complete,", "speculative"]);
        assert_eq!(rows[2][9], "470");
        assert_eq!(LatencyTable::new(&[]).to_string(), "no turn was answered");
    }
}
