//! Changing the sample rate: whole recordings, and streams.

use rubato::{Fft, FixedSync, Resampler as _, audioadapter_buffers::direct::InterleavedSlice};

/// Input samples taken at a time by a stream.
const CHUNK: usize = 480;

/// A whole mono recording at another rate. The same rate gives the same samples.
pub(crate) fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let run = || {
        let mut fft = Fft::<f32>::new(from as usize, to as usize, 1_024, 1, FixedSync::Input).ok()?;
        let input = InterleavedSlice::new(samples, 1, samples.len()).ok()?;
        Some(fft.process_all(&input, samples.len(), None).ok()?.take_data())
    };
    run().unwrap_or_default()
}

/// A mono stream at another rate. Its delay is cut off at the beginning and given back by [`finish`](Self::finish), so
/// that the output lines up with the input.
pub(crate) struct Resampler {
    fft: Fft<f32>,
    waiting: Vec<f32>,
    skip: usize,
    rates: (u64, u64),
    taken: u64,
    given: u64,
}

impl Resampler {
    /// A stream from one rate to another; `None` if they cannot be converted.
    pub(crate) fn new(from: u32, to: u32) -> Option<Self> {
        let fft = Fft::<f32>::new(from as usize, to as usize, CHUNK, 1, FixedSync::Both).ok()?;
        let skip = fft.output_delay();
        let rates = (u64::from(from), u64::from(to));
        Some(Self { fft, waiting: Vec::new(), skip, rates, taken: 0, given: 0 })
    }

    /// Takes samples and gives those that are ready.
    pub(crate) fn push(&mut self, samples: &[i16]) -> Vec<i16> {
        self.taken += samples.len() as u64;
        self.waiting.extend(samples.iter().map(|&s| f32::from(s) / 32_768.0));
        self.drain()
    }

    /// Gives what is left.
    pub(crate) fn finish(&mut self) -> Vec<i16> {
        let due = (self.taken * self.rates.1).div_ceil(self.rates.0);
        let mut out = Vec::new();
        while self.given < due {
            let missing = self.fft.input_frames_next().saturating_sub(self.waiting.len());
            self.waiting.extend(std::iter::repeat_n(0.0, missing));
            let mut part = self.drain();
            if part.is_empty() && self.skip == 0 {
                break;
            }
            let excess = self.given.saturating_sub(due) as usize;
            part.truncate(part.len().saturating_sub(excess));
            out.append(&mut part);
        }
        out
    }

    fn drain(&mut self) -> Vec<i16> {
        let mut out = Vec::new();
        loop {
            let need = self.fft.input_frames_next();
            if self.waiting.len() < need {
                break;
            }
            let Ok(input) = InterleavedSlice::new(&self.waiting[..need], 1, need) else { break };
            let Ok(made) = self.fft.process(&input, None) else { break };
            out.extend(made.take_data());
            self.waiting.drain(..need);
        }
        let skipped = self.skip.min(out.len());
        self.skip -= skipped;
        self.given += (out.len() - skipped) as u64;
        out.into_iter().skip(skipped).map(to_i16).collect()
    }
}

/// A sample between -1 and 1 as 16 bit, clipped.
pub(crate) fn to_i16(sample: f32) -> i16 {
    (sample * 32_768.0).clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_lines_up_with_its_input() {
        for from in [16_000_u32, 22_050, 44_100, 48_000] {
            let input: Vec<i16> =
                (0..from).map(|n| if n < from / 2 { 0 } else { (8_000.0 * (n as f32 * 0.05).sin()) as i16 }).collect();
            let mut stream = Resampler::new(from, 24_000).unwrap();
            let mut out: Vec<i16> = input.chunks(313).flat_map(|part| stream.push(part)).collect();
            out.extend(stream.finish());
            assert_eq!(out.len(), 24_000, "from {from}");
            let start = out.iter().position(|s| s.unsigned_abs() > 1_000).unwrap();
            assert!(start.abs_diff(12_000) < 60, "the tone starts at {start} from {from}");
        }
    }
}
