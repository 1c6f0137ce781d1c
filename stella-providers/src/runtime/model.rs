use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use ort::{environment::Environment, session::Session};
use parking_lot::Mutex;
use stella_core::error::ProviderError;

use super::{
    Cache,
    cache::{damaged, read},
    library,
    queue::Slots,
};

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ModelOptions {
    /// Threads inside one run, the pool's thread included. Default 1: on shared cores more make the whole slower.
    pub threads: usize,
    /// Runs at the same time, at least 1; each beyond the first costs the memory of one more session. Default 1.
    pub concurrency: usize,
    /// Whether products of 8-bit integers must not saturate. On x86-64 without VNNI the fast ones do, and a network then
    /// gives other results than elsewhere; the exact ones are slower there. No effect on other processors. Default false.
    pub precise: bool,
}

impl Default for ModelOptions {
    fn default() -> Self {
        Self { threads: 1, concurrency: 1, precise: false }
    }
}

/// One model file, loaded once per process however often it is asked for. Holds no state of any stream.
pub struct Model {
    provider: &'static str,
    path: PathBuf,
    options: ModelOptions,
    /// Stands behind the bytes of the file.
    appendix: Vec<u8>,
    environment: Environment,
    /// Sessions not in use. `ort` runs a session for one caller at a time, so there is one for each concurrent run, made
    /// when it is first needed.
    idle: Mutex<Vec<Session>>,
    slots: Arc<Slots>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("path", &self.path).field("options", &self.options).finish_non_exhaustive()
    }
}

type Registry = HashMap<(PathBuf, ModelOptions, Vec<u8>), Weak<Model>>;
static LOADED: Mutex<Option<Registry>> = Mutex::new(None);

impl Model {
    /// The model in `file`, loaded now unless it is in use already. Takes as long as reading and optimising the model
    /// (0.01-1 s): call it at the start, not in a conversation.
    ///
    /// # Errors
    /// [`ProviderError::Model`] if the file or onnxruntime is missing or damaged.
    pub fn load(
        cache: &Cache,
        provider: &'static str,
        file: PathBuf,
        options: ModelOptions,
    ) -> Result<Arc<Self>, ProviderError> {
        Self::load_with(cache, provider, file, options, Vec::new())
    }

    /// As [`load`](Self::load), with these bytes behind those of the file. If there are any, the file is read into memory
    /// instead of by onnxruntime.
    pub(crate) fn load_with(
        cache: &Cache,
        provider: &'static str,
        file: PathBuf,
        options: ModelOptions,
        appendix: Vec<u8>,
    ) -> Result<Arc<Self>, ProviderError> {
        let options =
            ModelOptions { threads: options.threads.max(1), concurrency: options.concurrency.max(1), ..options };
        let mut registry = LOADED.lock();
        let registry = registry.get_or_insert_default();
        let key = (file, options, appendix);
        if let Some(model) = registry.get(&key).and_then(Weak::upgrade) {
            return Ok(model);
        }
        let environment = library::environment(cache)?;
        let first = open(&environment, provider, &key.0, options, &key.2)?;
        let model = Arc::new(Self {
            provider,
            path: key.0.clone(),
            options,
            appendix: key.2.clone(),
            environment,
            idle: Mutex::new(vec![first]),
            slots: Arc::new(Slots::new(options.concurrency)),
        });
        registry.retain(|_, model| model.strong_count() > 0);
        registry.insert(key, Arc::downgrade(&model));
        Ok(model)
    }

    /// The file the model came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many runs may go on at the same time, counted by the pool's queue.
    pub(super) fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Runs `work` on a session of the model, on the calling thread. Waits for nothing: the pool sees to it that no
    /// more calls run at once than [`ModelOptions::concurrency`].
    pub(crate) fn with_session<T>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let idle = self.idle.lock().pop();
        let mut session = match idle {
            Some(session) => session,
            None => open(&self.environment, self.provider, &self.path, self.options, &self.appendix)?,
        };
        let result = work(&mut session);
        self.idle.lock().push(session);
        result
    }
}

fn open(
    environment: &Environment,
    provider: &'static str,
    path: &Path,
    options: ModelOptions,
    appendix: &[u8],
) -> Result<Session, ProviderError> {
    if !path.exists() {
        return Err(damaged(provider, path, "no such file"));
    }
    let bytes = if appendix.is_empty() { None } else { Some(with_appendix(provider, path, appendix)?) };
    let builder = || -> ort::Result<Session> {
        let mut builder = Session::builder(environment)?
            .with_intra_threads(options.threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?;
        if options.precise {
            builder = builder.with_precise_qmm()?;
        }
        match &bytes {
            Some(bytes) => builder.commit_from_memory(bytes),
            None => builder.commit_from_file(path),
        }
    };
    builder().map_err(|error| damaged(provider, path, error))
}

/// The bytes of the model, and behind them the appendix.
fn with_appendix(provider: &'static str, path: &Path, appendix: &[u8]) -> Result<Vec<u8>, ProviderError> {
    let mut bytes = read(provider, path)?;
    bytes.reserve_exact(appendix.len());
    bytes.extend(appendix);
    Ok(bytes)
}

/// An error of onnxruntime while a model runs.
pub(crate) fn failed(provider: &'static str) -> impl Fn(ort::Error) -> ProviderError {
    move |error| ProviderError::Internal { provider, source: Box::new(error) }
}

/// An output of a model that has not the shape it must have.
pub(crate) fn misshapen(provider: &'static str, what: &str) -> ProviderError {
    ProviderError::Internal { provider, source: format!("the model's output {what} has an unexpected shape").into() }
}
