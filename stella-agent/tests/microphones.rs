//! Whom the agent hears when somebody has several microphones: the newest, and the one that is left when it goes.

use std::{sync::Arc, time::Duration};

use stella_agent::{
    AgentSession, SessionEvent,
    testing::TokioTimer,
    transport::room::{RoomOptions, RoomTransport},
};
use stella_core::{
    audio::{AudioFormat, AudioFrame},
    engine::{CloseReason, Event, Options},
    testing::scripted::{EnergyVad, ScriptedLlm, ScriptedStt, ScriptedText, ScriptedTts},
};
use stella_rtc::{
    AudioPublishOptions, AudioSink, ConnectOptions, PureEngine, RtcEngine, RtcError,
    token::{ApiKey, TokenOptions, mint},
};
use tokio::sync::broadcast;

/// How long anything may take. Machines that run tests are slow.
const PATIENCE: Duration = Duration::from_secs(30);

fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`"))
}

fn token(options: &TokenOptions) -> String {
    let key = ApiKey::new(setting("STELLA_TEST_LIVEKIT_KEY"), setting("STELLA_TEST_LIVEKIT_SECRET"));
    mint(&key, options).expect("valid options")
}

fn room() -> String {
    format!("microphones-{:08x}", rand::random::<u32>())
}

/// Hums for a second.
async fn hum(microphone: &dyn AudioSink) {
    let samples: Vec<i16> = (0..24_000).map(|n| if n % 120 < 60 { 8_000 } else { -8_000 }).collect();
    for part in samples.chunks(480) {
        let frame = AudioFrame::new(AudioFormat::VOICE, part.to_vec()).expect("mono");
        microphone.push(frame).await.expect("published");
    }
}

/// Hums until the agent takes it for a turn: what is said before it listens to a new track may be lost.
async fn is_heard(what: &str, microphone: &dyn AudioSink, events: &mut broadcast::Receiver<SessionEvent>) {
    let turn = async {
        loop {
            let event = events.recv().await.expect("the session goes on");
            if matches!(event, SessionEvent::Conversation { event: Event::TurnCommitted { .. }, .. }) {
                return;
            }
        }
    };
    let humming = async {
        loop {
            hum(microphone).await;
            // A pause of the speaker, which ends the turn.
            tokio::time::sleep(Options::default().endpointing.wait_unsure + Duration::from_secs(1)).await;
        }
    };
    let heard = async {
        tokio::select! {
            () = turn => {}
            () = humming => {}
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.unwrap_or_else(|_| panic!("{what} is not heard"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_microphone_that_is_left_is_heard_again() {
    let (url, room) = (setting("STELLA_TEST_LIVEKIT_URL"), room());
    let agent = token(&TokenOptions { agent: true, ..TokenOptions::new(room.as_str(), "agent") });
    let transport = RoomTransport::connect(&url, &agent, RoomOptions::default()).await.expect("joins");
    let timer = TokioTimer::start();
    let session = AgentSession::builder()
        .vad(Arc::new(EnergyVad::default()))
        .stt(Arc::new(ScriptedStt::new(timer.clone(), ScriptedText::constant("What is the time?"))))
        .llm(Arc::new(ScriptedLlm::echo(timer.clone(), "")))
        .tts(Arc::new(ScriptedTts::new(timer)))
        .build()
        .expect("complete");
    let (handle, mut events) = (session.handle(), session.handle().events());
    let session = tokio::spawn(session.run(transport));

    let user = token(&TokenOptions::new(room.as_str(), "user"));
    let (user, _room) = PureEngine::new().connect(&url, &user, ConnectOptions::default()).await.expect("joins");
    let publish = |name: &str| user.publish_audio(AudioPublishOptions { name: name.into(), ..Default::default() });
    let first = publish("first").await.expect("publishes");
    is_heard("the first microphone", &*first, &mut events).await;
    let second = publish("second").await.expect("publishes");
    is_heard("the second microphone", &*second, &mut events).await;
    user.unpublish(&second.track()).await.expect("was published");
    is_heard("the first microphone, again", &*first, &mut events).await;

    handle.end(CloseReason::Application, None, Duration::from_secs(2)).await.expect("open");
    session.await.expect("no panic").expect("no error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_does_not_allow_to_hear_is_refused() {
    let deaf = TokenOptions { can_subscribe: false, ..TokenOptions::new(room(), "agent") };
    let refused =
        RoomTransport::connect(&setting("STELLA_TEST_LIVEKIT_URL"), &token(&deaf), RoomOptions::default()).await;
    match refused.expect_err("it could not hear anybody") {
        stella_agent::transport::TransportError::Room(RtcError::NotPermitted { .. }) => {}
        error => panic!("{error:?}"),
    }
}
