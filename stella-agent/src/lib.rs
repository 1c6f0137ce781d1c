//! The agent runtime of Stella: an agent in a LiveKit room, or over recordings, and the `stella` command.
//!
//! ```no_run
//! # #[cfg(all(feature = "room", feature = "local"))]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use stella_agent::{
//!     AgentSession, BasicAgent,
//!     local::{LocalModels, LocalOptions},
//!     transport::room::{RoomOptions, RoomTransport},
//! };
//!
//! let models = LocalModels::load(LocalOptions::from_env()).await?; // once per process
//! let agent = BasicAgent::new("You are a receptionist. Answer in one short sentence.").greeting("Hello!");
//! let session = AgentSession::builder().local(&models).agent(agent).build()?; // once per conversation
//! let (url, token) = (std::env::var("LIVEKIT_URL")?, std::env::var("LIVEKIT_TOKEN")?);
//! let end = session.run(RoomTransport::connect(&url, &token, RoomOptions::default()).await?).await?;
//! println!("{:?}", end.reason);
//! # Ok(()) }
//! ```
//!
//! # Map
//! | you want to | see |
//! |---|---|
//! | say what an agent is and does | [`Agent`], [`BasicAgent`] |
//! | put a session together, with models of your own | [`AgentSession::builder`] |
//! | make a running agent say something, follow it, end it | [`SessionHandle`] |
//! | talk in a room, over files, or elsewhere | [`transport`] |
//! | read and write recordings | [`wav`] |
//! | see where the time went | [`LatencyTable`] |
//! | run everything on this machine | `local` |
//! | test an agent without models or a room | `testing` |
//!
//! # How it works
//! One task drives one [`Engine`](stella_core::engine::Engine) for each session and decides nothing itself. Around it:
//! an ear for each speaker (voice detection, recognition, end-of-turn scores), a task for each generation, tool call and
//! synthesis, and one that plays the replies. Audio never passes through the engine. Dropping
//! [`AgentSession::run`] ends all of it; a panic in a provider or a hook becomes a failure that the engine deals with.

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
