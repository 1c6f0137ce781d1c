//! What every [`TurnDetector`] must do.

use std::time::Duration;

use crate::{
    audio::{AudioFormat, AudioFrame},
    error::ProviderError,
    turn_detector::{TurnDetector, TurnDetectorRequest},
};

/// Every answer is a probability, also for no speech at all and for more audio than is promised.
pub async fn a_score_is_a_probability(detector: &dyn TurnDetector) {
    for seconds in [0, 1, 8, 12] {
        let audio = AudioFrame::silence(AudioFormat::SPEECH, Duration::from_secs(seconds));
        let request = TurnDetectorRequest { audio: Some(audio), ..TurnDetectorRequest::default() };
        score(detector, request).await;
    }
}

/// A finished turn scores higher than an unfinished one; each is what is known at the pause after it.
pub async fn a_finished_turn_scores_higher(
    detector: &dyn TurnDetector,
    finished: TurnDetectorRequest,
    unfinished: TurnDetectorRequest,
) {
    let (finished, unfinished) = (score(detector, finished).await, score(detector, unfinished).await);
    assert!(finished > unfinished, "finished {finished}, unfinished {unfinished}");
}

/// Detector: looks at audio. Without audio, or with audio of another format, the request is refused.
pub async fn audio_it_cannot_hear_is_refused(detector: &dyn TurnDetector) {
    assert!(detector.capabilities().audio, "the detector does not look at audio");
    let wrong = AudioFrame::silence(AudioFormat::WEBRTC, Duration::from_secs(1));
    for audio in [None, Some(wrong)] {
        let refused = detector.predict(TurnDetectorRequest { audio, ..TurnDetectorRequest::default() }).await;
        assert!(matches!(refused, Err(ProviderError::InvalidRequest { .. })), "{refused:?}");
    }
}

async fn score(detector: &dyn TurnDetector, request: TurnDetectorRequest) -> f32 {
    let score = detector.predict(request).await;
    let score = score.unwrap_or_else(|error| panic!("no score: {}", crate::error::chain(&error)));
    assert!((0.0..=1.0).contains(&score), "{score} is no probability");
    score
}
