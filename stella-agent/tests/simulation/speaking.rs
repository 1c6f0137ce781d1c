//! A fake voice.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    error::ProviderError,
    tts::{Tts, TtsCapabilities, TtsEvent, TtsRequest, TtsStream, WordTime},
};
use tokio::time::Instant;

use crate::{
    dice::Dice,
    stream::{self, Step, Steps, call, spoil},
    words::{self, WORDS},
};

/// Samples of one character, at 15 a second.
const CHARACTER: usize = 1_600;
/// Samples of silence after a word.
const GAP: usize = 480;

/// Samples of the last moment of a word: one, so that it is exact where a word was cut off.
pub(crate) const LAST: usize = 1;

/// What the voice was asked to say.
#[derive(Debug, Default)]
pub(crate) struct Voiced {
    pub(crate) requests: Vec<Request>,
    /// Every word of them, by its number.
    pub(crate) words: Vec<VoicedWord>,
}

/// One call of the voice.
#[derive(Debug)]
pub(crate) struct Request {
    /// When, since the start.
    pub(crate) at: Duration,
    pub(crate) text: String,
    pub(crate) times: Times,
    /// Whether the audio is what it should be.
    pub(crate) whole: bool,
}

/// What is told of when words are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Exact,
    None,
    Nonsense,
}

#[derive(Debug)]
pub(crate) struct VoicedWord {
    pub(crate) request: usize,
    pub(crate) text: String,
}

pub(crate) type VoicedLog = Arc<Mutex<Voiced>>;

/// Hums every word with its number in each sample.
pub(crate) struct FakeTts {
    pub(crate) zero: Instant,
    pub(crate) dice: Arc<Dice>,
    pub(crate) trouble: u64,
    pub(crate) times: Times,
    pub(crate) log: VoicedLog,
}

impl fmt::Debug for FakeTts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeTts").finish_non_exhaustive()
    }
}

impl FakeTts {
    /// Notes a request; returns its number.
    fn note(&self, text: &str) -> usize {
        let times = if self.dice.percent(self.trouble) { Times::Nonsense } else { self.times };
        let mut log = self.log.lock();
        log.requests.push(Request { at: self.zero.elapsed(), text: text.to_owned(), times, whole: false });
        log.requests.len() - 1
    }

    fn render(&self, text: &str, request: usize, whole: bool) -> (Vec<i16>, Vec<WordTime>) {
        let mut log = self.log.lock();
        log.requests[request].whole = whole;
        let times = log.requests[request].times;
        let (mut samples, mut word_times) = (Vec::new(), Vec::new());
        let mut at = 0;
        for part in text.split_inclusive(char::is_whitespace) {
            let (start, word) = (at, part.trim_end());
            at += part.len();
            if !word.contains(char::is_alphanumeric) {
                continue;
            }
            let length = word.chars().count().min(100) * CHARACTER;
            let number = log.words.len() as u16;
            assert!(number < WORDS, "too many words for one conversation");
            log.words.push(VoicedWord { request, text: word.to_owned() });
            let from = samples.len() as u64;
            samples.resize(samples.len() + length - LAST, words::sample(number));
            samples.resize(samples.len() + LAST, words::last_sample(number));
            word_times.push(WordTime { text: start..start + word.len(), samples: from..from + length as u64 });
            samples.resize(samples.len() + GAP, 0);
        }
        match times {
            Times::Exact => {}
            Times::None => word_times.clear(),
            Times::Nonsense => {
                word_times.push(WordTime { text: Range { start: 5, end: 3 }, samples: Range { start: 7, end: 2 } });
                word_times.push(WordTime { text: 0..usize::MAX, samples: 0..u64::MAX });
                word_times.reverse();
            }
        }
        (samples, word_times)
    }

    fn steps(&self, text: &str, request: usize) -> Steps<TtsEvent> {
        let dice = &self.dice;
        let (nonsense, broken) = (dice.percent(self.trouble), dice.percent(self.trouble));
        let (samples, words) = self.render(text, request, !nonsense && !broken);
        let mut steps = Steps::new();
        if !words.is_empty() {
            steps.push_back((Duration::ZERO, Step::Give(TtsEvent::Words(words))));
        }
        // Mostly faster than it is spoken, sometimes not.
        let (first, gap) = (dice.millis(30..=300), dice.weighted(&[(10, 20), (3, 60), (1, 130)]));
        for part in samples.chunks(2_400) {
            let after = if steps.len() < 2 { first } else { Duration::from_millis(gap) };
            if let Ok(frame) = AudioFrame::new(AudioFormat::VOICE, part) {
                steps.push_back((after, Step::Give(TtsEvent::Audio(frame))));
            }
        }
        if nonsense {
            let frame = match dice.between(0..=1) {
                0 => AudioFrame::silence(AudioFormat::WEBRTC, Duration::from_millis(20)),
                _ => AudioFrame::silence(AudioFormat::VOICE, Duration::ZERO),
            };
            let at = dice.between(0..=steps.len() as u64) as usize;
            steps.insert(at, (Duration::ZERO, Step::Give(TtsEvent::Audio(frame))));
        }
        if broken {
            spoil(&mut steps, dice);
        }
        steps
    }
}

#[async_trait]
impl Tts for FakeTts {
    fn name(&self) -> &'static str {
        "fake-tts"
    }

    fn capabilities(&self) -> TtsCapabilities {
        TtsCapabilities { streaming: true, word_times: true }
    }

    fn format(&self) -> AudioFormat {
        AudioFormat::VOICE
    }

    async fn synthesize(&self, request: TtsRequest) -> Result<TtsStream, ProviderError> {
        let number = self.note(&request.text);
        call(&self.dice, self.trouble).await?;
        Ok(stream::of(self.steps(&request.text, number)))
    }
}
