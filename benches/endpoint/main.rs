//! When does the user's turn end? Mean delay against false cut-ins, on recorded human speech with known ends and with
//! pauses inside: by silence alone, by smart-turn alone, and by smart-turn, words and pauses together.
//!
//! Silero, smart-turn and Moonshine hear every turn once; then the engine decides, in virtual time, for each setting.
//! *Delay*: from the last voiced sample to the commit of the turn, models included. *False cut-in*: the turn is
//! committed at a pause after which the speaker goes on; a share of all pauses from 200 ms to 5 s, as in eot-bench.
//! eot-bench leaves the models' own time out, asks the detector every 100 ms, and has turns of real conversations; its
//! figures are no more than a comparison.
//!
//! Each method has a curve of its best settings. *Held out*: ten-fold cross-validation by recording, repeated over ten
//! deals. A setting is picked on nine folds: the least delay whose cut-ins, with half a standard error on top, are within a
//! nominal budget; it is measured on the tenth. All folds and deals together are one point of the curve for each nominal
//! budget, and the curve is read where its own cut-ins, those on held-out turns, are at most 5 %. *All*: picked and
//! measured on all turns, as eot-bench does it. The engine's own curve goes along `wait_unsure`, with nothing picked. What
//! words say ([`Judge`](stella_core::engine::Judge)) was fitted to recordings of even number; those of odd number are new
//! to everything.
//! At last all turns are one long conversation with a scripted model and voice, under several latency budgets: what the
//! engine's latency controller makes of them.
//! `cargo xtask bench endpoint` runs it.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod agent;
mod budget;
mod hear;
mod outcome;
mod prompts;
mod replay;
mod sweep;
mod turns;
mod validation;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use futures_util::{StreamExt, stream};
use stella_benches::figures::{Figure, Report};
use stella_core::engine::Options;
use stella_providers::{
    moonshine::{Moonshine, MoonshineOptions},
    runtime::{Cache, InferencePool},
    silero::Silero,
    smart_turn::SmartTurn,
};

use self::{
    outcome::Outcome,
    replay::{Case, Policy, Scores},
    sweep::{Method, Point, sweep},
    turns::Kind,
    validation::{DEALS, curve, pick},
};

/// Lengths of `wait_unsure` along the engine's own curve, in milliseconds.
const CURVE: [u64; 9] = [400, 600, 800, 1_000, 1_200, 1_400, 1_500, 1_700, 2_000];
/// Shares of pauses at which a turn may be cut short, in quarters of a percent, for which settings are picked.
const NOMINAL: std::ops::RangeInclusive<u32> = 4..=120;
/// Shares at which the curves are read.
const BUDGETS: [f64; 9] = [0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.10, 0.20, 0.30];

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
    let report = Report::begin("endpoint", "eot-bench's own, on other turns: a comparison at most");
    let defaults = Policy { options: Options::default(), words: true, score: Scores::Kept };
    let defaults = Point::measure(defaults, cases)?;
    let all = defaults.all();
    let [recorded, composed, inserted] = Kind::ALL.map(|kind| all.pauses(Some(kind)).0);
    let (ends, recordings) = (all.ends + all.never, defaults.recordings.len());
    println!(
        "{recordings} recordings, {ends} ends; pauses inside: {recorded} recorded, {composed} composed, {inserted} inserted"
    );
    let mut figures = Vec::new();
    for method in Method::ALL {
        figures.extend(method_figures(method, &sweep(method, cases)?));
    }
    println!("\nthe engine's own curve, along wait_unsure");
    for wait in CURVE {
        let mut policy = defaults.policy.clone();
        policy.options.endpointing.wait_unsure = Duration::from_millis(wait);
        figures.extend(half_figures(&format!("wait_unsure of {wait} ms"), &Point::measure(policy, cases)?));
    }
    // Nobody picks these: what they give on either half is what they give.
    println!("\nthe engine's defaults");
    figures.extend(half_figures("the engine's defaults", &defaults));
    for kind in Kind::ALL {
        let name = format!("the engine's defaults: cut-ins at {kind:?} pauses, all").to_lowercase();
        figures.push(Figure::new(name, 100.0 * all.cut_ins(Some(kind)), "%", all.pauses(Some(kind)).0));
    }
    println!("\nthe engine under a latency budget, with a model and a voice by script");
    figures.extend(budget::figures(&defaults.policy, cases)?);
    report.end(figures, args.report.as_deref())
}

