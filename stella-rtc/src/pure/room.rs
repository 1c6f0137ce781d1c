//! The room as the server reports it, and what changed in it. Pure: reports in, events out.

use super::convert;
use crate::{
    error::DisconnectReason,
    event::RtcEvent,
    info::{ParticipantIdentity, ParticipantInfo, RoomInfo, TrackInfo, TrackKind, TrackSid},
};
use livekit_protocol as proto;
use std::collections::{BTreeMap, HashMap, HashSet};

/// A participant with what only this crate needs to know of it.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) info: ParticipantInfo,
    /// Newest report seen; older ones are ignored.
    version: u32,
    /// Which stream protocol it speaks.
    pub(crate) client_protocol: i32,
    pub(crate) capabilities: Vec<i32>,
}

impl Member {
    fn new(report: &proto::ParticipantInfo) -> Self {
        Self {
            info: convert::participant(report),
            version: report.version,
            client_protocol: report.client_protocol,
            capabilities: report.capabilities.clone(),
        }
    }

    fn track(&self, sid: &TrackSid) -> Option<&TrackInfo> {
        self.info.tracks.iter().find(|track| track.sid == *sid)
    }
}

/// The room. See the module.
#[derive(Debug)]
pub(crate) struct Room {
    info: RoomInfo,
    local: Member,
    remotes: BTreeMap<ParticipantIdentity, Member>,
    /// Tracks that a media section carries now.
    wired: HashSet<TrackSid>,
    /// Tracks reported as subscribed.
    subscribed: HashMap<TrackSid, ParticipantIdentity>,
    /// While a resume is under way: who was reported since; `None` inside before the first report.
    seen: Option<Option<HashSet<ParticipantIdentity>>>,
}

impl Room {
    /// The room as found on joining.
    pub(crate) fn new(join: &proto::JoinResponse) -> Self {
        let local = join.participant.clone().unwrap_or_default();
        Self {
            info: join.room.as_ref().map(convert::room).unwrap_or_default(),
            local: Member::new(&local),
            remotes: join.other_participants.iter().map(|p| (p.identity.as_str().into(), Member::new(p))).collect(),
            wired: HashSet::new(),
            subscribed: HashMap::new(),
            seen: None,
        }
    }

    /// Joined anew: what differs from before.
    pub(crate) fn rejoin(&mut self, join: &proto::JoinResponse) -> Vec<RtcEvent> {
        let mut events = self.wire(HashSet::new());
        self.info = join.room.as_ref().map(convert::room).unwrap_or_default();
        self.local = Member::new(&join.participant.clone().unwrap_or_default());
        self.begin_resync();
        events.extend(self.update(&join.other_participants));
        events.extend(self.end_resync());
        events
    }

    pub(crate) fn info(&self) -> &RoomInfo {
        &self.info
    }

    pub(crate) fn local(&self) -> &ParticipantInfo {
        &self.local.info
    }

    pub(crate) fn remotes(&self) -> impl Iterator<Item = &Member> {
        self.remotes.values()
    }

    pub(crate) fn remote(&self, identity: &str) -> Option<&Member> {
        self.remotes.get(&ParticipantIdentity::from(identity))
    }

    /// A snapshot of the others, with what is subscribed.
    pub(crate) fn snapshot(&self) -> Vec<ParticipantInfo> {
        let mark = |member: &Member| {
            let mut info = member.info.clone();
            for track in &mut info.tracks {
                track.subscribed = self.subscribed.contains_key(&track.sid);
            }
            info
        };
        self.remotes.values().map(mark).collect()
    }

    /// Who publishes a track, and what it is.
    pub(crate) fn find_track(&self, sid: &TrackSid) -> Option<(&ParticipantIdentity, &TrackInfo)> {
        self.remotes.iter().find_map(|(identity, member)| Some((identity, member.track(sid)?)))
    }

    /// Whether a track is reported as subscribed.
    pub(crate) fn is_subscribed(&self, sid: &TrackSid) -> bool {
        self.subscribed.contains_key(sid)
    }

