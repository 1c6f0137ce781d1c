//! Recordings of conversations: what the engine was told and what it said, one JSON object a line.
//!
//! The engine is pure, so a recording can be run again: the same inputs at the same times give the same outputs, on
//! another day and another machine. The first output that differs is the bug, or the change that was made on purpose.
//!
//! ```
//! use stella_core::{
//!     engine::{CloseReason, Engine, Input, Options, Recorder, WordListJudge, replay},
//!     time::Timestamp,
//! };
//!
//! let config = Options::default().validate()?;
//! let mut recorder = Recorder::new(Vec::new(), &config)?;
//! let mut engine = Engine::new(config, Box::new(WordListJudge));
//! let end = Input::End { reason: CloseReason::Application, farewell: None, within: std::time::Duration::ZERO };
//! recorder.input(Timestamp::ZERO, &end)?;
//! engine.handle(Timestamp::ZERO, end);
//! while let Some(output) = engine.poll_output() {
//!     recorder.output(Timestamp::ZERO, &output)?;
//! }
//! let report = replay(&recorder.into_inner()[..], Box::new(WordListJudge))?;
//! assert_eq!((report.inputs, report.outputs), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! The format, version [`FORMAT`]: first a header `{"stella_replay":1,"version":"…","options":{…}}`, then
//! `{"t":1200000,"in":…}` for each [`Input`] and `{"t":1200000,"out":…}` for each [`Output`] it caused, where `t` is
//! the [`Timestamp`] in microseconds. A recording that was cut off in the middle of a line is read up to there.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::{Config, Engine, Input, Judge, Options, OptionsError, Output};
use crate::time::Timestamp;

/// Version of the format that is written; others are not read.
pub const FORMAT: u32 = 1;

/// The first line of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`] of the recording.
    pub stella_replay: u32,
    /// Version of this crate that made it.
    pub version: String,
    /// Options of the engine, all of them, so that a later default changes nothing.
    pub options: Options,
}

/// The format that the first line of a recording names, whatever else it has.
fn format_of(first: &str) -> Option<u32> {
    let line: serde_json::Value = serde_json::from_str(first).ok()?;
    u32::try_from(line.get("stella_replay")?.as_u64()?).ok()
}

/// One later line of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Number of the line, from 1.
    pub line: usize,
    /// When it happened, as the shell saw it.
    pub at: Timestamp,
    /// What happened.
    pub what: Recorded,
}

/// What a line tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// The engine was told this.
    Input(Input),
    /// The engine said this, because of the last input before it.
    Output(Output),
}

/// A line as it is written.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    In(&'a Input),
    Out(&'a Output),
}

#[derive(Serialize)]
struct TimedLine<'a> {
    t: Timestamp,
    #[serde(flatten)]
    line: Line<'a>,
}

/// A line as it is read.
#[derive(Deserialize)]
struct AnyLine {
    t: Timestamp,
    r#in: Option<Input>,
    out: Option<Output>,
}

/// Writes a recording while the conversation goes on. It does no more I/O than its writer.
#[derive(Debug)]
pub struct Recorder<W> {
    writer: W,
}

impl<W: Write> Recorder<W> {
    /// Starts a recording with its header.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(writer: W, config: &Config) -> io::Result<Self> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let header = Header { stella_replay: FORMAT, version, options: (**config).clone() };
        let mut recorder = Self { writer };
        recorder.line(&header)?;
        Ok(recorder)
    }

    /// Records an input, before or after it is handled, but before its outputs.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn input(&mut self, at: Timestamp, input: &Input) -> io::Result<()> {
        self.line(&TimedLine { t: at, line: Line::In(input) })
    }

    /// Records an output of the last input.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn output(&mut self, at: Timestamp, output: &Output) -> io::Result<()> {
        self.line(&TimedLine { t: at, line: Line::Out(output) })
    }

    /// The writer, with everything written but not flushed.
    pub fn into_inner(self) -> W {
        self.writer
    }

    /// The writer, to flush it.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Writes one line at once, so that a crash leaves whole lines.
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.writer.write_all(&bytes)
    }
}

/// A recording that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Its first line.
    pub header: Header,
    /// The others.
    pub records: Vec<Record>,
    /// Whether it ends in the middle of a line: whoever wrote it was stopped.
    pub cut: bool,
}

/// What a replay that gave equal outputs has run through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Version of this crate that made the recording.
    pub version: String,
    /// Inputs given.
    pub inputs: usize,
    /// Outputs compared.
    pub outputs: usize,
    /// Whether the conversation had ended.
    pub closed: bool,
    /// Whether the recording was cut off.
    pub cut: bool,
    /// Time of the last line.
    pub until: Timestamp,
}

