//! The latency controller: it keeps the response within a budget, by what the turns before took.
//!
//! After every few turns it compares the 95th percentile of their responses with the budget. Above it, it moves the
//! cheapest knob that helps the slow turns noticeably: speculation, then the first clause, then the longest wait for the
//! end of a turn, which is shortened by just what those turns lack. Well below it, it gives back what costs the
//! conversation most. Each move is an event with its reason, and so is a budget that no move can meet. It is pure: the
//! same turns lead to the same moves.
//!
//! Only the longest wait is shortened, because only the slowest turns count for a percentile: with all waits shorter by
//! the same factor, speakers are cut short in turns that were fast enough, too.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Engine, Event, Overdue, TurnLatency, Wait,
    options::{EndpointingOptions, Options, SpeechOptions},
};

/// Turns whose responses are looked at.
const WINDOW: usize = 20;

/// Share of the budget below which something is given back. The gap to the budget keeps it from moving to and fro.
const EASE: f32 = 0.75;

/// Most calm looks in a row that are needed before something is given back.
const MAX_PATIENCE: u32 = 16;

/// The smallest change of the longest wait.
const WAIT_STEP: Duration = Duration::from_millis(20);

/// Share of what the slow turns lack that a knob must be able to give to be moved before the longest wait.
const NOTICEABLE: f32 = 0.25;

/// Share of the score from which is speculated that one move takes away; it also allows one more attempt.
const SCORE_STEP: f32 = 0.2;

/// Moves of the knobs of speculation and of the first clause.
const MOVES: u8 = 2;

/// What the controller can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knob {
    /// How long the longest silence must be. It costs false ends of turns.
    Endpointing,
    /// How early and how often a reply is begun before the turn is certain to have ended. It costs tokens.
    Speculation,
    /// How long the first segment of a reply is. It costs some of its melody.
    FirstClause,
}

/// Why it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SteeringReason {
    /// The responses exceed the budget, and of what helps the slow ones noticeably this knob costs least.
    OverBudget,
    /// The responses stay well within the budget, and this knob costs the conversation most.
    WithinBudget,
}

/// What the knobs are set to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Steering {
    /// Longest silence that ends a turn: what
    /// [`wait_incomplete`](super::EndpointingOptions::wait_incomplete) is without a budget.
    pub longest_wait: Duration,
    /// Score from which a reply is begun early.
    pub from_score: f32,
    /// Most speculative replies for one turn.
    pub max_attempts: u32,
    /// Characters from which the first segment of a reply may end at a comma.
    pub first_clause: usize,
}

/// One move of the controller.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Steered {
    /// What was changed.
    pub knob: Knob,
    /// Why.
    pub reason: SteeringReason,
    /// 95th percentile of the responses since the last move, from the last voiced sample to the first sample sent.
    pub measured: Duration,
    /// Turns it was measured over.
    pub turns: usize,
    /// What all knobs are set to from now on.
    pub steering: Steering,
}

/// The budget cannot be met: nothing is left to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetMissed {
    /// 95th percentile of the responses since the last move, from the last voiced sample to the first sample sent.
    pub measured: Duration,
    /// Turns it was measured over.
    pub turns: usize,
}

/// The controller's memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Controller {
    /// The longest wait; `None` as configured.
    longest_wait: Option<Duration>,
    /// Moves of speculation and of the first clause.
    speculation: u8,
    first_clause: u8,
    turns: VecDeque<Measured>,
    /// Turns since the last look.
    fresh: usize,
    last: Option<SteeringReason>,
    /// Looks in a row at which all was well within the budget.
    calm: u32,
    /// How many of them are needed, less one. It grows when something was given back too early.
    patience: u32,
    /// The application knows that nothing is left to move.
    missed: bool,
}

/// One turn: its response, and the parts of it that the knobs shorten.
#[derive(Debug, Clone, Copy)]
struct Measured {
    response: Duration,
    /// The silence that ended it, from the last voiced sample; `None` if something else did, or was awaited for longer.
    wait: Option<Duration>,
    /// What speculation could have hidden, and the probability of the end from which it would have: none in doubt.
    hideable: Duration,
    percent: Option<u8>,
    /// Time until the first segment was complete.
    first_clause: Duration,
}

