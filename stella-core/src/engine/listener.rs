//! One speaker's side of the floor: silent, speaking, pausing, or done and waiting for the transcript.

use super::{Wait, options::EndpointingOptions};
use crate::{
    id::{ScoreId, SpeakerId, UtteranceId},
    time::Timestamp,
};

/// One participant who can speak.
#[derive(Debug, Clone)]
pub(super) struct Speaker {
    pub(super) id: SpeakerId,
    pub(super) listener: Listener,
    /// Whether they are here; who is gone makes room for others.
    pub(super) present: bool,
}

/// What a speaker is doing.
#[derive(Debug, Clone)]
pub(super) enum Listener {
    /// No utterance is open.
    Silent,
    /// The voice is active.
    Speaking(Utterance),
    /// The voice ended; the turn may go on. Decided at `pause.decide_at`, or back to speaking.
    Pausing { utterance: Utterance, pause: Pause },
    /// The silence has ended the turn, but the final transcript is missing; interim text is taken at `transcript_by`.
    Ready { utterance: Utterance, pause: Pause, transcript_by: Timestamp },
}

/// One stretch of speech and what is known of its words.
#[derive(Debug, Clone)]
pub(super) struct Utterance {
    pub(super) id: UtteranceId,
    /// First voiced sample.
    pub(super) since: Timestamp,
    /// Latest text; final if `answered == checkpoint`.
    pub(super) text: String,
    /// Checkpoints asked for.
    pub(super) checkpoint: u32,
    /// Latest checkpoint answered.
    pub(super) answered: u32,
    /// Words of the last final text; interim text with fewer is older than it.
    settled: usize,
    /// Whether its voice was weighed as speech over the reply on the floor.
    pub(super) weighed: bool,
}

/// A pause and what will end it.
#[derive(Debug, Clone)]
pub(super) struct Pause {
    pub(super) last_voiced: Timestamp,
    /// When the end of the voice was noticed.
    pub(super) noticed: Timestamp,
    pub(super) score: Score,
    pub(super) wait: Wait,
    pub(super) decide_at: Timestamp,
    /// When the final transcript of this pause came.
    pub(super) transcribed: Option<Timestamp>,
    /// When its interim text will have been stable for long enough; `None` once it was, or without any.
    pub(super) stable_at: Option<Timestamp>,
}

/// The end-of-turn score of a pause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Score {
    /// Not asked for, or the detector failed.
    None,
    /// Asked for.
    Pending(ScoreId),
    /// Known.
    Known(f32),
}

impl Utterance {
    pub(super) fn new(id: UtteranceId, since: Timestamp) -> Self {
        Self { id, since, text: String::new(), checkpoint: 0, answered: 0, settled: 0, weighed: false }
    }

    /// Whether `text` holds everything said up to the last checkpoint.
    pub(super) fn is_final(&self) -> bool {
        self.checkpoint > 0 && self.answered == self.checkpoint
    }

    /// Whether the answer to a checkpoint is still awaited.
    pub(super) fn awaits(&self, checkpoint: u32) -> bool {
        checkpoint > self.answered && checkpoint <= self.checkpoint
    }

    /// Takes a transcript, while the voice is active or not; `false` if it is not awaited, or older than what is known.
    pub(super) fn transcribe(&mut self, text: String, checkpoint: Option<u32>, speaking: bool) -> bool {
        let count = |text: &str| text.split_whitespace().count();
        let words = count(&text);
        match checkpoint {
            Some(checkpoint) if !self.awaits(checkpoint) => return false,
            Some(checkpoint) => {
                self.answered = checkpoint;
                self.settled = words;
                // The speaker has gone on since that checkpoint, and more is known already.
                if (speaking || checkpoint < self.checkpoint) && words < count(&self.text) {
                    return true;
                }
            }
            // Interim text that was on its way while the final was made.
            None if (self.is_final() && !speaking) || words < self.settled => return false,
            None => {}
        }
        self.text = text;
        true
    }
}

impl Pause {
    pub(super) fn new(now: Timestamp, last_voiced: Timestamp, score: Score, options: &EndpointingOptions) -> Self {
        let mut pause = Self {
            last_voiced,
            noticed: now,
            score,
            wait: Wait::Unsure,
            decide_at: last_voiced,
            transcribed: None,
            stable_at: None,
        };
        pause.decide(options);
        pause
    }

    /// Takes the score, and computes again when the turn ends.
    pub(super) fn scored(&mut self, probability: Option<f32>, options: &EndpointingOptions) {
        self.score = probability.filter(|p| p.is_finite()).map_or(Score::None, Score::Known);
        self.decide(options);
    }

    fn decide(&mut self, options: &EndpointingOptions) {
        let (wait, delay) = match self.score {
            Score::Known(p) if p >= options.complete_from => (Wait::Complete, options.wait_complete),
            Score::Known(p) if p < options.incomplete_below => (Wait::Incomplete, options.wait_incomplete),
            Score::Known(_) | Score::Pending(_) | Score::None => (Wait::Unsure, options.wait_unsure),
        };
        self.wait = wait;
        self.decide_at = self.last_voiced + delay;
    }
}

impl Listener {
    pub(super) fn utterance(&self) -> Option<&Utterance> {
        match self {
            Self::Silent => None,
            Self::Speaking(utterance) | Self::Pausing { utterance, .. } | Self::Ready { utterance, .. } => {
                Some(utterance)
            }
        }
    }

    pub(super) fn utterance_mut(&mut self) -> Option<&mut Utterance> {
        match self {
            Self::Silent => None,
            Self::Speaking(utterance) | Self::Pausing { utterance, .. } | Self::Ready { utterance, .. } => {
                Some(utterance)
            }
        }
    }

    pub(super) fn pause_mut(&mut self) -> Option<&mut Pause> {
        match self {
            Self::Silent | Self::Speaking(_) => None,
            Self::Pausing { pause, .. } | Self::Ready { pause, .. } => Some(pause),
        }
    }

    /// Leaves `Silent` behind.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Silent)
    }

    pub(super) fn is_speaking(&self) -> bool {
        matches!(self, Self::Speaking(_))
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }

    /// When the interim text of the pause will have been stable for long enough.
    pub(super) fn stable_at(&self) -> Option<Timestamp> {
        match self {
            Self::Silent | Self::Speaking(_) => None,
            Self::Pausing { pause, .. } | Self::Ready { pause, .. } => pause.stable_at,
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Silent | Self::Speaking(_) => None,
            Self::Pausing { pause, .. } => Some(pause.decide_at),
            Self::Ready { transcript_by, .. } => Some(*transcript_by),
        }
    }
}
