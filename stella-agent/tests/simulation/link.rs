//! The link between a microphone and the agent: delay, jitter, loss, stalls, holes.

use std::sync::Arc;

use async_trait::async_trait;
use stella_agent::transport::{AudioInput, InputFrame};
use stella_core::audio::{AudioFormat, AudioFrame};
use tokio::time::Instant;

use crate::{dice::Dice, mouth::Mouth, words::MILLISECOND};

/// Milliseconds of a frame.
const FRAME: u64 = 20;
/// Milliseconds that every frame is on its way.
const DELAY: u64 = 40;

/// A microphone at the other end of the link.
pub(crate) struct Link {
    mouth: Arc<Mouth>,
    dice: Dice,
    trouble: u64,
    /// Millisecond from which the next frame is.
    at: u64,
    weather: Weather,
    /// Frames of the present weather still to come.
    left: u64,
    /// A frame under way, and when it is there.
    under_way: Option<(Instant, AudioFrame)>,
    arrived: Instant,
    silence: AudioFrame,
}

/// What happens to frames for a while.
#[derive(Debug, Clone, Copy)]
enum Weather {
    Fair,
    /// Each is late by something else, up to so much.
    Jitter(u64),
    /// They are lost, and silence is played instead.
    Loss,
    /// They all come together at this millisecond.
    Stall(u64),
    /// They never come, and nothing is played instead.
    Hole,
    /// The sound is over.
    End,
}

impl Link {
    pub(crate) fn new(mouth: Arc<Mouth>, dice: Dice, trouble: u64) -> Self {
        let at = mouth.now();
        let silence = AudioFrame::silence(AudioFormat::SPEECH, std::time::Duration::from_millis(FRAME));
        let arrived = mouth.instant(at);
        Self { mouth, dice, trouble, at, weather: Weather::Fair, left: 0, under_way: None, arrived, silence }
    }

    fn look_at_the_sky(&mut self) {
        if self.trouble == 0 {
            return;
        }
        if self.left > 0 {
            self.left -= 1;
            return;
        }
        self.weather = self.dice.weighted(&[
            // A second of fair weather at a time.
            (20_000, Weather::Fair),
            (self.trouble * 40, Weather::Jitter(80)),
            (self.trouble * 20, Weather::Jitter(300)),
            (self.trouble * 60, Weather::Loss),
            (self.trouble * 20, Weather::Stall(0)),
            (self.trouble * 10, Weather::Hole),
            (self.trouble / 3, Weather::End),
        ]);
        self.left = match &mut self.weather {
            Weather::Fair => 50,
            Weather::Jitter(_) => self.dice.between(5..=500),
            Weather::Loss => self.dice.between(0..=10),
            Weather::Stall(until) => {
                let frames = self.dice.between(5..=250);
                *until = self.at + frames * FRAME;
                frames
            }
            Weather::Hole => self.dice.between(5..=250),
            Weather::End => 0,
        };
    }

    /// Sends the frame that is over now; `false` if there will be none any more.
    fn send(&mut self) -> bool {
        let (from, to) = (self.at, self.at + FRAME);
        self.at = to;
        self.look_at_the_sky();
        let samples = self.mouth.hear(from, to);
        let late = match self.weather {
            Weather::Hole => return true,
            Weather::End => return false,
            Weather::Fair | Weather::Loss => 0,
            Weather::Jitter(most) => self.dice.between(0..=most),
            Weather::Stall(until) => until.saturating_sub(to),
        };
        let samples = samples.filter(|_| !matches!(self.weather, Weather::Loss));
        let frame = samples.and_then(|samples| AudioFrame::new(AudioFormat::SPEECH, samples).ok());
        // What was sent first comes first.
        self.arrived = self.arrived.max(self.mouth.instant(to + DELAY + late));
        self.under_way = Some((self.arrived, frame.unwrap_or_else(|| self.silence.clone())));
        true
    }
}

#[async_trait]
impl AudioInput for Link {
    async fn next(&mut self) -> Option<InputFrame> {
        while self.under_way.is_none() {
            tokio::time::sleep_until(self.mouth.instant(self.at + FRAME)).await;
            if !self.send() {
                return None;
            }
        }
        let arrived = self.under_way.as_ref().map_or(self.arrived, |(at, _)| *at);
        tokio::time::sleep_until(arrived).await;
        let (arrived, audio) = self.under_way.take()?;
        if audio.samples().iter().step_by(MILLISECOND).any(|sample| *sample > 0) {
            self.mouth.delivered(audio.samples());
        }
        Some(InputFrame { audio, arrived })
    }
}
