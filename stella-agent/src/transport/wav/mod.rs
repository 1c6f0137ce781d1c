//! A recording: the agent hears a file, and what it says goes into another one.

mod feed;
mod scene;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    engine::{CloseReason, Event},
    id::SpeakerId,
};
use tokio::sync::mpsc;

use super::{Closer, Connection, PacedOutput, Participant, Publisher, Transport, TransportError, TransportEvent};
use crate::{resample::resample, wav};
use {feed::Feed, scene::Scene};

/// The only person there is.
const USER: SpeakerId = SpeakerId(1);

/// How a recording is played to the agent.
#[derive(Debug, Clone, PartialEq)]
pub struct WavOptions {
    /// How many times faster than real time the conversation runs. Default 1. Models do not get faster: at 2 their
    /// answers seem to take twice as long.
    pub speed: f64,
    /// Whether the recording begins only when the agent has said its greeting. Default true; an agent without one is
    /// waited for 1 s.
    pub after_greeting: bool,
    /// Silence on both sides, after the end of the recording, that ends the conversation. Default 4 s.
    pub quiet: Duration,
    /// Longest conversation after the end of the recording. Default 60 s.
    pub tail: Duration,
}

impl Default for WavOptions {
    fn default() -> Self {
        Self { speed: 1.0, after_greeting: true, quiet: Duration::from_secs(4), tail: Duration::from_secs(60) }
    }
}

/// A recording as the user's side of a conversation.
#[derive(Debug)]
pub struct WavTransport {
    speech: AudioFrame,
    output: Option<PathBuf>,
    options: WavOptions,
}

impl WavTransport {
    /// A conversation with a recording of 16 kHz mono, as [`wav::read`] gives it.
    #[must_use]
    pub fn new(speech: AudioFrame, options: WavOptions) -> Self {
        Self { speech, output: None, options }
    }

    /// Writes both sides into a stereo file of 24 kHz, the user left, the agent right. It is written at the end.
    #[must_use]
    pub fn write_to(mut self, path: impl Into<PathBuf>) -> Self {
        self.output = Some(path.into());
        self
    }
}

/// What the agent said: when, and the samples.
type Said = Arc<Mutex<Vec<(Duration, Vec<i16>)>>>;

#[async_trait]
impl Transport for WavTransport {
    async fn open(self: Box<Self>) -> Result<Connection, TransportError> {
        let Self { speech, output, options } = *self;
        let (sender, events) = mpsc::channel(8);
        let scene = Scene::default();
        let said = Said::default();
        let log = said.clone();
        let voice = PacedOutput::new(AudioFormat::VOICE, options.speed, move |at, samples: &[i16]| {
            log.lock().push((at, samples.to_vec()));
        });
        let input = Box::new(Feed::new(speech.clone(), &options, scene.clone(), sender.clone()));
        let participant = Participant { identity: "recording".into(), name: String::new() };
        for event in [
            TransportEvent::Joined { speaker: USER, participant },
            TransportEvent::Ready,
            TransportEvent::Audio { speaker: USER, input },
        ] {
            // There is room for these, and the receiver is here.
            let _ = sender.try_send(event);
        }
        let closer = WavCloser { speech, scene: scene.clone(), said, voice: voice.clone(), output };
        Ok(Connection {
            events,
            audio: Box::new(voice),
            publisher: Box::new(WavPublisher { scene }),
            closer: Box::new(closer),
            speed: options.speed,
        })
    }
}

struct WavPublisher {
    scene: Scene,
}

#[async_trait]
impl Publisher for WavPublisher {
    async fn publish(&mut self, event: &Event) {
        self.scene.observe(event);
    }
}

/// Writes the file.
struct WavCloser {
    speech: AudioFrame,
    scene: Scene,
    said: Said,
    voice: PacedOutput,
    output: Option<PathBuf>,
}

#[async_trait]
impl Closer for WavCloser {
    async fn close(self: Box<Self>, _: &CloseReason) -> Result<(), TransportError> {
        let Self { speech, scene, said, voice, output } = *self;
        let Some(path) = output else { return Ok(()) };
        voice.catch_up();
        let said = std::mem::take(&mut *said.lock());
        let begun = scene.begun().unwrap_or_default();
        let write = move || wav::write(&path, &mix(&speech, begun, &said));
        let written = tokio::task::spawn_blocking(write).await;
        let written = written.map_err(|error| TransportError::Other { source: error.into(), retryable: false })?;
        Ok(written?)
    }
}

/// Both sides in one stereo recording.
fn mix(speech: &AudioFrame, begun: Duration, said: &[(Duration, Vec<i16>)]) -> AudioFrame {
    let rate = AudioFormat::VOICE.sample_rate();
    let samples: Vec<f32> = speech.samples().iter().map(|&s| f32::from(s) / 32_768.0).collect();
    let user: Vec<i16> =
        resample(&samples, speech.format().sample_rate(), rate).into_iter().map(crate::resample::to_i16).collect();
    let at = |time| AudioFormat::VOICE.samples(time) as usize;
    let ends = said.iter().map(|(start, samples)| at(*start) + samples.len());
    let length = ends.chain([at(begun) + user.len()]).max().unwrap_or_default();
    let mut stereo = vec![0_i16; length * 2];
    let mut put = |start: usize, samples: &[i16], channel: usize| {
        for (n, &sample) in samples.iter().enumerate() {
            stereo[(start + n) * 2 + channel] = sample;
        }
    };
    put(at(begun), &user, 0);
    for (start, samples) in said {
        put(at(*start), samples, 1);
    }
    let format = AudioFormat::new(rate, 2).unwrap_or(AudioFormat::VOICE);
    AudioFrame::new(format, stereo).unwrap_or_else(|_| AudioFrame::silence(format, Duration::ZERO))
}
