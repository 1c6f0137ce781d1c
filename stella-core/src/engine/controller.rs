//! The latency controller: it keeps the response within a budget, by what the turns before took.
//!
//! After every few turns it compares the 95th percentile of their responses with the budget. Above it, it moves the knob
//! whose part of the response is the largest; well below it, it gives back what costs the conversation most. Each move
//! is an event with its reason. It is pure: the same turns lead to the same moves.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Engine, Event, TurnLatency, Wait,
    options::{EndpointingOptions, Options, SpeechOptions},
};

/// Turns whose responses are looked at.
const WINDOW: usize = 20;

/// Share of the budget below which something is given back. The gap to the budget keeps it from moving to and fro.
const EASE: f32 = 0.75;

/// Most calm looks in a row that are needed before something is given back.
const MAX_PATIENCE: u32 = 16;

/// Share of the endpointing waits that one move takes away.
const WAIT_STEP: f32 = 0.15;

/// Share of the score from which is speculated that one move takes away; it also allows one more attempt.
const SCORE_STEP: f32 = 0.2;

/// Moves of the knobs of speculation and of the first clause.
const MOVES: u8 = 2;

/// What the controller can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knob {
    /// How long a silence must be. It costs false ends of turns.
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
    /// The responses exceed the budget, and the part that this knob shortens is the largest.
    OverBudget,
    /// The responses stay well within the budget, and this knob costs the conversation most.
    WithinBudget,
}

/// What the knobs are set to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Steering {
    /// Factor of the endpointing waits; 1 as configured.
    pub waits: f32,
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

/// The controller's memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Controller {
    moves: Moves,
    turns: VecDeque<Measured>,
    /// Turns since the last look.
    fresh: usize,
    last: Option<SteeringReason>,
    /// Looks in a row at which all was well within the budget.
    calm: u32,
    /// How many of them are needed, less one. It grows when something was given back too early.
    patience: u32,
}

/// How far each knob was moved.
#[derive(Debug, Clone, Copy, Default)]
struct Moves {
    endpointing: u8,
    speculation: u8,
    first_clause: u8,
}

/// One turn: its response, and the parts of it that the knobs shorten.
#[derive(Debug, Clone, Copy)]
struct Measured {
    response: Duration,
    endpointing: Duration,
    speculation: Duration,
    first_clause: Duration,
}

impl Measured {
    fn new(latency: &TurnLatency) -> Self {
        let gap = |owners: &[&str]| {
            latency.gaps().iter().filter(|(owner, _)| owners.contains(owner)).map(|(_, gap)| *gap).sum()
        };
        Self {
            response: latency.response(),
            endpointing: gap(&["endpointing"]),
            speculation: gap(&["stt", "llm", "tts"]),
            first_clause: gap(&["segmenter"]),
        }
    }

    fn part(&self, knob: Knob) -> Duration {
        match knob {
            Knob::Endpointing => self.endpointing,
            Knob::Speculation => self.speculation,
            Knob::FirstClause => self.first_clause,
        }
    }
}

impl Moves {
    fn of(&mut self, knob: Knob) -> &mut u8 {
        match knob {
            Knob::Endpointing => &mut self.endpointing,
            Knob::Speculation => &mut self.speculation,
            Knob::FirstClause => &mut self.first_clause,
        }
    }

    /// How far a knob may be moved under these options.
    fn most(knob: Knob, options: &Options) -> u8 {
        match knob {
            Knob::Endpointing => ((1.0 - options.latency.least_wait) / WAIT_STEP + 1e-3) as u8,
            Knob::Speculation if options.speculation.enabled && !options.conversation.review => MOVES,
            Knob::Speculation => 0,
            Knob::FirstClause => MOVES,
        }
    }
}

impl Controller {
    /// What the knobs are set to.
    pub(super) fn steering(&self, options: &Options) -> Steering {
        let Moves { endpointing, speculation, first_clause } = self.moves;
        let clause = options.speech.first_clause;
        Steering {
            waits: 1.0 - WAIT_STEP * f32::from(endpointing),
            from_score: options.speculation.from_score * (1.0 - SCORE_STEP * f32::from(speculation)),
            max_attempts: options.speculation.max_attempts + u32::from(speculation),
            first_clause: clause - clause * usize::from(first_clause) / (usize::from(MOVES) + 1),
        }
    }

