//! How does a voice agent get into a LiveKit room?
//!
//! Run a server (`livekit-server --dev`) and a language model with an OpenAI-compatible address, then:
//! ```text
//! export LIVEKIT_URL=ws://127.0.0.1:7880 LIVEKIT_API_KEY=devkey LIVEKIT_API_SECRET=secret
//! export STELLA_LLM_URL=http://127.0.0.1:8080/v1
//! cargo run --release --example hello_agent -- --room hello
//! ```
//! Join the room `hello` with any LiveKit client: the agent greets you; speak, interrupt it, type to it. With
//! `LIVEKIT_TOKEN` instead of key, secret and room it joins the room of the token. With `--scripted` it needs no models
//! at all: it hears only that somebody speaks, hums its words, and takes exactly the time that the flags say.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use std::{io::IsTerminal, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use async_trait::async_trait;
use clap::{Parser, value_parser};
use stella_agent::{
    Agent, AgentSession, AgentSessionBuilder, LatencyTable, SessionEvent, SessionHandle,
    local::{LocalModels, LocalOptions},
    shutdown_insisted, shutdown_requested,
    testing::TokioTimer,
    transport::{
        Participant,
        room::{RoomOptions, RoomTransport},
    },
};
use stella_core::{
    engine::{CloseReason, Event, Options, TurnLatency},
    testing::scripted::{EnergyVad, ScriptedLlm, ScriptedStt, ScriptedText, ScriptedTts},
    vad::VadOptions,
};
use stella_rtc::token::{ApiKey, TokenOptions, mint};

/// A time on the command line: up to a minute.
fn minute(text: &str) -> Result<u64, String> {
    let ms = text.parse().map_err(|_| "not a number of milliseconds".to_owned())?;
    if ms <= 60_000 { Ok(ms) } else { Err("more than a minute".into()) }
}

/// A voice agent in a LiveKit room: it greets, listens, answers, and can be interrupted and typed to.
#[derive(Debug, Parser)]
struct Args {
    /// Address of the LiveKit server, such as ws://127.0.0.1:7880.
    #[arg(long, env = "LIVEKIT_URL")]
    url: String,
    /// A token that admits the agent to its room. Without it, one is made from key, secret and room.
    #[arg(long, env = "LIVEKIT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// API key of the server.
    #[arg(long, env = "LIVEKIT_API_KEY")]
    api_key: Option<String>,
    /// API secret of the server.
    #[arg(long, env = "LIVEKIT_API_SECRET", hide_env_values = true)]
    api_secret: Option<String>,
    /// Room to join, when no token is given.
    #[arg(long)]
    room: Option<String>,
    /// Who the agent is in the room, when no token is given.
    #[arg(long, default_value = "hello-agent")]
    identity: String,
    /// What the agent says to whoever comes.
    #[arg(long, default_value = "Hello! I am Stella. How can I help you?")]
    greeting: String,
    /// What the language model is told to be.
    #[arg(
        long,
        default_value = "You are Stella, a friendly voice assistant. Answer in one or two short, plain sentences."
    )]
    instructions: String,
    /// Leave the room when the last person has left it.
    #[arg(long)]
    leave_when_alone: bool,
    /// Record what the engine is told and says, every word included, into this file.
    #[arg(long, value_name = "FILE")]
    record: Option<std::path::PathBuf>,
    /// Use scripted fakes instead of models; the flags below are theirs.
    #[arg(long)]
    scripted: bool,
    /// Time from the pause of the speaker to the final text.
    #[arg(long, default_value_t = 50, value_name = "MS", value_parser = minute)]
    stt_delay_ms: u64,
    /// Time to the first word of a reply.
    #[arg(long, default_value_t = 100, value_name = "MS", value_parser = minute)]
    llm_first_ms: u64,
    /// Words of a reply.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = value_parser!(u16).range(..=10_000))]
    llm_tokens: u16,
    /// Time between two words.
    #[arg(long, default_value_t = 10, value_name = "MS", value_parser = minute)]
    llm_token_ms: u64,
    /// Time to the first audio of a clause.
    #[arg(long, default_value_t = 50, value_name = "MS", value_parser = minute)]
    tts_first_ms: u64,
    /// Silence that ends the turn of the speaker.
    #[arg(long, default_value_t = 300, value_name = "MS", value_parser = minute)]
    silence_ms: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_env_filter(
            // What the signalling client warns of is said by our own errors and events.
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "warn,livekit_signaling=error".into()),
        )
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hello_agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let token = token(&args)?;
    let mut builder = if args.scripted {
        scripted(&args)
    } else {
        AgentSession::builder().local(&LocalModels::load(LocalOptions::from_env()).await?)
    };
    if let Some(file) = &args.record {
        builder = builder.record(file);
    }
    let agent = HelloAgent { greeting: args.greeting.clone(), instructions: args.instructions.clone() };
    let session = builder.agent(agent).build()?;

    let options = RoomOptions { close_when_alone: args.leave_when_alone, ..RoomOptions::default() };
    let room = RoomTransport::connect(&args.url, &token, options).await.with_context(|| args.url.clone())?;
    println!("joined room {} as {}", room.session().room().name, room.session().local().identity);

    let handle = session.handle();
    let running = session.run(room);
    tokio::pin!(running);
    let end = tokio::select! {
        end = &mut running => end,
        () = shutdown_requested() => {
            // An error means that the conversation is over already.
            let _ = handle.end(CloseReason::Shutdown, None, Duration::from_secs(2)).await;
            tokio::select! {
                end = &mut running => end,
                () = shutdown_insisted() => bail!("stopped at once, at the second request"),
            }
        }
    }?;
    println!("ended after {:.1} s: {:?}", end.duration.as_secs_f64(), end.reason);
    println!("{}", LatencyTable::new(&end.latencies));
    match end.reason {
        CloseReason::Error(error) => bail!("{error}"),
        CloseReason::Disconnected => bail!("the connection to the room was lost and did not come back"),
        _ => Ok(()),
    }
}

