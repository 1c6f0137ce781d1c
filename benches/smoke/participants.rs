//! What a participant costs: memory and processor time of many in one process.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use stella_benches::{
    figures::Figure,
    machine::{cpu, memory_kb, threads},
    rooms::{Rooms, leave},
};
use stella_core::audio::{AudioFormat, AudioFrame};
use stella_rtc::{AudioPublishOptions, AudioSink, EventStream, RtcEvent, RtcSession};
use tokio::{sync::watch, task::JoinSet, time::Instant};

/// How many participants there are, step by step. From two on, two share a room and hear each other.
const STEPS: [usize; 3] = [1, 10, 20];
/// How long processor time is counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Time for connections and memory to come to rest.
const REST: Duration = Duration::from_secs(2);

/// One participant: it publishes a microphone, and hears everybody else as 16 kHz speech.
struct Participant {
    session: Arc<dyn RtcSession>,
    _tasks: JoinSet<()>,
}

/// What a number of participants took.
struct Step {
    count: f64,
    memory_kb: f64,
    threads: usize,
    silent: f64,
    speaking: f64,
}

/// Memory and processor time of each participant, silent and speaking. The server is not counted.
pub(crate) async fn measure(rooms: &Rooms) -> Result<Vec<Figure>> {
    let before = memory_kb()?;
    let (speak, speaking) = watch::channel(false);
    let mut people: Vec<Participant> = Vec::new();
    let mut steps = Vec::new();
    let mut room = rooms.new_name();
    for count in STEPS {
        while people.len() < count {
            if people.len().is_multiple_of(2) {
                room = rooms.new_name();
            }
            people.push(join(rooms, &room, people.len(), speaking.clone()).await?);
        }
        tokio::time::sleep(REST).await;
        let silent = share().await?;
        speak.send_replace(true);
        tokio::time::sleep(REST).await;
        let talking = share().await?;
        let (memory_kb, threads) = (memory_kb()? - before, threads());
        speak.send_replace(false);
        steps.push(Step { count: count as f64, memory_kb, threads, silent, speaking: talking });
    }
    for person in &people {
        leave(&person.session).await;
    }
    figures(&steps, before)
}

fn figures(steps: &[Step], before: f64) -> Result<Vec<Figure>> {
    const BARE: &str = "bare Python livekit SDK";
    const AGENTS: &str = "livekit-agents 1.8.9, a call";
    let mut figures = vec![
        Figure::new("memory of the process before the first participant", before / 1_024.0, "MB PSS", 1)
            .beside("bare Python livekit SDK, loaded", 50.8),
    ];
    for step in steps {
        let name = |what: &str| format!("{what}, {} in the process", step.count);
        let memory = step.memory_kb / step.count / 1_024.0;
        figures.push(Figure::new(name("memory of a participant, mean"), memory, "MB PSS", 1).beside(AGENTS, 35.0));
        figures.push(Figure::new(name("processor time, silent"), step.silent * 60.0 / step.count, "s/min", 1));
        figures.push(Figure::new(name("processor time, speaking"), step.speaking * 60.0 / step.count, "s/min", 1));
    }
    let (first, last) = steps.first().zip(steps.last()).context("no participants were measured")?;
    let more = last.count - first.count;
    let each = |of: fn(&Step) -> f64| (of(last) - of(first)) / more;
    let memory = Figure::new("memory of each further participant", each(|s| s.memory_kb) / 1_024.0, "MB PSS", 1);
    let silent = Figure::new("processor time of each further, silent", each(|s| s.silent) * 60.0, "s/min", 1);
    let speaking = Figure::new("processor time of each further, speaking", each(|s| s.speaking) * 60.0, "s/min", 1);
    figures.extend([
        memory.beside(BARE, 2.5),
        silent.beside(BARE, 2.3),
        speaking.beside(AGENTS, 9.15),
        Figure::new("threads of each further participant", each(|s| s.threads as f64), "threads", 1).beside(BARE, 2.0),
    ]);
    Ok(figures)
}

/// Share of a core that this process takes.
async fn share() -> Result<f64> {
    let (start, used) = (Instant::now(), cpu()?);
    tokio::time::sleep(WINDOW).await;
    Ok((cpu()? - used).as_secs_f64() / start.elapsed().as_secs_f64())
}

async fn join(rooms: &Rooms, room: &str, number: usize, speaking: watch::Receiver<bool>) -> Result<Participant> {
    let (session, events) = rooms.join(room, &format!("p{number}")).await?;
    let options = AudioPublishOptions { queue_limit: Duration::from_millis(60), ..AudioPublishOptions::default() };
    let sink = session.publish_audio(options).await.context("cannot publish")?;
    let mut tasks = JoinSet::new();
    tasks.spawn(talk(sink, speaking));
    tasks.spawn(listen(session.clone(), events));
    Ok(Participant { session, _tasks: tasks })
}

/// Hums whenever it is time to speak.
async fn talk(sink: Arc<dyn AudioSink>, mut speaking: watch::Receiver<bool>) {
    let hum: Vec<AudioFrame> = (0..50).filter_map(|n| AudioFrame::new(AudioFormat::VOICE, hum(n)).ok()).collect();
    while speaking.wait_for(|speaking| *speaking).await.is_ok() {
        for frame in &hum {
            if sink.push(frame.clone()).await.is_err() {
                return;
            }
        }
    }
}

/// 20 ms of a sound with the overtones and the rise and fall of speech, the `n`th of a second.
fn hum(n: usize) -> Vec<i16> {
    (0..480)
        .map(|m| {
            let t = (n * 480 + m) as f64 / 24_000.0;
            let voice: f64 =
                (1..=12).map(|k| (t * 130.0 * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k)).sum();
            (voice * (t * 4.0 * std::f64::consts::PI).sin().abs() * 6_000.0) as i16
        })
        .collect()
}

/// Decodes everybody else and throws it away.
async fn listen(session: Arc<dyn RtcSession>, mut events: EventStream) {
    let mut tasks = JoinSet::new();
    while let Some(event) = events.recv().await {
        if let RtcEvent::TrackSubscribed { track, .. } = event
            && let Ok(mut stream) = session.audio_stream(&track.sid, AudioFormat::SPEECH)
        {
            tasks.spawn(async move { while stream.next().await.is_some() {} });
        }
    }
}
