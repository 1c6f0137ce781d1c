//! The shell of a simulated conversation: it carries out commands as its plan says, or does not.

use super::{Answer, Pending, Playout, Reviewing, Simulation, TEXTS, TOOLS, sureness};
use crate::{
    chat::ToolCall,
    engine::{Command, Input, Output, Recorded, Review},
    id::{CallId, GenerationId, ReplyId, ScoreId, SegmentId, TurnId, UtteranceId},
    llm::{FinishReason, TokenUsage},
    testing::rules::Broken,
    time::Timestamp,
    tts::WordTime,
};

/// Samples in a millisecond.
const RATE: u64 = 24;

/// The shell's side of one reply.
#[derive(Debug, Clone)]
pub(super) struct Sink {
    plan: Playout,
    /// Samples made.
    total: u64,
    position: u64,
    playing: bool,
    held: bool,
    reporting: bool,
    /// When the position was last moved.
    at: Timestamp,
}

impl Simulation {
    pub(super) fn give(&mut self, input: Input) -> Result<(), Broken> {
        self.steps += 1;
        if let Input::Audio { segment, samples } = &input
            && let Some(reply) = self.segments.get(segment).copied()
            && let Some(sink) = self.sinks.get_mut(&reply)
        {
            sink.total += samples;
            self.report_later(reply);
        }
        let first = self.watched.handle(self.now, input)?;
        for at in first..self.watched.records.len() {
            if let Recorded::Output(Output::Command(command)) = &self.watched.records[at].what {
                let command = command.clone();
                self.carry_out(command);
            }
        }
        Ok(())
    }

    pub(super) fn carry_out(&mut self, command: Command) {
        match command {
            Command::StartUtterance { speaker, utterance } => {
                self.spoken.insert(speaker, String::new());
                self.utterances.insert(utterance, speaker);
                if let Some(Some(delay)) = self.turn_of("interims", |p| &p.interims) {
                    self.after(delay.into(), Pending::Interim(utterance, 3));
                }
            }
            Command::Checkpoint { utterance, checkpoint } => self.transcribe(utterance, checkpoint),
            Command::Score { score, .. } => self.score(score),
            Command::ReviewTurn { turn, .. } => self.review(turn),
            Command::Generate { generation, tools, .. } => self.generate(generation, tools),
            Command::RunTool { call, .. } => self.run_tool(call),
            Command::Synthesize { segment, reply, text } => self.synthesize(segment, reply, &text),
            Command::Play { reply } => self.play(reply),
            Command::Hold { reply } => self.hold(reply),
            Command::Resume { reply, from, .. } => {
                let now = self.now;
                if let Some(sink) = self.sinks.get_mut(&reply) {
                    (sink.held, sink.position, sink.at) = (false, from, now);
                }
                self.report_later(reply);
            }
            Command::Stop { reply } => {
                self.sinks.remove(&reply);
            }
            Command::FinishUtterance { .. }
            | Command::CancelGeneration { .. }
            | Command::CancelTool { .. }
            | Command::CancelSynthesis { .. } => {}
        }
    }

    pub(super) fn transcribe(&mut self, utterance: UtteranceId, checkpoint: u32) {
        let Some((delay, answer)) = self.turn_of("transcripts", |p| &p.transcripts) else { return };
        let Some(&speaker) = self.utterances.get(&utterance) else { return };
        let text = self.spoken.get(&speaker).cloned().unwrap_or_default();
        let confidence = sureness(&text);
        let good = Input::Transcript { utterance, text, checkpoint: Some(checkpoint), confidence };
        self.answer(delay, answer, good, Input::TranscriptFailed { utterance, checkpoint });
    }

    pub(super) fn answer(&mut self, delay: u16, answer: Answer, good: Input, failed: Input) {
        let delay = u64::from(delay);
        match answer {
            Answer::Good => self.after(delay, Pending::Input(good)),
            Answer::Failed => self.after(delay, Pending::Input(failed)),
            Answer::Never => {}
            Answer::Twice => {
                self.after(delay, Pending::Input(good.clone()));
                self.after(delay + 40, Pending::Input(failed));
                self.after(delay + 90, Pending::Input(good));
            }
        }
    }

    pub(super) fn score(&mut self, score: ScoreId) {
        let Some((delay, percent)) = self.turn_of("scores", |p| &p.scores) else { return };
        let probability = (percent <= 100).then(|| f32::from(percent) / 100.0);
        if percent <= 110 {
            self.after(delay.into(), Pending::Input(Input::Scored { score, probability }));
        }
    }

    pub(super) fn review(&mut self, turn: TurnId) {
        let Some((delay, reviewing)) = self.turn_of("reviews", |p| &p.reviews) else { return };
        let review = match reviewing {
            Reviewing::Accept => Review::Answer { text: None, context: None },
            Reviewing::Edit => Review::Answer { text: Some("edited".into()), context: Some("context".into()) },
            Reviewing::Decline => Review::Decline { reason: "not now".into() },
            Reviewing::Never => return,
        };
        self.after(delay.into(), Pending::Input(Input::Reviewed { turn, review }));
    }

