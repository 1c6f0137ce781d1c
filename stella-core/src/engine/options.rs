//! Options of the engine: every wait, limit and policy, checked together once.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// All options. [`Options::validate`] turns them into the only form the engine takes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What ends the user's turn.
    pub endpointing: EndpointingOptions,
    /// What speech over the agent does.
    pub interruption: InterruptionOptions,
    /// Generation before the turn is certain to have ended.
    pub speculation: SpeculationOptions,
    /// How replies are cut and synthesised.
    pub speech: SpeechOptions,
    /// How long each stage may take, and what happens then.
    pub recovery: RecoveryOptions,
    /// Review of turns, tool rounds, presence.
    pub conversation: ConversationOptions,
    /// The budget of the response, and what is done to keep it.
    pub latency: LatencyOptions,
    /// How long a user may go on.
    pub turn_limit: TurnLimitOptions,
}

/// What ends the user's turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointingMode {
    /// A silence whose length depends on the turn detector's score, the words, and the speaker's own pauses.
    #[default]
    Score,
    /// A silence of `wait_unsure`, whatever was said.
    Silence,
    /// The recogniser ([`Input::TurnEnded`](super::Input::TurnEnded)); at the latest a silence of `wait_incomplete`.
    Recogniser,
    /// The application ([`Input::CommitTurn`](super::Input::CommitTurn)), and nothing else. A silence of
    /// `wait_incomplete` ends the utterance, but not the turn.
    Manual,
}

/// What ends the user's turn. All waits count from the last voiced sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointingOptions {
    /// What decides. Default: the score.
    pub mode: EndpointingMode,
    /// Whether the waits follow how long and how often each speaker pauses, within `wait_complete` and
    /// `wait_incomplete`. Default false: with the one reader of the bench it gains nothing.
    pub adaptive: bool,
    /// Shortest wait, if the turn is certainly complete. Default 250 ms: before, the models are seldom done.
    pub wait_complete: Duration,
    /// Wait if nothing is known, or if as much speaks for the end as against it. It moves the whole curve. Default 1.4 s:
    /// in `cargo xtask bench endpoint` 757 ms on average, and a cut-in at 4.4 % of pauses (752 ms at 5.0 % and 763 ms at
    /// 3.9 % on the two halves of its recordings, the second of which is new to the words, too); 1.2 s give 667 ms at 5.6 %.
    /// A turn that clearly sounds complete waits 0.5 s.
    pub wait_unsure: Duration,
    /// Longest wait, if the speaker certainly only paused. Default 4 s: one pause in forty is longer than 3 s
    /// (eot-bench), and few complete turns wait so long.
    pub wait_incomplete: Duration,
    /// Score that says as much for the end of the turn as against it. Default 0.5, smart-turn's own.
    pub threshold: f32,
    /// The same for some languages, by BCP 47 tag, with or without region. Default: none.
    pub thresholds: BTreeMap<String, f32>,
    /// Time after the end of the voice was noticed in which score and final transcript are waited for before the turn
    /// may end; what comes later still counts, if the turn has not ended. Default 400 ms.
    pub evidence_by: Duration,
    /// Longest wait for the final transcript once the turn has ended, and after each answer to an earlier checkpoint; then
    /// the interim text is taken, or, without any, the utterance is discarded as noise. The same for the words up to a
    /// limit that cuts a turn. Default 4 s: it ends the wait for a recogniser that hangs, and waits for one that is only
    /// slow, because words that are not in the interim text are not answered.
    pub transcript_by: Duration,
}

impl Default for EndpointingOptions {
    fn default() -> Self {
        Self {
            mode: EndpointingMode::default(),
            adaptive: false,
            wait_complete: Duration::from_millis(250),
            wait_unsure: Duration::from_millis(1_400),
            wait_incomplete: Duration::from_secs(4),
            threshold: 0.5,
            thresholds: BTreeMap::new(),
            evidence_by: Duration::from_millis(400),
            transcript_by: Duration::from_secs(4),
        }
    }
}

