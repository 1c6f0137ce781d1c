//! Recording what the engine was told and said.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
};

use stella_core::{
    engine::{Config, Input, Output, Recorder},
    time::Timestamp,
};

/// Where a recording goes.
#[derive(Default)]
pub(super) enum Record {
    /// None is made.
    #[default]
    Off,
    /// Into a file, over any of that name.
    File(PathBuf),
    /// Somewhere else.
    Writer(Box<dyn Write + Send>),
}

/// Writes a recording, if one is wanted.
pub(super) struct Recording {
    recorder: Option<Recorder<Box<dyn Write + Send>>>,
}

impl Recording {
    /// Begins a recording.
    pub(super) fn begin(record: Record, config: &Config) -> io::Result<Self> {
        let writer: Box<dyn Write + Send> = match record {
            Record::Off => return Ok(Self { recorder: None }),
            Record::File(path) => Box::new(BufWriter::new(File::create(path)?)),
            Record::Writer(writer) => writer,
        };
        Ok(Self { recorder: Some(Recorder::new(writer, config)?) })
    }

    pub(super) fn input(&mut self, at: Timestamp, input: &Input) {
        self.write(|recorder| recorder.input(at, input));
    }

    pub(super) fn output(&mut self, at: Timestamp, output: &Output) {
        self.write(|recorder| recorder.output(at, output));
    }

    /// Writes what is still in memory.
    pub(super) fn finish(&mut self) {
        self.write(|recorder| recorder.get_mut().flush());
    }

    /// The conversation goes on without its recording if the disk is full.
    fn write(&mut self, write: impl FnOnce(&mut Recorder<Box<dyn Write + Send>>) -> io::Result<()>) {
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = write(recorder)
        {
            tracing::error!(%error, "the recording ends here");
            self.recorder = None;
        }
    }
}
