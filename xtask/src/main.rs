//! Developer commands of the Stella workspace: `cargo xtask --help`.

mod bench;
mod cache;
mod demo;
mod doctor;
mod process;
mod run_env;
mod servers;
mod setup;
mod test;
mod ui;
mod workspace;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Developer commands of Stella
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Cmd,
}

#[derive(Debug, Subcommand)]
enum Cmd {
    /// Fetch and build what tests, demo and benchmarks need, into the cache folder
    ///
    /// The cache is the folder `stella` in your cache folder, or STELLA_CACHE. It takes about 1.2 GB (3 GB while
    /// setting up, 6 GB with llm-large). A second run only checks; an interrupted run continues where it stopped.
    Setup(setup::SetupArgs),
    /// Say what is there, what is missing, and how to get it
    Doctor,
    /// Run every check and every test there is, with real servers
    Test(test::TestArgs),
    /// Hold one real spoken conversation and print its transcript and latency
    ///
    /// Sets up what is missing, starts a LiveKit server and a local language model, and runs the demo program. The
    /// exit code is the program's: 0 when the conversation was held, 2 when the input cannot be used.
    Demo(demo::DemoArgs),
    /// Run a benchmark with the servers it needs
    Bench(bench::BenchArgs),
    /// End the listed process groups when the input closes (started by xtask itself)
    #[command(name = process::REAPER, hide = true)]
    Reaper,
}

fn main() -> ExitCode {
    run_env::note_start();
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(_) if process::interrupted() => {
            // The signal handler ends the children, then the process.
            std::thread::sleep(Duration::from_secs(15));
            ExitCode::from(130)
        }
        Err(error) => {
            ui::warn(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Cmd) -> Result<ExitCode> {
    if matches!(command, Cmd::Reaper) {
        process::reap(std::io::stdin());
        return Ok(ExitCode::SUCCESS);
    }
    process::install()?;
    match command {
        Cmd::Setup(args) => setup::run(&args).map(|()| ExitCode::SUCCESS),
        Cmd::Doctor => doctor::run(),
        Cmd::Test(args) => test::run(&args),
        Cmd::Demo(args) => demo::run(&args),
        Cmd::Bench(args) => bench::run(&args),
        Cmd::Reaper => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_flag_of_the_demo_is_refused_before_anything_is_built() {
        let parse = |args: &[&str]| Cli::try_parse_from([&["cargo xtask", "demo"], args].concat());
        assert!(parse(&["--user-audoi", "a.wav"]).is_err());
        assert!(parse(&["a.wav"]).is_err());
        assert!(parse(&["--user-audio", "a.wav", "--", "--check"]).is_ok());
    }
}
