//! A fake recogniser.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use async_trait::async_trait;
use futures_core::Stream;

use super::{
    text::{ScriptedText, words},
    timer::Timer,
};
use crate::{
    audio::{AudioFormat, AudioFrame},
    error::ProviderError,
    id::UtteranceId,
    stt::{Stt, SttCapabilities, SttEvent, SttEventKind, SttInput, SttOptions, SttSession},
};

/// A fake recogniser: for each utterance the next text of its script, a fixed time after the checkpoint. It listens only
/// for whether there is any sound: an utterance without sound has no text.
#[derive(Debug)]
pub struct ScriptedStt {
    timer: Arc<dyn Timer>,
    text: Arc<ScriptedText>,
    delay: Duration,
    interim: Option<Duration>,
}

impl ScriptedStt {
    /// A recogniser that hears the texts of `text`, 50 ms after each checkpoint, without interim text.
    pub fn new(timer: Arc<dyn Timer>, text: ScriptedText) -> Self {
        Self { timer, text: Arc::new(text), delay: Duration::from_millis(50), interim: None }
    }

    /// Sets the time from a checkpoint to its final text.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Adds interim text: one word more after each such stretch of audio.
    #[must_use]
    pub fn interim_every(mut self, audio: Duration) -> Self {
        self.interim = Some(audio);
        self
    }
}

#[async_trait]
impl Stt for ScriptedStt {
    fn name(&self) -> &'static str {
        "scripted-stt"
    }

    fn capabilities(&self) -> SttCapabilities {
        SttCapabilities { interim: self.interim.is_some(), ..SttCapabilities::default() }
    }

    async fn open(&self, _: &SttOptions) -> Result<SttSession, ProviderError> {
        let queue = Arc::new(Mutex::new(Queue::default()));
        let input = Input {
            timer: self.timer.clone(),
            text: self.text.clone(),
            delay: self.delay,
            interim: self.interim.map(|every| AudioFormat::SPEECH.samples(every).max(1)),
            queue: queue.clone(),
            open: None,
        };
        Ok(SttSession { input: Box::new(input), events: Box::pin(Events { queue }) })
    }
}

/// An event, and the wait for its time.
type Due = (Pin<Box<dyn Future<Output = ()> + Send>>, SttEvent);

#[derive(Default)]
struct Queue {
    events: VecDeque<Due>,
    closed: bool,
    waker: Option<Waker>,
}

struct Input {
    timer: Arc<dyn Timer>,
    text: Arc<ScriptedText>,
    delay: Duration,
    interim: Option<u64>,
    queue: Arc<Mutex<Queue>>,
    open: Option<Open>,
}

/// The open utterance.
struct Open {
    utterance: UtteranceId,
    text: Option<String>,
    samples: u64,
    reported: u64,
}

impl Input {
    fn send(&self, after: Duration, event: SttEvent) {
        let wait = self.timer.sleep_until(self.timer.now() + after);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.events.push_back((wait, event));
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }
}

fn event(utterance: UtteranceId, text: String, kind: SttEventKind) -> SttEvent {
    SttEvent { utterance, text, kind, confidence: None, language: None }
}

impl SttInput for Input {
    fn start(&mut self, utterance: UtteranceId) {
        self.open = Some(Open { utterance, text: None, samples: 0, reported: 0 });
    }

    fn push(&mut self, frame: &AudioFrame) -> Result<(), ProviderError> {
        if frame.format() != AudioFormat::SPEECH {
            return Err(ProviderError::InvalidRequest {
                provider: "scripted-stt",
                reason: format!("audio is {:?}, not {:?}", frame.format(), AudioFormat::SPEECH),
            });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.samples += frame.len();
        if open.text.is_none() && frame.samples().iter().any(|s| s.unsigned_abs() > 300) {
            open.text = Some(self.text.next());
        }
        if let (Some(every), Some(text)) = (self.interim, &open.text) {
            let count = open.samples / every;
            let words = words(text);
            if count > open.reported && (open.reported as usize) < words.len() {
                open.reported = count;
                let text = words[..words.len().min(count as usize)].concat();
                let event = event(open.utterance, text, SttEventKind::Interim);
                self.send(Duration::ZERO, event);
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: u32) {
        let Some(open) = &self.open else { return };
        let text = open.text.clone().unwrap_or_default();
        self.send(self.delay, event(open.utterance, text, SttEventKind::Final { checkpoint }));
    }

    fn finish(&mut self) {
        self.open = None;
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.closed = true;
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }
}

struct Events {
    queue: Arc<Mutex<Queue>>,
}

impl Stream for Events {
    type Item = Result<SttEvent, ProviderError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waker = Some(context.waker().clone());
        let Some((wait, _)) = queue.events.front_mut() else {
            return if queue.closed { Poll::Ready(None) } else { Poll::Pending };
        };
        if wait.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(queue.events.pop_front().map(|(_, event)| Ok(event)))
    }
}
