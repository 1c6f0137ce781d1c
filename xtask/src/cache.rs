//! The cache folder: where every fetched or built file lives, and how its state is remembered.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ui;

/// The environment variable that moves the cache.
pub(crate) const ENV: &str = "STELLA_CACHE";

/// The cache folder. Cheap to make; nothing is created until something is written.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `STELLA_CACHE`, or the folder `stella` in the user's cache folder.
    pub(crate) fn from_env() -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let root = match (set(ENV), set("XDG_CACHE_HOME"), set("HOME")) {
            (Some(root), ..) => std::path::absolute(&root).with_context(|| format!("{ENV} is not a usable path"))?,
            (None, Some(cache), _) if cache.is_absolute() => cache.join("stella"),
            (None, _, Some(home)) => home.join(".cache/stella"),
            (None, _, None) => bail!("no cache folder: set {ENV} to a folder with 3 GB free"),
        };
        Ok(Self { root })
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path inside the cache.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The folder of package files under way, created if need be.
    pub(crate) fn downloads(&self) -> Result<PathBuf> {
        make_dir(&self.path("downloads"))
    }

    /// The folder of logs of set-up steps, created if need be.
    pub(crate) fn logs(&self) -> Result<PathBuf> {
        make_dir(&self.path("logs"))
    }

    /// Waits until no other set-up works in this cache, then holds it until the value is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        make_dir(&self.root)?;
        let path = self.path(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("cannot write in {}; set {ENV} to another folder", self.root.display()))?;
        if file.try_lock().is_err() {
            ui::line("another set-up is running in this cache; waiting for it ...");
            file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }

    /// Bytes that can still be written to the cache's disk.
    pub(crate) fn free_space(&self) -> Result<u64> {
        let mut at = self.root.as_path();
        while !at.exists() {
            at = at.parent().context("the cache folder has no existing parent")?;
        }
        let stat =
            rustix::fs::statvfs(at).with_context(|| format!("cannot ask for the free space at {}", at.display()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

fn make_dir(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the folder {}", path.display()))?;
    Ok(path.to_owned())
}

/// What a file was when its hash was last taken. While size and time agree, the hash is taken as still right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    size: u64,
    modified: i64,
    modified_ns: i64,
    sha256: String,
}

impl Stamp {
    fn of(path: &Path, sha256: String) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        Ok(Self { size: meta.len(), modified: meta.mtime(), modified_ns: meta.mtime_nsec(), sha256 })
    }
}

/// The remembered hashes of the cache's files, kept in `stamps.json`.
#[derive(Debug)]
pub(crate) struct Stamps {
    root: PathBuf,
    known: BTreeMap<String, Stamp>,
}

/// What is known about one file of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    /// There, and its content is the wanted one.
    Right,
    /// There with other content.
    Wrong,
    /// Not there.
    Missing,
}

impl Stamps {
    /// Reads the stamps; an absent or unreadable file means that nothing is known.
    pub(crate) fn load(cache: &Cache) -> Self {
        let known = fs::read(cache.path("stamps.json"))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        Self { root: cache.root().to_owned(), known }
    }

    /// Compares a file with its wanted hash. Reads the file only when its size or time differ from the last look.
    pub(crate) fn check(&mut self, relative: &str, sha256: &str) -> Result<FileState> {
        let path = self.root.join(relative);
        let Ok(now) = Stamp::of(&path, sha256.to_owned()) else {
            self.known.remove(relative);
            return Ok(FileState::Missing);
        };
        if self.known.get(relative) == Some(&now) {
            return Ok(FileState::Right);
        }
        if hash_file(&path)? != sha256 {
            return Ok(FileState::Wrong);
        }
        self.known.insert(relative.to_owned(), now);
        self.save()?;
        Ok(FileState::Right)
    }

    /// Whether a file without a fixed hash is unchanged since [`Stamps::record`].
    pub(crate) fn unchanged(&self, relative: &str) -> bool {
        let known = self.known.get(relative);
        known.is_some_and(|s| Stamp::of(&self.root.join(relative), s.sha256.clone()).is_ok_and(|now| now == *s))
    }

