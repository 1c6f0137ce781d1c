//! Silero on human speech: the contract of voice activity detectors.
#![cfg(feature = "silero")]

mod support;

use stella_core::testing::contract::vad as contract;
use stella_providers::{runtime::Cache, silero::Silero};
use support::{loaded, speech};

fn silero() -> Silero {
    loaded(Silero::load(&Cache::from_env()))
}

#[tokio::test]
async fn silence_is_not_speech() {
    contract::silence_is_not_speech(&silero()).await;
}

#[tokio::test]
async fn speech_is_speech() {
    contract::speech_is_speech(&silero(), &speech()).await;
}

#[tokio::test]
async fn streams_do_not_mix() {
    contract::streams_do_not_mix(&silero(), &speech()).await;
}

#[tokio::test]
async fn a_wrong_window_changes_nothing() {
    contract::a_wrong_window_changes_nothing(&silero(), &speech()).await;
}
