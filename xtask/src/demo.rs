//! `cargo xtask demo`: everything one real spoken conversation needs, then the demo program itself.

use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{Running, describe};
use crate::servers::livekit::LiveKit;
use crate::servers::llm::Llm;
use crate::setup::{self, Part};
use crate::{run_env, ui, workspace};

const PACKAGE: &str = "stella-examples";
const PROGRAM: &str = "demo";
/// Exit code for input that cannot be used.
const BAD_INPUT: u8 = 2;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Write transcript and latency as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Record into this file what the agent's engine is told and says, for `stella replay`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// What the user says: a WAV file
    #[arg(long, value_name = "FILE")]
    user_audio: Option<PathBuf>,
    /// Base address of an OpenAI-compatible language model, instead of the local one
    #[arg(long, value_name = "URL")]
    llm_url: Option<String>,
    /// The model to ask for at --llm-url
    #[arg(long, value_name = "NAME", requires = "llm_url")]
    llm_model: Option<String>,
    /// The API key for --llm-url; better in the environment variable STELLA_LLM_KEY, which other users cannot see
    #[arg(long, value_name = "KEY")]
    llm_key: Option<String>,
    /// Threads of the local language model
    #[arg(long, value_name = "N", default_value_t = llm_threads())]
    llm_threads: usize,
    /// Further arguments for the demo program
    #[arg(last = true, value_name = "ARGS")]
    rest: Vec<OsString>,
}

/// Threads for the local language model: half the processors, so that speech and network keep up beside it.
pub(crate) fn llm_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| (n.get() / 2).clamp(1, 4))
}

/// Runs the demo and returns its exit code.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode> {
    if let Some(Err(problem)) = args.user_audio.as_deref().map(check_audio) {
        ui::warn(format!("error: {problem:#}"));
        return Ok(ExitCode::from(BAD_INPUT));
    }
    setup::ensure(&[Part::System])?;
    let program = build(PACKAGE, PROGRAM)?;
    if let Some(audio) = &args.user_audio {
        // The program knows best which audio it can use; ask it before anything large is fetched.
        let status = wait(Command::new(&program).arg("--check").arg("--user-audio").arg(audio))?;
        if !status.success() {
            return Ok(exit_code(status));
        }
    }
    let mut parts = vec![Part::Speech, Part::LivekitServer];
    if args.llm_url.is_none() {
        parts.extend([Part::Python, Part::Llm]);
    }
    let setup = setup::ensure(&parts)?;
    let livekit = LiveKit::start(&setup)?;
    let local = args.llm_url.is_none().then(|| Llm::start(&setup, args.llm_threads)).transpose()?;
    let mut peers = vec![livekit.peer()];
    peers.extend(local.as_ref().map(Llm::peer));
    peers.extend(run_env::model_peers());
    let mut command = Command::new(program);
    let llm = local.as_ref().map(|l| (l.url.as_str(), l.model.as_str()));
    run_env::program(&mut command, &setup, Some(&livekit), llm, &peers);
    forward(args, &mut command);
    Ok(exit_code(wait(&mut command)?))
}

fn forward(args: &DemoArgs, command: &mut Command) {
    for (name, file) in [("--report", &args.report), ("--record", &args.record), ("--user-audio", &args.user_audio)] {
        if let Some(file) = file {
            command.arg(name).arg(file);
        }
    }
    for (name, variable, value) in [
        ("--llm-url", "STELLA_LLM_URL", &args.llm_url),
        ("--llm-model", "STELLA_LLM_MODEL", &args.llm_model),
        ("--llm-key", "STELLA_LLM_KEY", &args.llm_key),
    ] {
        if let Some(value) = value {
            command.arg(name).arg(value).env(variable, value);
        }
    }
    command.args(&args.rest);
}

/// Builds a program of the workspace and returns its path.
///
/// # Errors
/// When the compiler fails; it has printed why.
pub(crate) fn build(package: &str, program: &str) -> Result<PathBuf> {
    let what = format!("building {program} (optimised; a first build takes some minutes)");
    let mut command = workspace::cargo("build");
    command.args(["--release", "-p", package, "--bin", program]);
    let status = if std::io::stdout().is_terminal() {
        // Cargo shows its own progress.
        ui::line(what);
        wait(&mut command)?
    } else {
        let mut progress = ui::Progress::start(what, 0);
        Running::start(command.arg("--quiet"))?.wait(None, || progress.at(0))?
    };
    if !status.success() {
        bail!("the build of {package} failed (cargo {})", describe(status));
    }
    Ok(workspace::target_dir().join("release").join(program))
}

/// Runs a command with our own input and output.
pub(crate) fn wait(command: &mut Command) -> Result<ExitStatus> {
    Running::start(command)?.wait(None, || ())
}

/// The exit code to end with after a child ended so.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    match status.code().map(u8::try_from) {
        Some(Ok(code)) => ExitCode::from(code),
        _ => {
            ui::warn(format!("error: the program {}", describe(status)));
            ExitCode::FAILURE
        }
    }
}

/// Whether a file can be a WAV recording at all.
fn check_audio(path: &Path) -> Result<()> {
    let shown = path.display();
    let meta = path.metadata().with_context(|| format!("cannot read the audio file {shown}"))?;
    if !meta.is_file() {
        bail!("{shown} is not a file");
    }
    let mut head = [0; 12];
    let read = File::open(path).and_then(|mut f| f.read_exact(&mut head));
    if read.is_err() || &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
        bail!("{shown} is not a WAV file");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.wav");
        assert!(check_audio(&file).unwrap_err().to_string().contains("cannot read"));
        assert!(check_audio(dir.path()).unwrap_err().to_string().contains("not a file"));
        std::fs::write(&file, "RIFF").unwrap();
        assert!(check_audio(&file).unwrap_err().to_string().contains("not a WAV"));
        std::fs::write(&file, "RIFF....WAVEfmt ").unwrap();
        check_audio(&file).unwrap();
    }
}
