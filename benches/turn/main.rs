//! How long a user waits for an answer: Stella beside a livekit-agents worker, in one run, with the same fakes.
//!
//! `cargo xtask bench turn` starts the server and runs it. Measured is, at a Python user, the time from the last voiced
//! sample to the first audible sample of the answer. The share of each side is what is left of that without the waits that
//! are configured (silence 300 ms, first token 100 ms, first audio 50 ms; recognition overlaps with the silence) and
//! without twice the way of sound between two such users, alone, through the same server. That way holds packets, encoder
//! and decoder, and the jitter buffer of the user's WebRTC library. With ten calls the same is taken off as with one: what
//! a busy machine adds counts for both sides; the way of sound between ten users is shown beside it. Both sides may ask the
//! model as soon as the words are final, before the silence is over, and do so by default: what that hides of the first
//! token makes their shares smaller, and is shown for Stella.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod peer;
mod people;
mod stella;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Parser;
use stella_benches::{
    figures::{Figure, Report, median, percentile},
    program,
    server::Server,
};
use stella_core::engine::TurnLatency;
use stella_providers::runtime::Cache;

use self::{
    people::{Calls, People, Plan},
    stella::{FIRST_AUDIO, FIRST_TOKEN, WAIT},
};

/// Limit for the whole run.
const ALL_BY: Duration = Duration::from_secs(600);
const AGENTS: &str = "livekit-agents 1.8.9";
/// Both sides get the same. 30 turns of one call, 70 of ten.
const PLANS: [Plan; 2] = [
    Plan { calls: 1, turns: 30, slot: Duration::from_millis(4_100) },
    Plan { calls: 10, turns: 7, slot: Duration::from_millis(5_500) },
];
/// Waits that are configured.
const GIVEN: Duration = WAIT.saturating_add(FIRST_TOKEN).saturating_add(FIRST_AUDIO);
/// Sounds sent from user to user, and the time for each.
const WAYS: usize = 30;
/// Two users alone are started so often: each time their clocks meet in another place, by up to 10 ms.
const WAY_RUNS: usize = 3;
const WAY_SLOT: Duration = Duration::from_millis(700);

/// Measures how long a user waits for an answer.
#[derive(Debug, Parser)]
#[command(name = "turn")]
struct Args {
    /// Write the figures as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Measure only with these numbers of calls at once: 1, 10
    #[arg(long, value_name = "CALLS", value_delimiter = ',')]
    calls: Vec<usize>,
    /// Measure without the peer
    #[arg(long)]
    alone: bool,
    #[command(flatten)]
    server: Server,
    /// Python with the LiveKit SDK
    #[arg(long, env = "STELLA_TEST_PYTHON", value_name = "PROGRAM")]
    python: PathBuf,
    /// Python with livekit-agents
    #[arg(long, env = "STELLA_PEER_PYTHON", value_name = "PROGRAM")]
    peer_python: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    program::run(ALL_BY, run(&args))
}

async fn run(args: &Args) -> Result<()> {
    let report = Report::begin("turn", "measured in this run, with the same user, server and fakes");
    let cache = Cache::from_env();
    let people =
        People { python: args.python.clone(), recording: cache.audio("two_cities.wav"), server: args.server.clone() };
    let mut way = Vec::new();
    for n in 0..WAY_RUNS {
        way.extend(ways(&people, &format!("way{n}"), 1, WAYS / WAY_RUNS).await?);
    }
    let mut figures = vec![
        Figure::new("one way of sound, user to user alone, p50", median(way.clone()), "ms", way.len()),
        Figure::new("one way of sound, user to user alone, p95", percentile(&way, 0.95), "ms", way.len()),
    ];
    for plan in PLANS.into_iter().filter(|plan| args.calls.is_empty() || args.calls.contains(&plan.calls)) {
        let measured = measure(args, &people, &cache, plan, median(way.clone())).await;
        figures.extend(measured.with_context(|| format!("{} calls", plan.calls))?);
    }
    report.end(figures, args.report.as_deref())
}

/// How long sound takes from user to user, between pairs of them.
async fn ways(people: &People, name: &str, pairs: usize, sounds: usize) -> Result<Vec<f64>> {
    println!("the way of sound between {} users", 2 * pairs);
    let way = people.way(&rooms(name, pairs), sounds.div_ceil(pairs), WAY_SLOT).await.context("the way of sound")?;
    if way.ways.len() < way.lost * 10 {
        bail!("of the sounds between users {} were lost", way.lost);
    }
    Ok(way.ways)
}

