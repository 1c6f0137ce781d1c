//! Turns made of recordings, with pauses inside and a known end.

use std::ops::Range;

use anyhow::Result;
use stella_core::vad::Vad;
use stella_providers::silero::Silero;

/// Samples of a second.
pub(crate) const SECOND: usize = 16_000;
/// Silence before the first and after the last word.
const BEFORE: usize = SECOND / 2;
const AFTER: usize = 6 * SECOND;
/// What is kept of a recording around its voice, and the silence between recordings that are read as one.
const MARGIN: usize = SECOND / 20;
/// Shortest silence that counts as a pause: eot-bench's bound.
pub(crate) const SHORTEST_PAUSE: usize = SECOND / 5;
/// Probability from which a window is voice.
const VOICED: f32 = 0.5;
/// Voice a recording must have to be cut in two.
const CUTTABLE: usize = 2 * SECOND;
/// Where recordings are cut: the quietest place in each of these parts of the voice, in hundredths, one cut a turn.
pub(crate) const CUTS: [Range<usize>; 3] = [20..40, 40..60, 60..80];

/// What one person says in one turn.
#[derive(Debug, Clone)]
pub(crate) struct Speech {
    pub(crate) name: String,
    /// Recordings, 16 kHz mono. There is a pause between groups; those of a group are read as one.
    pub(crate) groups: Vec<Vec<Vec<i16>>>,
    pub(crate) ends: Ends,
}

/// What a speech is, and whether its end was read as an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// One sentence, read as one.
    Sentence,
    /// Several sentences.
    Several,
    /// It was put together.
    Composed,
}

/// How a pause came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// It is in the recording as the reader made it, place and length.
    Recorded,
    /// Between two recordings of one sentence, the first of which was read as unfinished: the length was set.
    Composed,
    /// Silence was inserted within a recording: place and length were set.
    Inserted,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Recorded, Self::Composed, Self::Inserted];
}

/// A pause after which the speaker goes on.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Inside {
    pub(crate) kind: Kind,
    /// From the last voiced sample to the next.
    pub(crate) silence: Range<usize>,
}

/// One turn.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) name: String,
    pub(crate) samples: Vec<i16>,
    /// In their order.
    pub(crate) pauses: Vec<Inside>,
    /// One past the last voiced sample.
    pub(crate) end: usize,
    /// Whether its end counts: it was read as one, and was not counted in another turn.
    pub(crate) counts: bool,
}

/// One recording, and where its voice is.
struct Take {
    samples: Vec<i16>,
    /// Stretches of voice, with less than a pause between them joined.
    voices: Vec<Range<usize>>,
}

/// A turn under way.
#[derive(Default)]
struct Draft {
    samples: Vec<i16>,
    pauses: Vec<Inside>,
    end: usize,
}

/// Builds turns.
pub(crate) struct Builder<'a> {
    vad: &'a Silero,
    /// Pauses of which the length was set so far.
    set: usize,
}

impl<'a> Builder<'a> {
    pub(crate) fn new(vad: &'a Silero) -> Self {
        Self { vad, set: 0 }
    }

    /// All turns of a speech: as it is; and, if it is one sentence and long enough, with a pause in each of [`CUTS`].
    pub(crate) async fn turns(&mut self, speech: &Speech) -> Result<Vec<Turn>> {
        let mut groups = Vec::new();
        for group in &speech.groups {
            let mut takes = Vec::new();
            for recording in group {
                takes.push(self.take(recording.clone()).await?);
            }
            groups.push(takes);
        }
        let mut turns: Vec<Turn> = self.turn(speech, &groups, None).into_iter().collect();
        if speech.ends == Ends::Sentence {
            turns.extend(CUTS.iter().filter_map(|part| self.turn(speech, &groups, Some(part))));
        }
        Ok(turns)
    }

