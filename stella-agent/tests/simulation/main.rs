//! Whole conversations in virtual time: engine and session together, with people, links, models, tools and an application
//! that do what they like, and go wrong.
//!
//! `cargo xtask test --only simulation` holds 10,000 minutes of it. `STELLA_SIM_MINUTES=60 cargo test -p stella-agent
//! --test simulation` holds as much as you like, `STELLA_SIM_SEED=7` the conversation of one seed. A seed that failed is
//! kept in `seeds.txt`, and held first from then on.
#![cfg(feature = "testing")]
#![allow(clippy::print_stdout, reason = "a long test tells what it did")]

mod application;
mod audible;
mod checks;
mod conversation;
mod dice;
mod hearing;
mod link;
mod mouth;
mod plan;
mod room;
mod speaking;
mod stream;
mod thinking;
mod tools;
mod user;
mod words;
mod workers;

use plan::Plan;

/// Simulated minutes of a plain test run.
const MINUTES: u64 = 200;
/// First of the seeds that are not kept.
const FIRST_SEED: u64 = 1;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Seeds that failed once, each with what it found.
fn kept() -> impl Iterator<Item = u64> {
    let lines = include_str!("seeds.txt").lines();
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok())
}

/// Holds the conversations of the kept seeds and of new ones, twice each, and checks all.
#[test]
fn conversations_with_faults_keep_their_promises() {
    workers::silence_planned_panics();
    let minutes = variable("STELLA_SIM_MINUTES").unwrap_or(MINUTES);
    let seeds: Vec<u64> = match variable("STELLA_SIM_SEED") {
        Some(seed) => vec![seed],
        None => kept()
            .chain((FIRST_SEED..).scan(0, |so_far, seed| {
                let before = *so_far;
                *so_far += Plan::of(seed).length.as_secs();
                (before < minutes * 60).then_some(seed)
            }))
            .collect(),
    };
    let summary = workers::hold_all(&seeds);
    println!("{summary}");
    assert_eq!(summary.leak(), None);
    assert!(summary.failures.is_empty(), "{} of {} conversations failed", summary.failures.len(), seeds.len());
}
