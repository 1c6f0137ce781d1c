//! Providers for Stella: implementations of the recogniser, language model, synthesiser and detector traits of
//! [`stella_core`], behind one feature each.
//!
//! The local ones run ONNX models in this process: all share one [`runtime::InferencePool`], and their files lie in a
//! [`runtime::Cache`].

pub mod fallback;
#[cfg(feature = "kokoro")]
pub mod kokoro;
#[cfg(feature = "moonshine")]
pub mod moonshine;
#[cfg(feature = "openai")]
pub mod openai;
#[cfg(any(feature = "silero", feature = "smart-turn", feature = "moonshine", feature = "kokoro"))]
pub mod runtime;
#[cfg(feature = "silero")]
pub mod silero;
#[cfg(feature = "smart-turn")]
pub mod smart_turn;
