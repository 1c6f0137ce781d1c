//! The spoken demo: an agent in a real room, and a user who reads to it, asks it, talks over it.
//!
//! `cargo xtask demo` starts the servers it needs and runs it. Both sides are participants of their own in one process:
//! the user has nothing of the agent but what comes over the room.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod agent;
mod progress;
mod recording;
mod report;
mod scene;
mod script;
mod stage;
mod user;
mod voice;
mod wer;

use std::{
    fs::File,
    io::{BufReader, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use clap::Parser;
use stella_core::engine::{WordListJudge, replay};
use stella_examples::clip::Clip;
use stella_providers::runtime::Cache;
use tokio_util::sync::CancellationToken;

use self::{
    progress::{Progress, print},
    report::Report,
    stage::{Play, Stage},
};

/// The recorded speech of the script, a file of the cache, and its words.
const RECORDED: &str = "two_cities.wav";
const RECORDED_WORDS: &str = include_str!("two_cities.txt");
/// Word error rate up to which the recording counts as understood.
const MAX_WER: f64 = 0.06;
/// What the whole conversation may take, without the user's own speech.
const ALL_BY: Duration = Duration::from_secs(300);
/// What leaving may take.
const LEAVE_BY: Duration = Duration::from_millis(2_500);

/// Holds one spoken conversation in a LiveKit room, with local speech models.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Args {
    /// Write transcript and latency as JSON to this file; the recording goes beside it
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Record into this file what the agent's engine is told and says, for `stella replay`; by default beside the recording
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// What the user says: a PCM WAV file, instead of the script
    #[arg(long, value_name = "FILE")]
    user_audio: Option<PathBuf>,
    /// Only check whether --user-audio can be used
    #[arg(long, requires = "user_audio")]
    check: bool,
    /// Address of the LiveKit server
    #[arg(long, env = "LIVEKIT_URL", default_value = "ws://127.0.0.1:7880", value_name = "URL")]
    url: String,
    /// API key of the LiveKit server
    #[arg(long, env = "LIVEKIT_API_KEY", default_value = "devkey", value_name = "KEY")]
    api_key: String,
    /// API secret of the LiveKit server
    #[arg(long, env = "LIVEKIT_API_SECRET", default_value = "secret", hide_env_values = true, value_name = "SECRET")]
    api_secret: String,
    /// Base address of an OpenAI-compatible language model
    #[arg(long, env = "STELLA_LLM_URL", default_value = "http://127.0.0.1:8080/v1", value_name = "URL")]
    llm_url: String,
    /// The model to ask for
    #[arg(long, env = "STELLA_LLM_MODEL", default_value = "default", value_name = "NAME")]
    llm_model: String,
    /// The API key of the language model
    #[arg(long, env = "STELLA_LLM_KEY", hide_env_values = true, value_name = "KEY")]
    llm_key: Option<String>,
}

impl Args {
    /// Where an output of this kind goes: beside the report, or to the built things.
    fn output(&self, extension: &str) -> PathBuf {
        match &self.report {
            Some(file) => file.with_extension(extension),
            None => target_folder().unwrap_or_default().join("demo").with_extension(extension),
        }
    }

    /// Where the recording of the engine goes.
    fn record(&self) -> PathBuf {
        self.record.clone().unwrap_or_else(|| self.output("jsonl"))
    }
}

/// Why there was no conversation as it should be.
#[derive(Debug)]
enum Failure {
    /// The audio file cannot be used, or holds no speech.
    Input(String),
    /// Something did not work.
    Failed(anyhow::Error),
    /// Somebody asked to stop.
    Stopped,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

fn main() -> ExitCode {
    let start = Instant::now();
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return tell(&Failure::Failed(anyhow::Error::new(error).context("cannot start the runtime"))),
    };
    let result = runtime.block_on(async {
        let stop = CancellationToken::new();
        tokio::spawn(signals(stop.clone()));
        run(&args, start, stop).await
    });
    // Models that are still being loaded must not keep us.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => tell(&failure),
    }
}

/// Says in one line what is wrong, and gives the exit code for it.
fn tell(failure: &Failure) -> ExitCode {
    let (line, code) = match failure {
        Failure::Input(problem) => (format!("error: {problem}"), 2),
        Failure::Failed(error) => (format!("error: {error:#}"), 1),
        Failure::Stopped => ("stopped".to_owned(), 130),
    };
    eprintln!("{}", line.replace('\n', " "));
    ExitCode::from(code)
}

/// Asks to stop at the first signal, and stops at the second.
async fn signals(stop: CancellationToken) {
    stella_agent::shutdown_requested().await;
    stop.cancel();
    stella_agent::shutdown_insisted().await;
    std::process::exit(130);
}

