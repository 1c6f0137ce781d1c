//! Conversations as text: a script of inputs in, a trace of outputs out, in virtual time.
//!
//! ```
//! use stella_core::{engine::Options, testing::script};
//!
//! let trace = script::run(Options::default(), "
//!     0.000 say Hello.
//!     0.050 audio 24000
//!     0.050 synthesized
//!     0.100 playout 24000
//! ");
//! assert!(trace.contains("0.100 agent spoke: Hello."), "{trace}");
//! ```
//! A line is a time in seconds, an input, and its arguments. Between two lines the engine is ticked at each of its
//! deadlines; after the last line until nothing is due, or [`END`]. Ids need not be named: an input without one answers
//! the newest command of its kind (`text`, `audio`, `final`, …).
//!
//! | input | arguments |
//! |---|---|
//! | `voice`, `silence` | speaker (default 1); `silence` means that the last voiced sample is 0.2 s old |
//! | `interim`, `final`, `final failed` | words of the newest utterance; `final` answers its newest checkpoint |
//! | `earlier` | words that answer the checkpoint before the newest |
//! | `score` | probability, or `failed` |
//! | `type`, `type queue`, `type merge` | text |
//! | `text`, `call`, `generated`, `generation failed`, `generation broken` | text; tool name; –; retryable; not |
//! | `tool` | output of the newest call |
//! | `audio`, `synthesized`, `synthesis failed` | samples at 24 kHz; –; – |
//! | `playout`, `held` | position in samples |
//! | `review`, `decline` | text for the model (may be empty); reason |
//! | `say`, `say firmly`, `generate`, `interrupt`, `interrupt force` | text; instructions |
//! | `tools` | names: `name` or `name!` for one that changes something outside |
//! | `end` | seconds, farewell |
//! | `leave`, `join`, `link` | speaker; of `link` none for everybody |

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use crate::{
    chat::{ChatItem, Role, ToolCall},
    engine::{
        BudgetMissed, CloseReason, Command, Config, Engine, Event, Input, Options, Output, Record, Recorded,
        ReplyOptions, Review, Steered, Steering, TurnLimit, TypedPolicy, WordListJudge,
    },
    id::{CallId, GenerationId, MessageId, ReplyId, ScoreId, SegmentId, SpeakerId, TurnId, UtteranceId},
    llm::FinishReason,
    time::Timestamp,
    tool::ToolPolicy,
};

/// How long after the last line the engine is run, at most.
pub const END: Duration = Duration::from_secs(60);

/// Runs a script and returns its trace: one line for each output, less those that only repeat what the script says.
///
/// # Panics
/// On options that are not valid, or a line that cannot be understood.
#[must_use]
pub fn run(options: Options, script: &str) -> String {
    play(options, script).trace
}

fn play(options: Options, script: &str) -> Run {
    let config = options.validate().unwrap_or_else(|error| panic!("{error}"));
    let mut run = Run::new(config);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (at, rest) = line.split_once(' ').unwrap_or_else(|| panic!("no input in {line:?}"));
        let seconds: f64 = at.parse().unwrap_or_else(|_| panic!("no time in {line:?}"));
        let at = Timestamp::from_micros((seconds * 1e6).round() as u64);
        run.until(at);
        run.now = at.max(run.now);
        let input = run.input(rest);
        run.handle(at, input);
    }
    run.until(run.now + END);
    run
}

/// Runs a script and returns its recording, with the ticks in between.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn record(options: Options, script: &str) -> Vec<Record> {
    play(options, script).records
}

/// A conversation under way, and the newest ids.
#[derive(Debug)]
struct Run {
    engine: Engine,
    now: Timestamp,
    trace: String,
    utterance: UtteranceId,
    checkpoint: u32,
    score: ScoreId,
    generation: GenerationId,
    call: CallId,
    segment: SegmentId,
    reply: ReplyId,
    turn: TurnId,
    messages: u64,
    calls: u64,
    records: Vec<Record>,
}

