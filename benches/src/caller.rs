//! A person in a room: a microphone that is never off, and an ear.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use stella_core::audio::AudioFrame;
use stella_examples::{clip::FORMAT, ear::Ear};
use stella_rtc::{AudioPublishOptions, AudioSink, EventStream, RtcEvent, RtcSession};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use crate::rooms::leave;

/// Samples the microphone gives at once: 20 ms.
const FRAME: usize = 480;

/// Somebody who speaks and hears.
pub struct Caller {
    session: Arc<dyn RtcSession>,
    orders: mpsc::UnboundedSender<Order>,
    ear: watch::Receiver<Ear>,
    _tasks: JoinSet<()>,
}

/// Samples to be spoken, and whom to tell when the first and the last one were.
struct Order {
    samples: Arc<[i16]>,
    spoken: oneshot::Sender<(Instant, Instant)>,
}

impl Caller {
    /// Opens microphone and ear.
    ///
    /// # Errors
    /// If the server takes no microphone.
    pub async fn new(session: Arc<dyn RtcSession>, events: EventStream) -> Result<Self> {
        let options = AudioPublishOptions {
            name: "microphone".into(),
            format: FORMAT,
            queue_limit: Duration::from_millis(40),
            ..AudioPublishOptions::default()
        };
        let sink = session.publish_audio(options).await.context("cannot publish a microphone")?;
        let (orders, receiver) = mpsc::unbounded_channel();
        let (sender, ear) = watch::channel(Ear::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(speak(sink, receiver));
        tasks.spawn(listen(session.clone(), events, sender));
        Ok(Self { session, orders, ear, _tasks: tasks })
    }

    /// Speaks, and returns when the first and the last sample were spoken.
    ///
    /// # Errors
    /// If the room is gone.
    pub async fn say(&self, samples: &Arc<[i16]>) -> Result<(Instant, Instant)> {
        let (spoken, told) = oneshot::channel();
        let order = Order { samples: samples.clone(), spoken };
        self.orders.send(order).map_err(|_| anyhow!("the microphone stopped"))?;
        told.await.context("the microphone stopped")
    }

    /// Waits until what was heard fits.
    ///
    /// # Errors
    /// If it does not within 20 s, or the room is gone.
    pub async fn until(&mut self, what: &str, mut fits: impl FnMut(&Ear) -> bool) -> Result<()> {
        let wait = self.ear.wait_for(|ear| fits(ear));
        match tokio::time::timeout(Duration::from_secs(20), wait).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => bail!("{what}: the room is gone"),
            Err(_) => bail!("{what}: not within 20 s"),
        }
    }

    /// Looks at what was heard.
    pub fn heard<T>(&self, look: impl FnOnce(&Ear) -> T) -> T {
        look(&self.ear.borrow())
    }

    /// Leaves the room.
    pub async fn leave(self) {
        leave(&self.session).await;
    }
}

async fn speak(sink: Arc<dyn AudioSink>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut current: Option<(Order, usize, u64)> = None;
    let mut waiting: VecDeque<(Order, u64)> = VecDeque::new();
    let (mut sent, mut began) = (0_u64, None);
    loop {
        if current.is_none() {
            current = match orders.try_recv() {
                Ok(order) => Some((order, 0, sent)),
                Err(mpsc::error::TryRecvError::Empty) => None,
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            };
        }
        let mut samples = vec![0; FRAME];
        if let Some((order, at, start)) = current.take() {
            let part = &order.samples[at..(at + FRAME).min(order.samples.len())];
            samples[..part.len()].copy_from_slice(part);
            let at = at + part.len();
            if at < order.samples.len() {
                current = Some((order, at, start));
            } else {
                waiting.push_back((order, start));
            }
        }
        let Ok(frame) = AudioFrame::new(FORMAT, samples) else { return };
        if sink.push(frame).await.is_err() {
            return;
        }
        sent += FRAME as u64;
        // A frame is sent when its last sample was spoken.
        let (now, position) = (Instant::now(), sink.playout_position());
        let at = |sample: u64| now.checked_sub(FORMAT.duration(position - sample)).unwrap_or(now);
        let start = current.as_ref().map(|(_, _, start)| *start).or(waiting.front().map(|(_, start)| *start));
        if let Some(start) = start.filter(|start| began.is_none() && *start < position) {
            began = Some(at(start));
        }
        while let Some((order, start)) =
            waiting.pop_front_if(|(order, start)| *start + order.samples.len() as u64 <= position)
        {
            let last = at(start + order.samples.len() as u64);
            // An error means that nobody waits any more.
            let _ = order.spoken.send((began.take().unwrap_or(last), last));
        }
    }
}

async fn listen(session: Arc<dyn RtcSession>, mut events: EventStream, ear: watch::Sender<Ear>) {
    let mut tasks = JoinSet::new();
    while let Some(event) = events.recv().await {
        if let RtcEvent::TrackSubscribed { track, .. } = event
            && let Ok(mut stream) = session.audio_stream(&track.sid, FORMAT)
        {
            let ear = ear.clone();
            tasks.spawn(async move {
                while let Some(frame) = stream.next().await {
                    ear.send_modify(|ear| ear.hear(Instant::now(), frame.audio.samples()));
                }
            });
        }
    }
}
