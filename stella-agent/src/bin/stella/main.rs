//! The `stella` command: an agent in a room, an agent over a recording, and what a recorded conversation did.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod agent;
mod connect;
mod failure;
mod replay;
mod setting;
mod wav;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Voice agents: talk with a language model in a LiveKit room or over recordings.
///
/// The local models come from the cache that `cargo xtask setup` fills (STELLA_CACHE). The language model is any server
/// with an OpenAI-compatible address. RUST_LOG sets what is logged, such as `stella_agent=debug`.
#[derive(Debug, Parser)]
#[command(name = "stella", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Join a LiveKit room and talk with whoever is there, until everybody has left or Ctrl-C.
    Connect(connect::Args),
    /// Play a recording to an agent and record the conversation.
    Wav(wav::Args),
    /// Tell a recorded conversation as a timeline, and run it again: the same inputs must give the same outputs.
    Replay(replay::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // What the signalling client warns of is said by our own errors and events.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,livekit_signaling=error"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    let result = match args.command {
        Command::Connect(args) => connect::run(args).await,
        Command::Wav(args) => wav::run(args).await,
        Command::Replay(args) => replay::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("stella: {failure}");
            failure.code()
        }
    }
}