async fn run(args: &Args, start: Instant, stop: CancellationToken) -> Result<(), Failure> {
    let cache = Cache::from_env();
    let own = args.user_audio.as_deref();
    let recorded = cache.audio(RECORDED);
    let speech = stella_agent::wav::read(own.unwrap_or(&recorded)).map_err(|error| match own {
        Some(_) => Failure::Input(error.to_string()),
        None => Failure::Failed(anyhow::Error::new(error).context("run `cargo xtask setup speech`")),
    })?;
    if args.check {
        return Ok(());
    }
    make_room_for(args.report.as_deref())?;
    let record = args.record();
    File::create(&record).map_err(|error| Failure::Input(format!("{}: {error}", record.display())))?;
    let progress = Progress::new(start);
    let clip = Clip::recorded(&speech);
    let play = if own.is_some() { Play { clip, own: true } } else { Play { clip: clip.trimmed(), own: false } };
    let set = Stage::set(args, &cache, progress.clone());
    let mut stage = tokio::select! {
        biased;
        () = stop.cancelled() => return Err(Failure::Stopped),
        stage = set => stage?,
    };
    let limit = ALL_BY + 2 * play.clip.duration();
    let result = tokio::select! {
        biased;
        () = stop.cancelled() => Err(Failure::Stopped),
        result = tokio::time::timeout(limit, stage.perform(&play)) => match result {
            Ok(result) => result.map_err(Failure::Failed),
            Err(_) => Err(anyhow::anyhow!("the conversation was not over after {} s", limit.as_secs()).into()),
        },
    };
    // Nothing that follows may keep us: what is not closed politely in time is dropped.
    let _ = tokio::time::timeout(LEAVE_BY, stage.clear()).await;
    let words = (!play.own).then_some(RECORDED_WORDS);
    let mut report = stage.report(words);
    if let Err(Failure::Stopped) = result {
        return Err(Failure::Stopped);
    }
    let result = result.and_then(|()| judge(&report, &play));
    report.failed = match &result {
        Err(Failure::Failed(error)) => Some(format!("{error:#}")),
        Err(Failure::Input(problem)) => Some(problem.clone()),
        Ok(()) | Err(Failure::Stopped) => None,
    };
    let written = write(args, &stage, &mut report);
    if !matches!(result, Err(Failure::Input(_))) {
        report.print();
    }
    result.and(written.map_err(Failure::Failed))
}

/// Makes the folder of the report, so that a conversation is not held in vain.
fn make_room_for(report: Option<&Path>) -> Result<()> {
    let Some(folder) = report.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty()) else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))
}

/// Writes recording and report.
fn write(args: &Args, stage: &Stage, report: &mut Report) -> Result<()> {
    let wav = args.output("wav");
    stage.recording().write(&wav)?;
    report.wav = Some(wav.display().to_string());
    let record = args.record();
    report.replay = Some(record.display().to_string());
    if let Some(file) = &args.report {
        report.write(file)?;
    }
    replays(&record)
}

/// Whether the engine does again what it did in the conversation.
fn replays(record: &Path) -> Result<()> {
    let file = File::open(record).with_context(|| format!("there is no recording {}", record.display()))?;
    match replay(BufReader::new(file), Box::new(WordListJudge)) {
        Ok(report) if report.closed && !report.cut => Ok(()),
        Ok(_) => anyhow::bail!("the recording {} is not whole", record.display()),
        Err(error) => Err(error).with_context(|| format!("the recording {} cannot be replayed", record.display())),
    }
}

/// The folder for built things: this program lies in a folder of it.
fn target_folder() -> Option<PathBuf> {
    std::env::current_exe().ok()?.parent().and_then(Path::parent).map(Path::to_owned)
}

/// Whether everything that should happen did.
fn judge(report: &Report, play: &Play) -> Result<(), Failure> {
    let fail = |problem: String| Err(Failure::Failed(anyhow::anyhow!(problem)));
    if report.turns.is_empty() {
        if play.own {
            return Err(Failure::Input("no speech was found in the audio file".to_owned()));
        }
        return fail("the agent heard no turn".to_owned());
    }
    if let Some(failure) = report.failures.first() {
        return fail(format!("a part of the agent failed: {failure}"));
    }
    if let Some(turn) = report::unanswered(&report.turns, play.own) {
        return fail(format!("the turn {:?} got no answer ({})", turn.user_text, turn.end));
    }
    if report.farewell.is_none() {
        return fail("the agent said no farewell".to_owned());
    }
    if play.own {
        return Ok(());
    }
    if report.interruption.is_none() {
        return fail("the agent was not interrupted".to_owned());
    }
    match report.wer {
        None => fail("the recorded speech was not heard".to_owned()),
        Some(wer) if wer > MAX_WER => fail(format!("{:.1} % of the recorded words were misheard", wer * 100.0)),
        Some(_) => Ok(()),
    }
}

/// Since when `cargo xtask demo` has been running, if it started us.
fn since_command() -> Option<Duration> {
    let started = Duration::from_millis(std::env::var("STELLA_STARTED").ok()?.parse().ok()?);
    SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(started)
}

/// The peers that `cargo xtask demo` has started, and the language model if it is another.
fn peers(args: &Args) -> Result<serde_json::Value> {
    let Ok(text) = std::env::var("STELLA_PEERS") else {
        return Ok(
            serde_json::json!([{ "name": "livekit-server", "url": args.url }, { "name": "llm", "url": args.llm_url, "model": args.llm_model }]),
        );
    };
    let mut peers: Vec<serde_json::Value> = serde_json::from_str(&text).context("STELLA_PEERS is no list")?;
    if peers.iter().all(|peer| peer.get("model").is_none()) {
        peers.push(serde_json::json!({ "name": "llm", "url": args.llm_url, "model": args.llm_model }));
    }
    Ok(peers.into())
}

/// Says how long the first word took.
fn first_word(progress: &Progress) -> report::FirstWord {
    let (program, command) = (progress.elapsed(), since_command());
    let since = |time: Duration| time.as_millis().try_into().ok();
    let whole = command.map(|time| format!(", {:.1} s after the command", time.as_secs_f64())).unwrap_or_default();
    print(format!("         (first word {:.1} s after the start of the program{whole})", program.as_secs_f64()));
    report::FirstWord { program_ms: since(program), command_ms: command.and_then(since) }
}
