//! Voice activity detection by Silero VAD v5.
//!
//! Model: input `input` f32 \[1, 576\] (the last 64 samples of the previous window, then 512 new ones, 16 kHz, ±1),
//! `state` f32 \[2, 1, 128\], `sr` i64 scalar; output `output` f32 \[1, 1\], `stateN` f32 \[2, 1, 128\]. One window takes
//! about 0.12 ms.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use ort::value::TensorRef;
use stella_core::{
    error::ProviderError,
    vad::{Vad, VadStream},
};

use crate::runtime::{Cache, InferencePool, Job, Lane, Model, ModelOptions, failed, misshapen};

const NAME: &str = "silero";
/// New samples in one window: 32 ms.
const WINDOW: usize = 512;
/// Samples of the previous window the model sees again.
const CONTEXT: usize = 64;
/// Values of the recurrent state, shape \[2, 1, 128\].
const STATE: usize = 2 * 128;
/// A result is wanted before the next window is complete.
const DUE: Duration = Duration::from_millis(32);

/// Silero VAD v5: says for each 32 ms how likely they hold speech.
#[derive(Debug, Clone)]
pub struct Silero {
    model: Arc<Model>,
    pool: InferencePool,
}

impl Silero {
    /// Loads `models/silero-vad/silero_vad.onnx` of the cache; it runs on [`InferencePool::global`].
    ///
    /// # Errors
    /// [`ProviderError::Model`] if a file is missing or damaged.
    pub fn load(cache: &Cache) -> Result<Self, ProviderError> {
        Self::load_on(cache, InferencePool::global())
    }

    /// As [`load`](Self::load), on a pool of the caller's.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_on(cache: &Cache, pool: InferencePool) -> Result<Self, ProviderError> {
        let file = cache.model("silero-vad", "silero_vad.onnx");
        let options = ModelOptions { concurrency: pool.workers() + 1, ..ModelOptions::default() };
        let model = Model::load(cache, NAME, file, options)?;
        Ok(Self { model, pool })
    }
}

impl Vad for Silero {
    fn name(&self) -> &'static str {
        NAME
    }

    fn window(&self) -> usize {
        WINDOW
    }

    fn open(&self) -> Result<Box<dyn VadStream>, ProviderError> {
        Ok(Box::new(Stream { detector: self.clone(), memory: Memory::default() }))
    }
}

/// What the model remembers of one speaker.
#[derive(Debug, Clone)]
struct Memory {
    context: [f32; CONTEXT],
    state: [f32; STATE],
}

impl Default for Memory {
    fn default() -> Self {
        Self { context: [0.0; CONTEXT], state: [0.0; STATE] }
    }
}

struct Stream {
    detector: Silero,
    memory: Memory,
}

#[async_trait]
impl VadStream for Stream {
    async fn predict(&mut self, window: &[i16]) -> Result<f32, ProviderError> {
        if window.len() != WINDOW {
            let reason = format!("a window has {WINDOW} samples, not {}", window.len());
            return Err(ProviderError::InvalidRequest { provider: NAME, reason });
        }
        let mut input = [0.0; CONTEXT + WINDOW];
        input[..CONTEXT].copy_from_slice(&self.memory.context);
        for (to, &from) in input[CONTEXT..].iter_mut().zip(window) {
            *to = f32::from(from) / 32_768.0;
        }
        let state = self.memory.state;
        let model = self.detector.model.clone();
        let job = Job::new(NAME, &model, Lane::Short, DUE);
        let (probability, state) = self.detector.pool.submit(job, move || run(&model, &input, &state)).await?;
        self.memory.state = state;
        self.memory.context.copy_from_slice(&input[WINDOW..]);
        Ok(probability)
    }
}

fn run(
    model: &Model,
    input: &[f32; CONTEXT + WINDOW],
    state: &[f32; STATE],
) -> Result<(f32, [f32; STATE]), ProviderError> {
    model.with_session(|session| {
        let failed = failed(NAME);
        let outputs = session
            .run(ort::inputs! {
                "input" => TensorRef::from_array_view(([1, CONTEXT + WINDOW], &input[..])).map_err(&failed)?,
                "state" => TensorRef::from_array_view(([2, 1, 128], &state[..])).map_err(&failed)?,
                "sr" => TensorRef::from_array_view(((), &[16_000_i64][..])).map_err(&failed)?,
            })
            .map_err(&failed)?;
        let (_, probability) = outputs["output"].try_extract_tensor::<f32>().map_err(&failed)?;
        let (_, state) = outputs["stateN"].try_extract_tensor::<f32>().map_err(&failed)?;
        let probability = *probability.first().ok_or_else(|| misshapen(NAME, "output"))?;
        let state = state.try_into().map_err(|_| misshapen(NAME, "stateN"))?;
        Ok((probability, state))
    })
}
