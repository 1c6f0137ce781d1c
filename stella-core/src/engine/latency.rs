//! Where the time between the user's last word and the agent's first one went.

use serde::{Deserialize, Serialize};

use crate::{
    id::{ReplyId, TurnId},
    time::Timestamp,
};

/// What decided that the turn had ended. All waits count from the last voiced sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// A silence, shortened because score and words said that the turn was probably complete.
    Complete,
    /// A silence, prolonged because they said that the speaker had probably only paused; or the longest one, in a mode
    /// in which somebody else should have decided.
    Incomplete,
    /// A silence of which nothing was known in time.
    Unsure,
    /// A silence, of which nothing else was asked ([`EndpointingMode::Silence`](super::EndpointingMode::Silence)).
    Silence,
    /// The recogniser's own end of the turn.
    Recogniser,
    /// The application ([`Input::CommitTurn`](super::Input::CommitTurn)).
    Manual,
    /// The speaker left.
    Left,
    /// The turn had reached its limit, and was cut there.
    Limit,
    /// The text was typed; there was nothing to wait for.
    Typed,
}

/// The moments of one turn, in the order of the stages. A moment before its predecessor means that the stage was done
/// ahead of time (speculation).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnLatency {
    /// The turn.
    pub turn: TurnId,
    /// Its reply.
    pub reply: ReplyId,
    /// What ended the turn.
    pub wait: Wait,
    /// Probability in percent that the turn was complete, as the engine saw it; `None` if nothing was known or asked.
    #[serde(default)]
    pub percent: Option<u8>,
    /// Whether the reply had been begun on a probable end of the turn.
    pub speculative: bool,
    /// Last voiced sample of the user, or the arrival of typed text.
    pub last_voiced: Timestamp,
    /// Voice end noticed.
    pub voice_ended: Timestamp,
    /// The silence was long enough.
    pub ready: Timestamp,
    /// The final transcript was there.
    pub transcribed: Timestamp,
    /// The turn was committed (and reviewed).
    pub committed: Timestamp,
    /// The generation was requested.
    pub requested: Timestamp,
    /// The first part of the generation came.
    pub first_token: Timestamp,
    /// The first segment went to synthesis.
    pub first_segment: Timestamp,
    /// The first audio was there.
    pub first_audio: Timestamp,
    /// The first sample was sent.
    pub first_sample: Timestamp,
}

impl TurnLatency {
    /// From the user's last voiced sample to the agent's first sample sent.
    #[must_use]
    pub fn response(&self) -> std::time::Duration {
        self.first_sample.since(self.last_voiced)
    }

    /// The response split into gaps by owner, which add up to [`response`](Self::response): each gap begins where the
    /// latest earlier moment ended, so work done ahead of time counts as zero.
    #[must_use]
    pub fn gaps(&self) -> [(&'static str, std::time::Duration); 8] {
        let moments = [
            ("vad", self.voice_ended),
            ("endpointing", self.ready),
            ("stt", self.transcribed),
            ("review", self.committed),
            ("llm", self.first_token),
            ("segmenter", self.first_segment),
            ("tts", self.first_audio),
            ("playout", self.first_sample),
        ];
        let mut at = self.last_voiced;
        moments.map(|(owner, moment)| {
            let gap = moment.since(at);
            at = at.max(moment);
            (owner, gap)
        })
    }
}