/// What speech over the agent does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InterruptionOptions {
    /// Whether replies may be interrupted by voice, unless one says otherwise. Default true.
    pub enabled: bool,
    /// How readily speech interrupts a reply that is being heard.
    pub speaking: Interruptibility,
    /// How readily speech interrupts a reply of which nothing was heard yet. Default: as `speaking`, but by the first
    /// word, and never without one: nothing is lost by waiting for it.
    pub thinking: Interruptibility,
    /// Time after the overlapping speech ended by which it is judged by what is known. Default 800 ms.
    pub judge_by: Duration,
    /// Silence of the user after which a held reply goes on, if all they said is harmless: whoever goes on sooner is
    /// not talked over, and their words stay together. Default 400 ms: "Cut. It out", shouted, has pauses of 0.3 s, whose
    /// end is noticed 0.03-0.06 s later.
    pub resume_after: Duration,
    /// Longest hold; then it ends in a commit if words are known, else the reply goes on. Default 4 s.
    pub max_hold: Duration,
    /// A word that begins before so much of a reply was heard is no sign of listening to it: it belongs to what the
    /// user was saying. Default 300 ms, about what people need to react.
    pub start_boundary: Duration,
    /// A short word within this time of the end of a reply is an answer to it, not a backchannel. Default 1 s
    /// (livekit-agents' `backchannel_boundary`).
    pub answer_boundary: Duration,
    /// How long the agent must have been heard, since its first sample in the conversation, before voice may interrupt
    /// it: what is said before is answered afterwards. For lines whose echo canceller needs time. Default 0: the judge
    /// knows the agent's own words, and a user who is not heard for seconds is worse than an echo.
    pub warm_up: Duration,
}

/// How readily speech over a reply interrupts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interruptibility {
    /// Speech over the reply after which it is held, from the first voiced sample. Default 64 ms, two windows of Silero: a
    /// voice that is clear in its first window holds the reply at the end of the second, one that is reported later holds
    /// it at once.
    pub hold_after: Duration,
    /// Speech over the reply after which the interruption is committed without a word being known; `None` waits for
    /// words. Default 1.2 s: a slow "mhm" or "I see" with the silence that ends it takes 1 s, and the reply is held
    /// anyway.
    pub commit_after: Option<Duration>,
    /// Recognised words that commit the interruption, unless the judge finds them harmless. Default 2.
    pub min_words: usize,
}

impl Default for Interruptibility {
    fn default() -> Self {
        Self { hold_after: Duration::from_millis(64), commit_after: Some(Duration::from_millis(1_200)), min_words: 2 }
    }
}

impl Default for InterruptionOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            speaking: Interruptibility::default(),
            thinking: Interruptibility { commit_after: None, min_words: 1, ..Interruptibility::default() },
            judge_by: Duration::from_millis(800),
            resume_after: Duration::from_millis(400),
            max_hold: Duration::from_secs(4),
            start_boundary: Duration::from_millis(300),
            answer_boundary: Duration::from_secs(1),
            warm_up: Duration::ZERO,
        }
    }
}

/// Generation before the turn is certain to have ended. Its output is held back until then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeculationOptions {
    /// Whether a reply may be begun on a probable end of turn. Default true. Without effect while turns are reviewed
    /// ([`ConversationOptions::review`]), because the review may change them.
    pub enabled: bool,
    /// Probability, by score and words, from which a reply is begun. Default 0.5. In a mode without a detector, and for
    /// interim text whose score failed, it is that of the words alone ([`Judge::completeness`](super::Judge::completeness)
    /// as odds). While a score is awaited no reply is begun.
    pub from_score: f32,
    /// Most speculative replies for one turn. Default 3.
    pub max_attempts: u32,
    /// Whether a reply may also be begun on interim text, before the final transcript of the pause. The final transcript
    /// must have the same words, else the reply is withdrawn. Default true.
    pub interim: bool,
    /// Time in a pause during which interim text must not have changed. Default 150 ms: recognisers revise their last
    /// words within about a window of a few hundred milliseconds, part of which the end of the voice has taken already.
    pub stable_after: Duration,
}

impl Default for SpeculationOptions {
    fn default() -> Self {
        Self {
            enabled: true,
            from_score: 0.5,
            max_attempts: 3,
            interim: true,
            stable_after: Duration::from_millis(150),
        }
    }
}

