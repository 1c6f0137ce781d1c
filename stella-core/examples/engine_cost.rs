//! What does the engine itself cost? Time of one `handle` with its outputs, and memory over thousands of turns.
//!
//! Run it with `cargo run --release -p stella-core --example engine_cost [TURNS]`. It fails if the median exceeds 2 µs,
//! the 99th percentile 20 µs, or memory grows after the first tenth of the turns.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark measures and prints")]

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use stella_core::{
    engine::{Command, Engine, Input, Options, Output, WordListJudge},
    id::{GenerationId, ReplyId, ScoreId, SegmentId, SpeakerId, UtteranceId},
    llm::FinishReason,
    time::Timestamp,
};

/// What the model answers, token by token.
const ANSWER: &str = "Well, the train to Lyon leaves at ten past nine from platform four. It takes two hours. ";

struct Conversation {
    engine: Engine,
    now: Timestamp,
    times: Vec<Duration>,
    utterance: UtteranceId,
    checkpoint: u32,
    score: ScoreId,
    generation: GenerationId,
    /// Segments that were asked for and not made yet, with their characters.
    segments: Vec<(SegmentId, usize)>,
    reply: ReplyId,
}

impl Conversation {
    fn give(&mut self, after: u64, input: Input) {
        self.now += Duration::from_millis(after);
        while let Some(deadline) = self.engine.deadline().filter(|at| *at < self.now) {
            self.handle(deadline, Input::Tick);
        }
        self.handle(self.now, input);
    }

    fn handle(&mut self, at: Timestamp, input: Input) {
        let started = Instant::now();
        self.engine.handle(at, input);
        let mut commands = Vec::new();
        while let Some(output) = self.engine.poll_output() {
            commands.push(output);
        }
        self.times.push(started.elapsed());
        for output in commands {
            let Output::Command(command) = output else { continue };
            match command {
                Command::StartUtterance { utterance, .. } => self.utterance = utterance,
                Command::Checkpoint { checkpoint, .. } => self.checkpoint = checkpoint,
                Command::Score { score, .. } => self.score = score,
                Command::Generate { generation, .. } => self.generation = generation,
                Command::Synthesize { segment, reply, text } => {
                    self.reply = reply;
                    self.segments.push((segment, text.len()));
                }
                _ => {}
            }
        }
    }

    /// The user asks, the agent answers, frame by frame.
    fn turn(&mut self) {
        let speaker = SpeakerId(1);
        self.give(1_000, Input::VoiceStarted { speaker, since: self.now });
        let words = "when does the next train to Lyon leave please";
        for (at, _) in words.match_indices(' ') {
            let (utterance, text) = (self.utterance, words[..at].to_owned());
            self.give(200, Input::Transcript { utterance, text, checkpoint: None });
        }
        self.give(300, Input::VoiceEnded { speaker, last_voiced: self.now });
        let (utterance, checkpoint) = (self.utterance, Some(self.checkpoint));
        self.give(40, Input::Transcript { utterance, text: words.into(), checkpoint });
        self.give(10, Input::Scored { score: self.score, probability: Some(0.9) });
        for token in ANSWER.split_inclusive(' ') {
            self.give(20, Input::Text { generation: self.generation, text: token.into() });
        }
        self.give(20, Input::Generated { generation: self.generation, reason: FinishReason::Stop, usage: None });
        let (mut made, mut position) = (0, 0);
        loop {
            if let Some((segment, characters)) = self.segments.pop() {
                let samples = characters as u64 * 1_600;
                made += samples;
                self.give(0, Input::Audio { segment, samples });
                self.give(0, Input::Synthesized { segment });
            }
            if position >= made {
                return;
            }
            position = made.min(position + 480);
            self.give(20, Input::Playout { reply: self.reply, position });
        }
    }
}

/// Resident memory of this process in KiB; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

fn main() -> ExitCode {
    let turns: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let Ok(config) = Options::default().validate() else { return ExitCode::FAILURE };
    let mut conversation = Conversation {
        engine: Engine::new(config, Box::new(WordListJudge)),
        now: Timestamp::ZERO,
        times: Vec::with_capacity(turns * 600),
        utterance: UtteranceId(0),
        checkpoint: 0,
        score: ScoreId(0),
        generation: GenerationId(0),
        segments: Vec::new(),
        reply: ReplyId(0),
    };
    // The table of times is touched now, so that it does not count as growth.
    conversation.times.resize(turns * 600, Duration::ZERO);
    conversation.times.clear();
    let mut settled = 0;
    for turn in 0..turns {
        if turn == turns / 10 {
            settled = resident();
        }
        conversation.turn();
    }
    let grown = resident().saturating_sub(settled);
    let times = &mut conversation.times;
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!("{turns} turns, {} inputs, history of {} items", times.len(), conversation.engine.history().len());
    println!("median {:?}, 99 % {:?}, longest {:?}", at(0.5), at(0.99), at(1.0));
    println!("memory grown by {grown} KiB since turn {}", turns / 10);
    let good = at(0.5) <= Duration::from_micros(2) && at(0.99) <= Duration::from_micros(20) && grown <= 1_024;
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
