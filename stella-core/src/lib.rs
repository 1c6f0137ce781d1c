//! Types, provider traits and the sans-IO conversation engine of Stella.

pub mod audio;
pub mod chat;
pub mod engine;
pub mod error;
pub mod id;
pub mod llm;
pub mod stt;
#[cfg(feature = "rules")]
pub mod testing;
pub mod time;
pub mod tool;
pub mod tts;
pub mod turn_detector;
pub mod vad;
pub mod wire;
