//! The network: phonemes and a style in, sound out.
//!
//! Inputs `tokens` i64 \[1, n\] (0, the phonemes, 0; n ≤ 512), `style` f32 \[1, 256\], `speed` f32 \[1\]; output `audio`
//! f32 \[samples\], 24 kHz.

use ort::value::TensorRef;
use stella_core::error::ProviderError;

use super::{
    NAME,
    voice::{STYLE, Voice},
};
use crate::runtime::{Model, failed};

/// Most phonemes in one run.
pub(super) const LONGEST: usize = 510;
/// Before and after the phonemes.
const PAD: i64 = 0;

/// Speaks up to [`LONGEST`] phonemes; 24 kHz, usually within ±1.
pub(super) fn speak(model: &Model, phonemes: &[i64], voice: &Voice, speed: f32) -> Result<Vec<f32>, ProviderError> {
    let phonemes = &phonemes[..phonemes.len().min(LONGEST)];
    let mut tokens = Vec::with_capacity(phonemes.len() + 2);
    tokens.push(PAD);
    tokens.extend_from_slice(phonemes);
    tokens.push(PAD);
    let audio = model.with_session(|session| {
        let failed = failed(NAME);
        let outputs = session
            .run(ort::inputs! {
                "tokens" => TensorRef::from_array_view(([1, tokens.len()], &tokens[..])).map_err(&failed)?,
                "style" => TensorRef::from_array_view(([1, STYLE], voice.style(phonemes.len()))).map_err(&failed)?,
                "speed" => TensorRef::from_array_view(([1], &[speed][..])).map_err(&failed)?,
            })
            .map_err(&failed)?;
        let (_, audio) = outputs["audio"].try_extract_tensor::<f32>().map_err(&failed)?;
        Ok(audio.to_vec())
    })?;
    if audio.iter().any(|sample| !sample.is_finite()) {
        return Err(ProviderError::Internal { provider: NAME, source: "the model's audio is not finite".into() });
    }
    Ok(audio)
}
