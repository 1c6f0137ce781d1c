//! One state that is explored: an engine, and what its shell knows.

use std::{collections::BTreeMap, time::Duration};

use stella_core::{
    chat::ToolCall,
    engine::{CloseReason, Command, Engine, Event, Input, Options, Output, ReplyOptions, Review, WordListJudge},
    id::{CallId, GenerationId, MessageId, ReplyId, ScoreId, SegmentId, SpeakerId, TurnId, UtteranceId},
    llm::FinishReason,
    testing::rules::{Broken, Watched},
    time::Timestamp,
    tool::{OnInterrupt, ToolPolicy},
    tts::WordTime,
};

use super::actions::Action;

/// Samples of one part of audio: a tenth of a second.
const PART: u64 = 2_400;

/// An engine and what its shell knows.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) watched: Watched,
    now: Timestamp,
    /// Newest open utterance and its open checkpoint.
    utterance: Option<UtteranceId>,
    checkpoint: Option<(UtteranceId, u32)>,
    /// The open checkpoint before that.
    earlier: Option<(UtteranceId, u32)>,
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
pub(super) type Machines = BTreeMap<(&'static str, u64), &'static str>;

/// A step of a machine: its name, the state before, the state after.
pub(crate) type Edge = (&'static str, &'static str, &'static str);

impl World {
    pub(super) fn new(options: &Options) -> Self {
        let config = options.clone().validate().expect("the options are valid");
        let watched = Watched::over(Engine::new(config.clone(), Box::new(WordListJudge)), &config);
        let mut world = Self {
            watched,
            now: Timestamp::ZERO,
            utterance: None,
            checkpoint: None,
            earlier: None,
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
    pub(super) fn input(&self, action: Action) -> Option<(Timestamp, Input)> {
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
            Action::Earlier(text) => {
                let (utterance, checkpoint) = self.earlier.filter(|(id, _)| open(*id))?;
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
            Input::Transcript { utterance, checkpoint: Some(checkpoint), .. }
                if self.earlier == Some((*utterance, *checkpoint)) =>
            {
                self.earlier = None;
            }
            Input::Transcript { checkpoint: Some(_), .. } | Input::TranscriptFailed { .. } => {
                (self.earlier, self.checkpoint) = (None, None);
            }
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
            Command::Checkpoint { utterance, checkpoint } => {
                self.earlier = self.checkpoint.replace((utterance, checkpoint)).or(self.earlier);
            }
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
    pub(super) fn act(&mut self, action: Action) -> Option<Result<(), Broken>> {
        let (at, input) = self.input(action)?;
        self.now = self.now.max(at);
        Some(self.give(input))
    }

    /// The state of each machine, and of each one for a segment or a call.
    pub(super) fn machines(&self) -> Machines {
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
pub(super) fn edges<'a>(before: &'a Machines, after: &'a Machines) -> impl Iterator<Item = Edge> + 'a {
    let state = |machines: &Machines, which| machines.get(which).copied().unwrap_or("None");
    let all = before.keys().chain(after.keys().filter(|which| !before.contains_key(which)));
    all.map(move |which| (which.0, state(before, which), state(after, which))).filter(|(_, from, to)| from != to)
}
