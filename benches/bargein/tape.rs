//! What the user has heard, sample by sample, with the time of each.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use stella_examples::clip::{FORMAT, WINDOW, audible};
use stella_rtc::RtcSession;
use tokio::task::JoinSet;

/// A piece of what was heard, without gaps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    pub(crate) samples: Vec<i16>,
    /// Frames: the position of their first sample, and when that was heard.
    frames: Vec<(usize, Instant)>,
}

impl Heard {
    fn push(&mut self, at: Instant, samples: &[i16]) {
        self.frames.push((self.samples.len(), at));
        self.samples.extend_from_slice(samples);
    }

    /// The position of what was heard at a moment; before the first frame, its first sample.
    pub(crate) fn position(&self, at: Instant) -> usize {
        let next = self.frames.partition_point(|(_, when)| *when <= at);
        let Some((start, when)) = next.checked_sub(1).map(|n| self.frames[n]) else { return 0 };
        let end = self.frames.get(next).map_or(self.samples.len(), |(end, _)| *end);
        (start + FORMAT.samples(at - when) as usize).min(end)
    }

    /// Past the last audible window before a position.
    pub(crate) fn audible_before(&self, position: usize) -> usize {
        let windows = self.samples[..position.min(self.samples.len())].chunks_exact(WINDOW);
        windows.enumerate().rfind(|(_, window)| audible(window)).map_or(0, |(n, _)| (n + 1) * WINDOW)
    }

    /// The first audible window from a position on.
    pub(crate) fn audible_from(&self, position: usize) -> Option<usize> {
        let first = position.div_ceil(WINDOW);
        let mut windows = self.samples.chunks_exact(WINDOW).enumerate().skip(first);
        windows.find(|(_, window)| audible(window)).map(|(n, _)| n * WINDOW)
    }
}

/// Records a room's agent as the user hears it.
#[derive(Debug)]
pub(crate) struct Tape {
    heard: Arc<Mutex<Heard>>,
    _task: JoinSet<()>,
}

impl Tape {
    /// Starts to record; somebody else must be in the room with a track.
    pub(crate) fn start(session: &Arc<dyn RtcSession>) -> Result<Self> {
        let remotes = session.remotes();
        let track = remotes.iter().flat_map(|remote| &remote.tracks).find(|track| track.subscribed);
        let track = track.context("the agent has no voice")?;
        let mut stream = session.audio_stream(&track.sid, FORMAT)?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let mut task = JoinSet::new();
        task.spawn({
            let heard = heard.clone();
            async move {
                while let Some(frame) = stream.next().await {
                    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.push(Instant::now(), frame.audio.samples());
                }
            }
        });
        Ok(Self { heard, _task: task })
    }

    /// Takes what was recorded since the last call.
    pub(crate) fn take(&self) -> Heard {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Milliseconds of so many samples.
pub(crate) fn ms(samples: usize) -> f64 {
    samples as f64 * 1_000.0 / f64::from(FORMAT.sample_rate())
}

/// Samples of so much time.
pub(crate) fn samples(time: Duration) -> usize {
    FORMAT.samples(time) as usize
}
