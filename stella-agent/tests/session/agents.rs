//! What an agent may do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use stella_agent::{
    Agent, AgentSession, BasicAgent, BuildError, SessionEvent, SessionHandle, UserTurn,
    testing::{Tape, TokioTimer},
    transport::Participant,
};
use stella_core::{
    chat::{ChatItem, ToolCall},
    engine::{
        AfterLimit, CloseReason, Event, Options, ReplyEnd, Review, TurnLimit, TurnOutcome, WordListJudge, replay,
    },
    error::ProviderError,
    llm::{FinishReason, Llm, LlmCapabilities, LlmEvent, LlmRequest, LlmStream},
    testing::scripted::{ScriptedStt, ScriptedText, Timeline},
};
use stella_tools::{FunctionTool, NoArguments, Registry};

use crate::rig::{ANNA, Rig, builder};

/// Counts what it is called for, and answers every other turn only.
#[derive(Default)]
struct Reviewer {
    calls: Arc<Calls>,
}

#[derive(Default)]
struct Calls {
    turns: AtomicUsize,
    joined: AtomicUsize,
    events: AtomicUsize,
    closed: AtomicUsize,
    exits: AtomicUsize,
}

#[async_trait]
impl Agent for Reviewer {
    fn reviews_turns(&self) -> bool {
        true
    }

    async fn on_joined(&self, _: &SessionHandle, participant: &Participant) {
        assert_eq!(participant.identity, "anna");
        self.calls.joined.fetch_add(1, Ordering::Relaxed);
        panic!("a fault of the test");
    }

    async fn on_user_turn(&self, _: &SessionHandle, turn: &UserTurn) -> Review {
        assert_eq!(turn.text, "What is the time?");
        if self.calls.turns.fetch_add(1, Ordering::Relaxed) == 0 {
            Review::Decline { reason: "not now".into() }
        } else {
            Review::Answer { text: Some("Changed".into()), context: None }
        }
    }

