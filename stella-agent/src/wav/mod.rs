//! WAV files: any plain one in, as 16 kHz mono; 16-bit ones out.
//!
//! ```no_run
//! let speech = stella_agent::wav::read("question.wav".as_ref())?;
//! println!("{:?} of speech", speech.duration());
//! # Ok::<(), stella_agent::wav::AudioFileError>(())
//! ```

mod error;
mod header;
mod read;
mod write;

pub use error::{AudioFileError, Problem};
pub use read::read;
pub use write::write;