impl Run {
    fn new(config: Config) -> Self {
        Self {
            engine: Engine::new(config, Box::new(WordListJudge)),
            now: Timestamp::ZERO,
            trace: String::new(),
            utterance: UtteranceId(0),
            checkpoint: 0,
            score: ScoreId(0),
            generation: GenerationId(0),
            call: CallId(0),
            segment: SegmentId(0),
            reply: ReplyId(0),
            turn: TurnId(0),
            messages: 0,
            calls: 0,
            records: Vec::new(),
        }
    }

    /// Ticks at each deadline up to and including `at`.
    fn until(&mut self, at: Timestamp) {
        while let Some(deadline) = self.engine.deadline().filter(|&deadline| deadline <= at) {
            self.handle(deadline.max(self.now), Input::Tick);
        }
    }

    fn handle(&mut self, now: Timestamp, input: Input) {
        self.now = now;
        let line = self.records.len() + 2;
        self.records.push(Record { line, at: now, what: Recorded::Input(input.clone()) });
        self.engine.handle(now, input);
        while let Some(output) = self.engine.poll_output() {
            self.note(&output);
            if let Some(text) = describe(&output) {
                let _ = writeln!(self.trace, "{now} {text}");
            }
            let line = self.records.len() + 2;
            self.records.push(Record { line, at: now, what: Recorded::Output(output) });
        }
    }

    /// Remembers the newest ids.
    fn note(&mut self, output: &Output) {
        let Output::Command(command) = output else { return };
        match command {
            Command::StartUtterance { utterance, .. } => (self.utterance, self.checkpoint) = (*utterance, 0),
            Command::Checkpoint { checkpoint, .. } => self.checkpoint = *checkpoint,
            Command::Score { score, .. } => self.score = *score,
            Command::ReviewTurn { turn, .. } => self.turn = *turn,
            Command::Generate { generation, .. } => self.generation = *generation,
            Command::RunTool { call, .. } => self.call = *call,
            Command::Synthesize { segment, reply, .. } => (self.segment, self.reply) = (*segment, *reply),
            _ => {}
        }
    }

    fn transcript(&self, text: &str, checkpoint: Option<u32>, confidence: Option<f32>) -> Input {
        Input::Transcript { utterance: self.utterance, text: text.into(), checkpoint, confidence }
    }

