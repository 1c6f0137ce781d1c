//! Greeting, question, interruption, typed text, end.

use std::{sync::Arc, time::Duration};

use stella_agent::{
    BasicAgent,
    testing::{FakeRoom, FakeTransport},
    transport::TransportEvent,
};
use stella_core::{
    audio::AudioFormat,
    chat::Role,
    engine::{AgentState, CloseReason, Event, ReplyEnd, TypedPolicy},
    id::SpeakerId,
};
use tokio::time::Instant;

use crate::{
    fakes::NotingDetector,
    rig::{ANNA, Rig, builder, said},
};

#[tokio::test(start_paused = true)]
async fn the_greeting_is_heard_and_a_question_is_answered() {
    let mut rig = Rig::start(builder()).await;
    assert_eq!(rig.reply().await, (ReplyEnd::Finished, "Hello, how can I help you?".into()));
    let greeting = rig.room.sound();
    assert!(greeting > Duration::from_millis(1_200), "{greeting:?} of greeting");

    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.room.hum(ANNA, Duration::from_millis(1_500));
    let latency =
        rig.event("latency", |event| if let Event::Latency(l) = event { Some(l.clone()) } else { None }).await;
    // 160 ms until the silence is noticed, 50 ms of recognition, 100 ms to the first token, then words until the first
    // clause, 50 ms to the first audio; the 300 ms of silence that end the turn pass meanwhile. The detector's windows and
    // the ticks of the playout round up.
    let response = latency.response();
    assert!((360..=500).contains(&(response.as_millis() as u64)), "{latency:?}");
    let sum: Duration = latency.gaps().iter().map(|(_, gap)| *gap).sum();
    assert_eq!(sum, response);
    assert_eq!(rig.reply().await, (ReplyEnd::Finished, "You asked me: What is the time?".into()));

    let room = rig.room.clone();
    let end = rig.end().await;
    assert_eq!(end.reason, CloseReason::Application);
    assert_eq!(room.closed(), Some(CloseReason::Application));
    assert_eq!(
        said(&end),
        [
            (Role::Assistant, "Hello, how can I help you?".into()),
            (Role::User, "What is the time?".into()),
            (Role::Assistant, "You asked me: What is the time?".into())
        ]
    );
    let states: Vec<_> = room
        .published()
        .into_iter()
        .filter_map(|event| if let Event::AgentState(state) = event { Some(state) } else { None })
        .collect();
    assert!(states.ends_with(&[AgentState::Thinking, AgentState::Speaking, AgentState::Listening]), "{states:?}");
}

