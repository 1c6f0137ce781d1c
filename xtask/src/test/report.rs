//! The table at the end of a test run.

use std::process::ExitCode;
use std::time::Duration;

use crate::ui;

/// How many tests of a program passed, failed and were not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Passed.
    pub(crate) passed: usize,
    /// Failed.
    pub(crate) failed: usize,
    /// Marked as ignored.
    pub(crate) ignored: usize,
}

impl Counts {
    /// What stands for a program that gave no counts.
    pub(crate) fn one_failed() -> Self {
        Self { failed: 1, ..Self::default() }
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    counts: Counts,
    took: Duration,
    peers: String,
    is_check: bool,
}

impl Row {
    /// A check that passes or fails as a whole; it counts as one test.
    pub(crate) fn check(name: &str, passed: bool, took: Duration) -> Self {
        let counts = Counts { passed: usize::from(passed), failed: usize::from(!passed), ignored: 0 };
        Self { name: name.to_owned(), counts, took, peers: String::new(), is_check: true }
    }

    /// A test program, with the real peers it ran against.
    pub(crate) fn suite(name: &str, counts: Counts, took: Duration, peers: String) -> Self {
        Self { name: name.to_owned(), counts, took, peers, is_check: false }
    }

    fn cells(&self) -> Vec<String> {
        let result = match self.counts {
            Counts { failed: 0, .. } if self.is_check => "ok".to_owned(),
            Counts { failed: 0, ignored: 0, passed } => format!("{passed} passed"),
            Counts { failed: 0, ignored, passed } => format!("{passed} passed, {ignored} ignored"),
            _ if self.is_check => "FAILED".to_owned(),
            Counts { failed, passed, .. } => format!("{failed} FAILED, {passed} passed"),
        };
        vec![self.name.clone(), result, ui::seconds(self.took), self.peers.clone()]
    }
}

/// All rows of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds a row.
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    fn sum(&self) -> (usize, usize) {
        self.rows.iter().fold((0, 0), |(p, f), row| (p + row.counts.passed, f + row.counts.failed))
    }

    /// Prints the table and the sum as the last line; the exit code is 1 when anything failed.
    pub(crate) fn print(&self) -> ExitCode {
        ui::line(format!("\n== what ran ({})", super::environment().join("; ")));
        let mut rows = vec![["what", "result", "time", "against"].map(str::to_owned).to_vec()];
        // A program without tests, such as the documentation tests of a crate that has none, says nothing.
        rows.extend(self.rows.iter().filter(|r| r.counts != Counts::default()).map(Row::cells));
        ui::table(&rows);
        let (passed, failed) = self.sum();
        ui::line(format!("{passed} passed, {failed} failed"));
        if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_and_tests_add_up() {
        let mut report = Report::default();
        report.add(Row::check("cargo fmt", true, Duration::ZERO));
        report.add(Row::suite("a", Counts { passed: 3, failed: 1, ignored: 2 }, Duration::ZERO, String::new()));
        report.add(Row::suite("b", Counts::one_failed(), Duration::ZERO, String::new()));
        assert_eq!(report.sum(), (4, 2));
        assert_eq!(report.rows[1].cells()[1], "1 FAILED, 3 passed");
    }
}
