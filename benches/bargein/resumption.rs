//! Whether anything was lost or said twice where the agent went on: by comparing what was heard with an undisturbed
//! play of the same story, once sample by sample, once word by word as a recogniser understands it.
//!
//! A recogniser understands the same words a little otherwise for every change of what is around them. So each place is
//! read several times, with more and less around it, and a word counts as lost, or as said twice, only if every reading
//! says so, beside the undisturbed play with the same pause at the same place. One of the readings leaves the silence out:
//! if no sound is missing, both sides are then joined as they were before, and what a recogniser makes of a silence in the
//! middle of a word is no loss. What that check is worth is measured with it: the same of a second undisturbed play,
//! coded in other packets, where nothing is to be found (*control*); of one with a piece of a word cut out, and of one
//! with a piece said before the silence and again behind it, which are to be found.
//!
//! The word that was cut is said again from its beginning. What was heard of it before the silence, no more than the longest
//! word takes, is left out for the comparison by words, because a recogniser has to make something of it; how often it
//! makes a word is told by itself.

use std::{ops::Range, time::Duration};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    id::UtteranceId,
    stt::{Stt, SttEventKind, SttOptions},
};
use stella_examples::clip::{FORMAT, WINDOW, audible, level, resample};

use super::{
    disturbances::Play,
    tape::{Heard, ms, samples},
    words::Differences,
};

/// Sound on either side of a silence that is compared.
const TEMPLATE: Duration = Duration::from_millis(500);
/// How far from where it is expected it is looked for.
const REACH: Duration = Duration::from_millis(1_500);
/// What is given to the recogniser on either side, at most: one reading each.
const SIDES: [Duration; 3] = [Duration::from_millis(1_500), Duration::from_millis(2_500), Duration::from_millis(3_500)];
/// The same of the reading without the silence.
const JOINED_SIDE: Duration = SIDES[1];
/// What is cut out on purpose behind the place where the agent went on: most words are shorter.
const CUT_OUT: Duration = Duration::from_millis(300);
/// What is said twice on purpose, beyond the longest word, which is left out as the cut word would be.
const SAID_TWICE: Duration = Duration::from_millis(400);
/// No word of the story takes longer. What is repeated beyond that is no cut word.
const LONGEST_WORD: Duration = Duration::from_millis(600);
/// How far an end of what is read may be moved to a quiet place, so that no word is cut.
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
    /// What it understood otherwise of a second undisturbed play.
    pub(crate) control: Differences,
    /// Words lost as it was heard, with the silence and the cut word as they were, beside the words without any silence.
    pub(crate) lost_as_heard: usize,
    /// The same of an undisturbed play that was stopped and went on at the very sample.
    pub(crate) lost_at_the_sample: usize,
    /// Whether it misses a piece that was cut out.
    pub(crate) notices_loss: bool,
    /// Whether it finds something in a piece that was said twice.
    pub(crate) notices_repetition: bool,
}

/// Undisturbed plays of the story.
#[derive(Debug)]
pub(crate) struct Undisturbed {
    pub(crate) reference: Heard,
    pub(crate) second: Heard,
}

impl Undisturbed {
    /// Whether the second play is the first one, sample by sample, and so says nothing about the recogniser.
    pub(crate) fn are_alike(&self) -> bool {
        let middle = self.reference.samples.len() / 2;
        let there = on_in_second(self, middle);
        let piece = |samples: &'_ [i16], at: usize| samples.get(at..at + 2_400).map(<[i16]>::to_vec);
        let first = piece(&self.reference.samples, middle);
        // The place is found to a few samples.
        (0..=2 * SKIP)
            .any(|n| first.is_some() && piece(&self.second.samples, (there + n).saturating_sub(SKIP)) == first)
    }
}

