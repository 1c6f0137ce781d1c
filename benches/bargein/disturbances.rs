//! Sounds over the agent that are no interruptions: coughs, doors, signs of listening.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use stella_benches::rooms::Rooms;
use stella_core::{
    engine::{Event, ReplyEnd},
    testing::scripted::{ScriptedLlm, ScriptedText},
};
use stella_examples::ear::Ear;

use super::{
    material::{Kind, Sound},
    stage::{Cast, Stage},
    tape::Heard,
};

/// How long the agent is listened to before the next sound, the shortest and in steps.
const PATIENCE: Duration = Duration::from_millis(1_300);
const STEP: Duration = Duration::from_millis(130);
const STEPS: u32 = 6;
/// Speech of the agent that must be left for a sound, so that it can go on after it.
const LEFT: Duration = Duration::from_secs(4);
/// Longest wait for anything.
const SOON: Duration = Duration::from_secs(10);
/// After a hold or a resumption was told, it is heard before that.
const ON_THE_WAY: Duration = Duration::from_millis(150);
/// After a sound nothing more is to be expected, if no voice was noticed.
const UNNOTICED: Duration = Duration::from_millis(500);

/// What the agent says to a sound that it took for a turn.
pub(crate) const ANSWER: &str = "All right.";

/// What became of one sound.
#[derive(Debug, Clone)]
pub(crate) struct Disturbance {
    pub(crate) kind: Kind,
    pub(crate) sound: String,
    /// Whether the agent gave up its reply.
    pub(crate) interrupted: bool,
    /// What was recognised.
    pub(crate) heard: String,
    /// The silence in what the user heard, in samples of the reply's tape; `None` without a hold.
    pub(crate) silence: Option<Range<usize>>,
}

/// One reply as it was heard, with what was done to it.
#[derive(Debug, Default)]
pub(crate) struct Play {
    pub(crate) heard: Heard,
    pub(crate) disturbances: Vec<Disturbance>,
}

/// Disturbs the agent with one sound after the other while it tells its story, as often as needed.
pub(crate) async fn run(
    rooms: &Rooms,
    cast: &Cast,
    story: &str,
    length: Duration,
    sounds: &[Sound],
) -> Result<Vec<Play>> {
    let timer = stella_agent::testing::TokioTimer::start();
    let llm = ScriptedLlm::new(timer, ScriptedText::constant(ANSWER));
    let mut stage = Stage::open(rooms, cast, Arc::new(llm)).await?;
    let mut plays = Vec::new();
    let mut next = 0;
    while next < sounds.len() {
        let (play, done) = tell(&mut stage, story, length, &sounds[next..], next).await?;
        next += done;
        plays.push(play);
    }
    stage.close().await?;
    Ok(plays)
}

/// One undisturbed play, and how long it was audible.
pub(crate) async fn undisturbed(rooms: &Rooms, cast: &Cast, story: &str) -> Result<(Heard, Duration)> {
    let timer = stella_agent::testing::TokioTimer::start();
    let mut stage = Stage::open(rooms, cast, Arc::new(ScriptedLlm::filler(timer, 1))).await?;
    let start = Instant::now();
    stage.handle.say(story).await?;
    ended(&mut stage, start).await?;
    let length = stage.user.heard(|ear| ear.audible_since(start));
    let heard = stage.tape.take();
    stage.close().await?;
    Ok((heard, length))
}

