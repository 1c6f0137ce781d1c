//! The LiveKit server: the one on the search path when it is of the right version, else built from source.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Setup;
use crate::cache::hash_file;
use crate::process::{output_of, run_logged, which};
use crate::ui::{self, Progress};

/// The version that is built, and that tests and benchmarks are made with.
pub(crate) const VERSION: &str = "1.13.5";
const SERIES: &str = "1.13.";
const MODULE: &str = "github.com/livekit/livekit-server/cmd/server";
const FILE: &str = "bin/livekit-server";
const FREE_NEEDED: u64 = 1_500_000_000;

/// The server program in the cache.
pub(crate) fn program(setup: &Setup) -> PathBuf {
    setup.cache.path(FILE)
}

/// The version a server program says it has.
pub(crate) fn version_of(program: &Path) -> Option<String> {
    output_of(program, &["--version"])?.split_whitespace().last().map(str::to_owned)
}

/// Whether the server is there, unchanged since it was put there.
pub(crate) fn complete(setup: &mut Setup) -> bool {
    setup.stamps.unchanged(FILE)
}

/// Makes sure of the server.
pub(crate) fn setup(setup: &mut Setup) -> Result<()> {
    if complete(setup) && !setup.force {
        return Ok(());
    }
    let target = program(setup);
    if !setup.force && version_of(&target).is_some_and(|v| v.starts_with(SERIES)) {
        return record(setup);
    }
    fs::create_dir_all(setup.cache.path("bin")).context("cannot create the folder of programs")?;
    let found = which("livekit-server").filter(|p| version_of(p).is_some_and(|v| v.starts_with(SERIES)));
    if let Some(found) = found {
        ui::line(format!("  using {}", found.display()));
        let _ = fs::remove_file(&target);
        symlink(&found, &target).with_context(|| format!("cannot link {}", target.display()))?;
    } else {
        build(setup, &target)?;
    }
    record(setup)
}

fn record(setup: &mut Setup) -> Result<()> {
    let hash = hash_file(&program(setup))?;
    setup.stamps.record(FILE, hash)
}

fn build(setup: &Setup, target: &Path) -> Result<()> {
    let Some(go) = which("go") else {
        bail!(
            "building livekit-server needs Go 1.21 or later (it fetches the newer one it needs by itself)\n  \
             install Go, or put livekit-server {SERIES}x on the search path, then run this again"
        );
    };
    setup.need_space(FREE_NEEDED, "building livekit-server")?;
    let dir = setup.cache.downloads()?.join(".livekit-server");
    let _ = fs::remove_dir_all(&dir);
    let mut command = Command::new(go);
    command.args(["install", &format!("{MODULE}@v{VERSION}")]);
    command.env("GOBIN", &dir).env("CGO_ENABLED", "0").current_dir(setup.cache.root());
    let mut progress = Progress::start(format!("livekit-server {VERSION} from source (about two minutes)"), 0);
    run_logged(&mut command, &setup.cache.logs()?.join("livekit-server-build.log"), || progress.at(0))
        .context("cannot build livekit-server; check the network and run `cargo xtask setup livekit-server` again")?;
    drop(progress);
    let built = dir.join("server");
    let version = version_of(&built).context("the built livekit-server does not run")?;
    if version != VERSION {
        bail!("the built livekit-server says it is {version}, not {VERSION}");
    }
    fs::rename(&built, target).with_context(|| format!("cannot put {} in place", target.display()))?;
    fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))
}
