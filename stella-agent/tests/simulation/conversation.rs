//! One conversation from its beginning to its end, in virtual time.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use stella_agent::{AgentSession, SessionEnd, SessionEvent, SessionHandle, testing::Tape, transport::TransportEvent};
use stella_core::{
    engine::{AgentState, CloseReason, Event, Source},
    id::SpeakerId,
};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        mpsc, watch,
    },
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use crate::{
    application::{self, Clerk},
    dice::Dice,
    hearing::{FakeDetector, FakeStt, FakeVad, Heard, Hearing},
    mouth::{Mouth, Said, SaidWord},
    plan::{Ending, LONGEST_REPLY, Plan, QUIET},
    room::{Room, RoomLog},
    speaking::{FakeTts, Times, Voiced},
    thinking::FakeLlm,
    user::{Typed, TypedMessage, User},
};

/// What a session may take beyond the time that its end allows: a second for the engine, two for the agent's last hook,
/// one for the publisher, five for the transport.
const LEAVING: Duration = Duration::from_millis(9_500);

/// What happened in a conversation.
pub(crate) struct Outcome {
    pub(crate) recording: Vec<u8>,
    /// How the session ended; `None` if it did not.
    pub(crate) end: Option<Result<SessionEnd, String>>,
    /// When its end was asked for, in milliseconds.
    pub(crate) asked: u64,
    /// When everybody had been silent for long, in milliseconds, if they had.
    pub(crate) rested: Option<u64>,
    pub(crate) said: Vec<SaidWord>,
    pub(crate) typed: Vec<TypedMessage>,
    pub(crate) heard: Heard,
    pub(crate) voiced: Voiced,
    pub(crate) room: RoomLog,
    /// What became of messages, as the application was told.
    pub(crate) told: Vec<String>,
    /// Tasks that were left.
    pub(crate) left: usize,
    pub(crate) zero: Instant,
}

impl Outcome {
    /// Everything that may not differ between two runs.
    pub(crate) fn trace(&self) -> Vec<u8> {
        let mut trace = self.recording.clone();
        let rest = (&self.end, self.asked, self.left, &self.said, &self.typed, &self.heard.utterances);
        let _ = write!(trace, "{rest:#?}\n{:#?}\n{:#?}", self.voiced, self.room);
        trace
    }
}

/// Holds a conversation. `beat` is told the virtual time, in milliseconds.
pub(crate) fn hold(plan: &Plan, beat: impl Fn(u64) + Send + 'static) -> io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(converse(plan, beat)))
}

/// What the fakes write into.
struct Logs {
    tape: Tape,
    said: Said,
    typed: Typed,
    heard: Arc<Mutex<Heard>>,
    voiced: Arc<Mutex<Voiced>>,
    room: Arc<Mutex<RoomLog>>,
    told: Arc<Mutex<Vec<String>>>,
}

async fn converse(plan: &Plan, beat: impl Fn(u64) + Send + 'static) -> Outcome {
    let zero = Instant::now();
    let logs = Logs {
        tape: Tape::default(),
        said: Said::default(),
        typed: Typed::default(),
        heard: Arc::default(),
        voiced: Arc::default(),
        room: Arc::default(),
        told: Arc::default(),
    };
    let dice = |whose: &str| Arc::new(Dice::new(plan.seed, whose));
    let clerk = Clerk { dice: dice("clerk"), trouble: plan.trouble.application, reviews: plan.reviews };
    let session = session(plan, zero, &logs, clerk.clone());
    let handle = session.handle();
    let (events, received) = mpsc::channel(64);
    let room = Room {
        events: received,
        dice: dice("room"),
        trouble: (plan.trouble.link, plan.trouble.application),
        log: logs.room.clone(),
    };
    // A channel for each, because those who share one wake in any order.
    let watches = (0..=plan.people).map(|_| watch::channel(AgentState::default()));
    let (agent, mut agent_states): (Vec<_>, Vec<_>) = watches.unzip();
    let mut others = vec![
        tokio::spawn(follow(handle.events(), agent, logs.told.clone())),
        tokio::spawn(application::interfere(clerk, handle.clone(), dice("application"), logs.typed.clone())),
        tokio::spawn(async move {
            loop {
                beat(zero.elapsed().as_millis() as u64);
                sleep(Duration::from_millis(500)).await;
            }
        }),
    ];
    let session = tokio::spawn(session.run(room));
    let people = (1..=plan.people).map(|person| {
        let speaker = SpeakerId(person);
        let user = User {
            speaker,
            mouth: Arc::new(Mouth::new(zero, speaker, logs.said.clone())),
            events: events.clone(),
            agent: agent_states.remove(0),
            dice: dice(&format!("user {person}")),
            link_trouble: plan.trouble.link,
            typed: logs.typed.clone(),
            until: plan.length.as_millis() as u64 + if plan.quiet { 0 } else { 60_000 },
        };
        tokio::spawn(user.live())
    });
    let people: Vec<_> = people.collect();
    let mut rested = None;
    if plan.quiet {
        for person in people {
            let _ = person.await;
        }
        // Neither does the application do anything any more.
        others[1].abort();
        let _ = timeout(LONGEST_REPLY, quiet(agent_states.remove(0))).await;
        rested = Some(zero.elapsed().as_millis() as u64);
    } else {
        sleep_until(zero + plan.length).await;
        others.extend(people);
    }
    let asked = zero.elapsed().as_millis() as u64;
    let within = end(plan, &handle, events, &mut others).await;
    let end = finished(session, Instant::now() + within + LEAVING).await;
    for other in others {
        other.abort();
        let _ = other.await;
    }
    drop(handle);
    sleep(Duration::from_millis(10)).await;
    let left = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    Outcome {
        recording: logs.tape.bytes(),
        end,
        asked,
        rested,
        said: std::mem::take(&mut *logs.said.lock()),
        typed: logs.typed.take(),
        heard: std::mem::take(&mut *logs.heard.lock()),
        voiced: std::mem::take(&mut *logs.voiced.lock()),
        room: std::mem::take(&mut *logs.room.lock()),
        told: std::mem::take(&mut *logs.told.lock()),
        left,
        zero,
    }
}

