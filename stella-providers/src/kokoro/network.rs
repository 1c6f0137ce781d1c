//! The network: phonemes and a style in, sound out.
//!
//! Inputs `tokens` i64 \[1, n\] (0, the phonemes, 0; n ≤ 512), `style` f32 \[1, 256\], `speed` f32 \[1\]; output `audio`
//! f32 \[samples\], 24 kHz. Inside, the network first decides how long each token lasts, then makes exactly that much
//! sound; [`DURATIONS`] makes an output of it.

use ort::value::TensorRef;
use stella_core::error::ProviderError;

use super::{
    NAME,
    exposed::Exposed,
    voice::{STYLE, Voice},
};
use crate::runtime::{Model, failed, misshapen};

/// Most phonemes in one run.
pub(super) const LONGEST: usize = 510;
/// Before and after the phonemes.
const PAD: i64 = 0;
/// Samples of one unit of duration: 25 ms.
pub(super) const UNIT: usize = 600;

/// How many units each token lasts, at least 1: f32 \[1, n\], whole numbers.
pub(super) const DURATIONS: Exposed = Exposed::f32("/encoder/Clip_output_0");

/// What the network made of some phonemes.
#[derive(Debug)]
pub(super) struct Utterance {
    /// 24 kHz, usually within ±1.
    pub(super) audio: Vec<f32>,
    /// The sample each phoneme begins with, and the one the last ends before.
    pub(super) bounds: Vec<usize>,
}

/// Speaks up to [`LONGEST`] phonemes.
pub(super) fn speak(model: &Model, phonemes: &[i64], voice: &Voice, speed: f32) -> Result<Utterance, ProviderError> {
    let phonemes = &phonemes[..phonemes.len().min(LONGEST)];
    let mut tokens = Vec::with_capacity(phonemes.len() + 2);
    tokens.push(PAD);
    tokens.extend_from_slice(phonemes);
    tokens.push(PAD);
    let (audio, durations) = model.with_session(|session| {
        let failed = failed(NAME);
        let outputs = session
            .run(ort::inputs! {
                "tokens" => TensorRef::from_array_view(([1, tokens.len()], &tokens[..])).map_err(&failed)?,
                "style" => TensorRef::from_array_view(([1, STYLE], voice.style(phonemes.len()))).map_err(&failed)?,
                "speed" => TensorRef::from_array_view(([1], &[speed][..])).map_err(&failed)?,
            })
            .map_err(&failed)?;
        let (_, audio) = outputs["audio"].try_extract_tensor::<f32>().map_err(&failed)?;
        let (_, durations) = outputs[DURATIONS.name].try_extract_tensor::<f32>().map_err(&failed)?;
        Ok((audio.to_vec(), durations.to_vec()))
    })?;
    if audio.iter().any(|sample| !sample.is_finite()) {
        return Err(ProviderError::Internal { provider: NAME, source: "the model's audio is not finite".into() });
    }
    let mut end = 0;
    let ends = durations.iter().map(|units| {
        end += *units as usize * UNIT;
        end
    });
    // The first token is a pad, and so is the last: the phonemes lie between their ends.
    let mut bounds: Vec<usize> = ends.collect();
    if durations.len() != tokens.len() || bounds.last() != Some(&audio.len()) {
        return Err(misshapen(NAME, DURATIONS.name));
    }
    bounds.pop();
    Ok(Utterance { audio, bounds })
}
