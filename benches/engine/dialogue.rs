//! One conversation of thousands of turns, frame by frame, in which something of everything happens.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use stella_core::{
    chat::ToolCall,
    engine::{Command, Engine, Input, Options, Output, TypedPolicy, WordListJudge},
    id::{CallId, GenerationId, MessageId, ReplyId, ScoreId, SegmentId, SpeakerId, UtteranceId},
    llm::FinishReason,
    time::Timestamp,
    tool::ToolPolicy,
};

use crate::times::Times;

/// What the model answers, token by token.
const ANSWER: &str = "Well, the train to Lyon leaves at ten past nine from platform four. It takes two hours. ";

/// Samples of one frame of 20 ms.
const FRAME: u64 = 480;

/// Samples of one character of speech: fifteen of them make a second.
const CHARACTER: u64 = 1_600;

/// Most frames of one reply: two minutes.
const FRAMES: usize = 6_000;

/// What happens in a turn, one after the other.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A question and its answer.
    Plain,
    /// The user says "mhm" in the middle of the answer.
    Backchannel,
    /// The user interrupts the answer.
    Interrupted,
    /// The model asks for a tool.
    Tool,
    /// The question is typed.
    Typed,
    /// The user goes on when the reply is already begun.
    Continued,
}

const KINDS: &[Kind] = &[
    Kind::Plain,
    Kind::Backchannel,
    Kind::Plain,
    Kind::Tool,
    Kind::Interrupted,
    Kind::Typed,
    Kind::Plain,
    Kind::Continued,
];

/// The conversation, with the newest id of each kind.
#[derive(Debug)]
pub(crate) struct Dialogue {
    engine: Engine,
    now: Timestamp,
    times: Times,
    most: usize,
    utterance: UtteranceId,
    checkpoint: u32,
    score: ScoreId,
    generation: GenerationId,
    call: CallId,
    /// Segments that were asked for and not made yet, with their characters.
    segment: Option<(SegmentId, u64)>,
    reply: ReplyId,
    /// Samples made of the reply, and sent.
    made: u64,
    sent: u64,
}

impl Dialogue {
    /// A conversation whose times go into the table.
    pub(crate) fn new(times: Times) -> Result<Self> {
        let config = Options::default().validate().context("the defaults")?;
        let mut dialogue = Self {
            engine: Engine::new(config, Box::new(WordListJudge)),
            now: Timestamp::ZERO,
            most: times.capacity(),
            times,
            utterance: UtteranceId(0),
            checkpoint: 0,
            score: ScoreId(0),
            generation: GenerationId(0),
            call: CallId(0),
            segment: None,
            reply: ReplyId(0),
            made: 0,
            sent: 0,
        };
        let policy = ToolPolicy { read_only: true, ..ToolPolicy::default() };
        let tools = BTreeMap::from([("timetable".to_owned(), policy)]);
        let instructions = Some("You sell railway tickets. Be brief, and say times in words.".to_owned());
        dialogue.handle(Timestamp::ZERO, Input::UpdateAgent { instructions, tools: Some(tools) });
        Ok(dialogue)
    }

    /// Inputs so far.
    pub(crate) fn inputs(&self) -> usize {
        self.times.len()
    }

    /// Items of the history.
    pub(crate) fn history(&self) -> usize {
        self.engine.history().len()
    }

    /// The times, sorted.
    ///
    /// # Errors
    /// If the table had to grow, which would count as memory of the engine.
    pub(crate) fn into_times(self) -> Result<Times> {
        ensure!(self.times.capacity() == self.most, "the table of times was too small");
        self.times.sorted()
    }

    /// One turn.
    ///
    /// # Errors
    /// If it does not end as it should: then something else would be measured.
    pub(crate) fn turn(&mut self, number: usize) -> Result<()> {
        let kind = KINDS[number % KINDS.len()];
        match kind {
            Kind::Typed => self.type_words(number),
            _ => self.speak("when does the next train to Lyon leave please", 0.9),
        }
        if matches!(kind, Kind::Continued) {
            self.give(30, Input::Text { generation: self.generation, text: "Well, ".into() });
            self.speak("and the one after that", 0.9);
        }
        if matches!(kind, Kind::Tool) {
            let call = ToolCall { id: format!("call{number}"), name: "timetable".into(), arguments: "{}".into() };
            self.give(80, Input::ToolCalled { generation: self.generation, call });
            self.give(
                5,
                Input::Generated { generation: self.generation, reason: FinishReason::ToolCalls, usage: None },
            );
            self.give(120, Input::ToolReturned { call: self.call, output: "9:10, 10:10".into(), is_error: false });
        }
        self.answer(kind);
        if matches!(kind, Kind::Interrupted) {
            self.answer(Kind::Plain);
        }
        self.give(700, Input::Tick);
        ensure!(
            self.made == self.sent && self.sent > 0,
            "turn {number}: {} of {} samples were sent",
            self.sent,
            self.made
        );
        Ok(())
    }

