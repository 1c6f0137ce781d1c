//! A conversation under way.

use std::{sync::Arc, time::Duration};

use stella_agent::{
    AgentSession, AgentSessionBuilder, BasicAgent, SessionEnd, SessionError, SessionEvent, SessionHandle,
    testing::{FakeRoom, FakeTransport, Tape, TokioTimer},
};
use stella_core::{
    chat::{ChatItem, Role},
    engine::{CloseReason, Event, Options, ReplyEnd},
    id::SpeakerId,
    testing::scripted::{EnergyVad, ScriptedLlm, ScriptedStt, ScriptedText, ScriptedTts},
};
use tokio::{sync::broadcast, task::JoinHandle};

/// Who talks with the agent.
pub(crate) const ANNA: SpeakerId = SpeakerId(1);

/// A conversation under way.
pub(crate) struct Rig {
    pub(crate) room: FakeRoom,
    pub(crate) handle: SessionHandle,
    pub(crate) events: broadcast::Receiver<SessionEvent>,
    pub(crate) session: JoinHandle<Result<SessionEnd, SessionError>>,
    tape: Tape,
}

fn options() -> Options {
    let mut options = Options::default();
    options.endpointing.wait_unsure = Duration::from_millis(300);
    options.endpointing.wait_complete = Duration::from_millis(250);
    options
}

pub(crate) fn builder() -> AgentSessionBuilder {
    let timer = TokioTimer::start();
    AgentSession::builder()
        .vad(Arc::new(EnergyVad::default()))
        .stt(Arc::new(ScriptedStt::new(timer.clone(), ScriptedText::constant("What is the time?"))))
        .llm(Arc::new(ScriptedLlm::echo(timer.clone(), "You asked me: ")))
        .tts(Arc::new(ScriptedTts::new(timer)))
        .options(options())
        .agent(BasicAgent::new("Be brief.").greeting("Hello, how can I help you?"))
}

impl Rig {
    pub(crate) async fn start(builder: AgentSessionBuilder) -> Self {
        let tape = Tape::default();
        let session = builder.record_to(tape.clone()).build().expect("complete");
        Self::of(session, tape).await
    }

    pub(crate) async fn of(session: AgentSession, tape: Tape) -> Self {
        let handle = session.handle();
        let events = handle.events();
        let (transport, room) = FakeTransport::new();
        let session = tokio::spawn(session.run(transport));
        room.join(ANNA, "anna").await;
        Self { room, handle, events, session, tape }
    }

    /// Waits for an event that `pick` takes.
    pub(crate) async fn event<T>(&mut self, what: &str, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
        let wait = async {
            loop {
                if let SessionEvent::Conversation { event, .. } = self.events.recv().await.expect("the session tells")
                    && let Some(found) = pick(&event)
                {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("no event: {what}"))
    }

    /// Waits for the end of a reply that was no attempt in advance: how, and what was heard.
    pub(crate) async fn reply(&mut self) -> (ReplyEnd, String) {
        self.event("reply ended", |event| match event {
            Event::ReplyEnded { end, heard, .. } if *end != ReplyEnd::RolledBack => Some((*end, heard.clone())),
            _ => None,
        })
        .await
    }

    pub(crate) async fn end(self) -> SessionEnd {
        self.handle.end(CloseReason::Application, None, Duration::from_secs(2)).await.expect("open");
        let end = self.session.await.expect("no panic").expect("no error");
        let report = self.tape.replay().expect("the recording gives equal outputs");
        assert!(report.closed && !report.cut, "{report:?}");
        end
    }
}

pub(crate) fn said(end: &SessionEnd) -> Vec<(Role, String)> {
    let said = end.history.iter().filter_map(|item| match item {
        ChatItem::Message(message) => Some((message.role, message.text.clone())),
        _ => None,
    });
    said.collect()
}
