//! One speaker's ear.

use std::{collections::VecDeque, future::pending, sync::Arc, time::Duration};

use stella_core::{
    audio::AudioFormat,
    chat::ChatContext,
    engine::Input,
    error::{ProviderError, chain},
    id::{ScoreId, SpeakerId, UtteranceId},
    stt::{Stt, SttOptions},
    turn_detector::{TurnDetector, TurnDetectorRequest},
    vad::{Segmenter, TAIL_CONTEXT, Vad, VadEvent, VadOptions, VadStream, silent_tail},
};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    line::Line,
    recogniser::{Heard, Recogniser},
    ring::Ring,
};
use crate::{
    clock::Clock,
    guard,
    session::Inputs,
    transport::{AudioInput, InputFrame},
};

/// Sound kept: as much as a turn detector may ask for.
const KEPT: Duration = Duration::from_secs(8);
/// Sound given to the recogniser from before the voice began.
const PRE_ROLL: Duration = Duration::from_millis(300);
/// A voice without any frame for so long has ended.
const LOST_AFTER: Duration = Duration::from_millis(400);
/// Longest wait for the detector, which needs a millisecond. Longer ones would make the whole ear deaf.
const PREDICT_BY: Duration = Duration::from_millis(500);
/// Voices remembered that the engine says nothing to, as it does when there are too many speakers.
const MAX_VOICES: usize = 32;
/// Windows in a row that the detector may fail for, before it is opened again.
const MAX_FAILURES: u32 = 30;

/// What the driver tells an ear.
pub(crate) enum EarCommand {
    /// Listen to this from now on.
    Listen(Box<dyn AudioInput>),
    /// The speaker has left: what they said is still recognised, nothing more is heard.
    Leave,
    /// [`Command::StartUtterance`](stella_core::engine::Command::StartUtterance).
    Start(UtteranceId),
    /// [`Command::Checkpoint`](stella_core::engine::Command::Checkpoint).
    Checkpoint(UtteranceId, u32),
    /// [`Command::FinishUtterance`](stella_core::engine::Command::FinishUtterance).
    Finish(UtteranceId),
    /// [`Command::Score`](stella_core::engine::Command::Score).
    Score { score: ScoreId, transcript: String, chat: ChatContext },
}

/// What an ear is made of.
#[derive(Debug, Clone)]
pub(crate) struct EarParts {
    pub(crate) vad: Arc<dyn Vad>,
    pub(crate) vad_options: VadOptions,
    pub(crate) stt: Arc<dyn Stt>,
    pub(crate) stt_options: SttOptions,
    pub(crate) detector: Option<Arc<dyn TurnDetector>>,
}

/// Listens to one speaker.
pub(crate) struct Ear {
    speaker: SpeakerId,
    parts: EarParts,
    clock: Clock,
    inputs: Inputs,
    ring: Ring,
    recogniser: Recogniser,
    input: Option<Box<dyn AudioInput>>,
    line: Line,
    detection: Option<Detection>,
    /// Where each voice began that the engine has not asked the words of. After the link stood still, several may be
    /// reported before the engine answers the first.
    voices: VecDeque<u64>,
    voiced: bool,
    /// End of the newest voice that has ended.
    voice_end: u64,
    /// Audio before this belongs to an earlier utterance.
    finished: u64,
    /// End of the audio when the last checkpoint was asked for.
    checkpointed: u64,
    scores: JoinSet<()>,
}

/// Voice detection in one sound.
struct Detection {
    stream: Box<dyn VadStream>,
    segmenter: Segmenter,
    /// Position of the segmenter's first sample.
    base: u64,
    /// Samples that do not fill a window yet.
    window: Vec<i16>,
    failures: u32,
}

enum Wake {
    Command(Option<EarCommand>),
    Heard(Heard),
    Frame(Option<InputFrame>),
    Lost,
}

impl Ear {
    pub(crate) fn new(speaker: SpeakerId, parts: EarParts, clock: Clock, inputs: Inputs) -> Self {
        let recogniser = Recogniser::new(parts.stt.clone(), parts.stt_options.clone());
        Self {
            speaker,
            parts,
            clock,
            inputs,
            ring: Ring::new(AudioFormat::SPEECH.samples(KEPT) as usize),
            recogniser,
            input: None,
            line: Line::new(0),
            detection: None,
            voices: VecDeque::new(),
            voiced: false,
            voice_end: 0,
            finished: 0,
            checkpointed: 0,
            scores: JoinSet::new(),
        }
    }

