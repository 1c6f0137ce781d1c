//! `stella wav`.

use std::path::PathBuf;

use stella_agent::{
    transport::wav::{WavOptions, WavTransport},
    wav,
};

use crate::{agent::AgentArgs, failure::Failure};

/// Flags of `stella wav`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A WAV file with speech: PCM, 8-48 kHz, mono or stereo.
    input: PathBuf,
    /// The WAV file to write: stereo, the recording left, the agent right.
    output: PathBuf,
    /// How many times faster than real time the conversation runs. The models do not get faster.
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    #[command(flatten)]
    agent: AgentArgs,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=100.0).contains(&speed) { Ok(speed) } else { Err("not between 0.1 and 100".into()) }
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let speech = wav::read(&args.input)?;
    let conversation = args.agent.prepare().await?;
    let options = WavOptions { speed: args.speed, ..WavOptions::default() };
    let transport = WavTransport::new(speech, options).write_to(&args.output);
    conversation.hold(transport).await?;
    println!("wrote {}", args.output.display());
    Ok(())
}
