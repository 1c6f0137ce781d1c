use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use stella_core::error::ProviderError;

use super::{FOLDER, NAME};
use crate::runtime::{Cache, damaged, read};

/// Values of one style.
pub(super) const STYLE: usize = 256;
/// Styles of a voice, one for each number of tokens.
const STYLES: usize = 510;

/// How one voice sounds: `voices/<name>.bin`, 510 × 256 little-endian f32, row n for a text of n tokens.
#[derive(Debug)]
pub(super) struct Voice {
    styles: Vec<f32>,
}

impl Voice {
    /// The style for a text of `tokens` tokens, the two pads not counted.
    pub(super) fn style(&self, tokens: usize) -> &[f32] {
        let row = tokens.min(STYLES - 1);
        &self.styles[row * STYLE..(row + 1) * STYLE]
    }
}

/// The voices of the cache, each read when it is first used and shared while it is in use.
#[derive(Debug)]
pub(super) struct Voices {
    folder: PathBuf,
    loaded: Mutex<HashMap<String, Weak<Voice>>>,
}

impl Voices {
    pub(super) fn new(cache: &Cache) -> Self {
        Self { folder: cache.model(FOLDER, "voices"), loaded: Mutex::default() }
    }

    /// Names of all voices, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".bin")?.to_owned())).collect();
        names.sort_unstable();
        names
    }

    /// The voice called `name`.
    pub(super) fn get(&self, name: &str) -> Result<Arc<Voice>, ProviderError> {
        let mut loaded = self.loaded.lock();
        if let Some(voice) = loaded.get(name).and_then(Weak::upgrade) {
            return Ok(voice);
        }
        let file = self.folder.join(format!("{name}.bin"));
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain || !file.exists() {
            return Err(self.unknown(name));
        }
        let bytes = read(NAME, &file)?;
        if bytes.len() != STYLES * STYLE * size_of::<f32>() {
            return Err(damaged(NAME, &file, format!("it has {} bytes", bytes.len())));
        }
        let value = |bytes: &[u8]| bytes.try_into().map_or(0.0, f32::from_le_bytes);
        let voice = Arc::new(Voice { styles: bytes.chunks_exact(4).map(value).collect() });
        loaded.insert(name.to_owned(), Arc::downgrade(&voice));
        Ok(voice)
    }

    fn unknown(&self, name: &str) -> ProviderError {
        let names = self.names();
        if names.is_empty() {
            return damaged(NAME, &self.folder, "no voice in it");
        }
        let some = names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
        let reason = format!("there is no voice {name:?}; the {} voices begin with {some}", names.len());
        ProviderError::InvalidRequest { provider: NAME, reason }
    }
}
