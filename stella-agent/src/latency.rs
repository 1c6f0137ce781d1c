//! Where the time of the turns went, as a table.

use std::{fmt, time::Duration};

use stella_core::engine::{TurnLatency, Wait};

/// A table of turns, in milliseconds, with the medians below. Each row adds up to its response time: from the user's last
/// voiced sample to the agent's first sample sent. Work that was done ahead of time counts as zero; a stage that took no
/// time in any turn is left out.
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
        let took = |stage: &usize| self.turns.iter().any(|turn| !turn.gaps()[*stage].1.is_zero());
        let stages: Vec<usize> = (0..first.gaps().len()).filter(took).collect();
        write!(f, "{:>6}", "turn")?;
        for &stage in &stages {
            write!(f, "{:>13}", first.gaps()[stage].0)?;
        }
        write!(f, "{:>13}  ended by", "response")?;
        for turn in self.turns {
            write!(f, "\n{:>6}", turn.turn.to_string())?;
            for &stage in &stages {
                write!(f, "{:>13}", millis(turn.gaps()[stage].1))?;
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
        for &stage in &stages {
            let gap = median(self.turns.iter().map(|turn| turn.gaps()[stage].1).collect());
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
        engine::Overdue,
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
            reviewed: at(1_250),
            requested: at(1_235),
            first_token: at(1_335),
            tools_done: at(1_335),
            first_words: at(1_335),
            first_segment: at(1_400),
            first_audio: at(1_450),
            first_sample: at(1_470),
            overdue: Overdue::default(),
        };
        let table = LatencyTable::new(std::slice::from_ref(&turn)).to_string();
        let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(rows[0][..7], ["turn", "vad", "endpointing", "llm", "segmenter", "tts", "playout"]);
        assert_eq!(rows[1][..8], ["t3", "200", "50", "85", "65", "50", "20", "470"]);
        assert_eq!(rows[1][8..], ["complete,", "speculative"]);
        assert_eq!(rows[2][7], "470");
        assert_eq!(LatencyTable::new(&[]).to_string(), "no turn was answered");
    }
}
