//! The seam to end-of-turn detection: has the speaker finished, or only paused?

use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{audio::AudioFrame, chat::ChatContext, error::ProviderError};

/// What a detector looks at, asked once per session. A new field defaults to "no", so old providers stay right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TurnDetectorCapabilities {
    /// Listens to the audio of the turn.
    pub audio: bool,
    /// Reads the transcript.
    pub text: bool,
}

/// What is known when the speaker pauses.
#[derive(Debug, Clone, Default)]
pub struct TurnDetectorRequest {
    /// The end of the speaker's audio, 16 kHz mono, at most 8 s, up to the last sample heard (the silence of the pause
    /// included).
    pub audio: Option<AudioFrame>,
    /// How much of the end of `audio` is the silence of the pause; zero if that is not known.
    pub silence: Duration,
    /// The transcript of the turn so far; may be empty or behind the audio.
    pub transcript: String,
    /// The conversation before this turn, its last few items.
    pub chat: ChatContext,
    /// BCP 47 tag of the language, if known.
    pub language: Option<String>,
}

/// Tells the end of a turn from a pause inside it.
#[async_trait]
pub trait TurnDetector: fmt::Debug + Send + Sync {
    /// Short name of the provider, for errors, metrics and logs.
    fn name(&self) -> &'static str;

    /// What the detector looks at.
    fn capabilities(&self) -> TurnDetectorCapabilities;

    /// Probability (0-1) that the turn is complete.
    ///
    /// # Errors
    /// [`ProviderError`]; the engine then decides without a score.
    async fn predict(&self, request: TurnDetectorRequest) -> Result<f32, ProviderError>;
}
