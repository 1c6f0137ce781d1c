//! The user: a participant of its own, with a microphone and an ear.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use stella_core::audio::AudioFrame;
use stella_examples::clip::{Clip, FORMAT};
use stella_rtc::{
    AudioPublishOptions, AudioSink, AudioStream, ConnectOptions, EventStream, LeaveReason, PureEngine, RtcEngine,
    RtcEvent, RtcSession, TextStreamReader,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

use super::{
    recording::{Recording, Side},
    scene::Scene,
};

/// Samples the microphone gives at once: 20 ms.
const FRAME: usize = 480;
/// Topic of captions.
const CAPTIONS: &str = "lk.transcription";

/// A participant that speaks and hears. Dropping it leaves.
#[derive(Debug)]
pub(crate) struct User {
    session: Arc<dyn RtcSession>,
    orders: mpsc::UnboundedSender<Order>,
    _tasks: JoinSet<()>,
}

/// A clip to be played, and whom to tell.
#[derive(Debug)]
struct Order {
    clip: Clip,
    first: oneshot::Sender<Instant>,
    last: oneshot::Sender<Instant>,
}

/// A clip that is being played.
#[derive(Debug)]
pub(crate) struct Speech {
    first: oneshot::Receiver<Instant>,
    last: oneshot::Receiver<Instant>,
}

impl Speech {
    /// Waits until the first voiced sample was sent, and returns when that was spoken.
    pub(crate) async fn begun(&mut self) -> Result<Instant> {
        (&mut self.first).await.context("the microphone stopped")
    }

    /// Waits until the last voiced sample was sent, and returns when that was spoken.
    pub(crate) async fn ended(self) -> Result<Instant> {
        self.last.await.context("the microphone stopped")
    }
}

impl User {
    /// Joins, opens the microphone, and hears everybody else.
    pub(crate) async fn join(
        url: &str,
        token: &str,
        scene: watch::Sender<Scene>,
        recording: Recording,
    ) -> Result<Self> {
        let joined = PureEngine::new().connect(url, token, ConnectOptions::default()).await;
        let (session, events) = joined.context("the user cannot join the room")?;
        let options = AudioPublishOptions {
            name: "microphone".into(),
            format: FORMAT,
            queue_limit: Duration::from_millis(40),
            ..AudioPublishOptions::default()
        };
        let sink = session.publish_audio(options).await.context("the user's microphone cannot be published")?;
        let (orders, receiver) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let microphone = Microphone { sink, recording: recording.clone(), sent: 0, marks: VecDeque::new() };
        tasks.spawn(microphone.run(receiver));
        tasks.spawn(follow(session.clone(), events, scene, recording));
        Ok(Self { session, orders, _tasks: tasks })
    }

    /// Begins to speak.
    pub(crate) fn say(&self, clip: &Clip) -> Result<Speech> {
        let (first, first_told) = oneshot::channel();
        let (last, last_told) = oneshot::channel();
        let order = Order { clip: clip.clone(), first, last };
        self.orders.send(order).map_err(|_| anyhow!("the microphone stopped"))?;
        Ok(Speech { first: first_told, last: last_told })
    }

    /// Leaves the room.
    pub(crate) async fn leave(&self) {
        // Nobody can do anything about an error now.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.session.leave(LeaveReason::Finished)).await;
    }
}

/// Sends sound all the time, silence when nothing is said, as a microphone does.
struct Microphone {
    sink: Arc<dyn AudioSink>,
    recording: Recording,
    /// Samples pushed so far.
    sent: u64,
    /// Samples whose sending somebody waits for, in order.
    marks: VecDeque<(u64, oneshot::Sender<Instant>)>,
}

impl Microphone {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut clip: Option<(Clip, usize)> = None;
        let mut spoken: VecDeque<(u64, Vec<i16>)> = VecDeque::new();
        loop {
            if clip.is_none() {
                clip = match orders.try_recv() {
                    Ok(order) => Some((self.begin(order), 0)),
                    Err(mpsc::error::TryRecvError::Empty) => None,
                    Err(mpsc::error::TryRecvError::Disconnected) => return,
                };
            }
            let mut samples = match &mut clip {
                Some((clip, at)) => {
                    let from = *at;
                    *at = (from + FRAME).min(clip.samples.len());
                    clip.samples[from..*at].to_vec()
                }
                None => Vec::new(),
            };
            if clip.as_ref().is_some_and(|(clip, at)| *at >= clip.samples.len()) {
                clip = None;
            }
            samples.resize(FRAME, 0);
            let Ok(frame) = AudioFrame::new(FORMAT, samples.clone()) else { return };
            if self.sink.push(frame).await.is_err() {
                return;
            }
            spoken.push_back((self.sent, samples));
            self.sent += FRAME as u64;
            self.tell(&mut spoken);
        }
    }

    /// Notes which samples of an order are waited for.
    fn begin(&mut self, order: Order) -> Clip {
        let voiced = order.clip.voiced.clone();
        self.marks.push_back((self.sent + voiced.start as u64, order.first));
        self.marks.push_back((self.sent + voiced.end.saturating_sub(1) as u64, order.last));
        order.clip
    }

    /// Tells and records what has really been sent by now. A frame is sent when its last sample was spoken.
    fn tell(&mut self, spoken: &mut VecDeque<(u64, Vec<i16>)>) {
        let (now, position) = (Instant::now(), self.sink.playout_position());
        let spoken_at = |sample: u64| now.checked_sub(FORMAT.duration(position - sample)).unwrap_or(now);
        while let Some((sample, mark)) = self.marks.pop_front_if(|(sample, _)| *sample < position) {
            // An error means that nobody waits any more.
            let _ = mark.send(spoken_at(sample));
        }
        while let Some((first, samples)) = spoken.pop_front_if(|(first, _)| *first < position) {
            self.recording.add(Side::User, spoken_at(first), &samples);
        }
    }
}