impl Measured {
    fn new(latency: &TurnLatency) -> Self {
        let gap = |owners: &[&str]| {
            latency.gaps().iter().filter(|(owner, _)| owners.contains(owner)).map(|(_, gap)| *gap).sum()
        };
        let silence = matches!(latency.wait, Wait::Complete | Wait::Incomplete | Wait::Unsure | Wait::Silence)
            && latency.transcribed <= latency.ready;
        Self {
            response: latency.response(),
            wait: silence.then(|| latency.ready.since(latency.last_voiced)),
            hideable: if latency.speculative { Duration::ZERO } else { gap(&["llm", "segmenter", "tts"]) },
            percent: latency.percent,
            first_clause: gap(&["segmenter"]),
        }
    }
}

impl Controller {
    /// What the knobs are set to.
    pub(super) fn steering(&self, options: &Options) -> Steering {
        let clause = options.speech.first_clause;
        Steering {
            longest_wait: self.longest_wait(options),
            from_score: from_score(options, self.speculation),
            max_attempts: options.speculation.max_attempts + u32::from(self.speculation),
            first_clause: clause - clause * usize::from(self.first_clause) / (usize::from(MOVES) + 1),
        }
    }

    fn longest_wait(&self, options: &Options) -> Duration {
        self.longest_wait.unwrap_or(options.endpointing.wait_incomplete)
    }

    /// Takes the latency of one more turn; `Some` if a knob is moved, or should be and cannot.
    fn observe(&mut self, latency: &TurnLatency, options: &Options) -> Option<Event> {
        let budget = options.latency.budget?;
        if self.turns.len() == WINDOW {
            self.turns.pop_front();
        }
        self.turns.push_back(Measured::new(latency));
        self.fresh += 1;
        if self.fresh < options.latency.turns {
            return None;
        }
        self.fresh = 0;
        let (measured, turns) = (self.percentile(), self.turns.len());
        let (knob, reason) = if measured > budget {
            self.calm = 0;
            if self.last == Some(SteeringReason::WithinBudget) {
                self.patience = (2 * self.patience + 1).min(MAX_PATIENCE - 1);
            }
            let Some(knob) = self.tighten(measured - budget, budget, options) else {
                let told = std::mem::replace(&mut self.missed, true);
                return (!told).then_some(Event::BudgetMissed(BudgetMissed { measured, turns }));
            };
            (knob, SteeringReason::OverBudget)
        } else {
            self.missed = false;
            if measured > budget.mul_f32(EASE) {
                self.calm = 0;
                return None;
            }
            self.calm += 1;
            if self.calm <= self.patience {
                return None;
            }
            (self.ease(budget - measured, options)?, SteeringReason::WithinBudget)
        };
        self.turns.clear();
        (self.calm, self.last, self.missed) = (0, Some(reason), false);
        Some(Event::Steered(Steered { knob, reason, measured, turns, steering: self.steering(options) }))
    }

    /// The 95th percentile of the responses. Its rank is rounded down: of a few turns one may be slow.
    fn percentile(&self) -> Duration {
        let mut responses: Vec<Duration> = self.turns.iter().map(|turn| turn.response).collect();
        responses.sort_unstable();
        responses.get(self.rank().saturating_sub(1)).copied().unwrap_or_default()
    }

    /// How many of the turns should be within the budget.
    fn rank(&self) -> usize {
        (self.turns.len() * 95 / 100).max(1)
    }

    /// Moves a knob for the turns that exceed the budget; `None` if none can be moved further.
    fn tighten(&mut self, lack: Duration, budget: Duration, options: &Options) -> Option<Knob> {
        let slow: Vec<Measured> = self.turns.iter().filter(|turn| turn.response > budget).copied().collect();
        self.hasten(&slow, lack.mul_f32(NOTICEABLE), options)
            .or_else(|| self.shorten_wait(&slow, budget, options))
            .or_else(|| self.hasten(&slow, Duration::ZERO, options))
    }