    fn speak(&mut self, words: &str, score: f32) {
        let speaker = SpeakerId(1);
        self.give(300, Input::VoiceStarted { speaker, since: self.now });
        for (at, _) in words.match_indices(' ') {
            let text = words[..at].to_owned();
            self.give(200, Input::Transcript { utterance: self.utterance, text, checkpoint: None, confidence: None });
        }
        self.pause(words);
        self.give(10, Input::Scored { score: self.score, probability: Some(score) });
        self.give(300, Input::Tick);
    }

    /// The voice ends, and its words become final.
    fn pause(&mut self, words: &str) {
        self.give(200, Input::VoiceEnded { speaker: SpeakerId(1), last_voiced: self.now });
        let checkpoint = Some(self.checkpoint);
        self.give(
            40,
            Input::Transcript { utterance: self.utterance, text: words.into(), checkpoint, confidence: Some(0.9) },
        );
    }

    fn type_words(&mut self, number: usize) {
        let message = MessageId(number as u64);
        let text = "And what does it cost?".to_owned();
        self.give(500, Input::Typed { speaker: SpeakerId(1), message, text, policy: TypedPolicy::Interrupt });
    }

    /// The model answers, and the answer is heard.
    fn answer(&mut self, kind: Kind) {
        for token in ANSWER.split_inclusive(' ') {
            self.give(20, Input::Text { generation: self.generation, text: token.into() });
        }
        self.give(20, Input::Generated { generation: self.generation, reason: FinishReason::Stop, usage: None });
        for frame in 0..FRAMES {
            self.synthesise();
            if self.sent >= self.made {
                return;
            }
            self.sent = self.made.min(self.sent + FRAME);
            self.give(20, Input::Playout { reply: self.reply, position: self.sent });
            match kind {
                Kind::Backchannel if frame == 40 => self.backchannel(),
                Kind::Interrupted if frame == 40 => {
                    self.speak("no wait what about tomorrow", 0.9);
                    return;
                }
                _ => {}
            }
        }
    }

    fn synthesise(&mut self) {
        while let Some((segment, characters)) = self.segment.take() {
            let samples = characters * CHARACTER / 2;
            self.made += 2 * samples;
            self.give(0, Input::Audio { segment, samples });
            self.give(0, Input::Audio { segment, samples });
            self.give(0, Input::Synthesized { segment });
        }
    }

    fn backchannel(&mut self) {
        self.give(1, Input::VoiceStarted { speaker: SpeakerId(1), since: self.now });
        self.give(120, Input::Held { reply: self.reply, position: self.sent });
        self.pause("Mhm.");
    }

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
        let mut taken = started.elapsed();
        loop {
            let started = Instant::now();
            let output = self.engine.poll_output();
            taken += started.elapsed();
            match output {
                Some(Output::Command(command)) => self.note(command),
                Some(Output::Event(_)) => {}
                None => break,
            }
        }
        self.times.add(taken);
    }

    fn note(&mut self, command: Command) {
        match command {
            Command::StartUtterance { utterance, .. } => self.utterance = utterance,
            Command::Checkpoint { checkpoint, .. } => self.checkpoint = checkpoint,
            Command::Score { score, .. } => self.score = score,
            Command::Generate { generation, .. } => self.generation = generation,
            Command::RunTool { call, .. } => self.call = call,
            Command::Synthesize { segment, reply, text } => {
                if self.reply != reply {
                    (self.reply, self.made, self.sent) = (reply, 0, 0);
                }
                self.segment = Some((segment, text.chars().count() as u64));
            }
            Command::Resume { from, .. } => self.sent = from,
            Command::CancelSynthesis { .. } => self.segment = None,
            _ => {}
        }
    }
}