    pub(super) fn generate(&mut self, generation: GenerationId, tools: bool) {
        let Some(plan) = self.turn_of("generations", |p| &p.generations) else { return };
        let mut at = plan.first;
        for part in plan.parts {
            let input = match TEXTS.get(part) {
                Some(text) => Input::Text { generation, text: (*text).to_owned() },
                // A model that has no tools rarely calls one.
                None if !tools && part % 2 == 0 => continue,
                None => {
                    self.calls += 1;
                    // Some models use the same id again.
                    let id = if part % 3 == 0 { "call".to_owned() } else { format!("call{}", self.calls) };
                    let name = TOOLS[part % TOOLS.len()].to_owned();
                    Input::ToolCalled { generation, call: ToolCall { id, name, arguments: "{}".into() } }
                }
            };
            self.after(at.into(), Pending::Input(input));
            at = at.saturating_add(plan.gap);
        }
        let usage = (plan.gap % 2 == 0).then_some(TokenUsage { prompt: 20, cached: 10, completion: 5 });
        let done = Input::Generated { generation, reason: FinishReason::Stop, usage };
        let failed = Input::GenerationFailed { generation, retryable: plan.retryable, error: "out of order".into() };
        self.answer(at, plan.end, done, failed);
    }

    pub(super) fn run_tool(&mut self, call: CallId) {
        let Some((delay, answer)) = self.turn_of("calls", |p| &p.calls) else { return };
        let good = Input::ToolReturned { call, output: "noon".into(), is_error: false };
        let failed = Input::ToolReturned { call, output: "no".into(), is_error: true };
        self.answer(delay, answer, good, failed);
    }

    pub(super) fn synthesize(&mut self, segment: SegmentId, reply: ReplyId, text: &str) {
        let Some(plan) = self.turn_of("syntheses", |p| &p.syntheses) else { return };
        if !self.sinks.contains_key(&reply) {
            let Some(plan) = self.turn_of("playouts", |p| &p.playouts) else { return };
            let at = self.now;
            let sink = Sink { plan, total: 0, position: 0, playing: false, held: false, reporting: false, at };
            self.sinks.insert(reply, sink);
        }
        self.segments.insert(segment, reply);
        let mut at = u64::from(plan.first);
        let total: u64 = plan.parts.iter().map(|ms| u64::from(*ms) * RATE).sum();
        if plan.words && total > 0 {
            let text = if plan.wrong_words {
                "Это не тот текст, and it is longer than the other one"
            } else {
                text
            };
            let words = word_times(text, total);
            self.after(at, Pending::Input(Input::Words { segment, words }));
        }
        for part in &plan.parts {
            let samples = u64::from(*part) * RATE;
            self.after(at, Pending::Input(Input::Audio { segment, samples }));
            at += u64::from(plan.gap);
        }
        let done = Input::Synthesized { segment };
        let failed = Input::SynthesisFailed { segment, retryable: plan.gap % 2 == 0, error: "out of order".into() };
        self.answer(at.min(60_000) as u16, plan.end, done, failed);
    }

    pub(super) fn play(&mut self, reply: ReplyId) {
        let now = self.now;
        let Some(sink) = self.sinks.get_mut(&reply) else { return };
        (sink.playing, sink.at) = (true, now);
        self.report_later(reply);
    }

    /// Moves the playout of a reply on to now, and says how far it is; again later, as long as it moves.
    pub(super) fn report(&mut self, reply: ReplyId) -> Result<(), Broken> {
        let now = self.now;
        let Some(sink) = self.sinks.get_mut(&reply) else { return Ok(()) };
        sink.reporting = false;
        if sink.held {
            return Ok(());
        }
        let passed = now.since(sink.at).as_micros() as u64 * RATE / 1_000 * u64::from(sink.plan.pace) / 100;
        let end = sink.plan.stall.map_or(sink.total, |ms| sink.total.min(u64::from(ms) * RATE));
        let position = end.min(sink.position + passed).max(sink.position);
        let moved = position > sink.position;
        (sink.position, sink.at) = (position, now);
        if moved {
            self.report_later(reply);
            self.give(Input::Playout { reply, position })?;
        }
        Ok(())
    }

    pub(super) fn report_later(&mut self, reply: ReplyId) {
        let now = self.now;
        let Some(sink) = self.sinks.get_mut(&reply) else { return };
        if sink.playing && !sink.held && !sink.reporting {
            sink.reporting = true;
            sink.at = now;
            let every = sink.plan.every.max(1);
            self.after(every.into(), Pending::Report(reply));
        }
    }

    pub(super) fn hold(&mut self, reply: ReplyId) {
        let Some(sink) = self.sinks.get_mut(&reply) else { return };
        sink.held = true;
        let position = sink.position;
        if let Some(delay) = sink.plan.held_after {
            self.after(delay.into(), Pending::Input(Input::Held { reply, position }));
        }
    }
}

/// Times of the words of a text spoken in `total` samples.
fn word_times(text: &str, total: u64) -> Vec<WordTime> {
    let length = text.len().max(1) as u64;
    let mut at = 0;
    let mut times = Vec::new();
    for word in text.split_inclusive(' ') {
        let range = at..at + word.trim_end().len();
        at += word.len();
        if !range.is_empty() {
            let samples = range.start as u64 * total / length..range.end as u64 * total / length;
            times.push(WordTime { text: range, samples });
        }
    }
    times
}