/// Names of rooms that no run has had.
fn rooms(side: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("turn-{:x}-{side}-{count}-{n}", std::process::id())).collect()
}

async fn measure(args: &Args, people: &People, cache: &Cache, plan: Plan, way: f64) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let at = format!("{} at once", plan.calls);
    let mut crowded = way;
    if plan.calls > 1 {
        let ways = ways(people, "way", plan.calls / 2, WAYS).await?;
        crowded = median(ways.clone());
        for (of, share) in [("p50", 0.5), ("p95", 0.95)] {
            let name = format!("{at}: one way of sound, user to user, {of}");
            figures.push(Figure::new(name, percentile(&ways, share), "ms", ways.len()));
        }
    }
    println!("{at}: Stella, {} turns", plan.calls * plan.turns);
    let ours = stella::measure(people, cache, plan, &rooms("stella", plan.calls)).await.context("Stella")?;
    let theirs = match &args.peer_python {
        Some(python) if !args.alone => {
            println!("{at}: {AGENTS}, {} turns", plan.calls * plan.turns);
            Some(peer::measure(people, python, plan, &rooms("peer", plan.calls)).await.context(AGENTS)?)
        }
        _ => None,
    };
    figures.extend(compare(plan, [way, crowded], &ours, theirs.as_ref()));
    figures.extend(stages(&at, &ours.latencies));
    Ok(figures)
}

/// Both sides, given the way of sound between two users alone, and between as many as there are calls.
fn compare(plan: Plan, [way, crowded]: [f64; 2], ours: &stella::Outcome, theirs: Option<&Calls>) -> Vec<Figure> {
    let at = format!("{} at once", plan.calls);
    let given = ms(GIVEN) + 2.0 * way;
    let runs = ours.calls.responses.len();
    let beside = |name: &str, unit: &'static str, runs: usize, of: &dyn Fn(&Calls) -> f64| {
        let figure = Figure::new(format!("{at}: {name}"), of(&ours.calls), unit, runs);
        match theirs {
            Some(theirs) => figure.beside(AGENTS, of(theirs)),
            None => figure,
        }
    };
    vec![
        beside("response at the user, p50", "ms", runs, &|calls| percentile(&calls.responses, 0.5)),
        beside("response at the user, p95", "ms", runs, &|calls| percentile(&calls.responses, 0.95)),
        beside("own share, p50", "ms", runs, &|calls| percentile(&calls.responses, 0.5) - given),
        beside("own share, p95", "ms", runs, &|calls| percentile(&calls.responses, 0.95) - given),
        beside("own share beyond the way between as many users, p95", "ms", runs, &|calls| {
            percentile(&calls.responses, 0.95) - ms(GIVEN) - 2.0 * crowded
        }),
        beside("turns answered", "turns", 1, &|calls| calls.responses.len() as f64),
        beside("turns not answered within 10 s", "turns", 1, &|calls| calls.unanswered as f64),
        beside("turns cut into", "turns", 1, &|calls| calls.cut_in as f64),
        beside("calls without an agent, or one without an end", "calls", 1, &|calls| {
            (plan.calls - calls.joined + calls.endless) as f64
        }),
        beside("processor taken by the users", "cores", 1, &|calls| calls.cores),
        Figure::new(format!("{at}: processor taken by Stella"), ours.cores, "cores", 1),
    ]
}

/// Where the time went, as Stella saw it. Its first moment is the last voiced sample as heard at the agent.
fn stages(at: &str, latencies: &[TurnLatency]) -> Vec<Figure> {
    let Some(first) = latencies.first() else { return Vec::new() };
    let mut figures = Vec::new();
    let mut add = |name: &str, values: Vec<f64>| {
        for (of, share) in [("p50", 0.5), ("p95", 0.95)] {
            let value = percentile(&values, share);
            figures.push(Figure::new(format!("{at}: {name}, {of}"), value, "ms", values.len()));
        }
    };
    for (stage, (owner, _)) in first.gaps().iter().enumerate() {
        add(&format!("stage {owner}"), latencies.iter().map(|turn| ms(turn.gaps()[stage].1)).collect());
    }
    add("response at the agent", latencies.iter().map(|turn| ms(turn.response())).collect());
    let own = |turn: &TurnLatency| ms(turn.response()) - ms(GIVEN);
    let hidden = |turn: &TurnLatency| ms(turn.ready.since(turn.requested));
    add("own share at the agent", latencies.iter().map(own).collect());
    add("the model asked before the silence was over by", latencies.iter().map(hidden).collect());
    add("own share at the agent with that as well", latencies.iter().map(|turn| own(turn) + hidden(turn)).collect());
    figures
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
