//! The rules I1 to I15 of docs/engine.md as code: a [`Watched`] engine checks all of them after every step.
//!
//! The rules keep their own books, from nothing but the inputs, the outputs and a [probe](crate::engine::Probe); where
//! they and the engine disagree, one of the two is wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use crate::{
    chat::{ChatItem, Message, Role},
    engine::{
        AgentState, Command, Config, DiscardReason, Engine, Event, Input, Judge, Options, Output, Part, Record,
        Recorded, ReplyEnd, Source, TurnOutcome, UserState,
    },
    id::{CallId, GenerationId, ReplyId, ScoreId, SegmentId, SpeakerId, TurnId, UtteranceId},
    time::Timestamp,
    tool::ToolPolicy,
};

/// One rule of docs/engine.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Every committed turn has exactly one outcome.
    I1,
    /// At most one reply is audible, and none again after its end.
    I2,
    /// Each command is issued once, and completed or cancelled once; later answers change nothing and are counted.
    I3,
    /// Each tool call has exactly one output before a generation that contains it; no side effect under speculation.
    I4,
    /// History holds what was heard.
    I5,
    /// Alive: a deadline while there is work, bounded outputs, no deadline that stands still.
    I6,
    /// Closed no later than the end allows.
    I7,
    /// No word lost.
    I8,
    /// A hold ends within `max_hold`.
    I9,
    /// A rollback leaves no trace.
    I10,
    /// The same inputs give the same outputs; a clock that jumps back stands still.
    I11,
    /// Memory is bounded.
    I12,
    /// An uninterruptible reply is never held or cut off by the user.
    I13,
    /// State events follow their edges, and never repeat.
    I14,
    /// The latency of a turn adds up.
    I15,
}

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// When.
    pub at: Timestamp,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is broken at {}: {}", self.rule, self.at, self.why)
    }
}

impl std::error::Error for Broken {}

/// Most outputs of one step.
const MAX_OUTPUTS: usize = 256;

/// An engine whose every step is checked and recorded.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The engine.
    pub engine: Engine,
    /// What happened so far.
    pub records: Vec<Record>,
    rules: Rules,
}

impl Watched {
    /// Watches a new engine.
    #[must_use]
    pub fn new(config: &Config, judge: Box<dyn Judge>) -> Self {
        Self::over(Engine::new(config.clone(), judge), config)
    }

    /// Watches an engine that was told nothing yet.
    #[must_use]
    pub fn over(engine: Engine, config: &Config) -> Self {
        Self { engine, records: Vec::new(), rules: Rules::new(config) }
    }

    /// Gives an input to the engine, after a tick if one is due, and checks what it does; returns the number of the
    /// first record of its outputs.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn handle(&mut self, now: Timestamp, input: Input) -> Result<usize, Broken> {
        let first = self.records.len();
        if !matches!(input, Input::Tick) && self.engine.deadline().is_some_and(|at| at <= now) {
            self.handle(now, Input::Tick)?; // so that what the input does is seen alone
        }
        self.rules.now = self.rules.now.max(now);
        let late = self.rules.is_late(&input);
        let twin = late.then(|| self.engine.clone());
        let line = self.records.len() + 2;
        self.engine.handle(now, input.clone());
        self.records.push(Record { line, at: now, what: Recorded::Input(input) });
        let own = self.records.len();
        while let Some(output) = self.engine.poll_output() {
            let line = self.records.len() + 2;
            self.records.push(Record { line, at: now, what: Recorded::Output(output) });
        }
        let (inputs, outputs) = self.records.split_at(own);
        if let (Some(mut twin), Some(Record { what: Recorded::Input(input), .. })) = (twin, inputs.last()) {
            twin.handle(now, Input::Tick);
            self.rules.late(input, outputs, &self.engine, &mut twin)?;
        }
        if let Some(Record { what: Recorded::Input(input), .. }) = inputs.last() {
            self.rules.observe(input, outputs, &self.engine)?;
        }
        Ok(first)
    }

    /// Checks what must hold once nothing has happened for so long that no deadline is left.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn settled(&self) -> Result<(), Broken> {
        self.rules.settled(&self.engine)
    }

    /// The outputs from a record on.
    pub fn outputs(&self, first: usize) -> impl Iterator<Item = &Output> {
        self.records[first..].iter().filter_map(|record| match &record.what {
            Recorded::Output(output) => Some(output),
            Recorded::Input(_) => None,
        })
    }
}

