//! Breadth-first exploration of the engine: every input that means something, in every state, from several beginnings.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    time::Duration,
};

use stella_core::{
    chat::ToolCall,
    engine::{
        CloseReason, Command, Engine, Event, Input, Options, Output, ReplyOptions, Review, TypedPolicy, WordListJudge,
    },
    id::{CallId, GenerationId, MessageId, ReplyId, ScoreId, SegmentId, SpeakerId, TurnId, UtteranceId},
    llm::FinishReason,
    testing::rules::{Broken, Watched},
    time::Timestamp,
    tool::{OnInterrupt, ToolPolicy},
    tts::WordTime,
};

/// One thing that can happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Action {
    /// The next deadline passes.
    Deadline,
    /// A tenth of a second passes without one; a whole one if none is set.
    Wait,
    Voice(u64),
    Silence(u64),
    Leave,
    /// Somebody comes back.
    Join,
    Interim(&'static str),
    Final(&'static str),
    NoFinal,
    Score(f32),
    Token,
    /// Text with nothing to pronounce.
    Dots,
    Call(&'static str),
    Generated,
    GenerationFailed,
    ToolReturned,
    Audio,
    Synthesized,
    SynthesisFailed,
    /// The playout moves on by half a part of audio.
    Playout,
    /// It comes to the end of what is there.
    PlayedOut,
    Held,
    Type(TypedPolicy),
    Say(bool),
    /// The agent is to speak by its own initiative.
    Generate,
    /// The application stops the reply, also an uninterruptible one or not.
    Interrupt(bool),
    /// One speaker is linked, or none.
    Link(Option<u64>),
    /// The first speaker's language is known.
    Language,
    /// The time of the first word of the open segment.
    Words,
    Commit,
    Clear,
    /// The recogniser ends the turn.
    Ended,
    Accept,
    Decline,
    End(bool),
}

/// All of them, but for those of which only some beginnings need to know.
pub(crate) const EVERYDAY: &[Action] = &[
    Action::Deadline,
    Action::Wait,
    Action::Voice(1),
    Action::Silence(1),
    Action::Voice(2),
    Action::Silence(2),
    Action::Leave,
    Action::Join,
    Action::Interim("what about"),
    Action::Final("what about Rome"),
    Action::Final("mhm"),
    Action::Final(""),
    Action::NoFinal,
    Action::Score(0.9),
    Action::Score(0.1),
    Action::Token,
    Action::Call("clock"),
    Action::Call("order"),
    Action::Generated,
    Action::GenerationFailed,
    Action::ToolReturned,
    Action::Audio,
    Action::Synthesized,
    Action::SynthesisFailed,
    Action::Playout,
    Action::PlayedOut,
    Action::Held,
    Action::Type(TypedPolicy::Interrupt),
    Action::Type(TypedPolicy::Queue),
    Action::Type(TypedPolicy::Merge),
    Action::Say(true),
    Action::Say(false),
    Action::Interrupt(true),
    Action::Commit,
    Action::Clear,
    Action::Ended,
    Action::Accept,
    Action::Decline,
    Action::End(true),
    Action::End(false),
];

/// Two speakers, of whom one may be linked.
pub(crate) const LINKED: &[Action] = &[
    Action::Link(Some(1)),
    Action::Link(Some(2)),
    Action::Link(None),
    Action::Language,
    Action::Deadline,
    Action::Voice(1),
    Action::Silence(1),
    Action::Voice(2),
    Action::Silence(2),
    Action::Leave,
    Action::Join,
    Action::Final("what about Rome"),
    Action::Final(""),
    Action::Score(0.9),
    Action::Token,
    Action::Generated,
    Action::Audio,
    Action::PlayedOut,
    Action::Held,
    Action::Type(TypedPolicy::Merge),
    Action::End(false),
];

/// Replies by the agent's own initiative, with the times of their words.
pub(crate) const INITIATIVE: &[Action] = &[
    Action::Generate,
    Action::Words,
    Action::Interrupt(false),
    Action::Interrupt(true),
    Action::Say(false),
    Action::Deadline,
    Action::Voice(1),
    Action::Silence(1),
    Action::Final("what about Rome"),
    Action::Final("mhm"),
    Action::Token,
    Action::Dots,
    Action::Call("clock"),
    Action::Call("order"),
    Action::Generated,
    Action::GenerationFailed,
    Action::ToolReturned,
    Action::Audio,
    Action::Synthesized,
    Action::SynthesisFailed,
    Action::Playout,
    Action::PlayedOut,
    Action::Held,
    Action::Type(TypedPolicy::Interrupt),
    Action::End(true),
];

/// Samples of one part of audio: a tenth of a second.
const PART: u64 = 2_400;

/// Where an exploration begins.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub(crate) name: &'static str,
    pub(crate) options: Options,
    pub(crate) actions: Vec<Action>,
    /// What may happen from there.
    pub(crate) alphabet: &'static [Action],
}

/// An engine and what its shell knows.
#[derive(Debug, Clone)]
struct World {
    watched: Watched,
    now: Timestamp,
    /// Newest open utterance and its open checkpoint.
    utterance: Option<UtteranceId>,
    checkpoint: Option<(UtteranceId, u32)>,
    score: Option<ScoreId>,
    generation: Option<GenerationId>,
    tokens: u32,
    called: u32,
    calls: Vec<CallId>,
    segment: Option<(SegmentId, ReplyId)>,
    parts: u32,
    /// Reply that is played, samples made, position, whether held.
    playing: Option<(ReplyId, u64, bool)>,
    made: BTreeMap<ReplyId, u64>,
    review: Option<TurnId>,
    messages: u64,
}

/// The state of each machine, by its name, and by a number if there are several.
type Machines = BTreeMap<(&'static str, u64), &'static str>;

/// A step of a machine: its name, the state before, the state after.
pub(crate) type Edge = (&'static str, &'static str, &'static str);

impl World {
    fn new(options: &Options) -> Self {
        let config = options.clone().validate().expect("the options are valid");
        let watched = Watched::over(Engine::new(config.clone(), Box::new(WordListJudge)), &config);
        let mut world = Self {
            watched,
            now: Timestamp::ZERO,
            utterance: None,
            checkpoint: None,
            score: None,
            generation: None,
            tokens: 0,
            called: 0,
            calls: Vec::new(),
            segment: None,
            parts: 0,
            playing: None,
            made: BTreeMap::new(),
            review: None,
            messages: 0,
        };
        let policy = |read_only| ToolPolicy {
            read_only,
            timeout: Duration::from_secs(1),
            on_interrupt: if read_only { OnInterrupt::Cancel } else { OnInterrupt::Continue },
            quiet: read_only,
        };
        let tools = BTreeMap::from([("clock".to_owned(), policy(true)), ("order".to_owned(), policy(false))]);
        world.give(Input::UpdateAgent { instructions: None, tools: Some(tools) }).expect("tools may be given");
        world
    }

    /// The input that an action means now; `None` if it means nothing.
    fn input(&self, action: Action) -> Option<(Timestamp, Input)> {
        let deadline = self.watched.engine.deadline();
        let now = self.now;
        let open = |id: UtteranceId| self.watched.engine.probe().listeners().any(|(_, _, u)| u == Some(id));
        let voice = |n: u64| {
            self.watched
                .engine
                .probe()
                .listeners()
                .find(|l| l.0 == SpeakerId(n))
                .map_or("Silent", |(_, state, _)| state)
        };
        let total = |reply: ReplyId| self.made.get(&reply).copied().unwrap_or_default();
        let input = match action {
            Action::Deadline => return deadline.map(|at| (at, Input::Tick)),
            Action::Wait => {
                let later = now + Duration::from_millis(if deadline.is_some() { 100 } else { 1_000 });
                return deadline.is_none_or(|at| at > later).then_some((later, Input::Tick));
            }
            Action::Voice(n) if voice(n) != "Speaking" => Input::VoiceStarted { speaker: SpeakerId(n), since: now },
            Action::Silence(n) if voice(n) == "Speaking" => {
                Input::VoiceEnded { speaker: SpeakerId(n), last_voiced: now }
            }
            Action::Leave if voice(1) != "Silent" => Input::Left { speaker: SpeakerId(1) },
            Action::Join if self.watched.engine.probe().waits_for_somebody() => Input::Joined { speaker: SpeakerId(1) },
            Action::Interim(text) => {
                let utterance = self.utterance.filter(|id| open(*id))?;
                Input::Transcript { utterance, text: text.into(), checkpoint: None, confidence: None }
            }
            Action::Final(text) => {
                let (utterance, checkpoint) = self.checkpoint?;
                Input::Transcript { utterance, text: text.into(), checkpoint: Some(checkpoint), confidence: None }
            }
            Action::NoFinal => {
                let (utterance, checkpoint) = self.checkpoint.filter(|(id, _)| open(*id))?;
                Input::TranscriptFailed { utterance, checkpoint }
            }
            Action::Score(p) => Input::Scored { score: self.score?, probability: Some(p) },
            Action::Token if self.tokens < 2 => {
                Input::Text { generation: self.generation?, text: "Yes, of course. ".into() }
            }
            Action::Dots if self.tokens < 2 => Input::Text { generation: self.generation?, text: "... ".into() },
            Action::Call(name) if self.called < 2 => {
                let call = ToolCall { id: "call".into(), name: name.into(), arguments: "{}".into() };
                Input::ToolCalled { generation: self.generation?, call }
            }
            Action::Generated => {
                Input::Generated { generation: self.generation?, reason: FinishReason::Stop, usage: None }
            }
            Action::GenerationFailed => {
                Input::GenerationFailed { generation: self.generation?, retryable: true, error: "out of order".into() }
            }
            Action::ToolReturned => {
                Input::ToolReturned { call: *self.calls.first()?, output: "noon".into(), is_error: false }
            }
            Action::Audio if self.parts < 2 => Input::Audio { segment: self.segment?.0, samples: PART },
            Action::Synthesized => Input::Synthesized { segment: self.segment?.0 },
            Action::SynthesisFailed => {
                Input::SynthesisFailed { segment: self.segment?.0, retryable: true, error: "out of order".into() }
            }
            Action::Playout => match self.playing? {
                (reply, position, false) if position < total(reply) => {
                    Input::Playout { reply, position: total(reply).min(position + PART / 2) }
                }
                _ => return None,
            },
            Action::PlayedOut => match self.playing? {
                (reply, position, false) if position < total(reply) => Input::Playout { reply, position: total(reply) },
                _ => return None,
            },
            Action::Held => match self.playing? {
                (reply, position, true) => Input::Held { reply, position: total(reply).min(position + 480) },
                _ => return None,
            },
            Action::Type(policy) => {
                let message = MessageId(self.messages + 1);
                Input::Typed { speaker: SpeakerId(1), message, text: "Hello?".into(), policy }
            }
            Action::Say(interruptible) => Input::Say {
                text: "Good day.".into(),
                options: ReplyOptions { interruptible, ..ReplyOptions::default() },
            },
            Action::Generate => Input::Generate { instructions: "Greet.".into(), options: ReplyOptions::default() },
            Action::Link(speaker) => Input::Link { speaker: speaker.map(SpeakerId) },
            Action::Language => Input::Language { speaker: SpeakerId(1), language: "de-AT".into() },
            Action::Words => {
                let words = vec![WordTime { text: 0..4, samples: 0..PART / 4 }];
                Input::Words { segment: self.segment?.0, words }
            }
            Action::Commit => Input::CommitTurn,
            Action::Clear => Input::ClearTurn,
            Action::Ended => Input::TurnEnded { utterance: self.utterance.filter(|id| open(*id))? },
            Action::Interrupt(force) => Input::Interrupt { force },
            Action::Accept => {
                Input::Reviewed { turn: self.review?, review: Review::Answer { text: None, context: None } }
            }
            Action::Decline => Input::Reviewed { turn: self.review?, review: Review::Decline { reason: "no".into() } },
            Action::End(farewell) => Input::End {
                reason: CloseReason::Application,
                farewell: farewell.then(|| "Good bye.".into()),
                within: Duration::from_secs(5),
            },
            _ => return None,
        };
        Some((now, input))
    }

    fn give(&mut self, input: Input) -> Result<(), Broken> {
        match &input {
            Input::Typed { .. } => self.messages += 1,
            Input::Scored { .. } => self.score = None,
            Input::Transcript { checkpoint: Some(_), .. } | Input::TranscriptFailed { .. } => self.checkpoint = None,
            Input::Text { .. } => self.tokens += 1,
            Input::ToolCalled { .. } => self.called += 1,
            Input::Generated { .. } | Input::GenerationFailed { .. } => self.generation = None,
            Input::ToolReturned { call, .. } => self.calls.retain(|open| open != call),
            Input::Audio { samples, .. } => {
                self.parts += 1;
                if let Some((_, reply)) = self.segment {
                    *self.made.entry(reply).or_default() += samples;
                }
            }
            Input::Synthesized { .. } | Input::SynthesisFailed { .. } => self.segment = None,
            Input::Playout { position, .. } | Input::Held { position, .. } => {
                self.playing = self.playing.map(|(reply, _, held)| (reply, *position, held));
            }
            Input::Reviewed { .. } => self.review = None,
            _ => {}
        }
        let first = self.watched.handle(self.now, input)?;
        let outputs: Vec<Output> = self.watched.outputs(first).cloned().collect();
        self.watched.records.clear();
        for output in outputs {
            match output {
                Output::Command(command) => self.note(command),
                Output::Event(Event::TurnEnded { turn, .. }) if self.review == Some(turn) => self.review = None,
                Output::Event(_) => {}
            }
        }
        Ok(())
    }

    fn note(&mut self, command: Command) {
        match command {
            Command::StartUtterance { utterance, .. } => self.utterance = Some(utterance),
            Command::Checkpoint { utterance, checkpoint } => self.checkpoint = Some((utterance, checkpoint)),
            Command::FinishUtterance { .. } => self.score = None,
            Command::Score { score, .. } => self.score = Some(score),
            Command::ReviewTurn { turn, .. } => self.review = Some(turn),
            Command::Generate { generation, .. } => {
                self.generation = Some(generation);
                (self.tokens, self.called) = (0, 0);
            }
            Command::CancelGeneration { .. } => self.generation = None,
            Command::RunTool { call, .. } => self.calls.push(call),
            Command::CancelTool { call } => self.calls.retain(|open| *open != call),
            Command::Synthesize { segment, reply, .. } => {
                self.segment = Some((segment, reply));
                self.parts = 0;
            }
            Command::CancelSynthesis { .. } => self.segment = None,
            Command::Play { reply } => self.playing = Some((reply, 0, false)),
            Command::Hold { .. } => self.playing = self.playing.map(|(reply, position, _)| (reply, position, true)),
            Command::Resume { from, .. } => self.playing = self.playing.map(|(reply, ..)| (reply, from, false)),
            Command::Stop { reply } => {
                if self.playing.is_some_and(|(playing, ..)| playing == reply) {
                    self.playing = None;
                }
            }
        }
    }

    /// Does an action; `None` if it means nothing now.
    fn act(&mut self, action: Action) -> Option<Result<(), Broken>> {
        let (at, input) = self.input(action)?;
        self.now = self.now.max(at);
        Some(self.give(input))
    }

    /// The state of each machine, and of each one for a segment or a call.
    fn machines(&self) -> Machines {
        let probe = self.watched.engine.probe();
        let listener = probe.listeners().find(|l| l.0 == SpeakerId(1)).map_or("Silent", |(_, state, _)| state);
        let reply = probe.reply();
        let machines = [
            ("listener", listener),
            ("turn", probe.turn()),
            ("floor", probe.floor()),
            ("overlap", probe.overlap()),
            ("step", reply.map_or("None", |reply| reply.step)),
            ("closing", probe.closing()),
            ("presence", probe.presence()),
        ];
        let number = reply.map_or(0, |reply| reply.id.0 << 16);
        let segments = probe.segments().zip(number..).map(|(state, number)| (("segment", number), state));
        let calls = probe.calls().map(|(call, state)| (("call", call.0), state));
        machines.into_iter().map(|(machine, state)| ((machine, 0), state)).chain(segments).chain(calls).collect()
    }
}

/// The steps from one state of all machines to another.
fn edges<'a>(before: &'a Machines, after: &'a Machines) -> impl Iterator<Item = Edge> + 'a {
    let state = |machines: &Machines, which| machines.get(which).copied().unwrap_or("None");
    let all = before.keys().chain(after.keys().filter(|which| !before.contains_key(which)));
    all.map(move |which| (which.0, state(before, which), state(after, which))).filter(|(_, from, to)| from != to)
}

/// A state: how it was first reached.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Another state, or a root from the top of the numbers.
    parent: u32,
    action: u8,
}

/// What an exploration has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) expanded: usize,
    pub(crate) steps: u64,
    /// Actions from a root to the last states that were all expanded.
    pub(crate) depth: usize,
    /// Each step of a machine, and the first way to it.
    pub(crate) edges: BTreeMap<Edge, String>,
    pub(crate) broken: Option<(Broken, String)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, expanded, steps, depth, edges, .. } = self;
        write!(f, "{states} states, {expanded} expanded by {steps} steps, complete to depth {depth}, ")?;
        write!(f, "{} edges", edges.len())
    }
}