/// How replies are cut and synthesised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeechOptions {
    /// Sample rate of the synthesised voice in Hz. Default 24,000.
    pub sample_rate: u32,
    /// Audio made ahead of the playout position before the next segment waits. Default 4 s.
    pub look_ahead: Duration,
    /// Characters from which the first segment of a reply may end at a comma. Default 12: it is short, so that it is
    /// heard early.
    pub first_clause: usize,
    /// Characters from which later segments may end at a comma. Default 60.
    pub clause: usize,
    /// Characters after which a segment ends at the next space. Default 200.
    pub max_clause: usize,
}

impl Default for SpeechOptions {
    fn default() -> Self {
        Self { sample_rate: 24_000, look_ahead: Duration::from_secs(4), first_clause: 12, clause: 60, max_clause: 200 }
    }
}

/// How long each stage may take, and what happens then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecoveryOptions {
    /// Longest wait for the first part of a generation. Default 5 s.
    pub first_token_by: Duration,
    /// Longest wait for each further part. Default 5 s.
    pub next_token_by: Duration,
    /// Longest wait for the first audio of a segment, and for each further part. Default 4 s.
    pub first_audio_by: Duration,
    /// Longest time without any playout progress while audio waits to be played. Default 5 s.
    pub playout_by: Duration,
    /// Longest review of a turn by the application; then the turn is answered as it is. Default 5 s.
    pub review_by: Duration,
    /// Further tries of a generation that failed before any of its text was used. Default 1.
    pub retries: u32,
    /// What the agent says when a generation failed for good; empty says nothing. Default: a short apology.
    pub apology: String,
    /// Replies in a row that failed for good, after which the conversation ends
    /// ([`CloseReason::Error`](super::CloseReason::Error)). Default: none, it goes on.
    pub end_after: Option<u32>,
}

impl Default for RecoveryOptions {
    fn default() -> Self {
        Self {
            first_token_by: Duration::from_secs(5),
            next_token_by: Duration::from_secs(5),
            first_audio_by: Duration::from_secs(4),
            playout_by: Duration::from_secs(5),
            review_by: Duration::from_secs(5),
            retries: 1,
            apology: "Sorry, something went wrong on my side. Could you say that again?".into(),
            end_after: None,
        }
    }
}

/// Review of turns, tool rounds, presence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConversationOptions {
    /// Whether the application reviews each turn before it is answered. Default false.
    pub review: bool,
    /// Rounds of tool calls in one reply; the model is then asked to answer without tools. Default 3.
    pub max_tool_rounds: u32,
    /// Silence on both sides after which the user counts as away. Default 15 s.
    pub user_away_after: Duration,
    /// Items of history kept for the model; older ones are dropped (the application has seen them all). Default 200.
    pub max_history: usize,
    /// Replies that may wait for the floor; further ones are refused. Default 16.
    pub max_waiting: usize,
    /// Whether the model is told which words of its last reply were cut off and not heard, in a note that says so. They
    /// are never shown as said. Default false.
    pub show_unheard: bool,
    /// A reply by the agent's own initiative that may be interrupted lets whoever is speaking finish, and be answered, as
    /// long as the floor would be free for it for no longer than this; then it is said over them, and the utterances that
    /// are open then do not interrupt it. Default 10 s.
    pub give_way: Duration,
    /// What the agent says once in a reply when tools keep it waiting, such as "One moment."; empty for nothing, the
    /// default.
    pub filler: String,
    /// Silence of the agent, with a tool at work, after which it says `filler`. Default 1.2 s: a longer silence on the
    /// telephone is taken for a lost connection.
    pub filler_after: Duration,
    /// What becomes of the words of others while one speaker is linked ([`Input::Link`](super::Input::Link)). Default:
    /// they are part of the turn.
    pub others: Others,
    /// What happens to the agent's replies when the last user leaves. Default: they are finished.
    pub on_leave: OnLeave,
    /// Time within which somebody must have come back after the last user has left; then the conversation ends
    /// ([`CloseReason::UserLeft`](super::CloseReason::UserLeft)). Default: none, whoever runs the engine ends it.
    pub rejoin_within: Option<Duration>,
}

/// What becomes of the words of speakers who are not linked. They are transcribed in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Others {
    /// They are part of the linked speaker's next turn.
    #[default]
    Merge,
    /// They are discarded.
    Ignore,
}

