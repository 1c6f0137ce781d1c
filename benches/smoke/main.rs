//! A first table of figures beside those of peers: what a participant costs, how long joining takes, how fast an agent
//! with scripted providers answers and falls silent, how fast each model is.
//!
//! `cargo xtask bench smoke` starts the servers it needs and runs it.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod connect;
mod models;
mod participants;
mod response;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use stella_benches::{
    figures::{Figure, Report},
    program,
    rooms::Rooms,
    server::Server,
};
use stella_providers::runtime::Cache;

/// Limit for the whole run.
const ALL_BY: Duration = Duration::from_secs(600);

/// Measures participants, responses and models beside their peers.
#[derive(Debug, Parser)]
#[command(name = "smoke")]
struct Args {
    /// Write the figures as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Measure only these: connect, participants, response, models
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    server: Server,
    /// Base address of an OpenAI-compatible language model; without one, none is measured
    #[arg(long, env = "STELLA_LLM_URL", value_name = "URL")]
    llm_url: Option<String>,
    /// The model to ask for
    #[arg(long, env = "STELLA_LLM_MODEL", default_value = "default", value_name = "NAME")]
    llm_model: String,
}

fn main() -> ExitCode {
    let args = Args::parse();
    program::run(ALL_BY, run(&args))
}

async fn run(args: &Args) -> Result<()> {
    let report = Report::begin("smoke", "from the reference, not from this run");
    let rooms = Rooms::new(&args.server);
    let cache = Cache::from_env();
    let wanted = |part: &str| args.only.is_empty() || args.only.iter().any(|only| only == part);
    let mut figures: Vec<Figure> = Vec::new();
    // Memory first, before any model is loaded.
    if wanted("participants") {
        println!("participants: memory and processor time of 1, 10, 20 (about a minute)");
        figures.extend(participants::measure(&rooms).await.context("participants")?);
    }
    if wanted("connect") {
        println!("connect: joining rooms");
        figures.extend(connect::measure(&rooms).await.context("connect")?);
    }
    if wanted("response") {
        println!("response: an agent with scripted providers in a room (about a minute and a half)");
        figures.extend(response::measure(&rooms, &cache).await.context("response")?);
    }
    if wanted("models") {
        println!("models: each on its own");
        let llm = args.llm_url.as_deref().map(|url| (url, args.llm_model.as_str()));
        figures.extend(models::measure(&cache, llm).await.context("models")?);
    }
    report.end(figures, args.report.as_deref())
}
