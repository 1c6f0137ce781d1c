//! An audio output without a device.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use stella_core::audio::{AudioFormat, AudioFrame};
use tokio::time::Instant;

use super::AudioOutput;

/// Takes audio at the pace of the clock and hands on what left, with its time. It needs no task of its own: each call
/// first catches up with the clock. Clones share the output.
#[derive(Clone)]
pub struct PacedOutput {
    state: Arc<Mutex<State>>,
}

/// Takes what left: when its first sample left, since the output was made, and the samples.
type Sink = Box<dyn FnMut(Duration, &[i16]) + Send>;

struct State {
    format: AudioFormat,
    speed: f64,
    start: Instant,
    queue: VecDeque<i16>,
    position: u64,
    paused: bool,
    /// Samples of time that have passed, sent or not.
    clock: u64,
    sink: Sink,
}

impl PacedOutput {
    /// An output of mono audio at `format`'s rate, `speed` times faster than real time. `sink` gets what leaves.
    pub fn new(format: AudioFormat, speed: f64, sink: impl FnMut(Duration, &[i16]) + Send + 'static) -> Self {
        let state = State {
            format,
            speed,
            start: Instant::now(),
            queue: VecDeque::new(),
            position: 0,
            paused: false,
            clock: 0,
            sink: Box::new(sink),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Hands on all that has left by now.
    pub fn catch_up(&self) {
        self.state.lock().catch_up();
    }
}

impl State {
    fn catch_up(&mut self) {
        let elapsed = Instant::now().saturating_duration_since(self.start).mul_f64(self.speed);
        let now = self.format.samples(elapsed);
        let due = now.saturating_sub(self.clock);
        if !self.paused && !self.queue.is_empty() {
            let count = usize::try_from(due).unwrap_or(usize::MAX).min(self.queue.len());
            if count > 0 {
                let samples: Vec<i16> = self.queue.drain(..count).collect();
                (self.sink)(self.format.duration(self.clock), &samples);
                self.position += count as u64;
            }
        }
        self.clock = self.clock.max(now);
    }
}

impl AudioOutput for PacedOutput {
    fn format(&self) -> AudioFormat {
        self.state.lock().format
    }

    fn push(&mut self, frame: AudioFrame) {
        let mut state = self.state.lock();
        state.catch_up();
        state.queue.extend(frame.samples());
    }

    fn queued(&self) -> Duration {
        let mut state = self.state.lock();
        state.catch_up();
        state.format.duration(state.queue.len() as u64)
    }

    fn clear(&mut self) {
        let mut state = self.state.lock();
        state.catch_up();
        state.queue.clear();
    }

    fn pause(&mut self) {
        let mut state = self.state.lock();
        state.catch_up();
        state.paused = true;
    }

    fn resume(&mut self) {
        let mut state = self.state.lock();
        state.catch_up();
        state.paused = false;
    }

    fn position(&self) -> u64 {
        let mut state = self.state.lock();
        state.catch_up();
        state.position
    }
}

impl fmt::Debug for PacedOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacedOutput").field("format", &self.format()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn audio_leaves_at_the_pace_of_the_clock_and_stops_exactly() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        let mut output = PacedOutput::new(AudioFormat::VOICE, 1.0, move |at, samples: &[i16]| {
            log.lock().push((at, samples.len()));
        });
        tokio::time::advance(Duration::from_millis(10)).await;
        output.push(AudioFrame::silence(AudioFormat::VOICE, Duration::from_millis(100)));
        tokio::time::advance(Duration::from_millis(30)).await;
        assert_eq!(output.position(), 720);
        output.pause();
        tokio::time::advance(Duration::from_millis(30)).await;
        assert_eq!((output.position(), output.queued()), (720, Duration::from_millis(70)));
        output.clear();
        output.resume();
        tokio::time::advance(Duration::from_millis(30)).await;
        assert_eq!((output.position(), output.queued()), (720, Duration::ZERO));
        assert_eq!(*heard.lock(), [(Duration::from_millis(10), 720)]);
    }
}
