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

/// Deadlines that passed before a turn was answered: why its user waited for longer than the stages take by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Overdue {
    /// No final transcript by `endpointing.transcript_by`: interim text was taken.
    pub transcript: bool,
    /// No word of the application by `recovery.review_by`.
    pub review: bool,
    /// Generations that gave nothing in time, or failed.
    pub generations: u32,
    /// Syntheses that gave nothing in time, or failed.
    pub syntheses: u32,
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
    /// The turn was committed: it was complete, and the floor was free.
    pub committed: Timestamp,
    /// The application had reviewed it; `committed` if it does not.
    #[serde(default)]
    pub reviewed: Timestamp,
    /// The generation was requested.
    pub requested: Timestamp,
    /// The first part of the generation came; or none did, and the agent apologises.
    pub first_token: Timestamp,
    /// The tools that the model wanted before it said anything had returned, or a filler was said meanwhile;
    /// `first_token` without such tools.
    #[serde(default)]
    pub tools_done: Timestamp,
    /// The first words of the reply came.
    #[serde(default)]
    pub first_words: Timestamp,
    /// The first segment went to synthesis.
    pub first_segment: Timestamp,
    /// The first audio was there.
    pub first_audio: Timestamp,
    /// The first sample was sent.
    pub first_sample: Timestamp,
    /// The deadlines that passed meanwhile.
    #[serde(default)]
    pub overdue: Overdue,
}

impl TurnLatency {
    /// From the user's last voiced sample to the agent's first sample sent.
    #[must_use]
    pub fn response(&self) -> std::time::Duration {
        self.first_sample.since(self.last_voiced)
    }

    /// The response split into gaps by owner, which add up to [`response`](Self::response): each gap begins where the
    /// latest earlier moment ended, so work done ahead of time counts as zero. `queue` is the wait for the floor, and for
    /// other words of the turn.
    #[must_use]
    pub fn gaps(&self) -> [(&'static str, std::time::Duration); 11] {
        let moments = [
            ("vad", self.voice_ended),
            ("endpointing", self.ready),
            ("stt", self.transcribed),
            ("queue", self.committed),
            ("review", self.reviewed),
            ("llm", self.first_token),
            ("tools", self.tools_done),
            ("llm again", self.first_words),
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
