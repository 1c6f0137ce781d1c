//! Recording what the engine was told and said.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

use stella_core::{
    engine::{Config, Input, Output, Recorder},
    time::Timestamp,
};

/// Writes a recording, if one is wanted.
pub(super) struct Recording {
    recorder: Option<Recorder<BufWriter<File>>>,
}

impl Recording {
    /// A recording that writes nothing.
    pub(super) fn off() -> Self {
        Self { recorder: None }
    }

    /// Begins a file, over any of that name.
    pub(super) fn create(path: &Path, config: &Config) -> io::Result<Self> {
        let recorder = Recorder::new(BufWriter::new(File::create(path)?), config)?;
        Ok(Self { recorder: Some(recorder) })
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
    fn write(&mut self, write: impl FnOnce(&mut Recorder<BufWriter<File>>) -> io::Result<()>) {
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = write(recorder)
        {
            tracing::error!(%error, "the recording ends here");
            self.recorder = None;
        }
    }
}
