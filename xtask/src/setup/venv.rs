//! The Python environment of the cache: the local LLM server and the peers that talk with Stella in tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Setup, apt, pip};
use crate::cache::{hash_text, write_atomic};
use crate::process::{output_of, run_logged};
use crate::ui::Progress;

/// The pinned packages with their hashes.
pub(crate) const REQUIREMENTS: &str = include_str!("../../py/requirements.txt");
/// Exact versions of what the commands talk about; they agree with [`REQUIREMENTS`] (tested).
pub(crate) const XLLAMACPP: &str = "2026.10.11549";
/// The Python SDK of LiveKit that plays the other participant in tests.
pub(crate) const LIVEKIT: &str = "1.2.1";

/// The environment's size with room for pip's work.
const SPACE: u64 = 500_000_000;
const STAMP: &str = "venv/.stella";

/// The environment's interpreter.
pub(crate) fn python(setup: &Setup) -> PathBuf {
    setup.cache.path("venv/bin/python")
}

/// Whether the environment is there with the packages of this version of xtask.
pub(crate) fn complete(setup: &Setup) -> bool {
    python(setup).exists() && fs::read_to_string(setup.cache.path(STAMP)).is_ok_and(|s| s == hash_text(REQUIREMENTS))
}

/// Makes sure of the environment with all its packages.
pub(crate) fn setup(setup: &Setup) -> Result<()> {
    if complete(setup) && !setup.force {
        return Ok(());
    }
    setup.need_space(SPACE, "the Python packages")?;
    if setup.force || setup.cache.path(STAMP).exists() {
        // Another set of packages: begin anew instead of mixing versions.
        remove(setup)?;
    }
    let python = bare(setup)?;
    let requirements = setup.cache.downloads()?.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).with_context(|| format!("cannot write {}", requirements.display()))?;
    pip::install(setup, &python, &requirements)?;
    output_of(&python, &["-c", "import xllamacpp, livekit.rtc, livekit.api, numpy"])
        .context("the Python packages were installed but cannot be imported; try `cargo xtask setup python --force`")?;
    write_atomic(&setup.cache.path(STAMP), |file| {
        Ok(std::io::Write::write_all(file, hash_text(REQUIREMENTS).as_bytes())?)
    })?;
    Ok(())
}

/// The interpreter of an environment that has at least pip.
pub(crate) fn bare(setup: &Setup) -> Result<PathBuf> {
    let python = python(setup);
    if python.exists() && output_of(&python, &["-m", "pip", "--version"]).is_some() {
        return Ok(python);
    }
    remove(setup)?;
    let (base, version) = pip::interpreter()?;
    let create = || {
        let mut command = Command::new(&base);
        command.args(["-m", "venv"]).arg(setup.cache.path("venv"));
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

fn remove(setup: &Setup) -> Result<()> {
    let dir = setup.cache.path("venv");
    if !dir.exists() {
        return Ok(());
    }
    // The stamp goes first, so that an interrupted removal is not taken for an environment.
    let _ = fs::remove_file(setup.cache.path(STAMP));
    fs::remove_dir_all(&dir).with_context(|| format!("cannot remove the old environment {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_versions_are_the_pinned_ones() {
        for pin in
            [format!("xllamacpp=={XLLAMACPP} "), format!("livekit=={LIVEKIT} "), format!("livekit-api=={LIVEKIT} ")]
        {
            assert!(REQUIREMENTS.lines().any(|l| l.starts_with(&pin)), "{pin} is not pinned");
        }
    }

    #[test]
    fn every_requirement_has_a_version_and_a_hash() {
        let joined = REQUIREMENTS.replace("\\\n", " ");
        for line in joined.lines().filter(|l| !l.starts_with('#')) {
            assert!(line.contains("==") && line.contains("--hash=sha256:"), "{line}");
        }
    }
}
