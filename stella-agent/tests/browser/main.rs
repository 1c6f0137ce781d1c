//! The agent in a real room, talked to by a stock browser on livekit-client. The browser's microphone hears the recorded
//! voice of a person.

mod browser;
mod page;
#[path = "../peer/mod.rs"]
mod peer;

use std::{sync::Arc, time::Duration};

use peer::rig::{ANSWER, HEARD, Rig};
use serde_json::{Value, json};
use stella_agent::wav;
use stella_core::{audio::AudioFrame, engine::CloseReason};
use stella_providers::{runtime::Cache, silero::Silero};

const GREETING: &str = "Hello, who is there?";
const LONG_GREETING: &str = "This greeting goes on for a very long time, because somebody is going to speak over it, and it \
                             would tell the weather, the news, the traffic and the sports if only it could.";
/// Samples of the recording up to a place in mid-sentence: two seconds.
const VOICE: usize = 32_000;

async fn rig(greeting: &str) -> Rig {
    let cache = Cache::from_env();
    let vad = Silero::load(&cache).expect("run `cargo xtask setup`");
    let recording = wav::read(&cache.audio("clone-test.wav")).expect("run `cargo xtask setup`");
    let voice = AudioFrame::new(recording.format(), recording.samples()[..VOICE].to_vec()).expect("mono");
    Rig::start(greeting, Arc::new(vad), async |url, token| browser::join(url, token, &voice).await).await
}

/// Somebody's sound starts or stops.
fn sound(event: &'static str, identity: &'static str) -> impl Fn(&Value) -> bool {
    move |seen| seen["event"] == event && seen["identity"] == identity
}

/// The whole text of somebody's words.
fn text(identity: &'static str) -> impl Fn(&Value) -> bool {
    move |seen| {
        seen["event"] == "text"
            && seen["identity"] == identity
            && seen["attributes"]["lk.transcription_final"] == "true"
    }
}

fn number(event: &Value, field: &str) -> f64 {
    event[field].as_f64().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_in_a_browser_is_greeted_and_answered() {
    let mut rig = rig(GREETING).await;
    let greeting = rig.caller.wait("the greeting", sound("quiet", "agent")).await;
    let expected = 66.0 * GREETING.chars().count() as f64;
    let heard = number(&greeting, "ms");
    assert!((heard - expected).abs() < 0.1 * expected + 200.0, "{heard} ms of a greeting of about {expected} ms");
    let greeting = rig.caller.seen("its words", text("agent")).await;
    assert_eq!(greeting["text"], GREETING);
    assert_eq!(greeting["topic"], "lk.transcription");
    let voice = rig.caller.seen("the agent's track", |event| event["event"] == "subscribed").await;
    assert_eq!(greeting["attributes"]["lk.transcribed_track_id"], voice["track"]);

    rig.caller.send(json!({ "do": "speak" }));
    let said = rig.caller.wait("the words of the user", text("caller")).await;
    assert_eq!(said["text"], HEARD);
    assert!(said["attributes"]["lk.segment_id"].as_str().expect("a segment").starts_with("SG_"));
    let microphone = rig.caller.seen("the microphone", |event| event["event"] == "unmuted").await;
    assert_eq!(said["attributes"]["lk.transcribed_track_id"], microphone["track"]);
    rig.caller.wait("the answer", sound("loud", "agent")).await;
    let answer = rig.caller.wait("its words", text("agent")).await;
    assert_eq!(answer["text"], ANSWER);
    rig.caller.seen("the end of the answer", sound("quiet", "agent")).await;
    rig.caller.states(&["listening", "thinking", "speaking", "listening"]).await;
    rig.end(CloseReason::Application).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn speaking_over_the_agent_silences_it() {
    let mut rig = rig(LONG_GREETING).await;
    rig.caller.wait("the greeting", sound("loud", "agent")).await;
    rig.caller.send(json!({ "do": "speak", "ms": 0 }));
    rig.caller.wait("a microphone, muted", |event| event["event"] == "muted").await;
    rig.caller.send(json!({ "do": "speak" }));
    let began = rig.caller.wait("the user", sound("loud", "caller")).await;
    let silent = rig.caller.wait("silence", sound("quiet", "agent")).await;
    println!("silent {:.0} ms after the user began to speak", number(&silent, "at") - number(&began, "at"));
    let cut = rig.caller.seen("the cut words", text("agent")).await["text"].as_str().expect("text").to_owned();
    assert!(LONG_GREETING.starts_with(cut.trim_end()) && cut.len() < LONG_GREETING.len() / 2, "{cut:?}");
    rig.caller.wait("the answer", sound("loud", "agent")).await;
    rig.end(CloseReason::Application).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn muting_in_mid_sentence_ends_it_and_unmuting_begins_another() {
    let mut rig = rig(GREETING).await;
    rig.caller.wait("the greeting", sound("quiet", "agent")).await;
    for _ in 0..2 {
        rig.caller.send(json!({ "do": "speak", "ms": 1_500 }));
        rig.caller.wait("the words of the user", text("caller")).await;
        rig.caller.wait("the answer", sound("loud", "agent")).await;
        // The words are complete when the reply is over; a pause in its sound is not its end.
        rig.caller.wait("its words", text("agent")).await;
    }
    let end = rig.end(CloseReason::Application).await;
    assert_eq!(end.history.iter().count(), 5, "{:?}", end.history);
}

#[tokio::test(flavor = "multi_thread")]
async fn typed_text_is_answered_and_closing_the_page_ends_the_session() {
    let mut rig = rig(GREETING).await;
    rig.caller.wait("the greeting", sound("quiet", "agent")).await;
    rig.caller.send(json!({ "do": "type", "text": "Can you read?" }));
    rig.caller.wait("the answer", sound("loud", "agent")).await;
    let answer = rig.caller.wait("its words", text("agent")).await;
    assert_eq!(answer["text"], "You asked me: Can you read?");
    rig.caller.send(json!({ "do": "close" }));
    let end = tokio::time::timeout(Duration::from_secs(20), rig.session).await.expect("it ends");
    assert_eq!(end.expect("no panic").expect("no error").reason, CloseReason::UserLeft);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_ends_when_the_user_leaves() {
    let mut rig = rig(GREETING).await;
    rig.caller.wait("the greeting", sound("loud", "agent")).await;
    rig.caller.send(json!({ "do": "leave" }));
    let end = tokio::time::timeout(Duration::from_secs(20), rig.session).await.expect("it ends");
    assert_eq!(end.expect("no panic").expect("no error").reason, CloseReason::UserLeft);
}
