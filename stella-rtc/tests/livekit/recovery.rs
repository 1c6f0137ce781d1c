//! Losses of every kind, and coming back from them.

use crate::support::{OwnServer, Peer, Proxy, Us, eventually, key, listen, room, tampering, url};
use livekit_protocol::signal_response::Message as Said;
use serde_json::Value;
use std::time::Duration;
use stella_core::audio::AudioFormat;
use stella_rtc::{ConnectOptions, DataPacket, RtcEvent, Scenario, TextOptions, server::RoomServer};

fn message(n: u32) -> DataPacket {
    DataPacket {
        payload: format!("message {n}").into(),
        topic: Some("count".into()),
        reliable: true,
        ..Default::default()
    }
}

/// Both tones are clean, measured over half a second from now.
async fn both_are_heard(us: &mut Us, python: &mut Peer) {
    let track = us.session.remotes()[0].tracks[0].sid.clone();
    eventually("Python is heard", async || {
        let mut stream = us.session.audio_stream(&track, AudioFormat::SPEECH).ok()?;
        let heard = listen(&mut stream, Duration::from_millis(500)).await;
        (heard.frequency == 660 && heard.share > 0.9).then_some(())
    })
    .await;
    eventually("Python hears us", async || {
        python.mark().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let heard = python.heard("us").await;
        (heard["share"].as_f64()? > 0.9 && (heard["frequency"].as_f64()? - 440.0).abs() < 5.0).then_some(())
    })
    .await;
}

