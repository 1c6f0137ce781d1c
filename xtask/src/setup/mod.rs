//! `cargo xtask setup`: fetches and builds what the tests, the demo and the benchmarks need into the cache.

pub(crate) mod apt;
pub(crate) mod browser;
pub(crate) mod catalog;
pub(crate) mod deb;
pub(crate) mod models;
pub(crate) mod npm;
pub(crate) mod package;
pub(crate) mod pip;
pub(crate) mod server;
pub(crate) mod sounds;
pub(crate) mod turns;
pub(crate) mod venv;

use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::cache::{Cache, Stamps};
use crate::ui;

/// A part of the set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// System packages: C compiler, cmake, pkg-config
    System,
    /// Python environment: local LLM server, LiveKit test peers
    Python,
    /// Speech models, inference library, recorded speech (about 200 MB to fetch)
    Speech,
    /// Small language model, Qwen2.5-Coder 0.5B (about 480 MB to fetch)
    Llm,
    /// Larger language model, Qwen2.5-Coder 1.5B (about 1.1 GB to fetch); only when named
    LlmLarge,
    /// Recorded sentences for `bench endpoint` (about 11 MB to fetch); only when named or needed
    Turns,
    /// Python environment with livekit-agents, the peer of benchmarks (about 480 MB on disk); only when named, or when a
    /// benchmark needs it
    Peer,
    /// Recorded coughs, doors and short phrases for `bench bargein` (about 150 MB to fetch); only when named or needed
    Sounds,
    /// LiveKit server, taken from the search path or built with Go
    LivekitServer,
    /// Chromium without windows, and livekit-client (about 73 MB to fetch)
    Browser,
}

impl Part {
    /// What a plain `cargo xtask setup` makes sure of, in this order.
    pub(crate) const DEFAULT: &[Self] =
        &[Self::System, Self::Python, Self::Speech, Self::LivekitServer, Self::Llm, Self::Browser];

    /// The name as written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Python => "python",
            Self::Speech => "speech",
            Self::Llm => "llm",
            Self::LlmLarge => "llm-large",
            Self::Turns => "turns",
            Self::Peer => "peer",
            Self::Sounds => "sounds",
            Self::LivekitServer => "livekit-server",
            Self::Browser => "browser",
        }
    }

    fn run(self, setup: &mut Setup) -> Result<()> {
        match self {
            Self::System => apt::setup(setup),
            Self::Python => venv::TOOLS.setup(setup),
            Self::Peer => venv::PEER.setup(setup),
            Self::Speech => models::setup(setup, catalog::SPEECH),
            Self::Llm => models::setup(setup, catalog::LLM),
            Self::LlmLarge => models::setup(setup, catalog::LLM_LARGE),
            Self::Turns => turns::setup(setup),
            Self::Sounds => models::setup(setup, sounds::SOUNDS),
            Self::LivekitServer => server::setup(setup),
            Self::Browser => browser::setup(setup),
        }
    }
}

/// Arguments of `setup`.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// The parts to make sure of; all but llm-large, turns, peer and sounds when none is named
    #[arg(value_enum, value_name = "PART")]
    parts: Vec<Part>,
    /// Fetch and build again what is already there
    #[arg(long)]
    force: bool,
}

/// A set-up under way.
#[derive(Debug)]
pub(crate) struct Setup {
    /// Where everything goes.
    pub(crate) cache: Cache,
    /// What is known about the files there.
    pub(crate) stamps: Stamps,
    /// Whether to do again what is already done.
    pub(crate) force: bool,
}

impl Setup {
    /// Opens the cache the environment names.
    pub(crate) fn open() -> Result<Self> {
        let cache = Cache::from_env()?;
        let stamps = Stamps::load(&cache);
        Ok(Self { cache, stamps, force: false })
    }

    /// Fails in one clear line when the cache's disk has too little room.
    pub(crate) fn need_space(&self, bytes: u64, what: &str) -> Result<()> {
        let free = self.cache.free_space()?;
        let needed = bytes + bytes / 20;
        if bytes > 0 && free < needed {
            bail!(
                "{what} need {} of free disk, but {} has {}; free some, or set {} to a folder on a larger disk",
                ui::bytes(needed),
                self.cache.root().display(),
                ui::bytes(free),
                crate::cache::ENV
            );
        }
        Ok(())
    }
}

/// Runs `cargo xtask setup`.
pub(crate) fn run(args: &SetupArgs) -> Result<()> {
    let parts = if args.parts.is_empty() { Part::DEFAULT } else { &args.parts };
    let (_, times) = make(parts, args.force)?;
    ui::line("done:");
    ui::table(&times);
    Ok(())
}

/// Makes sure of some parts for another command, saying something only when there is something to do.
///
/// # Errors
/// The first part that cannot be had, with what to do about it.
pub(crate) fn ensure(parts: &[Part]) -> Result<Setup> {
    Ok(make(parts, false)?.0)
}

/// Makes sure of some parts; returns how long each took, as rows of a table.
fn make(parts: &[Part], force: bool) -> Result<(Setup, Vec<Vec<String>>)> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!(
            "the pinned packages are for Linux on x86-64 only; on other systems build and test the crates with plain cargo"
        );
    }
    let cache = Cache::from_env()?;
    let _lock = cache.lock()?;
    let mut setup = Setup { stamps: Stamps::load(&cache), cache, force };
    let mut times = Vec::new();
    for &part in parts {
        let start = Instant::now();
        part.run(&mut setup).with_context(|| format!("set-up of {} failed", part.name()))?;
        times.push(vec![part.name().to_owned(), ui::seconds(start.elapsed())]);
    }
    Ok((setup, times))
}