/// What happens to the agent's replies when the last user leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLeave {
    /// They are finished.
    #[default]
    Finish,
    /// The one that is spoken is cut off where it was heard, unless it is uninterruptible; no other is begun before
    /// somebody is back.
    Hold,
}

impl Default for ConversationOptions {
    fn default() -> Self {
        Self {
            review: false,
            max_tool_rounds: 3,
            user_away_after: Duration::from_secs(15),
            max_history: 200,
            max_waiting: 16,
            show_unheard: false,
            give_way: Duration::from_secs(10),
            filler: String::new(),
            filler_after: Duration::from_millis(1_200),
            others: Others::default(),
            on_leave: OnLeave::default(),
            rejoin_within: None,
        }
    }
}

/// The budget of the response, and how the controller keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LatencyOptions {
    /// Longest response that 95 of 100 spoken turns should have, from the last voiced sample to the first sample sent.
    /// With a budget, the engine steers the longest wait, speculation and the length of the first segment by what it
    /// measures, and tells each move ([`Event::Steered`](super::Event::Steered)), or that none is left
    /// ([`Event::BudgetMissed`](super::Event::BudgetMissed)). Turns in which a deadline passed are left out. Default: none,
    /// nothing is steered.
    pub budget: Option<Duration>,
    /// Spoken turns between two looks at what was measured. Default 8: fewer say little about a 95th percentile, more
    /// than a short conversation has.
    pub turns: usize,
    /// How far the longest silence that ends a turn may be shortened for the budget; never below
    /// [`wait_complete`](EndpointingOptions::wait_complete). Default 800 ms: shorter ones end every turn alike, and cut in
    /// at each seventh pause (`cargo xtask bench endpoint`).
    pub least_wait: Duration,
}

impl Default for LatencyOptions {
    fn default() -> Self {
        Self { budget: None, turns: 8, least_wait: Duration::from_millis(800) }
    }
}

/// How long a user may go on before the agent does something about it. Off by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TurnLimitOptions {
    /// Most words of one turn. Default: any number.
    pub max_words: Option<usize>,
    /// Longest utterance, pauses included. Default: any.
    pub max_duration: Option<Duration>,
    /// What happens then, besides [`Event::TurnLimit`](super::Event::TurnLimit). Default: nothing.
    pub then: AfterLimit,
}

/// What happens when a user goes on for too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterLimit {
    /// The application is told, and may speak up.
    #[default]
    Tell,
    /// What was said so far is committed as a turn, once the floor is free, and answered by a reply that the voice which
    /// goes on does not interrupt. What it says meanwhile is answered afterwards.
    Commit,
}

/// An option outside its bounds. Nothing is clamped in silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("option {field} {problem}")]
pub struct OptionsError {
    /// Path of the option, such as `endpointing.wait_complete`.
    pub field: &'static str,
    /// The bound it broke.
    pub problem: &'static str,
}

/// Options that were checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Options")]
pub struct Config(Options);

impl TryFrom<Options> for Config {
    type Error = OptionsError;

    fn try_from(options: Options) -> Result<Self, OptionsError> {
        options.validate()
    }
}

impl std::ops::Deref for Config {
    type Target = Options;

    fn deref(&self) -> &Options {
        &self.0
    }
}