/// One resumption, located.
#[derive(Debug)]
struct Seam<'a> {
    heard: &'a Heard,
    /// What may be read: from where the agent last went on to where it stops next.
    around: Range<usize>,
    silence: Range<usize>,
    /// Where it stopped, and where it went on, in the reference.
    stopped: usize,
    on: usize,
}

/// Looks at every resumption of a play.
pub(crate) async fn examine(stt: &dyn Stt, undisturbed: &Undisturbed, play: &Play) -> Result<Vec<Resumption>> {
    let (heard, reference) = (&play.heard, &undisturbed.reference);
    let Some(start) = heard.audible_from(0).zip(reference.audible_from(0)) else { return Ok(Vec::new()) };
    // Where the story goes on, here and in the reference, at the beginning of each stretch.
    let (mut here, mut there) = start;
    let silences: Vec<_> = play.disturbances.iter().filter_map(|d| Some((d, d.silence.clone()?))).collect();
    let mut results = Vec::new();
    for (n, (disturbance, silence)) in silences.iter().enumerate() {
        let next = silences.get(n + 1).map_or(heard.samples.len(), |(_, next)| next.start);
        let expected = there + (silence.start - here);
        let before = silence.start.saturating_sub(samples(TEMPLATE))..silence.start;
        let stopped = find(heard, before, reference, expected).map(|at| at + samples(TEMPLATE));
        let behind = silence.end..(silence.end + samples(TEMPLATE)).min(next);
        let from = find(heard, behind, reference, stopped.unwrap_or(expected));
        let (at, on) = (stopped.unwrap_or(expected), from.unwrap_or(expected));
        let seam = Seam { heard, around: here..next, silence: silence.clone(), stopped: at, on };
        let readings = seam.readings(stt, undisturbed).await?;
        let all = |of: fn(&Reading) -> &Differences| Differences::in_all(readings.iter().map(of));
        results.push(Resumption {
            sound: disturbance.sound.clone(),
            silence: FORMAT.duration(silence.len() as u64),
            jump: from.zip(stopped).map(|(from, stopped)| ms(from) - ms(stopped)),
            lost: from.zip(stopped).map(|(from, stopped)| audible_between(reference, stopped, from)),
            differences: all(|reading| &reading.once),
            doubled: readings.iter().all(Reading::is_doubled),
            control: all(|reading| &reading.control),
            lost_as_heard: common_lost(&readings, |reading| reading.as_heard.as_ref()),
            lost_at_the_sample: common_lost(&readings, |reading| reading.at_the_sample.as_ref()),
            notices_loss: !all(|reading| &reading.cut_out).lost.is_empty(),
            notices_repetition: all(|reading| &reading.said_twice).count() > 0,
        });
        (here, there) = (silence.end, on);
    }
    Ok(results)
}

/// How each version of a place differs from the undisturbed one.
#[derive(Debug)]
struct Reading {
    /// As it was heard; `None` without the silence, which nobody heard so.
    whole: Option<Differences>,
    /// The same, and one that goes on at the very sample, beside the words without any silence.
    as_heard: Option<Differences>,
    at_the_sample: Option<Differences>,
    /// Without what was heard of the cut word before the silence.
    once: Differences,
    control: Differences,
    cut_out: Differences,
    said_twice: Differences,
}

/// Words that are lost in all of those readings.
fn common_lost(readings: &[Reading], of: fn(&Reading) -> Option<&Differences>) -> usize {
    Differences::in_all(readings.iter().filter_map(of)).lost.len()
}

impl Reading {
    /// Whether what was heard of the cut word before the silence is a word, too, as far as this reading tells.
    fn is_doubled(&self) -> bool {
        self.whole.as_ref().is_none_or(|whole| whole.count() > self.once.count())
    }
}