/// Successors of one state: fingerprints with the action that led there.
struct Expansion {
    node: u32,
    next: Vec<(u64, u8)>,
    steps: u64,
    /// Each step of a machine, and the first action that takes it.
    edges: BTreeMap<Edge, u8>,
    broken: Option<(Broken, u8)>,
}

/// Explores until so many states are known.
pub(crate) fn explore(roots: &[Root], limit: usize) -> Found {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    let mut nodes: Vec<Node> = Vec::new();
    let mut layer: Vec<u32> = Vec::new();
    let worlds: Vec<World> = roots.iter().map(begin).collect();
    for (index, world) in worlds.iter().enumerate() {
        seen.insert(salted(index, roots, world));
        layer.push(nodes.len() as u32);
        nodes.push(Node { parent: u32::MAX - index as u32, action: 0 });
    }
    while !layer.is_empty() {
        let mut next = Vec::new();
        for batch in layer.chunks(2_048) {
            for expansion in expand_all(batch, &nodes, &worlds, roots) {
                found.expanded += 1;
                found.steps += expansion.steps;
                let story = |action| story(expansion.node, action, &nodes, roots);
                for (edge, action) in expansion.edges {
                    found.edges.entry(edge).or_insert_with(|| story(action));
                }
                if let Some((broken, action)) = expansion.broken {
                    found.broken = Some((broken, story(action)));
                    found.states = nodes.len();
                    return found;
                }
                for (state, action) in expansion.next {
                    if seen.insert(state) {
                        next.push(nodes.len() as u32);
                        nodes.push(Node { parent: expansion.node, action });
                    }
                }
            }
            if nodes.len() >= limit {
                found.states = nodes.len();
                return found;
            }
        }
        found.depth += 1;
        layer = next;
    }
    found.states = nodes.len();
    found
}

