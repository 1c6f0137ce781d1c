//! Answers that come too late: they change nothing, and are counted (I3).

use super::{
    Broken, Rule,
    books::{Playing, ReplyBook, Rules},
};
use crate::{
    engine::{Engine, Event, Input, Output, Record, Recorded},
    id::{GenerationId, ReplyId, SegmentId},
};

impl Rules {
    /// Whether the input answers a command that is not open, and so must change nothing.
    pub(super) fn is_late(&self, input: &Input) -> bool {
        let generation = |id: &GenerationId| self.generations.iter().all(|(open, _)| open != id);
        let segment = |id: &SegmentId| self.segments.iter().all(|(open, _)| open != id);
        let sounding = |id: &ReplyId| self.replies.get(id).is_some_and(|r| !r.ended && r.playing == Playing::Sounding);
        match input {
            _ if self.closed => !matches!(input, Input::Tick),
            Input::Text { generation: id, .. }
            | Input::ToolCalled { generation: id, .. }
            | Input::Generated { generation: id, .. }
            | Input::GenerationFailed { generation: id, .. } => generation(id),
            Input::Audio { segment: id, .. }
            | Input::Synthesized { segment: id }
            | Input::SynthesisFailed { segment: id, .. } => segment(id),
            Input::Words { segment: id, .. } => {
                let spoken = |r: &ReplyBook| !r.ended && r.segments.iter().any(|s| s.id == *id && s.done);
                segment(id) && !self.replies.values().any(spoken)
            }
            Input::ToolReturned { call, .. } => !self.calls.contains(call),
            Input::Scored { score, .. } => self.scores.iter().all(|(open, _)| open != score),
            Input::Reviewed { turn, .. } => !self.reviews.contains(turn),
            Input::Playout { reply, .. } | Input::Held { reply, .. } => !sounding(reply),
            Input::Transcript { utterance, checkpoint, .. } => match self.utterances.get(utterance) {
                Some(open) => checkpoint.is_some_and(|c| c <= open.answered || c > open.asked),
                None => true,
            },
            Input::TranscriptFailed { utterance, checkpoint } => match self.utterances.get(utterance) {
                Some(open) => *checkpoint <= open.answered || *checkpoint > open.asked,
                None => true,
            },
            _ => false,
        }
    }

    /// I11: what is due comes before the input of the same time, whether a tick said so or not.
    pub(super) fn tick_first<'a>(
        &self,
        outputs: impl Iterator<Item = &'a Output>,
        engine: &Engine,
        twin: &mut Engine,
    ) -> Result<(), Broken> {
        let without: Vec<Output> = std::iter::from_fn(|| twin.poll_output()).collect();
        let same = outputs.eq(without.iter());
        self.check(Rule::I11, same, || format!("without a tick before the input there is {without:?}"))?;
        let same = engine.is_closed() || engine.fingerprint() == twin.fingerprint();
        self.check(Rule::I11, same, || "without a tick before the input the state is another".into())
    }

    /// I3: a late answer does no more than a tick, and is counted. A late final transcript may be told, once.
    pub(super) fn late(
        &mut self,
        input: &Input,
        outputs: &[Record],
        engine: &Engine,
        twin: &mut Engine,
    ) -> Result<(), Broken> {
        let mut told = None;
        if let Input::Transcript { utterance, checkpoint: Some(checkpoint), .. } = input {
            let before = self.corrections.len();
            self.corrections.retain(|open| *open != (*utterance, *checkpoint));
            told = (self.corrections.len() < before).then_some(*utterance);
        }
        let correction = |output: &Output| {
            let Output::Event(Event::UserTranscript { utterance, is_final: true, .. }) = output else { return false };
            told == Some(*utterance)
        };
        let mut rest = outputs.iter();
        while let Some(expected) = twin.poll_output() {
            let same = rest.next().is_some_and(|r| matches!(&r.what, Recorded::Output(o) if *o == expected));
            self.check(Rule::I3, same, || format!("{input:?} is late, but without it there is {expected:?}"))?;
        }
        let extra: Vec<_> = rest.filter(|r| !matches!(&r.what, Recorded::Output(o) if correction(o))).collect();
        self.check(Rule::I3, extra.is_empty(), || format!("{input:?} is late, but there is {extra:?}"))?;
        let (counted, before) = (engine.stats().late, twin.stats().late);
        let ticked = u64::from(self.closed);
        self.check(Rule::I3, counted + ticked == before + 1, || format!("{input:?} is late, but was not counted"))?;
        let same = self.closed || told.is_some() || engine.fingerprint() == twin.fingerprint();
        self.check(Rule::I3, same, || format!("{input:?} is late, but changed the state"))
    }
}