    /// From now on, participants that are not reported before [`Room::end_resync`] count as gone.
    pub(crate) fn begin_resync(&mut self) {
        self.seen = Some(None);
    }

    /// Everybody was reported: the others are gone. Without any report nobody is.
    pub(crate) fn end_resync(&mut self) -> Vec<RtcEvent> {
        let Some(Some(seen)) = self.seen.take() else { return Vec::new() };
        let gone: Vec<_> = self.remotes.keys().filter(|identity| !seen.contains(*identity)).cloned().collect();
        gone.iter().flat_map(|identity| self.remove(identity, DisconnectReason::Unknown)).collect()
    }

    /// The server reports on some participants.
    pub(crate) fn update(&mut self, reports: &[proto::ParticipantInfo]) -> Vec<RtcEvent> {
        let mut events = Vec::new();
        if let Some(seen) = &mut self.seen {
            seen.get_or_insert_default();
        }
        for report in reports {
            if report.identity == self.local.info.identity.as_str() {
                self.update_local(report, &mut events);
            } else if report.state == proto::participant_info::State::Disconnected as i32 {
                let identity = ParticipantIdentity::from(report.identity.as_str());
                // A late report on an earlier stay must not remove a later one.
                if self.remotes.get(&identity).is_some_and(|member| member.info.sid.as_str() == report.sid) {
                    events.extend(self.remove(&identity, convert::disconnect_reason(report.disconnect_reason)));
                }
            } else {
                self.update_remote(report, &mut events);
            }
        }
        events.extend(self.refresh_subscriptions());
        events
    }

    fn update_local(&mut self, report: &proto::ParticipantInfo, events: &mut Vec<RtcEvent>) {
        if report.sid != self.local.info.sid.as_str() || report.version < self.local.version {
            return;
        }
        let new = Member::new(report);
        describe_changes(&self.local.info, &new.info, events);
        self.local = new;
    }

    fn update_remote(&mut self, report: &proto::ParticipantInfo, events: &mut Vec<RtcEvent>) {
        let new = Member::new(report);
        let identity = new.info.identity.clone();
        if let Some(Some(seen)) = &mut self.seen {
            seen.insert(identity.clone());
        }
        if self.remotes.get(&identity).is_some_and(|old| old.info.sid != new.info.sid) {
            events.extend(self.remove(&identity, DisconnectReason::Unknown)); // came back before it was seen to leave
        }
        let Some(old) = self.remotes.get(&identity) else {
            events.push(RtcEvent::ParticipantJoined { participant: new.info.clone() });
            if new.info.active {
                events.push(RtcEvent::ParticipantActive { participant: identity.clone() });
            }
            for track in &new.info.tracks {
                events.push(RtcEvent::TrackPublished { participant: identity.clone(), track: track.clone() });
            }
            self.remotes.insert(identity, new);
            return;
        };
        if new.version < old.version {
            return;
        }
        if new.info.active && !old.info.active {
            events.push(RtcEvent::ParticipantActive { participant: identity.clone() });
        }
        let gone: Vec<_> = old.info.tracks.iter().filter(|track| new.track(&track.sid).is_none()).cloned().collect();
        for track in &new.info.tracks {
            if old.track(&track.sid).is_none() {
                events.push(RtcEvent::TrackPublished { participant: identity.clone(), track: track.clone() });
            }
        }
        describe_changes(&old.info, &new.info, events);
        for track in gone {
            self.drop_track(&identity, &track, events);
        }
        self.remotes.insert(identity, new);
    }

    fn remove(&mut self, identity: &ParticipantIdentity, reason: DisconnectReason) -> Vec<RtcEvent> {
        let Some(member) = self.remotes.remove(identity) else { return Vec::new() };
        let mut events = Vec::new();
        for track in &member.info.tracks {
            self.drop_track(identity, track, &mut events);
        }
        events.push(RtcEvent::ParticipantLeft { participant: member.info, reason });
        events
    }

