//! How does an agent answer a recording? No server is needed, only a language model with an OpenAI-compatible address:
//! ```text
//! export STELLA_LLM_URL=http://127.0.0.1:8080/v1
//! cargo run --release --example wav_agent -- question.wav conversation.wav
//! ```
//! The agent hears `question.wav` in real time; both sides go into `conversation.wav`, you left, the agent right.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use stella_agent::{
    AgentSession, BasicAgent, LatencyTable,
    local::{LocalModels, LocalOptions},
    transport::wav::{WavOptions, WavTransport},
    wav::{self, AudioFileError},
};
use stella_core::chat::ChatItem;

/// Plays a recording to an agent and records what it answers.
#[derive(Debug, Parser)]
struct Args {
    /// A WAV file with speech: PCM, 8-48 kHz, mono or stereo.
    input: PathBuf,
    /// The WAV file to write: stereo, the recording left, the agent right.
    output: PathBuf,
    /// What the language model is told to be.
    #[arg(long, default_value = "You are a friendly voice assistant. Answer in one or two short, plain sentences.")]
    instructions: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wav_agent: {error:#}");
            if error.is::<AudioFileError>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let speech = wav::read(&args.input)?;
    let models = LocalModels::load(LocalOptions::from_env()).await?;
    let session = AgentSession::builder().local(&models).agent(BasicAgent::new(args.instructions)).build()?;
    let end = session.run(WavTransport::new(speech, WavOptions::default()).write_to(&args.output)).await?;
    for item in end.history.iter() {
        if let ChatItem::Message(message) = item {
            println!("{:?}: {}", message.role, message.text);
        }
    }
    println!("{}", LatencyTable::new(&end.latencies));
    Ok(())
}