    /// The turn of a speech; `None` if a recording has no voice, or is too short to be cut.
    fn turn(&mut self, speech: &Speech, groups: &[Vec<Take>], cut: Option<&Range<usize>>) -> Option<Turn> {
        let mut draft = Draft::default();
        let first = groups.first()?.first()?;
        draft.fill(&first.floor(), BEFORE);
        for (n, group) in groups.iter().enumerate() {
            for (part, take) in group.iter().enumerate() {
                let before = match (n, part) {
                    (0, 0) => None,
                    (_, 0) => Some(Some(self.length())),
                    _ => Some(None),
                };
                draft.say(take, before)?;
            }
        }
        if let Some(part) = cut {
            let place = first.quietest(part)?;
            draft.insert(place - first.begin() + BEFORE, self.length(), &first.floor());
        }
        let floor = draft.samples[draft.samples.len() - MARGIN..].to_vec();
        draft.fill(&floor, draft.end + AFTER);
        // What is in the recording counts once, in the turn that is not cut.
        draft
            .pauses
            .retain(|pause| pause.silence.len() >= SHORTEST_PAUSE && (cut.is_none() || pause.kind == Kind::Inserted));
        draft.pauses.sort_by_key(|pause| pause.silence.start);
        Some(Turn {
            name: speech.name.clone(),
            samples: draft.samples,
            pauses: draft.pauses,
            end: draft.end,
            counts: speech.ends != Ends::Composed && cut.is_none(),
        })
    }

    /// Finds the voice in a recording.
    async fn take(&self, samples: Vec<i16>) -> Result<Take> {
        let mut stream = self.vad.open()?;
        let size = self.vad.window();
        let mut voices: Vec<Range<usize>> = Vec::new();
        for (n, window) in samples.chunks_exact(size).enumerate() {
            if stream.predict(window).await? < VOICED {
                continue;
            }
            match voices.last_mut() {
                Some(last) if n * size < last.end + SHORTEST_PAUSE => last.end = (n + 1) * size,
                _ => voices.push(n * size..(n + 1) * size),
            }
        }
        Ok(Take { samples, voices })
    }

    /// Length of the next pause that is set.
    fn length(&mut self) -> usize {
        self.set += 1;
        length(self.set)
    }
}

/// Length of the pause of this number. The lengths follow eot-bench's: its English silence-only baseline tells how many
/// pauses are longer than what, of those from 200 ms to 5 s. Their order is mixed, but always the same.
fn length(number: usize) -> usize {
    /// Share of pauses that are longer, and the length in seconds.
    const LONGER: [(f64, f64); 6] = [(1.0, 0.2), (0.556, 0.3), (0.217, 0.6), (0.10, 1.0), (0.05, 1.6), (0.0, 5.0)];
    /// The golden ratio's fraction: its multiples spread evenly.
    const SPREAD: f64 = 0.618_033_988_75;
    let share = (number as f64 * SPREAD).fract();
    let after = LONGER.iter().position(|&(longer, _)| longer <= share).unwrap_or(LONGER.len() - 1).max(1);
    let ((more, short), (less, long)) = (LONGER[after - 1], LONGER[after]);
    let seconds = short * (long / short).powf((more - share) / (more - less));
    (seconds * SECOND as f64) as usize
}

impl Take {
    /// Where a turn takes it up, a little before its voice.
    fn begin(&self) -> usize {
        self.voices.first().map_or(0, |voice| voice.start.saturating_sub(MARGIN))
    }

    /// The quietest stretch, to fill silence with.
    fn floor(&self) -> Vec<i16> {
        let windows = self.samples.windows(MARGIN).step_by(MARGIN / 4);
        windows.min_by_key(|window| loudness(window)).map(<[i16]>::to_vec).unwrap_or_default()
    }

    /// The quietest place within a part of the voice: between words, or in the closure of a stop.
    fn quietest(&self, part: &Range<usize>) -> Option<usize> {
        const LENGTH: usize = SECOND * 3 / 100;
        let (first, last) = (self.voices.first()?, self.voices.last()?);
        let length = last.end - first.start;
        let within = first.start + length * part.start / 100..first.start + length * part.end / 100;
        let in_voice = |at: &usize| self.voices.iter().any(|v| v.contains(at) && v.contains(&(at + LENGTH)));
        let places = within.step_by(LENGTH / 4).filter(in_voice);
        let quietest = places.min_by_key(|&at| loudness(&self.samples[at..at + LENGTH]))?;
        (length >= CUTTABLE).then_some(quietest + LENGTH / 2)
    }
}

