//! Recorded sentences for `bench endpoint`: the prompts of a telephone exchange, from a Debian package.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Setup;
use super::package::{Package, Registry};
use crate::cache::{FileState, write_atomic};

/// CC-BY-SA-3.0; read by Allison Smith.
static PROMPTS: Package = Package {
    registry: Registry::Debian,
    name: "asterisk-core-sounds-en-g722",
    version: "1.6.1-1",
    bytes: 10_565_860,
    sha256: "38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806",
};
/// Where its content lies in the cache, as one archive.
const ARCHIVE: &str = "audio/prompts-en.tar";
const ARCHIVE_SHA256: &str = "d173fe77784517046f40b480d72011707a44415af6d2f67faaf5a77dc0c11c5a";

/// Makes sure of the archive.
pub(crate) fn setup(setup: &mut Setup) -> Result<()> {
    if !setup.force && setup.stamps.check(ARCHIVE, ARCHIVE_SHA256)? == FileState::Right {
        return Ok(());
    }
    let package = PROMPTS.fetch(setup)?;
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
            hash => bail!("the content of {} has the hash {hash}, but {ARCHIVE_SHA256} is pinned", PROMPTS.name),
        }
    });
    unpacking.wait().context("cannot wait for dpkg-deb")?;
    setup.stamps.record(ARCHIVE, copied?)?;
    std::fs::remove_file(&package).with_context(|| format!("cannot remove {}", package.display()))
}