#[tokio::test(start_paused = true)]
async fn an_interruption_silences_the_agent_at_once_and_cuts_the_history() {
    let mut rig = Rig::start(builder().agent(BasicAgent::new("").greeting(
        "This is a very long greeting that goes on and on, so that there is time enough to interrupt it somewhere.",
    )))
    .await;
    rig.event("speaking", |event| matches!(event, Event::AgentState(AgentState::Speaking)).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    rig.room.hum(ANNA, Duration::from_millis(1_500));
    rig.event("overlap", |event| matches!(event, Event::Overlap { .. }).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let last = |room: &FakeRoom| {
        let heard = room.heard();
        let (at, samples) = heard.last().expect("something was heard").clone();
        at + Duration::from_secs_f64(samples.len() as f64 / 24_000.0)
    };
    let silent = last(&rig.room).duration_since(began);
    assert!(silent <= Duration::from_millis(160), "silent after {silent:?}");
    let (end, heard) = rig.reply().await;
    assert_eq!(end, ReplyEnd::Interrupted);
    assert!(heard.starts_with("This is a very long") && heard.len() < 60, "{heard:?}");
    assert_eq!(rig.reply().await, (ReplyEnd::Finished, "You asked me: What is the time?".into()));
    let end = rig.end().await;
    assert_eq!(said(&end)[0], (Role::Assistant, heard.trim_end().to_owned()));
}

#[tokio::test(start_paused = true)]
async fn typed_text_is_answered() {
    let mut rig = Rig::start(builder()).await;
    rig.reply().await;
    rig.room.send(TransportEvent::Typed { speaker: ANNA, text: "Can you read?".into() }).await;
    assert_eq!(rig.reply().await.1, "You asked me: Can you read?");
    let message = rig.handle.type_text("From the application", TypedPolicy::Interrupt).await.expect("open");
    rig.event("accepted", |event| {
        matches!(event, Event::MessageAccepted { message: accepted } if *accepted == message).then_some(())
    })
    .await;
    assert_eq!(rig.reply().await.1, "You asked me: From the application");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_session_leaves_no_task_behind() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let mut rig = Rig::start(builder()).await;
    rig.reply().await;
    rig.room.hum(ANNA, Duration::from_millis(900));
    rig.event("thinking", |event| matches!(event, Event::AgentState(AgentState::Thinking)).then_some(())).await;
    rig.end().await;
    tokio::task::yield_now().await;
    assert_eq!(metrics.num_alive_tasks(), before);

    // Also if its future is dropped in the middle.
    let mut rig = Rig::start(builder()).await;
    rig.reply().await;
    rig.session.abort();
    let _ = rig.session.await;
    assert!(matches!(rig.handle.closed().await, CloseReason::Error(_)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(metrics.num_alive_tasks(), before);
    assert!(rig.handle.say("anything").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn two_people_are_told_apart_and_one_may_leave_in_mid_sentence() {
    const BERT: SpeakerId = SpeakerId(2);
    let mut rig = Rig::start(builder()).await;
    rig.reply().await;
    rig.room.join(BERT, "bert").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.room.hum(BERT, Duration::from_secs(2));
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    rig.room.send(TransportEvent::Left { speaker: BERT }).await;
    let parts = rig.event("turn", |event| match event {
        Event::TurnCommitted { parts, .. } => Some(parts.clone()),
        _ => None,
    });
    let parts = parts.await;
    assert_eq!((parts[0].speaker, parts[0].text.as_str()), (BERT, "What is the time?"));
    rig.reply().await;
    rig.room.hum(ANNA, Duration::from_secs(1));
    let speaker = rig.event("turn", |event| match event {
        Event::TurnCommitted { parts, .. } => Some(parts[0].speaker),
        _ => None,
    });
    assert_eq!(speaker.await, ANNA);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_application_may_type_before_anybody_is_there() {
    let session = builder().build().expect("complete");
    let handle = session.handle();
    let (transport, room) = FakeTransport::new();
    let session = tokio::spawn(session.run(transport));
    handle.type_text("Anybody there?", TypedPolicy::Interrupt).await.expect("open");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(room.sound() > Duration::from_millis(500));
    handle.end(CloseReason::Application, None, Duration::from_secs(1)).await.expect("open");
    assert!(session.await.expect("no panic").is_ok());
    assert_eq!(handle.closed().await, CloseReason::Application);
}

#[tokio::test(start_paused = true)]
async fn the_detector_is_told_how_much_of_the_sound_is_the_silence_of_the_pause() {
    let detector = Arc::new(NotingDetector::default());
    let mut rig = Rig::start(builder().turn_detector(detector.clone())).await;
    rig.reply().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.room.hum(ANNA, Duration::from_millis(1_500));
    rig.event("turn", |event| matches!(event, Event::TurnCommitted { .. }).then_some(())).await;
    let [request] = detector.asked().try_into().expect("one pause");
    let audio = request.audio.clone().expect("it listens");
    let silent = AudioFormat::SPEECH.samples(request.silence) as usize;
    assert!((Duration::from_millis(160)..Duration::from_millis(230)).contains(&request.silence), "{request:?}");
    let (voice, silence) = audio.samples().split_at(audio.len() as usize - silent);
    assert!(silence.iter().all(|&sample| sample == 0), "nothing of the voice");
    // Where a voice ends is found to 4 ms.
    assert!(voice[voice.len() - 64..].iter().any(|&sample| sample != 0), "all of the silence");
    rig.end().await;
}
