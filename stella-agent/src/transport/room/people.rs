//! Who is in the room and may talk with the agent.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use stella_core::id::SpeakerId;
use stella_rtc::{ParticipantIdentity, ParticipantKind, TrackInfo, TrackKind, TrackSid, TrackSource};

/// Numbers and tracks of the people in the room. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct People {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Everybody who was ever here keeps the number.
    numbers: HashMap<ParticipantIdentity, SpeakerId>,
    identities: HashMap<SpeakerId, ParticipantIdentity>,
    present: Vec<SpeakerId>,
    microphones: HashMap<SpeakerId, TrackSid>,
}

impl People {
    /// Notes that somebody is here; `None` if that was known.
    pub(super) fn join(&self, identity: &ParticipantIdentity) -> Option<SpeakerId> {
        let mut state = self.state.lock();
        let next = SpeakerId(state.numbers.len() as u64 + 1);
        let speaker = *state.numbers.entry(identity.clone()).or_insert(next);
        state.identities.insert(speaker, identity.clone());
        if state.present.contains(&speaker) {
            return None;
        }
        state.present.push(speaker);
        Some(speaker)
    }

    /// Notes that somebody is gone; `None` if that was known.
    pub(super) fn leave(&self, identity: &ParticipantIdentity) -> Option<SpeakerId> {
        let mut state = self.state.lock();
        let speaker = *state.numbers.get(identity)?;
        let at = state.present.iter().position(|present| *present == speaker)?;
        state.present.remove(at);
        state.microphones.remove(&speaker);
        Some(speaker)
    }

    /// The number of somebody who is here.
    pub(super) fn speaker(&self, identity: &ParticipantIdentity) -> Option<SpeakerId> {
        let state = self.state.lock();
        state.numbers.get(identity).copied().filter(|speaker| state.present.contains(speaker))
    }

    /// Who has a number.
    pub(super) fn identity(&self, speaker: SpeakerId) -> Option<ParticipantIdentity> {
        self.state.lock().identities.get(&speaker).cloned()
    }

    /// Whoever is here.
    pub(super) fn present(&self) -> Vec<ParticipantIdentity> {
        let state = self.state.lock();
        state.present.iter().filter_map(|speaker| state.identities.get(speaker).cloned()).collect()
    }

    /// Whether nobody is here.
    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().present.is_empty()
    }

    /// Notes somebody's microphone; false if it was known.
    pub(super) fn set_microphone(&self, speaker: SpeakerId, track: &TrackSid) -> bool {
        self.state.lock().microphones.insert(speaker, track.clone()).as_ref() != Some(track)
    }

    /// Forgets a microphone.
    pub(super) fn unset_microphone(&self, track: &TrackSid) {
        self.state.lock().microphones.retain(|_, known| known != track);
    }

    /// Somebody's microphone.
    pub(super) fn microphone(&self, speaker: SpeakerId) -> Option<TrackSid> {
        self.state.lock().microphones.get(&speaker).cloned()
    }
}

/// Whether somebody of this kind may talk with the agent.
pub(super) fn may_talk(kind: ParticipantKind) -> bool {
    matches!(kind, ParticipantKind::Standard | ParticipantKind::Sip | ParticipantKind::Connector)
}

/// Whether a track is somebody's voice.
pub(super) fn is_voice(track: &TrackInfo) -> bool {
    track.kind == TrackKind::Audio && matches!(track.source, TrackSource::Microphone | TrackSource::Unknown)
}
