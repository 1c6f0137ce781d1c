//! When does the user's turn end? Mean delay against false cut-ins, on recorded human speech with known ends and with
//! pauses inside: by silence alone, by smart-turn alone, and by smart-turn, words and pauses together.
//!
//! Silero, smart-turn and Moonshine hear every turn once; then the engine decides, in virtual time, for each setting.
//! *Delay*: from the last voiced sample to the commit of the turn, models included. *False cut-in*: the turn is
//! committed at a pause after which the speaker goes on; a share of all pauses from 200 ms to 5 s, as in eot-bench.
//! eot-bench leaves the models' own time out, asks the detector every 100 ms, and has turns of real conversations; its
//! figures are no more than a comparison.
//!
//! Each method has a curve of its best settings: picked on one half of the turns (tuning) and measured on the other
//! (*held out*); and, as eot-bench does it, picked and measured on *all* turns. The engine's own curve goes along
//! `wait_unsure`, with nothing picked.
//! `cargo xtask bench endpoint` runs it.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod hear;
mod prompts;
mod replay;
mod sweep;
mod turns;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use futures_util::{StreamExt, stream};
use stella_benches::{
    figures::{Figure, Report},
    machine::{Machine, load},
};
use stella_core::engine::Options;
use stella_providers::{
    moonshine::{Moonshine, MoonshineOptions},
    runtime::{Cache, InferencePool},
    silero::Silero,
    smart_turn::SmartTurn,
};

use self::{
    replay::{Case, Outcome, Policy, Scores},
    sweep::{Method, Point, best, sweep},
    turns::Kind,
};

/// Lengths of `wait_unsure` along the engine's own curve, in milliseconds.
const CURVE: [u64; 9] = [400, 600, 800, 1_000, 1_200, 1_400, 1_500, 1_700, 2_000];
/// Shares of pauses at which a turn may be cut short.
const BUDGETS: [f64; 5] = [0.02, 0.05, 0.10, 0.20, 0.30];

