//! One speaker's stream. The events stream itself does the work when it is polled: there is no task to leak.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use stella_core::{
    audio::AudioFormat,
    error::ProviderError,
    stt::{SttEvent, SttEventKind, SttSession},
};

use super::{
    MoonshineOptions, NAME, Recogniser,
    activity::STEP,
    input::{self, Command, Commands},
    utterance::{Heard, Utterance},
};
use crate::runtime::{Job, Lane, Pending};

/// When the answer to a checkpoint is wanted.
const FINAL_DUE: Duration = Duration::from_millis(250);
/// When an interim text is wanted.
const INTERIM_DUE: Duration = Duration::from_millis(800);
/// The part of the time, as a divisor, that interim texts of one stream may keep a core busy.
const SHARE: u32 = 4;
/// How often and after how long a checkpoint is tried again when the pool is overloaded.
const TRIES: u32 = 10;
const TRY_AGAIN: Duration = Duration::from_millis(100);

pub(super) fn open(recogniser: Arc<Recogniser>, options: MoonshineOptions) -> SttSession {
    let (input, commands) = input::pair();
    let listener =
        Listener { recogniser, options, commands, utterance: None, running: None, shown: String::new(), patience: 0 };
    let events = futures_util::stream::unfold(Some(listener), |listener| async {
        let mut listener = listener?;
        match listener.next().await? {
            Ok(event) => Some((Ok(event), Some(listener))),
            Err(error) => Some((Err(error), None)),
        }
    });
    SttSession { input: Box::new(input), events: Box::pin(events.fuse()) }
}

/// A recognition that goes on while audio comes in.
struct Running {
    purpose: Purpose,
    upto: usize,
    pending: Pending<Written>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To be shown, and to be the answer if no more is said.
    Interim,
    /// To be fixed, so that its audio can be forgotten.
    Fix,
}

/// A result of the network, and how long it took.
struct Written {
    heard: Heard,
    took: Duration,
}

struct Listener {
    recogniser: Arc<Recogniser>,
    options: MoonshineOptions,
    commands: Commands,
    utterance: Option<Utterance>,
    running: Option<Running>,
    /// The text last shown of this utterance, so that equal ones are not shown again.
    shown: String,
    /// Steps of new speech before the next interim text, from what the last one cost.
    patience: usize,
}

impl Listener {
    /// The next event, or `None` when the input is gone and all is answered.
    async fn next(&mut self) -> Option<Result<SttEvent, ProviderError>> {
        loop {
            let command = if let Some(running) = &mut self.running {
                tokio::select! {
                    biased;
                    result = &mut running.pending => match self.written(result) {
                        Ok(Some(event)) => return Some(Ok(event)),
                        Ok(None) => continue,
                        Err(error) => return Some(Err(error)),
                    },
                    command = self.commands.next() => command,
                }
            } else if let Some(command) = self.commands.try_next() {
                Some(command)
            } else if self.begin() {
                continue;
            } else {
                self.commands.next().await
            };
            match command? {
                Command::Start(id) => self.open(Some(Utterance::new(id))),
                Command::Finish => self.open(None),
                Command::Audio(frame) => {
                    if let Some(utterance) = &mut self.utterance {
                        utterance.push(frame.samples());
                    }
                }
                Command::Checkpoint(checkpoint) => {
                    if let Some(answer) = self.answer(checkpoint).await {
                        return Some(answer);
                    }
                }
            }
        }
    }

    fn open(&mut self, utterance: Option<Utterance>) {
        self.utterance = utterance;
        self.running = None;
        self.shown.clear();
        self.patience = 0;
    }

    /// Begins a recognition if one is worth it now.
    fn begin(&mut self) -> bool {
        let Some(utterance) = &self.utterance else { return false };
        let (purpose, upto) = match utterance.cut() {
            Some(cut) => (Purpose::Fix, cut),
            None if self.options.interim
                && utterance.wants_interim(self.patience)
                && !self.recogniser.pool.is_behind() =>
            {
                (Purpose::Interim, utterance.steps())
            }
            None => return false,
        };
        let pending = self.recogniser.write(utterance, upto, INTERIM_DUE);
        self.running = Some(Running { purpose, upto, pending });
        true
    }

