//! Sine waves: making them, and telling whether one was heard.

use std::{f32::consts::TAU, time::Duration};
use stella_core::audio::{AudioFormat, AudioFrame};

/// An endless sine wave at half of full scale.
pub(crate) struct Tone {
    frequency: f32,
    format: AudioFormat,
    at: u64,
}

/// A tone of `frequency` Hz.
pub(crate) fn tone(frequency: f32, format: AudioFormat) -> Tone {
    Tone { frequency, format, at: 0 }
}

impl Tone {
    /// The next stretch.
    pub(crate) fn next(&mut self, duration: Duration) -> AudioFrame {
        let count = self.format.samples(duration);
        let rate = self.format.sample_rate() as f32;
        let sample = |n: u64| {
            let phase = (n as f64 * f64::from(self.frequency) / f64::from(rate)).fract() as f32;
            ((phase * TAU).sin() * 16_384.0) as i16
        };
        let samples: Vec<i16> = (self.at..self.at + count).map(sample).collect();
        self.at += count;
        AudioFrame::new(self.format, samples).expect("mono")
    }
}

/// What was heard.
#[derive(Debug)]
pub(crate) struct Analysis {
    /// Strongest frequency in Hz, to 5 Hz.
    pub(crate) frequency: u32,
    /// Part of the energy at it, 0-1.
    pub(crate) share: f64,
    pub(crate) dbfs: f64,
    /// Blocks of 10 ms below -40 dBFS.
    pub(crate) silent_blocks: usize,
}

/// Analyses mono samples.
pub(crate) fn analyse(samples: &[i16], rate: u32) -> Analysis {
    let x: Vec<f64> = samples.iter().map(|s| f64::from(*s) / 32_768.0).collect();
    let energy: f64 = x.iter().map(|v| v * v).sum::<f64>().max(1e-12);
    let power = |frequency: u32| {
        let (w, mut a, mut b) = (f64::from(TAU) * f64::from(frequency) / f64::from(rate), 0.0, 0.0);
        for v in &x {
            (a, b) = (v + 2.0 * w.cos() * a - b, a);
        }
        a * a + b * b - 2.0 * w.cos() * a * b
    };
    let (frequency, strongest) =
        (100..=1_200).step_by(5).map(|f| (f, power(f))).fold((0, 0.0), |best, c| if c.1 > best.1 { c } else { best });
    let quiet = |block: &&[f64]| block.iter().map(|v| v * v).sum::<f64>() / (block.len() as f64) < 1e-4;
    Analysis {
        frequency,
        share: 2.0 * strongest / (energy * x.len() as f64),
        dbfs: 10.0 * (energy / x.len() as f64).log10(),
        silent_blocks: x.chunks(rate as usize / 100).filter(quiet).count(),
    }
}