fn begin(root: &Root) -> World {
    let mut world = World::new(&root.options);
    for action in &root.actions {
        let done = world.act(*action).unwrap_or_else(|| panic!("{}: {action:?} means nothing", root.name));
        done.unwrap_or_else(|broken| panic!("{}: {broken}", root.name));
    }
    world
}

/// The fingerprint of a state under the options and the alphabet of its root.
fn salted(root: usize, roots: &[Root], world: &World) -> u64 {
    let Root { options, alphabet, .. } = &roots[root];
    let same = roots.iter().position(|r| r.options == *options && r.alphabet == *alphabet).unwrap_or(root) as u64;
    world.watched.engine.fingerprint().wrapping_add(same.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The root and the actions that lead to a state.
fn path(node: u32, nodes: &[Node]) -> (usize, Vec<u8>) {
    let mut actions = Vec::new();
    let mut at = nodes[node as usize];
    while (at.parent as usize) < nodes.len() {
        actions.push(at.action);
        at = nodes[at.parent as usize];
    }
    actions.reverse();
    ((u32::MAX - at.parent) as usize, actions)
}

/// What leads to a state and on by one more action, to be read.
fn story(node: u32, action: u8, nodes: &[Node], roots: &[Root]) -> String {
    let (root, mut actions) = path(node, nodes);
    actions.push(action);
    let Root { name, alphabet, .. } = &roots[root];
    let actions: Vec<_> = actions.into_iter().map(|action| format!("{:?}", alphabet[usize::from(action)])).collect();
    format!("{name}: {}", actions.join(", "))
}

fn expand_all(batch: &[u32], nodes: &[Node], worlds: &[World], roots: &[Root]) -> Vec<Expansion> {
    let half = batch.len().div_ceil(2);
    std::thread::scope(|scope| {
        let threads: Vec<_> = batch
            .chunks(half.max(1))
            .map(|part| {
                scope.spawn(move || part.iter().map(|node| expand(*node, nodes, worlds, roots)).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect()
    })
}

fn expand(node: u32, nodes: &[Node], worlds: &[World], roots: &[Root]) -> Expansion {
    let (root, actions) = path(node, nodes);
    let mut world = worlds[root].clone();
    for action in actions {
        world
            .act(roots[root].alphabet[usize::from(action)])
            .expect("it was done before")
            .expect("it broke no rule before");
    }
    let mut expansion = Expansion { node, next: Vec::new(), steps: 0, edges: BTreeMap::new(), broken: None };
    if world.watched.engine.is_closed() {
        return expansion;
    }
    let before = world.machines();
    for (number, action) in roots[root].alphabet.iter().enumerate() {
        if world.input(*action).is_none() {
            continue;
        }
        let mut after = world.clone();
        expansion.steps += 1;
        match after.act(*action) {
            None => continue,
            Some(Err(broken)) => {
                expansion.broken = Some((broken, number as u8));
                return expansion;
            }
            Some(Ok(())) => {}
        }
        for edge in edges(&before, &after.machines()) {
            expansion.edges.entry(edge).or_insert(number as u8);
        }
        expansion.next.push((salted(root, roots, &after), number as u8));
    }
    expansion
}
