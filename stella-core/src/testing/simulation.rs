//! A whole conversation in virtual time: a user, an application, and a shell whose every part may be slow, wrong, silent
//! or broken. A [`Plan`] says what each does; the same plan gives the same conversation.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    time::Duration,
};

use crate::{
    chat::{ChatItem, Role, ToolCall},
    engine::{
        CloseReason, Command, Engine, Fault, Input, Judge, Options, OptionsError, Output, Overlapping, Recorded,
        ReplyOptions, Review, TypedPolicy, Verdict, WordListJudge,
    },
    id::{CallId, GenerationId, MessageId, ReplyId, ScoreId, SegmentId, SpeakerId, TurnId, UtteranceId},
    llm::FinishReason,
    testing::rules::{Broken, Rule, Watched},
    time::Timestamp,
    tool::{OnInterrupt, ToolPolicy},
    tts::WordTime,
};

/// What users say and type.
pub const PHRASES: &[&str] = &[
    "",
    "mhm",
    "okay",
    "wait",
    "no",
    "what about Rome",
    "I would like a coffee please",
    "tell me more about it",
    "the capital of France is",
];

/// What models write.
pub const TEXTS: &[&str] = &[
    "Sure. ",
    "The capital of France is Paris. ",
    "Well, you know, it depends, ",
    "hm",
    "",
    "... ",
    "One two three. Four five six. Seven eight. ",
    " ",
    "Größe — „ja“! 你好。世界！ Ça va? ",
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnungsentwurf ",
];

/// Tools by name; the last is not known to the engine.
pub const TOOLS: &[&str] = &["clock", "order", "archive", "unknown"];

/// What everybody does, and after how many milliseconds. Each list is used from its start, again and again.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Options of the engine.
    pub options: Options,
    /// What the user and the application do, one after the other.
    pub acts: Vec<(u16, Act)>,
    /// What becomes of each request for a final transcript.
    pub transcripts: Vec<(u16, Answer)>,
    /// When, if at all, interim text of an utterance comes.
    pub interims: Vec<Option<u16>>,
    /// Scores in percent; above 100 the detector fails, above 110 it says nothing.
    pub scores: Vec<(u16, u8)>,
    /// What the model does with each request.
    pub generations: Vec<Generation>,
    /// What becomes of each tool call.
    pub calls: Vec<(u16, Answer)>,
    /// What the voice does with each request.
    pub syntheses: Vec<Synthesis>,
    /// How each reply is played.
    pub playouts: Vec<Playout>,
    /// What the application says of each turn.
    pub reviews: Vec<(u16, Reviewing)>,
    /// Whether the judge decides by nothing sensible.
    pub contrary: bool,
    /// How late the shell ticks.
    pub tick_after: u16,
}

impl Plan {
    /// The judge of the conversation.
    #[must_use]
    pub fn judge(&self) -> Box<dyn Judge> {
        if self.contrary { Box::new(ContraryJudge) } else { Box::new(WordListJudge) }
    }
}

/// A judge that is only consistent.
#[derive(Debug, Clone, Copy)]
struct ContraryJudge;

impl Judge for ContraryJudge {
    fn judge(&self, overlapping: Overlapping<'_>) -> Verdict {
        match (overlapping.text.len() + usize::from(overlapping.is_final)) % 4 {
            0 => Verdict::Interruption,
            1 => Verdict::Backchannel,
            2 => Verdict::Echo,
            _ => Verdict::Unsure,
        }
    }
}

