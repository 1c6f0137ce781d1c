//! Sound both ways.

use crate::support::{Peer, Us, eventually, listen, room};
use serde_json::json;
use std::time::Duration;
use stella_core::audio::AudioFormat;
use stella_rtc::{ConnectOptions, RtcEvent};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tone_is_heard_both_ways_without_a_gap() {
    let room = room("tones");
    let mut us = Us::join(&room).await;
    let (sink, _sounding) = us.sound(440.0).await;
    let mut python = Peer::join(&room, "python").await;
    let theirs = python.tone(660).await;
    let subscribed = python.wait("track_subscribed", |event| event["identity"] == "us").await;
    assert_eq!(subscribed["mime"], "audio/red");

    let track = us.hears("python").await;
    assert_eq!(track.sid.as_str(), theirs);
    let mut stream = us.session.audio_stream(&track.sid, AudioFormat::SPEECH).expect("subscribed");
    // On a busy machine Python itself may stutter: what counts is that clean stretches come through clean.
    eventually("two clean seconds are heard", async || {
        let heard = listen(&mut stream, Duration::from_secs(2)).await;
        let clean = heard.frequency == 660 && heard.share > 0.98 && heard.silent_blocks == 0;
        (clean && (heard.dbfs + 9.0).abs() < 0.5).then_some(())
    })
    .await;
    eventually("Python hears a clean second or more", async || {
        python.mark().await;
        listen(&mut stream, Duration::from_millis(1_500)).await;
        let heard = python.heard("us").await;
        let clean = heard["share"].as_f64()? > 0.98 && heard["longest_silence_ms"] == 0;
        let right = (heard["frequency"].as_f64()? - 440.0).abs() < 2.0 && (heard["dbfs"].as_f64()? + 9.0).abs() < 0.5;
        (clean && right).then_some(())
    })
    .await;

    let stats = us.session.stats().await.expect("connected");
    assert!(stats.sent[0].red && stats.sent[0].packets > 100, "{stats:?}");
    assert!(stats.received[0].packets > 100 && stats.received[0].lost < 5, "{stats:?}");
    assert!(sink.playout_position() > 48_000);
    us.session.leave(Default::default()).await.expect("leaves");
    python.wait("participant_disconnected", |event| event["identity"] == "us").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_of_a_sender_keeps_frames_coming() {
    let room = room("dtx");
    let mut us = Us::join(&room).await;
    let mut python = Peer::join(&room, "python").await;
    python.call("tone", json!({ "frequency": 660, "dtx": true })).await;
    let track = us.hears("python").await;
    let mut stream = us.session.audio_stream(&track.sid, AudioFormat::SPEECH).expect("subscribed");
    listen(&mut stream, Duration::from_millis(500)).await;
    python.call("hush", json!({})).await;
    let quiet = eventually("silence is heard", async || {
        let heard = listen(&mut stream, Duration::from_millis(500)).await;
        (heard.silent_blocks == 50).then_some(())
    });
    quiet.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redundancy_plain_opus_is_sent() {
    let room = room("plain");
    let us = Us::join_at(&crate::support::url(), &room, ConnectOptions { red: false, ..Default::default() }).await;
    let (_sink, _sounding) = us.sound(440.0).await;
    let mut python = Peer::join(&room, "python").await;
    python.wait("track_subscribed", |event| event["identity"] == "us").await;
    eventually("a clean tone is heard", async || {
        python.mark().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let heard = python.heard("us").await;
        (heard["share"].as_f64()? > 0.95).then_some(())
    })
    .await;
    assert!(!us.session.stats().await.expect("connected").sent[0].red);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_is_declined_and_does_no_harm() {
    let room = room("video");
    let mut us = Us::join(&room).await;
    let mut python = Peer::join(&room, "python").await;
    python.call("video", json!({})).await;
    python.tone(660).await;
    let track = us.hears("python").await;
    let mut stream = us.session.audio_stream(&track.sid, AudioFormat::SPEECH).expect("subscribed");
    listen(&mut stream, Duration::from_millis(500)).await;
    let heard = listen(&mut stream, Duration::from_secs(1)).await;
    assert!(heard.share > 0.95, "{heard:?}");
    assert_eq!(us.session.remotes()[0].tracks.iter().filter(|track| track.subscribed).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_can_be_chosen() {
    let room = room("choice");
    let options = ConnectOptions { auto_subscribe: false, ..Default::default() };
    let mut us = Us::join_at(&crate::support::url(), &room, options).await;
    let mut python = Peer::join(&room, "python").await;
    python.tone(660).await;
    let track = us
        .wait("the publication", |event| match event {
            RtcEvent::TrackPublished { track, .. } => Some(track.clone()),
            _ => None,
        })
        .await;
    assert!(us.session.audio_stream(&track.sid, AudioFormat::SPEECH).is_err());
    us.session.set_subscribed(&track.sid, true).await.expect("known track");
    us.hears("python").await;
    let mut stream = us.session.audio_stream(&track.sid, AudioFormat::SPEECH).expect("subscribed");
    listen(&mut stream, Duration::from_millis(500)).await;
    us.session.set_subscribed(&track.sid, false).await.expect("known track");
    us.wait("the end of it", |event| matches!(event, RtcEvent::TrackUnsubscribed { .. }).then_some(())).await;
    eventually("the stream ends", async || stream.next().await.is_none().then_some(())).await;
}
