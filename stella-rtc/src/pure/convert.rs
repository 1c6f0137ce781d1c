//! From the protocol's types to ours.

use crate::{
    error::DisconnectReason,
    event::ConnectionQuality,
    info::{ParticipantInfo, ParticipantKind, Permissions, RoomInfo, TrackInfo, TrackKind, TrackSource},
    options::LeaveReason,
};
use livekit_protocol as proto;

pub(crate) fn room(room: &proto::Room) -> RoomInfo {
    RoomInfo {
        sid: room.sid.clone(),
        name: room.name.clone(),
        metadata: room.metadata.clone(),
        participant_count: room.num_participants,
        recording: room.active_recording,
    }
}

pub(crate) fn participant(info: &proto::ParticipantInfo) -> ParticipantInfo {
    use proto::participant_info::{Kind, State};
    ParticipantInfo {
        sid: info.sid.as_str().into(),
        identity: info.identity.as_str().into(),
        name: info.name.clone(),
        metadata: info.metadata.clone(),
        attributes: info.attributes.clone(),
        kind: match Kind::try_from(info.kind) {
            Ok(Kind::Standard) => ParticipantKind::Standard,
            Ok(Kind::Ingress) => ParticipantKind::Ingress,
            Ok(Kind::Egress) => ParticipantKind::Egress,
            Ok(Kind::Sip) => ParticipantKind::Sip,
            Ok(Kind::Agent) => ParticipantKind::Agent,
            Ok(Kind::Connector) => ParticipantKind::Connector,
            _ => ParticipantKind::Other,
        },
        active: info.state == State::Active as i32,
        permissions: info.permission.as_ref().map(permissions),
        tracks: info.tracks.iter().map(track).collect(),
    }
}

pub(crate) fn permissions(permission: &proto::ParticipantPermission) -> Permissions {
    Permissions {
        can_subscribe: permission.can_subscribe,
        can_publish: permission.can_publish,
        can_publish_data: permission.can_publish_data,
        can_update_metadata: permission.can_update_metadata,
        hidden: permission.hidden,
    }
}

pub(crate) fn track(info: &proto::TrackInfo) -> TrackInfo {
    TrackInfo {
        sid: info.sid.as_str().into(),
        name: info.name.clone(),
        kind: match proto::TrackType::try_from(info.r#type) {
            Ok(proto::TrackType::Audio) => TrackKind::Audio,
            Ok(proto::TrackType::Video) => TrackKind::Video,
            _ => TrackKind::Other,
        },
        source: match proto::TrackSource::try_from(info.source) {
            Ok(proto::TrackSource::Microphone) => TrackSource::Microphone,
            Ok(proto::TrackSource::Camera) => TrackSource::Camera,
            Ok(proto::TrackSource::ScreenShare) => TrackSource::ScreenShare,
            Ok(proto::TrackSource::ScreenShareAudio) => TrackSource::ScreenShareAudio,
            _ => TrackSource::Unknown,
        },
        muted: info.muted,
        subscribed: false,
        mime_type: info.mime_type.clone(),
    }
}

pub(crate) fn track_source(source: TrackSource) -> proto::TrackSource {
    match source {
        TrackSource::Unknown => proto::TrackSource::Unknown,
        TrackSource::Microphone => proto::TrackSource::Microphone,
        TrackSource::Camera => proto::TrackSource::Camera,
        TrackSource::ScreenShare => proto::TrackSource::ScreenShare,
        TrackSource::ScreenShareAudio => proto::TrackSource::ScreenShareAudio,
    }
}

pub(crate) fn disconnect_reason(reason: i32) -> DisconnectReason {
    use proto::DisconnectReason as P;
    match P::try_from(reason) {
        Ok(P::ClientInitiated) => DisconnectReason::ClientInitiated,
        Ok(P::DuplicateIdentity) => DisconnectReason::DuplicateIdentity,
        Ok(P::ServerShutdown) => DisconnectReason::ServerShutdown,
        Ok(P::ParticipantRemoved) => DisconnectReason::ParticipantRemoved,
        Ok(P::RoomDeleted) => DisconnectReason::RoomDeleted,
        Ok(P::RoomClosed) => DisconnectReason::RoomClosed,
        Ok(P::StateMismatch) => DisconnectReason::StateMismatch,
        Ok(P::JoinFailure) => DisconnectReason::JoinFailure,
        Ok(P::Migration) => DisconnectReason::Migration,
        Ok(P::SignalClose) => DisconnectReason::SignalClosed,
        Ok(P::UserUnavailable) => DisconnectReason::UserUnavailable,
        Ok(P::UserRejected) => DisconnectReason::UserRejected,
        Ok(P::SipTrunkFailure) => DisconnectReason::SipTrunkFailure,
        Ok(P::ConnectionTimeout) => DisconnectReason::ConnectionTimeout,
        Ok(P::MediaFailure) => DisconnectReason::MediaFailure,
        Ok(P::AgentError) => DisconnectReason::AgentError,
        Ok(P::UnknownReason) | Err(_) => DisconnectReason::Unknown,
    }
}

pub(crate) fn leave_reason(reason: LeaveReason) -> proto::DisconnectReason {
    match reason {
        LeaveReason::Finished => proto::DisconnectReason::ClientInitiated,
        LeaveReason::AgentError => proto::DisconnectReason::AgentError,
        LeaveReason::UserUnavailable => proto::DisconnectReason::UserUnavailable,
        LeaveReason::UserRejected => proto::DisconnectReason::UserRejected,
    }
}

pub(crate) fn quality(quality: i32) -> ConnectionQuality {
    match proto::ConnectionQuality::try_from(quality) {
        Ok(proto::ConnectionQuality::Poor) => ConnectionQuality::Poor,
        Ok(proto::ConnectionQuality::Excellent) => ConnectionQuality::Excellent,
        Ok(proto::ConnectionQuality::Lost) => ConnectionQuality::Lost,
        _ => ConnectionQuality::Good,
    }
}