    /// Remembers a file that was just written.
    pub(crate) fn record(&mut self, relative: &str, sha256: String) -> Result<()> {
        let path = self.root.join(relative);
        let stamp = Stamp::of(&path, sha256).with_context(|| format!("cannot look at {}", path.display()))?;
        self.known.insert(relative.to_owned(), stamp);
        self.save()
    }

    fn save(&self) -> Result<()> {
        let text = serde_json::to_vec_pretty(&self.known).context("cannot encode the stamps")?;
        write_atomic(&self.root.join("stamps.json"), |file| file.write_all(&text).map_err(Into::into)).map(drop)
    }
}

/// Writes a file under another name and renames it when it is whole. Returns the hash of what was written.
pub(crate) fn write_atomic(path: &Path, fill: impl FnOnce(&mut HashingWriter) -> Result<()>) -> Result<String> {
    let dir = path.parent().context("a file needs a folder")?;
    make_dir(dir)?;
    let name = path.file_name().context("a file needs a name")?.to_string_lossy();
    let temporary = dir.join(format!(".{name}.part"));
    let write = || -> Result<String> {
        let file = File::create(&temporary).with_context(|| format!("cannot create {}", temporary.display()))?;
        let mut writer = HashingWriter { file, hasher: Sha256::new() };
        fill(&mut writer)?;
        writer.file.sync_all().context("cannot finish writing")?;
        Ok(hex(&writer.hasher.finalize()))
    };
    let sha256 = write().inspect_err(|_| drop(fs::remove_file(&temporary)))?;
    fs::rename(&temporary, path).with_context(|| format!("cannot put {} in place", path.display()))?;
    Ok(sha256)
}

/// A file that hashes what is written to it.
#[derive(Debug)]
pub(crate) struct HashingWriter {
    file: File,
    hasher: Sha256,
}

impl Write for HashingWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.file.write(buf)?;
        self.hasher.update(&buf[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl HashingWriter {
    /// The hash of what was written so far.
    pub(crate) fn hash(&self) -> String {
        hex(&self.hasher.clone().finalize())
    }
}

/// The SHA-256 of a file, in lower-case hex.
pub(crate) fn hash_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The SHA-256 of a text, in lower-case hex.
pub(crate) fn hash_text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache { root: dir.path().to_owned() };
        (dir, cache)
    }

    #[test]
    fn a_file_is_right_wrong_or_missing() {
        let (_dir, cache) = cache();
        let mut stamps = Stamps::load(&cache);
        assert_eq!(stamps.check("a", ABC).unwrap(), FileState::Missing);
        fs::write(cache.path("a"), "abd").unwrap();
        assert_eq!(stamps.check("a", ABC).unwrap(), FileState::Wrong);
        fs::write(cache.path("a"), "abc").unwrap();
        assert_eq!(stamps.check("a", ABC).unwrap(), FileState::Right);
    }

    #[test]
    fn a_stamp_spares_the_hash_until_the_file_changes() {
        let (_dir, cache) = cache();
        let mut stamps = Stamps::load(&cache);
        fs::write(cache.path("a"), "abc").unwrap();
        stamps.record("a", "a hash nobody computes".to_owned()).unwrap();
        let mut again = Stamps::load(&cache);
        assert!(again.unchanged("a"));
        assert_eq!(again.check("a", "a hash nobody computes").unwrap(), FileState::Right);
        fs::write(cache.path("a"), "abcd").unwrap();
        assert!(!again.unchanged("a"));
        assert_eq!(again.check("a", "a hash nobody computes").unwrap(), FileState::Wrong);
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let (_dir, cache) = cache();
        let path = cache.path("deep/a");
        let failed = write_atomic(&path, |w| {
            w.write_all(b"half")?;
            bail!("the source broke off")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_dir(cache.path("deep")).unwrap().count(), 0);
        assert_eq!(write_atomic(&path, |w| Ok(w.write_all(b"abc")?)).unwrap(), ABC);
        assert_eq!(hash_file(&path).unwrap(), ABC);
    }

    #[test]
    fn free_space_is_asked_of_the_nearest_existing_folder() {
        let (_dir, cache) = cache();
        let below = Cache { root: cache.path("not/yet/there") };
        assert!(below.free_space().unwrap() > 0);
    }
}
