use std::{
    env,
    path::{Path, PathBuf},
};

use stella_core::error::ProviderError;

/// The folder with model files and libraries that `cargo xtask setup` fills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache under `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder the environment names: `STELLA_CACHE`, else `$XDG_CACHE_HOME/stella`, else `~/.cache/stella`.
    #[must_use]
    pub fn from_env() -> Self {
        let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = folder("STELLA_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("stella")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/stella")))
            .unwrap_or_else(|| PathBuf::from(".cache/stella"));
        Self { root }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The onnxruntime library: `ORT_DYLIB_PATH` if that is set, else `lib/libonnxruntime.so` in the cache.
    #[must_use]
    pub fn onnxruntime(&self) -> PathBuf {
        match env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
            Some(path) => path.into(),
            None => {
                self.root.join("lib").join(format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX))
            }
        }
    }

    /// The file `name` of the model `model`, which may not exist.
    #[must_use]
    pub fn model(&self, model: &str, name: &str) -> PathBuf {
        self.root.join("models").join(model).join(name)
    }

    /// The recording `name`, which may not exist.
    #[must_use]
    pub fn audio(&self, name: &str) -> PathBuf {
        self.root.join("audio").join(name)
    }
}

impl Default for Cache {
    /// [`Cache::from_env`].
    fn default() -> Self {
        Self::from_env()
    }
}

/// Reads a file that belongs to a model.
pub(crate) fn read(provider: &'static str, file: &Path) -> Result<Vec<u8>, ProviderError> {
    std::fs::read(file).map_err(|error| damaged(provider, file, error))
}

/// The error for a file that is missing or cannot be used.
pub(crate) fn damaged(provider: &'static str, file: &Path, reason: impl ToString) -> ProviderError {
    ProviderError::Model { provider, file: file.to_owned(), reason: reason.to_string() }
}
