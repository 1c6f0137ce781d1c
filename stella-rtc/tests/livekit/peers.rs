//! Who is who, while participants come and go.

use crate::support::{Peer, Us, listen, room};
use std::time::Duration;
use stella_core::audio::AudioFormat;
use stella_rtc::RtcEvent;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tracks_stay_with_their_publishers_when_sections_are_reused() {
    let room = room("reuse");
    let mut us = Us::join(&room).await;
    let (mut ann, mut bob) = tokio::join!(Peer::join(&room, "ann"), Peer::join(&room, "bob"));
    ann.tone(300).await;
    us.hears("ann").await;
    bob.tone(500).await;
    us.hears("bob").await;
    ann.call("leave", serde_json::json!({})).await;
    us.wait("ann to leave", |event| match event {
        RtcEvent::ParticipantLeft { participant, .. } => (participant.identity.as_str() == "ann").then_some(()),
        _ => None,
    })
    .await;
    let mut cat = Peer::join(&room, "cat").await;
    cat.tone(700).await;
    let cats = us.hears("cat").await;
    bob.call("untone", serde_json::json!({})).await;
    us.wait("bob to fall silent", |event| matches!(event, RtcEvent::TrackUnpublished { .. }).then_some(())).await;
    bob.tone(900).await;
    let bobs = us.hears("bob").await;
    for (track, frequency) in [(cats, 700), (bobs, 900)] {
        let mut stream = us.session.audio_stream(&track.sid, AudioFormat::SPEECH).expect("subscribed");
        listen(&mut stream, Duration::from_millis(1_500)).await;
        let heard = listen(&mut stream, Duration::from_millis(500)).await;
        assert_eq!(heard.frequency, frequency, "{heard:?}");
        assert!(heard.share > 0.95, "{heard:?}");
    }
    let names: Vec<_> = us.session.remotes().iter().map(|p| p.identity.to_string()).collect();
    assert_eq!(names, ["bob", "cat"]);
}
