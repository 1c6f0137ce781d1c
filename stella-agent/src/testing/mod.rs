//! For tests: a transport in memory, a recording in memory, and the clock of the scripted providers in
//! [`stella_core::testing`]. All of it works in tokio's paused time.

mod fake_transport;
mod tape;
mod timer;

pub use fake_transport::{FakeRoom, FakeTransport};
pub use tape::Tape;
pub use timer::TokioTimer;
