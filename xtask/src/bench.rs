//! `cargo xtask bench NAME`: a benchmark program with the servers it needs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::Args;

use crate::demo::{build, exit_code, llm_threads, wait};
use crate::servers::livekit::LiveKit;
use crate::servers::llm::Llm;
use crate::setup::{self, Part, venv};
use crate::{run_env, ui};

const PACKAGE: &str = "stella-benches";

#[derive(Debug, Clone, Copy)]
struct Bench {
    name: &'static str,
    about: &'static str,
    /// Whether it needs the speech models and the Python environment.
    speech: bool,
    livekit: bool,
    llm: bool,
    /// Whether it needs recorded sentences.
    turns: bool,
    /// livekit-agents is measured beside it.
    peer: bool,
    /// Whether it needs recorded coughs, doors and phrases.
    sounds: bool,
}

/// Every benchmark; the program in the package of benchmarks has the same name.
const BENCHES: &[Bench] = &[
    Bench {
        name: "bargein",
        about: "real speech, coughs and doors over a speaking agent: how fast it falls silent, and whether it goes on (6 minutes)",
        speech: true,
        livekit: true,
        llm: false,
        turns: false,
        peer: false,
        sounds: true,
    },
    Bench {
        name: "engine",
        about: "what the conversation engine itself costs: time of one step, memory over 10,000 turns (a minute)",
        speech: false,
        livekit: false,
        llm: false,
        turns: false,
        peer: false,
        sounds: false,
    },
    Bench {
        name: "endpoint",
        about: "when the user's turn ends: delay against false cut-ins, on recorded speech, by silence, score and words (4 minutes)",
        speech: true,
        livekit: false,
        llm: false,
        turns: true,
        peer: false,
        sounds: false,
    },
    Bench {
        name: "smoke",
        about: "what a participant costs, how fast it joins, an agent answers and each model runs, beside peers (4 minutes)",
        speech: true,
        livekit: true,
        llm: true,
        turns: false,
        peer: false,
        sounds: false,
    },
    Bench {
        name: "turn",
        about: "how long a user waits for an answer, at 1 and at 10 calls, beside livekit-agents in the same run (8 minutes)",
        speech: true,
        livekit: true,
        llm: false,
        turns: false,
        peer: true,
        sounds: false,
    },
];

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The benchmark to run; without a name, they are listed
    name: Option<String>,
    /// Write the figures as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Threads of the local language model
    #[arg(long, value_name = "N", default_value_t = llm_threads())]
    llm_threads: usize,
    /// Further arguments for the benchmark program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    rest: Vec<OsString>,
}

/// Runs a benchmark and returns its exit code.
pub(crate) fn run(args: &BenchArgs) -> Result<ExitCode> {
    let Some(name) = &args.name else {
        ui::table(&BENCHES.iter().map(|b| vec![b.name.to_owned(), b.about.to_owned()]).collect::<Vec<_>>());
        return Ok(ExitCode::SUCCESS);
    };
    let Some(bench) = BENCHES.iter().find(|b| b.name == name) else {
        let names: Vec<&str> = BENCHES.iter().map(|b| b.name).collect();
        bail!("there is no benchmark {name:?}; there are: {}", names.join(", "));
    };
    let mut parts = vec![Part::System];
    parts.extend(bench.speech.then_some([Part::Python, Part::Speech]).into_iter().flatten());
    parts.extend(bench.livekit.then_some(Part::LivekitServer));
    parts.extend(bench.llm.then_some(Part::Llm));
    parts.extend(bench.turns.then_some(Part::Turns));
    parts.extend(bench.peer.then_some(Part::Peer));
    parts.extend(bench.sounds.then_some(Part::Sounds));
    let setup = setup::ensure(&parts)?;
    let program = build(PACKAGE, bench.name)?;
    let livekit = bench.livekit.then(|| LiveKit::start(&setup)).transpose()?;
    let llm = bench.llm.then(|| Llm::start(&setup, args.llm_threads)).transpose()?;
    let peers: Vec<_> = livekit
        .as_ref()
        .map(LiveKit::peer)
        .into_iter()
        .chain(llm.as_ref().map(Llm::peer))
        .chain(run_env::model_peers())
        .chain(bench.peer.then(run_env::agents_peer))
        .collect();
    let mut command = Command::new(program);
    let address = llm.as_ref().map(|l| (l.url.as_str(), l.model.as_str()));
    run_env::program(&mut command, &setup, livekit.as_ref(), address, &peers);
    if bench.peer {
        command.env("STELLA_PEER_PYTHON", venv::PEER.python(&setup));
    }
    if let Some(report) = &args.report {
        command.arg("--report").arg(report);
    }
    command.args(&args.rest);
    Ok(exit_code(wait(&mut command)?))
}