impl Options {
    /// Checks all options together.
    ///
    /// # Errors
    /// [`OptionsError`] names the first option that breaks a bound.
    pub fn validate(self) -> Result<Config, OptionsError> {
        let waits = &self.endpointing;
        let interruption = &self.interruption;
        let recovery = &self.recovery;
        let hour = Duration::from_secs(3_600);
        let check = |ok: bool, field, problem| if ok { Ok(()) } else { Err(OptionsError { field, problem }) };
        let probability = |p: f32| (0.0..=1.0).contains(&p);
        check(waits.wait_complete <= waits.wait_unsure, "endpointing.wait_complete", "exceeds wait_unsure")?;
        check(waits.wait_unsure <= waits.wait_incomplete, "endpointing.wait_unsure", "exceeds wait_incomplete")?;
        check(waits.wait_incomplete <= hour, "endpointing.wait_incomplete", "exceeds an hour")?;
        check(waits.transcript_by <= hour, "endpointing.transcript_by", "exceeds an hour")?;
        check(waits.evidence_by <= hour, "endpointing.evidence_by", "exceeds an hour")?;
        let threshold = |p: f32| (0.01..=0.99).contains(&p);
        check(threshold(waits.threshold), "endpointing.threshold", "is not between 0.01 and 0.99")?;
        let all = waits.thresholds.values().all(|&p| threshold(p));
        check(all, "endpointing.thresholds", "are not between 0.01 and 0.99")?;
        check(interruption.max_hold >= interruption.judge_by, "interruption.max_hold", "is below judge_by")?;
        check(interruption.max_hold >= interruption.resume_after, "interruption.max_hold", "is below resume_after")?;
        check(interruption.max_hold <= hour, "interruption.max_hold", "exceeds an hour")?;
        check(interruption.warm_up <= hour, "interruption.warm_up", "exceeds an hour")?;
        for (field, state) in
            [("interruption.speaking", interruption.speaking), ("interruption.thinking", interruption.thinking)]
        {
            let commit_after = state.commit_after.unwrap_or(hour);
            check(state.hold_after <= commit_after, field, "holds after it commits")?;
            check(commit_after <= hour, field, "commits after more than an hour")?;
            check(state.min_words > 0, field, "is interrupted by no word")?;
        }
        check(probability(self.speculation.from_score), "speculation.from_score", "is not between 0 and 1")?;
        check((8_000..=192_000).contains(&self.speech.sample_rate), "speech.sample_rate", "is outside 8,000-192,000")?;
        check(self.speech.look_ahead >= Duration::from_millis(100), "speech.look_ahead", "is below 100 ms")?;
        check(
            self.speech.first_clause <= self.speech.max_clause && self.speech.clause <= self.speech.max_clause,
            "speech.max_clause",
            "is below first_clause or clause",
        )?;
        check(self.speech.max_clause >= 20, "speech.max_clause", "is below 20")?;
        for (field, by) in [
            ("recovery.first_token_by", recovery.first_token_by),
            ("recovery.next_token_by", recovery.next_token_by),
            ("recovery.first_audio_by", recovery.first_audio_by),
            ("recovery.playout_by", recovery.playout_by),
            ("recovery.review_by", recovery.review_by),
            ("conversation.user_away_after", self.conversation.user_away_after),
        ] {
            check(by > Duration::ZERO && by <= hour, field, "is zero or exceeds an hour")?;
        }
        check(self.speculation.stable_after <= hour, "speculation.stable_after", "exceeds an hour")?;
        let budget = self.latency.budget.unwrap_or(hour);
        check(budget > Duration::ZERO && budget <= hour, "latency.budget", "is zero or exceeds an hour")?;
        check((1..=100).contains(&self.latency.turns), "latency.turns", "is outside 1-100")?;
        check(self.latency.least_wait <= hour, "latency.least_wait", "exceeds an hour")?;
        let limit = &self.turn_limit;
        check(limit.max_words != Some(0), "turn_limit.max_words", "is zero")?;
        let longest = limit.max_duration.unwrap_or(hour);
        check(longest > Duration::ZERO && longest <= hour, "turn_limit.max_duration", "is zero or exceeds an hour")?;
        check(self.conversation.give_way <= hour, "conversation.give_way", "exceeds an hour")?;
        check(self.conversation.filler_after <= hour, "conversation.filler_after", "exceeds an hour")?;
        let rejoin = self.conversation.rejoin_within.unwrap_or_default();
        check(rejoin <= hour * 24, "conversation.rejoin_within", "exceeds a day")?;
        check(recovery.end_after != Some(0), "recovery.end_after", "is zero")?;
        check(recovery.retries <= 10, "recovery.retries", "exceeds 10")?;
        check(self.conversation.max_history > 0, "conversation.max_history", "is zero")?;
        check(self.conversation.max_waiting > 0, "conversation.max_waiting", "is zero")?;
        Ok(Config(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid() {
        assert!(Options::default().validate().is_ok());
    }

    #[test]
    fn a_broken_bound_is_named() {
        let mut options = Options::default();
        options.endpointing.wait_complete = Duration::from_secs(2);
        let error = options.validate().expect_err("wait_complete exceeds wait_unsure");
        assert_eq!(error.to_string(), "option endpointing.wait_complete exceeds wait_unsure");
    }
}
