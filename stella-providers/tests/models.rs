//! Model files that are missing or damaged.
#![cfg(feature = "local")]

use std::{fs, path::PathBuf};

use stella_core::error::ProviderError;
use stella_providers::{
    kokoro::{Kokoro, KokoroOptions},
    moonshine::Moonshine,
    runtime::Cache,
    silero::Silero,
    smart_turn::SmartTurn,
};

/// A new cache with onnxruntime and nothing else.
fn empty(name: &str) -> Cache {
    let cache = Cache::new(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
    let _ = fs::remove_dir_all(cache.root());
    fs::create_dir_all(cache.root().join("lib")).expect("a folder");
    let library = Cache::from_env().onnxruntime();
    assert!(library.exists(), "{} is missing: run `cargo xtask setup`", library.display());
    if !cache.onnxruntime().exists() {
        fs::hard_link(&library, cache.onnxruntime())
            .or_else(|_| fs::copy(&library, cache.onnxruntime()).map(drop))
            .expect("a copy");
    }
    cache
}

fn errors(cache: &Cache) -> [Option<ProviderError>; 4] {
    [
        Silero::load(cache).err(),
        SmartTurn::load(cache).err(),
        Moonshine::load(cache).err(),
        Kokoro::load(cache, KokoroOptions::default()).err(),
    ]
}

#[test]
fn a_missing_file_is_named_with_the_command_that_fetches_it() {
    let cache = empty("missing");
    for error in errors(&cache) {
        let error = error.expect("nothing is there");
        assert!(matches!(&error, ProviderError::Model { file, .. } if file.starts_with(cache.root())), "{error:?}");
        assert!(error.to_string().contains("cargo xtask setup"), "{error}");
    }
}

#[test]
fn a_damaged_file_is_an_error_and_no_crash() {
    let cache = empty("damaged");
    for (model, name) in [
        ("silero-vad", "silero_vad.onnx"),
        ("smart-turn", "smart-turn-v3.2-cpu.onnx"),
        ("moonshine-tiny-en", "tokens.txt"),
        ("kokoro-82m", "kokoro-v1.0.int8.onnx"),
    ] {
        let file = cache.model(model, name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, b"not a model").expect("written");
    }
    for error in errors(&cache) {
        assert!(matches!(error, Some(ProviderError::Model { .. })), "{error:?}");
    }
}
