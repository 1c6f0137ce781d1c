//! End-of-turn detection by smart-turn v3.2: it listens to how the last words were said.
//!
//! Model: input `input_features` f32 \[1, 80, 800\], output `logits` f32 \[1, 1\], which is already a probability. One
//! prediction takes about 0.1 s of a core, whatever the length of the audio.

mod features;
mod pause;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use ort::value::TensorRef;
use stella_core::{
    audio::AudioFormat,
    error::ProviderError,
    turn_detector::{TurnDetector, TurnDetectorCapabilities, TurnDetectorRequest},
};

use self::{
    features::{FRAMES, Features, MELS},
    pause::settle,
};
use crate::runtime::{Cache, InferencePool, Job, Lane, Model, ModelOptions, failed, misshapen};

const NAME: &str = "smart-turn";
/// When the score is wanted: the user is waiting.
const DUE: Duration = Duration::from_millis(150);

/// smart-turn v3.2: 8 million parameters, trained for 23 languages, hears only the last 8 s.
#[derive(Clone)]
pub struct SmartTurn {
    model: Arc<Model>,
    features: Arc<Features>,
    pool: InferencePool,
}

impl fmt::Debug for SmartTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmartTurn").field("model", &self.model).field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl SmartTurn {
    /// Loads `models/smart-turn/smart-turn-v3.2-cpu.onnx` of the cache; it runs on [`InferencePool::global`].
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
        let file = cache.model("smart-turn", "smart-turn-v3.2-cpu.onnx");
        // Its weights use all eight bits: with products that saturate, its scores are another model's.
        let options = ModelOptions { concurrency: pool.workers(), precise: true, ..ModelOptions::default() };
        let model = Model::load(cache, NAME, file, options)?;
        Ok(Self { model, features: Arc::new(Features::new()), pool })
    }
}

#[async_trait]
impl TurnDetector for SmartTurn {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> TurnDetectorCapabilities {
        TurnDetectorCapabilities { audio: true, text: false }
    }

    async fn predict(&self, request: TurnDetectorRequest) -> Result<f32, ProviderError> {
        let refuse = |reason: String| ProviderError::InvalidRequest { provider: NAME, reason };
        let audio = request.audio.ok_or_else(|| refuse("it needs the audio of the turn".to_owned()))?;
        if audio.format() != AudioFormat::SPEECH {
            return Err(refuse(format!("audio must be {:?}, not {:?}", AudioFormat::SPEECH, audio.format())));
        }
        let audio = settle(audio.samples().to_vec(), AudioFormat::SPEECH.samples(request.silence) as usize);
        let (model, features) = (self.model.clone(), self.features.clone());
        let job = Job::new(NAME, &model, Lane::Long, DUE);
        self.pool.submit(job, move || run(&model, &features.compute(&audio))).await
    }
}

fn run(model: &Model, picture: &[f32]) -> Result<f32, ProviderError> {
    model.with_session(|session| {
        let failed = failed(NAME);
        let input = TensorRef::from_array_view(([1, MELS, FRAMES], picture)).map_err(&failed)?;
        let outputs = session.run(ort::inputs! { "input_features" => input }).map_err(&failed)?;
        let (_, probability) = outputs["logits"].try_extract_tensor::<f32>().map_err(&failed)?;
        probability.first().map(|probability| probability.clamp(0.0, 1.0)).ok_or_else(|| misshapen(NAME, "logits"))
    })
}
