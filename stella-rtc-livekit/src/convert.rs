//! From the SDK's types to ours.

use livekit::prelude as sdk;
use livekit_protocol as proto;
use stella_rtc::{
    ConnectionQuality, ConnectionState, DisconnectReason, LeaveReason, ParticipantIdentity, ParticipantInfo,
    ParticipantKind, Permissions, RoomInfo, TrackInfo, TrackKind, TrackSid, TrackSource, TranscriptionSegment,
};

pub(crate) fn room(room: &sdk::Room) -> RoomInfo {
    let mut info = RoomInfo::default();
    info.sid = room.maybe_sid().map(String::from).unwrap_or_default();
    info.name = room.name();
    info.metadata = room.metadata();
    info.participant_count = room.num_participants();
    info.recording = room.active_recording();
    info
}

pub(crate) fn state(state: sdk::ConnectionState) -> ConnectionState {
    match state {
        sdk::ConnectionState::Connected => ConnectionState::Connected,
        sdk::ConnectionState::Reconnecting => ConnectionState::Reconnecting,
        sdk::ConnectionState::Disconnected => ConnectionState::Disconnected,
    }
}

pub(crate) fn identity(identity: &sdk::ParticipantIdentity) -> ParticipantIdentity {
    identity.as_str().into()
}

pub(crate) fn to_sdk_identities(list: &[ParticipantIdentity]) -> Vec<sdk::ParticipantIdentity> {
    list.iter().map(|identity| identity.as_str().into()).collect()
}

pub(crate) fn sid(sid: &sdk::TrackSid) -> TrackSid {
    sid.as_str().into()
}

/// The SDK's form of a track's id; `None` if it cannot be one.
pub(crate) fn to_sdk_sid(sid: &TrackSid) -> Option<sdk::TrackSid> {
    sid.as_str().to_owned().try_into().ok()
}

pub(crate) fn remote(participant: &sdk::RemoteParticipant) -> ParticipantInfo {
    self::participant(&sdk::Participant::Remote(participant.clone()))
}

pub(crate) fn participant(from: &sdk::Participant) -> ParticipantInfo {
    let mut info = ParticipantInfo::new(from.sid().as_str().into(), identity(&from.identity()));
    info.name = from.name();
    info.metadata = from.metadata();
    info.attributes = from.attributes();
    info.kind = kind(from.kind());
    info.active = from.state() == livekit::ParticipantState::Active;
    info.permissions = from.permission().as_ref().map(permissions);
    info.tracks = from.track_publications().values().map(publication).collect();
    info.tracks.sort_by(|a, b| a.sid.cmp(&b.sid));
    info
}

fn kind(kind: livekit::ParticipantKind) -> ParticipantKind {
    use livekit::ParticipantKind as Sdk;
    match kind {
        Sdk::Standard => ParticipantKind::Standard,
        Sdk::Ingress => ParticipantKind::Ingress,
        Sdk::Egress => ParticipantKind::Egress,
        Sdk::Sip => ParticipantKind::Sip,
        Sdk::Agent => ParticipantKind::Agent,
        Sdk::Connector => ParticipantKind::Connector,
        Sdk::Bridge => ParticipantKind::Other,
    }
}

pub(crate) fn permissions(permission: &proto::ParticipantPermission) -> Permissions {
    let mut permissions = Permissions::default();
    permissions.can_subscribe = permission.can_subscribe;
    permissions.can_publish = permission.can_publish;
    permissions.can_publish_data = permission.can_publish_data;
    permissions.can_update_metadata = permission.can_update_metadata;
    permissions.hidden = permission.hidden;
    permissions
}

pub(crate) fn remote_publication(from: &sdk::RemoteTrackPublication) -> TrackInfo {
    publication(&sdk::TrackPublication::Remote(from.clone()))
}

pub(crate) fn publication(from: &sdk::TrackPublication) -> TrackInfo {
    let kind = match from.kind() {
        sdk::TrackKind::Audio => TrackKind::Audio,
        sdk::TrackKind::Video => TrackKind::Video,
    };
    let mut info = TrackInfo::new(sid(&from.sid()), kind);
    info.name = from.name();
    info.source = match from.source() {
        sdk::TrackSource::Unknown => TrackSource::Unknown,
        sdk::TrackSource::Camera => TrackSource::Camera,
        sdk::TrackSource::Microphone => TrackSource::Microphone,
        sdk::TrackSource::Screenshare => TrackSource::ScreenShare,
        sdk::TrackSource::ScreenshareAudio => TrackSource::ScreenShareAudio,
    };
    info.muted = from.is_muted();
    info.subscribed = match from {
        sdk::TrackPublication::Remote(remote) => kind == TrackKind::Audio && remote.is_subscribed(),
        sdk::TrackPublication::Local(_) => false,
    };
    info.mime_type = from.mime_type();
    info
}

