//! Text streams, messages and what participants say about themselves.

use crate::support::{PATIENCE, Peer, Us, eventually, room, url};
use serde_json::json;
use std::collections::HashMap;
use stella_rtc::{
    ConnectOptions, DataPacket, RtcError, RtcEvent, TextOptions, TextStreamReader, TrackSid, Transcription,
    TranscriptionSegment, token::TokenOptions,
};

async fn incoming(us: &mut Us) -> TextStreamReader {
    us.take("a text stream", |event| match event {
        RtcEvent::TextStream { reader } => Some(reader),
        _ => None,
    })
    .await
}

async fn read(reader: TextStreamReader) -> String {
    tokio::time::timeout(PATIENCE, reader.read_all()).await.expect("the text ends").expect("the text is whole")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chat_arrives_short_and_long() {
    let room = room("chat");
    let mut us = Us::join(&room).await;
    let mut python = Peer::join(&room, "python").await;
    python.call("text", json!({ "topic": "lk.chat", "text": "hello ✓", "attributes": { "a": "b" } })).await;
    let reader = incoming(&mut us).await;
    assert_eq!((reader.info().topic.as_str(), reader.info().from.as_str()), ("lk.chat", "python"));
    assert_eq!(reader.attributes()["a"], "b");
    assert_eq!(read(reader).await, "hello ✓");

    let long = "0123456789".repeat(5_000);
    python.call("text", json!({ "topic": "lk.chat", "text": long })).await;
    assert_eq!(read(incoming(&mut us).await).await, long);

    // Text that no compression makes small enough for one packet.
    let noise: String = (0..50_000).map(|_| char::from(rand::random_range(b' '..=b'~'))).collect();
    python.call("text", json!({ "topic": "lk.chat", "text": noise })).await;
    assert_eq!(read(incoming(&mut us).await).await, noise);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_and_closing_attributes_arrive() {
    let room = room("pieces");
    let mut us = Us::join(&room).await;
    let mut python = Peer::join(&room, "python").await;
    let opened = python.call("open_text", json!({ "topic": "lk.chat", "attributes": { "final": "false" } })).await;
    let mut reader = incoming(&mut us).await;
    for piece in ["one ", "two ", "drei ✓"] {
        python.call("write_text", json!({ "stream": opened["stream"], "text": piece })).await;
        let next = tokio::time::timeout(PATIENCE, reader.next()).await.expect("a piece");
        assert_eq!(next, Some(Ok(piece.to_owned())));
    }
    assert_eq!(reader.attributes()["final"], "false");
    python.call("close_text", json!({ "stream": opened["stream"], "attributes": { "final": "true" } })).await;
    assert_eq!(tokio::time::timeout(PATIENCE, reader.next()).await.expect("the end"), None);
    assert_eq!(reader.attributes()["final"], "true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transcription_written_in_pieces_is_read_with_its_attributes() {
    let room = room("transcription");
    let us = Us::join(&room).await;
    let mut python = Peer::join(&room, "python").await;
    let options = TextOptions::topic("lk.transcription")
        .attribute("lk.segment_id", "SG_1")
        .attribute("lk.transcription_final", "false");
    let mut writer = us.session.open_text(options).await.expect("opens");
    for piece in ["the quick ", "brown fox – ", "from Rust ✓"] {
        writer.write(piece).await.expect("writes");
    }
    let id = writer.id().clone();
    let closing = HashMap::from([("lk.transcription_final".to_owned(), "true".to_owned())]);
    writer.close(closing).await.expect("closes");
    let text = python.wait("text", |event| event["topic"] == "lk.transcription").await;
    assert_eq!(text["text"], "the quick brown fox – from Rust ✓");
    assert_eq!(text["stream"], id.as_str());
    assert_eq!(text["attributes"]["lk.segment_id"], "SG_1");
    assert_eq!(text["attributes"]["lk.transcription_final"], "true");

    let long: String = (0..60_000).map(|_| char::from(rand::random_range(b' '..=b'~'))).collect();
    us.session.send_text(TextOptions::topic("lk.chat").to("python"), &long).await.expect("sends");
    let text = python.wait("text", |event| event["topic"] == "lk.chat").await;
    assert_eq!(text["text"], long);
    assert_eq!(text["identity"], "us");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_reliable_and_lossy_both_ways() {
    let room = room("data");
    let mut us = Us::join(&room).await;
    let mut python = Peer::join(&room, "python").await;
    for reliable in [true, false] {
        let packet = DataPacket {
            payload: format!("to python {reliable}").into(),
            topic: Some("ours".into()),
            reliable,
            to: vec!["python".into()],
        };
        us.session.publish_data(packet).await.expect("sends");
        python.wait("data", |event| event["topic"] == "ours" && event["reliable"] == reliable).await;
        python.data("theirs", b"to us", reliable).await;
        us.wait("a message", |event| match event {
            RtcEvent::Data { from, topic, payload, reliable: how } => {
                assert_eq!(from.as_ref().map(|from| from.as_str()), Some("python"));
                assert_eq!((topic.as_deref(), &payload[..], *how), (Some("theirs"), &b"to us"[..], reliable));
                Some(())
            }
            _ => None,
        })
        .await;
    }
    let too_large = DataPacket { payload: vec![0; 60_001].into(), reliable: true, ..Default::default() };
    assert!(matches!(us.session.publish_data(too_large).await, Err(RtcError::TooLarge { .. })));
    let largest = DataPacket { payload: vec![7; 60_000].into(), reliable: true, ..Default::default() };
    us.session.publish_data(largest).await.expect("sends");
    python.wait("data", |event| event["payload"].as_str().is_some_and(|text| text.len() == 80_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_transcription_packet_is_understood() {
    let room = room("legacy");
    let agent = TokenOptions { agent: true, ..TokenOptions::new(&*room, "us") }; // the server drops it from others
    let us = Us::join_as(&url(), agent, ConnectOptions::default()).await;
    let (sink, _sounding) = us.sound(440.0).await;
    let mut python = Peer::join(&room, "python").await;
    let subscribed = python.wait("track_subscribed", |event| event["identity"] == "us").await;
    assert_eq!(sink.track(), TrackSid::from(subscribed["track"].as_str().expect("an id")));
    let segment =
        TranscriptionSegment { id: "SG_2".into(), text: "hello".into(), is_final: true, ..Default::default() };
    let transcription = Transcription { participant: "us".into(), track: sink.track(), segments: vec![segment] };
    us.session.publish_transcription(transcription).await.expect("sends");
    let heard = python.wait("transcription", |_| true).await;
    assert_eq!(heard["segments"][0], json!({ "id": "SG_2", "text": "hello", "final": true }));

    // An agent may also send text on behalf of somebody else, such as the user it has transcribed.
    let options = TextOptions { sender: Some("python".into()), ..TextOptions::topic("lk.transcription") };
    us.session.send_text(options, "what you said").await.expect("sends");
    let text = python.wait("text", |event| event["text"] == "what you said").await;
    assert_eq!(text["identity"], "python");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_participants_say_about_themselves_is_told() {
    let room = room("profile");
    let us = Us::join(&room).await;
    let mut python = Peer::join(&room, "python").await;
    let state = |value: &str| HashMap::from([("lk.agent.state".to_owned(), value.to_owned())]);
    us.session.set_attributes(state("listening")).await.expect("allowed");
    us.session.set_name("Stella".into()).await.expect("allowed");
    us.session.set_metadata("{}".into()).await.expect("allowed");
    us.session.set_attributes(state("thinking")).await.expect("allowed");
    assert_eq!(us.session.local().attributes["lk.agent.state"], "thinking");
    eventually("Python sees it", async || {
        let seen = python.call("participants", json!({})).await;
        let expected = json!({ "name": "Stella", "metadata": "{}", "attributes": { "lk.agent.state": "thinking" } });
        (seen["participants"]["us"] == expected).then_some(())
    })
    .await;
    us.session.set_attributes(state("")).await.expect("allowed");
    assert!(!us.session.local().attributes.contains_key("lk.agent.state"), "an empty value removes");
}
