//! System packages: what a build needs, and installing it where that is allowed.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Setup;
use crate::process::{run_logged, which};
use crate::ui::{self, Progress};

/// A program that must be on the search path, and the Debian package that has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// The program.
    pub(crate) program: &'static str,
    /// The package of Debian and Ubuntu.
    pub(crate) package: &'static str,
    /// What it is needed for.
    pub(crate) why: &'static str,
}

/// What building the workspace needs beside Rust.
pub(crate) const TOOLS: &[Tool] = &[
    Tool { program: "cc", package: "gcc", why: "linking Rust programs" },
    Tool { program: "c++", package: "g++", why: "building native libraries" },
    Tool { program: "make", package: "make", why: "building native libraries" },
    Tool { program: "cmake", package: "cmake", why: "building libopus and the TLS library" },
    Tool { program: "pkg-config", package: "pkg-config", why: "finding system libraries" },
];

/// Makes sure of every tool of [`TOOLS`].
pub(crate) fn setup(setup: &Setup) -> Result<()> {
    let missing: Vec<&str> = TOOLS.iter().filter(|t| which(t.program).is_none()).map(|t| t.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(setup, &missing, "a build needs them")
}

/// The line that installs `packages`, to be shown to a person.
pub(crate) fn line_for(packages: &[&str]) -> String {
    format!("`sudo apt-get install -y {}`", packages.join(" "))
}

/// Installs system packages when running as root on a system with apt; otherwise fails with the line to run.
pub(crate) fn install(setup: &Setup, packages: &[&str], why: &str) -> Result<()> {
    let names = packages.join(" ");
    if which("apt-get").is_none() {
        bail!(
            "missing system packages ({why}): {names}\n  install them with your system's package manager, then run this again"
        );
    }
    if !rustix::process::geteuid().is_root() {
        bail!("missing system packages ({why}): {names}\n  run {}, then this again", line_for(packages));
    }
    ui::line(format!("  installing system packages: {names}"));
    let apt = |log: &str, args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-o", "DPkg::Lock::Timeout=300", "-q"]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
        let mut progress = Progress::start(format!("apt-get {}", args[0]), 0);
        run_logged(&mut command, &setup.cache.logs()?.join(log), || progress.at(0))
    };
    let install: Vec<&str> = ["install", "-y", "--no-install-recommends"].iter().chain(packages).copied().collect();
    // The package lists may be absent or old: refresh them only if the plain install does not work.
    if apt("apt-install.log", &install).is_err() {
        apt("apt-update.log", &["update"]).context("cannot refresh the list of system packages")?;
        apt("apt-install.log", &install).with_context(|| format!("cannot install {names}"))?;
    }
    Ok(())
}
