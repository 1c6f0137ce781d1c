//! The agent in a real room, talked to by a client on the official SDK.

mod caller;
#[path = "../peer/mod.rs"]
mod peer;

use std::{sync::Arc, time::Duration};

use caller::speak;
use peer::rig::{ANSWER, HEARD, Rig};
use serde_json::Value;
use stella_core::{engine::CloseReason, testing::scripted::EnergyVad};

const GREETING: &str = "Hello, I am a scripted agent. How can I help you today?";
const LONG_GREETING: &str = "This greeting goes on for a very long time, because somebody is going to interrupt it, and \
                             that takes a while, so it tells you about the weather, the news, the traffic, and the sports.";

async fn rig(greeting: &str) -> Rig {
    Rig::start(greeting, Arc::new(EnergyVad::default()), caller::join).await
}

fn is_final(event: &Value) -> bool {
    event["attributes"]["lk.transcription_final"] == "true"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_greeted_and_answered() {
    let mut rig = rig(GREETING).await;
    let quiet = rig.caller.wait("the greeting", |event| event["event"] == "quiet").await;
    let expected = 66.0 * GREETING.chars().count() as f64;
    let heard = quiet["ms"].as_f64().expect("a number");
    assert!((heard - expected).abs() < 0.1 * expected + 200.0, "{heard} ms of a greeting of about {expected} ms");

    speak(&mut rig.caller, 1_200).await;
    let said = rig.caller.seen("the user's transcript", |event| {
        event["event"] == "text" && event["identity"] == "caller" && is_final(event)
    });
    let said = said.await;
    assert_eq!(said["text"], HEARD);
    assert_eq!(said["topic"], "lk.transcription");
    assert!(said["attributes"]["lk.segment_id"].as_str().expect("a segment").starts_with("SG_"));
    assert!(said["attributes"]["lk.transcribed_track_id"].as_str().expect("a track").starts_with("TR_"));
    rig.caller.wait("the answer", |event| event["event"] == "loud").await;
    rig.caller.wait("the end of the answer", |event| event["event"] == "quiet").await;

    let text = |wanted: &'static str| {
        move |event: &Value| event["event"] == "text" && event["identity"] == "agent" && event["text"] == wanted
    };
    rig.caller.seen("the greeting's transcript", text(GREETING)).await;
    let answer = rig.caller.seen("the answer's transcript", text(ANSWER)).await;
    assert!(is_final(&answer), "{answer}");
    for (identity, wanted) in [("agent", ANSWER), ("caller", HEARD)] {
        rig.caller
            .seen("an older packet", |event| {
                event["event"] == "transcription"
                    && event["identity"] == identity
                    && event["final"] == true
                    && event["text"] == wanted
            })
            .await;
    }
    rig.caller.states(&["listening", "thinking", "speaking", "listening"]).await;
    let end = rig.end(CloseReason::Application).await;
    let latency = &end.latencies[0];
    println!("response of the agent: {:?}, {:?}", latency.response(), latency.gaps());
    assert!(latency.response() < Duration::from_secs(2), "{latency:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_is_heard_as_silence() {
    let mut rig = rig(LONG_GREETING).await;
    rig.caller.wait("the greeting", |event| event["event"] == "loud").await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let began = speak(&mut rig.caller, 1_500).await;
    let quiet = rig.caller.wait("silence", |event| event["event"] == "quiet").await;
    let silent_after = quiet["at"].as_f64().expect("a time") - began;
    println!("silent {:.0} ms after the caller began to speak, network both ways included", silent_after * 1_000.0);
    assert!(silent_after < 1.0, "silent after {silent_after} s");
    let cut = rig.caller.seen("the cut transcript", |event| {
        event["event"] == "text" && event["identity"] == "agent" && is_final(event)
    });
    let cut = cut.await["text"].as_str().expect("text").to_owned();
    assert!(LONG_GREETING.starts_with(cut.trim_end()) && cut.len() < LONG_GREETING.len() / 2, "{cut:?}");
    rig.caller.wait("the answer", |event| event["event"] == "loud").await;
    rig.end(CloseReason::Application).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_text_is_answered() {
    let mut rig = rig(GREETING).await;
    rig.caller.wait("the greeting", |event| event["event"] == "quiet").await;
    rig.caller.send(serde_json::json!({ "do": "type", "text": "Can you read?" }));
    rig.caller.wait("the answer", |event| event["event"] == "loud").await;
    let end = rig.end(CloseReason::Application).await;
    let items: Vec<_> = end.history.iter().collect();
    assert!(format!("{items:?}").contains("Can you read?"), "{items:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_ends_when_the_caller_leaves() {
    let mut rig = rig(GREETING).await;
    rig.caller.wait("the greeting", |event| event["event"] == "loud").await;
    rig.caller.send(serde_json::json!({ "do": "leave" }));
    let end = tokio::time::timeout(Duration::from_secs(20), rig.session).await.expect("it ends");
    assert_eq!(end.expect("no panic").expect("no error").reason, CloseReason::UserLeft);
}
