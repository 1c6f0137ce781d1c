//! Whether anything was lost or said twice where the agent went on: by comparing what was heard with an undisturbed
//! play of the same story, once sample by sample, once word by word as a recogniser understands it.
//!
//! The word that was cut is said again from its beginning. What was heard of it before the silence is left out for the
//! comparison by words, because a recogniser has to make something of it; how often it makes a word is told by itself.

use std::{ops::Range, time::Duration};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    id::UtteranceId,
    stt::{Stt, SttEventKind, SttOptions},
};

use super::{
    clip::{FORMAT, WINDOW, audible, resample},
    disturbances::Play,
    tape::{Heard, ms, samples},
    words::Differences,
};

/// Sound on either side of a silence that is compared.
const TEMPLATE: Duration = Duration::from_millis(500);
/// How far from where it is expected it is looked for.
const REACH: Duration = Duration::from_millis(1_500);
/// What is given to the recogniser on either side, at most.
const SIDE: Duration = Duration::from_millis(3_500);
/// How far an end of that may be moved to a quiet place, so that no word is cut.
const QUIET: Duration = Duration::from_millis(350);
/// Every so many samples are compared: 8 kHz is enough to find a place to an eighth of a millisecond.
const SKIP: usize = 3;

/// One resumption.
#[derive(Debug, Clone)]
pub(crate) struct Resumption {
    pub(crate) sound: String,
    /// How long the agent was silent.
    pub(crate) silence: Duration,
    /// Where it went on, in the story, less where it had stopped, in milliseconds: below zero sound was heard twice,
    /// above zero some was lost. `None` if the places were not found.
    pub(crate) jump: Option<f64>,
    /// Audible sound between the two places, which was never heard; `None` if they were not found.
    pub(crate) lost: Option<Duration>,
    /// What a recogniser understood otherwise, but for the beginning of the cut word.
    pub(crate) differences: Differences,
    /// Whether it makes a word of that beginning.
    pub(crate) doubled: bool,
}

/// Looks at every resumption of a play. `reference` is the undisturbed play.
pub(crate) async fn examine(stt: &dyn Stt, reference: &Heard, play: &Play) -> Result<Vec<Resumption>> {
    let heard = &play.heard;
    let Some(start) = heard.audible_from(0).zip(reference.audible_from(0)) else { return Ok(Vec::new()) };
    // Where the story goes on, here and in the reference, at the beginning of each stretch.
    let (mut here, mut there) = start;
    let silences: Vec<_> = play.disturbances.iter().filter_map(|d| Some((d, d.silence.clone()?))).collect();
    let mut results = Vec::new();
    for (n, (disturbance, silence)) in silences.iter().enumerate() {
        let next = silences.get(n + 1).map_or(heard.samples.len(), |(_, next)| next.start);
        let stopped = find(
            heard,
            silence.start.saturating_sub(samples(TEMPLATE))..silence.start,
            reference,
            there + (silence.start - here),
        );
        let stopped = stopped.map(|at| at + samples(TEMPLATE));
        let from = find(
            heard,
            silence.end..(silence.end + samples(TEMPLATE)).min(next),
            reference,
            stopped.unwrap_or(there + (silence.start - here)),
        );
        let jump = from.zip(stopped).map(|(from, stopped)| ms(from) - ms(stopped));
        let (at, on) = (stopped.unwrap_or(there + silence.start - here), from.unwrap_or(there + silence.start - here));
        // The same stretch of the story: as it was heard, and undisturbed: in one piece, with the same silence at the
        // quietest place, and with it where the agent went on. All three are understood a little differently.
        let before = quiet_before(heard, silence.start.saturating_sub(samples(SIDE)).max(here), silence.start);
        let after = quiet_after(heard, (silence.end + samples(SIDE)).min(next), silence.end);
        let begin = at.saturating_sub(silence.start - before);
        let end = (on + (after - silence.end)).min(reference.samples.len());
        let undisturbed = &reference.samples[begin.min(end)..end];
        let spoken = recognise(stt, undisturbed).await?;
        let on_at = on.saturating_sub(begin).min(undisturbed.len());
        let paused = recognise(stt, &with_pause(undisturbed, quiet_near(undisturbed, on_at), silence.len())).await?;
        let exact = recognise(stt, &with_pause(undisturbed, on_at, silence.len())).await?;
        let references = [spoken.as_str(), &paused, &exact];
        let cut = silence.start.saturating_sub(at.saturating_sub(on)).max(before);
        let once = [&heard.samples[before..cut], &vec![0; silence.len()], &heard.samples[silence.end..after]].concat();
        let differences = Differences::between(&references, &recognise(stt, &once).await?);
        let all = Differences::between(&references, &recognise(stt, &heard.samples[before..after]).await?);
        results.push(Resumption {
            sound: disturbance.sound.clone(),
            silence: FORMAT.duration(silence.len() as u64),
            jump,
            lost: from.zip(stopped).map(|(from, stopped)| audible_between(reference, stopped, from)),
            doubled: all.count() > differences.count(),
            differences,
        });
        (here, there) = (silence.end, on);
    }
    Ok(results)
}

