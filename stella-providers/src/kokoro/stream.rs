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
    tts::{TtsEvent, TtsStream},
};

use super::{
    NAME, Speaker,
    clauses::{Clause, Cutter},
    network,
    normalize::sentences,
    phonemes::Accent,
    sound,
    voice::Voice,
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
    sentences: VecDeque<String>,
    clauses: VecDeque<Clause>,
    cutter: Cutter,
}

/// One clause spoken, and what is left.
struct Spoken {
    samples: Vec<i16>,
    rest: Rest,
}

struct Utterer {
    speaker: Arc<Speaker>,
    plan: Plan,
    /// The run that makes the next clause; `None` when nothing is left.
    pending: Option<Pending<Spoken>>,
}

pub(super) fn open(speaker: Arc<Speaker>, plan: Plan, text: &str) -> TtsStream {
    let cutter = Cutter::new(speaker.cost.get(), PATIENCE);
    let rest = Rest { sentences: sentences(text).into(), clauses: VecDeque::new(), cutter };
    let mut utterer = Utterer { speaker, plan, pending: None };
    utterer.submit(rest, FIRST_DUE);
    let events = futures_util::stream::unfold(utterer, |mut utterer| async {
        let event = utterer.next().await?;
        Some((event, utterer))
    });
    Box::pin(events.fuse())
}

impl Utterer {
    async fn next(&mut self) -> Option<Result<TtsEvent, ProviderError>> {
        loop {
            let result = self.pending.as_mut()?.await;
            self.pending = None;
            let spoken = match result {
                Ok(spoken) => spoken,
                Err(error) => return Some(Err(error)),
            };
            // The next clause is made while this one is played, and is wanted when it ends.
            self.submit(spoken.rest, AudioFormat::VOICE.duration(spoken.samples.len() as u64));
            if spoken.samples.is_empty() {
                continue;
            }
            let frame = AudioFrame::new(AudioFormat::VOICE, spoken.samples)
                .map_err(|error| ProviderError::Internal { provider: NAME, source: Box::new(error) });
            return Some(frame.map(TtsEvent::Audio));
        }
    }

    fn submit(&mut self, mut rest: Rest, due: Duration) {
        if rest.sentences.is_empty() && rest.clauses.is_empty() {
            return;
        }
        let (speaker, plan) = (self.speaker.clone(), self.plan.clone());
        let job = Job::new(NAME, &speaker.model, Lane::Long, due);
        self.pending = Some(self.speaker.pool.submit(job, move || {
            let samples = speaker.speak_next(&plan, &mut rest)?;
            Ok(Spoken { samples, rest })
        }));
    }
}

impl Speaker {
    /// Speaks the next clause there is; no samples if there is none.
    fn speak_next(&self, plan: &Plan, rest: &mut Rest) -> Result<Vec<i16>, ProviderError> {
        loop {
            if let Some(clause) = rest.clauses.pop_front() {
                return self.speak(plan, &clause);
            }
            let Some(sentence) = rest.sentences.pop_front() else { return Ok(Vec::new()) };
            let phonemes = self.pronouncer(plan.accent).pronounce(&sentence)?;
            tracing::trace!(%phonemes, "pronounced");
            rest.clauses = rest.cutter.split(&phonemes);
        }
    }

    fn speak(&self, plan: &Plan, clause: &Clause) -> Result<Vec<i16>, ProviderError> {
        let tokens = self.alphabet.tokens(&clause.phonemes);
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let start = Instant::now();
        let audio = network::speak(&self.model, &tokens, &plan.voice, plan.speed)?;
        self.cost.add(start.elapsed(), AudioFormat::VOICE.duration(audio.len() as u64));
        let pause = AudioFormat::VOICE.samples(clause.pause.div_f32(plan.speed)) as usize;
        let samples = sound::finish(audio, pause);
        if samples.is_empty() {
            tracing::warn!(tokens = tokens.len(), "a clause came out silent");
        }
        Ok(samples)
    }
}