    fn input(&mut self, line: &str) -> Input {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let number = |default: u64| rest.parse().unwrap_or(default);
        let speaker = SpeakerId(number(1));
        let generation = self.generation;
        match (word, rest) {
            ("voice", _) => Input::VoiceStarted { speaker, since: self.now },
            ("silence", _) => Input::VoiceEnded { speaker, last_voiced: self.now - Duration::from_millis(200) },
            ("interim", text) => self.transcript(text, None, None),
            ("final", "failed") => Input::TranscriptFailed { utterance: self.utterance, checkpoint: self.checkpoint },
            ("final", text) => self.transcript(text, Some(self.checkpoint), None),
            ("earlier", text) => self.transcript(text, Some(self.checkpoint.saturating_sub(1)), None),
            ("mumble", text) => self.transcript(text, Some(self.checkpoint), Some(0.3)),
            ("ended", _) => Input::TurnEnded { utterance: self.utterance },
            ("language", language) => Input::Language { speaker: SpeakerId(1), language: language.into() },
            ("commit", _) => Input::CommitTurn,
            ("clear", _) => Input::ClearTurn,
            ("score", p) => Input::Scored { score: self.score, probability: p.parse().ok() },
            ("type", text) => {
                let (policy, text) = match text.split_once(' ') {
                    Some(("queue", text)) => (TypedPolicy::Queue, text),
                    Some(("merge", text)) => (TypedPolicy::Merge, text),
                    _ => (TypedPolicy::Interrupt, text),
                };
                self.messages += 1;
                let message = MessageId(self.messages);
                Input::Typed { speaker: SpeakerId(1), message, text: text.into(), policy }
            }
            ("text", text) => Input::Text { generation, text: format!("{text} ") },
            ("call", name) => {
                self.calls += 1;
                let id = format!("call{}", self.calls);
                let call = ToolCall { id, name: name.into(), arguments: "{}".into() };
                Input::ToolCalled { generation, call }
            }
            ("generated", _) => Input::Generated { generation, reason: FinishReason::Stop, usage: None },
            ("generation", how) => {
                let retryable = how == "failed";
                Input::GenerationFailed { generation, retryable, error: "out of order".into() }
            }
            ("tool", output) => Input::ToolReturned { call: self.call, output: output.into(), is_error: false },
            ("audio", _) => Input::Audio { segment: self.segment, samples: number(24_000) },
            ("synthesized", _) => Input::Synthesized { segment: self.segment },
            ("synthesis", _) => {
                Input::SynthesisFailed { segment: self.segment, retryable: true, error: "out of order".into() }
            }
            ("playout", _) => Input::Playout { reply: self.reply, position: number(0) },
            ("held", _) => Input::Held { reply: self.reply, position: number(0) },
            ("review", text) => {
                let text = (!text.is_empty()).then(|| text.to_owned());
                Input::Reviewed { turn: self.turn, review: Review::Answer { text, context: None } }
            }
            ("decline", reason) => {
                Input::Reviewed { turn: self.turn, review: Review::Decline { reason: reason.into() } }
            }
            ("say", text) => {
                let (interruptible, text) = match text.strip_prefix("firmly ") {
                    Some(text) => (false, text),
                    None => (true, text),
                };
                Input::Say { text: text.into(), options: ReplyOptions { interruptible, ..ReplyOptions::default() } }
            }
            ("generate", text) => Input::Generate { instructions: text.into(), options: ReplyOptions::default() },
            ("interrupt", how) => Input::Interrupt { force: how == "force" },
            ("tools", names) => {
                let tool = |name: &str| {
                    let policy = ToolPolicy { read_only: !name.ends_with('!'), ..ToolPolicy::default() };
                    (name.trim_end_matches('!').to_owned(), policy)
                };
                let tools: BTreeMap<_, _> = names.split_whitespace().map(tool).collect();
                Input::UpdateAgent { instructions: None, tools: Some(tools) }
            }
            ("end", how) => {
                let (seconds, farewell) = how.split_once(' ').unwrap_or((how, ""));
                let within = Duration::from_secs_f64(seconds.parse().unwrap_or(5.0));
                let farewell = (!farewell.is_empty()).then(|| farewell.to_owned());
                Input::End { reason: CloseReason::Application, farewell, within }
            }
            ("join", _) => Input::Joined { speaker },
            ("link", who) => Input::Link { speaker: who.parse().ok().map(SpeakerId) },
            ("leave", _) => Input::Left { speaker },
            ("tick", _) => Input::Tick,
            _ => panic!("cannot understand {line:?}"),
        }
    }
}

/// One output as a line of a trace; `None` for those that only accompany others.
#[must_use]
pub fn describe(output: &Output) -> Option<String> {
    Some(match output {
        Output::Command(command) => describe_command(command),
        Output::Event(event) => return describe_event(event),
    })
}

fn describe_command(command: &Command) -> String {
    match command {
        Command::StartUtterance { speaker, utterance } => format!("start utterance {utterance} of {speaker}"),
        Command::Checkpoint { utterance, checkpoint } => format!("checkpoint {checkpoint} of {utterance}"),
        Command::FinishUtterance { utterance } => format!("finish utterance {utterance}"),
        Command::Score { score, transcript, .. } => format!("score {score}: {transcript}"),
        Command::ReviewTurn { turn, text } => format!("review {turn}: {text}"),
        Command::Generate { generation, chat, tools } => {
            let last = chat.iter().last().map(item).unwrap_or_default();
            format!(
                "generate {generation} from {} items{}: {last}",
                chat.len(),
                if *tools { " with tools" } else { "" }
            )
        }
        Command::CancelGeneration { generation } => format!("cancel generation {generation}"),
        Command::RunTool { call, request } => format!("run tool {call}: {}", request.name),
        Command::CancelTool { call } => format!("cancel tool {call}"),
        Command::Synthesize { segment, reply, text } => format!("synthesize {segment} of {reply}: {text}"),
        Command::CancelSynthesis { segment } => format!("cancel synthesis {segment}"),
        Command::Play { reply } => format!("play {reply}"),
        Command::Hold { reply } => format!("hold {reply}"),
        Command::Resume { reply, from, .. } => format!("resume {reply} from {from}"),
        Command::Stop { reply } => format!("stop {reply}"),
    }
}

