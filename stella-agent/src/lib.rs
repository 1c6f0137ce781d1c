//! The agent runtime of Stella.

mod agent;
mod clock;
mod guard;
mod hearing;
mod resample;
mod session;
mod speaking;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
pub mod wav;

pub use agent::{Agent, BasicAgent, UserTurn};
pub use session::{
    AgentSession, AgentSessionBuilder, BuildError, Ended, LlmOptions, SessionEnd, SessionError, SessionEvent,
    SessionHandle,
};
pub use speaking::VoiceOptions;
