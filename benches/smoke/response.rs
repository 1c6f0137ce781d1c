//! How fast the agent answers and falls silent, with providers whose delays are known.
//!
//! As the peer was measured: 2.25 s of recorded speech, cut hard; recognition 50 ms after the end of speech; 20 tokens,
//! the first after 100 ms, then one every 10 ms; synthesis 50 ms after the first text; silence 0.3 s ends the turn.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use stella_agent::{
    AgentSession, BasicAgent, SessionEvent,
    testing::TokioTimer,
    transport::room::{RoomOptions, RoomTransport},
};
use stella_benches::{
    caller::Caller,
    figures::{Figure, median},
    rooms::Rooms,
};
use stella_core::{
    audio::AudioFormat,
    engine::{CloseReason, EndpointingMode, Event, Options, TurnLatency},
    testing::scripted::{ScriptedLlm, ScriptedStt, ScriptedText, ScriptedTts},
};
use stella_examples::clip::{Clip, WINDOW, audible};
use stella_providers::{runtime::Cache, silero::Silero};

/// How often the user asks, and talks over the answer.
const ROUNDS: usize = 8;
/// Length of what the user says.
const SPEECH: Duration = Duration::from_millis(2_250);
/// Where in the recording it is taken from: a sentence without a long pause.
const FROM: Duration = Duration::from_millis(1_450);
/// Silence that ends a turn.
const WAIT: Duration = Duration::from_millis(300);
/// Waits that are configured: silence, recognition, first token, first audio, less what may overlap in the peer (the
/// recognition runs while the silence is waited for).
const CONFIGURED: Duration = Duration::from_millis(450);
/// How long the answer is listened to before it is talked over.
const PATIENCE: Duration = Duration::from_millis(1_000);

/// Measures in a room of its own.
pub(crate) async fn measure(rooms: &Rooms, cache: &Cache) -> Result<Vec<Figure>> {
    let speech = speech(cache)?;
    let room = rooms.new_name();
    let session = session(cache)?;
    let (handle, mut events) = (session.handle(), session.handle().events());
    let token = rooms.token(&room, "agent")?;
    let transport = RoomTransport::connect(&rooms.url, &token, RoomOptions::default()).await?;
    let agent = tokio::spawn(session.run(transport));
    let (user, user_events) = rooms.join(&room, "user").await?;
    let mut user = Caller::new(user, user_events).await?;
    let entered = async {
        while !matches!(events.recv().await?, SessionEvent::Entered) {}
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(10), entered).await.context("the agent did not enter")??;
    let (mut responses, mut silences) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (_, last) = user.say(&speech).await?;
        user.until("the answer", |ear| ear.first_from(last).is_some()).await?;
        let first = user.heard(|ear| ear.first_from(last)).context("no answer")?;
        responses.push(ms(first - last));
        user.until("more of the answer", |ear| ear.audible_since(last) >= PATIENCE && ear.is_audible(Duration::ZERO))
            .await?;
        let (over, ended) = user.say(&speech).await?;
        let quiet = Duration::from_millis(300);
        let silent = user.heard(|ear| ear.last_within(over, ended)).context("the agent was silent before")?;
        if ended.saturating_duration_since(silent) < quiet {
            bail!("the agent did not fall silent while the user spoke");
        }
        silences.push(ms(silent - over));
        // The answer to that is heard to its end.
        user.until("the second answer", |ear| ear.audible_since(ended) >= PATIENCE).await?;
        user.until("its end", |ear| !ear.is_audible(Duration::from_millis(700))).await?;
    }
    let _ = handle.end(CloseReason::Completed, None, Duration::from_secs(1)).await;
    user.leave().await;
    let end = tokio::time::timeout(Duration::from_secs(5), agent).await.context("the agent did not leave")??;
    let end = end.context("the agent's session broke down")?;
    let interruptions = std::iter::from_fn(|| next(&mut events))
        .filter(|event| matches!(event, SessionEvent::Conversation { event: Event::Interrupted { .. }, .. }))
        .count();
    if interruptions < ROUNDS {
        bail!("of {ROUNDS} interruptions {interruptions} were noticed");
    }
    Ok(figures(responses, silences, &end.latencies))
}

