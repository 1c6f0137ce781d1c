//! One synthesis. The stream does the work when it is polled: there is no task to leak.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    error::ProviderError,
    tts::{TtsEvent, TtsStream, WordTime},
};

use super::{
    NAME, Speaker,
    clauses::{Clause, Cutter},
    network,
    normalize::sentences,
    phonemes::Accent,
    sound,
    times::times,
    traced::Traced,
    voice::Voice,
    words::{Word, Words},
};
use crate::runtime::{Job, Lane, Pending};

/// When the first sound is due in the pool's order.
const FIRST_DUE: Duration = Duration::from_millis(300);
/// How long the first clause may take; a sentence is cut so that it does not take longer.
const PATIENCE: Duration = Duration::from_millis(1_250);

/// How a text is spoken.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) voice: Arc<Voice>,
    pub(super) speed: f32,
    pub(super) accent: Accent,
}

/// What is still to be spoken.
#[derive(Debug)]
struct Rest {
    /// Normalised sentences without phonemes yet.
    sentences: VecDeque<Traced>,
    /// Clauses and the words they speak.
    clauses: VecDeque<(Clause, Vec<Word>)>,
    cutter: Cutter,
    words: Words,
}

/// What was made of one clause: nothing if it is silent.
#[derive(Debug, Default)]
struct Speech {
    samples: Vec<i16>,
    /// Times of its words from its first sample.
    words: Vec<WordTime>,
}

/// One clause spoken, and what is left.
struct Spoken {
    speech: Speech,
    rest: Rest,
}

struct Utterer {
    speaker: Arc<Speaker>,
    plan: Plan,
    /// The run that makes the next clause; `None` when nothing is left.
    pending: Option<Pending<Spoken>>,
    /// Samples given so far.
    given: u64,
    /// Audio whose words were given last.
    audio: Option<AudioFrame>,
}

pub(super) fn open(speaker: Arc<Speaker>, plan: Plan, text: &str) -> TtsStream {
    let cutter = Cutter::new(speaker.cost.get(), PATIENCE);
    let (sentences, words) = (sentences(text).into(), Words::new(text));
    let rest = Rest { sentences, clauses: VecDeque::new(), cutter, words };
    let mut utterer = Utterer { speaker, plan, pending: None, given: 0, audio: None };
    utterer.submit(rest, FIRST_DUE);
    let events = futures_util::stream::unfold(utterer, |mut utterer| async {
        let event = utterer.next().await?;
        Some((event, utterer))
    });
    Box::pin(events.fuse())
}

impl Utterer {
    async fn next(&mut self) -> Option<Result<TtsEvent, ProviderError>> {
        if let Some(frame) = self.audio.take() {
            return Some(Ok(TtsEvent::Audio(frame)));
        }
        loop {
            let result = self.pending.as_mut()?.await;
            self.pending = None;
            let Spoken { speech, rest } = match result {
                Ok(spoken) => spoken,
                Err(error) => return Some(Err(error)),
            };
            let samples = speech.samples.len() as u64;
            // The next clause is made while this one is played, and is wanted when it ends.
            self.submit(rest, AudioFormat::VOICE.duration(samples));
            if samples > 0 {
                return Some(self.give(speech));
            }
        }
    }

    /// The times of the words, and then the audio with them.
    fn give(&mut self, speech: Speech) -> Result<TtsEvent, ProviderError> {
        let frame = AudioFrame::new(AudioFormat::VOICE, speech.samples)
            .map_err(|error| ProviderError::Internal { provider: NAME, source: Box::new(error) })?;
        let start = self.given;
        self.given += frame.len();
        if speech.words.is_empty() {
            return Ok(TtsEvent::Audio(frame));
        }
        self.audio = Some(frame);
        let later = |WordTime { text, samples }| WordTime { text, samples: start + samples.start..start + samples.end };
        Ok(TtsEvent::Words(speech.words.into_iter().map(later).collect()))
    }

    fn submit(&mut self, mut rest: Rest, due: Duration) {
        if rest.sentences.is_empty() && rest.clauses.is_empty() {
            return;
        }
        let (speaker, plan) = (self.speaker.clone(), self.plan.clone());
        let job = Job::new(NAME, &speaker.model, Lane::Long, due);
        self.pending = Some(self.speaker.pool.submit(job, move || {
            let speech = speaker.speak_next(&plan, &mut rest)?;
            Ok(Spoken { speech, rest })
        }));
    }
}

impl Speaker {
    /// Speaks the next clause there is; nothing if there is none.
    fn speak_next(&self, plan: &Plan, rest: &mut Rest) -> Result<Speech, ProviderError> {
        loop {
            if let Some((clause, words)) = rest.clauses.pop_front() {
                return self.speak(plan, &clause, &words);
            }
            let Some(sentence) = rest.sentences.pop_front() else { return Ok(Speech::default()) };
            let phonemes = self.pronouncer(plan.accent).pronounce(&sentence)?;
            tracing::trace!(phonemes = &*phonemes, "pronounced");
            let phonemes = self.alphabet.known(&phonemes);
            let clauses = rest.cutter.split(&phonemes);
            let words = rest.words.speak(&clauses.iter().map(|clause| &clause.phonemes).collect::<Vec<_>>());
            rest.clauses = clauses.into_iter().zip(words).collect();
        }
    }

    fn speak(&self, plan: &Plan, clause: &Clause, words: &[Word]) -> Result<Speech, ProviderError> {
        let tokens = self.alphabet.tokens(&clause.phonemes);
        if tokens.is_empty() {
            return Ok(Speech::default());
        }
        let start = Instant::now();
        let utterance = network::speak(&self.model, &tokens, &plan.voice, plan.speed)?;
        self.cost.add(start.elapsed(), AudioFormat::VOICE.duration(utterance.audio.len() as u64));
        let pause = AudioFormat::VOICE.samples(clause.pause.div_f32(plan.speed)) as usize;
        let sound = sound::finish(utterance.audio, pause);
        if sound.samples.is_empty() {
            tracing::warn!(tokens = tokens.len(), "a clause came out silent");
        }
        let words = times(words, &utterance.bounds, &sound.kept);
        Ok(Speech { samples: sound.samples, words })
    }
}
