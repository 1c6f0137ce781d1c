//! What can happen: the alphabets of an exploration.

use stella_core::engine::TypedPolicy;

/// One thing that can happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Action {
    /// The next deadline passes.
    Deadline,
    /// A tenth of a second passes without one; a whole one if none is set.
    Wait,
    Voice(u64),
    Silence(u64),
    Leave,
    /// Somebody comes back.
    Join,
    Interim(&'static str),
    Final(&'static str),
    /// The words up to the checkpoint before the last one.
    Earlier(&'static str),
    NoFinal,
    Score(f32),
    Token,
    /// Text with nothing to pronounce.
    Dots,
    Call(&'static str),
    Generated,
    GenerationFailed,
    ToolReturned,
    Audio,
    Synthesized,
    SynthesisFailed,
    /// The playout moves on by half a part of audio.
    Playout,
    /// It comes to the end of what is there.
    PlayedOut,
    Held,
    Type(TypedPolicy),
    Say(bool),
    /// The agent is to speak by its own initiative.
    Generate,
    /// The application stops the reply, also an uninterruptible one or not.
    Interrupt(bool),
    /// One speaker is linked, or none.
    Link(Option<u64>),
    /// The first speaker's language is known.
    Language,
    /// The time of the first word of the open segment.
    Words,
    Commit,
    Clear,
    /// The recogniser ends the turn.
    Ended,
    Accept,
    Decline,
    End(bool),
}

/// All of them, but for those of which only some beginnings need to know.
pub(crate) const EVERYDAY: &[Action] = &[
    Action::Deadline,
    Action::Wait,
    Action::Voice(1),
    Action::Silence(1),
    Action::Voice(2),
    Action::Silence(2),
    Action::Leave,
    Action::Join,
    Action::Interim("what about"),
    Action::Final("what about Rome"),
    Action::Final("mhm"),
    Action::Final(""),
    Action::Earlier("what about"),
    Action::NoFinal,
    Action::Score(0.9),
    Action::Score(0.1),
    Action::Token,
    Action::Call("clock"),
    Action::Call("order"),
    Action::Generated,
    Action::GenerationFailed,
    Action::ToolReturned,
    Action::Audio,
    Action::Synthesized,
    Action::SynthesisFailed,
    Action::Playout,
    Action::PlayedOut,
    Action::Held,
    Action::Type(TypedPolicy::Interrupt),
    Action::Type(TypedPolicy::Queue),
    Action::Type(TypedPolicy::Merge),
    Action::Say(true),
    Action::Say(false),
    Action::Interrupt(true),
    Action::Commit,
    Action::Clear,
    Action::Ended,
    Action::Accept,
    Action::Decline,
    Action::End(true),
    Action::End(false),
];

/// Two speakers, of whom one may be linked.
pub(crate) const LINKED: &[Action] = &[
    Action::Link(Some(1)),
    Action::Link(Some(2)),
    Action::Link(None),
    Action::Language,
    Action::Deadline,
    Action::Voice(1),
    Action::Silence(1),
    Action::Voice(2),
    Action::Silence(2),
    Action::Leave,
    Action::Join,
    Action::Final("what about Rome"),
    Action::Final(""),
    Action::Score(0.9),
    Action::Token,
    Action::Generated,
    Action::Audio,
    Action::PlayedOut,
    Action::Held,
    Action::Type(TypedPolicy::Merge),
    Action::End(false),
];

/// Replies by the agent's own initiative, with the times of their words.
pub(crate) const INITIATIVE: &[Action] = &[
    Action::Generate,
    Action::Words,
    Action::Interrupt(false),
    Action::Interrupt(true),
    Action::Say(false),
    Action::Deadline,
    Action::Voice(1),
    Action::Silence(1),
    Action::Final("what about Rome"),
    Action::Final("mhm"),
    Action::Token,
    Action::Dots,
    Action::Call("clock"),
    Action::Call("order"),
    Action::Generated,
    Action::GenerationFailed,
    Action::ToolReturned,
    Action::Audio,
    Action::Synthesized,
    Action::SynthesisFailed,
    Action::Playout,
    Action::PlayedOut,
    Action::Held,
    Action::Type(TypedPolicy::Interrupt),
    Action::End(true),
];