/// What the user or the application does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Somebody speaks for so many milliseconds, and says the phrase of this number.
    Speak(u8, u16, usize),
    /// Somebody's voice starts and is not noticed to end before they leave.
    StuckVoice(u8),
    /// Somebody types a phrase.
    Type(u8, TypedPolicy, usize),
    /// Somebody leaves.
    Leave(u8),
    /// Somebody joins.
    Join(u8),
    /// The application has a text said.
    Say(usize, ReplyOptions),
    /// The application has the agent speak.
    Generate(ReplyOptions),
    /// The application interrupts.
    Interrupt(bool),
    /// The application ends the conversation, within so many milliseconds.
    End(bool, u16),
    /// The tools are taken away or given.
    Tools(bool),
    /// The application adds to the history.
    Note,
    /// An earlier input comes again.
    Echo(usize),
    /// The playout of the last reply claims to be at this sample.
    ClaimPlayout(u64),
    /// The clock jumps back by so many milliseconds for one input.
    JumpBack(u16),
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is answered.
    Good,
    /// It fails.
    Failed,
    /// Nothing comes.
    Never,
    /// It is answered twice.
    Twice,
}

/// What the model does with one request.
#[derive(Debug, Clone)]
pub struct Generation {
    /// Milliseconds to the first part, and between parts.
    pub first: u16,
    /// Milliseconds between parts.
    pub gap: u16,
    /// Texts, and tool calls as numbers from `TEXTS.len()`.
    pub parts: Vec<usize>,
    /// How it ends.
    pub end: Answer,
    /// Whether a failure is worth another try.
    pub retryable: bool,
}

/// What the voice does with one request.
#[derive(Debug, Clone)]
pub struct Synthesis {
    /// Milliseconds to the first part.
    pub first: u16,
    /// Milliseconds between parts.
    pub gap: u16,
    /// Milliseconds of audio in each part.
    pub parts: Vec<u16>,
    /// Whether word times come, before the audio.
    pub words: bool,
    /// Whether they are of another text.
    pub wrong_words: bool,
    /// How it ends.
    pub end: Answer,
}

/// How one reply is played.
#[derive(Debug, Clone, Copy)]
pub struct Playout {
    /// Milliseconds between reports.
    pub every: u16,
    /// Milliseconds of sound after which it stands still.
    pub stall: Option<u16>,
    /// Percent of the real pace.
    pub pace: u8,
    /// Milliseconds until a hold is confirmed; `None` never.
    pub held_after: Option<u16>,
}

/// What the application says of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reviewing {
    /// Answer it.
    Accept,
    /// Answer it with other words and context.
    Edit,
    /// Do not.
    Decline,
    /// Nothing.
    Never,
}

/// Something that will happen.
#[derive(Debug, Clone)]
enum Pending {
    Act(Act),
    Input(Input),
    VoiceEnded(SpeakerId),
    Report(ReplyId),
    /// Interim text of an utterance, and so often again.
    Interim(UtteranceId, u8),
}

