//! A voice detector that only measures loudness.

use async_trait::async_trait;

use crate::{
    error::ProviderError,
    vad::{Vad, VadStream},
};

/// Takes everything loud for a voice. Good enough for tones and clean recordings; a real room needs a real detector.
#[derive(Debug, Clone, Copy)]
pub struct EnergyVad {
    threshold: f32,
}

impl EnergyVad {
    /// A detector for sounds from `threshold` dBFS (root mean square of 32 ms).
    #[must_use]
    pub fn new(threshold: f32) -> Self {
        Self { threshold }
    }
}

impl Default for EnergyVad {
    /// From -42 dBFS, a quiet voice near a microphone.
    fn default() -> Self {
        Self::new(-42.0)
    }
}

impl Vad for EnergyVad {
    fn name(&self) -> &'static str {
        "energy-vad"
    }

    fn window(&self) -> usize {
        512
    }

    fn open(&self) -> Result<Box<dyn VadStream>, ProviderError> {
        Ok(Box::new(*self))
    }
}

#[async_trait]
impl VadStream for EnergyVad {
    async fn predict(&mut self, window: &[i16]) -> Result<f32, ProviderError> {
        let energy: f64 = window.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
        let level = 10.0 * (energy / window.len().max(1) as f64 / (32_768.0 * 32_768.0)).max(1e-12).log10() as f32;
        Ok(1.0 / (1.0 + (-(level - self.threshold)).exp()))
    }
}
