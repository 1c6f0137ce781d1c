//! What the engine makes of what was heard: the real engine, in virtual time.

use std::time::Duration;

use stella_core::{
    engine::{
        Command, Engine, Event, Input, Judge, Options, OptionsError, Output, Overlapping, Said, Verdict, WordListJudge,
    },
    id::SpeakerId,
    time::Timestamp,
};

use super::{agent::Agent, hear::Heard, outcome::Outcome, turns::Turn};

/// How long the models take, as measured on two cores with nothing else to do: a score, and a final transcript of so
/// many seconds of speech (docs of the models' benchmark: smart-turn 60-100 ms; Moonshine 0.03-0.045 s for a second).
const SCORE_AFTER: Duration = Duration::from_millis(90);
const TRANSCRIPT_AFTER: Duration = Duration::from_millis(40);
const TRANSCRIPT_PER_SECOND: f64 = 0.04;
/// Silence between one turn and the next.
const BETWEEN: Duration = Duration::from_secs(5);
/// Who speaks.
const SPEAKER: SpeakerId = SpeakerId(1);

/// A turn and what was heard of it.
pub(crate) struct Case {
    pub(crate) turn: Turn,
    pub(crate) heard: Vec<Heard>,
}

/// What decides.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) options: Options,
    /// Whether the words count.
    pub(crate) words: bool,
    /// What becomes of the detector's score.
    pub(crate) score: Scores,
}

/// What becomes of scores before the engine sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scores {
    /// Nothing.
    Kept,
    /// They are made 1 from a threshold on, and 0 below.
    Hard(f32),
    /// The detector is not there.
    Absent,
}

/// A judge that finds nothing in words.
#[derive(Debug)]
struct WordlessJudge;

impl Judge for WordlessJudge {
    fn judge(&self, _: Overlapping<'_>) -> Verdict {
        Verdict::Unsure
    }

    fn completeness(&self, _: Said<'_>) -> f32 {
        1.0
    }
}

/// Replays all turns, one after the other, as one conversation in which nothing is answered; what became of each.
pub(crate) fn replay(cases: &[Case], policy: &Policy) -> Result<Vec<Outcome>, OptionsError> {
    let mut options = policy.options.clone();
    // Nothing answers here: it must not matter.
    options.speculation.enabled = false;
    options.recovery.first_token_by = Duration::from_secs(3_600);
    let mut conversation = Conversation::new(options, policy, Agent::Silent { generation: None })?;
    Ok(cases.iter().map(|case| conversation.turn(case)).collect())
}

/// One conversation of many turns.
pub(crate) struct Conversation<'a> {
    engine: Engine,
    policy: &'a Policy,
    agent: Agent,
    /// What will happen.
    queue: Vec<(Timestamp, Input)>,
    /// When the turn began.
    start: Timestamp,
    /// Events of the turn, with their time.
    pub(crate) events: Vec<(Timestamp, Event)>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(mut options: Options, policy: &'a Policy, agent: Agent) -> Result<Self, OptionsError> {
        options.conversation.user_away_after = Duration::from_secs(3_600);
        let judge: Box<dyn Judge> = if policy.words { Box::new(WordListJudge) } else { Box::new(WordlessJudge) };
        let engine = Engine::new(options.validate()?, judge);
        Ok(Self { engine, policy, agent, queue: Vec::new(), start: Timestamp::ZERO, events: Vec::new() })
    }

    /// Lets the engine hear a turn, and lets the time until the next one pass; what became of the turn.
    pub(crate) fn turn(&mut self, case: &Case) -> Outcome {
        self.events.clear();
        for heard in &case.heard {
            let voice = match heard {
                Heard::Started { since, .. } => Input::VoiceStarted { speaker: SPEAKER, since: self.at(*since) },
                Heard::Ended { last_voiced, .. } => {
                    Input::VoiceEnded { speaker: SPEAKER, last_voiced: self.at(*last_voiced) }
                }
            };
            self.queue.push((self.at(heard.noticed()), voice));
        }
        let over = self.at(case.turn.samples.len());
        self.run(over, case);
        let outcome = classify(&case.turn, &self.commits());
        if let Some(last) = self.agent.finish() {
            self.give(over, last, case);
        }
        let next = over + BETWEEN;
        self.run(next, case);
        self.start = next;
        outcome
    }

    /// Lets everything happen until a time.
    fn run(&mut self, until: Timestamp, case: &Case) {
        loop {
            self.queue.sort_by_key(|(at, _)| *at);
            let deadline = self.engine.deadline();
            let happens = self.queue.first().map(|(at, _)| *at);
            let Some(now) = deadline.into_iter().chain(happens).min().filter(|at| *at <= until) else { return };
            let input = if deadline == Some(now) { Input::Tick } else { self.queue.remove(0).1 };
            self.give(now, input, case);
        }
    }

    /// Gives an input to the engine, and its commands to the models.
    fn give(&mut self, now: Timestamp, input: Input, case: &Case) {
        self.engine.handle(now, input);
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Event(event) => self.events.push((now, event)),
                Output::Command(command) => {
                    self.hear(now, &command, case);
                    self.agent.carry_out(now, command, &mut self.queue);
                }
            }
        }
    }

    /// What recogniser and detector make of the voice that ended last.
    fn hear(&mut self, now: Timestamp, command: &Command, case: &Case) {
        let ended = |heard: &&Heard| matches!(heard, Heard::Ended { .. }) && self.at(heard.noticed()) <= now;
        let Some(Heard::Ended { text, speech, score: known, .. }) = case.heard.iter().rfind(ended) else { return };
        match *command {
            Command::Checkpoint { utterance, checkpoint } => {
                let takes = TRANSCRIPT_AFTER + Duration::from_secs_f64(speech * TRANSCRIPT_PER_SECOND);
                let (text, checkpoint, confidence) = (text.clone(), Some(checkpoint), None);
                let input = Input::Transcript { utterance, text, checkpoint, confidence };
                self.queue.push((now + takes, input));
            }
            Command::Score { score, .. } => {
                let (takes, probability) = match self.policy.score {
                    Scores::Kept => (SCORE_AFTER, Some(*known)),
                    Scores::Hard(threshold) => (SCORE_AFTER, Some(if *known >= threshold { 1.0 } else { 0.0 })),
                    Scores::Absent => (Duration::ZERO, None),
                };
                self.queue.push((now + takes, Input::Scored { score, probability }));
            }
            _ => {}
        }
    }

    /// At which samples of the turn turns were committed.
    fn commits(&self) -> Vec<usize> {
        let committed = self.events.iter().filter(|(_, event)| matches!(event, Event::TurnCommitted { .. }));
        committed.map(|(at, _)| (at.since(self.start).as_micros() * 16 / 1_000) as usize).collect()
    }

    fn at(&self, sample: usize) -> Timestamp {
        self.start + Duration::from_micros(sample as u64 * 1_000 / 16)
    }
}

/// Tells ends from cut-ins.
fn classify(turn: &Turn, commits: &[usize]) -> Outcome {
    let mut outcome = Outcome::default();
    for pause in &turn.pauses {
        outcome.pause(pause.kind, commits.iter().any(|at| pause.silence.contains(at)));
    }
    let inside = |at: &usize| turn.pauses.iter().any(|pause| pause.silence.contains(at));
    outcome.elsewhere = commits.iter().filter(|&at| *at < turn.end && !inside(at)).count();
    if turn.counts {
        match commits.iter().find(|&&at| at >= turn.end) {
            Some(at) => (outcome.ends, outcome.waited) = (1, (at - turn.end) as f64 / 16.0),
            None => outcome.never = 1,
        }
    }
    outcome
}