/// Measures when turns end.
#[derive(Debug, Parser)]
#[command(name = "endpoint")]
struct Args {
    /// Write the figures as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write what was heard of each turn as lines of JSON to this file
    #[arg(long, value_name = "FILE")]
    heard: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let run = || -> Result<()> {
        let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
        let cases = runtime.block_on(cases())?;
        if let Some(path) = &args.heard {
            let line = |case: &Case| {
                let Case { turn, heard } = case;
                serde_json::json!({"name": turn.name, "pauses": turn.pauses, "end": turn.end, "counts": turn.counts, "heard": heard})
            };
            let lines: String = cases.iter().map(|case| line(case).to_string() + "\n").collect();
            std::fs::write(path, lines).with_context(|| format!("cannot write {}", path.display()))?;
        }
        measure(&args, &cases)
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// All turns, heard.
async fn cases() -> Result<Vec<Case>> {
    let cache = Cache::from_env();
    let models = hear::Models {
        vad: Silero::load(&cache)?,
        detector: SmartTurn::load(&cache)?,
        stt: Moonshine::load_on(&cache, InferencePool::global(), MoonshineOptions { interim: false })?,
    };
    let speeches = prompts::read(&cache.audio("prompts-en.tar"))?;
    let mut builder = turns::Builder::new(&models.vad);
    let mut turns = Vec::new();
    for speech in &speeches {
        turns.extend(builder.turns(speech).await?);
    }
    println!("hearing {} turns (about two minutes)", turns.len());
    let hearing = turns.into_iter().map(|turn| async {
        let heard = hear::hear(&models, &turn).await?;
        Ok(Case { turn, heard })
    });
    stream::iter(hearing).buffered(2).collect::<Vec<_>>().await.into_iter().collect()
}

fn measure(args: &Args, cases: &[Case]) -> Result<()> {
    let (load_before, when) = (load(), jiff::Timestamp::now().to_string());
    // Turns of one recording stay in one half.
    let mut names: Vec<&str> = cases.iter().map(|case| case.turn.name.as_str()).collect();
    names.dedup();
    let half = |wanted: usize| -> Vec<&Case> {
        let of = |case: &&Case| names.iter().position(|name| *name == case.turn.name).is_some_and(|n| n % 2 == wanted);
        cases.iter().filter(of).collect()
    };
    let (tuning, held_out) = (half(0), half(1));
    for (name, half) in [("tuning", &tuning), ("held out", &held_out)] {
        let of = |kind| half.iter().flat_map(|case| &case.turn.pauses).filter(|pause| pause.kind == kind).count();
        let ends = half.iter().filter(|case| case.turn.counts).count();
        let [recorded, composed, inserted] = [Kind::Recorded, Kind::Composed, Kind::Inserted].map(of);
        println!("{name}: {ends} ends; pauses inside: {recorded} recorded, {composed} composed, {inserted} inserted");
    }
    let mut figures = Vec::new();
    for method in Method::ALL {
        let points = sweep(method, &tuning, &held_out)?;
        println!("\n{}", method.name());
        for budget in BUDGETS {
            // On turns it was not picked on; and, as eot-bench does, on those that it was.
            if let Some((point, _)) = best(&points, budget, |point| point.tuning.clone()) {
                print(budget, "held out", point, &point.held_out);
                figures.extend(figures_of(method, budget, "held out", &point.held_out));
            }
            if let Some((point, outcome)) = best(&points, budget, Point::all) {
                print(budget, "all", point, &outcome);
                let mut both = figures_of(method, budget, "all", &outcome);
                if (budget - 0.05).abs() < 1e-9 {
                    let (peer, value) = method.peer();
                    both[0] = both[0].clone().beside(peer, value);
                }
                figures.extend(both);
            }
        }
    }
    println!("\nthe engine's own curve, along wait_unsure");
    for wait in CURVE {
        let mut options = Options::default();
        options.endpointing.wait_unsure = Duration::from_millis(wait);
        let point = sweep::measure(Policy { options, words: true, score: Scores::Kept }, &tuning, &held_out)?;
        for (turns, outcome) in [("tuning", &point.tuning), ("held out", &point.held_out), ("all", &point.all())] {
            println!("  {wait:>5} ms {turns:<8} {}", describe(outcome));
            let name = |what: &str| format!("wait_unsure of {wait} ms: {what}, {turns}");
            figures.push(Figure::new(name("delay"), outcome.delay(), "ms", outcome.delays.len()));
            figures.push(Figure::new(name("cut-ins"), 100.0 * outcome.cut_ins(None), "%", outcome.pauses.len()));
        }
    }
    // Nobody picks these: what they give on either half is what they give.
    let defaults = Policy { options: Options::default(), words: true, score: Scores::Kept };
    let defaults = sweep::measure(defaults, &tuning, &held_out)?;
    println!("\nthe engine's defaults");
    for (turns, outcome) in [("tuning", &defaults.tuning), ("held out", &defaults.held_out), ("all", &defaults.all())] {
        println!("  {:<10}{}", format!("{turns}:"), describe(outcome));
        let name = |what: &str| format!("the engine's defaults: {what}, {turns}");
        figures.push(Figure::new(name("delay"), outcome.delay(), "ms", outcome.delays.len()));
        for kind in [None, Some(Kind::Recorded), Some(Kind::Composed), Some(Kind::Inserted)] {
            let of = outcome.pauses.iter().filter(|(k, _)| kind.is_none_or(|kind| kind == *k)).count();
            let which = kind.map_or("all pauses".into(), |kind| format!("{kind:?} pauses").to_lowercase());
            let name = name(&format!("cut-ins at {which}"));
            figures.push(Figure::new(name, 100.0 * outcome.cut_ins(kind), "%", of));
        }
    }
    let report = Report {
        name: "endpoint",
        when,
        machine: Machine::this(),
        load_before,
        load_after: load(),
        peer_values: "eot-bench's own, on other turns: a comparison at most",
        figures,
        peers: std::env::var("STELLA_PEERS").ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
    };
    report.print();
    match &args.report {
        Some(path) => report.write(path),
        None => Ok(()),
    }
}

/// Delay and cut-ins of a setting.
fn figures_of(method: Method, budget: f64, turns: &str, outcome: &Outcome) -> [Figure; 2] {
    let name = |what: &str| format!("{}: {what} at {:.0} %, {turns}", method.name(), budget * 100.0);
    let share = 100.0 * outcome.cut_ins(None);
    [
        Figure::new(name("delay"), outcome.delay(), "ms", outcome.delays.len()),
        Figure::new(name("cut-ins"), share, "%", outcome.pauses.len()),
    ]
}

fn print(budget: f64, turns: &str, point: &Point, outcome: &Outcome) {
    let waits = &point.policy.options.endpointing;
    let [complete, unsure, incomplete] =
        [waits.wait_complete, waits.wait_unsure, waits.wait_incomplete].map(|wait| wait.as_millis());
    let score = if let Scores::Hard(threshold) = point.policy.score { format!(" >{threshold}") } else { String::new() };
    let setting = format!("{complete}/{unsure}/{incomplete} ms{score}");
    println!("  {:>3.0} % {turns:<8} {setting:<24} {}", budget * 100.0, describe(outcome));
}

fn describe(outcome: &Outcome) -> String {
    let percent = |kind| 100.0 * outcome.cut_ins(kind);
    format!(
        "{:.0} ms at {:.1} % (recorded {:.1}, composed {:.1}, inserted {:.1}; elsewhere {}, never {})",
        outcome.delay(),
        percent(None),
        percent(Some(Kind::Recorded)),
        percent(Some(Kind::Composed)),
        percent(Some(Kind::Inserted)),
        outcome.elsewhere,
        outcome.never
    )
}