    async fn on_event(&self, _: &SessionHandle, event: &SessionEvent) {
        self.calls.events.fetch_add(1, Ordering::Relaxed);
        if matches!(event, SessionEvent::Conversation { event: Event::Closed { .. }, .. }) {
            self.calls.closed.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn on_exit(&self, _: &SessionHandle, reason: Option<&CloseReason>) {
        assert_eq!(reason, Some(&CloseReason::Application));
        self.calls.exits.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_reviews_turns() {
    let calls = Arc::new(Calls::default());
    let mut rig = Rig::start(builder().agent(Reviewer { calls: calls.clone() })).await;
    rig.room.hum(ANNA, Duration::from_millis(900));
    let outcome = rig.event("turn ended", |event| match event {
        Event::TurnEnded { outcome, .. } => Some(outcome.clone()),
        _ => None,
    });
    assert_eq!(outcome.await, TurnOutcome::Declined { reason: "not now".into() });
    rig.room.hum(ANNA, Duration::from_millis(900));
    assert_eq!(rig.reply().await, (ReplyEnd::Finished, "You asked me: Changed".into()));
    rig.end().await;
    assert_eq!(calls.turns.load(Ordering::Relaxed), 2);
    assert_eq!(calls.joined.load(Ordering::Relaxed), 1);
    assert_eq!(calls.exits.load(Ordering::Relaxed), 1);
    assert!(calls.events.load(Ordering::Relaxed) > 10);
    assert_eq!(calls.closed.load(Ordering::Relaxed), 1, "the agent is told to the end");
}

#[tokio::test(start_paused = true)]
async fn another_agent_takes_over() {
    let mut rig = Rig::start(builder()).await;
    rig.reply().await;
    rig.handle.update_agent(BasicAgent::new("").greeting("I am the next one.")).await.expect("open");
    assert_eq!(rig.reply().await.1, "I am the next one.");
    rig.end().await;
}

/// Asks for a tool, then repeats its output.
#[derive(Debug)]
struct ToolLlm;

#[async_trait]
impl Llm for ToolLlm {
    fn name(&self) -> &'static str {
        "tool-llm"
    }

    fn capabilities(&self) -> LlmCapabilities {
        LlmCapabilities { tools: true, streaming: true }
    }

    async fn generate(&self, request: LlmRequest) -> Result<LlmStream, ProviderError> {
        let output = request.chat.iter().find_map(|item| match item {
            ChatItem::ToolOutput(output) => Some(output.output.clone()),
            _ => None,
        });
        let parts = match output {
            Some(output) => [LlmEvent::Text(format!("It is {output}.")), LlmEvent::Done(FinishReason::Stop)],
            None => {
                assert_eq!(request.tools[0].name, "clock");
                let call = ToolCall { id: "1".into(), name: "clock".into(), arguments: String::new() };
                [LlmEvent::ToolCall(call), LlmEvent::Done(FinishReason::ToolCalls)]
            }
        };
        let parts = parts.map(|part| (Duration::from_millis(10), Ok(part)));
        Ok(Box::pin(Timeline::new(TokioTimer::start(), parts)))
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_run_and_its_output_is_spoken() {
    let clock = FunctionTool::new("clock", "Tells the time.", async |_: NoArguments| Ok("noon"));
    let tools = Registry::new().with(clock).expect("a good tool");
    let mut rig = Rig::start(builder().llm(Arc::new(ToolLlm)).agent(BasicAgent::new("").tools(tools))).await;
    rig.room.hum(ANNA, Duration::from_millis(900));
    assert_eq!(rig.reply().await, (ReplyEnd::Finished, "It is noon.".into()));
    rig.end().await;
}

/// Every test of this file replays its recording when it ends; this one records into a file.
#[tokio::test(start_paused = true)]
async fn a_recording_gives_the_same_outputs_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("conversation.jsonl");
    let timer = TokioTimer::start();
    let texts = ScriptedText::script(["Tell me a story please.", "mhm", "Stop it now."]);
    let stt = ScriptedStt::new(timer, texts).interim_every(Duration::from_millis(200));
    let session = builder().stt(Arc::new(stt)).record(&file).build().expect("complete");
    let mut rig = Rig::of(session, Tape::default()).await;
    rig.reply().await;
    rig.room.hum(ANNA, Duration::from_millis(1_000));
    rig.event("speaking", |event| matches!(event, Event::Latency(_)).then_some(())).await;
    rig.room.hum(ANNA, Duration::from_millis(300));
    rig.reply().await;
    rig.handle.end(CloseReason::Application, None, Duration::from_secs(2)).await.expect("open");
    rig.session.await.expect("no panic").expect("no error");
    let report = replay(&std::fs::read(&file).expect("written")[..], Box::new(WordListJudge)).expect("equal outputs");
    assert!(report.closed && !report.cut);
    assert!(report.inputs > 100, "{report:?}");
}

/// Counts the users who go on for too long.
struct Patient(Arc<AtomicUsize>);

#[async_trait]
impl Agent for Patient {
    async fn on_turn_limit(&self, _: &SessionHandle, limit: &TurnLimit) {
        assert_eq!(limit.speaker, ANNA);
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_who_does_not_stop_is_answered_at_the_limit() {
    let mut options = Options::default();
    options.turn_limit.max_duration = Some(Duration::from_secs(4));
    options.turn_limit.then = AfterLimit::Commit;
    let (told, timer) = (Arc::new(AtomicUsize::new(0)), TokioTimer::start());
    let stt = ScriptedStt::new(timer, ScriptedText::script(["And then he said", "that was all."]));
    let mut rig = Rig::start(builder().stt(Arc::new(stt)).options(options).agent(Patient(told.clone()))).await;
    rig.room.hum(ANNA, Duration::from_secs(7));
    assert_eq!(rig.reply().await, (ReplyEnd::Finished, "You asked me: And then he said".into()));
    assert_eq!(rig.reply().await, (ReplyEnd::Finished, "You asked me: that was all.".into()));
    rig.end().await;
    assert_eq!(told.load(Ordering::Relaxed), 1);
}

#[test]
fn a_missing_part_is_named() {
    let error = AgentSession::builder().build().expect_err("nothing was given");
    assert!(matches!(error, BuildError::Missing("vad")), "{error}");
}
