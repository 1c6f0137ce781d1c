//! Speech over the agent, from its first sample to the verdict.

use super::options::{Interruptibility, InterruptionOptions};
use crate::{id::UtteranceId, time::Timestamp};

/// Speech of the user while a reply has the floor.
#[derive(Debug, Clone, Default)]
pub(super) enum Overlap {
    /// None.
    #[default]
    None,
    /// Too short to act; the reply is held at `hold_at`.
    Listening { utterance: UtteranceId, since: Timestamp, hold_at: Timestamp },
    /// The reply is held; what is said decides.
    Judging(Judging),
    /// Judged without words, and the reply goes on; words that come later still count.
    Dismissed { utterance: UtteranceId },
}

/// A held reply and the deadlines of the verdict.
#[derive(Debug, Clone)]
pub(super) struct Judging {
    pub(super) utterance: UtteranceId,
    /// First voiced sample of the overlap.
    pub(super) since: Timestamp,
    /// When the voice ended, if it has.
    pub(super) ended: Option<Timestamp>,
    /// When the reply was held.
    pub(super) held: Timestamp,
    /// Whether words are known that do not decide by themselves.
    pub(super) words: bool,
    /// Whether the words so far are a sign of listening or an echo.
    pub(super) harmless: bool,
    /// When the reply goes on unless the speaker does: all that was said is harmless.
    pub(super) resume_at: Option<Timestamp>,
}

/// What a deadline of the overlap asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Hold the reply.
    Hold,
    /// The interruption is real.
    Commit,
    /// The reply goes on.
    Resume,
}

impl Judging {
    /// Nothing is known yet of speech since `since`, over a reply held since `held`.
    pub(super) fn new(utterance: UtteranceId, since: Timestamp, held: Timestamp) -> Self {
        Self { utterance, since, ended: None, held, words: false, harmless: false, resume_at: None }
    }

    /// The next deadline, and what it will ask for if nothing else happens.
    fn next(&self, options: &InterruptionOptions, reply: Interruptibility) -> (Timestamp, Due) {
        let real = self.words && !self.harmless;
        let verdict = if real { Due::Commit } else { Due::Resume };
        let longest = (self.held + options.max_hold, verdict);
        let other = match (self.resume_at, self.ended, reply.commit_after) {
            (Some(at), _, _) => (at, Due::Resume),
            (None, Some(ended), _) => (ended + options.judge_by, verdict),
            (None, None, Some(commit_after)) if !self.harmless => (self.since + commit_after, Due::Commit),
            (None, None, _) => longest,
        };
        if other.0 <= longest.0 { other } else { longest }
    }
}

impl Overlap {
    pub(super) fn utterance(&self) -> Option<UtteranceId> {
        match self {
            Self::None => None,
            Self::Listening { utterance, .. } | Self::Dismissed { utterance } => Some(*utterance),
            Self::Judging(judging) => Some(judging.utterance),
        }
    }

    /// The next deadline over a reply that is so interruptible.
    pub(super) fn due(&self, options: &InterruptionOptions, reply: Interruptibility) -> Option<(Timestamp, Due)> {
        match self {
            Self::None | Self::Dismissed { .. } => None,
            Self::Listening { hold_at, .. } => Some((*hold_at, Due::Hold)),
            Self::Judging(judging) => Some(judging.next(options, reply)),
        }
    }
}
