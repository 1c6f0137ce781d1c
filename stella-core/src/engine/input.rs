//! What the engine is told. The shell turns everything that happens into one of these.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::options::Interruptibility;
use crate::{
    chat::{ChatItem, ToolCall},
    id::{CallId, GenerationId, MessageId, ReplyId, ScoreId, SegmentId, SpeakerId, TurnId, UtteranceId},
    llm::{FinishReason, TokenUsage},
    time::Timestamp,
    tool::ToolPolicy,
    tts::WordTime,
};

/// One thing that happened. Answers to commands name the id of the command; answers to commands that were cancelled
/// or already answered change nothing and are counted ([`Stats::late`](super::Stats::late)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Time has passed: a deadline is due.
    Tick,

    // Participants
    /// Somebody who can speak or type is here.
    Joined {
        /// Who.
        speaker: SpeakerId,
    },
    /// Somebody left; what they said stays.
    Left {
        /// Who.
        speaker: SpeakerId,
    },

    /// From now on the speech of this participant drives the turn, not that of others; `None` for everybody's.
    Link {
        /// Who.
        speaker: Option<SpeakerId>,
    },

    // Hearing
    /// A voice was detected.
    VoiceStarted {
        /// Whose.
        speaker: SpeakerId,
        /// When its first voiced sample was heard.
        since: Timestamp,
    },
    /// The voice ended.
    VoiceEnded {
        /// Whose.
        speaker: SpeakerId,
        /// When its last voiced sample was heard.
        last_voiced: Timestamp,
    },
    /// What an utterance says so far; replaces its earlier text.
    Transcript {
        /// Which utterance.
        utterance: UtteranceId,
        /// The whole text of the utterance so far.
        text: String,
        /// The checkpoint it answers; `None` for interim text.
        checkpoint: Option<u32>,
        /// How sure the recogniser is, 0-1; `None` if it does not say.
        #[serde(default)]
        confidence: Option<f32>,
    },
    /// A checkpoint cannot be answered.
    TranscriptFailed {
        /// Which utterance.
        utterance: UtteranceId,
        /// The checkpoint.
        checkpoint: u32,
    },
    /// The recogniser says that the speaker's turn has ended. Heeded only in
    /// [`EndpointingMode::Recogniser`](super::EndpointingMode::Recogniser).
    TurnEnded {
        /// Its open utterance.
        utterance: UtteranceId,
    },
    /// The language somebody speaks is known, or has changed.
    Language {
        /// Who.
        speaker: SpeakerId,
        /// BCP 47 tag; empty for "not known any more".
        language: String,
    },
    /// The answer to [`Command::Score`](super::Command::Score).
    Scored {
        /// Which request.
        score: ScoreId,
        /// Probability that the turn is complete; `None` if the detector failed.
        probability: Option<f32>,
    },
    /// Somebody typed.
    Typed {
        /// Who.
        speaker: SpeakerId,
        /// Which message; delivery is confirmed under this id.
        message: MessageId,
        /// The text.
        text: String,
        /// What it does to a reply under way.
        policy: TypedPolicy,
    },

    // Thinking
    /// The answer to [`Command::ReviewTurn`](super::Command::ReviewTurn).
    Reviewed {
        /// Which turn.
        turn: TurnId,
        /// What the application says of it.
        review: Review,
    },
    /// Text of a generation.
    Text {
        /// Which generation.
        generation: GenerationId,
        /// The text to append.
        text: String,
    },
    /// The model asks for a tool.
    ToolCalled {
        /// Which generation.
        generation: GenerationId,
        /// The call.
        call: ToolCall,
    },
    /// The generation is complete.
    Generated {
        /// Which generation.
        generation: GenerationId,
        /// Why it ended.
        reason: FinishReason,
        /// What it cost, if known.
        usage: Option<TokenUsage>,
    },
    /// The generation failed.
    GenerationFailed {
        /// Which generation.
        generation: GenerationId,
        /// Whether the same request may succeed later.
        retryable: bool,
        /// What happened, for the log.
        error: String,
    },
    /// The answer to [`Command::RunTool`](super::Command::RunTool).
    ToolReturned {
        /// Which call.
        call: CallId,
        /// The result or error, in words for the model.
        output: String,
        /// Whether it is an error.
        is_error: bool,
    },

    // Speaking
    /// Audio of a segment was made and queued behind what came before.
    Audio {
        /// Which segment.
        segment: SegmentId,
        /// Samples in this part.
        samples: u64,
    },
    /// When words of a segment are spoken.
    Words {
        /// Which segment.
        segment: SegmentId,
        /// The words; sample 0 is the first of the segment.
        words: Vec<WordTime>,
    },
    /// All audio of a segment was made.
    Synthesized {
        /// Which segment.
        segment: SegmentId,
    },
    /// A segment cannot be spoken, or not to its end.
    SynthesisFailed {
        /// Which segment.
        segment: SegmentId,
        /// Whether the same request may succeed later.
        retryable: bool,
        /// What happened, for the log.
        error: String,
    },
    /// So much of a reply has been sent. Reported for each frame, or at least every 100 ms while audio flows.
    Playout {
        /// Which reply.
        reply: ReplyId,
        /// Samples from the start of the reply to the next one to be sent.
        position: u64,
    },
    /// The reply stands still: the answer to [`Command::Hold`](super::Command::Hold).
    Held {
        /// Which reply.
        reply: ReplyId,
        /// The exact sample it stopped before.
        position: u64,
    },

    // The application
    /// The user's turn has ended: everything said and not answered yet is to be answered. In every mode; the only end of
    /// spoken turns in [`EndpointingMode::Manual`](super::EndpointingMode::Manual). A voice that is on is heard up to
    /// now; its rest is not heard.
    CommitTurn,
    /// Everything said and typed since the last committed turn is to be forgotten; that turn is answered. A voice that is on is not heard until it
    /// has paused.
    ClearTurn,
    /// Instructions or tools change, from the next generation on.
    UpdateAgent {
        /// The new instructions, if they change.
        instructions: Option<String>,
        /// The new tools by name with their policies, if they change.
        tools: Option<BTreeMap<String, ToolPolicy>>,
    },
    /// Adds an item to the history, at its end.
    AddHistory {
        /// The item.
        item: ChatItem,
    },
    /// The agent is to say this.
    Say {
        /// The text.
        text: String,
        /// How.
        options: ReplyOptions,
    },
    /// The agent is to speak by its own initiative.
    Generate {
        /// Instructions for this reply only, added to the agent's own; may be empty.
        instructions: String,
        /// How.
        options: ReplyOptions,
    },
    /// The agent is to stop speaking.
    Interrupt {
        /// Also if the reply is uninterruptible.
        force: bool,
    },
    /// The conversation is to end.
    End {
        /// Why.
        reason: CloseReason,
        /// Last words, spoken uninterruptibly as far as time allows.
        farewell: Option<String>,
        /// Time until it must have ended.
        within: Duration,
    },
}