/// The shell's side of one reply.
#[derive(Debug, Clone)]
struct Sink {
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

/// A conversation that was simulated.
#[derive(Debug)]
pub struct Simulated {
    /// The engine with all that happened.
    pub watched: Watched,
    /// The rule that was broken first.
    pub broken: Option<Broken>,
    /// Inputs that were given.
    pub steps: usize,
}

/// Most inputs of one conversation.
const MAX_STEPS: usize = 600;

/// Most inputs until it has come to rest.
const MAX_REST: usize = 20_000;

/// Samples in a millisecond.
const RATE: u64 = 24;

#[derive(Debug)]
struct Simulation {
    plan: Plan,
    watched: Watched,
    now: Timestamp,
    queue: BinaryHeap<Reverse<(Timestamp, u64)>>,
    pending: BTreeMap<u64, Pending>,
    acts: VecDeque<(u16, Act)>,
    sequence: u64,
    steps: usize,
    used: BTreeMap<&'static str, usize>,
    spoken: BTreeMap<SpeakerId, String>,
    utterances: BTreeMap<UtteranceId, SpeakerId>,
    speaking: BTreeMap<SpeakerId, u32>,
    sinks: BTreeMap<ReplyId, Sink>,
    segments: BTreeMap<SegmentId, ReplyId>,
    messages: u64,
    calls: u64,
}

/// Runs a plan, checks every rule after every step, lets the conversation come to rest, ends it, and replays it.
///
/// # Errors
/// [`OptionsError`] if the plan's options are not valid.
pub fn simulate(plan: &Plan, fault: Option<Fault>) -> Result<Simulated, OptionsError> {
    let config = plan.options.clone().validate()?;
    let mut engine = Engine::new(config.clone(), plan.judge());
    engine.break_on_purpose(fault);
    let mut simulation = Simulation {
        acts: plan.acts.iter().cloned().collect(),
        plan: plan.clone(),
        watched: Watched::over(engine, &config),
        now: Timestamp::ZERO,
        queue: BinaryHeap::new(),
        pending: BTreeMap::new(),
        sequence: 0,
        steps: 0,
        used: BTreeMap::new(),
        spoken: BTreeMap::new(),
        utterances: BTreeMap::new(),
        speaking: BTreeMap::new(),
        sinks: BTreeMap::new(),
        segments: BTreeMap::new(),
        messages: 0,
        calls: 0,
    };
    let broken = simulation.run().err();
    Ok(Simulated { watched: simulation.watched, broken, steps: simulation.steps })
}

impl Simulation {
    fn run(&mut self) -> Result<(), Broken> {
        let tools = self.tools();
        self.give(Input::UpdateAgent { instructions: None, tools: Some(tools) })?;
        self.next_act();
        self.until_quiet(MAX_STEPS)?;
        // Everybody stops; what is under way must come to its end by its deadlines.
        self.queue.clear();
        self.speaking.clear();
        for speaker in [SpeakerId(1), SpeakerId(2)] {
            self.give(Input::VoiceEnded { speaker, last_voiced: self.now })?;
        }
        self.queue.clear();
        self.rest()?;
        if !self.watched.engine.is_closed() {
            self.watched.settled()?;
            let within = Duration::from_secs(2);
            self.give(Input::End { reason: CloseReason::Completed, farewell: None, within })?;
        }
        self.queue.clear();
        self.rest()
    }

    /// Waits until nothing happens any more, and nothing is due.
    fn rest(&mut self) -> Result<(), Broken> {
        self.until_quiet(MAX_REST)?;
        if self.queue.is_empty() && self.watched.engine.deadline().is_none() {
            return Ok(());
        }
        let why = "the conversation does not come to rest".into();
        Err(Broken { rule: Rule::I6, at: self.now, why })
    }

    fn tools(&self) -> BTreeMap<String, ToolPolicy> {
        let policy = |name: &str| ToolPolicy {
            read_only: name == "clock",
            timeout: Duration::from_millis(3_000),
            on_interrupt: if name == "archive" { OnInterrupt::Continue } else { OnInterrupt::Cancel },
        };
        TOOLS[..3].iter().map(|name| ((*name).to_owned(), policy(name))).collect()
    }

    /// Lets everything happen that will, and ticks in between.
    fn until_quiet(&mut self, most: usize) -> Result<(), Broken> {
        for _ in 0..most {
            let due = self.watched.engine.deadline().map(|at| at + Duration::from_millis(self.plan.tick_after.into()));
            let next = self.queue.peek().map(|Reverse((at, _))| *at);
            match (next, due) {
                (Some(at), due) if due.is_none_or(|due| at <= due) => {
                    let Some(Reverse((at, number))) = self.queue.pop() else { break };
                    self.now = self.now.max(at);
                    if let Some(pending) = self.pending.remove(&number) {
                        self.happen(pending)?;
                    }
                }
                (_, Some(due)) => {
                    self.now = self.now.max(due);
                    self.give(Input::Tick)?;
                }
                (_, None) => break,
            }
        }
        Ok(())
    }

    /// The next of a list of the plan, from its start again after its end.
    fn turn_of<T: Clone>(&mut self, name: &'static str, list: impl FnOnce(&Plan) -> &Vec<T>) -> Option<T> {
        let used = self.used.entry(name).or_default();
        let list = list(&self.plan);
        let item = list.get(*used % list.len().max(1)).cloned();
        *used += 1;
        item
    }

