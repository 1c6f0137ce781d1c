//! The last few seconds of a speaker's sound, by position.

use stella_core::audio::{AudioFormat, AudioFrame};

/// Keeps the newest samples. Positions count from the first sample ever pushed.
#[derive(Debug)]
pub(super) struct Ring {
    samples: Vec<i16>,
    capacity: usize,
    end: u64,
}

impl Ring {
    /// A ring for `capacity` samples.
    pub(super) fn new(capacity: usize) -> Self {
        Self { samples: Vec::new(), capacity, end: 0 }
    }

    /// Position behind the newest sample.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Position of the oldest sample still here.
    pub(super) fn start(&self) -> u64 {
        self.end - self.samples.len().min(self.capacity) as u64
    }

    /// Adds samples; the oldest go.
    pub(super) fn push(&mut self, samples: &[i16]) {
        for &sample in samples {
            if self.samples.len() < self.capacity {
                self.samples.push(sample);
            } else {
                let at = (self.end % self.capacity as u64) as usize;
                self.samples[at] = sample;
            }
            self.end += 1;
        }
    }

    /// The samples of a stretch, as far as they are here.
    pub(super) fn slice(&self, from: u64, to: u64) -> Vec<i16> {
        let from = from.max(self.start());
        let capacity = self.capacity as u64;
        (from..to.min(self.end)).map(|at| self.samples[(at % capacity) as usize]).collect()
    }

    /// A stretch as a frame.
    pub(super) fn frame(&self, from: u64, to: u64) -> AudioFrame {
        // A mono frame cannot be ragged.
        AudioFrame::new(AudioFormat::SPEECH, self.slice(from, to))
            .unwrap_or_else(|_| AudioFrame::silence(AudioFormat::SPEECH, std::time::Duration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_samples_stay() {
        let mut ring = Ring::new(4);
        ring.push(&[1, 2, 3]);
        assert_eq!((ring.start(), ring.end(), ring.slice(1, 9)), (0, 3, vec![2, 3]));
        ring.push(&[4, 5, 6]);
        assert_eq!((ring.start(), ring.end()), (2, 6));
        assert_eq!((ring.slice(0, 9), ring.slice(3, 5)), (vec![3, 4, 5, 6], vec![4, 5]));
        assert_eq!(ring.slice(5, 3), Vec::<i16>::new());
    }
}