/// The books of the rules.
#[derive(Debug, Clone)]
struct Rules {
    options: Options,
    now: Timestamp,
    /// Ids of commands, by kind.
    issued: BTreeSet<(&'static str, u64)>,
    /// Open generations and the reply each belongs to, once known.
    generations: Vec<(GenerationId, Option<ReplyId>)>,
    segments: Vec<(SegmentId, ReplyId)>,
    calls: Vec<CallId>,
    scores: Vec<(ScoreId, SpeakerId)>,
    reviews: Vec<TurnId>,
    utterances: BTreeMap<UtteranceId, Utterance>,
    /// Finished utterances whose final transcript may still be told.
    corrections: Vec<(UtteranceId, u32)>,
    tools: BTreeMap<String, ToolPolicy>,
    /// Tools that are or were said to change nothing outside.
    harmless: BTreeSet<String>,
    /// What the user said, as the last generation was shown it, if it was asked for in this step.
    shown: Option<String>,
    turns: BTreeMap<TurnId, TurnBook>,
    replies: BTreeMap<ReplyId, ReplyBook>,
    /// Assistant messages since the last reply ended.
    remembered: Vec<Message>,
    /// Whether some reply was not to be remembered.
    forgetful: bool,
    /// Words that were finished, in the order in which they were.
    words: Vec<Words>,
    user: UserState,
    agent: AgentState,
    /// When the conversation must have ended.
    end_by: Option<Timestamp>,
    closed: bool,
}

/// An utterance that is open.
#[derive(Debug, Clone)]
struct Utterance {
    speaker: SpeakerId,
    asked: u32,
    answered: u32,
    /// The last final text, and its checkpoint.
    last_final: String,
    final_of: u32,
    /// Everything it was said to say, trimmed.
    texts: BTreeSet<String>,
    /// Whether the speaker has gone on since the last checkpoint was asked for.
    speaking: bool,
}

#[derive(Debug, Clone)]
struct TurnBook {
    parts: Vec<Part>,
    outcome: Option<TurnOutcome>,
    /// How often its words were added to the history.
    recorded: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Playing {
    #[default]
    No,
    Sounding,
    Stopped,
}

#[derive(Debug, Clone, Default)]
struct ReplyBook {
    started: bool,
    turn: Option<TurnId>,
    ended: bool,
    interruptible: Option<bool>,
    playing: Playing,
    /// When it was held.
    held: Option<Timestamp>,
    /// Furthest sample reported.
    heard: u64,
    segments: Vec<SegmentBook>,
    spoke: String,
    /// Whether something outside was changed for it.
    effects: bool,
    first_token: Option<Timestamp>,
    first_audio: Option<Timestamp>,
}

#[derive(Debug, Clone)]
struct SegmentBook {
    id: SegmentId,
    text: String,
    samples: u64,
    done: bool,
}

#[derive(Debug, Clone)]
struct Words {
    source: Source,
    speaker: SpeakerId,
    text: Expected,
    fate: Fate,
}

/// What the words of a source must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    /// Final: these.
    Exactly(String),
    /// No final transcript came: one of these, with at least so many words.
    OneOf(BTreeSet<String>, usize),
}

impl Expected {
    fn allows(&self, text: &str) -> bool {
        match self {
            Self::Exactly(words) => words == text,
            Self::OneOf(texts, least) => texts.contains(text) && text.split_whitespace().count() >= *least,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Turn(TurnId),
    Discarded,
}

/// Letters and digits only: what can be heard.
fn sounds(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

impl Rules {
    fn new(config: &Config) -> Self {
        Self {
            options: (**config).clone(),
            now: Timestamp::ZERO,
            issued: BTreeSet::new(),
            generations: Vec::new(),
            segments: Vec::new(),
            calls: Vec::new(),
            scores: Vec::new(),
            reviews: Vec::new(),
            utterances: BTreeMap::new(),
            corrections: Vec::new(),
            tools: BTreeMap::new(),
            harmless: BTreeSet::new(),
            shown: None,
            turns: BTreeMap::new(),
            replies: BTreeMap::new(),
            remembered: Vec::new(),
            forgetful: false,
            words: Vec::new(),
            user: UserState::default(),
            agent: AgentState::default(),
            end_by: None,
            closed: false,
        }
    }

    fn broken<T>(&self, rule: Rule, why: impl fmt::Display) -> Result<T, Broken> {
        Err(Broken { rule, at: self.now, why: why.to_string() })
    }

    fn check(&self, rule: Rule, holds: bool, why: impl FnOnce() -> String) -> Result<(), Broken> {
        if holds { Ok(()) } else { self.broken(rule, why()) }
    }

    // Answers that come too late

    /// Whether the input answers a command that is not open, and so must change nothing.
    fn is_late(&self, input: &Input) -> bool {
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

    /// I3: a late answer does no more than a tick, and is counted. A late final transcript may be told, once.
    fn late(&mut self, input: &Input, outputs: &[Record], engine: &Engine, twin: &mut Engine) -> Result<(), Broken> {
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

    // One step

    fn observe(&mut self, input: &Input, outputs: &[Record], engine: &Engine) -> Result<(), Broken> {
        self.told(input);
        self.answered(input);
        let was_closed = self.closed;
        let mut said = 0;
        for record in outputs {
            let Recorded::Output(output) = &record.what else { continue };
            said += 1;
            self.check(Rule::I7, !self.closed, || format!("after the end there is {output:?}"))?;
            match output {
                Output::Command(command) => self.command(command)?,
                Output::Event(event) => self.event(event, input)?,
            }
        }
        self.check(Rule::I6, said <= MAX_OUTPUTS, || format!("{said} outputs of one step"))?;
        if was_closed {
            return Ok(());
        }
        self.after(engine)
    }

    /// Notes what the input says, before the outputs it causes.
    fn told(&mut self, input: &Input) {
        let now = self.now;
        match input {
            Input::UpdateAgent { tools: Some(tools), .. } => {
                let harmless = tools.iter().filter(|(_, policy)| policy.read_only).map(|(name, _)| name.clone());
                self.harmless.extend(harmless);
                self.tools = tools.clone();
            }
            Input::Say { options, .. } | Input::Generate { options, .. } => self.forgetful |= !options.remember,
            Input::End { within, .. } => {
                let by = now + *within;
                self.end_by = Some(self.end_by.map_or(by, |earlier| earlier.min(by)));
            }
            Input::VoiceStarted { speaker, .. } => {
                let speaker = *speaker;
                self.scores.retain(|(_, whose)| *whose != speaker);
                for utterance in self.utterances.values_mut().filter(|u| u.speaker == speaker) {
                    utterance.speaking = true;
                }
            }
            Input::Transcript { utterance, text, checkpoint } => {
                if let Some(open) = self.utterances.get_mut(utterance) {
                    open.texts.insert(text.trim().to_owned());
                    if let Some(c) = checkpoint.filter(|c| *c > open.answered && *c <= open.asked) {
                        open.answered = c;
                        open.final_of = c;
                        open.last_final = text.trim().to_owned();
                    }
                }
            }
            Input::TranscriptFailed { utterance, checkpoint } => {
                if let Some(open) = self.utterances.get_mut(utterance)
                    && (open.answered + 1..=open.asked).contains(checkpoint)
                {
                    open.answered = *checkpoint;
                }
            }
            Input::Text { text, .. } if text.is_empty() => {}
            Input::Text { generation, .. } | Input::ToolCalled { generation, .. } => {
                if let Some(reply) = self.reply_of(*generation) {
                    reply.first_token.get_or_insert(now);
                }
            }
            Input::Audio { segment, samples } => {
                if let Some((_, reply)) = self.segments.iter().find(|(open, _)| open == segment).copied() {
                    let book = self.replies.entry(reply).or_default();
                    if *samples > 0 {
                        book.first_audio.get_or_insert(now);
                    }
                    for s in book.segments.iter_mut().filter(|s| s.id == *segment) {
                        s.samples = s.samples.saturating_add(*samples);
                    }
                }
            }
            Input::Synthesized { segment } => {
                if let Some((_, reply)) = self.segments.iter().find(|(open, _)| open == segment).copied() {
                    let segments = &mut self.replies.entry(reply).or_default().segments;
                    for s in segments.iter_mut().filter(|s| s.id == *segment) {
                        s.done = s.samples > 0;
                    }
                }
            }
            Input::Playout { reply, position } | Input::Held { reply, position } => {
                let book = self.replies.entry(*reply).or_default();
                let total = book.segments.iter().fold(0u64, |sum, s| sum.saturating_add(s.samples));
                if !book.ended && book.playing == Playing::Sounding {
                    book.heard = book.heard.max((*position).min(total));
                }
            }
            _ => {}
        }
    }

    fn reply_of(&mut self, generation: GenerationId) -> Option<&mut ReplyBook> {
        let (_, reply) = self.generations.iter().find(|(open, _)| *open == generation)?;
        self.replies.get_mut(&(*reply)?)
    }

    /// Closes the command that the input answers.
    fn answered(&mut self, input: &Input) {
        match input {
            Input::Generated { generation, .. } | Input::GenerationFailed { generation, .. } => {
                self.generations.retain(|(open, _)| open != generation);
            }
            Input::Synthesized { segment } | Input::SynthesisFailed { segment, .. } => {
                self.segments.retain(|(open, _)| open != segment);
            }
            Input::ToolReturned { call, .. } => self.calls.retain(|open| open != call),
            Input::Scored { score, .. } => self.scores.retain(|(open, _)| open != score),
            Input::Reviewed { turn, .. } => self.reviews.retain(|open| open != turn),
            _ => {}
        }
    }

    fn issue(&mut self, kind: &'static str, id: u64) -> Result<(), Broken> {
        let fresh = self.issued.insert((kind, id));
        self.check(Rule::I3, fresh, || format!("{kind} {id} is issued twice"))
    }

    fn command(&mut self, command: &Command) -> Result<(), Broken> {
        match command {
            Command::StartUtterance { speaker, utterance } => {
                self.issue("utterance", utterance.0)?;
                let taken = self.utterances.values().any(|u| u.speaker == *speaker);
                self.check(Rule::I3, !taken, || format!("{speaker} has two open utterances"))?;
                let texts = BTreeSet::from([String::new()]);
                let (last_final, final_of) = (String::new(), 0);
                let open =
                    Utterance { speaker: *speaker, asked: 0, answered: 0, last_final, final_of, texts, speaking: true };
                self.utterances.insert(*utterance, open);
            }
            Command::Checkpoint { utterance, checkpoint } => {
                let next = self.utterances.get_mut(utterance).map(|open| {
                    open.asked += 1;
                    open.speaking = false;
                    open.asked
                });
                self.check(Rule::I3, next == Some(*checkpoint), || format!("checkpoint {checkpoint} of {utterance}"))?;
            }
            Command::FinishUtterance { utterance } => return self.finished(*utterance),
            Command::Score { score, speaker, .. } => {
                self.issue("score", score.0)?;
                self.scores.push((*score, *speaker));
            }
            Command::ReviewTurn { turn, .. } => {
                self.issue("review", turn.0)?;
                let open = self.turns.get(turn).is_some_and(|t| t.outcome.is_none());
                self.check(Rule::I1, open, || format!("{turn} is reviewed, but not open"))?;
                self.reviews.push(*turn);
            }
            Command::Generate { generation, chat, .. } => {
                self.issue("generation", generation.0)?;
                let open = self.generations.len();
                self.check(Rule::I3, open == 0, || format!("{generation} is asked for beside another"))?;
                self.generations.push((*generation, None));
                self.paired(chat.iter())?;
                let users = chat.iter().filter_map(|item| match item {
                    ChatItem::Message(message) if message.role == Role::User => Some(message.text.as_str()),
                    _ => None,
                });
                self.shown = Some(users.collect::<Vec<_>>().join(" "));
            }
            Command::CancelGeneration { generation } => {
                let before = self.generations.len();
                self.generations.retain(|(open, _)| open != generation);
                self.check(Rule::I3, self.generations.len() < before, || {
                    format!("{generation} is cancelled, not open")
                })?;
            }
            Command::RunTool { call, request } => {
                self.issue("call", call.0)?;
                self.calls.push(*call);
                let policy = self.tools.get(&request.name).copied().unwrap_or_default();
                if !policy.read_only && !self.harmless.contains(&request.name) {
                    let mut live = self.replies.values_mut().filter(|r| r.started && !r.ended);
                    match live.next() {
                        Some(reply) => reply.effects = true,
                        None => return self.broken(Rule::I4, format!("{} changes something too early", request.name)),
                    }
                }
            }
            Command::CancelTool { call } => {
                let before = self.calls.len();
                self.calls.retain(|open| open != call);
                self.check(Rule::I3, self.calls.len() < before, || format!("{call} is cancelled, but not open"))?;
            }
            Command::Synthesize { segment, reply, text } => {
                self.issue("segment", segment.0)?;
                self.sounding(*reply, "synthesised")?;
                let book = self.replies.entry(*reply).or_default();
                book.segments.push(SegmentBook { id: *segment, text: text.clone(), samples: 0, done: false });
                let open = self.segments.len();
                self.check(Rule::I3, open == 0, || format!("{segment} is asked for beside another"))?;
                self.segments.push((*segment, *reply));
            }
            Command::CancelSynthesis { segment } => {
                let before = self.segments.len();
                self.segments.retain(|(open, _)| open != segment);
                self.check(Rule::I3, self.segments.len() < before, || format!("{segment} is cancelled, but not open"))?;
            }
            Command::Play { reply } => {
                self.sounding(*reply, "played")?;
                let other = self.replies.iter().find(|(id, r)| *id != reply && r.playing == Playing::Sounding);
                self.check(Rule::I2, other.is_none(), || format!("{reply} is played over {other:?}"))?;
                let book = self.replies.entry(*reply).or_default();
                let (fresh, started) = (book.playing == Playing::No, book.started);
                book.playing = Playing::Sounding;
                self.check(Rule::I2, fresh, || format!("{reply} is played twice"))?;
                self.check(Rule::I10, started, || format!("{reply} is played before it is certain"))?;
            }
            Command::Hold { reply } => {
                let now = self.now;
                let book = self.replies.entry(*reply).or_default();
                let may = book.playing == Playing::Sounding && book.held.is_none();
                let firm = book.interruptible == Some(false);
                book.held = Some(now);
                self.check(Rule::I2, may, || format!("{reply} is held, but not played"))?;
                self.check(Rule::I13, !firm && self.options.interruption.enabled, || format!("{reply} is held"))?;
            }
            Command::Resume { reply, from } => {
                let book = self.replies.entry(*reply).or_default();
                let may = book.playing == Playing::Sounding && book.held.take().is_some();
                let heard = book.heard;
                self.check(Rule::I2, may, || format!("{reply} is resumed, but not held"))?;
                self.check(Rule::I5, *from <= heard, || format!("{reply} is resumed at {from} after {heard}"))?;
            }
            Command::Stop { reply } => {
                let book = self.replies.entry(*reply).or_default();
                let may = book.playing != Playing::Stopped && !book.ended;
                book.playing = Playing::Stopped;
                book.held = None;
                self.check(Rule::I2, may, || format!("{reply} is stopped twice"))?;
            }
        }
        Ok(())
    }

    /// I2: nothing more is done for a reply that is over.
    fn sounding(&self, reply: ReplyId, what: &str) -> Result<(), Broken> {
        let over = self.replies.get(&reply).is_some_and(|r| r.ended || r.playing == Playing::Stopped);
        self.check(Rule::I2, !over, || format!("{reply} is {what} after its end"))
    }

    /// I4: calls and outputs pair up, each output after its call and before anything else is said.
    fn paired<'a>(&self, items: impl Iterator<Item = &'a ChatItem>) -> Result<(), Broken> {
        let mut open: Vec<&str> = Vec::new();
        let mut seen = BTreeSet::new();
        for item in items {
            match item {
                ChatItem::ToolCall(call) => {
                    self.check(Rule::I4, seen.insert(&call.id), || format!("two calls are named {:?}", call.id))?;
                    open.push(&call.id);
                }
                ChatItem::ToolOutput(output) => {
                    let before = open.len();
                    open.retain(|id| *id != output.call_id);
                    let paired = open.len() + 1 == before;
                    self.check(Rule::I4, paired, || format!("an output too many for {:?}", output.call_id))?;
                }
                ChatItem::Message(_) => {
                    self.check(Rule::I4, open.is_empty(), || format!("no output for {open:?}"))?;
                }
            }
        }
        self.check(Rule::I4, open.is_empty(), || format!("no output for {open:?}"))
    }

    // Words of the user

    /// I8: what an utterance said last goes on from here.
    fn finished(&mut self, id: UtteranceId) -> Result<(), Broken> {
        let Some(open) = self.utterances.remove(&id) else {
            return self.broken(Rule::I3, format!("{id} is finished, but not open"));
        };
        self.scores.retain(|(_, whose)| *whose != open.speaker);
        let is_final = open.final_of == open.asked && open.asked > 0 && !open.speaking;
        if open.answered < open.asked {
            self.corrections.push((id, open.asked));
        }
        let least = open.last_final.split_whitespace().count();
        let text = if is_final { Expected::Exactly(open.last_final) } else { Expected::OneOf(open.texts, least) };
        self.words.push(Words { source: Source::Utterance(id), speaker: open.speaker, text, fate: Fate::Open });
        Ok(())
    }

    /// I8: the words of a source come to their end.
    fn filed(&mut self, source: Source, text: &str, fate: Fate) -> Result<(), Broken> {
        let Some(words) = self.words.iter_mut().find(|w| w.source == source) else {
            return self.broken(Rule::I8, format!("{source:?} was never said, but is filed: {text:?}"));
        };
        let before = words.fate;
        words.fate = fate;
        let expected = std::mem::replace(&mut words.text, Expected::Exactly(text.to_owned()));
        self.check(Rule::I8, expected.allows(text), || format!("{source:?} said {expected:?}, filed is {text:?}"))?;
        let fresh = match (before, fate) {
            (Fate::Open, _) => true,
            (Fate::Turn(earlier), Fate::Turn(_)) => self.turns.get(&earlier).is_some_and(|t| t.outcome.is_none()),
            _ => false,
        };
        self.check(Rule::I8, fresh, || format!("{source:?} is filed twice: {before:?}, then {fate:?}"))
    }

    fn committed(&mut self, turn: TurnId, parts: &[Part]) -> Result<(), Broken> {
        self.check(Rule::I1, !parts.is_empty(), || format!("{turn} is empty"))?;
        let fresh = !self.turns.contains_key(&turn);
        self.check(Rule::I1, fresh, || format!("{turn} is committed twice"))?;
        let mut last: BTreeMap<SpeakerId, usize> = BTreeMap::new();
        for part in parts {
            let index = self.words.iter().position(|w| w.source == part.source);
            let Some(index) = index else {
                return self.broken(Rule::I8, format!("{part:?} was never said"));
            };
            let in_order = last.insert(part.speaker, index).is_none_or(|before| before < index);
            self.check(Rule::I8, in_order, || format!("{turn} has the words of {} out of order", part.speaker))?;
            let earlier = self.words[..index].iter().find(|w| w.fate == Fate::Open && w.speaker == part.speaker);
            let skipped = earlier.filter(|w| !parts.iter().any(|p| p.source == w.source));
            self.check(Rule::I8, skipped.is_none(), || format!("{turn} comes before {skipped:?}"))?;
            self.filed(part.source, &part.text, Fate::Turn(turn))?;
        }
        self.turns.insert(turn, TurnBook { parts: parts.to_vec(), outcome: None, recorded: 0 });
        Ok(())
    }

    fn turn_ended(&mut self, turn: TurnId, outcome: &TurnOutcome) -> Result<(), Broken> {
        let Some(book) = self.turns.get_mut(&turn) else {
            return self.broken(Rule::I1, format!("{turn} ended, but was never committed"));
        };
        let before = book.outcome.replace(outcome.clone());
        let (parts, recorded) = (book.parts.clone(), book.recorded);
        self.reviews.retain(|open| *open != turn);
        self.check(Rule::I1, before.is_none(), || format!("{turn} ended as {before:?} and as {outcome:?}"))?;
        if matches!(outcome, TurnOutcome::Answered { .. } | TurnOutcome::Declined { .. }) {
            self.check(Rule::I5, recorded == 1, || format!("the words of {turn} are {recorded} times in the history"))?;
        }
        match outcome {
            TurnOutcome::Answered { reply } => {
                let of = self.replies.get(reply).and_then(|r| r.turn);
                self.check(Rule::I1, of == Some(turn), || format!("{turn} is answered by {reply}, a reply to {of:?}"))?;
                let over = self.replies.get(reply).is_some_and(|r| r.ended);
                self.check(Rule::I1, over, || format!("{turn} is answered by {reply}, which goes on"))
            }
            TurnOutcome::Merged { into } => {
                let within = self.turns.get(into).is_some_and(|t| parts.iter().all(|p| t.parts.contains(p)));
                self.check(Rule::I8, within, || format!("{turn} is not in {into}"))
            }
            TurnOutcome::Declined { .. } => Ok(()),
            TurnOutcome::Closed => {
                let by = self.end_by.is_some();
                self.check(Rule::I1, by, || format!("{turn} is closed, but the conversation is not"))
            }
        }
    }

    // Events

    fn event(&mut self, event: &Event, input: &Input) -> Result<(), Broken> {
        match event {
            Event::UserState(state) => {
                let edge = match (self.user, *state) {
                    (UserState::Speaking, UserState::Away) => false,
                    (before, after) => before != after,
                };
                self.check(Rule::I14, edge, || format!("the user goes from {:?} to {state:?}", self.user))?;
                self.user = *state;
            }
            Event::AgentState(state) => {
                let edge = match (self.agent, *state) {
                    (AgentState::Listening, AgentState::Speaking) => false,
                    (before, after) => before != after,
                };
                self.check(Rule::I14, edge, || format!("the agent goes from {:?} to {state:?}", self.agent))?;
                self.agent = *state;
            }
            Event::MessageAccepted { message } => match input {
                Input::Typed { speaker, message: typed, text, .. } if typed == message => {
                    let (source, text) = (Source::Message(*message), Expected::Exactly(text.trim().to_owned()));
                    self.words.push(Words { source, speaker: *speaker, text, fate: Fate::Open });
                }
                _ => return self.broken(Rule::I8, format!("{message} is accepted, but not typed")),
            },
            Event::Discarded { source, text, reason } => {
                if let (Source::Message(_), Input::Typed { speaker, text: typed, .. }) = (source, input)
                    && self.words.iter().all(|w| w.source != *source)
                {
                    let text = if *reason == DiscardReason::Noise { String::new() } else { typed.trim().to_owned() };
                    let text = Expected::Exactly(text);
                    self.words.push(Words { source: *source, speaker: *speaker, text, fate: Fate::Open });
                }
                self.filed(*source, text, Fate::Discarded)?;
            }
            Event::TurnCommitted { turn, parts } => self.committed(*turn, parts)?,
            Event::TurnEnded { turn, outcome } => self.turn_ended(*turn, outcome)?,
            Event::ReplyStarted { reply, turn } => {
                let book = self.replies.entry(*reply).or_default();
                let fresh = !book.started && !book.ended;
                (book.started, book.turn) = (true, *turn);
                self.check(Rule::I2, fresh, || format!("{reply} started twice"))?;
                let open = turn.is_none_or(|t| self.turns.get(&t).is_some_and(|t| t.outcome.is_none()));
                self.check(Rule::I1, open, || format!("{reply} answers {turn:?}, which is not open"))?;
                let others: Vec<_> = self.live().filter(|id| id != reply).collect();
                self.check(Rule::I2, others.is_empty(), || format!("{reply} started beside {others:?}"))?;
            }
            Event::AgentSpoke { reply, text } => self.spoke(*reply, text)?,
            Event::AgentUnspoken { reply, .. } => {
                let started = self.replies.get(reply).is_some_and(|r| r.started && !r.ended);
                self.check(Rule::I10, started, || format!("{reply} is shown before it is certain"))?;
            }
            Event::ReplyEnded { reply, end, heard, .. } => self.reply_ended(*reply, *end, heard)?,
            Event::Overlap { reply, .. } => {
                let now = self.now;
                let book = self.replies.entry(*reply).or_default();
                let firm = book.interruptible == Some(false);
                if book.playing != Playing::Sounding {
                    book.held.get_or_insert(now); // else the command follows
                }
                self.check(Rule::I13, !firm, || format!("{reply} is held"))?;
            }
            Event::FalseInterruption { reply, .. } => {
                let book = self.replies.entry(*reply).or_default();
                if book.playing != Playing::Sounding {
                    book.held = None;
                }
            }
            Event::Interrupted { reply, .. } => {
                let firm = self.replies.get(reply).is_some_and(|r| r.interruptible == Some(false));
                let forced = matches!(input, Input::Interrupt { force: true } | Input::End { .. });
                self.check(Rule::I13, !firm || forced, || format!("{reply} is interrupted"))?;
            }
            Event::HistoryAdded(ChatItem::Message(message)) if message.role == Role::Assistant => {
                self.remembered.push(message.clone());
            }
            Event::HistoryAdded(ChatItem::Message(message)) if message.role == Role::User => {
                let said = |t: &TurnBook| t.parts.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().join(" ");
                let mut open = self.turns.values_mut().filter(|t| t.outcome.is_none());
                if let Some(turn) = open.find(|t| said(t) == message.text) {
                    turn.recorded += 1;
                }
            }
            Event::Latency(latency) => {
                let sum: Duration = latency.gaps().iter().map(|(_, gap)| *gap).sum();
                let (response, book) = (latency.response(), self.replies.get(&latency.reply));
                self.check(Rule::I15, sum == response, || format!("{sum:?} of gaps, {response:?} of response"))?;
                let now = latency.first_sample == self.now;
                self.check(Rule::I15, now, || format!("the first sample was sent {}", latency.first_sample))?;
                let token = book.and_then(|b| b.first_token);
                let same = token == Some(latency.first_token);
                self.check(Rule::I15, same, || format!("first token {token:?}, told {}", latency.first_token))?;
                let audio = book.and_then(|b| b.first_audio);
                let same = audio == Some(latency.first_audio);
                self.check(Rule::I15, same, || format!("first audio {audio:?}, told {}", latency.first_audio))?;
            }
            Event::Closed { .. } => {
                self.closed = true;
                let asked = self.end_by.is_some();
                self.check(Rule::I7, asked, || "closed, but nobody asked for it".into())?;
                return self.all_told();
            }
            _ => {}
        }
        Ok(())
    }

    /// Replies that have begun and not ended.
    fn live(&self) -> impl Iterator<Item = ReplyId> {
        self.replies.iter().filter(|(_, r)| r.started && !r.ended).map(|(id, _)| *id)
    }

    /// I5: words are heard only once the playout has come to their segment.
    fn spoke(&mut self, reply: ReplyId, text: &str) -> Result<(), Broken> {
        let book = self.replies.entry(reply).or_default();
        book.spoke.push_str(text);
        let book = &self.replies[&reply];
        let begun = book.started && !book.ended && book.playing != Playing::No;
        self.check(Rule::I2, begun, || format!("{reply} is heard, but not played"))?;
        let mut start = 0u64;
        let (mut reached, mut passed) = (String::new(), String::new());
        for segment in &book.segments {
            if start < book.heard && segment.samples > 0 {
                reached.push_str(&sounds(&segment.text));
            }
            start = start.saturating_add(segment.samples);
            if segment.done && start <= book.heard {
                passed.push_str(&sounds(&segment.text));
            }
        }
        let spoken = sounds(&book.spoke);
        let mut left = reached.chars();
        let heard = spoken.chars().all(|c| left.any(|l| l == c));
        self.check(Rule::I5, heard, || format!("{reply} says {spoken:?}, but only {reached:?} was played"))?;
        let enough = spoken.len() >= passed.len();
        self.check(Rule::I5, enough, || format!("{reply} says {spoken:?}, but {passed:?} was played"))
    }

    fn reply_ended(&mut self, reply: ReplyId, end: ReplyEnd, heard: &str) -> Result<(), Broken> {
        let book = self.replies.entry(reply).or_default();
        let before = book.ended;
        book.ended = true;
        book.held = None;
        let sounding = book.playing == Playing::Sounding;
        let (started, effects, turn) = (book.started, book.effects, book.turn);
        let spoke = book.spoke.trim().to_owned();
        self.check(Rule::I2, !before, || format!("{reply} ended twice"))?;
        self.check(Rule::I2, !sounding, || format!("{reply} ended, but still sounds"))?;
        self.check(Rule::I2, started || end == ReplyEnd::RolledBack, || format!("{reply} ended, but never started"))?;
        let open = self.segments.iter().find(|(_, r)| *r == reply);
        self.check(Rule::I3, open.is_none(), || format!("{reply} ended, but {open:?} is open"))?;
        self.check(Rule::I5, heard == spoke, || format!("{reply} ended with {heard:?} heard, told was {spoke:?}"))?;
        let remembered = std::mem::take(&mut self.remembered);
        if end == ReplyEnd::RolledBack {
            let traces = !spoke.is_empty() || effects || !remembered.is_empty();
            return self.check(Rule::I10, !traces, || format!("{reply} is rolled back, but left a trace"));
        }
        let forgotten = self.forgetful && turn.is_none() && remembered.is_empty();
        let history: String = remembered.iter().map(|m| sounds(&m.text)).collect();
        let same = forgotten || history == sounds(&spoke);
        self.check(Rule::I5, same, || format!("{reply} said {spoke:?}, the history has {remembered:?}"))
    }

    /// I1, I2, I8: nothing is left open at the end.
    fn all_told(&self) -> Result<(), Broken> {
        let open = self.turns.iter().find(|(_, t)| t.outcome.is_none());
        self.check(Rule::I1, open.is_none(), || format!("closed without an outcome of {open:?}"))?;
        let live: Vec<_> = self.live().collect();
        self.check(Rule::I2, live.is_empty(), || format!("closed while {live:?} goes on"))?;
        let lost = self.words.iter().find(|w| w.fate == Fate::Open);
        self.check(Rule::I8, lost.is_none(), || format!("lost: {lost:?}"))?;
        let open = self.utterances.keys().next();
        self.check(Rule::I8, open.is_none(), || format!("closed with {open:?} open"))?;
        let calls = &self.calls;
        self.check(Rule::I3, calls.is_empty(), || format!("closed with {calls:?} open"))
    }

    // After each step

    fn after(&mut self, engine: &Engine) -> Result<(), Broken> {
        let probe = engine.probe();
        let stands = probe.now() == self.now;
        self.check(Rule::I11, stands, || format!("the engine believes that it is {}", probe.now()))?;
        if let Some(reply) = probe.reply() {
            let book = self.replies.entry(reply.id).or_default();
            book.interruptible = Some(reply.interruptible);
            for (_, owner) in self.generations.iter_mut().filter(|(id, _)| Some(*id) == reply.generation) {
                *owner = Some(reply.id);
            }
            self.check(Rule::I13, reply.interruptible || probe.floor() != "Held", || format!("{} is held", reply.id))?;
        } else {
            let open = (self.generations.first(), self.segments.first());
            self.check(Rule::I3, open == (None, None), || format!("nobody has the floor, but {open:?} are open"))?;
        }
        let edited = self.options.conversation.review || self.options.conversation.max_history < 10;
        let answers = probe.reply().and_then(|r| r.turn).and_then(|turn| self.turns.get(&turn));
        if let (Some(shown), Some(turn), false) = (self.shown.take(), answers, edited) {
            let hidden = turn.parts.iter().find(|part| !shown.contains(&part.text));
            self.check(Rule::I8, hidden.is_none(), || format!("the model is not shown {hidden:?}"))?;
        }
        self.alive(engine)?;
        for (id, held) in self.replies.iter().filter_map(|(id, r)| Some((id, r.held?))) {
            let longest = held + self.options.interruption.max_hold;
            self.check(Rule::I9, self.now < longest, || format!("{id} is held since {held}"))?;
        }
        for (turn, _) in self.turns.iter().filter(|(_, t)| t.outcome.is_none()) {
            self.check(Rule::I1, probe.has_turn(*turn), || format!("{turn} was forgotten"))?;
        }
        for words in self.words.iter().filter(|w| w.fate == Fate::Open) {
            let kept = probe.collected().iter().any(|p| p.source == words.source);
            self.check(Rule::I8, kept, || format!("lost: {words:?}"))?;
        }
        let fullness = probe.fullness();
        self.check(Rule::I12, fullness <= 1.0, || format!("a queue is {fullness} times as long as it may be"))?;
        let reply = probe.reply().filter(|r| !r.speculative).map(|r| r.id);
        let live: Vec<_> = self.live().collect();
        let same = live.iter().copied().eq(reply);
        self.check(Rule::I2, same, || format!("{live:?} have begun, {reply:?} has the floor"))
    }

    /// I6 and I7.
    fn alive(&self, engine: &Engine) -> Result<(), Broken> {
        let probe = engine.probe();
        if let Some(by) = self.end_by {
            let in_time = engine.is_closed() || engine.deadline().is_some_and(|at| at <= by);
            self.check(Rule::I7, in_time && (engine.is_closed() || self.now < by), || {
                format!("the end is due at {by}, the next deadline is {:?}", engine.deadline())
            })?;
        }
        if engine.is_closed() {
            return self.check(Rule::I7, self.closed, || "closed without a word".into());
        }
        let stuck = engine.deadline().filter(|at| *at <= self.now);
        self.check(Rule::I6, stuck.is_none(), || format!("the deadline {stuck:?} is past"))?;
        let works = probe.floor() != "Idle" || probe.turn() == "Reviewing" || probe.closing() != "Open";
        let waits = probe.floor() == "Idle" && probe.turn() != "Reviewing" && probe.closing() == "Open";
        self.check(Rule::I6, !works || engine.deadline().is_some(), || {
            format!("{} and {} without a deadline", probe.floor(), probe.turn())
        })?;
        let idle = waits && (probe.waiting() > 0 || probe.is_turn_ready());
        self.check(Rule::I6, !idle, || "somebody waits for a floor that is free".into())?;
        let answering = probe.turn() == "Answering" && probe.floor() == "Idle";
        self.check(Rule::I6, !answering, || "a turn is being answered by nobody".into())?;
        let held = probe.floor() == "Held";
        self.check(Rule::I9, held == (probe.overlap() == "Judging"), || {
            format!("the floor is {}, the overlap {}", probe.floor(), probe.overlap())
        })
    }

    /// Once every voice is silent and no deadline is left: all is said and done.
    fn settled(&self, engine: &Engine) -> Result<(), Broken> {
        let probe = engine.probe();
        self.check(Rule::I6, probe.floor() == "Idle", || {
            format!("nothing is due, but the floor is {}", probe.floor())
        })?;
        self.check(Rule::I6, probe.turn() == "Collecting", || format!("nothing is due, but {}", probe.turn()))?;
        let open = self.turns.iter().find(|(_, t)| t.outcome.is_none());
        self.check(Rule::I1, open.is_none(), || format!("nothing is due, but {open:?}"))?;
        let open = self.calls.first();
        self.check(Rule::I3, open.is_none(), || format!("nothing is due, but {open:?} is open"))?;
        let spoken = probe.collected().iter().find(|p| matches!(p.source, Source::Utterance(_)));
        self.check(Rule::I6, spoken.is_none(), || format!("nothing is due, but {spoken:?} is not answered"))
    }
}