    fn after(&mut self, millis: u64, pending: Pending) {
        self.sequence += 1;
        self.pending.insert(self.sequence, pending);
        self.queue.push(Reverse((self.now + Duration::from_millis(millis), self.sequence)));
    }

    fn next_act(&mut self) {
        if let Some((delay, act)) = self.acts.pop_front() {
            self.after(delay.into(), Pending::Act(act));
        }
    }

    fn happen(&mut self, pending: Pending) -> Result<(), Broken> {
        match pending {
            Pending::Act(act) => {
                self.act(act)?;
                self.next_act();
                Ok(())
            }
            Pending::Input(input) => self.give(input),
            Pending::VoiceEnded(speaker) => match self.speaking.get_mut(&speaker) {
                Some(1) => {
                    self.speaking.remove(&speaker);
                    self.give(Input::VoiceEnded { speaker, last_voiced: self.now - Duration::from_millis(200) })
                }
                Some(voices) => {
                    *voices -= 1;
                    Ok(())
                }
                None => Ok(()),
            },
            Pending::Report(reply) => self.report(reply),
            Pending::Interim(utterance, again) => {
                let Some(&speaker) = self.utterances.get(&utterance) else { return Ok(()) };
                if again > 0 && self.speaking.contains_key(&speaker) {
                    self.after(400, Pending::Interim(utterance, again - 1));
                }
                let text = self.spoken.get(&speaker).cloned().unwrap_or_default();
                self.give(Input::Transcript { utterance, text, checkpoint: None })
            }
        }
    }

    fn act(&mut self, act: Act) -> Result<(), Broken> {
        let speaker = |n: u8| SpeakerId(u64::from(n));
        let phrase = |n: usize| PHRASES[n % PHRASES.len()].to_owned();
        match act {
            Act::Speak(n, millis, words) => {
                let speaker = speaker(n);
                *self.speaking.entry(speaker).or_default() += 1;
                self.after(u64::from(millis) + 200, Pending::VoiceEnded(speaker));
                self.give(Input::VoiceStarted { speaker, since: self.now - Duration::from_millis(30) })?;
                let spoken = self.spoken.entry(speaker).or_default();
                spoken.push(' ');
                spoken.push_str(&phrase(words));
                Ok(())
            }
            Act::StuckVoice(n) => {
                *self.speaking.entry(speaker(n)).or_default() += 1_000;
                self.give(Input::VoiceStarted { speaker: speaker(n), since: self.now })
            }
            Act::Type(n, policy, words) => {
                self.messages += 1;
                let message = MessageId(self.messages);
                self.give(Input::Typed { speaker: speaker(n), message, text: phrase(words), policy })
            }
            Act::Leave(n) => {
                self.speaking.remove(&speaker(n));
                self.give(Input::Left { speaker: speaker(n) })
            }
            Act::Join(n) => self.give(Input::Joined { speaker: speaker(n) }),
            Act::Say(text, options) => self.give(Input::Say { text: TEXTS[text % TEXTS.len()].to_owned(), options }),
            Act::Generate(options) => self.give(Input::Generate { instructions: "Greet.".into(), options }),
            Act::Interrupt(force) => self.give(Input::Interrupt { force }),
            Act::End(farewell, within) => {
                let farewell = farewell.then(|| "Good bye, and thank you.".to_owned());
                let within = Duration::from_millis(within.into());
                self.give(Input::End { reason: CloseReason::Application, farewell, within })
            }
            Act::Tools(given) => {
                let tools = if given { self.tools() } else { BTreeMap::new() };
                self.give(Input::UpdateAgent { instructions: Some("Be brief.".into()), tools: Some(tools) })
            }
            Act::Note => self.give(Input::AddHistory { item: ChatItem::message(Role::System, "A note.") }),
            Act::Echo(n) => {
                let mut inputs = self.watched.records.iter().rev().filter_map(|r| match &r.what {
                    Recorded::Input(
                        Input::Typed { .. } | Input::End { .. } | Input::UpdateAgent { .. } | Input::Tick,
                    ) => None,
                    Recorded::Input(input) => Some(input),
                    Recorded::Output(_) => None,
                });
                match inputs.nth(n).cloned() {
                    Some(input) => self.give(input),
                    None => Ok(()),
                }
            }
            Act::ClaimPlayout(position) => match self.sinks.keys().next_back() {
                Some(&reply) => self.give(Input::Playout { reply, position }),
                None => Ok(()),
            },
            Act::JumpBack(millis) => {
                let now = self.now;
                self.now = now - Duration::from_millis(millis.into());
                let result = self.give(Input::Tick);
                self.now = now;
                result
            }
        }
    }

