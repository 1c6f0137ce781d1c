//! The Python environments of the cache: one for the local LLM server and the peers that talk with Stella in tests, one
//! for the framework that benchmarks compare it with. They need different versions of the same packages.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Setup, apt, pip};
use crate::cache::{hash_text, write_atomic};
use crate::process::{output_of, run_logged};
use crate::ui::Progress;

/// An environment with pinned packages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Environment {
    /// Its folder in the cache.
    dir: &'static str,
    /// The part of the set-up that makes it.
    part: &'static str,
    /// Its main packages, for people.
    about: &'static str,
    /// The pinned packages with their hashes.
    requirements: &'static str,
    /// What must then be possible in Python.
    check: &'static str,
    /// Its size with room for pip's work.
    space: u64,
}

/// The local LLM server, and the Python SDK of LiveKit.
pub(crate) const TOOLS: Environment = Environment {
    dir: "venv",
    part: "python",
    about: "xllamacpp, livekit, numpy",
    requirements: include_str!("../../py/requirements.txt"),
    check: "import xllamacpp, livekit.rtc, livekit.api, numpy",
    space: 500_000_000,
};
/// livekit-agents, the peer of benchmarks.
pub(crate) const PEER: Environment = Environment {
    dir: "venv-peer",
    part: "peer",
    about: "livekit-agents",
    requirements: include_str!("../../py/peer-requirements.txt"),
    check: "import livekit.agents, livekit.local_inference",
    space: 700_000_000,
};

/// Exact versions of what the commands talk about; they agree with the requirements (tested).
pub(crate) const XLLAMACPP: &str = "2026.10.11549";
/// The Python SDK of LiveKit that plays the other participant in tests.
pub(crate) const LIVEKIT: &str = "1.2.1";
/// The peer of benchmarks.
pub(crate) const LIVEKIT_AGENTS: &str = "1.8.9";

impl Environment {
    /// Its interpreter.
    pub(crate) fn python(self, setup: &Setup) -> PathBuf {
        setup.cache.path(&format!("{}/bin/python", self.dir))
    }

    /// Whether it is there with the packages of this version of xtask.
    pub(crate) fn complete(self, setup: &Setup) -> bool {
        self.python(setup).exists()
            && fs::read_to_string(self.stamp(setup)).is_ok_and(|stamp| stamp == hash_text(self.requirements))
    }

    /// Makes sure of it with all its packages, compiled.
    pub(crate) fn setup(self, setup: &Setup) -> Result<()> {
        if self.complete(setup) && !setup.force {
            return Ok(());
        }
        setup.need_space(self.space, "the Python packages")?;
        if setup.force || self.stamp(setup).exists() {
            // Another set of packages: begin anew instead of mixing versions.
            self.remove(setup)?;
        }
        let python = self.bare(setup)?;
        let requirements = setup.cache.downloads()?.join(format!("{}-requirements.txt", self.dir));
        fs::write(&requirements, self.requirements)
            .with_context(|| format!("cannot write {}", requirements.display()))?;
        pip::install(setup, &python, &requirements, self.about, self.part)?;
        output_of(&python, &["-c", self.check]).with_context(|| {
            let part = self.part;
            format!("the Python packages were installed but cannot be imported; try `cargo xtask setup {part} --force`")
        })?;
        write_atomic(&self.stamp(setup), |file| {
            Ok(std::io::Write::write_all(file, hash_text(self.requirements).as_bytes())?)
        })?;
        Ok(())
    }

    /// The interpreter of an environment that has at least pip.
    pub(crate) fn bare(self, setup: &Setup) -> Result<PathBuf> {
        let python = self.python(setup);
        if python.exists() && output_of(&python, &["-m", "pip", "--version"]).is_some() {
            return Ok(python);
        }
        self.remove(setup)?;
        let (base, version) = pip::interpreter()?;
        let create = || {
            let mut command = Command::new(&base);
            command.args(["-m", "venv"]).arg(setup.cache.path(self.dir));
            let mut progress = Progress::start(format!("Python {version} environment"), 0);
            run_logged(&mut command, &setup.cache.logs()?.join("venv.log"), || progress.at(0))
        };
        if output_of(&base, &["-c", "import venv, ensurepip"]).is_none() {
            let minor = version.split('.').nth(1).unwrap_or_default();
            let package = format!("python3.{minor}-venv");
            apt::install(setup, &[&package], "Python cannot make environments without it")?;
        }
        create().context("cannot make the Python environment")?;
        Ok(python)
    }

    fn stamp(self, setup: &Setup) -> PathBuf {
        setup.cache.path(&format!("{}/.stella", self.dir))
    }

    fn remove(self, setup: &Setup) -> Result<()> {
        let dir = setup.cache.path(self.dir);
        if !dir.exists() {
            return Ok(());
        }
        // The stamp goes first, so that an interrupted removal is not taken for an environment.
        let _ = fs::remove_file(self.stamp(setup));
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove the old environment {}", dir.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_versions_are_the_pinned_ones() {
        for (environment, pin) in [
            (TOOLS, format!("xllamacpp=={XLLAMACPP} ")),
            (TOOLS, format!("livekit=={LIVEKIT} ")),
            (TOOLS, format!("livekit-api=={LIVEKIT} ")),
            (PEER, format!("livekit-agents=={LIVEKIT_AGENTS} ")),
        ] {
            assert!(environment.requirements.lines().any(|l| l.starts_with(&pin)), "{pin} is not pinned");
        }
    }

    #[test]
    fn every_requirement_has_a_version_and_a_hash() {
        for environment in [TOOLS, PEER] {
            let joined = environment.requirements.replace("\\\n", " ");
            for line in joined.lines().filter(|l| !l.starts_with('#')) {
                assert!(line.contains("==") && line.contains("--hash=sha256:"), "{line}");
            }
        }
    }
}
