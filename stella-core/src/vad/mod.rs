//! The seam to voice activity detection, and the segmenter that turns probabilities into voice starts and ends.

mod segmenter;
mod tail;

use std::fmt;

use async_trait::async_trait;

pub use segmenter::{Segmenter, VadEvent, VadOptions};
pub use tail::{TAIL_CONTEXT, silent_tail};

use crate::error::ProviderError;

/// Tells speech from everything else, window by window, in 16 kHz mono audio.
pub trait Vad: fmt::Debug + Send + Sync {
    /// Short name of the provider, for errors, metrics and logs.
    fn name(&self) -> &'static str;

    /// Samples in one window; Silero takes 512 (32 ms).
    fn window(&self) -> usize;

    /// Opens detection for one speaker.
    ///
    /// # Errors
    /// [`ProviderError`], if the model cannot be loaded.
    fn open(&self) -> Result<Box<dyn VadStream>, ProviderError>;
}

/// Detection in the audio of one speaker, with its own state.
#[async_trait]
pub trait VadStream: Send {
    /// Probability (0-1) that `window`, exactly [`Vad::window`] samples that follow the previous ones, holds speech.
    ///
    /// # Errors
    /// [`ProviderError`]; the state is unchanged, so the next window may be given.
    async fn predict(&mut self, window: &[i16]) -> Result<f32, ProviderError>;
}
