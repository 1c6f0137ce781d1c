//! A whole conversation in virtual time: a user, an application, and a shell whose every part may be slow, wrong, silent
//! or broken. A [`Plan`] says what each does; the same plan gives the same conversation.

mod plan;
mod shell;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    time::Duration,
};

use crate::{
    chat::{ChatItem, Role},
    engine::{CloseReason, EndpointingMode, Engine, Fault, Input, OptionsError, Recorded},
    id::{MessageId, ReplyId, SegmentId, SpeakerId, UtteranceId},
    testing::rules::{Broken, Rule, Watched},
    time::Timestamp,
    tool::{OnInterrupt, ToolPolicy},
};
pub use plan::{Act, Answer, Generation, PHRASES, Plan, Playout, Reviewing, Synthesis, TEXTS, TOOLS};
use shell::Sink;

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
        if self.plan.options.endpointing.mode == EndpointingMode::Manual {
            self.give(Input::CommitTurn)?;
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
            quiet: name == "archive",
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
                let confidence = sureness(&text);
                self.give(Input::Transcript { utterance, text, checkpoint: None, confidence })
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
            Act::Link(n) => self.give(Input::Link { speaker: n.map(speaker) }),
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
            Act::Commit => self.give(Input::CommitTurn),
            Act::Clear => self.give(Input::ClearTurn),
            Act::TurnEnded => match self.utterances.keys().next_back() {
                Some(&utterance) => self.give(Input::TurnEnded { utterance }),
                None => Ok(()),
            },
            Act::Language(n) => self.give(Input::Language { speaker: speaker(n), language: "de-AT".into() }),
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
}

/// How sure the recogniser says it is of a text: often it does not say, and sometimes it is not.
fn sureness(text: &str) -> Option<f32> {
    match text.len() % 3 {
        0 => None,
        1 => Some(0.3),
        _ => Some(0.9),
    }
}
