//! A transport in memory.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    engine::{CloseReason, Event},
    id::SpeakerId,
};
use tokio::{sync::mpsc, time::Instant};

use crate::transport::{
    AudioInput, Closer, Connection, InputFrame, PacedOutput, Participant, Publisher, Transport, TransportError,
    TransportEvent,
};

const FRAME: Duration = Duration::from_millis(20);

/// A fake transport: people who hum, and ears that note every sample. Its other side is the [`FakeRoom`].
#[derive(Debug)]
pub struct FakeTransport {
    room: FakeRoom,
    events: mpsc::Receiver<TransportEvent>,
}

/// The other side of a [`FakeTransport`]. Clones share it.
#[derive(Debug, Clone)]
pub struct FakeRoom {
    events: mpsc::Sender<TransportEvent>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Who hums when.
    hums: Vec<(SpeakerId, Instant, Instant)>,
    /// What the agent sent, and when its first sample left.
    heard: Vec<(Instant, Vec<i16>)>,
    output: Option<PacedOutput>,
    published: Vec<Event>,
    closed: Option<CloseReason>,
}

impl FakeTransport {
    /// A transport and its other side.
    #[must_use]
    pub fn new() -> (Self, FakeRoom) {
        let (sender, events) = mpsc::channel(64);
        let room = FakeRoom { events: sender, state: Arc::default() };
        (Self { room: room.clone(), events }, room)
    }
}

impl FakeRoom {
    /// Somebody comes, with a microphone, and can hear the agent.
    pub async fn join(&self, speaker: SpeakerId, identity: &str) {
        let participant = Participant { identity: identity.into(), name: String::new() };
        self.send(TransportEvent::Joined { speaker, participant }).await;
        let input = Box::new(Microphone { speaker, state: self.state.clone(), next: Instant::now() + FRAME });
        self.send(TransportEvent::Audio { speaker, input }).await;
        self.send(TransportEvent::Ready).await;
    }

    /// Somebody hums from now on for a while.
    pub fn hum(&self, speaker: SpeakerId, duration: Duration) {
        let now = Instant::now();
        self.state.lock().hums.push((speaker, now, now + duration));
    }

    /// Anything else happens.
    pub async fn send(&self, event: TransportEvent) {
        // An error means that the session is over.
        let _ = self.events.send(event).await;
    }

    /// What the agent sent so far: pieces with the time of their first sample.
    #[must_use]
    pub fn heard(&self) -> Vec<(Instant, Vec<i16>)> {
        let output = self.state.lock().output.clone();
        if let Some(output) = output {
            output.catch_up();
        }
        self.state.lock().heard.clone()
    }

    /// How much audible sound the agent sent so far.
    #[must_use]
    pub fn sound(&self) -> Duration {
        let loud =
            |samples: &[i16]| samples.chunks(240).filter(|part| part.iter().any(|s| s.unsigned_abs() > 300)).count();
        Duration::from_millis(10) * self.heard().iter().map(|(_, samples)| loud(samples)).sum::<usize>() as u32
    }

    /// What the agent's side was told.
    #[must_use]
    pub fn published(&self) -> Vec<Event> {
        self.state.lock().published.clone()
    }

    /// Why the transport was closed, once it was.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        self.state.lock().closed.clone()
    }
}

#[async_trait]
impl Transport for FakeTransport {
    async fn open(self: Box<Self>) -> Result<Connection, TransportError> {
        let start = Instant::now();
        let state = self.room.state.clone();
        let log = state.clone();
        let output = PacedOutput::new(AudioFormat::VOICE, 1.0, move |at, samples: &[i16]| {
            log.lock().heard.push((start + at, samples.to_vec()));
        });
        state.lock().output = Some(output.clone());
        Ok(Connection {
            events: self.events,
            audio: Box::new(output),
            publisher: Box::new(FakeSide { state: state.clone() }),
            closer: Box::new(FakeSide { state }),
            speed: 1.0,
        })
    }
}

struct FakeSide {
    state: Arc<Mutex<State>>,
}

#[async_trait]
impl Publisher for FakeSide {
    async fn publish(&mut self, event: &Event) {
        self.state.lock().published.push(event.clone());
    }
}

#[async_trait]
impl Closer for FakeSide {
    async fn close(self: Box<Self>, reason: &CloseReason) -> Result<(), TransportError> {
        self.state.lock().closed = Some(reason.clone());
        Ok(())
    }
}

/// Frames at the pace of the clock: a hum while its speaker hums, silence otherwise.
struct Microphone {
    speaker: SpeakerId,
    state: Arc<Mutex<State>>,
    next: Instant,
}

#[async_trait]
impl AudioInput for Microphone {
    async fn next(&mut self) -> Option<InputFrame> {
        tokio::time::sleep_until(self.next).await;
        let arrived = self.next;
        self.next += FRAME;
        let start = arrived - FRAME;
        let hums: Vec<_> = self.state.lock().hums.iter().filter(|hum| hum.0 == self.speaker).copied().collect();
        let samples: Vec<i16> = (0..320_u32)
            .map(|n| {
                let at = start + Duration::from_micros(u64::from(n) * 62 + u64::from(n) / 2);
                let loud = hums.iter().any(|&(_, from, to)| (from..to).contains(&at));
                if loud { (8_000.0 * (n as f32 * std::f32::consts::TAU / 40.0).sin()) as i16 } else { 0 }
            })
            .collect();
        let audio = AudioFrame::new(AudioFormat::SPEECH, samples).ok()?;
        Some(InputFrame { audio, arrived })
    }
}