/// The curve of a method on held-out turns; what it gives there at each of [`BUDGETS`]; and, as eot-bench does it, what
/// the best setting gives on the turns that it was picked on.
fn method_figures(method: Method, points: &[Point]) -> Vec<Figure> {
    println!("\n{}", method.name());
    let nominal: Vec<f64> = NOMINAL.map(|quarters| f64::from(quarters) / 400.0).collect();
    let curve: Vec<(u32, Outcome)> =
        NOMINAL.zip(curve(points, &nominal)).filter_map(|(quarters, outcome)| Some((quarters, outcome?))).collect();
    for (quarters, outcome) in curve.iter().filter(|(quarters, _)| quarters % 2 == 0 && *quarters <= 40) {
        println!("  picked for {:>4.1} %: {}", f64::from(*quarters) / 4.0, brief(outcome));
    }
    let mut figures = Vec::new();
    for budget in BUDGETS {
        let percent = 100.0 * budget;
        let name = |turns: &str| format!("{}: {{}} at {percent:.0} %, {turns}", method.name());
        let within = curve.iter().filter(|(_, outcome)| outcome.cut_ins(None) <= budget);
        if let Some((quarters, outcome)) = within.min_by(|(_, a), (_, b)| a.delay().total_cmp(&b.delay())) {
            let setting = format!("picked for {:.2} %", f64::from(*quarters) / 4.0);
            println!("  {percent:>3.0} % held out {setting:<24} {}", brief(outcome));
            figures.extend(pair(&name("held out"), outcome, DEALS));
        }
        let all: Vec<Outcome> = points.iter().map(Point::all).collect();
        if let Some(n) = pick(&all, budget, 0.0) {
            println!("  {percent:>3.0} % all      {:<24} {}", setting(&points[n].policy), describe(&all[n]));
            let [delay, cut_ins] = pair(&name("all"), &all[n], 1);
            let at_five = (budget - 0.05).abs() < 1e-9;
            let (peer, value) = method.peer();
            figures.extend([if at_five { delay.beside(peer, value) } else { delay }, cut_ins]);
        }
    }
    figures
}

/// What a setting that nobody picked gives on either half of the recordings, and on all.
fn half_figures(name: &str, point: &Point) -> Vec<Figure> {
    let halves = [("even", point.on(|n| n % 2 == 0)), ("odd", point.on(|n| n % 2 == 1)), ("all", point.all())];
    let of = |(turns, outcome): (&str, Outcome)| {
        println!("  {name}, {turns:<5} {}", describe(&outcome));
        pair(&format!("{name}: {{}}, {turns}"), &outcome, 1)
    };
    halves.into_iter().flat_map(of).collect()
}

/// Delay and cut-ins, with the name `{}` in their common name; each turn was counted so many times.
fn pair(name: &str, outcome: &Outcome, times: usize) -> [Figure; 2] {
    let (ends, pauses) = (outcome.ends / times, outcome.pauses(None).0 / times);
    [
        Figure::new(name.replace("{}", "delay"), outcome.delay(), "ms", ends),
        Figure::new(name.replace("{}", "cut-ins"), 100.0 * outcome.cut_ins(None), "%", pauses),
    ]
}

fn setting(policy: &Policy) -> String {
    let waits = &policy.options.endpointing;
    let [complete, unsure, incomplete] =
        [waits.wait_complete, waits.wait_unsure, waits.wait_incomplete].map(|wait| wait.as_millis());
    let score = if let Scores::Hard(threshold) = policy.score { format!(" >{threshold}") } else { String::new() };
    format!("{complete}/{unsure}/{incomplete} ms{score}")
}

fn brief(outcome: &Outcome) -> String {
    format!("{:.0} ms at {:.1} %", outcome.delay(), 100.0 * outcome.cut_ins(None))
}

fn describe(outcome: &Outcome) -> String {
    let [recorded, composed, inserted] = Kind::ALL.map(|kind| 100.0 * outcome.cut_ins(Some(kind)));
    let Outcome { elsewhere, never, .. } = outcome;
    format!(
        "{} (recorded {recorded:.1}, composed {composed:.1}, inserted {inserted:.1}; elsewhere {elsewhere}, never {never})",
        brief(outcome)
    )
}
