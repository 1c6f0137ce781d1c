//! What happens when somebody speaks, coughs or slams a door while the agent speaks: real speech over a speaking agent
//! in real rooms, measured in what the user hears.
//!
//! `cargo xtask bench bargein` starts the servers it needs and runs it.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod disturbances;
mod interruptions;
mod material;
mod rehearsed;
mod resumption;
mod sound;
mod stage;
mod summary;
mod tape;
mod words;

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use futures_util::future::try_join_all;
use stella_benches::{figures::Report, program, rooms::Rooms, server::Server};
use stella_core::tts::{Tts, TtsRequest};
use stella_examples::clip::Clip;
use stella_providers::{
    kokoro::{Kokoro, KokoroOptions},
    moonshine::Moonshine,
    runtime::Cache,
    silero::Silero,
    smart_turn::SmartTurn,
};

use self::{
    material::{Kind, Sound},
    rehearsed::Rehearsed,
    resumption::Undisturbed,
    stage::Cast,
};

/// Limit for the whole run.
const ALL_BY: Duration = Duration::from_secs(900);
/// The agent's voice.
const VOICE: &str = "af_heart";

/// What the agent tells: sentences without a pause inside, so that it is silent only when it was made to.
const STORY: [&str; 9] = [
    "The old lighthouse keeper climbed the narrow stairs every evening to light the great lamp above the harbour.",
    "He had lived on the island for the better part of his life and knew every rock along the northern coast.",
    "Late in the winter a heavy storm came up from the west and tore the shutters from the kitchen window.",
    "Far below him a small fishing boat was fighting its way through the waves towards the entrance of the bay.",
    "The keeper rang the brass bell until his arms were tired and the sailors heard it over the thunder.",
    "They turned their boat around the last black rock and reached the quiet water behind the stone wall.",
    "In the morning the village brought him bread and honey and a new blue coat with silver buttons.",
    "He thanked them and walked back up the hill because the lamp had to be cleaned before the next night.",
    "The children still sing about the light that never went out during the longest winter of the century.",
];

/// Measures how fast the agent falls silent for somebody who speaks, and whether it goes on for everything else.
#[derive(Debug, Parser)]
#[command(name = "bargein")]
struct Args {
    /// Write the figures as JSON to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Sounds of each kind that is no interruption
    #[arg(long, value_name = "N", default_value_t = 40)]
    disturbances: usize,
    /// Interruptions
    #[arg(long, value_name = "N", default_value_t = 60)]
    interruptions: usize,
    /// Rooms at the same time for interruptions, and for what is none
    #[arg(long, value_name = "N", num_args = 2, default_values_t = [2, 3])]
    rooms: Vec<usize>,
    /// Print what became of each sound, not only of those that were taken wrongly
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    server: Server,
}

fn main() -> ExitCode {
    let args = Args::parse();
    program::run(ALL_BY, run(&args))
}

async fn run(args: &Args) -> Result<()> {
    let report = Report::begin("bargein", "from the reference, not from this run");
    let rooms = Rooms::new(&args.server);
    let cache = Cache::from_env();
    let (kokoro, cast) = cast(&cache)?;
    println!("rehearsing the story and {} voices", material::VOICES.len());
    rehearse(&cast).await?;
    let interruptions = times(material::interruptions(&cache)?, args.interruptions);
    let disturbances = disturbances(&cache, &*kokoro, args.disturbances).await?;
    println!("{} interruptions, {} other sounds", interruptions.len(), disturbances.len());

    let story = STORY.join(" ");
    // What is said before it moves the second play to other packets: the same ones would be coded the same way.
    let shifted = format!("{} {story}", disturbances::ANSWER);
    let play = |text| disturbances::undisturbed(&rooms, &cast, text);
    let ((reference, length), (second, _)) =
        tokio::try_join!(play(&story), play(&shifted)).context("undisturbed play")?;
    let undisturbed = Undisturbed { reference, second };
    anyhow::ensure!(!undisturbed.are_alike(), "both undisturbed plays were coded alike: a control that cannot fail");
    println!("the story takes {:.1} s", length.as_secs_f64());
    let (rooms_over, rooms_beside) = (args.rooms[0].max(1), args.rooms[1].max(1));
    let over = shares(&interruptions, rooms_over);
    let beside = shares(&disturbances, rooms_beside);
    let over = try_join_all(over.iter().map(|sounds| interruptions::run(&rooms, &cast, &story, sounds)));
    let beside = try_join_all(beside.iter().map(|sounds| disturbances::run(&rooms, &cast, &story, length, sounds)));
    let (over, beside) = tokio::try_join!(over, beside)?;

    println!("listening to what was heard");
    let plays: Vec<_> = beside.into_iter().flatten().collect();
    let mut resumptions = Vec::new();
    for pair in plays.chunks(2) {
        let examined = try_join_all(pair.iter().map(|play| resumption::examine(&*cast.stt, &undisturbed, play)));
        resumptions.extend(examined.await?.into_iter().flatten());
    }
    let over: Vec<_> = over.into_iter().flatten().collect();
    let beside: Vec<_> = plays.into_iter().flat_map(|play| play.disturbances).collect();
    if args.each {
        summary::each(&over, &beside, &resumptions);
    } else {
        summary::wrong(&over, &beside, &resumptions);
    }
    report.end(summary::figures(&over, &beside, &resumptions), args.report.as_deref())
}

fn cast(cache: &Cache) -> Result<(Arc<dyn Tts>, Cast)> {
    let load = "run `cargo xtask setup speech`";
    let options = KokoroOptions { voice: VOICE.to_owned(), ..KokoroOptions::default() };
    let kokoro: Arc<dyn Tts> = Arc::new(Kokoro::load(cache, options).context(load)?);
    let cast = Cast {
        vad: Arc::new(Silero::load(cache).context(load)?),
        stt: Arc::new(Moonshine::load(cache).context(load)?),
        turn_detector: Arc::new(SmartTurn::load(cache).context(load)?),
        tts: Arc::new(Rehearsed::new(kokoro.clone())),
    };
    Ok((kokoro, cast))
}

/// Makes the takes of all sentences.
async fn rehearse(cast: &Cast) -> Result<()> {
    for sentence in STORY.iter().chain(&[disturbances::ANSWER]) {
        Clip::spoken(&*cast.tts, TtsRequest::new(*sentence)).await.context("rehearsal")?;
    }
    Ok(())
}

/// As many sounds of each kind, in turn.
async fn disturbances(cache: &Cache, tts: &dyn Tts, count: usize) -> Result<Vec<Sound>> {
    let kinds = [
        times(material::recorded(cache, Kind::Cough)?, count),
        times(material::recorded(cache, Kind::RecordedSign)?, count / 2),
        times(material::synthesised(tts).await?, count),
        times(material::recorded(cache, Kind::Door)?, count),
    ];
    Ok((0..count).flat_map(|n| kinds.iter().filter_map(move |kind| kind.get(n).cloned())).collect())
}

/// So many, again and again from the start if there are fewer.
fn times(sounds: Vec<Sound>, count: usize) -> Vec<Sound> {
    let length = sounds.len();
    sounds.into_iter().cycle().take(if length == 0 { 0 } else { count }).collect()
}

/// The sounds of each room.
fn shares(sounds: &[Sound], rooms: usize) -> Vec<Vec<Sound>> {
    (0..rooms).map(|room| sounds.iter().skip(room).step_by(rooms).cloned().collect()).collect()
}
