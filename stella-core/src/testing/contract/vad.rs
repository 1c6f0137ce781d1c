//! What every [`Vad`] must do.

use crate::{
    error::ProviderError,
    vad::{Vad, VadStream},
};

/// Digital silence is not speech, and every answer is a probability.
pub async fn silence_is_not_speech(vad: &dyn Vad) {
    let silence = vec![0; vad.window() * 20];
    for probability in probabilities(vad, &silence).await {
        assert!(probability < 0.5, "silence is speech with {probability}");
    }
}

/// `speech`, 16 kHz mono, is someone speaking most of the time: most windows say so.
pub async fn speech_is_speech(vad: &dyn Vad, speech: &[i16]) {
    let probabilities = probabilities(vad, speech).await;
    let voiced = probabilities.iter().filter(|&&probability| probability >= 0.5).count();
    assert!(voiced * 2 > probabilities.len(), "{voiced} of {} windows are voiced", probabilities.len());
}

/// Streams that take turns answer what each answers alone. `speech` as for [`speech_is_speech`].
pub async fn streams_do_not_mix(vad: &dyn Vad, speech: &[i16]) {
    let alone = probabilities(vad, speech).await;
    let (mut one, mut other) = (open(vad), open(vad));
    let noise: Vec<i16> = (0..vad.window()).map(|n| if n % 40 < 20 { 9_000 } else { -9_000 }).collect();
    for (window, expected) in speech.chunks_exact(vad.window()).zip(alone) {
        predict(&mut other, &noise).await;
        assert_eq!(predict(&mut one, window).await, expected);
    }
}

/// A window of another size is refused and changes nothing. `speech` as for [`speech_is_speech`].
pub async fn a_wrong_window_changes_nothing(vad: &dyn Vad, speech: &[i16]) {
    let expected = probabilities(vad, speech).await;
    let mut stream = open(vad);
    for (window, expected) in speech.chunks_exact(vad.window()).zip(expected).take(10) {
        let refused = stream.predict(&window[1..]).await;
        assert!(matches!(refused, Err(ProviderError::InvalidRequest { .. })), "{refused:?}");
        assert_eq!(predict(&mut stream, window).await, expected);
    }
}

async fn probabilities(vad: &dyn Vad, audio: &[i16]) -> Vec<f32> {
    let mut stream = open(vad);
    let mut probabilities = Vec::new();
    for window in audio.chunks_exact(vad.window()) {
        probabilities.push(predict(&mut stream, window).await);
    }
    assert!(!probabilities.is_empty(), "less audio than one window");
    probabilities
}

fn open(vad: &dyn Vad) -> Box<dyn VadStream> {
    vad.open().unwrap_or_else(|error| panic!("no stream: {}", crate::error::chain(&error)))
}

async fn predict(stream: &mut Box<dyn VadStream>, window: &[i16]) -> f32 {
    let probability = stream.predict(window).await;
    let probability = probability.unwrap_or_else(|error| panic!("no answer: {}", crate::error::chain(&error)));
    assert!((0.0..=1.0).contains(&probability), "{probability} is no probability");
    probability
}
