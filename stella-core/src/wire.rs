//! What agents and clients say to each other in a room: the names and attributes that stock LiveKit clients expect
//! (conventions of livekit-agents 1.7.0, `types.py` and `voice/room_io`).

use std::collections::HashMap;

use crate::engine::AgentState;

/// Topics of text streams.
pub mod topic {
    /// Transcripts of both sides.
    pub const TRANSCRIPTION: &str = "lk.transcription";
    /// Text typed by the user.
    pub const CHAT: &str = "lk.chat";
}

/// Attributes of participants.
pub mod attribute {
    /// What the agent is doing; see [`agent_state`](super::agent_state).
    pub const AGENT_STATE: &str = "lk.agent.state";
    /// The agent's type name.
    pub const AGENT_NAME: &str = "lk.agent.name";
    /// Set by an avatar worker: the identity of the agent it speaks for.
    pub const PUBLISH_ON_BEHALF: &str = "lk.publish_on_behalf";
}

/// Name of the agent's voice track.
pub const VOICE_TRACK: &str = "roomio_audio";

/// Value of [`attribute::AGENT_STATE`] before the conversation has begun.
pub const INITIALIZING: &str = "initializing";

/// Value of [`attribute::AGENT_STATE`].
#[must_use]
pub fn agent_state(state: AgentState) -> &'static str {
    match state {
        AgentState::Listening => "listening",
        AgentState::Thinking => "thinking",
        AgentState::Speaking => "speaking",
    }
}

/// Attributes of one text stream on [`topic::TRANSCRIPTION`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptionAttributes {
    /// Id of the segment, the same for all updates of one segment. By convention `SG_` and a short id.
    pub segment: String,
    /// Sid of the transcribed audio track; `None` if no audio is published.
    pub track: Option<String>,
    /// Whether the segment is complete.
    pub is_final: bool,
}

impl TranscriptionAttributes {
    const SEGMENT: &str = "lk.segment_id";
    const TRACK: &str = "lk.transcribed_track_id";
    const FINAL: &str = "lk.transcription_final";

    /// The attributes as a stream carries them.
    #[must_use]
    pub fn to_map(&self) -> HashMap<String, String> {
        let mut map = HashMap::from([
            (Self::SEGMENT.to_owned(), self.segment.clone()),
            (Self::FINAL.to_owned(), self.is_final.to_string()),
        ]);
        if let Some(track) = &self.track {
            map.insert(Self::TRACK.to_owned(), track.clone());
        }
        map
    }

    /// Reads the attributes of a stream; `None` if they name no segment.
    #[must_use]
    pub fn from_map(map: &HashMap<String, String>) -> Option<Self> {
        Some(Self {
            segment: map.get(Self::SEGMENT)?.clone(),
            track: map.get(Self::TRACK).cloned(),
            is_final: map.get(Self::FINAL).is_some_and(|value| value == "true"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transcription_attributes_come_back() {
        let attributes = TranscriptionAttributes { segment: "SG_1".into(), track: Some("TR_1".into()), is_final: true };
        assert_eq!(TranscriptionAttributes::from_map(&attributes.to_map()), Some(attributes));
        assert_eq!(TranscriptionAttributes::from_map(&HashMap::new()), None);
    }
}
