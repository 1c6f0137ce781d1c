//! Scripted providers: fakes that answer by the clock and by a script, so that a conversation can be held without any
//! model. Their delays are exact to what the injected [`Timer`] can do.

mod llm;
mod stt;
mod text;
mod timeline;
mod timer;
mod tts;
mod vad;

pub use llm::ScriptedLlm;
pub use stt::ScriptedStt;
pub use text::ScriptedText;
pub use timeline::Timeline;
pub use timer::Timer;
pub use tts::ScriptedTts;
pub use vad::EnergyVad;
