//! One speaker's recognition: opened when needed, opened again when it breaks, and never waited for.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use stella_core::{
    audio::AudioFrame,
    error::{ProviderError, chain},
    id::UtteranceId,
    stt::{Stt, SttEvent, SttEventKind, SttOptions, SttSession},
};
use tokio::time::Instant;

use super::ring::Ring;
use crate::guard;

/// Longest wait for a recogniser to open.
const OPEN_BY: Duration = Duration::from_secs(10);
/// Wait after a failure that followed another one.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Most audio given at once.
const PART: u64 = 16_000;

/// What the recogniser has to say.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// The text of an utterance so far; of a checkpoint, if it names one.
    Text { utterance: UtteranceId, text: String, checkpoint: Option<u32>, confidence: Option<f32> },
    /// The language is known, or another one.
    Language(String),
    /// The speaker's turn has ended, as the recogniser sees it.
    TurnEnd { utterance: UtteranceId },
    /// A checkpoint will not be answered.
    Failed { utterance: UtteranceId, checkpoint: u32 },
}

/// Recognition of one speaker.
pub(super) struct Recogniser {
    stt: Arc<dyn Stt>,
    options: SttOptions,
    connection: Connection,
    current: Option<Current>,
    /// Checkpoints passed on and not answered.
    open: Vec<(UtteranceId, u32)>,
    /// What is known already.
    heard: VecDeque<Heard>,
    /// The language that was reported last.
    language: Option<String>,
}

type Opening = Pin<Box<dyn Future<Output = Result<SttSession, ProviderError>> + Send>>;

enum Connection {
    Closed,
    Opening(Opening),
    Open(SttSession),
    Failed { until: Instant },
}

/// The open utterance.
struct Current {
    utterance: UtteranceId,
    /// Where its audio begins.
    from: u64,
    /// How far its audio was passed on.
    fed: u64,
    /// Checkpoints to be passed on: number, and up to where the audio must have been passed on.
    waiting: VecDeque<(u32, u64)>,
    /// Failures while it was open.
    failures: u32,
}

impl Recogniser {
    pub(super) fn new(stt: Arc<dyn Stt>, options: SttOptions) -> Self {
        let mut recogniser = Self {
            stt,
            options,
            connection: Connection::Closed,
            current: None,
            open: Vec::new(),
            heard: VecDeque::new(),
            language: None,
        };
        recogniser.connect();
        recogniser
    }

    /// Opens an utterance whose audio begins at `from`.
    pub(super) fn start(&mut self, utterance: UtteranceId, from: u64) {
        self.finish();
        self.current = Some(Current { utterance, from, fed: from, waiting: VecDeque::new(), failures: 0 });
        match &mut self.connection {
            Connection::Open(session) => {
                let result = guard::provider_now(self.stt.name(), || {
                    session.input.start(utterance);
                    Ok(())
                });
                self.check(result);
            }
            Connection::Closed | Connection::Failed { .. } => self.connect(),
            Connection::Opening(_) => {}
        }
    }

    /// Asks for the text of everything up to the end of the ring.
    pub(super) fn checkpoint(&mut self, utterance: UtteranceId, checkpoint: u32, ring: &Ring) {
        match &mut self.current {
            Some(current) if current.utterance == utterance => {
                current.waiting.push_back((checkpoint, ring.end()));
                self.feed(ring);
            }
            _ => self.heard.push_back(Heard::Failed { utterance, checkpoint }),
        }
    }

    /// Closes the open utterance.
    pub(super) fn finish(&mut self) {
        let Some(current) = self.current.take() else { return };
        let failed = |(checkpoint, _)| Heard::Failed { utterance: current.utterance, checkpoint };
        self.heard.extend(current.waiting.into_iter().map(failed));
        if let Connection::Open(session) = &mut self.connection {
            let result = guard::provider_now(self.stt.name(), || {
                session.input.finish();
                Ok(())
            });
            self.check(result);
        }
    }

    /// Whose audio begins where, while an utterance is open.
    pub(super) fn current(&self) -> Option<(UtteranceId, u64)> {
        self.current.as_ref().map(|current| (current.utterance, current.from))
    }

    /// Passes on audio and checkpoints, as far as the recogniser takes them; the rest is tried again with the next call.
    pub(super) fn feed(&mut self, ring: &Ring) {
        let (Connection::Open(session), Some(current)) = (&mut self.connection, &mut self.current) else { return };
        if current.fed < ring.start() {
            tracing::warn!(
                stt = self.stt.name(),
                samples = ring.start() - current.fed,
                "audio was lost: too far behind"
            );
            current.fed = ring.start();
        }
        let name = self.stt.name();
        let mut result = Ok(());
        loop {
            while let Some(&(checkpoint, at)) = current.waiting.front()
                && at <= current.fed
            {
                current.waiting.pop_front();
                self.open.push((current.utterance, checkpoint));
                result = guard::provider_now(name, || {
                    session.input.checkpoint(checkpoint);
                    Ok(())
                });
                if result.is_err() {
                    break;
                }
            }
            if result.is_err() || current.fed >= ring.end() {
                break;
            }
            let stop = current.waiting.front().map_or(u64::MAX, |&(_, at)| at);
            let to = (current.fed + PART).min(ring.end()).min(stop);
            let frame: AudioFrame = ring.frame(current.fed, to);
            result = guard::provider_now(name, || session.input.push(&frame));
            match result {
                Ok(()) => current.fed = to,
                Err(ProviderError::Overloaded { .. }) => {
                    result = Ok(());
                    break;
                }
                Err(_) => break,
            }
        }
        self.check(result);
    }

