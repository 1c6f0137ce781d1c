//! One speaker's side of the floor: silent, speaking, pausing, or done and waiting for the transcript.

use super::{Verdict, Wait, judge::words, options::TurnLimitOptions, pace::Pace, turn::Moments};
use crate::{
    id::{ReplyId, ScoreId, SpeakerId, UtteranceId},
    time::Timestamp,
};

/// One participant who can speak.
#[derive(Debug, Clone)]
pub(super) struct Speaker {
    pub(super) id: SpeakerId,
    pub(super) listener: Listener,
    /// Whether they are here; who is gone makes room for others.
    pub(super) present: bool,
    /// BCP 47 tag of their language, if known.
    pub(super) language: Option<String>,
    /// How they pause.
    pub(super) pace: Pace,
    /// Last voiced sample of their last utterance, if it is not known yet whether they go on; only if pauses are learned.
    pub(super) finished: Option<Timestamp>,
}

impl Speaker {
    /// Somebody of whom nothing was heard yet.
    pub(super) fn new(id: SpeakerId) -> Self {
        Self { id, listener: Listener::Silent, present: true, language: None, pace: Pace::default(), finished: None }
    }
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
    /// The silence has ended the turn, but the final transcript is missing; interim text is taken at `transcript_by`,
    /// which is moved by each answer to an earlier checkpoint.
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
    /// How sure the recogniser is of `text`.
    pub(super) confidence: Option<f32>,
    /// Whether its voice was weighed as speech over the reply on the floor.
    pub(super) weighed: bool,
    /// Whether the recogniser has said that the turn has ended, and the speaker has not gone on.
    pub(super) ended: bool,
    /// Whether it began before the reply on the floor could be understood.
    pub(super) early: bool,
    /// The reply its voice was last raised over, and how far that had come.
    pub(super) over: Option<(ReplyId, u64)>,
    /// What was heard of the reply that ended last while it was open.
    pub(super) outlasted: String,
    pub(super) limit: Limit,
    /// From when its limit counts: it began then, or had no word until then.
    pub(super) limited_from: Timestamp,
    /// The reply of the agent's own initiative that was begun over it: it has let this utterance finish for long enough.
    pub(super) given_way: Option<ReplyId>,
    /// Whether it was a sign of listening, if it is one: it was raised well before the end of the reply that ended last.
    pub(super) listened: bool,
}

/// Whether an utterance is within the limits of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// It is.
    Within,
    /// It is not, and that was told.
    Exceeded,
    /// It is to be cut once its words can be answered: where they were `asked` for, if there were none in time.
    Overdue { asked: Option<Timestamp> },
    /// It is to be cut where it was `at`; its final text up to there is awaited until `by`.
    Cutting { at: Timestamp, by: Timestamp },
}

/// A pause and what will end it.
#[derive(Debug, Clone)]
pub(super) struct Pause {
    pub(super) last_voiced: Timestamp,
    /// When the end of the voice was noticed.
    pub(super) noticed: Timestamp,
    pub(super) score: Score,
    pub(super) wait: Wait,
    /// Probability in percent that it ends the turn, if anything is known.
    pub(super) percent: Option<u8>,
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
        Self {
            id,
            since,
            text: String::new(),
            checkpoint: 0,
            answered: 0,
            settled: 0,
            confidence: None,
            weighed: false,
            early: false,
            over: None,
            outlasted: String::new(),
            ended: false,
            limit: Limit::Within,
            limited_from: since,
            given_way: None,
            listened: false,
        }
    }

    /// Whether the final text up to its limit is awaited.
    pub(super) fn is_cutting(&self) -> bool {
        matches!(self.limit, Limit::Cutting { .. })
    }

    /// Whether it belongs to no turn, judged so, although no reply has the floor: it echoes the agent, or shows that its
    /// last reply was listened to.
    pub(super) fn is_stray(&self, verdict: Verdict) -> bool {
        verdict == Verdict::Echo || (verdict == Verdict::Backchannel && self.listened)
    }

    /// Whether a word of it is known.
    pub(super) fn has_words(&self) -> bool {
        words(&self.text).next().is_some()
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
    /// A pause of which nothing is known yet; the engine weighs it next.
    pub(super) fn new(now: Timestamp, last_voiced: Timestamp, score: Score) -> Self {
        let (wait, percent) = (Wait::Unsure, None);
        Self {
            last_voiced,
            noticed: now,
            score,
            wait,
            percent,
            decide_at: last_voiced,
            transcribed: None,
            stable_at: None,
        }
    }

    /// Takes the score.
    pub(super) fn scored(&mut self, probability: Option<f32>) {
        self.score = probability.filter(|p| p.is_finite()).map_or(Score::None, Score::Known);
    }

    /// The moments of a turn that this pause ends.
    pub(super) fn moments(&self, now: Timestamp) -> Moments {
        Moments {
            wait: self.wait,
            percent: self.percent,
            last_voiced: self.last_voiced,
            voice_ended: self.noticed,
            ready: self.decide_at,
            transcribed: self.transcribed.unwrap_or(now),
        }
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

    /// The recogniser is slow, but at work: it has answered a checkpoint, and the last one is awaited until then.
    pub(super) fn wait_on(&mut self, until: Timestamp) {
        match self {
            Self::Ready { transcript_by, .. } => *transcript_by = until,
            Self::Speaking(Utterance { limit: Limit::Cutting { by, .. }, .. }) => *by = until,
            Self::Silent | Self::Speaking(_) | Self::Pausing { .. } => {}
        }
    }

    /// The last voiced sample: now, while the voice is active.
    pub(super) fn last_voiced(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::Silent | Self::Speaking(_) => now,
            Self::Pausing { pause, .. } | Self::Ready { pause, .. } => pause.last_voiced,
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

    /// When the voice reaches its limit, or the final text up to there is overdue.
    pub(super) fn limit_at(&self, options: &TurnLimitOptions) -> Option<Timestamp> {
        let Self::Speaking(utterance) = self else { return None };
        match utterance.limit {
            Limit::Within => options.max_duration.map(|most| utterance.limited_from + most),
            Limit::Exceeded | Limit::Overdue { .. } => None,
            Limit::Cutting { by, .. } => Some(by),
        }
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
