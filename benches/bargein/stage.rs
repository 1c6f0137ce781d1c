//! One room: an agent with real ears and a rehearsed voice, and a user who is recorded, both over a real server.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use stella_agent::{
    AgentSession, BasicAgent, SessionEnd, SessionError, SessionEvent, SessionHandle,
    transport::room::{RoomOptions, RoomTransport},
};
use stella_benches::{caller::Caller, rooms::Rooms};
use stella_core::{
    engine::{CloseReason, Event, Options, UserState},
    llm::Llm,
    stt::Stt,
    tts::Tts,
    turn_detector::TurnDetector,
    vad::Vad,
};
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    task::{JoinHandle, JoinSet},
};

use super::tape::Tape;

/// Characters of a sentence: each is synthesised as a whole, so that it is the same take each time.
const SENTENCE: usize = 200;

/// What the agents are made of.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) vad: Arc<dyn Vad>,
    pub(crate) stt: Arc<dyn Stt>,
    pub(crate) turn_detector: Arc<dyn TurnDetector>,
    pub(crate) tts: Arc<dyn Tts>,
}

/// What the session has told, with the time.
#[derive(Debug, Default)]
pub(crate) struct Told {
    entered: bool,
    pub(crate) events: Vec<(Instant, Event)>,
}

impl Told {
    /// Events from a moment on.
    pub(crate) fn since(&self, from: Instant) -> impl Iterator<Item = &(Instant, Event)> {
        self.events.iter().filter(move |(at, _)| *at >= from)
    }

    /// When something fitting was first told from a moment on.
    pub(crate) fn when(&self, from: Instant, fits: impl Fn(&Event) -> bool) -> Option<Instant> {
        self.since(from).find(|(_, event)| fits(event)).map(|(at, _)| *at)
    }

    /// Whether a voice was noticed from a moment on whose fate is not decided.
    pub(crate) fn is_weighing(&self, from: Instant) -> bool {
        let voices = self.since(from).filter(|(_, event)| matches!(event, Event::UserState(UserState::Speaking)));
        let Some((last, _)) = voices.last() else { return false };
        self.when(*last, |e| matches!(e, Event::Discarded { .. } | Event::TurnCommitted { .. })).is_none()
    }
}

/// A room with its two participants.
pub(crate) struct Stage {
    pub(crate) user: Caller,
    pub(crate) handle: SessionHandle,
    pub(crate) tape: Tape,
    pub(crate) told: watch::Receiver<Told>,
    agent: JoinHandle<Result<SessionEnd, SessionError>>,
    _follow: JoinSet<()>,
}

impl Stage {
    /// Opens a room, and waits until agent and user hear each other.
    pub(crate) async fn open(rooms: &Rooms, cast: &Cast, llm: Arc<dyn Llm>) -> Result<Self> {
        let room = rooms.new_name();
        let session = session(cast, llm)?;
        let (handle, mut events) = (session.handle(), session.handle().events());
        let (sender, mut told) = watch::channel(Told::default());
        let mut follow = JoinSet::new();
        follow.spawn(async move {
            loop {
                match events.recv().await {
                    Ok(SessionEvent::Entered) => sender.send_modify(|told| told.entered = true),
                    Ok(SessionEvent::Conversation { event, .. }) => {
                        sender.send_modify(|told| told.events.push((Instant::now(), event)));
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        let token = rooms.token(&room, "agent")?;
        let transport = RoomTransport::connect(&rooms.url, &token, RoomOptions::default()).await?;
        let agent = tokio::spawn(session.run(transport));
        let (session, user_events) = rooms.join(&room, "user").await?;
        let user = Caller::new(session.clone(), user_events).await?;
        let entered = tokio::time::timeout(Duration::from_secs(10), told.wait_for(|told| told.entered)).await;
        entered.context("the agent did not enter")?.context("the agent is gone")?;
        let tape = Tape::start(&session)?;
        Ok(Self { user, handle, tape, told, agent, _follow: follow })
    }

    /// Waits until what was told fits.
    pub(crate) async fn until(&mut self, within: Duration, fits: impl FnMut(&Told) -> bool) -> Result<()> {
        match tokio::time::timeout(within, self.told.wait_for(fits)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => bail!("the session is gone"),
            Err(_) => bail!("it did not happen within {} s", within.as_secs()),
        }
    }

    /// Looks at what was told.
    pub(crate) fn told<T>(&self, look: impl FnOnce(&Told) -> T) -> T {
        look(&self.told.borrow())
    }

    /// Ends it.
    pub(crate) async fn close(self) -> Result<()> {
        // The agent may have noticed by itself that everything is over.
        let _ = self.handle.end(CloseReason::Completed, None, Duration::from_secs(1)).await;
        self.user.leave().await;
        let end =
            tokio::time::timeout(Duration::from_secs(8), self.agent).await.context("the agent did not leave")??;
        end.context("the agent's session broke down")?;
        Ok(())
    }
}

fn session(cast: &Cast, llm: Arc<dyn Llm>) -> Result<AgentSession> {
    let mut options = Options::default();
    options.speech.first_clause = SENTENCE;
    options.speech.clause = SENTENCE;
    options.speech.max_clause = SENTENCE;
    AgentSession::builder()
        .vad(cast.vad.clone())
        .stt(cast.stt.clone())
        .turn_detector(cast.turn_detector.clone())
        .llm(llm)
        .tts(cast.tts.clone())
        .options(options)
        .agent(BasicAgent::default())
        .build()
        .context("the agent cannot be built")
}
