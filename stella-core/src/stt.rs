//! The seam to speech recognition.
//!
//! The conversation engine, not the recogniser, decides where an utterance begins and ends. A recogniser holds the
//! audio of the open utterance, may report interim text at any time, and answers each *checkpoint* (the speaker has
//! paused) with exactly one final text of everything heard in the utterance so far. If the speaker goes on, the next
//! final supersedes the earlier one; so a pause inside a sentence never cuts the sentence in two. Only the latest
//! checkpoint has to be answered in full: see [`SttInput::checkpoint`].

use std::{fmt, pin::Pin};

use async_trait::async_trait;
use futures_core::Stream;

use crate::{audio::AudioFrame, error::ProviderError, id::UtteranceId};

/// What a recogniser can do, asked once per session. A new field defaults to "cannot", so old providers stay right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SttCapabilities {
    /// Reports text while the speaker is still speaking.
    pub interim: bool,
    /// Says when each word was spoken.
    pub word_times: bool,
    /// Says when the speaker's turn has ended ([`SttEventKind::TurnEnd`]).
    pub turn_end: bool,
}

/// How to recognise one speaker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SttOptions {
    /// BCP 47 tag of the language; `None` takes the model's own or detects it.
    pub language: Option<String>,
    /// Words to favour, such as names; ignored by models that cannot.
    pub keyterms: Vec<String>,
}

/// What was recognised. Each event replaces all earlier text of its utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct SttEvent {
    /// The utterance it belongs to.
    pub utterance: UtteranceId,
    /// The whole text of the utterance so far; empty if nothing was said.
    pub text: String,
    /// Interim, or the answer to a checkpoint.
    pub kind: SttEventKind,
    /// How sure the model is, 0-1, if it says.
    pub confidence: Option<f32>,
    /// BCP 47 tag of the language, if the model says.
    pub language: Option<String>,
}

/// Whether a text may still change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SttEventKind {
    /// May change with the next event.
    Interim,
    /// The answer to this checkpoint.
    Final {
        /// Number given to [`SttInput::checkpoint`].
        checkpoint: u32,
    },
    /// May change, but the recogniser takes the speaker's turn for ended
    /// ([`EndpointingMode::Recogniser`](crate::engine::EndpointingMode::Recogniser)).
    TurnEnd,
}

/// Recognition events of one speaker. It ends when the input is dropped, or after the first error.
pub type SttEvents = Pin<Box<dyn Stream<Item = Result<SttEvent, ProviderError>> + Send>>;

/// One speaker's recognition. Dropping both halves cancels it and frees its slot.
pub struct SttSession {
    /// Where the audio goes.
    pub input: Box<dyn SttInput>,
    /// Where the text comes from.
    pub events: SttEvents,
}

impl fmt::Debug for SttSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SttSession").finish_non_exhaustive()
    }
}

/// Takes the audio of one speaker. No call blocks: work is queued, in order.
pub trait SttInput: Send {
    /// Opens an utterance; an open one is finished first.
    fn start(&mut self, utterance: UtteranceId);

    /// Appends audio (16 kHz mono, [`AudioFormat::SPEECH`](crate::audio::AudioFormat::SPEECH)) to the open utterance;
    /// ignored if none is open.
    ///
    /// # Errors
    /// [`ProviderError::InvalidRequest`] for audio of another format, [`ProviderError::Overloaded`] if the recogniser is
    /// too far behind to take more (the audio is not taken).
    fn push(&mut self, frame: &AudioFrame) -> Result<(), ProviderError>;

    /// Asks for the final text of everything pushed since [`start`](Self::start): exactly one
    /// [`SttEventKind::Final`] with this number follows, also if no word was said. The utterance stays open. If the next
    /// checkpoint has been asked for as well, after more audio, it may be answered with less: its words are in the next.
    fn checkpoint(&mut self, checkpoint: u32);

    /// Closes the utterance and forgets its audio. A checkpoint still open is answered.
    fn finish(&mut self);
}

/// A speech recogniser.
#[async_trait]
pub trait Stt: fmt::Debug + Send + Sync {
    /// Short name of the provider, for errors, metrics and logs.
    fn name(&self) -> &'static str;

    /// What the recogniser can do.
    fn capabilities(&self) -> SttCapabilities;

    /// Opens recognition for one speaker.
    ///
    /// # Errors
    /// [`ProviderError`]; ask [`ProviderError::retryable`] whether trying again makes sense.
    async fn open(&self, options: &SttOptions) -> Result<SttSession, ProviderError>;
}
