//! What the engine says: commands to the shell and events for the application.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    controller::{BudgetMissed, Steered},
    input::CloseReason,
    latency::TurnLatency,
};
use crate::{
    chat::{ChatContext, ChatItem, ToolCall},
    id::{CallId, GenerationId, MessageId, ReplyId, ScoreId, SegmentId, SpeakerId, TurnId, UtteranceId},
    llm::TokenUsage,
};

/// One thing to do or to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The shell must do this.
    Command(Command),
    /// The application may want to know this.
    Event(Event),
}

/// Work for the shell. Each id is issued once, and completed by one input or cancelled by one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    // Hearing
    /// Open an utterance: recognise the speaker's audio from a little before the voice started. Until
    /// [`Command::FinishUtterance`], all audio of the speaker belongs to it, pauses included.
    StartUtterance {
        /// Whose.
        speaker: SpeakerId,
        /// Which.
        utterance: UtteranceId,
    },
    /// The speaker paused: give the final text of everything heard so far
    /// ([`Input::Transcript`](super::Input::Transcript) with this checkpoint). It may hold less if the next checkpoint of
    /// the utterance was asked for in the meantime.
    Checkpoint {
        /// Which.
        utterance: UtteranceId,
        /// Number of the checkpoint within the utterance, from 1.
        checkpoint: u32,
    },
    /// The utterance is over; forget its audio. A checkpoint still open is answered nevertheless.
    FinishUtterance {
        /// Which.
        utterance: UtteranceId,
    },
    /// Ask how complete the speaker's turn is ([`Input::Scored`](super::Input::Scored)).
    Score {
        /// Which request.
        score: ScoreId,
        /// Whose turn.
        speaker: SpeakerId,
        /// What is known of its text.
        transcript: String,
    },

    // Thinking
    /// Ask the application what it thinks of a turn ([`Input::Reviewed`](super::Input::Reviewed)).
    ReviewTurn {
        /// Which.
        turn: TurnId,
        /// What the user said.
        text: String,
    },
    /// Start a generation ([`Input::Text`](super::Input::Text), [`Input::ToolCalled`](super::Input::ToolCalled), then
    /// [`Input::Generated`](super::Input::Generated) or [`Input::GenerationFailed`](super::Input::GenerationFailed)).
    Generate {
        /// Which.
        generation: GenerationId,
        /// What the model is shown.
        chat: ChatContext,
        /// Whether it may call tools.
        tools: bool,
    },
    /// Drop a generation.
    CancelGeneration {
        /// Which.
        generation: GenerationId,
    },
    /// Run a tool ([`Input::ToolReturned`](super::Input::ToolReturned)).
    RunTool {
        /// Which.
        call: CallId,
        /// What the model asked for.
        request: ToolCall,
    },
    /// Cancel a tool at its next safe point; its return is no longer awaited.
    CancelTool {
        /// Which.
        call: CallId,
    },

    // Speaking
    /// Speak a segment ([`Input::Audio`](super::Input::Audio), [`Input::Words`](super::Input::Words), then
    /// [`Input::Synthesized`](super::Input::Synthesized) or [`Input::SynthesisFailed`](super::Input::SynthesisFailed)).
    /// Its audio is queued behind the earlier segments of the reply, and sounds only after [`Command::Play`].
    Synthesize {
        /// Which segment.
        segment: SegmentId,
        /// Of which reply.
        reply: ReplyId,
        /// The text.
        text: String,
    },
    /// Drop a synthesis; audio already queued stays.
    CancelSynthesis {
        /// Which segment.
        segment: SegmentId,
    },
    /// Send the reply's audio, as it comes, from its first sample.
    Play {
        /// Which reply.
        reply: ReplyId,
    },
    /// Stop at once, at the next frame ([`Input::Held`](super::Input::Held) says where). Nothing is dropped.
    Hold {
        /// Which reply.
        reply: ReplyId,
    },
    /// Go on from this sample of the reply, at or a little before where it was held; or from a quiet place near it.
    Resume {
        /// Which reply.
        reply: ReplyId,
        /// The sample.
        from: u64,
        /// Whether no word sounds there that began earlier: then nothing before the sample should be heard again.
        #[serde(default)]
        between_words: bool,
    },
    /// The reply is over: drop whatever of it is still queued or held.
    Stop {
        /// Which reply.
        reply: ReplyId,
    },
}

/// What the user is doing, for the application and for room attributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserState {
    /// Silent.
    #[default]
    Listening,
    /// Speaking.
    Speaking,
    /// Silent for long, or gone.
    Away,
}

/// What the agent is doing, for the application and for the room attribute `lk.agent.state`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Waits for the user.
    #[default]
    Listening,
    /// Works on a reply of which nothing was heard yet.
    Thinking,
    /// Is audible, or held for a moment.
    Speaking,
}

/// Where words of a turn come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// They were spoken.
    Utterance(UtteranceId),
    /// They were typed.
    Message(MessageId),
}

/// One part of a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Who.
    pub speaker: SpeakerId,
    /// Spoken or typed.
    pub source: Source,
    /// The words.
    pub text: String,
    /// Whether the words are interim text, because the final one came too late.
    pub interim: bool,
}

