//! Building a session.

use std::{io::Write, path::PathBuf, sync::Arc};

use stella_core::{
    audio::AudioFormat,
    engine::{EndpointingMode, Judge, Options, WordListJudge},
    llm::Llm,
    stt::{Stt, SttOptions},
    tts::Tts,
    turn_detector::TurnDetector,
    vad::{Vad, VadOptions},
};
use tokio::sync::mpsc;

use super::{AgentSession, BuildError, LlmOptions, Parts, SessionHandle, inputs::CAPACITY, recording::Record};
use crate::{
    agent::{Agent, BasicAgent},
    hearing::EarParts,
    speaking::VoiceOptions,
};

/// Collects the parts of a session. `vad`, `stt`, `llm` and `tts` are needed.
#[derive(Default)]
#[must_use]
pub struct AgentSessionBuilder {
    vad: Option<Arc<dyn Vad>>,
    vad_options: VadOptions,
    stt: Option<Arc<dyn Stt>>,
    stt_options: SttOptions,
    llm: Option<Arc<dyn Llm>>,
    llm_options: LlmOptions,
    tts: Option<Arc<dyn Tts>>,
    voice_options: VoiceOptions,
    detector: Option<Arc<dyn TurnDetector>>,
    judge: Option<Box<dyn Judge>>,
    options: Options,
    agent: Option<Arc<dyn Agent>>,
    record: Record,
}

impl AgentSessionBuilder {
    /// Sets what tells voices from other sounds.
    pub fn vad(mut self, vad: Arc<dyn Vad>) -> Self {
        self.vad = Some(vad);
        self
    }

    /// Sets when sounds count as voice.
    pub fn vad_options(mut self, options: VadOptions) -> Self {
        self.vad_options = options;
        self
    }

    /// Sets what recognises speech.
    pub fn stt(mut self, stt: Arc<dyn Stt>) -> Self {
        self.stt = Some(stt);
        self
    }

    /// Sets language and key terms of the recognition.
    pub fn stt_options(mut self, options: SttOptions) -> Self {
        self.stt_options = options;
        self
    }

    /// Sets what thinks.
    pub fn llm(mut self, llm: Arc<dyn Llm>) -> Self {
        self.llm = Some(llm);
        self
    }

    /// Sets temperature and length of generations.
    pub fn llm_options(mut self, options: LlmOptions) -> Self {
        self.llm_options = options;
        self
    }

    /// Sets what speaks. Audio of other rates than 24 kHz is resampled.
    pub fn tts(mut self, tts: Arc<dyn Tts>) -> Self {
        self.tts = Some(tts);
        self
    }

    /// Sets voice, pace and language of the speech.
    pub fn voice_options(mut self, options: VoiceOptions) -> Self {
        self.voice_options = options;
        self
    }

    /// Sets what tells the end of a turn from a pause inside it. Without one, silence alone decides
    /// ([`wait_unsure`](stella_core::engine::EndpointingOptions::wait_unsure)).
    pub fn turn_detector(mut self, detector: Arc<dyn TurnDetector>) -> Self {
        self.detector = Some(detector);
        self
    }

    /// Sets what tells interruptions from signs of listening. Default: [`WordListJudge`].
    pub fn judge(mut self, judge: Box<dyn Judge>) -> Self {
        self.judge = Some(judge);
        self
    }

    /// Sets the engine's options. Two of them follow from the parts: without a turn detector, `endpointing.mode` is never
    /// the score, but silence; and `conversation.review` is on if the agent [reviews turns](Agent::reviews_turns).
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Sets who talks. Default: a [`BasicAgent`].
    pub fn agent(mut self, agent: impl Agent) -> Self {
        self.agent = Some(Arc::new(agent));
        self
    }

    /// Records what the engine is told and says into a file of JSON lines, for finding out later why it did what it did.
    /// The file holds every word of the conversation.
    pub fn record(mut self, path: impl Into<PathBuf>) -> Self {
        self.record = Record::File(path.into());
        self
    }

    /// As [`record`](Self::record), into anything that can be written to. It is written to by the session's own task, a
    /// line at a time, so it must not wait.
    pub fn record_to(mut self, writer: impl Write + Send + 'static) -> Self {
        self.record = Record::Writer(Box::new(writer));
        self
    }

    /// Checks the parts.
    ///
    /// # Errors
    /// [`BuildError`] names what is missing or out of bounds.
    pub fn build(self) -> Result<AgentSession, BuildError> {
        let agent = self.agent.unwrap_or_else(|| Arc::new(BasicAgent::default()));
        let mut options = self.options;
        if self.detector.is_none() && options.endpointing.mode == EndpointingMode::Score {
            options.endpointing.mode = EndpointingMode::Silence;
        }
        options.conversation.review |= agent.reviews_turns();
        if options.speech.sample_rate != AudioFormat::VOICE.sample_rate() {
            return Err(BuildError::SampleRate(options.speech.sample_rate));
        }
        let parts = Parts {
            ear: EarParts {
                vad: self.vad.ok_or(BuildError::Missing("vad"))?,
                vad_options: self.vad_options,
                stt: self.stt.ok_or(BuildError::Missing("stt"))?,
                stt_options: self.stt_options,
                detector: self.detector,
            },
            llm: self.llm.ok_or(BuildError::Missing("llm"))?,
            llm_options: self.llm_options,
            tts: self.tts.ok_or(BuildError::Missing("tts"))?,
            voice_options: self.voice_options,
            judge: self.judge.unwrap_or_else(|| Box::new(WordListJudge)),
            config: options.validate()?,
            agent,
            record: self.record,
        };
        let (sender, messages) = mpsc::channel(CAPACITY);
        Ok(AgentSession { parts, handle: SessionHandle::new(sender), messages })
    }
}

impl std::fmt::Debug for AgentSessionBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentSessionBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
