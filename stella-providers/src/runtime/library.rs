use std::{fs::File, io::Read, path::Path};

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
    if is_cut_off(&library) {
        return Err(damaged("onnxruntime", &library, "the file is cut off"));
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

/// Whether an ELF file ends before its own header says so. The linker maps such a file all the same, and the process then
/// dies of a bus error that nobody can catch.
fn is_cut_off(library: &Path) -> bool {
    let mut header = [0; 64];
    let Ok(length) = File::open(library).and_then(|mut file| {
        file.read_exact(&mut header)?;
        Ok(file.metadata()?.len())
    }) else {
        return false; // the linker says what is wrong
    };
    // 64-bit, little-endian: the table of sections is the last thing in the file.
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let u16_at = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let table = u64::from_le_bytes([
        header[40], header[41], header[42], header[43], header[44], header[45], header[46], header[47],
    ]);
    table.saturating_add(u16_at(58) * u16_at(60)) > length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_library_is_not_loaded() {
        // This very program is an ELF file, on the systems where that matters.
        let whole = std::env::current_exe().unwrap();
        assert!(!is_cut_off(&whole));
        if !cfg!(target_os = "linux") {
            return;
        }
        let half = std::env::temp_dir().join(format!("stella-half-{}", std::process::id()));
        let bytes = std::fs::read(&whole).unwrap();
        std::fs::write(&half, &bytes[..bytes.len() / 2]).unwrap();
        let cut_off = is_cut_off(&half);
        std::fs::remove_file(&half).unwrap();
        assert!(cut_off);
    }
}