    // The shell

    fn give(&mut self, input: Input) -> Result<(), Broken> {
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

    fn carry_out(&mut self, command: Command) {
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
            Command::Resume { reply, from } => {
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

    fn transcribe(&mut self, utterance: UtteranceId, checkpoint: u32) {
        let Some((delay, answer)) = self.turn_of("transcripts", |p| &p.transcripts) else { return };
        let Some(&speaker) = self.utterances.get(&utterance) else { return };
        let text = self.spoken.get(&speaker).cloned().unwrap_or_default();
        let good = Input::Transcript { utterance, text, checkpoint: Some(checkpoint) };
        self.answer(delay, answer, good, Input::TranscriptFailed { utterance, checkpoint });
    }

    fn answer(&mut self, delay: u16, answer: Answer, good: Input, failed: Input) {
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

    fn score(&mut self, score: ScoreId) {
        let Some((delay, percent)) = self.turn_of("scores", |p| &p.scores) else { return };
        let probability = (percent <= 100).then(|| f32::from(percent) / 100.0);
        if percent <= 110 {
            self.after(delay.into(), Pending::Input(Input::Scored { score, probability }));
        }
    }

    fn review(&mut self, turn: TurnId) {
        let Some((delay, reviewing)) = self.turn_of("reviews", |p| &p.reviews) else { return };
        let review = match reviewing {
            Reviewing::Accept => Review::Answer { text: None, context: None },
            Reviewing::Edit => Review::Answer { text: Some("edited".into()), context: Some("context".into()) },
            Reviewing::Decline => Review::Decline { reason: "not now".into() },
            Reviewing::Never => return,
        };
        self.after(delay.into(), Pending::Input(Input::Reviewed { turn, review }));
    }

    fn generate(&mut self, generation: GenerationId, tools: bool) {
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
        let done = Input::Generated { generation, reason: FinishReason::Stop, usage: None };
        let failed = Input::GenerationFailed { generation, retryable: plan.retryable, error: "out of order".into() };
        self.answer(at, plan.end, done, failed);
    }

    fn run_tool(&mut self, call: CallId) {
        let Some((delay, answer)) = self.turn_of("calls", |p| &p.calls) else { return };
        let good = Input::ToolReturned { call, output: "noon".into(), is_error: false };
        let failed = Input::ToolReturned { call, output: "no".into(), is_error: true };
        self.answer(delay, answer, good, failed);
    }

    fn synthesize(&mut self, segment: SegmentId, reply: ReplyId, text: &str) {
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

    fn play(&mut self, reply: ReplyId) {
        let now = self.now;
        let Some(sink) = self.sinks.get_mut(&reply) else { return };
        (sink.playing, sink.at) = (true, now);
        self.report_later(reply);
    }

    /// Moves the playout of a reply on to now, and says how far it is; again later, as long as it moves.
    fn report(&mut self, reply: ReplyId) -> Result<(), Broken> {
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

    fn report_later(&mut self, reply: ReplyId) {
        let now = self.now;
        let Some(sink) = self.sinks.get_mut(&reply) else { return };
        if sink.playing && !sink.held && !sink.reporting {
            sink.reporting = true;
            sink.at = now;
            let every = sink.plan.every.max(1);
            self.after(every.into(), Pending::Report(reply));
        }
    }

    fn hold(&mut self, reply: ReplyId) {
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