fn next(events: &mut tokio::sync::broadcast::Receiver<SessionEvent>) -> Option<SessionEvent> {
    loop {
        match events.try_recv() {
            Ok(event) => return Some(event),
            Err(tokio::sync::broadcast::error::TryRecvError::Lagged(_)) => {}
            Err(_) => return None,
        }
    }
}

fn figures(responses: Vec<f64>, silences: Vec<f64>, latencies: &[TurnLatency]) -> Vec<Figure> {
    const AGENTS: &str = "livekit-agents 1.8.9";
    let (runs, turns) = (responses.len(), latencies.len());
    let worst = responses.iter().copied().fold(0.0, f64::max);
    let response = median(responses);
    let mut figures = vec![
        Figure::new("response: last voiced sample to first audible, at the user", response, "ms", runs)
            .beside(AGENTS, 704.0),
        Figure::new("response, slowest", worst, "ms", runs).beside("livekit-agents 1.8.9, p95", 745.0),
        Figure::new("response beyond the configured waits", response - ms(CONFIGURED), "ms", runs)
            .beside(AGENTS, 254.0),
        Figure::new("user starts to agent silent, at the user", median(silences), "ms", runs)
            .beside("livekit-agents 1.8.9, fastest setting", 224.0),
    ];
    if let Some(first) = latencies.first() {
        for (at, (owner, _)) in first.gaps().iter().enumerate() {
            let gap = median(latencies.iter().map(|latency| ms(latency.gaps()[at].1)).collect());
            figures.push(Figure::new(format!("stage of the response at the agent: {owner}"), gap, "ms", turns));
        }
        let sum = median(latencies.iter().map(|latency| ms(latency.response())).collect());
        figures.push(Figure::new("response at the agent: last voiced sample to first sent", sum, "ms", turns));
    }
    figures
}

fn session(cache: &Cache) -> Result<AgentSession> {
    let mut options = Options::default();
    options.endpointing.mode = EndpointingMode::Silence;
    options.endpointing.wait_complete = WAIT;
    options.endpointing.wait_unsure = WAIT;
    options.endpointing.wait_incomplete = WAIT;
    let timer = TokioTimer::start();
    let words = ScriptedText::constant("What is the weather like today?");
    let tts = ScriptedTts::new(timer.clone()).character(Duration::from_millis(35));
    AgentSession::builder()
        .vad(Arc::new(Silero::load(cache).context("run `cargo xtask setup speech`")?))
        .stt(Arc::new(ScriptedStt::new(timer.clone(), words)))
        .llm(Arc::new(ScriptedLlm::filler(timer, 20)))
        .tts(Arc::new(tts))
        .options(options)
        .agent(BasicAgent::default())
        .build()
        .context("the agent cannot be built")
}

/// Recorded speech that begins and ends within a word.
fn speech(cache: &Cache) -> Result<Arc<[i16]>> {
    let recorded = stella_agent::wav::read(&cache.audio("two_cities.wav")).context("run `cargo xtask setup speech`")?;
    let clip = Clip::new(&recorded);
    let format = AudioFormat::VOICE;
    let (from, length) = (format.samples(FROM) as usize, format.samples(SPEECH) as usize);
    let part = clip.samples.get(from..from + length).context("the recording is too short")?;
    // It was recorded softly.
    let loud: Vec<i16> = part.iter().map(|&s| s.saturating_mul(3)).collect();
    let ends = |window: Option<&[i16]>| window.is_some_and(audible);
    if !ends(loud.chunks(WINDOW).next()) || !ends(loud.rchunks(WINDOW).next()) {
        bail!("the recording does not speak where it should");
    }
    Ok(loud.into())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
