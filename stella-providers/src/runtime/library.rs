use ort::environment::Environment;
use parking_lot::Mutex;
use stella_core::error::ProviderError;

use super::{Cache, cache::damaged};

/// Environment variable that keeps onnxruntime from sending telemetry. The official builds from 1.30 on send it by
/// default, and the switch in onnxruntime's own interface comes too late to stop the device identifier being written.
const TELEMETRY: &str = "ORT_DISABLE_TELEMETRY";

/// Loads onnxruntime and switches its telemetry off, once per process. Loading a model does the same; a program that
/// starts threads of C code before its first model should call this at the start of `main`, or set
/// `ORT_DISABLE_TELEMETRY=1` in its environment.
///
/// # Errors
/// [`ProviderError::Model`] if the library is missing, damaged, or older than 1.24.
pub fn init(cache: &Cache) -> Result<(), ProviderError> {
    environment(cache).map(drop)
}

/// The one environment of this process, made at the first call. A failed call may be repeated.
pub(crate) fn environment(cache: &Cache) -> Result<Environment, ProviderError> {
    static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);
    let mut slot = ENVIRONMENT.lock();
    if let Some(environment) = &*slot {
        return Ok(environment.clone());
    }
    disable_telemetry();
    let library = cache.onnxruntime();
    if !library.exists() {
        return Err(damaged("onnxruntime", &library, "no such file"));
    }
    let environment = ort::init_from(&library)
        .map_err(|error| damaged("onnxruntime", &library, error))?
        .with_name("stella")
        .with_telemetry(false)
        .build()
        .map_err(|error| damaged("onnxruntime", &library, error))?;
    environment.set_log_level(ort::logging::LogLevel::Error);
    tracing::debug!(library = %library.display(), "loaded onnxruntime");
    Ok(slot.insert(environment).clone())
}

#[allow(unsafe_code)]
fn disable_telemetry() {
    if std::env::var_os(TELEMETRY).is_none() {
        // SAFETY: Rust code reads and writes the environment under one lock of the standard library. What remains is C
        // code that calls `getenv` in another thread at this very moment; `init` tells callers how to rule that out.
        unsafe { std::env::set_var(TELEMETRY, "1") };
    }
}