/// What a typed message does to a reply under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypedPolicy {
    /// Interrupts it and is answered at once; an uninterruptible reply is finished first.
    #[default]
    Interrupt,
    /// Is answered when the reply has ended.
    Queue,
    /// Becomes part of the next turn, and is answered with it.
    Merge,
}

/// What the application says of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Review {
    /// Answer it.
    Answer {
        /// Instead of the user's words, if they are to be changed for the model.
        text: Option<String>,
        /// Additional context for this reply only, such as search results.
        context: Option<String>,
    },
    /// Stay silent.
    Decline {
        /// Why, for the record.
        reason: String,
    },
}

/// Options of one reply by the agent's own initiative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyOptions {
    /// Whether speech or typed text may interrupt it. Default true.
    pub interruptible: bool,
    /// Whether it goes into the history. Default true.
    pub remember: bool,
    /// Before which waiting replies it is spoken. Default normal.
    pub priority: Priority,
    /// How readily speech interrupts it, if it may at all; `None` goes by the session's options. Default `None`.
    #[serde(default)]
    pub interruptibility: Option<Interruptibility>,
}

impl Default for ReplyOptions {
    fn default() -> Self {
        Self { interruptible: true, remember: true, priority: Priority::Normal, interruptibility: None }
    }
}

/// Order of replies that wait for the floor. Equal ones keep their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After everything else.
    Low,
    /// In order.
    #[default]
    Normal,
    /// Before everything else; never cuts a reply that is being spoken.
    High,
}

/// Why a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The user left or hung up.
    UserLeft,
    /// The application ended it.
    Application,
    /// The host is shutting down.
    Shutdown,
    /// The task of the conversation is done.
    Completed,
    /// The connection to the room is lost for good.
    Disconnected,
    /// It cannot go on.
    Error(String),
}
