//! The agent's side of a conversation in virtual time.

use std::{collections::BTreeMap, time::Duration};

use stella_core::{
    engine::{Command, Input},
    id::{GenerationId, ReplyId},
    llm::FinishReason,
    time::Timestamp,
};

/// A model and a voice that answer in the times of `cargo xtask bench turn`.
const FIRST_TOKEN: Duration = Duration::from_millis(100);
const TOKEN: Duration = Duration::from_millis(10);
const FIRST_FRAME: Duration = Duration::from_millis(50);
/// What the model answers to everything.
const ANSWER: &str = "Well, of course I can do that for you today.";
/// Samples that a character of speech has, and those sent when the playout is first told, at 24 kHz: 0.06 s, 0.02 s.
const CHARACTER: u64 = 1_440;
const FIRST_REPORT: u64 = 480;
const RATE: u64 = 24_000;

/// Who answers.
#[derive(Debug)]
pub(crate) enum Agent {
    /// Nobody: the model gives its turn back, empty, when the user is done.
    Silent { generation: Option<GenerationId> },
    /// A model and a voice by script.
    Speaking { replies: BTreeMap<ReplyId, Sink> },
}

/// What is made and sent of a reply.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    samples: u64,
    /// Sent before `since`.
    sent: u64,
    /// When it began to be sent; `None` while it is not.
    since: Option<Timestamp>,
}

impl Sink {
    fn position(&self, now: Timestamp) -> u64 {
        let passed = self.since.map_or(0, |since| now.since(since).as_micros() as u64 * RATE / 1_000_000);
        self.samples.min(self.sent + passed)
    }

    /// When its first samples and all of them will have been sent.
    fn reports(&self, reply: ReplyId) -> Vec<(Timestamp, Input)> {
        let Some(since) = self.since else { return Vec::new() };
        let report = |position: u64| {
            let at = since + Duration::from_micros((position - self.sent) * 1_000_000 / RATE + 1);
            (at, Input::Playout { reply, position })
        };
        let positions = [self.samples.min(self.sent + FIRST_REPORT), self.samples];
        positions.into_iter().filter(|position| *position > self.sent).map(report).collect()
    }
}

impl Agent {
    /// One that speaks.
    pub(crate) fn speaking() -> Self {
        Self::Speaking { replies: BTreeMap::new() }
    }

    /// Does what the engine says; what will come of it is added to the queue.
    pub(crate) fn carry_out(&mut self, now: Timestamp, command: Command, queue: &mut Vec<(Timestamp, Input)>) {
        match self {
            Self::Silent { generation } => match command {
                Command::Generate { generation: id, .. } => *generation = Some(id),
                Command::CancelGeneration { .. } => *generation = None,
                _ => {}
            },
            Self::Speaking { replies } => speak(replies, now, command, queue),
        }
    }

    /// The user is done: what the agent still says.
    pub(crate) fn finish(&mut self) -> Option<Input> {
        let Self::Silent { generation } = self else { return None };
        generation.take().map(|generation| Input::Generated { generation, reason: FinishReason::Stop, usage: None })
    }
}

fn speak(replies: &mut BTreeMap<ReplyId, Sink>, now: Timestamp, command: Command, queue: &mut Vec<(Timestamp, Input)>) {
    match command {
        Command::Generate { generation, .. } => {
            let mut at = now + FIRST_TOKEN;
            for token in ANSWER.split_inclusive(' ') {
                queue.push((at, Input::Text { generation, text: token.to_owned() }));
                at += TOKEN;
            }
            queue.push((at, Input::Generated { generation, reason: FinishReason::Stop, usage: None }));
        }
        Command::CancelGeneration { generation } => queue.retain(|(_, input)| match input {
            Input::Text { generation: id, .. } | Input::Generated { generation: id, .. } => *id != generation,
            _ => true,
        }),
        Command::Synthesize { segment, reply, text } => {
            let samples = text.len() as u64 * CHARACTER;
            queue.push((now + FIRST_FRAME, Input::Audio { segment, samples }));
            queue.push((now + FIRST_FRAME, Input::Synthesized { segment }));
            replies.entry(reply).or_default().samples += samples;
            reschedule(replies, reply, now, queue);
        }
        Command::CancelSynthesis { segment } => queue.retain(|(_, input)| match input {
            Input::Audio { segment: id, .. } | Input::Synthesized { segment: id } => *id != segment,
            _ => true,
        }),
        Command::Play { reply } | Command::Resume { reply, .. } => {
            if let Some(sink) = replies.get_mut(&reply) {
                if let Command::Resume { from, .. } = command {
                    sink.sent = from;
                }
                sink.since = Some(now);
            }
            reschedule(replies, reply, now, queue);
        }
        Command::Hold { reply } => {
            let Some(sink) = replies.get_mut(&reply) else { return };
            (sink.sent, sink.since) = (sink.position(now), None);
            let position = sink.sent;
            reschedule(replies, reply, now, queue);
            queue.push((now, Input::Held { reply, position }));
        }
        Command::Stop { reply } => {
            replies.remove(&reply);
            reschedule(replies, reply, now, queue);
        }
        _ => {}
    }
}

/// The playout of a reply has changed: what was to be told of it is told otherwise.
fn reschedule(replies: &BTreeMap<ReplyId, Sink>, reply: ReplyId, now: Timestamp, queue: &mut Vec<(Timestamp, Input)>) {
    queue.retain(|(_, input)| !matches!(input, Input::Playout { reply: id, .. } if *id == reply));
    if let Some(sink) = replies.get(&reply) {
        queue.extend(sink.reports(reply).into_iter().filter(|(at, _)| *at > now));
    }
}
