//! What the engine itself costs: the time of one `handle` with its outputs, and memory over ten thousand turns.
//!
//! `cargo xtask bench engine` runs it; it needs no server. It fails if a limit is exceeded.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

#[path = "../../stella-core/tests/conversation/mod.rs"]
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
mod conversation;
mod dialogue;
mod generated;
mod times;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use stella_benches::{
    figures::{Figure, Report},
    machine::{Machine, load},
};

use self::{dialogue::Dialogue, times::Times};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// Longest median of one `handle`, in µs.
const MEDIAN: f64 = 2.0;
/// Longest 99th percentile, in µs.
const P99: f64 = 20.0;
/// Most bytes held after the last turn, relative to those after a tenth of the turns: the history is full by then, and
/// only its texts differ.
const GROWTH: f64 = 1.1;

/// Measures the conversation engine.
#[derive(Debug, Parser)]
#[command(name = "engine")]
struct Args {
    /// Write the figures as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Turns of the long conversation
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    turns: usize,
    /// Generated conversations
    #[arg(long, value_name = "N", default_value_t = 3_000)]
    cases: u32,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Bytes that are allocated now.
fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

/// Measures, tells, and says whether all limits are kept.
fn run(args: &Args) -> Result<bool> {
    let load_before = load();
    let when = jiff::Timestamp::now().to_string();
    let generated = generated::measure(args.cases)?;
    let (long, memory) = long(args.turns)?;
    let mut figures = Vec::new();
    let mut good = true;
    for (what, times) in [("generated conversations", &generated), ("a long conversation", &long)] {
        let (median, p99) = (times.at(0.5), times.at(0.99));
        good &= median <= MEDIAN && p99 <= P99;
        let figure = |name: &str, value| Figure::new(format!("handle, {name}: {what}"), value, "µs", times.len());
        figures.extend([figure("median", median), figure("p99", p99), figure("p99.9", times.at(0.999))]);
        figures.push(figure("longest", times.at(1.0)));
    }
    for &(turn, bytes) in &memory {
        figures.push(Figure::new(format!("memory of the engine after turn {turn}"), bytes as f64 / 1e3, "kB", 1));
    }
    let after =
        |share: usize| memory.iter().find(|(turn, _)| *turn == args.turns / share).map_or(0, |(_, bytes)| *bytes);
    let growth = after(1) as f64 / after(10).max(1) as f64;
    good &= growth <= GROWTH;
    figures.push(Figure::new("memory at the end, relative to that after a tenth of the turns", growth, "×", 1));
    let report = Report {
        name: "engine",
        when,
        machine: Machine::this(),
        load_before,
        load_after: load(),
        peer_values: "none: no peer has an engine that can be run alone",
        figures,
        peers: serde_json::Value::Null,
    };
    report.print();
    println!("limits: median {MEDIAN} µs, p99 {P99} µs, growth {GROWTH}: {}", if good { "kept" } else { "EXCEEDED" });
    if let Some(path) = &args.report {
        report.write(path).context("the report")?;
    }
    Ok(good)
}

/// Holds one long conversation; returns the times, and the bytes held after 1 %, 10 % and all of the turns.
fn long(turns: usize) -> Result<(Times, Vec<(usize, usize)>)> {
    let times = Times::with_capacity(turns * 400);
    let before = allocated();
    let mut dialogue = Dialogue::new(times)?;
    let mut memory = Vec::with_capacity(3);
    let own = 3 * size_of::<(usize, usize)>();
    for turn in 1..=turns {
        dialogue.turn(turn)?;
        if [turns / 100, turns / 10, turns].contains(&turn) {
            memory.push((turn, allocated().saturating_sub(before + own)));
        }
    }
    println!("{turns} turns, {} inputs, a history of {} items", dialogue.inputs(), dialogue.history());
    Ok((dialogue.into_times()?, memory))
}
