//! Debian packages of sounds: `apt-get download`; nothing is installed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Setup;
use super::package::{Package, size_of_dir};
use crate::process::{run_logged, which};
use crate::ui::Progress;

/// Downloads one package file into `dir`.
pub(crate) fn download(setup: &Setup, package: &Package, dir: &Path) -> Result<()> {
    if which("apt-get").is_none() || which("dpkg-deb").is_none() {
        bail!("apt-get and dpkg-deb are needed to fetch {}: run this on Debian or Ubuntu", package.name);
    }
    let apt = |log: &str, args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-o", "DPkg::Lock::Timeout=300", "-q"]).args(args).current_dir(dir);
        let mut progress = Progress::start(format!("{} {}", package.name, package.version), package.bytes);
        run_logged(&mut command, &setup.cache.logs()?.join(log), || progress.at(size_of_dir(dir)))
    };
    let wanted = format!("{}={}", package.name, package.version);
    // The package lists may be absent or old: refresh them only if the plain download does not work.
    if apt("apt-download.log", &["download", &wanted]).is_err() {
        apt("apt-update.log", &["update"]).context("cannot refresh the list of system packages")?;
        apt("apt-download.log", &["download", &wanted]).with_context(|| format!("cannot fetch {wanted}"))?;
    }
    Ok(())
}

/// Copies one file out of a package, which is unpacked the first time.
pub(crate) fn member(package: &Path, wanted: &str, out: &mut impl Write) -> Result<()> {
    let content = content(package);
    if !content.exists() {
        let partial = content.with_extension("partial");
        let unpacked = Command::new("dpkg-deb").arg("-x").arg(package).arg(&partial).status();
        if !unpacked.context("cannot run dpkg-deb")?.success() {
            bail!("cannot unpack {}", package.display());
        }
        fs::rename(&partial, &content).with_context(|| format!("cannot move {} in place", content.display()))?;
    }
    let path = content.join(wanted);
    let mut file = fs::File::open(&path).with_context(|| format!("{} lacks {wanted}", package.display()))?;
    io::copy(&mut file, out).context("cannot copy the wanted file")?;
    Ok(())
}

/// Where a package is unpacked.
pub(crate) fn content(package: &Path) -> PathBuf {
    let name = package.file_stem().unwrap_or_default().to_string_lossy();
    package.with_file_name(format!(".content-{}", name.split('_').next().unwrap_or_default()))
}