    fn drop_track(&mut self, participant: &ParticipantIdentity, track: &TrackInfo, events: &mut Vec<RtcEvent>) {
        if self.subscribed.remove(&track.sid).is_some() {
            events.push(RtcEvent::TrackUnsubscribed { participant: participant.clone(), track: track.clone() });
        }
        events.push(RtcEvent::TrackUnpublished { participant: participant.clone(), track: track.clone() });
    }

    /// The newest offer says which tracks the media sections carry.
    pub(crate) fn wire(&mut self, tracks: HashSet<TrackSid>) -> Vec<RtcEvent> {
        self.wired = tracks;
        self.refresh_subscriptions()
    }

    /// A track counts as subscribed when a section carries it and its publisher is known; either may come first.
    fn refresh_subscriptions(&mut self) -> Vec<RtcEvent> {
        let mut events = Vec::new();
        let lost: Vec<_> = self.subscribed.keys().filter(|sid| !self.wired.contains(*sid)).cloned().collect();
        for sid in lost {
            let (Some(participant), found) = (self.subscribed.remove(&sid), self.find_track(&sid)) else { continue };
            if let Some((_, track)) = found {
                events.push(RtcEvent::TrackUnsubscribed { participant, track: track.clone() });
            }
        }
        for (identity, member) in &self.remotes {
            for track in member.info.tracks.iter().filter(|track| track.kind == TrackKind::Audio) {
                if self.wired.contains(&track.sid) && !self.subscribed.contains_key(&track.sid) {
                    self.subscribed.insert(track.sid.clone(), identity.clone());
                    let track = TrackInfo { subscribed: true, ..track.clone() };
                    events.push(RtcEvent::TrackSubscribed { participant: identity.clone(), track });
                }
            }
        }
        events
    }

    /// The room itself changed.
    pub(crate) fn update_room(&mut self, room: &proto::Room) -> Option<RtcEvent> {
        let new = convert::room(room);
        let changed = new != self.info;
        self.info = new;
        changed.then(|| RtcEvent::RoomUpdated { room: self.info.clone() })
    }

    /// Identity of a stay, ours included.
    pub(crate) fn identity_of(&self, sid: &str) -> Option<ParticipantIdentity> {
        if self.local.info.sid.as_str() == sid {
            return Some(self.local.info.identity.clone());
        }
        self.remotes.values().find(|member| member.info.sid.as_str() == sid).map(|member| member.info.identity.clone())
    }
}

/// Name, metadata, attributes, permissions, mutes.
fn describe_changes(old: &ParticipantInfo, new: &ParticipantInfo, events: &mut Vec<RtcEvent>) {
    let participant = || new.identity.clone();
    if old.name != new.name {
        events.push(RtcEvent::NameChanged { participant: participant(), name: new.name.clone() });
    }
    if old.metadata != new.metadata {
        events.push(RtcEvent::MetadataChanged { participant: participant(), metadata: new.metadata.clone() });
    }
    let set = new.attributes.iter().filter(|(key, value)| old.attributes.get(*key) != Some(value));
    let removed = old.attributes.keys().filter(|key| !new.attributes.contains_key(*key));
    let changed: HashMap<_, _> = set
        .map(|(key, value)| (key.clone(), value.clone()))
        .chain(removed.map(|key| (key.clone(), String::new())))
        .collect();
    if !changed.is_empty() {
        events.push(RtcEvent::AttributesChanged { participant: participant(), changed });
    }
    if let Some(permissions) = new.permissions.as_ref().filter(|p| old.permissions.as_ref() != Some(p)) {
        events.push(RtcEvent::PermissionsChanged { participant: participant(), permissions: permissions.clone() });
    }
    for track in &new.tracks {
        let Some(before) = old.tracks.iter().find(|t| t.sid == track.sid) else { continue };
        match (before.muted, track.muted) {
            (false, true) => {
                events.push(RtcEvent::TrackMuted { participant: participant(), track: track.sid.clone() });
            }
            (true, false) => {
                events.push(RtcEvent::TrackUnmuted { participant: participant(), track: track.sid.clone() });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
