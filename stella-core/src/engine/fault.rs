//! Deliberate faults, at least one for each rule, to show that the tests notice them.
//!
//! Only compiled with the feature `testing`.

use super::Engine;

/// A way in which an engine can be broken on purpose. The name says what it then does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// I1: a turn that was answered has no outcome.
    ForgetsOutcomes,
    /// I2: a reply that ended is not stopped.
    PlaysOn,
    /// I3: a generation that is not wanted any more is not cancelled.
    LeavesGenerationsOpen,
    /// I4: any tool runs for a speculative reply.
    ActsOnSpeculation,
    /// I5: the history has what was written, not what was heard.
    RemembersUnheardWords,
    /// I5: what was cut off is not marked.
    HidesCuts,
    /// I6: a model that says nothing is waited for without end.
    WaitsForModels,
    /// I7: the end waits for its work without end.
    NeverCloses,
    /// I8: typed words that should wait are dropped.
    DropsQueuedWords,
    /// I9: a hold ends only when words decide.
    HoldsForever,
    /// I10: a reply that is rolled back stays in the history.
    RemembersRolledBackReplies,
    /// I10: a reply that is rolled back is said to have cost nothing.
    ForgetsCosts,
    /// I11: the clock may run backwards.
    BelievesTheClock,
    /// I12: any number of replies may wait.
    QueuesWithoutLimit,
    /// I12: a reply that may not wait is not begun, and nobody is told.
    RefusesSilently,
    /// I13: uninterruptible replies are held too.
    HoldsFirmReplies,
    /// I14: states are told again although they are the same.
    RepeatsStates,
    /// I15: the first sample is said to have been sent when the audio was made.
    ShortensLatency,
    /// I15: a reply that was begun early tells the moments of that time, not of the end of the turn.
    TellsEarlyMoments,
    /// I16: the latency controller goes beyond its bounds.
    SteersBlindly,
    /// I17: turns end although the application has not said so, in the mode in which only it may.
    EndsTurnsUnasked,
}

impl Engine {
    /// Breaks the engine, or mends it.
    pub fn break_on_purpose(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }
}
