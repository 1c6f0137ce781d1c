//! The figures of a run.

use std::{collections::BTreeMap, time::Duration};

use stella_benches::figures::{Figure, median, percentile};

use super::{disturbances::Disturbance, interruptions::Interruption, material::Kind, resumption::Resumption, tape::ms};

/// Sound that may seem to be missing where nothing was: what the alignment cannot tell, in milliseconds.
const EXACT: f64 = 10.0;

/// All figures.
pub(crate) fn figures(over: &[Interruption], beside: &[Disturbance], resumptions: &[Resumption]) -> Vec<Figure> {
    const AGENTS: &str = "livekit-agents 1.8.9, default";
    const FASTEST: &str = "livekit-agents 1.8.9, fastest setting (every cough then stops it)";
    let silences: Vec<f64> = over.iter().filter_map(|i| i.silence).map(milliseconds).collect();
    let runs = silences.len();
    let p95 = percentile(&silences, 0.95);
    let missed = over.iter().filter(|i| !i.committed).count();
    let mut figures = vec![
        Figure::new("user starts to agent silent, at the user, median", median(silences), "ms", runs)
            .beside(AGENTS, 658.0),
        Figure::new("user starts to agent silent, at the user, p95", p95, "ms", runs).beside(AGENTS, 681.0),
        Figure::new("the same beside the peer's fastest", p95, "ms", runs).beside(FASTEST, 254.0),
        Figure::new("interruptions that were not committed", share(missed, over.len()), "%", over.len()),
    ];
    let mut kinds: BTreeMap<Kind, Vec<&Disturbance>> = BTreeMap::new();
    for disturbance in beside {
        kinds.entry(disturbance.kind).or_default().push(disturbance);
    }
    for (kind, all) in &kinds {
        let interrupted = all.iter().filter(|d| d.interrupted).count();
        let held: Vec<f64> = all.iter().filter_map(|d| d.silence.as_ref()).map(|s| ms(s.len())).collect();
        let name = kind.name();
        figures.push(Figure::new(format!("{name}: not resumed"), share(interrupted, all.len()), "%", all.len()));
        figures.push(Figure::new(format!("{name}: held for a moment"), share(held.len(), all.len()), "%", all.len()));
        let runs = held.len();
        figures.push(Figure::new(format!("{name}: silence of a hold, median"), median(held), "ms", runs));
    }
    let interrupted = beside.iter().filter(|d| d.interrupted).count();
    figures.push(Figure::new(
        "all that is no interruption: not resumed",
        share(interrupted, beside.len()),
        "%",
        beside.len(),
    ));
    let count = resumptions.len();
    let with = |fits: &dyn Fn(&Resumption) -> bool| share(resumptions.iter().filter(|r| fits(r)).count(), count);
    let jumps: Vec<f64> = resumptions.iter().filter_map(|r| r.jump).collect();
    let lost: Vec<f64> = resumptions.iter().filter_map(|r| r.lost).map(milliseconds).collect();
    let most = lost.iter().copied().fold(0.0, f64::max);
    figures.extend([
        Figure::new(
            "resumptions with a word lost, as recognised",
            with(&|r| !r.differences.lost.is_empty()),
            "%",
            count,
        ),
        Figure::new(
            "resumptions with a word repeated, as recognised",
            with(&|r| !r.differences.repeated.is_empty()),
            "%",
            count,
        ),
        Figure::new(
            "resumptions with a word that was not said, as recognised",
            with(&|r| !r.differences.pieces.is_empty()),
            "%",
            count,
        ),
        Figure::new(
            "the same check, of a play without a hold: a word lost",
            with(&|r| !r.control.lost.is_empty()),
            "%",
            count,
        ),
        Figure::new(
            "the same: a word repeated, or not said",
            with(&|r| !r.control.repeated.is_empty() || !r.control.pieces.is_empty()),
            "%",
            count,
        ),
        Figure::new("the same, with 0.3 s cut out on purpose: noticed", with(&|r| r.notices_loss), "%", count),
        Figure::new(
            "the same, with 0.4 s more than a cut word said twice: noticed",
            with(&|r| r.notices_repetition),
            "%",
            count,
        ),
        Figure::new("as heard, silence and all: a word lost", with(&|r| r.lost_as_heard > 0), "%", count),
        Figure::new("the same, had it gone on at the very sample", with(&|r| r.lost_at_the_sample > 0), "%", count),
        Figure::new("the cut word's beginning is recognised as a word too", with(&|r| r.doubled), "%", count),
        Figure::new("resumptions whose sound could not be aligned", with(&|r| r.jump.is_none()), "%", count),
        Figure::new("sound lost at a resumption, the most", if most < EXACT { 0.0 } else { most }, "ms", lost.len()),
        Figure::new(
            "sound heard twice, median",
            median(jumps.iter().map(|jump| (-jump).max(0.0)).collect()),
            "ms",
            jumps.len(),
        ),
    ]);
    figures
}

/// Prints what became of each sound.
pub(crate) fn each(over: &[Interruption], beside: &[Disturbance], resumptions: &[Resumption]) {
    over.iter().for_each(interruption);
    beside.iter().for_each(disturbance);
    resumptions.iter().for_each(resumption);
}

/// Prints the interruptions that were missed and the other sounds that stopped the agent, with the words understood; and
/// the resumptions in which other words were recognised, with where the sound went on.
pub(crate) fn wrong(over: &[Interruption], beside: &[Disturbance], resumptions: &[Resumption]) {
    over.iter().filter(|i| !i.committed).for_each(interruption);
    beside.iter().filter(|d| d.interrupted).for_each(disturbance);
    resumptions.iter().filter(|r| r.differences.count() > 0).for_each(resumption);
}

fn resumption(r: &Resumption) {
    let jump = r.jump.map_or("?".into(), |jump| format!("{jump:+.0} ms"));
    let d = &r.differences;
    println!(
        "{:<44} silent {:>5.0} ms, on at {jump:>8}  lost {:?} repeated {:?} new {:?}{}",
        r.sound,
        milliseconds(r.silence),
        d.lost,
        d.repeated,
        d.pieces,
        if r.doubled { "  the cut word twice" } else { "" }
    );
}

fn interruption(i: &Interruption) {
    let silence = i.silence.map_or("-".into(), |s| format!("{:.0} ms", milliseconds(s)));
    let fate = if i.committed { "committed" } else { "MISSED" };
    println!("{:<44} {silence:>8}  {fate:<10} {:?}", i.sound, i.heard);
}

fn disturbance(d: &Disturbance) {
    let silence = d.silence.as_ref().map_or("-".into(), |s| format!("{:.0} ms", ms(s.len())));
    let fate = if d.interrupted { "STOPPED" } else { "went on" };
    println!("{:<44} {silence:>8}  {fate:<10} {:?}", d.sound, d.heard);
}

fn share(part: usize, all: usize) -> f64 {
    part as f64 * 100.0 / all.max(1) as f64
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
