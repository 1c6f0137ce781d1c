//! What the user says and does: recorded people and doors, and synthesised signs of listening, of which too few are
//! recorded.

use std::{ops::Range, path::Path, sync::Arc};

use anyhow::{Context, Result};
use stella_core::tts::{Tts, TtsRequest};
use stella_examples::clip::{Clip, FORMAT, WINDOW, level};
use stella_providers::runtime::Cache;

use super::sound;

/// A sound at the user's microphone.
#[derive(Debug, Clone)]
pub(crate) struct Sound {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) samples: Arc<[i16]>,
}

/// What a sound is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Somebody wants the floor.
    Interruption,
    /// A cough.
    Cough,
    /// "hm" of a person.
    RecordedSign,
    /// "mhm", "yeah" and their like, synthesised.
    SynthesisedSign,
    /// A door, a lid, a pane.
    Door,
}

impl Kind {
    /// The name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interruption => "interruption",
            Self::Cough => "cough (recorded)",
            Self::RecordedSign => "hm (recorded)",
            Self::SynthesisedSign => "mhm, yeah, … (synthesised)",
            Self::Door => "door (recorded)",
        }
    }
}

/// Voices that are synthesised; the agent has another.
pub(crate) const VOICES: [&str; 6] = ["af_bella", "af_nova", "am_adam", "am_michael", "bf_emma", "bm_george"];
/// Signs of listening.
const SIGNS: [&str; 7] = ["Mhm.", "Uh-huh.", "Yeah.", "Okay.", "Right.", "I see.", "Mm-hmm."];

/// Longer recordings that are cut into phrases at their pauses.
const READERS: [(&str, Range<f64>); 4] = [
    ("two_cities.wav", 1.0..60.0),
    ("endgame_nagg_nell.wav", 0.0..30.0),
    ("beckett.wav", 0.0..10.0),
    ("clone-test.wav", 0.0..10.0),
];
/// How long a phrase is.
const PHRASE: Range<f64> = 0.7..2.6;
/// Pause that parts two phrases, and two coughs.
const PAUSE: f64 = 0.16;
/// A sound begins where it is this much softer than its loudest part, and ends there: -30 dB.
const EDGE: f64 = 0.032;
/// Where a phrase begins: -15 dB. Before that there is the breath and the room, for up to 0.3 s.
const ONSET: f64 = 0.18;
/// Windows in a row that must be so loud: 20 ms.
const CLICK: usize = 4;

/// What people say to take the floor.
pub(crate) fn interruptions(cache: &Cache) -> Result<Vec<Sound>> {
    let mut phrases = Vec::new();
    for (name, seconds) in READERS {
        let clip = read(&cache.audio(name))?;
        let at = |s: f64| ((s * f64::from(FORMAT.sample_rate())) as usize).min(clip.samples.len());
        let clip = &clip.samples[at(seconds.start)..at(seconds.end)];
        for (n, range) in parts(clip).into_iter().filter(|part| PHRASE.contains(&seconds_of(part))).enumerate() {
            let name = format!("{name} {}", n + 1);
            phrases.push(Sound { kind: Kind::Interruption, name, samples: from_onset(&clip[range]).into() });
        }
    }
    for path in folder(cache, "phrase")? {
        let clip = read(&path)?;
        let Some(whole) = whole(&clip.samples).filter(|whole| PHRASE.contains(&seconds_of(whole))) else { continue };
        let samples = from_onset(&clip.samples[whole]).into();
        phrases.push(Sound { kind: Kind::Interruption, name: name(&path), samples });
    }
    Ok(phrases)
}