    /// Takes the result of the running recognition; gives the interim event if there is something new to show.
    fn written(&mut self, result: Result<Written, ProviderError>) -> Result<Option<SttEvent>, ProviderError> {
        let Some(running) = self.running.take() else { return Ok(None) };
        let Some(utterance) = &mut self.utterance else { return Ok(None) };
        let written = match result {
            Ok(written) => written,
            Err(ProviderError::Overloaded { .. }) => {
                // Nobody waits for this one. The checkpoint, or more speech, will ask again.
                self.patience = utterance.steps();
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if running.purpose == Purpose::Fix {
            utterance.fix(running.upto, &written.heard.text);
            return Ok(None);
        }
        let cost = AudioFormat::SPEECH.samples(written.took * SHARE) as usize;
        self.patience = cost / STEP;
        utterance.hear(written.heard);
        let (text, confidence) = utterance.text();
        if text.is_empty() || text == self.shown {
            return Ok(None);
        }
        self.shown.clone_from(&text);
        let utterance = utterance.id;
        Ok(Some(SttEvent { utterance, text, kind: SttEventKind::Interim, confidence, language: english() }))
    }

    /// Writes down all there is and answers the checkpoint, or, if the recogniser is behind, only what is to be fixed, so
    /// that the next checkpoint has less to do; `None` if no utterance is open.
    async fn answer(&mut self, checkpoint: u32) -> Option<Result<SttEvent, ProviderError>> {
        if self.utterance.is_none() {
            tracing::debug!(checkpoint, "a checkpoint without an utterance");
            return None;
        }
        let written = if self.commands.supersede_last() { self.fix().await } else { self.settle().await };
        if let Err(error) = written {
            return Some(Err(error));
        }
        let utterance = self.utterance.as_ref()?;
        let (text, confidence) = utterance.text();
        self.shown.clone_from(&text);
        let kind = SttEventKind::Final { checkpoint };
        Some(Ok(SttEvent { utterance: utterance.id, text, kind, confidence, language: english() }))
    }

    /// Sees to it that the whole utterance is written down.
    async fn settle(&mut self) -> Result<(), ProviderError> {
        let whole = |running: &Running| self.utterance.as_ref().is_some_and(|u| u.complete(running.upto));
        if self.running.as_ref().is_some_and(whole) {
            self.await_running().await?;
        }
        self.fix().await?;
        self.running = None;
        let Some(utterance) = self.utterance.as_ref().filter(|utterance| !utterance.settled()) else { return Ok(()) };
        let written = self.write_now(utterance.steps()).await?;
        if let Some(utterance) = &mut self.utterance {
            utterance.hear(written.heard);
        }
        Ok(())
    }

    /// Fixes all text that is to be fixed.
    async fn fix(&mut self) -> Result<(), ProviderError> {
        if self.running.as_ref().is_some_and(|running| running.purpose == Purpose::Fix) {
            self.await_running().await?;
        }
        while let Some(cut) = self.utterance.as_ref().and_then(Utterance::cut) {
            self.running = None;
            let written = self.write_now(cut).await?;
            if let Some(utterance) = &mut self.utterance {
                utterance.fix(cut, &written.heard.text);
            }
        }
        Ok(())
    }

    async fn await_running(&mut self) -> Result<(), ProviderError> {
        if let Some(running) = &mut self.running {
            let result = (&mut running.pending).await;
            self.written(result)?;
        }
        Ok(())
    }

    async fn write_now(&self, upto: usize) -> Result<Written, ProviderError> {
        let mut tries = 1;
        loop {
            let Some(utterance) = &self.utterance else {
                return Err(ProviderError::Internal { provider: NAME, source: "the utterance is gone".into() });
            };
            match self.recogniser.write(utterance, upto, FINAL_DUE).await {
                Err(ProviderError::Overloaded { .. }) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(TRY_AGAIN).await;
                }
                result => return result,
            }
        }
    }
}

impl Recogniser {
    /// Writes down the first `upto` steps of the utterance's tail.
    fn write(self: &Arc<Self>, utterance: &Utterance, upto: usize, due: Duration) -> Pending<Written> {
        let (speech, draft) = (utterance.speech(upto), utterance.draft());
        let recogniser = self.clone();
        let job = Job::new(NAME, &self.network.encoder, Lane::Long, due);
        self.pool.submit(job, move || {
            let start = Instant::now();
            if speech.is_empty() {
                let heard = Heard { upto, tokens: Vec::new(), text: String::new(), confidence: None };
                return Ok(Written { heard, took: Duration::ZERO });
            }
            let transcript = recogniser.network.transcribe(&speech, &draft)?;
            let text = recogniser.vocabulary.text(&transcript.tokens);
            let confidence = (!text.is_empty()).then_some(transcript.confidence);
            Ok(Written { heard: Heard { upto, tokens: transcript.tokens, text, confidence }, took: start.elapsed() })
        })
    }
}

fn english() -> Option<String> {
    Some("en".to_owned())
}