/// The token that was given, or one for the room that was named.
fn token(args: &Args) -> anyhow::Result<String> {
    if let Some(token) = args.token.clone().filter(|token| !token.is_empty()) {
        return Ok(token);
    }
    let (Some(key), Some(secret)) = (&args.api_key, &args.api_secret) else {
        bail!("set LIVEKIT_TOKEN, or LIVEKIT_API_KEY and LIVEKIT_API_SECRET with --room");
    };
    let room = args.room.as_ref().context("name the room with --room, or set LIVEKIT_TOKEN")?;
    let options = TokenOptions { agent: true, ..TokenOptions::new(room.as_str(), args.identity.as_str()) };
    Ok(mint(&ApiKey::new(key, secret), &options)?)
}

/// Fakes that take exactly the time they are told to.
fn scripted(args: &Args) -> AgentSessionBuilder {
    let ms = Duration::from_millis;
    let silence = ms(args.silence_ms);
    let mut options = Options::default();
    options.endpointing.wait_unsure = silence;
    options.endpointing.wait_complete = options.endpointing.wait_complete.min(silence);
    options.endpointing.wait_incomplete = options.endpointing.wait_incomplete.max(silence);
    let vad = VadOptions::default();
    let vad = VadOptions { min_silence: vad.min_silence.min(silence), ..vad };
    let timer = TokioTimer::start();
    let heard = ScriptedText::constant("These are words that nobody recognised.");
    AgentSession::builder()
        .vad(Arc::new(EnergyVad::default()))
        .vad_options(vad)
        .stt(Arc::new(ScriptedStt::new(timer.clone(), heard).delay(ms(args.stt_delay_ms))))
        .llm(Arc::new(
            ScriptedLlm::filler(timer.clone(), args.llm_tokens.into())
                .first_after(ms(args.llm_first_ms))
                .pace(ms(args.llm_token_ms)),
        ))
        .tts(Arc::new(ScriptedTts::new(timer).first_after(ms(args.tts_first_ms))))
        .options(options)
}

/// An agent that greets everybody and prints what is said.
struct HelloAgent {
    greeting: String,
    instructions: String,
}

#[async_trait]
impl Agent for HelloAgent {
    fn instructions(&self) -> String {
        self.instructions.clone()
    }

    fn greeting(&self) -> Option<String> {
        Some(self.greeting.clone())
    }

    async fn on_event(&self, _: &SessionHandle, event: &SessionEvent) {
        match event {
            SessionEvent::Joined(Participant { identity, .. }) => println!("{identity} came"),
            SessionEvent::Left(Participant { identity, .. }) => println!("{identity} left"),
            SessionEvent::Reconnecting => println!("the connection is lost, reconnecting"),
            SessionEvent::Reconnected => println!("the connection is back"),
            SessionEvent::Conversation { at, event } => match event {
                Event::TurnCommitted { parts, .. } => {
                    let text: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
                    println!("{at} user: {}", text.join(" "));
                }
                Event::ReplyEnded { end, heard, .. } => println!("{at} agent ({end:?}): {heard}"),
                Event::Latency(latency) => println!("{at} answered after {} ms", response(latency)),
                _ => {}
            },
            _ => {}
        }
    }
}

fn response(latency: &TurnLatency) -> u128 {
    latency.response().as_millis()
}
