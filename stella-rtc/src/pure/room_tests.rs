use super::*;
use proto::participant_info::State;

fn person(identity: &str, sid: &str, version: u32, tracks: &[&str]) -> proto::ParticipantInfo {
    proto::ParticipantInfo {
        identity: identity.into(),
        sid: sid.into(),
        version,
        state: State::Active as i32,
        tracks: tracks
            .iter()
            .map(|sid| proto::TrackInfo {
                sid: (*sid).into(),
                r#type: proto::TrackType::Audio as i32,
                ..proto::TrackInfo::default()
            })
            .collect(),
        ..proto::ParticipantInfo::default()
    }
}

fn gone(identity: &str, sid: &str) -> proto::ParticipantInfo {
    proto::ParticipantInfo { state: State::Disconnected as i32, ..person(identity, sid, 9, &[]) }
}

fn room(others: &[proto::ParticipantInfo]) -> Room {
    Room::new(&proto::JoinResponse {
        participant: Some(person("me", "PA_me", 1, &[])),
        other_participants: others.to_vec(),
        ..proto::JoinResponse::default()
    })
}

fn wired(sids: &[&str]) -> HashSet<TrackSid> {
    sids.iter().map(|sid| TrackSid::from(*sid)).collect()
}

/// Events in short.
fn short(events: &[RtcEvent]) -> Vec<String> {
    let one = |event: &RtcEvent| match event {
        RtcEvent::ParticipantJoined { participant } => format!("+{}", participant.identity),
        RtcEvent::ParticipantActive { participant } => format!("{participant} active"),
        RtcEvent::ParticipantLeft { participant, .. } => format!("-{}", participant.identity),
        RtcEvent::TrackPublished { track, .. } => format!("published {}", track.sid),
        RtcEvent::TrackUnpublished { track, .. } => format!("unpublished {}", track.sid),
        RtcEvent::TrackSubscribed { participant, track } => format!("{participant} heard on {}", track.sid),
        RtcEvent::TrackUnsubscribed { track, .. } => format!("lost {}", track.sid),
        RtcEvent::TrackMuted { track, .. } => format!("muted {track}"),
        RtcEvent::TrackUnmuted { track, .. } => format!("unmuted {track}"),
        RtcEvent::AttributesChanged { changed, .. } => format!("attributes {}", changed.len()),
        other => format!("{other:?}"),
    };
    events.iter().map(one).collect()
}

#[test]
fn a_track_is_heard_once_section_and_publisher_are_known_in_any_order() {
    let mut first = room(&[]);
    assert_eq!(short(&first.wire(wired(&["TR_a"]))), [""; 0], "nobody publishes it yet");
    let events = first.update(&[person("ann", "PA_a", 1, &["TR_a"])]);
    assert_eq!(short(&events), ["+ann", "ann active", "published TR_a", "ann heard on TR_a"]);
    let mut second = room(&[person("ann", "PA_a", 1, &["TR_a"])]);
    assert_eq!(short(&second.wire(wired(&["TR_a"]))), ["ann heard on TR_a"]);
    assert!(second.snapshot()[0].tracks[0].subscribed);
}

#[test]
fn a_reused_section_belongs_to_the_new_track() {
    let mut room = room(&[person("ann", "PA_a", 1, &["TR_a"])]);
    room.wire(wired(&["TR_a"]));
    assert_eq!(short(&room.update(&[gone("ann", "PA_a")])), ["lost TR_a", "unpublished TR_a", "-ann"]);
    room.update(&[person("bob", "PA_b", 1, &["TR_b"])]);
    assert_eq!(short(&room.wire(wired(&["TR_b"]))), ["bob heard on TR_b"]);
}

#[test]
fn a_late_report_on_an_earlier_stay_changes_nothing() {
    let mut room = room(&[person("ann", "PA_1", 5, &[])]);
    let events = room.update(&[person("ann", "PA_2", 1, &[])]);
    assert_eq!(short(&events), ["-ann", "+ann", "ann active"]);
    assert_eq!(short(&room.update(&[gone("ann", "PA_1")])), [""; 0]);
    let mut older = person("ann", "PA_2", 0, &["TR_old"]);
    older.name = "older".into();
    assert_eq!(short(&room.update(&[older])), [""; 0]);
}

#[test]
fn who_is_not_reported_during_a_resume_is_gone() {
    let mut room = room(&[person("ann", "PA_a", 1, &["TR_a"]), person("bob", "PA_b", 1, &[])]);
    room.wire(wired(&["TR_a"]));
    room.begin_resync();
    assert_eq!(short(&room.update(&[person("bob", "PA_b", 1, &[])])), [""; 0]);
    assert_eq!(short(&room.end_resync()), ["lost TR_a", "unpublished TR_a", "-ann"]);
    assert_eq!(short(&room.end_resync()), [""; 0]);
}

#[test]
fn mutes_and_attributes_are_told() {
    let mut before = person("ann", "PA_a", 1, &["TR_a"]);
    before.attributes = HashMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
    let mut room = room(&[before.clone()]);
    let mut after = before;
    after.version = 2;
    after.tracks[0].muted = true;
    after.attributes = HashMap::from([("a".into(), "3".into())]);
    assert_eq!(short(&room.update(&[after])), ["attributes 2", "muted TR_a"]);
}

#[test]
fn joining_anew_reports_only_what_differs() {
    let mut room = room(&[person("ann", "PA_a", 1, &["TR_a"]), person("bob", "PA_b", 1, &[])]);
    room.wire(wired(&["TR_a"]));
    let join = proto::JoinResponse {
        participant: Some(person("me", "PA_me2", 1, &[])),
        other_participants: vec![person("ann", "PA_a", 2, &["TR_a"]), person("cat", "PA_c", 1, &[])],
        ..proto::JoinResponse::default()
    };
    assert_eq!(short(&room.rejoin(&join)), ["lost TR_a", "+cat", "cat active", "-bob"]);
    assert_eq!(room.local().sid.as_str(), "PA_me2");
}
