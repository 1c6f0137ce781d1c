//! The agent runtime of Stella.

mod agent;
mod clock;
mod guard;
mod hearing;
mod latency;
#[cfg(feature = "local")]
pub mod local;
mod resample;
mod session;
mod shutdown;
mod speaking;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
pub mod wav;

pub use agent::{Agent, BasicAgent, UserTurn};
pub use latency::LatencyTable;
pub use session::{
    AgentSession, AgentSessionBuilder, BuildError, Ended, LlmOptions, SessionEnd, SessionError, SessionEvent,
    SessionHandle,
};
pub use shutdown::{shutdown_insisted, shutdown_requested};
pub use speaking::VoiceOptions;