pub(crate) fn to_sdk_source(source: TrackSource) -> sdk::TrackSource {
    match source {
        TrackSource::Microphone => sdk::TrackSource::Microphone,
        TrackSource::Camera => sdk::TrackSource::Camera,
        TrackSource::ScreenShare => sdk::TrackSource::Screenshare,
        TrackSource::ScreenShareAudio => sdk::TrackSource::ScreenshareAudio,
        _ => sdk::TrackSource::Unknown,
    }
}

pub(crate) fn quality(quality: sdk::ConnectionQuality) -> ConnectionQuality {
    match quality {
        sdk::ConnectionQuality::Excellent => ConnectionQuality::Excellent,
        sdk::ConnectionQuality::Good => ConnectionQuality::Good,
        sdk::ConnectionQuality::Poor => ConnectionQuality::Poor,
        sdk::ConnectionQuality::Lost => ConnectionQuality::Lost,
    }
}

pub(crate) fn segment(from: sdk::TranscriptionSegment) -> TranscriptionSegment {
    use std::time::Duration;
    TranscriptionSegment {
        id: from.id,
        text: from.text,
        start: Duration::from_millis(from.start_time),
        end: Duration::from_millis(from.end_time),
        is_final: from.r#final,
        language: from.language,
    }
}

pub(crate) fn to_sdk_segment(from: TranscriptionSegment) -> sdk::TranscriptionSegment {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    sdk::TranscriptionSegment {
        id: from.id,
        text: from.text,
        start_time: millis(from.start),
        end_time: millis(from.end),
        r#final: from.is_final,
        language: from.language,
    }
}

/// Why the session ended.
pub(crate) fn disconnect_reason(reason: proto::DisconnectReason) -> DisconnectReason {
    use proto::DisconnectReason as P;
    match reason {
        P::UnknownReason => DisconnectReason::Unknown,
        P::ClientInitiated => DisconnectReason::ClientInitiated,
        P::DuplicateIdentity => DisconnectReason::DuplicateIdentity,
        P::ServerShutdown => DisconnectReason::ServerShutdown,
        P::ParticipantRemoved => DisconnectReason::ParticipantRemoved,
        P::RoomDeleted => DisconnectReason::RoomDeleted,
        P::StateMismatch => DisconnectReason::StateMismatch,
        P::JoinFailure => DisconnectReason::JoinFailure,
        P::Migration => DisconnectReason::Migration,
        P::SignalClose => DisconnectReason::SignalClosed,
        P::RoomClosed => DisconnectReason::RoomClosed,
        P::UserUnavailable => DisconnectReason::UserUnavailable,
        P::UserRejected => DisconnectReason::UserRejected,
        P::SipTrunkFailure => DisconnectReason::SipTrunkFailure,
        P::ConnectionTimeout => DisconnectReason::ConnectionTimeout,
        P::MediaFailure => DisconnectReason::MediaFailure,
        P::AgentError => DisconnectReason::AgentError,
    }
}

/// Why somebody else left; the SDK has a second type for it.
pub(crate) fn departure(reason: sdk::DisconnectReason) -> DisconnectReason {
    use sdk::DisconnectReason as P;
    match reason {
        P::UnknownReason => DisconnectReason::Unknown,
        P::ClientInitiated => DisconnectReason::ClientInitiated,
        P::DuplicateIdentity => DisconnectReason::DuplicateIdentity,
        P::ServerShutdown => DisconnectReason::ServerShutdown,
        P::ParticipantRemoved => DisconnectReason::ParticipantRemoved,
        P::RoomDeleted => DisconnectReason::RoomDeleted,
        P::StateMismatch => DisconnectReason::StateMismatch,
        P::JoinFailure => DisconnectReason::JoinFailure,
        P::Migration => DisconnectReason::Migration,
        P::SignalClose => DisconnectReason::SignalClosed,
        P::RoomClosed => DisconnectReason::RoomClosed,
        P::UserUnavailable => DisconnectReason::UserUnavailable,
        P::UserRejected => DisconnectReason::UserRejected,
        P::SipTrunkFailure => DisconnectReason::SipTrunkFailure,
        P::ConnectionTimeout => DisconnectReason::ConnectionTimeout,
        P::MediaFailure => DisconnectReason::MediaFailure,
        P::AgentError => DisconnectReason::AgentError,
    }
}

pub(crate) fn to_sdk_leave(reason: LeaveReason) -> proto::DisconnectReason {
    match reason {
        LeaveReason::AgentError => proto::DisconnectReason::AgentError,
        LeaveReason::UserUnavailable => proto::DisconnectReason::UserUnavailable,
        LeaveReason::UserRejected => proto::DisconnectReason::UserRejected,
        _ => proto::DisconnectReason::ClientInitiated,
    }
}
