//! Whatever a provider does, the conversation goes on or ends, and never hangs.

use std::{sync::Arc, time::Duration};

use stella_agent::testing::TokioTimer;
use stella_core::{
    engine::{CloseReason, DiscardReason, Event, Options, RecoveryOptions, ReplyEnd},
    llm::Llm,
    stt::Stt,
    testing::scripted::{EnergyVad, ScriptedLlm, ScriptedStt, ScriptedText, ScriptedTts},
    tts::Tts,
    vad::Vad,
};
use tokio::time::Instant;

use crate::{
    fakes::{Failing, Fault},
    rig::{ANNA, Rig, builder},
};

const ANSWER: &str = "You asked me: What is the time?";

fn llm() -> Arc<dyn Llm> {
    Arc::new(ScriptedLlm::echo(TokioTimer::start(), "You asked me: "))
}

fn tts() -> Arc<dyn Tts> {
    Arc::new(ScriptedTts::new(TokioTimer::start()))
}

fn stt() -> Arc<dyn Stt> {
    Arc::new(ScriptedStt::new(TokioTimer::start(), ScriptedText::constant("What is the time?")))
}

/// Asks after the greeting and returns the answer.
async fn ask(rig: &mut Rig) -> (ReplyEnd, String) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.room.hum(ANNA, Duration::from_millis(1_200));
    rig.reply().await
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_once_is_asked_again() {
    for fault in [Fault::Error, Fault::Hang] {
        let mut rig = Rig::start(builder().llm(Failing::first(1, fault, llm()))).await;
        rig.reply().await;
        assert_eq!(ask(&mut rig).await, (ReplyEnd::Finished, ANSWER.into()), "{fault:?}");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_always_fails_is_apologised_for() {
    for fault in [Fault::Error, Fault::Panic, Fault::Hang] {
        let mut rig = Rig::start(builder().llm(Failing::always(fault, llm()))).await;
        rig.reply().await;
        let (_, heard) = ask(&mut rig).await;
        assert_eq!(heard, RecoveryOptions::default().apology, "{fault:?}");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_fails_leaves_the_text_to_be_read() {
    for fault in [Fault::Error, Fault::Panic, Fault::Hang] {
        let mut rig = Rig::start(builder().tts(Failing::always(fault, tts()))).await;
        let text = rig.event("unspoken", |event| match event {
            Event::AgentUnspoken { text, .. } => Some(text.clone()),
            _ => None,
        });
        assert!(text.await.starts_with("Hello"), "{fault:?}");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_recogniser_that_fails_is_opened_again() {
    for fault in [Fault::Error, Fault::Panic, Fault::Hang] {
        let mut rig = Rig::start(builder().stt(Failing::first(1, fault, stt()))).await;
        rig.reply().await;
        // A recogniser that hangs is given up after 10 s.
        tokio::time::sleep(Duration::from_secs(12)).await;
        assert_eq!(ask(&mut rig).await, (ReplyEnd::Finished, ANSWER.into()), "{fault:?}");
        rig.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_recogniser_the_words_are_reported_as_lost() {
    let mut rig = Rig::start(builder().stt(Failing::always(Fault::Error, stt()))).await;
    rig.reply().await;
    rig.room.hum(ANNA, Duration::from_millis(1_200));
    let reason = rig.event("discarded", |event| match event {
        Event::Discarded { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(reason.await, DiscardReason::Noise);
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_detector_that_panics_is_opened_again() {
    let vad: Arc<dyn Vad> = Failing::first(20, Fault::Panic, Arc::new(EnergyVad::default()) as Arc<dyn Vad>);
    let mut rig = Rig::start(builder().vad(vad)).await;
    rig.reply().await;
    assert_eq!(ask(&mut rig).await, (ReplyEnd::Finished, ANSWER.into()));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_in_time_whatever_hangs() {
    let llm = Failing::always(Fault::Hang, llm());
    let tts = Failing::always(Fault::Hang, tts());
    let mut options = Options::default();
    options.endpointing.wait_unsure = Duration::from_millis(300);
    let mut rig = Rig::start(builder().llm(llm).tts(tts).options(options)).await;
    rig.room.hum(ANNA, Duration::from_millis(900));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = Instant::now();
    let farewell = Some("Goodbye and thank you for calling.".to_owned());
    rig.handle.end(CloseReason::Completed, farewell, Duration::from_secs(3)).await.expect("open");
    rig.event("closed", |event| matches!(event, Event::Closed { .. }).then_some(())).await;
    assert!(asked.elapsed() <= Duration::from_millis(3_010), "{:?}", asked.elapsed());
    let end = rig.session.await.expect("no panic").expect("no error");
    assert_eq!(end.reason, CloseReason::Completed);
    assert!(asked.elapsed() <= Duration::from_millis(3_100), "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_farewell_is_heard() {
    let mut rig = Rig::start(builder()).await;
    rig.reply().await;
    let farewell = Some("Goodbye.".to_owned());
    rig.handle.end(CloseReason::Completed, farewell, Duration::from_secs(5)).await.expect("open");
    assert_eq!(rig.reply().await, (ReplyEnd::Finished, "Goodbye.".into()));
    assert!(rig.session.await.expect("no panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_lost_transport_ends_the_session() {
    let mut rig = Rig::start(builder()).await;
    rig.reply().await;
    let reason = CloseReason::Disconnected;
    rig.room.send(stella_agent::transport::TransportEvent::Closed { reason }).await;
    let end = rig.session.await.expect("no panic").expect("no error");
    assert_eq!(end.reason, CloseReason::Disconnected);
}