/// What became of a committed turn. Each has exactly one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnOutcome {
    /// A reply to it was begun and ended (also if it was interrupted or failed).
    Answered {
        /// The reply.
        reply: ReplyId,
    },
    /// The user went on before anything of the reply was heard; the words are part of this later turn.
    Merged {
        /// The later turn.
        into: TurnId,
    },
    /// The application wished no answer.
    Declined {
        /// Its reason.
        reason: String,
    },
    /// The user went on before anything of the reply was heard, and then the application cleared the words.
    Cleared,
    /// The conversation ended first.
    Closed,
}

/// Why words or sounds of the user did not become part of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscardReason {
    /// No word was recognised.
    Noise,
    /// Signs of listening, such as "mhm", while the agent spoke.
    Backchannel,
    /// The application cleared them ([`Input::ClearTurn`](super::Input::ClearTurn)).
    Cleared,
    /// The conversation ended.
    Closed,
    /// Too many words wait for an answer.
    Limit,
    /// Somebody else is linked, and the words of others are to be ignored.
    NotAddressed,
}

/// How a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyEnd {
    /// Everything was heard.
    Finished,
    /// The user or the application cut it off.
    Interrupted,
    /// A model failed for good.
    Failed,
    /// It was withdrawn before anything was heard.
    RolledBack,
}

/// Stage of the conversation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Speech recognition.
    Transcript,
    /// The application's review of a turn.
    Review,
    /// The language model.
    Generation,
    /// A tool.
    Tool,
    /// Speech synthesis.
    Synthesis,
    /// Sending audio.
    Playout,
    /// The engine's own limits.
    Limit,
}

/// A user goes on for longer than [`TurnLimitOptions`](super::TurnLimitOptions) allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnLimit {
    /// Who.
    pub speaker: SpeakerId,
    /// The utterance that is open.
    pub utterance: UtteranceId,
    /// Words of the turn so far, as far as they are known.
    pub words: usize,
    /// Length of the utterance so far.
    pub duration: Duration,
}

/// Something the application may want to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The user's state changed.
    UserState(UserState),
    /// The agent's state changed.
    AgentState(AgentState),
    /// What an utterance says so far; replaces its earlier text.
    UserTranscript {
        /// Who.
        speaker: SpeakerId,
        /// Which utterance.
        utterance: UtteranceId,
        /// The text.
        text: String,
        /// Whether it is the last word on this utterance.
        is_final: bool,
    },
    /// A typed message arrived and will be answered.
    MessageAccepted {
        /// Which.
        message: MessageId,
    },
    /// A user goes on for too long; told once for each utterance.
    TurnLimit(TurnLimit),
    /// Words or sounds that do not become part of a turn.
    Discarded {
        /// Which utterance or message.
        source: Source,
        /// Its words, if any.
        text: String,
        /// Why.
        reason: DiscardReason,
    },
    /// The user's turn has ended.
    TurnCommitted {
        /// Which.
        turn: TurnId,
        /// Its words, in order.
        parts: Vec<Part>,
    },
    /// What became of a turn.
    TurnEnded {
        /// Which.
        turn: TurnId,
        /// What.
        outcome: TurnOutcome,
    },
    /// The agent began to work on a reply.
    ReplyStarted {
        /// Which.
        reply: ReplyId,
        /// The turn it answers; `None` for one by the agent's own initiative.
        turn: Option<TurnId>,
    },
    /// Words of the agent became audible. All texts of a reply together are its heard text.
    AgentSpoke {
        /// Which reply.
        reply: ReplyId,
        /// The words to append, with their spaces.
        text: String,
    },
    /// Words of the agent that cannot be spoken, because synthesis failed; to be read.
    AgentUnspoken {
        /// Which reply.
        reply: ReplyId,
        /// The words.
        text: String,
    },
    /// A reply ended.
    ReplyEnded {
        /// Which.
        reply: ReplyId,
        /// How.
        end: ReplyEnd,
        /// What was heard of it.
        heard: String,
        /// What was written but not heard.
        unheard: String,
        /// Tokens of all its generations, as far as known. Those of a generation that was cancelled are estimated, at four
        /// characters a token.
        usage: TokenUsage,
    },
    /// The user spoke over the agent, who paused.
    Overlap {
        /// The reply.
        reply: ReplyId,
        /// The utterance.
        utterance: UtteranceId,
    },
    /// The speech over the agent was no interruption; the reply goes on.
    FalseInterruption {
        /// The reply.
        reply: ReplyId,
        /// The utterance.
        utterance: UtteranceId,
    },
    /// The reply was interrupted.
    Interrupted {
        /// The reply.
        reply: ReplyId,
        /// The utterance; `None` if typed text or the application interrupted it.
        utterance: Option<UtteranceId>,
    },
    /// An item for the record. The history is what was said and heard.
    HistoryAdded(ChatItem),
    /// Where the time of a turn went, once its reply was first heard.
    Latency(TurnLatency),
    /// The latency controller has moved a knob, and why.
    Steered(Steered),
    /// The responses exceed the latency budget, and no knob is left to move. Told once, until a knob moves or the budget is
    /// met again.
    BudgetMissed(BudgetMissed),
    /// A stage failed. The conversation goes on by its recovery script.
    Failed {
        /// Which stage.
        stage: Stage,
        /// What happened, for the log.
        error: String,
    },
    /// The conversation is over; nothing follows.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}
