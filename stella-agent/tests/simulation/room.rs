//! The room: who hears the agent, and what it heard.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use stella_agent::transport::{
    AudioOutput, Closer, Connection, PacedOutput, Publisher, Transport, TransportError, TransportEvent,
};
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    engine::{CloseReason, Event},
};
use tokio::{sync::mpsc, time::Instant};

use crate::{dice::Dice, stream::PANIC, words};

/// A word of the agent that was heard, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeardWord {
    pub(crate) word: u16,
    /// Whether it was heard to its end.
    pub(crate) whole: bool,
    /// When its last sample was heard, since the start.
    pub(crate) until: Duration,
}

/// What became of the agent's side.
#[derive(Debug, Default)]
pub(crate) struct RoomLog {
    pub(crate) heard: Vec<HeardWord>,
    pub(crate) published: usize,
    pub(crate) closed: bool,
}

pub(crate) type SharedRoomLog = Arc<Mutex<RoomLog>>;

/// A room that people talk in.
pub(crate) struct Room {
    pub(crate) events: mpsc::Receiver<TransportEvent>,
    pub(crate) dice: Arc<Dice>,
    /// How often the link stalls, and how often the publisher goes wrong.
    pub(crate) trouble: (u64, u64),
    pub(crate) log: SharedRoomLog,
}

#[async_trait]
impl Transport for Room {
    async fn open(self: Box<Self>) -> Result<Connection, TransportError> {
        let log = self.log.clone();
        let inner = PacedOutput::new(AudioFormat::VOICE, 1.0, move |at, samples: &[i16]| hear(&log, at, samples));
        let side = Side { dice: self.dice.clone(), trouble: self.trouble.1, log: self.log };
        Ok(Connection {
            events: self.events,
            audio: Box::new(Loudspeaker {
                inner,
                dice: self.dice.clone(),
                trouble: self.trouble.0,
                stalled: None,
                looked: Instant::now(),
                paused: false,
            }),
            publisher: Box::new(Side { dice: side.dice.clone(), trouble: side.trouble, log: side.log.clone() }),
            closer: Box::new(side),
            speed: 1.0,
        })
    }
}

fn hear(log: &SharedRoomLog, at: Duration, samples: &[i16]) {
    let mut log = log.lock();
    let mut position = 0;
    for part in samples.chunk_by(|a, b| a == b) {
        position += part.len() as u64;
        let until = at + AudioFormat::VOICE.duration(position);
        let ended = words::ended_word(part[0]);
        let Some(word) = ended.or(words::word(part[0])) else { continue };
        let whole = ended.is_some();
        match log.heard.last_mut().filter(|last| last.word == word && (!last.whole || whole)) {
            Some(last) => (last.whole, last.until) = (whole, until),
            None => log.heard.push(HeardWord { word, whole, until }),
        }
    }
}

/// An output whose link stands still at times.
struct Loudspeaker {
    inner: PacedOutput,
    dice: Arc<Dice>,
    trouble: u64,
    /// Until when the link stands still.
    stalled: Option<Instant>,
    looked: Instant,
    paused: bool,
}

impl Loudspeaker {
    fn look(&mut self) {
        let now = Instant::now();
        if self.stalled.is_some_and(|until| now >= until) {
            self.stalled = None;
        }
        if self.trouble > 0 && self.stalled.is_none() && now >= self.looked + Duration::from_secs(1) {
            self.looked = now;
            if self.dice.between(1..=1_000) <= self.trouble {
                self.stalled = Some(now + self.dice.millis(50..=7_000));
            }
        }
        if self.paused || self.stalled.is_some() {
            self.inner.pause();
        } else {
            self.inner.resume();
        }
    }
}

impl AudioOutput for Loudspeaker {
    fn format(&self) -> AudioFormat {
        self.inner.format()
    }

    fn push(&mut self, frame: AudioFrame) {
        self.look();
        self.inner.push(frame);
    }

    fn queued(&self) -> Duration {
        self.inner.queued()
    }

    fn clear(&mut self) {
        self.inner.clear();
    }

    fn pause(&mut self) {
        self.paused = true;
        self.look();
    }

    fn resume(&mut self) {
        self.paused = false;
        self.look();
    }

    fn position(&self) -> u64 {
        self.inner.position()
    }
}

/// Who is told what happens, and who leaves.
struct Side {
    dice: Arc<Dice>,
    trouble: u64,
    log: SharedRoomLog,
}

#[async_trait]
impl Publisher for Side {
    async fn publish(&mut self, _: &Event) {
        self.log.lock().published += 1;
        if self.trouble > 0 && self.dice.between(1..=5_000) <= self.trouble {
            match self.dice.between(0..=2) {
                0 => panic!("{PANIC}"),
                1 => std::future::pending().await,
                _ => tokio::time::sleep(self.dice.millis(10..=3_000)).await,
            }
        }
    }
}

#[async_trait]
impl Closer for Side {
    async fn close(self: Box<Self>, _: &CloseReason) -> Result<(), TransportError> {
        self.log.lock().closed = true;
        if self.dice.percent(self.trouble) {
            tokio::time::sleep(self.dice.millis(0..=5_000)).await;
        }
        Ok(())
    }
}
