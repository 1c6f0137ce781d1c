//! Fakes that hear: voice detection, recognition, end of turn.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::stream;
use parking_lot::Mutex;
use stella_core::{
    audio::AudioFrame,
    error::ProviderError,
    id::UtteranceId,
    stt::{Stt, SttCapabilities, SttEvent, SttEventKind, SttInput, SttOptions, SttSession},
    turn_detector::{TurnDetector, TurnDetectorCapabilities, TurnDetectorRequest},
    vad::{Vad, VadStream},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use crate::{
    dice::Dice,
    mouth::Said,
    stream::{PANIC, call, error},
    words::{self, MILLISECOND, NOISE},
};

/// What the recogniser was given, and what went wrong.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Milliseconds of each word, by utterance.
    pub(crate) utterances: BTreeMap<UtteranceId, BTreeMap<u16, u64>>,
    /// When a fake that hears went wrong.
    pub(crate) faults: Vec<Instant>,
}

pub(crate) type HeardLog = Arc<Mutex<Heard>>;

/// All fakes that hear share these.
#[derive(Clone)]
pub(crate) struct Hearing {
    pub(crate) dice: Arc<Dice>,
    pub(crate) trouble: u64,
    pub(crate) said: Said,
    pub(crate) log: HeardLog,
}

impl Hearing {
    /// Whether something goes wrong now; `often` is how many times of 1,000 if all is trouble.
    fn fails(&self, often: u64) -> bool {
        let fails = self.trouble > 0 && self.dice.between(1..=100_000) <= often * self.trouble;
        if fails {
            self.log.lock().faults.push(Instant::now());
        }
        fails
    }
}

impl fmt::Debug for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hearing").field("trouble", &self.trouble).finish_non_exhaustive()
    }
}

/// A voice detector that knows a voice when it hears one.
#[derive(Debug)]
pub(crate) struct FakeVad(pub(crate) Hearing);

impl Vad for FakeVad {
    fn name(&self) -> &'static str {
        "fake-vad"
    }

    fn window(&self) -> usize {
        512
    }

    fn open(&self) -> Result<Box<dyn VadStream>, ProviderError> {
        if self.0.fails(200) {
            return Err(error(&self.0.dice));
        }
        Ok(Box::new(Self(self.0.clone())))
    }
}

#[async_trait]
impl VadStream for FakeVad {
    async fn predict(&mut self, window: &[i16]) -> Result<f32, ProviderError> {
        if self.0.trouble > 0 && self.0.fails(1) {
            match self.0.dice.between(0..=2) {
                0 => return Err(error(&self.0.dice)),
                1 => panic!("{PANIC}"),
                _ => std::future::pending::<()>().await,
            }
        }
        let loud = window.iter().step_by(MILLISECOND).filter(|sample| words::is_loud(**sample)).count();
        Ok(if loud * 2 * MILLISECOND >= window.len() { 0.95 } else { 0.02 })
    }
}

/// An end-of-turn detector that throws dice.
#[derive(Debug)]
pub(crate) struct FakeDetector(pub(crate) Hearing);

#[async_trait]
impl TurnDetector for FakeDetector {
    fn name(&self) -> &'static str {
        "fake-detector"
    }

    fn capabilities(&self) -> TurnDetectorCapabilities {
        TurnDetectorCapabilities { audio: true, text: true }
    }

    async fn predict(&self, _: TurnDetectorRequest) -> Result<f32, ProviderError> {
        let dice = &self.0.dice;
        tokio::time::sleep(dice.millis(5..=60)).await;
        call(dice, self.0.trouble).await?;
        let nonsense = dice.percent(self.0.trouble);
        Ok(if nonsense { dice.pick(&[-1.0, 7.5, f32::NAN]) } else { dice.between(0..=100) as f32 / 100.0 })
    }
}

/// A recogniser that understands every word of which it hears half.
#[derive(Debug)]
pub(crate) struct FakeStt(pub(crate) Hearing);

type Due = (Instant, Option<Result<SttEvent, ProviderError>>);

