//! smart-turn on human speech: the contract of turn detectors, and agreement with the original.
#![cfg(feature = "smart-turn")]

mod support;

use std::{fs, path::PathBuf};

use stella_core::{
    audio::{AudioFormat, AudioFrame},
    testing::contract::turn_detector as contract,
    turn_detector::{TurnDetector, TurnDetectorRequest},
};
use stella_providers::{runtime::Cache, smart_turn::SmartTurn};
use support::loaded;

fn smart_turn() -> SmartTurn {
    loaded(SmartTurn::load(&Cache::from_env()))
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/smart_turn");
    fs::read(folder.join(name)).expect("a committed fixture")
}

/// A clip of the fixtures, repeated, as a request.
fn request(name: &str, repetitions: usize) -> TurnDetectorRequest {
    let samples: Vec<i16> =
        fixture(&format!("{name}.pcm")).chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let audio = AudioFrame::new(AudioFormat::SPEECH, samples.repeat(repetitions)).expect("mono");
    TurnDetectorRequest { audio: Some(audio), ..TurnDetectorRequest::default() }
}

#[tokio::test]
async fn a_score_is_a_probability() {
    contract::a_score_is_a_probability(&smart_turn()).await;
}

#[tokio::test]
async fn a_finished_turn_scores_higher() {
    contract::a_finished_turn_scores_higher(&smart_turn(), request("finished", 1), request("unfinished", 1)).await;
}

#[tokio::test]
async fn audio_it_cannot_hear_is_refused() {
    contract::audio_it_cannot_hear_is_refused(&smart_turn()).await;
}

/// The expected scores come from the original code; see `tests/py/smart_turn_features.py`.
#[tokio::test]
async fn scores_agree_with_the_original() {
    let detector = smart_turn();
    for line in String::from_utf8(fixture("expected.txt")).expect("text").lines() {
        let [name, repetitions, score] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let expected: f32 = score.parse().expect("a number");
        let ours = detector.predict(request(name, repetitions.parse().expect("a number"))).await.expect("predicts");
        assert!((ours - expected).abs() < 0.01, "{name}: {ours}, the original {expected}");
    }
}