impl Seam<'_> {
    async fn readings(&self, stt: &dyn Stt, undisturbed: &Undisturbed) -> Result<Vec<Reading>> {
        let mut readings = Vec::new();
        for side in SIDES {
            readings.push(self.reading(stt, undisturbed, samples(side), self.silence.len()).await?);
        }
        readings.push(self.reading(stt, undisturbed, samples(JOINED_SIDE), 0).await?);
        Ok(readings)
    }

    /// Reads all versions, with so many samples on either side and so many of silence.
    async fn reading(&self, stt: &dyn Stt, undisturbed: &Undisturbed, side: usize, pause: usize) -> Result<Reading> {
        let Self { heard, around, silence, stopped, on } = self;
        // From here to there, as it was heard and in the reference.
        let before = quiet_before(heard, silence.start.saturating_sub(side).max(around.start), silence.start);
        let after = quiet_after(heard, (silence.end + side).min(around.end), silence.end);
        let reference = &undisturbed.reference.samples;
        let end = (on + (after - silence.end)).min(reference.len());
        let begin = stopped.saturating_sub(silence.start - before).min(end);
        let on = (*on).clamp(begin, end);
        let again = stopped.saturating_sub(on).min(samples(LONGEST_WORD));
        let cut = silence.start.saturating_sub(again).max(before);

        let plain = recognise(stt, &reference[begin..end]).await?;
        let paused = match pause {
            0 => plain.clone(),
            _ => recognise(stt, &joined(&reference[begin..on], pause, &reference[on..end])).await?,
        };
        let differences = |text: &str| Differences::between(&[&plain, &paused], text);
        let read = async |first: &[i16], second: &[i16]| -> Result<Differences> {
            Ok(differences(&recognise(stt, &joined(first, pause, second)).await?))
        };
        let behind = &heard.samples[silence.end..after];
        let second = &undisturbed.second;
        let there = on_in_second(undisturbed, on);
        let (from, to) = (there.saturating_sub(on - begin), (there + (end - on)).min(second.samples.len()));
        let (mut whole, mut as_heard, mut at_the_sample) = (None, None, None);
        if pause > 0 {
            let text = recognise(stt, &joined(&heard.samples[before..silence.start], pause, behind)).await?;
            let stopped = (*stopped).clamp(begin, end);
            let exact = recognise(stt, &joined(&reference[begin..stopped], pause, &reference[stopped..end])).await?;
            whole = Some(differences(&text));
            as_heard = Some(Differences::between(&[&plain], &text));
            at_the_sample = Some(Differences::between(&[&plain], &exact));
        }
        Ok(Reading {
            whole,
            as_heard,
            at_the_sample,
            once: read(&heard.samples[before..cut], behind).await?,
            control: read(&second.samples[from..there], &second.samples[there..to]).await?,
            said_twice: read(&reference[begin..(on + samples(SAID_TWICE)).min(end)], &reference[on..end]).await?,
            cut_out: read(&reference[begin..on], &reference[(on + samples(CUT_OUT)).min(end)..end]).await?,
        })
    }
}

/// The place of the second play that sounds as this one of the reference.
fn on_in_second(undisturbed: &Undisturbed, on: usize) -> usize {
    let Undisturbed { reference, second } = undisturbed;
    let first = |heard: &Heard| heard.audible_from(0).unwrap_or_default();
    let expected = (on + first(second)).saturating_sub(first(reference));
    let half = samples(TEMPLATE) / 2;
    let piece = on.saturating_sub(half)..(on + half).min(reference.samples.len());
    let found = find(reference, piece, second, expected.saturating_sub(half)).map(|at| at + on.min(half));
    found.unwrap_or(expected).min(second.samples.len())
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
    let starts = range.clone().step_by(WINDOW / 2).filter(|at| at + size <= range.end && at + size <= samples.len());
    let best = starts.map(|at| (at, level(&samples[at..at + size]))).min_by(|a, b| a.1.total_cmp(&b.1));
    best.map(|(at, _)| at + size / 2)
}

/// Two pieces with a silence between them.
fn joined(first: &[i16], silence: usize, second: &[i16]) -> Vec<i16> {
    [first, &vec![0; silence], second].concat()
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