#[async_trait]
impl Stt for FakeStt {
    fn name(&self) -> &'static str {
        "fake-stt"
    }

    fn capabilities(&self) -> SttCapabilities {
        SttCapabilities { interim: true, ..SttCapabilities::default() }
    }

    async fn open(&self, _: &SttOptions) -> Result<SttSession, ProviderError> {
        let hearing = self.0.clone();
        if hearing.fails(300) {
            match hearing.dice.between(0..=3) {
                0 => return Err(error(&hearing.dice)),
                1 => panic!("{PANIC}"),
                2 => std::future::pending::<()>().await,
                _ => tokio::time::sleep(hearing.dice.millis(500..=12_000)).await,
            }
        }
        let (events, due) = mpsc::unbounded_channel::<Due>();
        let events_out = stream::unfold(due, |mut due| async {
            let (at, event) = due.recv().await?;
            sleep_until(at).await;
            Some((event?, due))
        });
        let input = Ears { hearing, events, open: None };
        Ok(SttSession { input: Box::new(input), events: Box::pin(events_out) })
    }
}

struct Ears {
    hearing: Hearing,
    events: mpsc::UnboundedSender<Due>,
    open: Option<Open>,
}

struct Open {
    utterance: UtteranceId,
    /// Milliseconds of each word so far.
    words: BTreeMap<u16, u64>,
    millis: u64,
    /// Milliseconds after which interim text was told last.
    told: u64,
    /// Milliseconds after which it breaks.
    breaks: Option<u64>,
}

impl Ears {
    fn send(&self, after: Duration, event: Option<Result<SttEvent, ProviderError>>) {
        // An error means that nobody listens.
        let _ = self.events.send((Instant::now() + after, event));
    }

    fn event(&self, open: &Open, kind: SttEventKind) -> SttEvent {
        let said = self.hearing.said.lock();
        let half = |word: u16, millis: u64| 2 * millis >= said[usize::from(word)].to - said[usize::from(word)].from;
        let understood = open.words.iter().filter(|(word, millis)| half(**word, **millis));
        let texts: Vec<&str> = understood.map(|(word, _)| said[usize::from(*word)].text.as_str()).collect();
        SttEvent { utterance: open.utterance, text: texts.join(" "), kind, confidence: None, language: None }
    }
}

impl SttInput for Ears {
    fn start(&mut self, utterance: UtteranceId) {
        let breaks = self.hearing.fails(150).then(|| self.hearing.dice.between(100..=3_000));
        self.open = Some(Open { utterance, words: BTreeMap::new(), millis: 0, told: 0, breaks });
    }

    fn push(&mut self, frame: &AudioFrame) -> Result<(), ProviderError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let mut log = self.hearing.log.lock();
        let heard = log.utterances.entry(open.utterance).or_default();
        for &sample in frame.samples().iter().step_by(MILLISECOND) {
            open.millis += 1;
            if sample != 0
                && sample != NOISE
                && let Some(word) = words::word(sample)
            {
                *open.words.entry(word).or_default() += 1;
                *heard.entry(word).or_default() += 1;
            }
        }
        drop(log);
        if open.breaks.is_some_and(|at| open.millis >= at) {
            open.breaks = None;
            match self.hearing.dice.between(0..=3) {
                0 => return Err(error(&self.hearing.dice)),
                1 => panic!("{PANIC}"),
                2 => self.send(Duration::ZERO, Some(Err(error(&self.hearing.dice)))),
                _ => self.send(Duration::ZERO, None),
            }
        }
        if open.millis >= open.told + 300 && !open.words.is_empty() {
            open.told = open.millis;
            self.send(Duration::from_millis(80), Some(Ok(self.event(&open, SttEventKind::Interim))));
        }
        self.open = Some(open);
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: u32) {
        let Some(open) = &self.open else { return };
        let dice = &self.hearing.dice;
        let event = self.event(open, SttEventKind::Final { checkpoint });
        if !self.hearing.fails(300) {
            return self.send(dice.millis(20..=200), Some(Ok(event)));
        }
        match dice.between(0..=5) {
            0 => {}
            1 => panic!("{PANIC}"),
            2 => self.send(dice.millis(500..=4_000), Some(Ok(event))),
            3 => {
                self.send(dice.millis(20..=200), Some(Ok(event.clone())));
                self.send(dice.millis(0..=500), Some(Ok(event)));
            }
            4 => self.send(Duration::ZERO, Some(Ok(SttEvent { utterance: UtteranceId(9_999), ..event }))),
            _ => self.send(Duration::from_millis(50), Some(Err(error(dice)))),
        }
    }

    fn finish(&mut self) {
        self.open = None;
    }
}