    /// Listens until the driver is gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<EarCommand>) {
        loop {
            let lost_after = self.clock.real(LOST_AFTER);
            let wake = tokio::select! {
                biased;
                command = commands.recv() => Wake::Command(command),
                heard = self.recogniser.next(&self.ring) => Wake::Heard(heard),
                frame = next(&mut self.input) => Wake::Frame(frame),
                () = tokio::time::sleep(lost_after), if self.voiced => Wake::Lost,
            };
            while self.scores.try_join_next().is_some() {}
            match wake {
                Wake::Command(None) => return,
                Wake::Command(Some(command)) => self.command(command).await,
                Wake::Heard(heard) => self.heard(heard).await,
                Wake::Frame(Some(frame)) => self.frame(frame).await,
                Wake::Frame(None) => {
                    self.input = None;
                    self.silence().await;
                }
                Wake::Lost => self.silence().await,
            }
        }
    }

    async fn command(&mut self, command: EarCommand) {
        match command {
            EarCommand::Listen(input) => {
                self.silence().await;
                self.input = Some(input);
                self.line = Line::new(self.ring.end());
                self.detection = None;
            }
            EarCommand::Leave => {
                self.input = None;
                self.detection = None;
                self.voiced = false;
                self.voice_end = self.ring.end();
                self.voices.clear();
            }
            EarCommand::Start(utterance) => {
                let pre_roll = AudioFormat::SPEECH.samples(PRE_ROLL);
                let voice = self.voices.front().copied().unwrap_or_else(|| self.rest());
                let from = voice.saturating_sub(pre_roll).max(self.finished);
                self.recogniser.start(utterance, from);
                self.recogniser.feed(&self.ring);
            }
            EarCommand::Checkpoint(utterance, checkpoint) => {
                self.voices.pop_front();
                self.checkpointed = self.ring.end();
                self.recogniser.checkpoint(utterance, checkpoint, &self.ring);
            }
            EarCommand::Finish(utterance) => {
                if self.recogniser.current().is_some_and(|(open, _)| open == utterance) {
                    self.recogniser.finish();
                    // A voice that the engine did not know of belongs to the next utterance; so does the rest of one
                    // that was cut.
                    self.finished = self.voices.front().copied().unwrap_or_else(|| self.rest());
                }
            }
            EarCommand::Score { score, transcript, chat } => self.score(score, transcript, chat),
        }
    }

    /// Where audio begins of which no words were asked for: a voice may go on beyond its checkpoint.
    fn rest(&self) -> u64 {
        if self.voiced { self.checkpointed } else { self.ring.end() }
    }

    async fn heard(&mut self, heard: Heard) {
        let input = match heard {
            Heard::Text { utterance, text, checkpoint, confidence } => {
                Input::Transcript { utterance, text, checkpoint, confidence }
            }
            Heard::Language(language) => Input::Language { speaker: self.speaker, language },
            Heard::TurnEnd { utterance } => Input::TurnEnded { utterance },
            Heard::Failed { utterance, checkpoint } => Input::TranscriptFailed { utterance, checkpoint },
        };
        self.inputs.send(input).await;
    }

    async fn frame(&mut self, frame: InputFrame) {
        self.ring.push(frame.audio.samples());
        self.line.observe(self.ring.end(), frame.audio.len(), self.clock.at(frame.arrived));
        self.recogniser.feed(&self.ring);
        if self.detection.is_none() {
            self.detection = self.open_detection(frame.audio.len());
        }
        let Some(mut detection) = self.detection.take() else { return };
        detection.window.extend_from_slice(frame.audio.samples());
        let size = self.parts.vad.window();
        while detection.window.len() >= size {
            let rest = detection.window.split_off(size);
            let window = std::mem::replace(&mut detection.window, rest);
            let name = self.parts.vad.name();
            let answer = guard::provider(name, detection.stream.predict(&window));
            let answer = tokio::time::timeout(PREDICT_BY, answer).await;
            let overdue = answer.is_err();
            let answer = answer.unwrap_or(Err(ProviderError::Timeout { provider: name, after: PREDICT_BY }));
            let probability = match answer {
                Ok(probability) => {
                    detection.failures = 0;
                    probability
                }
                Err(error) => {
                    if detection.failures == 0 {
                        tracing::warn!(vad = name, error = chain(&error), "voice detection failed");
                    }
                    // One that hangs is opened again at once.
                    detection.failures = if overdue { MAX_FAILURES } else { detection.failures + 1 };
                    0.0
                }
            };
            let voice = self.voices.back().copied().unwrap_or_default();
            let (ring, base) = (&self.ring, detection.base);
            let event = detection.segmenter.push_with(probability, |at| {
                let from = (base + at).saturating_sub(AudioFormat::SPEECH.samples(TAIL_CONTEXT)).max(voice);
                silent_tail(&ring.slice(from, base + at))
            });
            if let Some(event) = event {
                self.voice_event(event, detection.base).await;
            }
        }
        if detection.failures < MAX_FAILURES {
            self.detection = Some(detection);
        } else {
            self.silence().await;
        }
    }

    /// Opens detection for a sound whose newest `samples` samples are in the ring already.
    fn open_detection(&self, samples: u64) -> Option<Detection> {
        match guard::provider_now(self.parts.vad.name(), || self.parts.vad.open()) {
            Ok(stream) => Some(Detection {
                stream,
                segmenter: Segmenter::new(self.parts.vad_options, self.parts.vad.window()),
                base: self.ring.end() - samples,
                window: Vec::new(),
                failures: 0,
            }),
            Err(error) => {
                tracing::error!(vad = self.parts.vad.name(), error = chain(&error), "voice detection cannot be opened");
                None
            }
        }
    }

    async fn voice_event(&mut self, event: VadEvent, base: u64) {
        let input = match event {
            VadEvent::Started { at } => {
                self.voices.push_back(base + at);
                if self.voices.len() > MAX_VOICES {
                    self.voices.pop_front();
                }
                self.voiced = true;
                Input::VoiceStarted { speaker: self.speaker, since: self.line.time(base + at) }
            }
            VadEvent::Ended { at } => {
                self.voiced = false;
                self.voice_end = base + at;
                Input::VoiceEnded { speaker: self.speaker, last_voiced: self.line.time(base + at) }
            }
        };
        self.inputs.send(input).await;
    }

    /// The sound has stopped: a voice that was on has ended, and detection begins anew with the next frame.
    async fn silence(&mut self) {
        self.detection = None;
        if std::mem::take(&mut self.voiced) {
            self.voice_end = self.ring.end();
            let last_voiced = self.line.time(self.voice_end);
            self.inputs.send(Input::VoiceEnded { speaker: self.speaker, last_voiced }).await;
        }
    }

    fn score(&mut self, score: ScoreId, transcript: String, chat: ChatContext) {
        let inputs = self.inputs.clone();
        let Some(detector) = self.parts.detector.clone() else {
            self.scores.spawn(async move { inputs.send(Input::Scored { score, probability: None }).await });
            return;
        };
        let from = self.recogniser.current().map_or(self.ring.start(), |(_, from)| from);
        let audio = detector.capabilities().audio.then(|| self.ring.frame(from, self.ring.end()));
        let silent = if self.voiced { 0 } else { self.ring.end() - self.voice_end };
        let silence = AudioFormat::SPEECH.duration(silent);
        let language = self.parts.stt_options.language.clone();
        let request = TurnDetectorRequest { audio, silence, transcript, chat, language };
        self.scores.spawn(async move {
            let name = detector.name();
            let probability = guard::provider(name, detector.predict(request)).await;
            let probability = probability.map_err(|error: ProviderError| {
                tracing::warn!(detector = name, error = chain(&error), "turn detection failed");
            });
            inputs.send(Input::Scored { score, probability: probability.ok() }).await;
        });
    }
}

/// The next frame; never, if there is no sound.
async fn next(input: &mut Option<Box<dyn AudioInput>>) -> Option<InputFrame> {
    match input {
        Some(input) => input.next().await,
        None => pending().await,
    }
}
