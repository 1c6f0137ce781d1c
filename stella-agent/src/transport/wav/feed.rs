//! Plays the recording to the agent, with silence before and after it.

use std::time::Duration;

use async_trait::async_trait;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    engine::CloseReason,
};
use tokio::{sync::mpsc, time::Instant};

use super::{Scene, WavOptions};
use crate::transport::{AudioInput, InputFrame, TransportEvent};

/// Samples of a frame, 20 ms.
const FRAME: usize = 320;
/// How long the agent may take to begin with a greeting.
const GREETING_WITHIN: Duration = Duration::from_secs(1);
/// Pause between the greeting and the recording.
const AFTER_GREETING: Duration = Duration::from_millis(400);

/// Frames at the pace of the conversation.
pub(super) struct Feed {
    speech: AudioFrame,
    options: WavOptions,
    scene: Scene,
    events: mpsc::Sender<TransportEvent>,
    start: Instant,
    /// Frames given.
    frames: u32,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The agent may greet.
    Before,
    /// The recording is on, up to this sample.
    Playing { position: usize },
    /// The recording is over since this frame.
    After { since: u32 },
    /// The conversation is over.
    Over,
}

impl Feed {
    pub(super) fn new(
        speech: AudioFrame,
        options: &WavOptions,
        scene: Scene,
        events: mpsc::Sender<TransportEvent>,
    ) -> Self {
        let phase = Phase::Before;
        Self { speech, options: options.clone(), scene, events, start: Instant::now(), frames: 0, phase }
    }

    /// Time of the conversation at a frame.
    fn time(frames: u32) -> Duration {
        AudioFormat::SPEECH.duration(u64::from(frames) * FRAME as u64)
    }

    /// For how long nothing has been going on, in time of the conversation.
    fn idle(&self) -> Option<Duration> {
        let idle = self.scene.idle()?;
        Some(if idle == Duration::MAX { idle } else { idle.mul_f64(self.options.speed) })
    }

    fn advance(&mut self) {
        match self.phase {
            Phase::Before => {
                let greeted = self.scene.spoke() && self.idle().is_some_and(|idle| idle >= AFTER_GREETING);
                let nobody = self.idle().is_some() && !self.scene.spoke() && Self::time(self.frames) >= GREETING_WITHIN;
                if !self.options.after_greeting || greeted || nobody {
                    self.scene.begin(Self::time(self.frames));
                    self.phase = Phase::Playing { position: 0 };
                }
            }
            Phase::Playing { position } if position >= self.speech.samples().len() => {
                self.phase = Phase::After { since: self.frames };
            }
            Phase::Playing { .. } | Phase::Over => {}
            Phase::After { since } => {
                let after = Self::time(self.frames - since);
                let quiet = after >= self.options.quiet && self.idle().is_some_and(|idle| idle >= self.options.quiet);
                if quiet || after >= self.options.tail {
                    self.phase = Phase::Over;
                }
            }
        }
    }

    fn samples(&mut self) -> Vec<i16> {
        let mut samples = vec![0; FRAME];
        if let Phase::Playing { position } = &mut self.phase {
            let rest = &self.speech.samples()[*position..];
            let count = rest.len().min(FRAME);
            samples[..count].copy_from_slice(&rest[..count]);
            *position += count;
        }
        samples
    }
}

#[async_trait]
impl AudioInput for Feed {
    async fn next(&mut self) -> Option<InputFrame> {
        let arrived = self.start + Self::time(self.frames + 1).div_f64(self.options.speed);
        tokio::time::sleep_until(arrived).await;
        self.frames += 1;
        self.advance();
        if matches!(self.phase, Phase::Over) {
            // The session is over, or takes its time: both end the recording.
            let _ = self.events.send(TransportEvent::Closed { reason: CloseReason::UserLeft }).await;
            return None;
        }
        let audio = AudioFrame::new(AudioFormat::SPEECH, self.samples()).ok()?;
        Some(InputFrame { audio, arrived })
    }
}
