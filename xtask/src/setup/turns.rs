//! Recorded sentences for `bench endpoint`: the prompts of a telephone exchange, from a Debian package that is unpacked
//! but not installed.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Setup;
use crate::cache::{FileState, hash_file, write_atomic};
use crate::process::{run_logged, which};
use crate::ui::{self, Progress};

/// CC-BY-SA-3.0; read by Allison Smith.
const PACKAGE: &str = "asterisk-core-sounds-en-g722";
const VERSION: &str = "1.6.1-1";
const SHA256: &str = "38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806";
const BYTES: u64 = 10_565_860;
/// Where its content lies in the cache, as one archive.
const ARCHIVE: &str = "audio/prompts-en.tar";
const ARCHIVE_SHA256: &str = "d173fe77784517046f40b480d72011707a44415af6d2f67faaf5a77dc0c11c5a";

/// Makes sure of the archive.
pub(crate) fn setup(setup: &mut Setup) -> Result<()> {
    if !setup.force && setup.stamps.check(ARCHIVE, ARCHIVE_SHA256)? == FileState::Right {
        return Ok(());
    }
    if which("apt-get").is_none() || which("dpkg-deb").is_none() {
        bail!("apt-get and dpkg-deb are needed to fetch {PACKAGE}: run this on Debian or Ubuntu");
    }
    ui::line(format!("fetching {PACKAGE} {VERSION} ({})", ui::bytes(BYTES)));
    let dir = setup.cache.downloads()?.join(format!("{PACKAGE}.incoming"));
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let apt = |log: &str, args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-o", "DPkg::Lock::Timeout=300", "-q"]).args(args).current_dir(&dir);
        let mut progress = Progress::start(format!("{PACKAGE} {VERSION}"), 0);
        run_logged(&mut command, &setup.cache.logs()?.join(log), || progress.at(0))
    };
    let wanted = format!("{PACKAGE}={VERSION}");
    // The package lists may be absent or old: refresh them only if the plain download does not work.
    if apt("apt-download.log", &["download", &wanted]).is_err() {
        apt("apt-update.log", &["update"]).context("cannot refresh the list of system packages")?;
        apt("apt-download.log", &["download", &wanted]).with_context(|| format!("cannot fetch {wanted}"))?;
    }
    let package = dir.join(format!("{PACKAGE}_{VERSION}_all.deb"));
    let got = hash_file(&package)?;
    if got != SHA256 {
        bail!("{PACKAGE} {VERSION} has the hash {got}, but {SHA256} is pinned");
    }
    let mut unpacking = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(&package)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run dpkg-deb")?;
    let mut content = unpacking.stdout.take().context("dpkg-deb gives nothing")?;
    let copied = write_atomic(&setup.cache.path(ARCHIVE), |out| {
        std::io::copy(&mut content, out).context("cannot unpack the package")?;
        match out.hash() {
            hash if hash == ARCHIVE_SHA256 => Ok(()),
            hash => bail!("the content of {PACKAGE} has the hash {hash}, but {ARCHIVE_SHA256} is pinned"),
        }
    });
    unpacking.wait().context("cannot wait for dpkg-deb")?;
    setup.stamps.record(ARCHIVE, copied?)?;
    std::fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))
}
