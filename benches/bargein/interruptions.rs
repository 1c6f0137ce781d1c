//! The user takes the floor while the agent speaks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use stella_benches::rooms::Rooms;
use stella_core::{
    engine::{AgentState, Event, ReplyEnd},
    testing::scripted::{ScriptedLlm, ScriptedText},
};

use super::{
    material::Sound,
    stage::{Cast, Stage},
};

/// How long the agent is listened to before it is talked over, the shortest and in steps.
const PATIENCE: Duration = Duration::from_millis(1_100);
const STEP: Duration = Duration::from_millis(170);
const STEPS: u32 = 7;
/// Longest wait for anything.
const SOON: Duration = Duration::from_secs(10);

/// What became of an interruption.
#[derive(Debug, Clone)]
pub(crate) struct Interruption {
    pub(crate) sound: String,
    /// From the first sample of the user to the last audible one of the agent, at the user; `None` if the agent made a
    /// pause of its own just then.
    pub(crate) silence: Option<Duration>,
    /// Whether the agent gave up its reply.
    pub(crate) committed: bool,
    /// What was recognised.
    pub(crate) heard: String,
}

/// Talks over the agent with one sound after the other; each is answered with `story`, which is talked over in turn.
pub(crate) async fn run(rooms: &Rooms, cast: &Cast, story: &str, sounds: &[Sound]) -> Result<Vec<Interruption>> {
    let timer = stella_agent::testing::TokioTimer::start();
    let llm = ScriptedLlm::new(timer, ScriptedText::constant(story)).pace(Duration::from_millis(2));
    let mut stage = Stage::open(rooms, cast, Arc::new(llm)).await?;
    let mut results = Vec::new();
    let mut since = Instant::now();
    stage.handle.say(story).await?;
    for (n, sound) in sounds.iter().enumerate() {
        let patience = PATIENCE + STEP * (n as u32 % STEPS);
        let speaks =
            stage.user.until("a story", |ear| ear.audible_since(since) >= patience && ear.is_audible(Duration::ZERO));
        if speaks.await.is_err() {
            // What was said was no turn, or not answered: the agent begins anew.
            since = Instant::now();
            stage.handle.say(story).await?;
            let again = stage
                .user
                .until("a story", |ear| ear.audible_since(since) >= patience && ear.is_audible(Duration::ZERO));
            again.await.context("the agent does not speak")?;
        }
        let (result, last) = interrupt(&mut stage, sound).await.with_context(|| sound.name.clone())?;
        results.push(result);
        since = last;
    }
    stage.close().await?;
    Ok(results)
}

async fn interrupt(stage: &mut Stage, sound: &Sound) -> Result<(Interruption, Instant)> {
    let (over, last) = stage.user.say(&sound.samples).await?;
    let decided = |event: &Event| matches!(event, Event::Interrupted { .. } | Event::ReplyEnded { .. });
    let settled = stage
        .until(SOON, |told| {
            let now = Instant::now();
            told.when(over, decided).is_some() || (now > last + Duration::from_secs(3) && !told.is_weighing(over))
        })
        .await;
    let committed = stage.told(|told| {
        told.since(over).any(|(_, event)| {
            matches!(event, Event::Interrupted { .. } | Event::ReplyEnded { end: ReplyEnd::Interrupted, .. })
        })
    });
    settled?;
    // Who pauses in mid-phrase may be answered before they go on: that the answer is heard is no fault.
    let answered = stage.told(|told| {
        let given_up = told.when(over, |event| matches!(event, Event::Interrupted { .. }))?;
        told.when(given_up, |event| matches!(event, Event::AgentState(AgentState::Speaking)))
    });
    let until = answered.map_or(last, |answered| answered.min(last));
    let silent = stage.user.heard(|ear| ear.last_within(over, until));
    let heard = stage.told(|told| {
        let text = |event: &Event| match event {
            Event::UserTranscript { text, is_final: true, .. } => Some(text.clone()),
            Event::Discarded { text, reason, .. } => Some(format!("({reason:?}: {text})")),
            _ => None,
        };
        told.since(over).filter_map(|(_, event)| text(event)).collect::<Vec<_>>().join(" ")
    });
    let silence = silent.map(|silent| silent.saturating_duration_since(over));
    Ok((Interruption { sound: sound.name.clone(), silence, committed, heard }, last))
}