/// Where a replay first differs from its recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// Line of the recording, from 1; that of the input if an output is missing in the recording.
    pub line: usize,
    /// Time of that line.
    pub at: Timestamp,
    /// The output in the recording; `None` if there is none.
    pub expected: Option<Output>,
    /// The output of the engine; `None` if there is none.
    pub actual: Option<Output>,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |output: &Option<Output>| match output {
            Some(output) => serde_json::to_string(output).unwrap_or_else(|_| format!("{output:?}")),
            None => "nothing".into(),
        };
        write!(f, "line {}, {}: recorded {}, ", self.line, self.at, text(&self.expected))?;
        write!(f, "but the engine says {}", text(&self.actual))
    }
}

/// Why a recording could not be replayed to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It could not be read.
    #[error("the recording cannot be read")]
    Read(#[source] io::Error),
    /// There is no line in it.
    #[error("the recording is empty")]
    Empty,
    /// Its first line is not that of a recording.
    #[error("this is not a recording of a conversation")]
    Foreign,
    /// A line is not what it should be.
    #[error("line {line} of the recording cannot be understood")]
    Malformed {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It was made by another version of the format.
    #[error("the recording has format {found}, and this version of Stella reads format {FORMAT}")]
    Format {
        /// Its format.
        found: u32,
    },
    /// Its options are not valid today.
    #[error("the options of the recording are not valid")]
    Options(#[source] OptionsError),
    /// The engine did not say what it had said.
    #[error("the replay differs from the recording at {0}")]
    Diverged(Box<Divergence>),
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// [`ReplayError`] if it cannot be read or understood; a last line without its end is left out.
    pub fn read(mut reader: impl BufRead) -> Result<Self, ReplayError> {
        let mut header = None;
        let (mut records, mut cut) = (Vec::new(), false);
        let mut text = String::new();
        for line in 1.. {
            text.clear();
            match reader.read_line(&mut text) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidData && header.is_none() => {
                    return Err(ReplayError::Foreign);
                }
                Err(error) => return Err(ReplayError::Read(error)),
            }
            if text.trim().is_empty() {
                continue;
            }
            let parsed = match &header {
                None => {
                    let found = format_of(&text).ok_or(ReplayError::Foreign)?;
                    if found != FORMAT {
                        return Err(ReplayError::Format { found });
                    }
                    serde_json::from_str(&text).map(|first| header = Some(first))
                }
                Some(_) => serde_json::from_str(&text).and_then(|any| record(line, any)).map(|r| records.push(r)),
            };
            match parsed {
                Ok(()) => {}
                Err(_) if !text.ends_with('\n') && header.is_some() => cut = true,
                Err(source) => return Err(ReplayError::Malformed { line, source }),
            }
        }
        let header: Header = header.ok_or(ReplayError::Empty)?;
        Ok(Self { header, records, cut })
    }

    /// Gives the inputs to a new engine, and compares its outputs.
    ///
    /// # Errors
    /// [`ReplayError::Diverged`] at the first output that differs, or [`ReplayError::Options`].
    pub fn replay(&self, judge: Box<dyn Judge>) -> Result<Report, ReplayError> {
        let config = self.header.options.clone().validate().map_err(ReplayError::Options)?;
        let mut engine = Engine::new(config, judge);
        let (mut inputs, mut outputs) = (0, 0);
        let mut last = (1, Timestamp::ZERO);
        let diverged = |(line, at): (usize, Timestamp), expected: Option<Output>, actual: Option<Output>| {
            Err(ReplayError::Diverged(Box::new(Divergence { line, at, expected, actual })))
        };
        for record in &self.records {
            match &record.what {
                Recorded::Input(input) => {
                    if let Some(actual) = engine.poll_output() {
                        return diverged(last, None, Some(actual));
                    }
                    engine.handle(record.at, input.clone());
                    inputs += 1;
                }
                Recorded::Output(expected) => {
                    let actual = engine.poll_output();
                    if actual.as_ref() != Some(expected) {
                        return diverged((record.line, record.at), Some(expected.clone()), actual);
                    }
                    outputs += 1;
                }
            }
            last = (record.line, record.at);
        }
        if let Some(actual) = engine.poll_output().filter(|_| !self.cut) {
            return diverged(last, None, Some(actual));
        }
        let version = self.header.version.clone();
        Ok(Report { version, inputs, outputs, closed: engine.is_closed(), cut: self.cut, until: last.1 })
    }
}

fn record(line: usize, any: AnyLine) -> Result<Record, serde_json::Error> {
    let what = match (any.r#in, any.out) {
        (Some(input), None) => Recorded::Input(input),
        (None, Some(output)) => Recorded::Output(output),
        _ => return Err(serde::de::Error::custom("expected either `in` or `out`")),
    };
    Ok(Record { line, at: any.t, what })
}

/// Reads a recording and replays it: [`Recording::read`], then [`Recording::replay`].
///
/// # Errors
/// [`ReplayError`] if it cannot be read, or the engine does not say what it had said.
pub fn replay(reader: impl BufRead, judge: Box<dyn Judge>) -> Result<Report, ReplayError> {
    Recording::read(reader)?.replay(judge)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::{CloseReason, ReplyOptions, WordListJudge};

    /// A recording of a greeting and the end.
    fn recorded() -> String {
        let config = Options::default().validate().unwrap();
        let mut recorder = Recorder::new(Vec::new(), &config).unwrap();
        let mut engine = Engine::new(config, Box::new(WordListJudge));
        let end = Input::End { reason: CloseReason::Completed, farewell: None, within: Duration::ZERO };
        let say = Input::Say { text: "Hello.".into(), options: ReplyOptions::default() };
        for (at, input) in [(100, say), (200, Input::Tick), (300, end)] {
            let at = Timestamp::from_millis(at);
            recorder.input(at, &input).unwrap();
            engine.handle(at, input);
            while let Some(output) = engine.poll_output() {
                recorder.output(at, &output).unwrap();
            }
        }
        String::from_utf8(recorder.into_inner()).unwrap()
    }

    fn run(recording: &str) -> Result<Report, ReplayError> {
        replay(recording.as_bytes(), Box::new(WordListJudge))
    }

    #[test]
    fn i11_a_recording_replays_to_equal_outputs() {
        let report = run(&recorded()).unwrap();
        assert_eq!((report.inputs, report.closed, report.cut), (3, true, false));
        assert!(report.outputs > 3);
    }

    #[test]
    fn an_output_that_differs_is_found_with_its_line() {
        let recording = recorded().replace(r#"{"agent_state":"thinking"}"#, r#"{"agent_state":"speaking"}"#);
        let Err(ReplayError::Diverged(difference)) = run(&recording) else { panic!("no divergence") };
        let text = difference.to_string();
        assert!(text.starts_with("line 5, 0.100: recorded"), "{text}");
        assert!(text.contains("speaking") && text.contains("thinking"), "{text}");
    }

    #[test]
    fn an_output_too_many_or_too_few_is_found() {
        let recording = recorded();
        let without = |n: usize| {
            let lines: Vec<_> = recording.lines().enumerate().filter(|&(i, _)| i + 1 != n).map(|(_, l)| l).collect();
            format!("{}\n", lines.join("\n"))
        };
        let last = recording.lines().count();
        for line in [3, 5, last] {
            assert!(matches!(run(&without(line)), Err(ReplayError::Diverged(_))), "without line {line}");
        }
        let twice = recording.replace(
            r#""in":"tick"}"#,
            "\"in\":\"tick\"}\n{\"t\":200000,\"out\":{\"event\":{\"agent_state\":\"thinking\"}}}",
        );
        assert!(matches!(run(&twice), Err(ReplayError::Diverged(d)) if d.actual.is_none()));
    }

    #[test]
    fn a_cut_recording_is_read_up_to_the_cut() {
        let recording = recorded();
        let report = run(recording[..recording.len() - 5].trim_end()).unwrap();
        assert!(report.cut);
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(run(""), Err(ReplayError::Empty)));
        for foreign in ["hello\n", "{\"version\":1}\n", "[1]"] {
            assert!(matches!(run(foreign), Err(ReplayError::Foreign)), "{foreign}");
        }
        assert!(matches!(replay(&[0xff, 0xfe, 0, 10][..], Box::new(WordListJudge)), Err(ReplayError::Foreign)));
        // Whatever else another format may have in its first line.
        let other = "{\"stella_replay\":2,\"options\":{\"colour\":\"red\"}}\n";
        assert!(matches!(run(other), Err(ReplayError::Format { found: 2 })));
        let broken = recorded().replacen("\"in\"", "\"into\"", 1);
        assert!(matches!(run(&broken), Err(ReplayError::Malformed { line: 2, .. })));
    }
}