    /// Takes the latency of one more turn; `Some` if it is time to move a knob.
    fn observe(&mut self, latency: &TurnLatency, options: &Options) -> Option<Steered> {
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
        let measured = self.percentile();
        let (knob, reason) = if measured > budget {
            self.calm = 0;
            if self.last == Some(SteeringReason::WithinBudget) {
                self.patience = (2 * self.patience + 1).min(MAX_PATIENCE - 1);
            }
            (self.tightened(options)?, SteeringReason::OverBudget)
        } else if measured <= budget.mul_f32(EASE) {
            self.calm += 1;
            if self.calm <= self.patience {
                return None;
            }
            (self.eased()?, SteeringReason::WithinBudget)
        } else {
            self.calm = 0;
            return None;
        };
        let turns = self.turns.len();
        self.turns.clear();
        (self.calm, self.last) = (0, Some(reason));
        Some(Steered { knob, reason, measured, turns, steering: self.steering(options) })
    }

    /// The 95th percentile of the responses, by nearest rank.
    fn percentile(&self) -> Duration {
        let mut responses: Vec<Duration> = self.turns.iter().map(|turn| turn.response).collect();
        responses.sort_unstable();
        let rank = (responses.len() * 95).div_ceil(100);
        responses.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Moves the knob with the largest part of the response; `None` if none can be moved further.
    fn tightened(&mut self, options: &Options) -> Option<Knob> {
        let part = |knob: Knob| self.turns.iter().map(|turn| turn.part(knob)).sum::<Duration>();
        // Of equal parts, the cheapest knob.
        let knobs = [Knob::Endpointing, Knob::FirstClause, Knob::Speculation];
        let mut moves = self.moves;
        let free = knobs.into_iter().filter(|knob| *moves.of(*knob) < Moves::most(*knob, options));
        let knob = free.filter(|knob| part(*knob) > Duration::ZERO).max_by_key(|knob| part(*knob))?;
        *self.moves.of(knob) += 1;
        Some(knob)
    }

    /// Moves the knob back that costs the conversation most.
    fn eased(&mut self) -> Option<Knob> {
        let knobs = [Knob::Endpointing, Knob::Speculation, Knob::FirstClause];
        let knob = knobs.into_iter().find(|knob| *self.moves.of(*knob) > 0)?;
        *self.moves.of(knob) -= 1;
        Some(knob)
    }
}

impl Engine {
    /// A reply was first heard, after one generation: steers by the latency of its turn.
    pub(super) fn steer(&mut self, latency: &TurnLatency) {
        if matches!(latency.wait, Wait::Typed | Wait::Limit) {
            return;
        }
        let steered = self.controller.observe(latency, &self.config);
        if let Some(mut steered) = steered {
            if faulty!(self, SteersBlindly) {
                steered.steering.waits = 0.0;
            }
            self.event(Event::Steered(steered));
        }
    }

    /// What the controller has set the knobs to.
    pub(super) fn steering(&self) -> Steering {
        self.controller.steering(&self.config)
    }

