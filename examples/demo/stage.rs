//! Everything a conversation needs, set up and cleared away.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use stella_agent::{
    SessionEvent,
    local::LocalModels,
    transport::room::{RoomOptions, RoomTransport},
};
use stella_core::engine::CloseReason;
use stella_examples::clip::Clip;
use stella_providers::runtime::Cache;
use stella_rtc::token::{ApiKey, TokenOptions, mint};
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};

use super::{
    Args,
    agent::{self, LlmAddress},
    first_word, peers,
    progress::Progress,
    recording::Recording,
    report::{FirstWord, Report, Sources},
    scene::Scene,
    script::{Director, Record},
    user::User,
    voice::Meter,
};

/// What the user has to say.
#[derive(Debug)]
pub(crate) struct Play {
    /// The recorded speech.
    pub(crate) clip: Clip,
    /// Whether it is somebody's own file, not that of the script.
    pub(crate) own: bool,
}

/// Both sides in one room.
pub(crate) struct Stage {
    director: Director,
    models: LocalModels,
    meter: Meter,
    recording: Recording,
    agent: Option<JoinHandle<()>>,
    peers: serde_json::Value,
    first_word: FirstWord,
}

impl Stage {
    /// Loads the models, and lets both sides join.
    pub(crate) async fn set(args: &Args, cache: &Cache, progress: Progress) -> Result<Self> {
        let peers = peers(args)?;
        let address =
            LlmAddress { url: args.llm_url.clone(), model: args.llm_model.clone(), key: args.llm_key.clone() };
        let key = ApiKey::new(&args.api_key, &args.api_secret);
        let room = format!("demo-{:x}", std::process::id());
        let token = |identity: &str, agent: bool| {
            let options = TokenOptions { agent, ..TokenOptions::new(room.as_str(), identity) };
            mint(&key, &options).context("no token can be made for the room")
        };
        let (user_token, agent_token) = (token("user", false)?, token("agent", true)?);
        let (scene, watched) = watch::channel(Scene::default());
        let recording = Recording::start();
        progress.line("demo", "loads the models and joins the room");
        let models = agent::models(cache.clone(), address);
        let user = User::join(&args.url, &user_token, scene.clone(), recording.clone());
        let transport = async {
            let joined = RoomTransport::connect(&args.url, &agent_token, RoomOptions::default()).await;
            joined.context("the agent cannot join the room")
        };
        let (models, user, transport) = tokio::try_join!(models, user, transport)?;
        progress.line("demo", "the models are loaded, both sides are in the room");
        let meter = Meter::default();
        let session = agent::session(&models, meter.clone(), &args.record())?;
        let handle = session.handle();
        tokio::spawn(follow(handle.events(), scene.clone(), progress.clone()));
        let agent = tokio::spawn(async move {
            let over = match session.run(transport).await {
                Ok(end) => format!("the agent's session ended ({:?})", end.reason),
                Err(error) => format!("the agent's session broke down: {}", stella_core::error::chain(&error)),
            };
            scene.send_modify(|scene| {
                scene.over.get_or_insert(over);
            });
        });
        let director =
            Director { user: Arc::new(user), scene: watched, session: handle, progress, record: Record::default() };
        let agent = Some(agent);
        Ok(Self { director, models, meter, recording, agent, peers, first_word: FirstWord::default() })
    }

    /// Holds the conversation.
    pub(crate) async fn perform(&mut self, play: &Play) -> Result<()> {
        let director = &mut self.director;
        director.hear_first_word().await?;
        self.first_word = first_word(&director.progress);
        director.hear_greeting().await?;
        if play.own {
            director.play_file(&play.clip).await?;
        } else {
            director.play_script(&play.clip, self.models.tts.clone()).await?;
        }
        director.part().await?;
        anyhow::ensure!(!director.scene.borrow().lost, "the connection to the room was lost and did not come back");
        Ok(())
    }

    /// Lets both sides leave, as quickly as may be.
    pub(crate) async fn clear(&mut self) {
        // An error means that it has ended already.
        let _ = self.director.session.end(CloseReason::Shutdown, None, Duration::from_secs(1)).await;
        if let Some(mut agent) = self.agent.take() {
            // A session that is over needs no time; one that hangs gets what the caller gives us.
            if tokio::time::timeout(Duration::from_millis(1_500), &mut agent).await.is_err() {
                agent.abort();
            }
        }
        self.director.user.leave().await;
    }

    /// What happened.
    pub(crate) fn report(&self, said: Option<&str>) -> Report {
        let scene = self.director.scene.borrow();
        let sources = Sources { scene: &scene, record: &self.director.record, meter: &self.meter, said };
        let mut report = Report::new(&sources);
        report.peers = self.peers.clone();
        report.first_word = self.first_word.clone();
        report
    }

    /// Both sides as they were heard.
    pub(crate) fn recording(&self) -> &Recording {
        &self.recording
    }
}

/// Tells scene and terminal what happens in the agent's session.
async fn follow(mut events: broadcast::Receiver<SessionEvent>, scene: watch::Sender<Scene>, progress: Progress) {
    loop {
        match events.recv().await {
            Ok(event) => {
                let now = Instant::now();
                scene.send_modify(|scene| scene.talk.apply(now, &event));
                progress.event(&event);
            }
            Err(broadcast::error::RecvError::Lagged(count)) => {
                progress.line("demo", format!("({count} events were missed)"));
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
