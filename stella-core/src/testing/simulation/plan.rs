//! What everybody does in a simulated conversation.

use serde::{Deserialize, Serialize};

use crate::engine::{Judge, Options, Overlapping, ReplyOptions, Said, TypedPolicy, Verdict, WordListJudge};

/// What users say and type.
pub const PHRASES: &[&str] = &[
    "",
    "mhm",
    "okay",
    "wait",
    "no",
    "what about Rome",
    "I would like a coffee please",
    "tell me more about it",
    "the capital of France is",
];

/// What models write.
pub const TEXTS: &[&str] = &[
    "Sure. ",
    "The capital of France is Paris. ",
    "Well, you know, it depends, ",
    "hm",
    "",
    "... ",
    "One two three. Four five six. Seven eight. ",
    " ",
    "Größe — „ja“! 你好。世界！ Ça va? ",
    "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverordnungsentwurf ",
];

/// Tools by name; the last is not known to the engine.
pub const TOOLS: &[&str] = &["clock", "order", "archive", "unknown"];

/// What everybody does, and after how many milliseconds. Each list is used from its start, again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Options of the engine.
    pub options: Options,
    /// What the user and the application do, one after the other.
    pub acts: Vec<(u16, Act)>,
    /// What becomes of each request for a final transcript.
    pub transcripts: Vec<(u16, Answer)>,
    /// When, if at all, interim text of an utterance comes.
    pub interims: Vec<Option<u16>>,
    /// Scores in percent; above 100 the detector fails, above 110 it says nothing.
    pub scores: Vec<(u16, u8)>,
    /// What the model does with each request.
    pub generations: Vec<Generation>,
    /// What becomes of each tool call.
    pub calls: Vec<(u16, Answer)>,
    /// What the voice does with each request.
    pub syntheses: Vec<Synthesis>,
    /// How each reply is played.
    pub playouts: Vec<Playout>,
    /// What the application says of each turn.
    pub reviews: Vec<(u16, Reviewing)>,
    /// Whether the judge decides by nothing sensible.
    pub contrary: bool,
    /// How late the shell ticks.
    pub tick_after: u16,
}

impl Plan {
    /// The judge of the conversation.
    #[must_use]
    pub fn judge(&self) -> Box<dyn Judge> {
        if self.contrary { Box::new(ContraryJudge) } else { Box::new(WordListJudge) }
    }
}

/// A judge that is only consistent.
#[derive(Debug, Clone, Copy)]
struct ContraryJudge;

impl Judge for ContraryJudge {
    fn judge(&self, overlapping: Overlapping<'_>) -> Verdict {
        match (overlapping.text.len() + usize::from(overlapping.is_final)) % 5 {
            0 => Verdict::Interruption,
            1 => Verdict::Backchannel,
            2 => Verdict::Echo,
            3 => Verdict::Noise,
            _ => Verdict::Unsure,
        }
    }

    fn completeness(&self, said: Said<'_>) -> f32 {
        [f32::NAN, f32::INFINITY, 0.0, -1.0, 1e9, 1.0][said.text.len() % 6]
    }
}

/// What the user or the application does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Act {
    /// Somebody speaks for so many milliseconds, and says the phrase of this number.
    Speak(u8, u16, usize),
    /// Somebody's voice starts and is not noticed to end before they leave.
    StuckVoice(u8),
    /// Somebody types a phrase.
    Type(u8, TypedPolicy, usize),
    /// Somebody leaves.
    Leave(u8),
    /// Somebody joins.
    Join(u8),
    /// One speaker is linked, or none.
    Link(Option<u8>),
    /// The application has a text said.
    Say(usize, ReplyOptions),
    /// The application has the agent speak.
    Generate(ReplyOptions),
    /// The application interrupts.
    Interrupt(bool),
    /// The application ends the conversation, within so many milliseconds.
    End(bool, u16),
    /// The tools are taken away or given.
    Tools(bool),
    /// The application adds to the history.
    Note,
    /// The application ends the user's turn.
    Commit,
    /// The application clears it.
    Clear,
    /// The recogniser says that the newest utterance ends the turn.
    TurnEnded,
    /// Somebody speaks another language.
    Language(u8),
    /// An earlier input comes again.
    Echo(usize),
    /// The playout of the last reply claims to be at this sample.
    ClaimPlayout(u64),
    /// The clock jumps back by so many milliseconds for one input.
    JumpBack(u16),
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It is answered.
    Good,
    /// It fails.
    Failed,
    /// Nothing comes.
    Never,
    /// It is answered twice.
    Twice,
}

/// What the model does with one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generation {
    /// Milliseconds to the first part, and between parts.
    pub first: u16,
    /// Milliseconds between parts.
    pub gap: u16,
    /// Texts, and tool calls as numbers from `TEXTS.len()`.
    pub parts: Vec<usize>,
    /// How it ends.
    pub end: Answer,
    /// Whether a failure is worth another try.
    pub retryable: bool,
}

/// What the voice does with one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Synthesis {
    /// Milliseconds to the first part.
    pub first: u16,
    /// Milliseconds between parts.
    pub gap: u16,
    /// Milliseconds of audio in each part.
    pub parts: Vec<u16>,
    /// Whether word times come, before the audio.
    pub words: bool,
    /// Whether they are of another text.
    pub wrong_words: bool,
    /// How it ends.
    pub end: Answer,
}

/// How one reply is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playout {
    /// Milliseconds between reports.
    pub every: u16,
    /// Milliseconds of sound after which it stands still.
    pub stall: Option<u16>,
    /// Percent of the real pace.
    pub pace: u8,
    /// Milliseconds until a hold is confirmed; `None` never.
    pub held_after: Option<u16>,
}

/// What the application says of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reviewing {
    /// Answer it.
    Accept,
    /// Answer it with other words and context.
    Edit,
    /// Do not.
    Decline,
    /// Nothing.
    Never,
}
