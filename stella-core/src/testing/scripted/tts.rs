//! A fake synthesiser.

use std::{f32::consts::TAU, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{text::words, timeline::Timeline, timer::Timer};
use crate::{
    audio::{AudioFormat, AudioFrame},
    error::ProviderError,
    tts::{Tts, TtsCapabilities, TtsEvent, TtsRequest, TtsStream, WordTime},
};

/// Samples of one part, 100 ms.
const PART: usize = 2_400;

/// A fake synthesiser: hums each word at the pace of speech, at 24 kHz, with exact word times. The first audio comes after
/// a delay, the rest faster than real time. It pronounces nothing.
#[derive(Debug)]
pub struct ScriptedTts {
    timer: Arc<dyn Timer>,
    first: Duration,
    speed: f32,
    character: Duration,
}

impl ScriptedTts {
    /// A synthesiser that gives its first audio after 50 ms, then audio five times faster than real time, and speaks 15
    /// characters a second.
    pub fn new(timer: Arc<dyn Timer>) -> Self {
        Self { timer, first: Duration::from_millis(50), speed: 5.0, character: Duration::from_millis(66) }
    }

    /// Sets the time to the first audio.
    #[must_use]
    pub fn first_after(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Sets how many times faster than real time audio is made; at least 1.
    #[must_use]
    pub fn speed(mut self, speed: f32) -> Self {
        self.speed = speed.max(1.0);
        self
    }

    /// Sets how long a character is spoken.
    #[must_use]
    pub fn character(mut self, character: Duration) -> Self {
        self.character = character;
        self
    }

    /// The whole text as sound, and when its words are spoken.
    fn render(&self, text: &str) -> (Vec<i16>, Vec<WordTime>) {
        let character = AudioFormat::VOICE.samples(self.character) as usize;
        let (mut samples, mut times) = (Vec::new(), Vec::new());
        let mut at = 0;
        for word in words(text) {
            let bare = word.trim();
            let begin = at + word.len() - word.trim_start().len();
            at += word.len();
            if !bare.chars().any(char::is_alphanumeric) {
                continue;
            }
            let start = samples.len() as u64;
            hum(&mut samples, bare.chars().count() * character);
            times.push(WordTime { text: begin..begin + bare.len(), samples: start..samples.len() as u64 });
            samples.resize(samples.len() + character, 0);
        }
        (samples, times)
    }
}

/// Appends a hum with the overtones and the rise and fall of a syllable.
fn hum(samples: &mut Vec<i16>, length: usize) {
    for n in 0..length {
        let t = n as f32 / 24_000.0;
        let voice: f32 = (1..=8_u8).map(|k| (TAU * 140.0 * f32::from(k) * t).sin() / f32::from(k)).sum::<f32>() / 2.0;
        let swell = (std::f32::consts::PI * n as f32 / length as f32).sin().sqrt();
        samples.push((voice * swell * 9_000.0) as i16);
    }
}

#[async_trait]
impl Tts for ScriptedTts {
    fn name(&self) -> &'static str {
        "scripted-tts"
    }

    fn capabilities(&self) -> TtsCapabilities {
        TtsCapabilities { streaming: true, word_times: true }
    }

    fn format(&self) -> AudioFormat {
        AudioFormat::VOICE
    }

    async fn synthesize(&self, request: TtsRequest) -> Result<TtsStream, ProviderError> {
        let (samples, times) = self.render(&request.text);
        let mut parts = Vec::with_capacity(samples.len() / PART + 2);
        if !times.is_empty() {
            parts.push((self.first, Ok(TtsEvent::Words(times))));
        }
        for (n, part) in samples.chunks(PART).enumerate() {
            let made = AudioFormat::VOICE.duration((n * PART) as u64).div_f32(self.speed);
            let frame = AudioFrame::new(AudioFormat::VOICE, part)
                .map_err(|error| ProviderError::Internal { provider: "scripted-tts", source: Box::new(error) });
            parts.push((self.first + made, frame.map(TtsEvent::Audio)));
        }
        Ok(Box::pin(Timeline::new(self.timer.clone(), parts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct NoTime;
    impl Timer for NoTime {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        fn sleep_until(&self, _: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::ready(()))
        }
    }

    #[test]
    fn word_times_cover_the_words() {
        let (samples, times) = ScriptedTts::new(Arc::new(NoTime)).render("Hello, big world.");
        let text: Vec<_> = times.iter().map(|time| &"Hello, big world."[time.text.clone()]).collect();
        assert_eq!(text, ["Hello,", "big", "world."]);
        assert!(times.windows(2).all(|pair| pair[0].samples.end <= pair[1].samples.start));
        assert!(samples.len() as u64 >= times[2].samples.end);
        assert!(samples.iter().any(|s| s.unsigned_abs() > 3_000));
    }
}