/// Waits until the agent does nothing for long.
async fn quiet(mut agent: watch::Receiver<AgentState>) {
    loop {
        // An error means that the session is over.
        if agent.wait_for(|state| *state == AgentState::Listening).await.is_err()
            || timeout(QUIET, agent.wait_for(|state| *state != AgentState::Listening)).await.is_err()
        {
            return;
        }
    }
}

fn session(plan: &Plan, zero: Instant, logs: &Logs, clerk: Clerk) -> AgentSession {
    let dice = |whose: &str| Arc::new(Dice::new(plan.seed, whose));
    let hearing = |whose: &str| Hearing {
        dice: dice(whose),
        trouble: plan.trouble.hearing,
        said: logs.said.clone(),
        log: logs.heard.clone(),
    };
    let times = if plan.seed.is_multiple_of(4) { Times::None } else { Times::Exact };
    let tts = FakeTts { zero, dice: dice("voice"), trouble: plan.trouble.speaking, times, log: logs.voiced.clone() };
    let builder = AgentSession::builder()
        .vad(Arc::new(FakeVad(hearing("vad"))))
        .stt(Arc::new(FakeStt(hearing("stt"))))
        .turn_detector(Arc::new(FakeDetector(hearing("detector"))))
        .llm(Arc::new(FakeLlm { dice: dice("model"), trouble: plan.trouble.thinking }))
        .tts(Arc::new(tts))
        .options(plan.options.clone())
        .agent(clerk)
        .record_to(logs.tape.clone());
    builder.build().expect("a plan is valid")
}

/// Ends the conversation as planned; returns in what time it must be over.
async fn end(
    plan: &Plan,
    handle: &SessionHandle,
    events: mpsc::Sender<TransportEvent>,
    others: &mut Vec<JoinHandle<()>>,
) -> Duration {
    let dice = Dice::new(plan.seed, "end");
    let within = dice.millis(0..=6_000);
    let farewell = Some("It was nice to talk with you. Goodbye!".to_owned());
    // Errors mean that it has ended by itself, which is found out later.
    match plan.ending {
        Ending::Application => {
            let _ = handle.end(CloseReason::Application, None, within).await;
        }
        Ending::Farewell => {
            let _ = handle.end(CloseReason::Completed, farewell, within).await;
        }
        Ending::Twice => {
            let _ = handle.end(CloseReason::Completed, farewell, within).await;
            sleep(dice.millis(0..=2_000)).await;
            let _ = handle.end(CloseReason::Shutdown, None, within / 2).await;
        }
        Ending::Closed => {
            let _ = events.send(TransportEvent::Closed { reason: CloseReason::UserLeft }).await;
        }
        Ending::Broken => {
            for other in others.drain(3..) {
                other.abort();
                let _ = other.await;
            }
        }
    }
    within
}

/// Waits for the end of the session, but not for ever.
async fn finished(
    session: JoinHandle<Result<SessionEnd, stella_agent::SessionError>>,
    by: Instant,
) -> Option<Result<SessionEnd, String>> {
    let abort = session.abort_handle();
    match timeout_at(by, session).await {
        Ok(Ok(Ok(end))) => Some(Ok(end)),
        Ok(Ok(Err(error))) => Some(Err(error.to_string())),
        Ok(Err(panic)) => Some(Err(panic.to_string())),
        Err(_) => {
            abort.abort();
            None
        }
    }
}

/// Tells the users what the agent does, and notes what became of the messages.
async fn follow(
    mut events: broadcast::Receiver<SessionEvent>,
    agents: Vec<watch::Sender<AgentState>>,
    told: Arc<Mutex<Vec<String>>>,
) {
    let typed = |source: &Source| matches!(source, Source::Message(_));
    loop {
        match events.recv().await {
            Ok(SessionEvent::Conversation { event, .. }) => match event {
                Event::AgentState(state) => {
                    for agent in &agents {
                        agent.send_replace(state);
                    }
                }
                Event::TurnCommitted { parts, .. } => {
                    let texts = parts.into_iter().filter(|part| typed(&part.source)).map(|part| part.text);
                    told.lock().extend(texts);
                }
                Event::Discarded { source, text, .. } if typed(&source) => told.lock().push(text),
                _ => {}
            },
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}