/// Lets the agent tell the story once, with as many sounds as fit; returns how many.
async fn tell(
    stage: &mut Stage,
    story: &str,
    length: Duration,
    sounds: &[Sound],
    first: usize,
) -> Result<(Play, usize)> {
    stage.tape.take();
    let start = Instant::now();
    stage.handle.say(story).await?;
    let mut marks = Vec::new();
    let mut since = start;
    let mut count = 0;
    for (n, sound) in sounds.iter().enumerate() {
        let patience = PATIENCE + STEP * ((first + n) as u32 % STEPS);
        let ready = |ear: &Ear| ear.audible_since(since) >= patience && ear.is_audible(Duration::ZERO);
        let over = |ear: &Ear| ear.audible_since(start) + LEFT > length;
        stage.user.until("the story", |ear| ready(ear) || over(ear)).await?;
        if stage.user.heard(|ear| over(ear)) {
            break;
        }
        let mark = disturb(stage, sound).await.with_context(|| sound.name.clone())?;
        count += 1;
        since = Instant::now();
        let interrupted = mark.interrupted;
        marks.push(mark);
        if interrupted {
            break;
        }
    }
    ended(stage, start).await?;
    if marks.last().is_some_and(|mark| mark.interrupted) {
        // What was taken for a turn is answered.
        let answered = |e: &Event| matches!(e, Event::ReplyEnded { end: ReplyEnd::Finished, .. });
        let at = marks.last().map_or(start, |mark| mark.first);
        let _ = stage.until(SOON, |told| told.when(at, answered).is_some()).await;
    }
    let heard = stage.tape.take();
    let disturbances = marks.into_iter().map(|mark| mark.locate(&heard)).collect();
    Ok((Play { heard, disturbances }, count))
}

/// What became of one sound, by the clock.
struct Mark {
    kind: Kind,
    sound: String,
    first: Instant,
    interrupted: bool,
    heard: String,
    held: Option<Instant>,
    resumed: Option<Instant>,
}

impl Mark {
    fn locate(self, heard: &Heard) -> Disturbance {
        let silence = self.held.zip(self.resumed).filter(|_| !self.interrupted).and_then(|(held, resumed)| {
            let from = heard.audible_before(heard.position(held + ON_THE_WAY));
            Some(from..heard.audible_from(heard.position(resumed))?)
        });
        let Self { kind, sound, interrupted, heard, .. } = self;
        Disturbance { kind, sound, interrupted, heard, silence }
    }
}

async fn disturb(stage: &mut Stage, sound: &Sound) -> Result<Mark> {
    let (first, last) = stage.user.say(&sound.samples).await?;
    let interrupted = |event: &Event| matches!(event, Event::Interrupted { .. });
    let decided = stage.until(SOON, |told| {
        let unnoticed = Instant::now() > last + UNNOTICED && !told.is_weighing(first);
        let noticed = told.when(first, |e| matches!(e, Event::Discarded { .. } | Event::TurnCommitted { .. }));
        unnoticed || told.when(first, interrupted).is_some() || (noticed.is_some() && !told.is_weighing(first))
    });
    tokio::select! {
        decided = decided => decided?,
        // Nothing may be told any more if no voice was noticed.
        () = tokio::time::sleep_until((last + UNNOTICED * 2).into()) => {}
    }
    if stage.told(|told| told.is_weighing(first)) {
        stage.until(SOON, |told| !told.is_weighing(first) || told.when(first, interrupted).is_some()).await?;
    }
    Ok(stage.told(|told| {
        let held = told.when(first, |e| matches!(e, Event::Overlap { .. }));
        let text = |event: &Event| match event {
            Event::UserTranscript { text, .. } | Event::Discarded { text, .. } => Some(text.clone()),
            _ => None,
        };
        Mark {
            kind: sound.kind,
            sound: sound.name.clone(),
            first,
            interrupted: told.when(first, interrupted).is_some(),
            heard: told.since(first).filter_map(|(_, event)| text(event)).last().unwrap_or_default(),
            held,
            resumed: held.and_then(|held| told.when(held, |e| matches!(e, Event::FalseInterruption { .. }))),
        }
    }))
}

/// Waits until the reply that was begun since a moment is over, and silent.
async fn ended(stage: &mut Stage, since: Instant) -> Result<()> {
    let over = |event: &Event| matches!(event, Event::ReplyEnded { .. });
    stage.until(Duration::from_secs(150), |told| told.when(since, over).is_some()).await?;
    stage.user.until("silence", |ear| !ear.is_audible(Duration::from_millis(300))).await
}
