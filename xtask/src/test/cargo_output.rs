//! Runs `cargo test`, prints its output as it comes, and reads from it what passed and failed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::report::{Counts, Report, Row};
use super::suites::{Real, Suite, Suites};
use crate::process::{Running, interrupted};
use crate::servers::livekit::LiveKit;
use crate::servers::llm::Llm;
use crate::setup::browser;
use crate::ui;

/// How long to listen after cargo ended, for a stray child that still holds the output.
const AFTER_END: Duration = Duration::from_secs(2);

/// A line of `cargo test` that means something here.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// A test program begins; the text is the executable's path.
    Begins(&'a str),
    /// The documentation tests of a crate begin.
    DocTests(&'a str),
    /// A test program ended with these counts.
    Result(Counts),
}

fn parse(line: &str) -> Option<Line<'_>> {
    let text = line.trim();
    if let Some(rest) = text.strip_prefix("Running ") {
        return Some(Line::Begins(rest.rsplit_once('(')?.1.strip_suffix(')')?));
    }
    if let Some(name) = text.strip_prefix("Doc-tests ") {
        return Some(Line::DocTests(name));
    }
    let counts = text.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |what: &str| {
        let part = counts.split("; ").find_map(|p| p.strip_suffix(what))?;
        part.trim().parse::<usize>().ok()
    };
    Some(Line::Result(Counts { passed: count(" passed")?, failed: count(" failed")?, ignored: count(" ignored")? }))
}

/// A test program under way.
#[derive(Debug)]
struct Current {
    suite: Suite,
    since: Instant,
    participants: usize,
    completions: usize,
}

/// Runs `command` to its end, adding a row per test program to `report`.
///
/// # Errors
/// When cargo cannot be run or watched; failing tests are rows, not errors.
pub(crate) fn run(
    command: &mut Command,
    deadline: Instant,
    suites: &Suites,
    livekit: &LiveKit,
    llm: &Llm,
    report: &mut Report,
) -> Result<()> {
    // One pipe for both streams keeps cargo's headings and the programs' results in order.
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    let copy = writer.try_clone().context("cannot share a pipe")?;
    command.stdin(Stdio::null()).stdout(writer).stderr(copy);
    let start = Instant::now();
    let mut cargo = Running::start(command)?;
    // The command still holds the writing ends; without this the reader would never see the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (tell, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if tell.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });

    let mut current: Option<Current> = None;
    let mut failed_rows = 0;
    let begin = |suite: Suite| Current {
        suite,
        since: Instant::now(),
        participants: livekit.participants_seen(),
        completions: llm.completions_seen(),
    };
    let mut end = |current: Current, counts: Counts, note: Option<&str>, report: &mut Report| {
        failed_rows += usize::from(counts.failed > 0);
        let mut peers = peers(&current, livekit, llm);
        peers.extend(note.map(str::to_owned));
        report.add(Row::suite(&current.suite.name, counts, current.since.elapsed(), peers.join(", ")));
    };
    let mut status = None;
    let mut quiet_until = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => {
                ui::line(&line);
                match parse(&line) {
                    Some(Line::Begins(path)) => {
                        let unknown = || Suite { name: path.to_owned(), asks_for: Vec::new() };
                        let next = suites.get(path).cloned().unwrap_or_else(unknown);
                        if let Some(broken) = current.replace(begin(next)) {
                            end(broken, Counts::one_failed(), Some("ended without a result"), report);
                        }
                    }
                    Some(Line::DocTests(name)) => {
                        let name = format!("{} (documentation)", name.replace('_', "-"));
                        if let Some(broken) = current.replace(begin(Suite { name, asks_for: Vec::new() })) {
                            end(broken, Counts::one_failed(), Some("ended without a result"), report);
                        }
                    }
                    Some(Line::Result(counts)) => {
                        if let Some(done) = current.take() {
                            end(done, counts, None, report);
                        }
                    }
                    None => {}
                }
            }
            Err(RecvTimeoutError::Disconnected) if status.is_some() => break,
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(20)),
            Err(RecvTimeoutError::Timeout) if quiet_until.is_some_and(|q| Instant::now() >= q) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if status.is_none() {
            status = cargo.ended()?;
            quiet_until = status.map(|_| Instant::now() + AFTER_END);
        }
        if interrupted() {
            bail!("stopped");
        }
        if status.is_none() && Instant::now() >= deadline {
            cargo.end();
            let name = current.take().map_or_else(|| "cargo test".to_owned(), |c| c.suite.name);
            report.add(Row::suite(
                &name,
                Counts::one_failed(),
                start.elapsed(),
                "took too long and was stopped".to_owned(),
            ));
            return Ok(());
        }
    }
    if let Some(broken) = current.take() {
        end(broken, Counts::one_failed(), Some("ended without a result"), report);
    }
    if failed_rows == 0 && !status.is_some_and(|s| s.success()) {
        // Cargo failed in a way that no test shows, for example a documentation test that cannot be built.
        report.add(Row::check("cargo test", false, start.elapsed()));
    }
    Ok(())
}

/// What a test program ran against: what its source asks for, with what the servers saw of it.
fn peers(current: &Current, livekit: &LiveKit, llm: &Llm) -> Vec<String> {
    let participants = livekit.participants_seen() - current.participants;
    let completions = llm.completions_seen() - current.completions;
    let asks = |real| current.suite.asks_for.contains(&real);
    let mut peers = Vec::new();
    if participants > 0 || asks(Real::LiveKit) {
        peers.push(format!("livekit-server {} ({participants} participants)", livekit.peer().version));
    }
    if asks(Real::Python) {
        peers.push(format!("Python livekit {}", crate::setup::venv::LIVEKIT));
    }
    if asks(Real::Browser) {
        peers.push(browser::versions());
    }
    if completions > 0 || asks(Real::Llm) {
        peers.push(format!("{} ({completions} completions)", llm.model));
    }
    if asks(Real::Models) {
        peers.push("models of the cache".to_owned());
    }
    peers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_cargo_are_read() {
        assert_eq!(
            parse("     Running tests/room.rs (target/debug/deps/room-0a1b)"),
            Some(Line::Begins("target/debug/deps/room-0a1b"))
        );
        assert_eq!(
            parse("     Running unittests src/lib.rs (/t/debug/deps/a-1)"),
            Some(Line::Begins("/t/debug/deps/a-1"))
        );
        assert_eq!(parse("   Doc-tests stella_core"), Some(Line::DocTests("stella_core")));
        let ok = "test result: ok. 17 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 1.06s";
        assert_eq!(parse(ok), Some(Line::Result(Counts { passed: 17, failed: 0, ignored: 2 })));
        let failed = "test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0s";
        assert_eq!(parse(failed), Some(Line::Result(Counts { passed: 1, failed: 3, ignored: 0 })));
        assert_eq!(parse("test room::joins ... ok"), None);
        assert_eq!(parse("Running out of ideas"), None);
    }
}