/// Follows the room: hears every voice, reads every caption.
async fn follow(
    session: Arc<dyn RtcSession>,
    mut events: EventStream,
    scene: watch::Sender<Scene>,
    recording: Recording,
) {
    let mut tasks = JoinSet::new();
    while let Some(event) = events.recv().await {
        match event {
            RtcEvent::TrackSubscribed { track, .. } => match session.audio_stream(&track.sid, FORMAT) {
                Ok(stream) => {
                    tasks.spawn(hear(stream, scene.clone(), recording.clone()));
                }
                Err(error) => tracing::warn!(%error, "a track cannot be heard"),
            },
            RtcEvent::TextStream { reader } if reader.info().topic == CAPTIONS => {
                tasks.spawn(read(reader, scene.clone()));
            }
            RtcEvent::Reconnecting => scene.send_modify(|scene| scene.lost = true),
            RtcEvent::Reconnected { .. } => scene.send_modify(|scene| scene.lost = false),
            RtcEvent::Disconnected { reason } => {
                scene.send_modify(|scene| {
                    scene.over.get_or_insert_with(|| format!("the user lost the room: {reason}"));
                });
            }
            _ => {}
        }
    }
}

/// Hears one track to its end.
async fn hear(mut stream: AudioStream, scene: watch::Sender<Scene>, recording: Recording) {
    while let Some(frame) = stream.next().await {
        let now = Instant::now();
        recording.add(Side::Agent, now, frame.audio.samples());
        scene.send_modify(|scene| scene.ear.hear(now, frame.audio.samples()));
    }
}

/// Reads one caption to its end.
async fn read(reader: TextStreamReader, scene: watch::Sender<Scene>) {
    let from = reader.info().from.as_str().to_owned();
    if let Ok(text) = reader.read_all().await {
        scene.send_modify(|scene| scene.captions.push((from, text)));
    }
}