    /// The endpointing options as they are steered.
    pub(super) fn endpointing(&self) -> EndpointingOptions {
        let factor = self.steering().waits;
        let mut options = self.config.endpointing.clone();
        if factor < 1.0 {
            for wait in [&mut options.wait_complete, &mut options.wait_unsure, &mut options.wait_incomplete] {
                *wait = wait.mul_f32(factor);
            }
        }
        options
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
    fn latency(parts: [u64; 3]) -> TurnLatency {
        let at = Timestamp::from_millis;
        let [endpointing, model, segmenter] = parts;
        let (ready, token) = (endpointing, endpointing + model);
        let said = token + segmenter;
        TurnLatency {
            turn: TurnId(1),
            reply: ReplyId(1),
            wait: Wait::Unsure,
            percent: None,
            speculative: false,
            last_voiced: at(0),
            voice_ended: at(0),
            ready: at(ready),
            transcribed: at(ready),
            committed: at(ready),
            requested: at(ready),
            first_token: at(token),
            first_segment: at(said),
            first_audio: at(said),
            first_sample: at(said),
        }
    }

    #[test]
    fn without_a_budget_nothing_moves() {
        let mut controller = Controller::default();
        let moved = (0..100).any(|_| controller.observe(&latency([900, 900, 900]), &Options::default()).is_some());
        assert!(!moved);
    }

    #[test]
    fn the_largest_part_is_shortened_first_and_given_back_last_if_it_is_cheap() {
        let options = options(700, 8);
        let mut controller = Controller::default();
        let mut knobs = |parts: [u64; 3], turns: usize| -> Vec<Knob> {
            (0..turns).filter_map(|_| controller.observe(&latency(parts), &options)).map(|s| s.knob).collect()
        };
        assert_eq!(knobs([600, 200, 100], 8), [Knob::Endpointing]);
        assert_eq!(knobs([200, 600, 100], 16), [Knob::Speculation, Knob::Speculation]);
        assert_eq!(knobs([100, 500, 300], 16), [Knob::FirstClause, Knob::FirstClause]);
        assert_eq!(knobs([100, 700, 0], 32), [Knob::Endpointing, Knob::Endpointing], "then all are at their ends");
        assert_eq!(knobs([300, 300, 50], 80), [], "within the budget, but not well within it");
        let eased = knobs([100, 100, 50], 200);
        assert_eq!(eased[..4], [Knob::Endpointing, Knob::Endpointing, Knob::Endpointing, Knob::Speculation]);
    }

    #[test]
    fn a_plant_that_cannot_be_eased_is_eased_ever_more_rarely() {
        let options = options(700, 8);
        let mut controller = Controller::default();
        // With the configured waits it is above the budget, with the next shorter ones well below it.
        let moves = (0..4_000).filter(|_| {
            let parts = if controller.steering(&options).waits < 1.0 { [400, 50, 50] } else { [800, 50, 50] };
            controller.observe(&latency(parts), &options).is_some()
        });
        let moves = moves.count();
        assert!((10..70).contains(&moves), "{moves} moves in 500 looks");
    }

    #[test]
    fn it_brings_a_slow_agent_within_its_budget() {
        let options = options(700, 8);
        let mut controller = Controller::default();
        let response = |steering: Steering, turn: u64| {
            let waits = (600.0 * steering.waits) as u64;
            let hidden = if steering.from_score < 0.45 { 150 } else { 0 };
            latency([waits, 300 + turn % 7 * 10 - hidden, steering.first_clause as u64 * 8])
        };
        let mut last = Vec::new();
        for turn in 0..400 {
            let latency = response(controller.steering(&options), turn);
            controller.observe(&latency, &options);
            if turn >= 300 {
                last.push(latency.response());
            }
        }
        assert!(last.iter().all(|response| *response <= Duration::from_millis(700)), "{last:?}");
    }

    proptest! {
        #[test]
        fn moves_are_bounded_far_apart_and_follow_from_the_turns(
            turns in proptest::collection::vec([0u64..2_000, 0u64..2_000, 0u64..2_000], 1..300),
            budget in 1u64..3_000,
            every in 1usize..12,
            least_wait in 0.0f32..=1.0,
        ) {
            let mut options = options(budget, every);
            options.latency.least_wait = least_wait;
            let (mut one, mut two) = (Controller::default(), Controller::default());
            let mut since = 0;
            for parts in turns {
                let latency = latency(parts);
                since += 1;
                let steered = one.observe(&latency, &options);
                prop_assert_eq!(steered, two.observe(&latency, &options));
                let steering = one.steering(&options);
                prop_assert!(steering.waits >= least_wait - 1e-3 && steering.waits <= 1.0);
                prop_assert!(steering.from_score > 0.0 && steering.max_attempts <= 5);
                prop_assert!(steering.first_clause >= 4 && steering.first_clause <= 12);
                if let Some(steered) = steered {
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
