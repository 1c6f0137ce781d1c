//! Speaking: synthesis tasks fill the replies' audio; one task plays it, holds it, and goes on from any sample.

mod playout;
mod store;
mod voice;

pub(crate) use playout::{Playout, PlayoutCommand};
pub(crate) use store::Store;
pub(crate) use voice::Voice;
pub use voice::VoiceOptions;