impl Draft {
    /// Fills with the floor, there and back again, until there are `until` samples.
    fn fill(&mut self, floor: &[i16], until: usize) {
        let missing = until.saturating_sub(self.samples.len());
        let there = floor.iter().chain(floor.iter().rev()).copied();
        self.samples.extend(there.cycle().take(missing));
    }

    /// Says a recording: the first one, or after a pause of the given length, or as one with what was said before.
    fn say(&mut self, take: &Take, after: Option<Option<usize>>) -> Option<()> {
        let (first, last) = (take.voices.first()?, take.voices.last()?);
        let begin = take.begin();
        if let Some(pause) = after {
            let until = self.end + pause.unwrap_or(2 * MARGIN);
            self.fill(&take.floor(), until.saturating_sub(first.start - begin));
        }
        let at = self.samples.len();
        let within = |position: usize| at + position - begin;
        if after.flatten().is_some() {
            self.pauses.push(Inside { kind: Kind::Composed, silence: self.end..within(first.start) });
        }
        for pair in take.voices.windows(2) {
            self.pauses.push(Inside { kind: Kind::Recorded, silence: within(pair[0].end)..within(pair[1].start) });
        }
        self.end = within(last.end);
        let stop = (last.end + MARGIN).min(take.samples.len());
        self.samples.extend_from_slice(&take.samples[begin..stop]);
        Some(())
    }

    /// Inserts a pause.
    fn insert(&mut self, at: usize, length: usize, floor: &[i16]) {
        let rest = self.samples.split_off(at);
        self.fill(floor, at + length);
        self.samples.extend(rest);
        for later in self.pauses.iter_mut().filter(|pause| pause.silence.start >= at) {
            later.silence = later.silence.start + length..later.silence.end + length;
        }
        self.pauses.push(Inside { kind: Kind::Inserted, silence: at..at + length });
        self.end += length;
    }
}

fn loudness(window: &[i16]) -> u64 {
    window.iter().map(|&s| u64::from(s.unsigned_abs())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_as_long_as_in_conversations() {
        let lengths: Vec<f64> = (1..=1_000).map(|n| length(n) as f64 / SECOND as f64).collect();
        for (seconds, share) in [(0.199, 1.0), (0.3, 0.556), (0.6, 0.217), (1.0, 0.10), (1.6, 0.05), (5.001, 0.0)] {
            let longer = lengths.iter().filter(|length| **length > seconds).count() as f64 / 1_000.0;
            assert!((longer - share).abs() < 0.01, "{longer} are longer than {seconds} s");
        }
    }

    #[test]
    fn a_pause_that_is_inserted_moves_what_comes_after_it() {
        let take = |length: usize, voices: Vec<Range<usize>>| Take { samples: vec![9; length], voices };
        let mut draft = Draft::default();
        draft.fill(&[0], 1_000);
        draft.say(&take(40_000, vec![2_000..10_000, 20_000..38_000]), None).unwrap();
        let begin = 2_000 - MARGIN;
        assert_eq!(draft.end, 1_000 + 38_000 - begin);
        let recorded = 1_000 + 10_000 - begin..1_000 + 20_000 - begin;
        assert_eq!(draft.pauses[0].silence, recorded);
        let end = draft.end;
        draft.insert(5_000, 3_000, &[0, 0]);
        assert_eq!((draft.end, draft.samples[5_000], draft.samples[8_000]), (end + 3_000, 0, 9));
        assert_eq!(draft.pauses[0].silence, recorded.start + 3_000..recorded.end + 3_000);
        assert_eq!((draft.pauses[1].kind, draft.pauses[1].silence.clone()), (Kind::Inserted, 5_000..8_000));
    }
}
