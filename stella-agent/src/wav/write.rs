//! Writing: 16-bit PCM.

use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use stella_core::audio::AudioFrame;

use super::error::{AudioFileError, Problem};

/// Writes a frame as a 16-bit PCM WAV file, over any file of that name.
///
/// # Errors
/// [`AudioFileError`] if the file cannot be written.
pub fn write(path: &Path, frame: &AudioFrame) -> Result<(), AudioFileError> {
    let spec = WavSpec {
        channels: u16::from(frame.format().channels()),
        sample_rate: frame.format().sample_rate(),
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let run = || {
        let mut writer = WavWriter::create(path, spec)?;
        for &sample in frame.samples() {
            writer.write_sample(sample)?;
        }
        writer.finalize()
    };
    run().map_err(|error| {
        let problem = match error {
            hound::Error::IoError(error) => Problem::Unreadable(error),
            error => Problem::Broken(error.to_string()),
        };
        AudioFileError::new(path, problem)
    })
}
