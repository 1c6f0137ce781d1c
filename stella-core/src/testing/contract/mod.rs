//! Contract suites: what every implementation of a seam must do, one function for each behaviour.
//!
//! A test of an implementation calls the function with the implementation in the state that the function's
//! documentation asks for. A function that finds a breach panics and says which.

pub mod llm;
pub mod stt;
pub mod tts;
pub mod turn_detector;
pub mod vad;
