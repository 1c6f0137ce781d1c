//! Ids of the engine, which are other ones when inputs are left out.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    engine::{Command, Input, Output},
    id::{CallId, GenerationId, ReplyId, ScoreId, SegmentId, TurnId, UtteranceId},
};

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Utterance,
    Score,
    Turn,
    Generation,
    Call,
    Segment,
    Reply,
}

pub(super) type Id = (Kind, u64);

/// The ids that an output makes known to the shell.
pub(super) fn issued(output: &Output) -> Vec<Id> {
    let Output::Command(command) = output else { return Vec::new() };
    match command {
        Command::StartUtterance { utterance, .. } => vec![(Kind::Utterance, utterance.0)],
        Command::Score { score, .. } => vec![(Kind::Score, score.0)],
        Command::ReviewTurn { turn, .. } => vec![(Kind::Turn, turn.0)],
        Command::Generate { generation, .. } => vec![(Kind::Generation, generation.0)],
        Command::RunTool { call, .. } => vec![(Kind::Call, call.0)],
        Command::Synthesize { segment, reply, .. } => vec![(Kind::Segment, segment.0), (Kind::Reply, reply.0)],
        _ => Vec::new(),
    }
}

/// The id that an input answers or tells of.
fn named(input: &mut Input) -> Option<(Kind, &mut u64)> {
    Some(match input {
        Input::Transcript { utterance: UtteranceId(id), .. }
        | Input::TranscriptFailed { utterance: UtteranceId(id), .. } => (Kind::Utterance, id),
        Input::Scored { score: ScoreId(id), .. } => (Kind::Score, id),
        Input::Reviewed { turn: TurnId(id), .. } => (Kind::Turn, id),
        Input::Text { generation: GenerationId(id), .. }
        | Input::ToolCalled { generation: GenerationId(id), .. }
        | Input::Generated { generation: GenerationId(id), .. }
        | Input::GenerationFailed { generation: GenerationId(id), .. } => (Kind::Generation, id),
        Input::ToolReturned { call: CallId(id), .. } => (Kind::Call, id),
        Input::Audio { segment: SegmentId(id), .. }
        | Input::Words { segment: SegmentId(id), .. }
        | Input::Synthesized { segment: SegmentId(id) }
        | Input::SynthesisFailed { segment: SegmentId(id), .. } => (Kind::Segment, id),
        Input::Playout { reply: ReplyId(id), .. } | Input::Held { reply: ReplyId(id), .. } => (Kind::Reply, id),
        _ => return None,
    })
}

/// What the ids of the recording are called in a run.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<Id, u64>,
    /// Ids of the run that are nobody's yet.
    spare: BTreeMap<Kind, VecDeque<u64>>,
    /// Checkpoints asked for in the run, by utterance.
    checkpoints: BTreeMap<u64, u32>,
}

impl Names {
    /// An input of the recording issued these ids, and caused these outputs in the run.
    pub(super) fn learn(&mut self, recorded: &[Id], outputs: &[Output]) {
        let mut fresh: Vec<Id> = Vec::new();
        for output in outputs {
            if let Output::Command(Command::Checkpoint { utterance, checkpoint }) = output {
                self.checkpoints.insert(utterance.0, *checkpoint);
            }
            let new = |id: &Id| !fresh.contains(id) && !self.is_taken(*id);
            let ids: Vec<Id> = issued(output).into_iter().filter(new).collect();
            fresh.extend(ids);
        }
        for id in recorded.iter().filter(|id| !self.known.contains_key(id)).copied().collect::<Vec<_>>() {
            if let Some(at) = fresh.iter().position(|(kind, _)| *kind == id.0) {
                self.known.insert(id, fresh.remove(at).1);
            }
        }
        for (kind, id) in fresh {
            self.spare.entry(kind).or_default().push_back(id);
        }
    }

    fn is_taken(&self, (kind, id): Id) -> bool {
        let known = self.known.iter().any(|(&(other, _), &name)| other == kind && name == id);
        known || self.spare.get(&kind).is_some_and(|spare| spare.contains(&id))
    }

    /// The input as the run understands it. An id that was never issued stays, and is an answer to nothing.
    pub(super) fn translate(&mut self, input: &Input) -> Input {
        let mut input = input.clone();
        if let Some((kind, id)) = named(&mut input)
            && let Some(name) = self.name((kind, *id))
        {
            *id = name;
        }
        if let Input::Transcript { utterance, checkpoint: Some(checkpoint), .. }
        | Input::TranscriptFailed { utterance, checkpoint } = &mut input
            && let Some(asked) = self.checkpoints.get(&utterance.0)
        {
            *checkpoint = (*checkpoint).min(*asked);
        }
        input
    }

    /// The name of an id; a new one takes the first that is nobody's.
    fn name(&mut self, id: Id) -> Option<u64> {
        if let Some(name) = self.known.get(&id) {
            return Some(*name);
        }
        let name = self.spare.get_mut(&id.0)?.pop_front()?;
        self.known.insert(id, name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SpeakerId;

    fn score(id: u64) -> Output {
        Output::Command(Command::Score { score: ScoreId(id), speaker: SpeakerId(1), transcript: String::new() })
    }

    #[test]
    fn ids_are_told_by_where_they_come_from() {
        let mut names = Names::default();
        // The run has left out what issued 3, so that 7 is called 4.
        names.learn(&[(Kind::Score, 7)], &[score(4)]);
        let answer = |id| Input::Scored { score: ScoreId(id), probability: None };
        assert_eq!(names.translate(&answer(7)), answer(4));
        // Nothing was issued for 3; it stays as it is, and is an answer to nothing.
        assert_eq!(names.translate(&answer(3)), answer(3));
        // Something that the run issues at another input.
        names.learn(&[], &[score(9)]);
        assert_eq!(names.translate(&answer(8)), answer(9));
    }
}