    /// Moves a knob that ends no turn sooner, if that may give the slow turns more than `least` on average.
    fn hasten(&mut self, slow: &[Measured], least: Duration, options: &Options) -> Option<Knob> {
        let helps = |gains: Duration| gains / u32::try_from(slow.len()).unwrap_or(u32::MAX).max(1) > least;
        let may_speculate = options.speculation.enabled && !options.conversation.review;
        let score = 100.0 * from_score(options, self.speculation + 1);
        let begun = slow.iter().filter(|turn| turn.percent.is_some_and(|percent| f32::from(percent) >= score));
        if may_speculate && self.speculation < MOVES && helps(begun.map(|turn| turn.hideable).sum()) {
            self.speculation += 1;
            return Some(Knob::Speculation);
        }
        // A move takes a part of the clause away.
        let clauses: Duration = slow.iter().map(|turn| turn.first_clause).sum();
        if self.first_clause < MOVES && helps(clauses / (u32::from(MOVES) + 1)) {
            self.first_clause += 1;
            return Some(Knob::FirstClause);
        }
        None
    }

    /// Shortens the longest wait to the one with which enough of the slow turns had been within the budget.
    fn shorten_wait(&mut self, slow: &[Measured], budget: Duration, options: &Options) -> Option<Knob> {
        let fitting = |turn: &Measured| Some(turn.wait?.saturating_sub(turn.response - budget));
        let mut fitting: Vec<Duration> = slow.iter().filter_map(fitting).collect();
        fitting.sort_unstable_by(|a, b| b.cmp(a));
        let needed = (slow.len() + self.rank()).saturating_sub(self.turns.len());
        let wait = fitting.get(needed.saturating_sub(1)).or(fitting.last()).copied()?.max(options.least_wait());
        if wait + WAIT_STEP > self.longest_wait(options) {
            return None;
        }
        self.longest_wait = Some(wait);
        Some(Knob::Endpointing)
    }

    /// Moves the knob back that costs the conversation most, with so much room below the budget.
    fn ease(&mut self, room: Duration, options: &Options) -> Option<Knob> {
        if let Some(wait) = self.longest_wait {
            let longer = wait + (room / 2).max(WAIT_STEP);
            self.longest_wait = (longer < options.endpointing.wait_incomplete).then_some(longer);
            return Some(Knob::Endpointing);
        }
        let (knob, moves) = match (self.first_clause, self.speculation) {
            (0, 0) => return None,
            (0, _) => (Knob::Speculation, &mut self.speculation),
            _ => (Knob::FirstClause, &mut self.first_clause),
        };
        *moves -= 1;
        Some(knob)
    }
}

/// Score from which is speculated after so many moves.
fn from_score(options: &Options, moves: u8) -> f32 {
    options.speculation.from_score * (1.0 - SCORE_STEP * f32::from(moves))
}

impl Options {
    /// How far the controller may shorten the longest wait.
    pub(crate) fn least_wait(&self) -> Duration {
        let EndpointingOptions { wait_complete, wait_incomplete, .. } = self.endpointing;
        self.latency.least_wait.clamp(wait_complete, wait_incomplete)
    }
}

impl Engine {
    /// A reply was first heard, after one generation: steers by the latency of its turn, unless that waited for the floor
    /// or for a stage that missed its deadline. No knob could shorten that.
    pub(super) fn steer(&mut self, latency: &TurnLatency) {
        let queued = latency.gaps().iter().any(|(owner, gap)| *owner == "queue" && !gap.is_zero());
        let overdue = latency.overdue != Overdue::default();
        if queued || overdue || matches!(latency.wait, Wait::Typed | Wait::Limit) {
            return;
        }
        let Some(mut event) = self.controller.observe(latency, &self.config) else { return };
        if let Event::Steered(steered) = &mut event
            && faulty!(self, SteersBlindly)
        {
            steered.steering.longest_wait = Duration::ZERO;
        }
        self.event(event);
    }

    /// What the controller has set the knobs to.
    pub(super) fn steering(&self) -> Steering {
        self.controller.steering(&self.config)
    }

    /// The endpointing options as they are steered.
    pub(super) fn endpointing(&self) -> EndpointingOptions {
        EndpointingOptions { wait_incomplete: self.steering().longest_wait, ..self.config.endpointing.clone() }
    }