fn silence_ms(heard: &Value) -> u64 {
    heard["longest_silence_ms"].as_u64().unwrap_or(u64::MAX)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_signal_connection_is_resumed_and_hardly_heard() {
    let room = room("resume");
    let proxy = Proxy::start(&url()).await;
    let mut us = Us::join_at(&proxy.url(), &room, ConnectOptions::default()).await;
    let (sink, _sounding) = us.sound(440.0).await;
    let mut python = Peer::join(&room, "python").await;
    python.tone(660).await;
    us.hears("python").await;
    both_are_heard(&mut us, &mut python).await;
    let track = sink.track();

    python.mark().await;
    for n in 0..30 {
        if n == 10 {
            proxy.cut();
        }
        us.session.publish_data(message(n)).await.expect("sends");
        python.data("count", format!("message {n}").as_bytes(), true).await;
    }
    assert!(us.reconnected().await, "resumed, not joined anew");
    for n in 30..40 {
        us.session.publish_data(message(n)).await.expect("sends");
    }
    let heard = python.heard("us").await;
    assert!(silence_ms(&heard) <= 500, "{heard}");
    both_are_heard(&mut us, &mut python).await;
    assert_eq!(sink.track(), track, "the same track");
    eventually("all messages have come", async || {
        (python.count("data", |event| event["topic"] == "count").await >= 40).then_some(())
    })
    .await;
    assert_eq!(python.count("data", |event| event["topic"] == "count").await, 40, "each exactly once");
    let stats = us.session.stats().await.expect("connected");
    assert_eq!((stats.resumes, stats.full_reconnects), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_cut_during_the_resume_is_survived() {
    let room = room("twice");
    let proxy = Proxy::start(&url()).await;
    let mut us = Us::join_at(&proxy.url(), &room, ConnectOptions::default()).await;
    let (_sink, _sounding) = us.sound(440.0).await;
    let mut python = Peer::join(&room, "python").await;
    python.tone(660).await;
    us.hears("python").await;
    proxy.set_open(false);
    proxy.cut();
    us.wait("the loss", |event| matches!(event, RtcEvent::Reconnecting).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(700)).await; // some attempts fail
    proxy.set_open(true);
    assert!(us.reconnected().await, "resumed, not joined anew");
    us.session.simulate(Scenario::DisconnectSignalOnResume).await.expect("connected");
    us.session.simulate(Scenario::SignalReconnect).await.expect("connected");
    us.reconnected().await;
    both_are_heard(&mut us, &mut python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_anew_publishes_again() {
    let room = room("anew");
    let mut us = Us::join(&room).await;
    let (sink, _sounding) = us.sound(440.0).await;
    us.session.set_name("Stella".into()).await.expect("allowed");
    let mut python = Peer::join(&room, "python").await;
    python.tone(660).await;
    us.hears("python").await;
    let before = sink.track();
    us.session.simulate(Scenario::FullReconnect).await.expect("connected");
    let (old, new) = us
        .wait("the track's new id", |event| match event {
            RtcEvent::LocalTrackRepublished { old, new } => Some((old.clone(), new.clone())),
            _ => None,
        })
        .await;
    assert_eq!((&old, &new), (&before, &sink.track()));
    assert!(!us.reconnected().await, "joined anew");
    both_are_heard(&mut us, &mut python).await;
    eventually("the name is there again", async || (us.session.local().name == "Stella").then_some(())).await;
    us.session.publish_data(message(0)).await.expect("sends");
    python.wait("data", |event| event["topic"] == "count").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_moves_to_tcp_when_the_server_says_so() {
    let room = room("tcp");
    let mut us = Us::join(&room).await;
    let (_sink, _sounding) = us.sound(440.0).await;
    let mut python = Peer::join(&room, "python").await;
    python.tone(660).await;
    us.hears("python").await;
    both_are_heard(&mut us, &mut python).await;
    assert_eq!(us.session.stats().await.expect("connected").over_tcp, (false, false));
    us.session.simulate(Scenario::SwitchToTcp).await.expect("connected");
    // The server restarts only what it offers; the other side follows with the next resume.
    eventually("what comes in runs over TCP", async || {
        us.session.stats().await.expect("connected").over_tcp.1.then_some(())
    })
    .await;
    both_are_heard(&mut us, &mut python).await;
    us.session.simulate(Scenario::SignalReconnect).await.expect("connected");
    assert!(us.reconnected().await, "resumed");
    eventually("everything runs over TCP", async || {
        (us.session.stats().await.expect("connected").over_tcp == (true, true)).then_some(())
    })
    .await;
    both_are_heard(&mut us, &mut python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_node_is_survived() {
    let room = room("node");
    let mut us = Us::join(&room).await;
    let (_sink, _sounding) = us.sound(440.0).await;
    us.session.simulate(Scenario::Migration).await.expect("connected");
    us.reconnected().await;
    let mut python = Peer::join(&room, "python").await;
    python.tone(660).await;
    us.hears("python").await;
    both_are_heard(&mut us, &mut python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_refused_leads_to_a_new_join() {
    let room = room("refused");
    // A server that got our second offer too early answers as if ICE had been restarted.
    let mut answers = 0;
    let change = Box::new(move |said| match said {
        Said::Answer(mut answer) => {
            answers += 1;
            if answers == 2 {
                answer.sdp = answer.sdp.replace("a=ice-ufrag:", "a=ice-ufrag:another");
            }
            vec![Said::Answer(answer)]
        }
        said => vec![said],
    });
    let mut us = Us::join_at(&tampering(&url(), change).await, &room, ConnectOptions::default()).await;
    let mut python = Peer::join(&room, "python").await;
    python.tone(660).await;
    let (_sink, _sounding) = us.sound(440.0).await;
    assert!(!us.reconnected().await, "joined anew");
    both_are_heard(&mut us, &mut python).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn candidates_may_come_before_their_description() {
    let room = room("early");
    // Descriptions of the subscriber come after the candidates that belong to them.
    let mut held = Vec::new();
    let change = Box::new(move |said| match said {
        Said::Offer(_) => {
            held.push(said);
            vec![]
        }
        Said::Trickle(_) => {
            let mut all = vec![said];
            all.append(&mut held);
            all
        }
        said => vec![said],
    });
    Us::join_at(&tampering(&url(), change).await, &room, ConnectOptions::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_sent_just_before_leaving_arrives_and_the_server_knows_at_once() {
    let room = room("goodbye");
    let us = Us::join(&room).await;
    let mut python = Peer::join(&room, "python").await;
    let text = "goodbye ".repeat(10_000);
    us.session.send_text(TextOptions::topic("lk.chat"), &text).await.expect("sends");
    us.session.leave(Default::default()).await.expect("leaves");
    let heard = python.wait("text", |event| event["topic"] == "lk.chat").await;
    assert_eq!(heard["text"], text);
    let there = RoomServer::new(&url(), &key()).participants(&room).await.expect("the server answers");
    assert!(there.iter().all(|participant| participant.identity.as_str() != "us"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_every_handle_leaves_the_room() {
    let room = room("dropped");
    let us = Us::join(&room).await;
    let sink = us.session.publish_audio(Default::default()).await.expect("publishes");
    let server = RoomServer::new(&url(), &key());
    let there = async || server.participants(&room).await.expect("the server answers").len();
    drop(us);
    assert_eq!(there().await, 1, "the sink keeps the session");
    drop(sink);
    let began = std::time::Instant::now();
    eventually("the server knows", async || (there().await == 0).then_some(())).await;
    assert!(began.elapsed() < Duration::from_secs(5), "a dead session must not look alive until its timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_is_noticed_and_returned_to() {
    let server = OwnServer::start();
    let mut us = Us::join_at(&server.url(), &room("frozen"), ConnectOptions::default()).await;
    let (sink, _sounding) = us.sound(440.0).await;
    server.signal("STOP");
    us.wait("the loss", |event| matches!(event, RtcEvent::Reconnecting).then_some(())).await;
    let before = sink.playout_position();
    server.signal("CONT");
    us.reconnected().await;
    eventually("sound goes on", async || (sink.playout_position() > before + 24_000).then_some(())).await;
    us.session.publish_data(message(0)).await.expect("sends");
    eventually("data goes on", async || {
        (us.session.stats().await.expect("connected").data_buffered == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_and_comes_back_is_joined_anew() {
    let mut server = OwnServer::start();
    let mut us = Us::join_at(&server.url(), &room("back"), ConnectOptions::default()).await;
    let (sink, _sounding) = us.sound(440.0).await;
    server.kill();
    us.wait("the loss", |event| matches!(event, RtcEvent::Reconnecting).then_some(())).await;
    server.start_again();
    let began = std::time::Instant::now();
    assert!(!us.reconnected().await, "joined anew");
    // It knows nothing of the session: that it refuses to resume is an answer, and no reason to wait any longer.
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let before = sink.playout_position();
    eventually("sound goes on", async || (sink.playout_position() > before + 24_000).then_some(())).await;
    us.session.publish_data(message(0)).await.expect("sends");
}
