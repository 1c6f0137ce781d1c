//! Exactly how much was heard.

use crate::support::{PATIENCE, Peer, Us, eventually, room, tone};
use serde_json::json;
use std::time::Duration;
use stella_core::audio::AudioFormat;
use stella_rtc::{AudioPublishOptions, AudioSink, RtcError, RtcEvent};

/// What Python heard loud, in milliseconds, once it has fallen silent.
async fn heard_ms(python: &mut Peer) -> u64 {
    let mut last = 0;
    eventually("Python has heard all", async || {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = python.heard("us").await["loud_ms"].as_u64().unwrap_or(0);
        (std::mem::replace(&mut last, now) == now && now > 0).then_some(now)
    })
    .await
}

fn ms(samples: u64) -> u64 {
    AudioFormat::VOICE.duration(samples).as_millis() as u64
}

fn assert_close(heard: u64, sent: u64) {
    assert!(heard.abs_diff(sent) <= 60, "Python heard {heard} ms of the {sent} ms that the sink says it sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_position_is_what_the_other_side_hears() {
    let room = room("position");
    let us = Us::join(&room).await;
    let options = AudioPublishOptions { queue_limit: Duration::from_secs(10), ..Default::default() };
    let sink = us.session.publish_audio(options).await.expect("publishes");
    let mut python = Peer::join(&room, "python").await;
    python.wait("track_subscribed", |event| event["identity"] == "us").await;
    let mut voice = tone(440.0, AudioFormat::VOICE);
    settle(&*sink, &mut python, &mut voice).await;

    // Whole utterance.
    let before = sink.playout_position();
    sink.push(voice.next(Duration::from_millis(1_250))).await.expect("takes it");
    tokio::time::timeout(PATIENCE, sink.drained()).await.expect("is sent");
    assert_eq!(sink.playout_position() - before, 30_000);
    assert_close(heard_ms(&mut python).await, 1_250);

    // Interrupted, cleared, and another one.
    python.mark().await;
    let before = sink.playout_position();
    sink.push(voice.next(Duration::from_secs(5))).await.expect("takes it");
    eventually("some of it is sent", async || (sink.playout_position() - before > 12_000).then_some(())).await;
    let stopped = sink.pause();
    let left = sink.clear();
    assert_eq!(stopped - before + left, 120_000, "every sample is sent or dropped");
    assert_close(heard_ms(&mut python).await, ms(stopped - before));
    assert_eq!(sink.playout_position(), stopped, "nothing is sent while paused");
    python.mark().await;
    sink.push(voice.next(Duration::from_millis(500))).await.expect("takes it");
    sink.resume();
    tokio::time::timeout(PATIENCE, sink.drained()).await.expect("is sent");
    assert_eq!(sink.playout_position() - stopped, 12_000);
    assert_close(heard_ms(&mut python).await, 500);

    // Paused and resumed: nothing is lost.
    python.mark().await;
    let before = sink.playout_position();
    sink.push(voice.next(Duration::from_secs(2))).await.expect("takes it");
    eventually("some of it is sent", async || (sink.playout_position() - before > 12_000).then_some(())).await;
    sink.pause();
    tokio::time::sleep(Duration::from_millis(400)).await;
    sink.resume();
    tokio::time::timeout(PATIENCE, sink.drained()).await.expect("is sent");
    assert_eq!(sink.playout_position() - before, 48_000);
    assert_close(heard_ms(&mut python).await, 2_000);
}

/// Sound until Python hears it, then silence.
async fn settle(sink: &dyn AudioSink, python: &mut Peer, voice: &mut crate::support::Tone) {
    eventually("Python hears something", async || {
        sink.push(voice.next(Duration::from_millis(100))).await.expect("takes it");
        (python.heard("us").await["loud_ms"].as_u64()? > 200).then_some(())
    })
    .await;
    sink.drained().await;
    heard_ms(python).await;
    python.mark().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushing_is_paced_by_the_clock() {
    let room = room("pace");
    let us = Us::join(&room).await;
    let sink = us.session.publish_audio(Default::default()).await.expect("publishes");
    let mut voice = tone(440.0, AudioFormat::VOICE);
    let began = std::time::Instant::now();
    for _ in 0..40 {
        sink.push(voice.next(Duration::from_millis(50))).await.expect("takes it");
        assert!(sink.queued() <= Duration::from_millis(200));
    }
    sink.drained().await;
    let took = began.elapsed();
    assert!((1_900..2_300).contains(&took.as_millis()), "2 s of sound took {took:?}");
    assert_eq!(sink.playout_position(), 48_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_track_can_be_muted_and_taken_back() {
    let room = room("back");
    let mut us = Us::join(&room).await;
    let (sink, _sounding) = us.sound(440.0).await;
    let mut python = Peer::join(&room, "python").await;
    python.wait("track_subscribed", |event| event["identity"] == "us").await;
    us.session.set_muted(&sink.track(), true).await.expect("own track");
    python.wait("track_muted", |event| event["identity"] == "us").await;
    let held = eventually("the sink holds", async || {
        let position = sink.playout_position();
        tokio::time::sleep(Duration::from_millis(100)).await;
        (sink.playout_position() == position).then_some(position)
    })
    .await;
    us.session.set_muted(&sink.track(), false).await.expect("own track");
    python.wait("track_unmuted", |event| event["identity"] == "us").await;
    eventually("the sink goes on", async || (sink.playout_position() > held).then_some(())).await;

    us.session.unpublish(&sink.track()).await.expect("own track");
    python.wait("track_unsubscribed", |event| event["identity"] == "us").await;
    let frame = tone(440.0, AudioFormat::VOICE).next(Duration::from_millis(20));
    assert!(matches!(sink.push(frame).await, Err(RtcError::Closed { .. })));
    // And another one in its place.
    let (second, _sounding) = us.sound(550.0).await;
    python.wait("track_subscribed", |event| event["track"] == second.track().as_str()).await;
    us.wait("its first listener", |event| match event {
        RtcEvent::LocalTrackSubscribed { track } => (*track == second.track()).then_some(()),
        _ => None,
    })
    .await;
    eventually("the second tone is heard", async || {
        python.mark().await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        let heard = python.heard("us").await;
        ((heard["frequency"].as_f64()? - 550.0).abs() < 5.0).then_some(())
    })
    .await;
    python.call("participants", json!({})).await;
}
