//! What the engine makes of what was heard: the real engine, in virtual time.

use std::time::Duration;

use stella_core::{
    engine::{
        Command, Engine, Event, Input, Judge, Options, OptionsError, Output, Overlapping, Said, Verdict, WordListJudge,
    },
    id::{GenerationId, SpeakerId},
    llm::FinishReason,
    time::Timestamp,
};

use super::{hear::Heard, outcome::Outcome, turns::Turn};

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

/// Replays all turns, one after the other, as one conversation; what became of each.
pub(crate) fn replay(cases: &[Case], policy: &Policy) -> Result<Vec<Outcome>, OptionsError> {
    let mut options = policy.options.clone();
    // Nothing answers here: it must not matter.
    options.speculation.enabled = false;
    options.recovery.first_token_by = Duration::from_secs(3_600);
    options.conversation.user_away_after = Duration::from_secs(3_600);
    let judge: Box<dyn Judge> = if policy.words { Box::new(WordListJudge) } else { Box::new(WordlessJudge) };
    let mut run =
        Run { engine: Engine::new(options.validate()?, judge), policy, start: Timestamp::ZERO, generation: None };
    Ok(cases.iter().map(|case| classify(&case.turn, &run.turn(case))).collect())
}

struct Run<'a> {
    engine: Engine,
    policy: &'a Policy,
    /// When the turn began.
    start: Timestamp,
    generation: Option<GenerationId>,
}

impl Run<'_> {
    /// Lets the engine hear a turn; returns at which samples turns were committed.
    fn turn(&mut self, case: &Case) -> Vec<usize> {
        let mut inputs: Vec<(Timestamp, usize)> = Vec::new();
        let mut queue: Vec<(Timestamp, Input)> = Vec::new();
        let mut commits = Vec::new();
        for (n, heard) in case.heard.iter().enumerate() {
            inputs.push((self.at(heard.noticed()), n));
        }
        let mut inputs = inputs.into_iter().peekable();
        let over = self.at(case.turn.samples.len());
        let mut ended = 0;
        loop {
            let due = self.engine.deadline().filter(|at| *at <= over);
            queue.sort_by_key(|(at, _)| *at);
            let answer = queue.first().map(|(at, _)| *at);
            let heard = inputs.peek().map(|(at, _)| *at);
            let Some(next) = [due, answer, heard].into_iter().flatten().min() else { break };
            let input = if due == Some(next) {
                Input::Tick
            } else if answer == Some(next) {
                queue.remove(0).1
            } else {
                let Some((_, n)) = inputs.next() else { break };
                match &case.heard[n] {
                    Heard::Started { since, .. } => Input::VoiceStarted { speaker: SPEAKER, since: self.at(*since) },
                    Heard::Ended { last_voiced, .. } => {
                        ended = n;
                        Input::VoiceEnded { speaker: SPEAKER, last_voiced: self.at(*last_voiced) }
                    }
                }
            };
            self.engine.handle(next, input);
            while let Some(output) = self.engine.poll_output() {
                match output {
                    Output::Command(Command::Checkpoint { utterance, checkpoint }) => {
                        let Heard::Ended { text, speech, .. } = &case.heard[ended] else { continue };
                        let takes = TRANSCRIPT_AFTER + Duration::from_secs_f64(speech * TRANSCRIPT_PER_SECOND);
                        let (text, checkpoint, confidence) = (text.clone(), Some(checkpoint), None);
                        let input = Input::Transcript { utterance, text, checkpoint, confidence };
                        queue.push((next + takes, input));
                    }
                    Output::Command(Command::Score { score, .. }) => {
                        let Heard::Ended { score: p, .. } = &case.heard[ended] else { continue };
                        let (takes, probability) = match self.policy.score {
                            Scores::Kept => (SCORE_AFTER, Some(*p)),
                            Scores::Hard(threshold) => (SCORE_AFTER, Some(if *p >= threshold { 1.0 } else { 0.0 })),
                            Scores::Absent => (Duration::ZERO, None),
                        };
                        queue.push((next + takes, Input::Scored { score, probability }));
                    }
                    Output::Command(Command::Generate { generation, .. }) => self.generation = Some(generation),
                    Output::Command(Command::CancelGeneration { .. }) => self.generation = None,
                    Output::Event(Event::TurnCommitted { .. }) => {
                        let after = next.since(self.start);
                        commits.push((after.as_micros() * 16 / 1_000) as usize);
                    }
                    Output::Command(_) | Output::Event(_) => {}
                }
            }
        }
        // The agent has nothing to say, and the next turn begins a while later.
        let next = over + BETWEEN;
        if let Some(generation) = self.generation.take() {
            self.engine.handle(over, Input::Generated { generation, reason: FinishReason::Stop, usage: None });
        }
        self.engine.handle(next, Input::Tick);
        while self.engine.poll_output().is_some() {}
        self.start = next;
        commits
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