    /// The next thing the recogniser says. Cancel-safe.
    pub(super) async fn next(&mut self, ring: &Ring) -> Heard {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return heard;
            }
            match &mut self.connection {
                Connection::Closed => pending::<()>().await,
                Connection::Failed { until } => {
                    tokio::time::sleep_until(*until).await;
                    self.connect();
                }
                Connection::Opening(opening) => {
                    let result = opening.await;
                    self.opened(result, ring);
                }
                Connection::Open(session) => {
                    let next = guard::caught(session.events.next()).await;
                    let result = next.unwrap_or_else(|panicked| {
                        Some(Err(ProviderError::Internal { provider: self.stt.name(), source: Box::new(panicked) }))
                    });
                    match result {
                        Some(Ok(event)) => self.take(event),
                        Some(Err(error)) => self.failed(&error),
                        None => self.failed(&ProviderError::Protocol {
                            provider: self.stt.name(),
                            reason: "the recognition ended by itself".into(),
                        }),
                    }
                }
            }
        }
    }

    fn connect(&mut self) {
        let (stt, options) = (self.stt.clone(), self.options.clone());
        self.connection = Connection::Opening(Box::pin(async move {
            let opening = guard::provider(stt.name(), stt.open(&options));
            tokio::time::timeout(OPEN_BY, opening)
                .await
                .unwrap_or(Err(ProviderError::Timeout { provider: stt.name(), after: OPEN_BY }))
        }));
    }

    fn opened(&mut self, result: Result<SttSession, ProviderError>, ring: &Ring) {
        match result {
            Err(error) => self.failed(&error),
            Ok(mut session) => {
                let result = guard::provider_now(self.stt.name(), || {
                    if let Some(current) = &self.current {
                        session.input.start(current.utterance);
                    }
                    Ok(())
                });
                self.connection = Connection::Open(session);
                self.check(result);
                self.feed(ring);
            }
        }
    }

    fn take(&mut self, event: SttEvent) {
        let mut ended = false;
        let checkpoint = match event.kind {
            SttEventKind::Interim => None,
            SttEventKind::TurnEnd => {
                ended = true;
                None
            }
            SttEventKind::Final { checkpoint } => {
                let answered = (event.utterance, checkpoint);
                self.open.retain(|open| *open != answered);
                Some(checkpoint)
            }
        };
        if let Some(language) = event.language.clone().filter(|language| self.language.as_ref() != Some(language)) {
            self.language = Some(language.clone());
            self.heard.push_back(Heard::Language(language));
        }
        let SttEvent { utterance, text, confidence, .. } = event;
        self.heard.push_back(Heard::Text { utterance, text, checkpoint, confidence });
        if ended {
            self.heard.push_back(Heard::TurnEnd { utterance });
        }
    }

    fn check(&mut self, result: Result<(), ProviderError>) {
        if let Err(error) = result {
            self.failed(&error);
        }
    }

    /// The recogniser is lost. The open utterance is told to a new one from its beginning, once; then its checkpoints
    /// fail, and a new one is tried after a while.
    fn failed(&mut self, error: &ProviderError) {
        tracing::warn!(stt = self.stt.name(), error = chain(error), "speech recognition failed");
        let mut again = false;
        for (utterance, checkpoint) in std::mem::take(&mut self.open) {
            match &mut self.current {
                Some(current) if current.utterance == utterance && current.failures == 0 => {
                    let at = current.fed;
                    current.waiting.push_front((checkpoint, at));
                }
                _ => self.heard.push_back(Heard::Failed { utterance, checkpoint }),
            }
        }
        if let Some(current) = &mut self.current {
            current.failures += 1;
            again = current.failures == 1;
            current.fed = current.from;
            current.waiting.make_contiguous().sort_unstable();
            if !again {
                let failed = |(checkpoint, _)| Heard::Failed { utterance: current.utterance, checkpoint };
                self.heard.extend(current.waiting.drain(..).map(failed));
            }
        }
        if again {
            self.connect();
        } else {
            self.connection = Connection::Failed { until: Instant::now() + RETRY_AFTER };
        }
    }
}

impl fmt::Debug for Recogniser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recogniser").field("stt", &self.stt).finish_non_exhaustive()
    }
}
