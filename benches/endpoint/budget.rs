//! What a latency budget makes of a long conversation: how long responses become, and how often they cut in.

use std::time::Duration;

use anyhow::{Result, ensure};
use stella_benches::figures::{Figure, percentile};
use stella_core::engine::Event;

use super::{
    agent::Agent,
    outcome::Outcome,
    replay::{Case, Conversation, Policy},
};

/// Budgets in milliseconds.
const BUDGETS: [Option<u64>; 5] = [None, Some(2_000), Some(1_500), Some(1_000), Some(700)];
/// So often all turns are heard, and so many of these times are measured, when the controller has settled.
const ROUNDS: usize = 6;
const MEASURED: usize = 3;
/// Each turn is followed by that so many turns later, so that recordings of a kind are not heard in a row. A prime.
const STRIDE: usize = 149;

/// What a budget led to.
struct Steered {
    /// Responses in the last rounds, in milliseconds.
    responses: Vec<f64>,
    outcome: Outcome,
    /// Moves of a knob in all rounds.
    moves: usize,
    /// Whether the engine told that nothing was left to move.
    missed: bool,
}

/// Holds a conversation of all turns, several times over, under each budget, with a model and a voice by script.
pub(crate) fn figures(policy: &Policy, cases: &[Case]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for budget in BUDGETS {
        let mut policy = policy.clone();
        policy.options.latency.budget = budget.map(Duration::from_millis);
        let Steered { responses, outcome, moves, missed } = steer(&policy, cases)?;
        ensure!(!responses.is_empty(), "nothing was answered");
        let p95 = percentile(&responses, 0.95);
        let mean = responses.iter().sum::<f64>() / responses.len() as f64;
        let cut_ins = 100.0 * outcome.cut_ins(None);
        let name = budget.map_or("no budget".to_owned(), |budget| format!("a budget of {budget} ms"));
        let told = if missed { ", told as missed" } else { "" };
        println!(
            "  {name:<20} response p95 {p95:.0} ms, mean {mean:.0} ms; cut-ins {cut_ins:.1} %; {moves} moves{told}"
        );
        figures.push(Figure::new(format!("{name}: response p95"), p95, "ms", responses.len()));
        figures.push(Figure::new(format!("{name}: cut-ins"), cut_ins, "%", outcome.pauses(None).0));
    }
    Ok(figures)
}

fn steer(policy: &Policy, cases: &[Case]) -> Result<Steered> {
    let mut conversation = Conversation::new(policy.options.clone(), policy, Agent::speaking())?;
    let mut steered = Steered { responses: Vec::new(), outcome: Outcome::default(), moves: 0, missed: false };
    for round in 0..ROUNDS {
        for n in 0..cases.len() {
            let outcome = conversation.turn(&cases[n * STRIDE % cases.len()]);
            let measured = round >= ROUNDS - MEASURED;
            if measured {
                steered.outcome = steered.outcome + outcome;
            }
            for (_, event) in &conversation.events {
                match event {
                    Event::Latency(latency) if measured => {
                        steered.responses.push(latency.response().as_secs_f64() * 1e3);
                    }
                    Event::Steered(_) => steered.moves += 1,
                    Event::BudgetMissed(_) => steered.missed = true,
                    _ => {}
                }
            }
        }
    }
    Ok(steered)
}
