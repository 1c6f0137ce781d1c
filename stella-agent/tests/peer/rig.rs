//! An agent of scripted providers in a room with somebody who talks to it.

use std::{sync::Arc, time::Duration};

use stella_agent::{
    AgentSession, BasicAgent, SessionEnd, SessionError, SessionHandle,
    testing::TokioTimer,
    transport::room::{RoomOptions, RoomTransport},
};
use stella_core::{
    engine::{CloseReason, Options},
    testing::scripted::{ScriptedLlm, ScriptedStt, ScriptedText, ScriptedTts},
    vad::Vad,
};
use stella_rtc::token::{ApiKey, TokenOptions, mint};
use tokio::task::JoinHandle;

use super::{Peer, setting};

/// What the scripted recogniser hears.
pub(crate) const HEARD: &str = "What is the time?";
/// What the agent answers to that.
pub(crate) const ANSWER: &str = "You asked me: What is the time?";

pub(crate) struct Rig {
    pub(crate) caller: Peer,
    handle: SessionHandle,
    pub(crate) session: JoinHandle<Result<SessionEnd, SessionError>>,
}

impl Rig {
    /// Starts the agent, then lets `join` bring in a participant named "caller", given the server's address and a token.
    pub(crate) async fn start(greeting: &str, vad: Arc<dyn Vad>, join: impl AsyncFnOnce(&str, &str) -> Peer) -> Self {
        let (url, room) = (setting("STELLA_TEST_LIVEKIT_URL"), format!("agent-{:08x}", rand::random::<u32>()));
        let key = ApiKey::new(setting("STELLA_TEST_LIVEKIT_KEY"), setting("STELLA_TEST_LIVEKIT_SECRET"));
        let agent = TokenOptions { agent: true, ..TokenOptions::new(room.as_str(), "agent") };
        let token = mint(&key, &agent).expect("valid");
        let transport = RoomTransport::connect(&url, &token, RoomOptions::default()).await.expect("joins");
        let timer = TokioTimer::start();
        let mut options = Options::default();
        options.endpointing.wait_unsure = Duration::from_millis(300);
        let session = AgentSession::builder()
            .vad(vad)
            .stt(Arc::new(ScriptedStt::new(timer.clone(), ScriptedText::constant(HEARD))))
            .llm(Arc::new(ScriptedLlm::echo(timer.clone(), "You asked me: ")))
            .tts(Arc::new(ScriptedTts::new(timer)))
            .options(options)
            .agent(BasicAgent::new("").greeting(greeting))
            .build()
            .expect("complete");
        let handle = session.handle();
        let session = tokio::spawn(session.run(transport));
        let token = mint(&key, &TokenOptions::new(room.as_str(), "caller")).expect("valid");
        let caller = join(&url, &token).await;
        Self { caller, handle, session }
    }

    /// Ends the session; the caller sees the agent leave.
    pub(crate) async fn end(mut self, reason: CloseReason) -> SessionEnd {
        self.handle.end(reason, None, Duration::from_secs(2)).await.expect("open");
        self.caller.wait("the agent leaves", |event| event["event"] == "left" && event["identity"] == "agent").await;
        self.session.await.expect("no panic").expect("no error")
    }
}