/// How much of a stretch of the story can be heard.
fn audible_between(reference: &Heard, from: usize, to: usize) -> Duration {
    let stretch = reference.samples.get(from..to).unwrap_or_default();
    let windows = stretch.chunks_exact(WINDOW).filter(|window| audible(window)).count();
    FORMAT.duration((windows * WINDOW) as u64)
}

/// Where a piece of what was heard lies in the reference, near `expected`; `None` if it is nowhere like it.
fn find(heard: &Heard, piece: Range<usize>, reference: &Heard, expected: usize) -> Option<usize> {
    let template: Vec<f64> = heard.samples.get(piece)?.iter().step_by(SKIP).map(|&s| f64::from(s)).collect();
    let energy: f64 = template.iter().map(|s| s * s).sum();
    if template.len() < samples(TEMPLATE) / SKIP / 2 || energy < 1.0 {
        return None;
    }
    let from = expected.saturating_sub(samples(REACH)) / SKIP * SKIP;
    let to = (expected + samples(REACH)).min(reference.samples.len());
    let story: Vec<f64> = reference.samples.get(from..to)?.iter().step_by(SKIP).map(|&s| f64::from(s)).collect();
    let likeness = |window: &[f64]| {
        let (mut product, mut own) = (0.0, 0.0);
        for (a, b) in window.iter().zip(&template) {
            product += a * b;
            own += a * a;
        }
        product / (own * energy).sqrt().max(1.0)
    };
    let best = story.windows(template.len()).map(likeness).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
    best.filter(|(_, likeness)| *likeness > 0.6).map(|(n, _)| from + n * SKIP)
}

/// A quiet place not far behind `from`, and before `limit`.
fn quiet_before(heard: &Heard, from: usize, limit: usize) -> usize {
    quietest(&heard.samples, from..(from + samples(QUIET)).min(limit)).unwrap_or(from)
}

/// A quiet place not far before `to`, and behind `limit`.
fn quiet_after(heard: &Heard, to: usize, limit: usize) -> usize {
    quietest(&heard.samples, to.saturating_sub(samples(QUIET)).max(limit)..to).unwrap_or(to)
}

/// The middle of the quietest 20 ms of a stretch.
fn quietest(samples: &[i16], range: Range<usize>) -> Option<usize> {
    let size = WINDOW * 4;
    let energy = |at: usize| samples[at..at + size].iter().map(|&s| f64::from(s) * f64::from(s)).sum::<f64>();
    let starts = range.clone().step_by(WINDOW / 2).filter(|at| at + size <= range.end && at + size <= samples.len());
    let best = starts.map(|at| (at, energy(at))).min_by(|a, b| a.1.total_cmp(&b.1));
    best.map(|(at, _)| at + size / 2)
}

/// The quietest place around `at`.
fn quiet_near(story: &[i16], at: usize) -> usize {
    let reach = samples(QUIET);
    quietest(story, at.saturating_sub(reach)..(at + reach).min(story.len())).unwrap_or(at)
}

/// The story with a silence at a place.
fn with_pause(story: &[i16], at: usize, silence: usize) -> Vec<i16> {
    [&story[..at], &vec![0; silence], &story[at..]].concat()
}

/// What a recogniser understands.
pub(crate) async fn recognise(stt: &dyn Stt, heard: &[i16]) -> Result<String> {
    if !heard.chunks(WINDOW).any(audible) {
        return Ok(String::new());
    }
    let heard = resample(heard, FORMAT.sample_rate(), AudioFormat::SPEECH.sample_rate());
    let mut session = stt.open(&SttOptions::default()).await?;
    session.input.start(UtteranceId(1));
    for part in heard.chunks(16_000) {
        session.input.push(&AudioFrame::new(AudioFormat::SPEECH, part.to_vec())?)?;
    }
    session.input.checkpoint(1);
    while let Some(event) = session.events.next().await {
        let event = event?;
        if matches!(event.kind, SttEventKind::Final { .. }) {
            return Ok(event.text);
        }
    }
    None.context("the recogniser gave no answer")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_piece_is_found_to_the_millisecond() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 18) as i16 - 8_192
        };
        let heard_as = |samples: Vec<i16>| {
            let mut heard = Heard::default();
            heard.samples = samples;
            heard
        };
        let reference = heard_as((0..96_000).map(|_| noise()).collect());
        let heard = heard_as(reference.samples[30_000..60_000].to_vec());
        assert_eq!(find(&heard, 3_000..15_000, &reference, 40_000), Some(33_000));
        let other = heard_as((0..96_000).map(|_| noise()).collect());
        assert_eq!(find(&heard, 3_000..15_000, &other, 40_000), None);
        assert_eq!(Heard::default().position(Instant::now()), 0);
    }
}