fn describe_event(event: &Event) -> Option<String> {
    Some(match event {
        Event::UserState(state) => format!("user is {state:?}"),
        Event::AgentState(state) => format!("agent is {state:?}"),
        Event::UserTranscript { is_final: false, .. } => return None,
        Event::UserTranscript { utterance, text, .. } => format!("{utterance} said: {text}"),
        Event::TurnLimit(TurnLimit { speaker, utterance, words, duration }) => {
            format!("{speaker} goes on for too long in {utterance}: {words} words, {} ms", duration.as_millis())
        }
        Event::MessageAccepted { message } => format!("accepted {message}"),
        Event::Discarded { source, text, reason } => format!("discarded {source:?} as {reason:?}: {text}"),
        Event::TurnCommitted { turn, parts } => {
            let parts: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
            format!("committed {turn}: {}", parts.join(" | "))
        }
        Event::TurnEnded { turn, outcome } => format!("{turn} ended: {outcome:?}"),
        Event::ReplyStarted { reply, turn } => {
            format!("{reply} started{}", turn.map(|turn| format!(" for {turn}")).unwrap_or_default())
        }
        Event::AgentSpoke { text, .. } => format!("agent spoke: {}", text.trim()),
        Event::AgentUnspoken { text, .. } => format!("agent cannot speak: {}", text.trim()),
        Event::ReplyEnded { reply, end, heard, unheard, .. } => {
            format!("{reply} ended: {end:?}, heard {heard:?}, unheard {unheard:?}")
        }
        Event::Overlap { utterance, reply } => format!("{utterance} overlaps {reply}"),
        Event::FalseInterruption { utterance, reply } => format!("{utterance} did not interrupt {reply}"),
        Event::Interrupted { utterance, reply } => {
            let by = utterance.map_or("the application".into(), |u| u.to_string());
            format!("{by} interrupted {reply}")
        }
        Event::HistoryAdded(added) => format!("history: {}", item(added)),
        Event::Latency(latency) => format!("response after {} ms", latency.response().as_millis()),
        Event::Steered(Steered { knob, reason, measured, turns, steering }) => {
            let Steering { longest_wait, from_score, max_attempts, first_clause } = steering;
            let wait = longest_wait.as_millis();
            let now = format!(
                "waits {wait} ms at most, from score {from_score:.2}, {max_attempts} attempts, {first_clause} characters"
            );
            format!("steered {knob:?}, {reason:?} by {} ms in {turns} turns: {now}", measured.as_millis())
        }
        Event::BudgetMissed(BudgetMissed { measured, turns }) => {
            format!("budget missed: {} ms in {turns} turns", measured.as_millis())
        }
        Event::Failed { stage, error } => format!("{stage:?} failed: {error}"),
        Event::Closed { reason } => format!("closed: {reason:?}"),
    })
}

fn item(item: &ChatItem) -> String {
    match item {
        ChatItem::Message(message) => {
            let role = match message.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
            };
            format!("{role}: {}{}", message.text, if message.interrupted { " —" } else { "" })
        }
        ChatItem::ToolCall(call) => format!("call {}", call.name),
        ChatItem::ToolOutput(output) => format!("output of {}: {}", output.name, output.output),
    }
}
