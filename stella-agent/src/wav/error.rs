//! What can be wrong with an audio file, in one line that names the file.

use std::path::{Path, PathBuf};

/// An audio file that cannot be used. **Caller:** give another file; only [`Problem::Unreadable`] may pass.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}", path = path.display())]
pub struct AudioFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with an audio file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be opened, read or written.
    #[error("{0}")]
    Unreadable(std::io::Error),
    /// It is a folder, a pipe or a device.
    #[error("is not a file")]
    NotAFile,
    /// It is no WAV file.
    #[error("is not a WAV file")]
    NotWav,
    /// It begins as a WAV file, but is damaged or cut short.
    #[error("is damaged: {0}")]
    Broken(String),
    /// The samples are not plain PCM (8, 16, 24 or 32 bit, or 32 or 64-bit float).
    #[error("holds compressed or unusual samples; convert it to plain PCM")]
    NotPcm,
    /// The sample rate is outside 8-48 kHz.
    #[error("has a sample rate of {0} Hz; 8,000 to 48,000 Hz can be used")]
    SampleRate(u32),
    /// It has more than two channels.
    #[error("has {0} channels; one or two can be used")]
    Channels(u16),
    /// It holds no sample.
    #[error("holds no audio")]
    Empty,
    /// It holds nothing louder than -60 dBFS.
    #[error("holds only silence")]
    Silent,
    /// It is longer than an hour.
    #[error("is longer than an hour")]
    TooLong,
}

impl AudioFileError {
    pub(super) fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.to_owned(), problem }
    }

    /// Whether the same call may succeed later without a change of the file.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match &self.problem {
            Problem::Unreadable(error) => error.kind() == std::io::ErrorKind::Interrupted,
            Problem::NotAFile
            | Problem::NotWav
            | Problem::Broken(_)
            | Problem::NotPcm
            | Problem::SampleRate(_)
            | Problem::Channels(_)
            | Problem::Empty
            | Problem::Silent
            | Problem::TooLong => false,
        }
    }
}
