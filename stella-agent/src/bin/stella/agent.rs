//! The agent of the command: flags, session and what is printed.

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use stella_agent::{
    Agent, AgentSession, LatencyTable, SessionEnd, SessionEvent, SessionHandle,
    local::{LocalModels, LocalOptions},
    shutdown_insisted, shutdown_requested,
    transport::Transport,
};
use stella_core::engine::{CloseReason, Event};

use crate::{
    failure::Failure,
    setting::{self, Setting},
};

/// Time for the farewell.
const FAREWELL_WITHIN: Duration = Duration::from_secs(6);

/// What is the same wherever the agent talks.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentArgs {
    /// What the language model is told to be.
    #[arg(
        long,
        default_value = "You are Stella, a friendly voice assistant. Answer in one or two short, plain sentences."
    )]
    instructions: String,
    /// What the agent says first; empty says nothing.
    #[arg(long, default_value = "Hello! How can I help you?")]
    greeting: String,
    /// What the agent says when it is asked to stop; empty says nothing.
    #[arg(long, default_value = "")]
    farewell: String,
    /// Address of the language model, such as http://127.0.0.1:8080/v1.
    #[arg(long, env = "STELLA_LLM_URL", value_name = "URL")]
    llm_url: Option<String>,
    /// Name of the language model. Default: the first one that the server names.
    #[arg(long, env = "STELLA_LLM_MODEL", value_name = "NAME")]
    llm_model: Option<String>,
    /// Key of the language model, if it needs one.
    #[arg(long, env = "STELLA_LLM_KEY", hide_env_values = true, value_name = "KEY")]
    llm_key: Option<String>,
    /// Name of the voice, such as af_heart or bm_george.
    #[arg(long, default_value = "af_heart")]
    voice: String,
    /// Record what the engine is told and says into this file, every word included; see `stella replay`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Set an option of the conversation engine, such as recovery.first_token_by=20s for a slow model, or
    /// latency.budget=1.2s. May be given several times; docs/engine.md lists all options.
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<Setting>,
}

impl AgentArgs {
    /// Loads the models, and makes a session of them.
    pub(crate) async fn prepare(self) -> Result<Conversation, Failure> {
        // A wrong option is told before anything is loaded.
        let options = setting::options(&self.set)?;
        let mut local = LocalOptions::from_env();
        local.llm_url = self.llm_url;
        local.llm_model = self.llm_model;
        local.llm_key = self.llm_key.map(Into::into);
        local.voice.voice = self.voice;
        let models = LocalModels::load(local).await?;
        let mut builder = AgentSession::builder().local(&models).options(options);
        if let Some(file) = self.record {
            builder = builder.record(file);
        }
        let agent = Talker { instructions: self.instructions, greeting: self.greeting };
        let farewell = Some(self.farewell).filter(|text| !text.is_empty());
        Ok(Conversation { session: builder.agent(agent).build()?, farewell })
    }
}

/// A conversation that can begin.
pub(crate) struct Conversation {
    session: AgentSession,
    farewell: Option<String>,
}

impl Conversation {
    /// Holds it, prints it, and ends it when the process is asked to stop.
    pub(crate) async fn hold(self, transport: impl Transport + 'static) -> Result<SessionEnd, Failure> {
        let Self { session, farewell } = self;
        let handle = session.handle();
        let running = session.run(transport);
        tokio::pin!(running);
        let end = tokio::select! {
            end = &mut running => end?,
            () = shutdown_requested() => {
                let within = if farewell.is_some() { FAREWELL_WITHIN } else { Duration::from_secs(2) };
                // An error means that the conversation is over already.
                let _ = handle.end(CloseReason::Shutdown, farewell, within).await;
                tokio::select! {
                    end = &mut running => end?,
                    () = shutdown_insisted() => return Err(Failure::stopped()),
                }
            }
        };
        println!("ended after {:.1} s", end.duration.as_secs_f64());
        println!("{}", LatencyTable::new(&end.latencies));
        match &end.reason {
            CloseReason::Error(error) => Err(Failure::other(error.clone())),
            CloseReason::Disconnected => {
                Err(Failure::other("the connection to the room was lost and did not come back"))
            }
            _ => Ok(end),
        }
    }
}

/// Talks, and prints what is said.
struct Talker {
    instructions: String,
    greeting: String,
}

#[async_trait]
impl Agent for Talker {
    fn instructions(&self) -> String {
        self.instructions.clone()
    }

    fn greeting(&self) -> Option<String> {
        Some(self.greeting.clone()).filter(|text| !text.is_empty())
    }

    async fn on_event(&self, _: &SessionHandle, event: &SessionEvent) {
        match event {
            SessionEvent::Joined(participant) => println!("{} came", participant.identity),
            SessionEvent::Left(participant) => println!("{} left", participant.identity),
            SessionEvent::Reconnecting => println!("the connection is lost, reconnecting"),
            SessionEvent::Reconnected => println!("the connection is back"),
            SessionEvent::Conversation { at, event: Event::TurnCommitted { parts, .. } } => {
                let text: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
                println!("{at} user: {}", text.join(" "));
            }
            SessionEvent::Conversation { at, event: Event::ReplyEnded { end, heard, .. } } => {
                println!("{at} agent ({end:?}): {heard}");
            }
            _ => {}
        }
    }
}
