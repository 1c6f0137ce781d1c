//! Stella's side: one process, this one, with a session for each call, as an application would hold them.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use stella_agent::{
    AgentSession, BasicAgent, SessionHandle,
    testing::TokioTimer,
    transport::room::{RoomOptions, RoomTransport},
};
use stella_benches::machine::cpu;
use stella_core::{
    engine::{CloseReason, Options, TurnLatency},
    testing::scripted::{ScriptedLlm, ScriptedStt, ScriptedText, ScriptedTts},
};
use stella_providers::{runtime::Cache, silero::Silero};
use stella_rtc::token::{ApiKey, TokenOptions, mint};
use tokio::task::JoinSet;

use super::people::{Calls, People, Plan};

/// Silence that ends a turn.
pub(crate) const WAIT: Duration = Duration::from_millis(300);
/// First token of the model.
pub(crate) const FIRST_TOKEN: Duration = Duration::from_millis(100);
/// First audio of the voice.
pub(crate) const FIRST_AUDIO: Duration = Duration::from_millis(50);
/// Tokens of an answer, 10 ms apart.
const TOKENS: usize = 20;
/// How long a character of the answer is spoken: all of it 0.9 s, so that the turns follow each other quickly.
const CHARACTER: Duration = Duration::from_millis(9);
/// Limit for the sessions to end, once asked to.
const OVER_BY: Duration = Duration::from_secs(5);

/// What came of Stella's calls.
pub(crate) struct Outcome {
    pub(crate) calls: Calls,
    /// Stages of each turn, as Stella itself saw them. The first turn of each call is left out.
    pub(crate) latencies: Vec<TurnLatency>,
    /// Processor cores taken by this process.
    pub(crate) cores: f64,
}

/// Holds calls with it.
pub(crate) async fn measure(people: &People, cache: &Cache, plan: Plan, rooms: &[String]) -> Result<Outcome> {
    let vad = Arc::new(Silero::load(cache).context("run `cargo xtask setup speech`")?);
    let server = &people.server;
    let key = ApiKey::new(&server.api_key, &server.api_secret);
    let mut sessions = JoinSet::new();
    let mut handles: Vec<SessionHandle> = Vec::new();
    for room in rooms {
        let session = session(vad.clone())?;
        handles.push(session.handle());
        let token = mint(&key, &TokenOptions::new(room, "agent")).context("no token can be made")?;
        let transport = RoomTransport::connect(&server.url, &token, RoomOptions::default()).await?;
        sessions.spawn(session.run(transport));
    }
    let (start, used) = (std::time::Instant::now(), cpu()?);
    let calls = people.call(plan, rooms, None).await?;
    let cores = (cpu()? - used).as_secs_f64() / start.elapsed().as_secs_f64();
    for handle in &handles {
        // Most have ended already, because their user has left.
        let _ = handle.end(CloseReason::Completed, None, Duration::from_secs(1)).await;
    }
    let mut latencies = Vec::new();
    let all = async {
        while let Some(end) = sessions.join_next().await {
            let end = end.context("a session panicked")?.context("a session broke down")?;
            latencies.extend(end.latencies.into_iter().skip(1));
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(OVER_BY, all).await.context("sessions did not end")??;
    Ok(Outcome { calls, latencies, cores })
}

fn session(vad: Arc<Silero>) -> Result<AgentSession> {
    let mut options = Options::default();
    options.endpointing.wait_complete = WAIT;
    options.endpointing.wait_unsure = WAIT;
    options.endpointing.wait_incomplete = WAIT;
    let timer = TokioTimer::start();
    let words = ScriptedText::constant("What is the weather like today?");
    AgentSession::builder()
        .vad(vad)
        .stt(Arc::new(ScriptedStt::new(timer.clone(), words)))
        .llm(Arc::new(ScriptedLlm::filler(timer.clone(), TOKENS).first_after(FIRST_TOKEN)))
        .tts(Arc::new(ScriptedTts::new(timer).first_after(FIRST_AUDIO).character(CHARACTER)))
        .options(options)
        .agent(BasicAgent::default())
        .build()
        .context("the agent cannot be built")
}