/// Recorded sounds of a kind; of a series, each one.
pub(crate) fn recorded(cache: &Cache, kind: Kind) -> Result<Vec<Sound>> {
    let folder_name = match kind {
        Kind::Cough => "cough",
        Kind::RecordedSign => "hm",
        Kind::Door => "door",
        Kind::Interruption | Kind::SynthesisedSign => anyhow::bail!("there is no folder of that"),
    };
    let mut sounds = Vec::new();
    for path in folder(cache, folder_name)? {
        let clip = read(&path)?;
        let ranges =
            if kind == Kind::Cough { parts(&clip.samples) } else { whole(&clip.samples).into_iter().collect() };
        for range in ranges.into_iter().filter(|range| seconds_of(range) > 0.12) {
            sounds.push(Sound { kind, name: name(&path), samples: clip.samples[range].into() });
        }
    }
    Ok(sounds)
}

/// Signs of listening in several voices.
pub(crate) async fn synthesised(tts: &dyn Tts) -> Result<Vec<Sound>> {
    let mut sounds = Vec::new();
    for text in SIGNS {
        for voice in VOICES {
            let request = TtsRequest { voice: Some(voice.to_owned()), ..TtsRequest::new(text) };
            let clip = Clip::spoken(tts, request).await.context("a sign of listening")?;
            let Some(range) = whole(&clip.samples) else { continue };
            let name = format!("{text} ({voice})");
            sounds.push(Sound { kind: Kind::SynthesisedSign, name, samples: clip.samples[range].into() });
        }
    }
    Ok(sounds)
}

fn read(path: &Path) -> Result<Clip> {
    sound::read(path).context("run `cargo xtask setup speech sounds`")
}

/// The sounds of a folder, in order.
fn folder(cache: &Cache, name: &str) -> Result<Vec<std::path::PathBuf>> {
    let folder = cache.root().join("sounds").join(name);
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}; run `cargo xtask setup sounds`", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn seconds_of(range: &Range<usize>) -> f64 {
    range.len() as f64 / f64::from(FORMAT.sample_rate())
}

/// From the first to the last sound.
fn whole(samples: &[i16]) -> Option<Range<usize>> {
    let parts = parts(samples);
    Some(parts.first()?.start..parts.last()?.end)
}

/// The stretches between pauses. Each begins and ends at a sound.
fn parts(samples: &[i16]) -> Vec<Range<usize>> {
    let levels = levels(samples);
    let edge = levels.iter().copied().fold(0.0, f64::max) * EDGE;
    let pause = (PAUSE * f64::from(FORMAT.sample_rate())) as usize / WINDOW;
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (n, _) in levels.iter().enumerate().filter(|(_, level)| **level > edge.max(1.0)) {
        match parts.last_mut() {
            Some(last) if n < last.end + pause => last.end = n + 1,
            _ => parts.push(n..n + 1),
        }
    }
    let range = |part: Range<usize>| part.start * WINDOW..(part.end * WINDOW).min(samples.len());
    parts.into_iter().map(range).collect()
}

/// A phrase from its first sound that is speech; a click of the lips is none.
fn from_onset(phrase: &[i16]) -> &[i16] {
    let levels: Vec<f64> = levels(phrase).windows(CLICK).map(|l| l.iter().copied().fold(f64::MAX, f64::min)).collect();
    let onset = levels.iter().copied().fold(0.0, f64::max) * ONSET;
    let first = levels.iter().position(|level| *level >= onset).unwrap_or_default();
    &phrase[first * WINDOW..]
}

/// Root mean squares of the windows.
fn levels(samples: &[i16]) -> Vec<f64> {
    samples.chunks(WINDOW).map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_cut_at_its_pauses() {
        let mut samples = vec![3_i16; 24_000];
        samples[2_400..7_200].fill(8_000);
        samples[8_400..9_600].fill(-8_000);
        samples[16_800..19_200].fill(6_000);
        assert_eq!(parts(&samples), [2_400..9_600, 16_800..19_200]);
        assert_eq!(whole(&samples), Some(2_400..19_200));
        assert_eq!(whole(&[0; 4_800]), None);
        let breathed = &mut samples[..7_200];
        breathed[..2_400].fill(300);
        assert_eq!((parts(breathed)[0].start, from_onset(breathed).len()), (0, 4_800));
    }
}
