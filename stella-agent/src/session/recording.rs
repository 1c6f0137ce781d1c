//! Recording what the engine was told and said.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use serde::Serialize;
use stella_core::{
    engine::{Config, Input, Output},
    time::Timestamp,
};

/// Writes JSON lines: a header, then `{"t":micros,"in":…}` and `{"t":micros,"out":…}`.
pub(super) struct Recording {
    file: Option<BufWriter<File>>,
}

#[derive(Serialize)]
struct Header<'a> {
    stella: &'static str,
    options: &'a Config,
}

#[derive(Serialize)]
struct Line<'a> {
    t: Timestamp,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum What<'a> {
    In(&'a Input),
    Out(&'a Output),
}

impl Recording {
    /// A recording that writes nothing.
    pub(super) fn off() -> Self {
        Self { file: None }
    }

    /// Begins a file, over any of that name.
    pub(super) fn create(path: &Path, options: &Config) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        line(&mut file, &Header { stella: env!("CARGO_PKG_VERSION"), options })?;
        Ok(Self { file: Some(file) })
    }

    pub(super) fn input(&mut self, at: Timestamp, input: &Input) {
        self.write(at, What::In(input));
    }

    pub(super) fn output(&mut self, at: Timestamp, output: &Output) {
        self.write(at, What::Out(output));
    }

    /// The conversation goes on without its recording if the disk is full.
    fn write(&mut self, t: Timestamp, what: What<'_>) {
        if let Some(file) = &mut self.file
            && let Err(error) = line(file, &Line { t, what })
        {
            tracing::error!(%error, "the recording ends here");
            self.file = None;
        }
    }
}

fn line(file: &mut BufWriter<File>, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
}