    /// The speech options as they are steered.
    pub(super) fn speech(&self) -> SpeechOptions {
        SpeechOptions { first_clause: self.steering().first_clause, ..self.config.speech.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        id::{ReplyId, TurnId},
        time::Timestamp,
    };

    fn options(budget: u64, turns: usize) -> Options {
        let mut options = Options::default();
        options.latency.budget = Some(Duration::from_millis(budget));
        options.latency.turns = turns;
        options
    }

    /// A turn whose parts take so many milliseconds: endpointing, model and voice, segmenter.
    fn latency([endpointing, model, segmenter]: [u64; 3]) -> TurnLatency {
        let at = Timestamp::from_millis;
        let (ready, token) = (endpointing, endpointing + model);
        let said = token + segmenter;
        TurnLatency {
            turn: TurnId(1),
            reply: ReplyId(1),
            wait: Wait::Incomplete,
            percent: Some(45),
            speculative: false,
            last_voiced: at(0),
            voice_ended: at(0),
            ready: at(ready),
            transcribed: at(ready),
            committed: at(ready),
            reviewed: at(ready),
            requested: at(ready),
            first_token: at(token),
            tools_done: at(token),
            first_words: at(token),
            first_segment: at(said),
            first_audio: at(said),
            first_sample: at(said),
            overdue: Overdue::default(),
        }
    }

    /// What a controller does in turns of the same parts.
    fn events(controller: &mut Controller, options: &Options, parts: [u64; 3], turns: usize) -> Vec<Event> {
        (0..turns).filter_map(|_| controller.observe(&latency(parts), options)).collect()
    }

    /// The knobs that it moves.
    fn knobs(controller: &mut Controller, options: &Options, parts: [u64; 3], turns: usize) -> Vec<Knob> {
        let knob = |event| match event {
            Event::Steered(steered) => Some(steered.knob),
            _ => None,
        };
        events(controller, options, parts, turns).into_iter().filter_map(knob).collect()
    }

    #[test]
    fn without_a_budget_nothing_moves() {
        assert_eq!(events(&mut Controller::default(), &Options::default(), [900, 900, 900], 100), []);
    }

    #[test]
    fn the_cheapest_knob_that_helps_is_moved_first_and_given_back_last() {
        let options = options(1_500, 8);
        let mut controller = Controller::default();
        let mut knobs = |parts: [u64; 3], turns: usize| knobs(&mut controller, &options, parts, turns);
        assert_eq!(knobs([3_000, 100, 0], 8), [Knob::Endpointing], "the model's part is not worth it");
        assert_eq!(knobs([1_000, 600, 0], 8), [Knob::Speculation]);
        assert_eq!(knobs([900, 0, 800], 24), [Knob::Speculation, Knob::FirstClause, Knob::FirstClause]);
        assert_eq!(knobs([1_200, 0, 0], 80), [], "within the budget, but not well within it");
        let eased = knobs([300, 0, 0], 200);
        assert_eq!(eased.last(), Some(&Knob::Speculation));
        assert_eq!(eased[eased.len() - 4..eased.len() - 2], [Knob::FirstClause; 2]);
        assert!(eased[..eased.len() - 4].iter().all(|knob| *knob == Knob::Endpointing));
    }

    #[test]
    fn the_longest_wait_is_shortened_by_what_is_missing_and_one_slow_turn_is_tolerated() {
        let options = options(1_500, 8);
        let mut controller = Controller::default();
        let mut turn = |wait: u64| controller.observe(&latency([wait, 100, 0]), &options);
        let first: Vec<Event> = [500, 500, 500, 500, 500, 500, 500, 3_900].into_iter().filter_map(&mut turn).collect();
        assert_eq!(first, []);
        let second: Vec<Event> =
            [500, 500, 500, 2_000, 2_500, 500, 500, 500].into_iter().filter_map(&mut turn).collect();
        // Of sixteen turns one may be slow: that of 3.9 s.
        let Some(Event::Steered(steered)) = second.first() else { panic!("{second:?}") };
        assert_eq!((steered.measured, steered.turns), (Duration::from_millis(2_600), 16));
        assert_eq!(steered.steering.longest_wait, Duration::from_millis(1_400));
    }

    #[test]
    fn a_budget_that_cannot_be_met_is_told_once() {
        let options = options(300, 4);
        let mut controller = Controller::default();
        let mut told = |parts: [u64; 3]| {
            let events = events(&mut controller, &options, parts, 100);
            events.iter().filter(|event| matches!(event, Event::BudgetMissed(_))).count()
        };
        assert_eq!(told([800, 300, 50]), 1);
        assert_eq!(told([800, 300, 50]), 0, "nothing has changed");
        assert_eq!(told([200, 50, 20]), 0);
        assert_eq!(told([800, 300, 50]), 1, "it was met in between");
        assert_eq!(controller.steering(&options).longest_wait, options.latency.least_wait);
    }

    #[test]
    fn silences_that_did_not_end_the_turn_are_not_shortened() {
        let options = options(500, 4);
        let mut controller = Controller::default();
        for wait in [Wait::Manual, Wait::Recogniser, Wait::Left] {
            let latency = TurnLatency { wait, ..latency([2_000, 0, 0]) };
            let steered = (0..20).filter_map(|_| controller.observe(&latency, &options));
            assert!(steered.into_iter().all(|event| matches!(event, Event::BudgetMissed(_))));
        }
    }

    #[test]
    fn a_plant_that_cannot_be_eased_is_eased_ever_more_rarely() {
        let options = options(1_000, 8);
        let mut controller = Controller::default();
        // With the configured waits it is above the budget, with shorter ones well below it.
        let moves = (0..4_000).filter(|_| {
            let whole = controller.steering(&options).longest_wait == options.endpointing.wait_incomplete;
            let parts = if whole { [1_500, 0, 0] } else { [400, 0, 0] };
            controller.observe(&latency(parts), &options).is_some()
        });
        let moves = moves.count();
        assert!((10..150).contains(&moves), "{moves} moves in 500 looks");
    }

    #[test]
    fn it_brings_a_slow_agent_within_its_budget() {
        let mut options = options(1_300, 8);
        options.latency.least_wait = Duration::from_millis(300);
        let mut controller = Controller::default();
        let response = |steering: Steering, turn: u64| {
            let wait = (turn * 7 % 40 * 100).min(steering.longest_wait.as_millis() as u64);
            let hidden = if steering.from_score < 0.45 { 150 } else { 0 };
            latency([wait, 300 + turn % 7 * 10 - hidden, steering.first_clause as u64 * 8])
        };
        let mut last = Vec::new();
        for turn in 0..400 {
            let latency = response(controller.steering(&options), turn);
            controller.observe(&latency, &options);
            if turn >= 200 {
                last.push(latency.response());
            }
        }
        let slow = last.iter().filter(|response| **response > Duration::from_millis(1_300)).count();
        assert!(slow <= last.len() / 20, "{last:?}");
        assert!(controller.steering(&options).longest_wait >= Duration::from_millis(800), "no more than needed");
    }

    proptest! {
        #[test]
        fn moves_are_bounded_far_apart_and_follow_from_the_turns(
            turns in proptest::collection::vec([0u64..2_000, 0u64..2_000, 0u64..2_000], 1..300),
            budget in 1u64..3_000,
            every in 1usize..12,
            least_wait in 0u64..5_000,
        ) {
            let mut options = options(budget, every);
            options.latency.least_wait = Duration::from_millis(least_wait);
            let (mut one, mut two) = (Controller::default(), Controller::default());
            let mut since = 0;
            for parts in turns {
                let latency = latency(parts);
                since += 1;
                let told = one.observe(&latency, &options);
                prop_assert_eq!(&told, &two.observe(&latency, &options));
                let steering = one.steering(&options);
                prop_assert!(steering.longest_wait >= options.least_wait());
                prop_assert!(steering.longest_wait <= options.endpointing.wait_incomplete);
                prop_assert!(steering.from_score > 0.0 && steering.max_attempts <= 5);
                prop_assert!(steering.first_clause >= 4 && steering.first_clause <= 12);
                if let Some(Event::Steered(steered)) = told {
                    prop_assert!(since >= every);
                    since = 0;
                    let over = steered.measured > Duration::from_millis(budget);
                    prop_assert_eq!(over, steered.reason == SteeringReason::OverBudget);
                    prop_assert_eq!(steered.steering, steering);
                }
            }
        }
    }
}
