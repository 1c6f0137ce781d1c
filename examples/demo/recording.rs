//! Both sides of the conversation in one stereo file, as somebody at the user's place would have heard them.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use stella_core::audio::{AudioFormat, AudioFrame};
use stella_examples::clip::FORMAT;

/// Frames nearer to their predecessor than this follow it without a gap.
const SLACK: Duration = Duration::from_millis(60);
/// Nothing beyond this is kept.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Who is heard on which side.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Side {
    /// Left.
    User,
    /// Right.
    Agent,
}

/// Collects both sides. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    start: Instant,
    sides: Arc<Mutex<[Vec<i16>; 2]>>,
}

impl Recording {
    /// A recording that begins now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), sides: Arc::default() }
    }

    /// Adds samples whose first one was heard at `at`.
    pub(crate) fn add(&self, side: Side, at: Instant, samples: &[i16]) {
        let offset = at.saturating_duration_since(self.start);
        if offset > LONGEST {
            return;
        }
        let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        let track = &mut sides[side as usize];
        let at = FORMAT.samples(offset) as usize;
        if at > track.len() + FORMAT.samples(SLACK) as usize || track.is_empty() {
            track.resize(at, 0);
        }
        track.extend_from_slice(samples);
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        let [user, agent] = &*sides;
        let sample = |track: &[i16], n: usize| track.get(n).copied().unwrap_or(0);
        let stereo: Vec<i16> =
            (0..user.len().max(agent.len())).flat_map(|n| [sample(user, n), sample(agent, n)]).collect();
        let format = AudioFormat::new(FORMAT.sample_rate(), 2).context("the recording's format")?;
        let frame = AudioFrame::new(format, stereo).context("the recording's samples")?;
        stella_agent::wav::write(path, &frame).context("cannot write the recording")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_their_time() {
        let recording = Recording::start();
        let frame = [5_i16; 480];
        recording.add(Side::User, recording.start + Duration::from_millis(100), &frame);
        recording.add(Side::User, recording.start + Duration::from_millis(130), &frame);
        recording.add(Side::Agent, recording.start + Duration::from_millis(500), &frame);
        let sides = recording.sides.lock().unwrap();
        assert_eq!((sides[0].len(), sides[0].iter().position(|&s| s != 0)), (2_400 + 960, Some(2_400)));
        assert_eq!(sides[1].iter().position(|&s| s != 0), Some(12_000));
    }
}
