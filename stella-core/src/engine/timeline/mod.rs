//! A recording for people: what the user, the agent and the engine did, in order.

mod table;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    AgentState, Command, DiscardReason, Event, Input, Knob, Output, Overdue, Record, Recorded, ReplyEnd, Review,
    Source, Steered, SteeringReason, TurnLatency, TurnOutcome, TypedPolicy, Wait, judge::words,
};
use crate::{
    id::{GenerationId, ReplyId, SegmentId, UtteranceId},
    time::Timestamp,
};

pub use table::table;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// The user.
    User,
    /// The agent.
    Agent,
    /// The engine, about what it waits for and why.
    Engine,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// When, in microseconds since the start.
    pub at: Timestamp,
    /// Who.
    pub lane: Lane,
    /// What.
    pub text: String,
}

/// Tells a recording. What only repeats something else is left out: ticks, parts of audio and text after the first,
/// playout positions, and of words that are not final yet those that were told before. [`table`] sets it for reading.
#[must_use]
pub fn timeline(records: &[Record]) -> Vec<Row> {
    let mut teller = Teller::default();
    let tell = |record: &Record| {
        let (lane, text) = match &record.what {
            Recorded::Input(input) => teller.input(input),
            Recorded::Output(Output::Command(command)) => command_text(command).map(|text| (Lane::Engine, text)),
            Recorded::Output(Output::Event(event)) => teller.event(event),
        }?;
        Some(Row { at: record.at, lane, text })
    };
    records.iter().filter_map(tell).collect()
}

#[derive(Debug, Default)]
struct Teller {
    /// Generations and segments of which something was told.
    begun: BTreeSet<(char, u64)>,
    /// The reply whose words were told last.
    speaking: Option<ReplyId>,
    /// What was understood of each utterance so far.
    understood: BTreeMap<UtteranceId, String>,
}

impl Teller {
    /// Whether this is the first part of a generation or a segment.
    fn first(&mut self, kind: char, id: u64) -> bool {
        self.begun.insert((kind, id))
    }

    /// The words from the first one that was not understood so before; `None` if there is no such word.
    fn news(&mut self, utterance: UtteranceId, text: &str) -> Option<String> {
        let before = self.understood.insert(utterance, text.to_owned()).unwrap_or_default();
        // Case and punctuation are no news.
        let alike = |(now, then): &(&str, &str)| words(now).eq(words(then));
        let known = text.split_whitespace().zip(before.split_whitespace()).take_while(alike).count();
        let news: Vec<_> = text.split_whitespace().skip(known).collect();
        let ahead = if known == 0 { "" } else { "… " };
        (!news.is_empty()).then(|| format!("{ahead}{}", news.join(" ")))
    }

    fn input(&mut self, input: &Input) -> Option<(Lane, String)> {
        let user = |text: String| Some((Lane::User, text));
        let engine = |text: String| Some((Lane::Engine, text));
        match input {
            Input::VoiceStarted { speaker, .. } => user(format!("{speaker} speaks")),
            Input::VoiceEnded { speaker, last_voiced } => user(format!("{speaker} is silent since {last_voiced}")),
            Input::Joined { speaker } => user(format!("{speaker} joins")),
            Input::Left { speaker } => user(format!("{speaker} leaves")),
            Input::Typed { speaker, text, policy, .. } => {
                let how = match policy {
                    TypedPolicy::Interrupt => "",
                    TypedPolicy::Queue => " (in its turn)",
                    TypedPolicy::Merge => " (with the next turn)",
                };
                user(format!("{speaker} types{how}: {text}"))
            }
            Input::TranscriptFailed { utterance, .. } => engine(format!("{utterance}: recognition failed")),
            Input::Scored { score, probability } => engine(match probability {
                Some(p) => format!("{score}: complete with {:.0} %", p * 100.0),
                None => format!("{score}: no score"),
            }),
            Input::Reviewed { turn, review } => engine(match review {
                Review::Answer { .. } => format!("{turn}: the application agrees"),
                Review::Decline { reason } => format!("{turn}: the application declines: {reason}"),
            }),
            Input::Text { generation: GenerationId(id), .. } if self.first('g', *id) => {
                engine(format!("g{id}: first text"))
            }
            Input::ToolCalled { generation, call } => engine(format!("{generation} calls {}", call.name)),
            Input::Generated { generation, .. } => engine(format!("{generation} is complete")),
            Input::ToolReturned { call, output, is_error } => {
                engine(format!("{call} {}: {output}", if *is_error { "failed" } else { "returned" }))
            }
            Input::Audio { segment: SegmentId(id), .. } if self.first('c', *id) => {
                engine(format!("c{id}: first audio"))
            }
            Input::Held { position, .. } => Some((Lane::Agent, format!("stands at sample {position}"))),
            Input::Say { text, .. } => engine(format!("the application has it say: {text}")),
            Input::Generate { .. } => engine("the application has it speak".into()),
            Input::TurnEnded { utterance } => {
                engine(format!("{utterance}: the recogniser says that the turn has ended"))
            }
            Input::Language { speaker, language } => user(format!("{speaker} speaks {language}")),
            Input::CommitTurn => engine("the application ends the user's turn".into()),
            Input::ClearTurn => engine("the application clears the user's turn".into()),
            Input::Interrupt { .. } => engine("the application interrupts".into()),
            Input::End { within, .. } => engine(format!("the end, within {within:?}")),
            _ => None,
        }
    }

    fn event(&mut self, event: &Event) -> Option<(Lane, String)> {
        let user = |text: String| Some((Lane::User, text));
        let agent = |text: String| Some((Lane::Agent, text));
        let engine = |text: String| Some((Lane::Engine, text));
        match event {
            Event::UserTranscript { utterance, text, is_final: true, .. } => user(format!("{utterance}: “{text}”")),
            Event::UserTranscript { utterance, text, .. } => {
                let news = self.news(*utterance, text)?;
                user(format!("{utterance}: {news} …"))
            }
            Event::Discarded { source, text, reason } => {
                let what = match source {
                    Source::Utterance(utterance) => utterance.to_string(),
                    Source::Message(message) => message.to_string(),
                };
                let why = match reason {
                    DiscardReason::Noise => "no words",
                    DiscardReason::Backchannel => "only a sign of listening",
                    DiscardReason::Cleared => "the application cleared it",
                    DiscardReason::Closed => "the conversation ends",
                    DiscardReason::Limit => "too much waits",
                    DiscardReason::NotAddressed => "somebody else is linked",
                };
                user(format!("{what} is left out, {why}: “{text}”"))
            }
            Event::AgentState(AgentState::Listening) => agent("listens".into()),
            Event::AgentState(AgentState::Thinking) => agent("thinks".into()),
            Event::AgentSpoke { reply, text } => {
                let again = self.speaking.replace(*reply) == Some(*reply);
                agent(format!("{}{}", if again { "" } else { "says: " }, text.trim()))
            }
            Event::AgentUnspoken { text, .. } => agent(format!("cannot say: {}", text.trim())),
            Event::Overlap { utterance, .. } => agent(format!("holds, because of {utterance}")),
            Event::FalseInterruption { utterance, .. } => agent(format!("goes on, {utterance} was no interruption")),
            Event::Interrupted { utterance, .. } => {
                agent(utterance.map_or("is interrupted".into(), |u| format!("is interrupted by {u}")))
            }
            Event::TurnCommitted { turn, parts } => {
                let parts: Vec<_> = parts.iter().map(|part| part.text.as_str()).collect();
                engine(format!("{turn} is committed: {}", parts.join(" | ")))
            }
            Event::TurnEnded { turn, outcome } => engine(match outcome {
                TurnOutcome::Answered { reply } => format!("{turn} is answered by {reply}"),
                TurnOutcome::Merged { into } => format!("{turn} is part of {into}"),
                TurnOutcome::Declined { .. } => format!("{turn} is declined"),
                TurnOutcome::Cleared => format!("{turn} is cleared"),
                TurnOutcome::Closed => format!("{turn} ends with the conversation"),
            }),
            Event::ReplyStarted { reply, turn } => {
                engine(turn.map_or(format!("{reply} begins"), |turn| format!("{reply} begins, for {turn}")))
            }
            Event::ReplyEnded { reply, end, unheard, .. } => {
                let how = match end {
                    ReplyEnd::Finished => "is finished",
                    ReplyEnd::Interrupted => "is cut off",
                    ReplyEnd::Failed => "has failed",
                    ReplyEnd::RolledBack => "is withdrawn",
                };
                let rest = if unheard.is_empty() { String::new() } else { format!(", unheard: {unheard}") };
                engine(format!("{reply} {how}{rest}"))
            }
            Event::Latency(latency) => engine(latency_text(latency)),
            Event::TurnLimit(limit) => engine(format!("{} goes on for too long: {} words", limit.speaker, limit.words)),
            Event::Steered(steered) => engine(steered_text(steered)),
            Event::BudgetMissed(missed) => {
                let (measured, turns) = (missed.measured.as_millis(), missed.turns);
                engine(format!("cannot meet the budget: {measured} ms in {turns} turns, and nothing is left to move"))
            }
            Event::Failed { stage, error } => engine(format!("{stage:?} failed: {error}")),
            Event::Closed { reason } => engine(format!("closed: {reason:?}")),
            _ => None,
        }
    }
}

fn command_text(command: &Command) -> Option<String> {
    Some(match command {
        Command::Generate { generation, chat, .. } => format!("{generation}: asks the model, {} items", chat.len()),
        Command::CancelGeneration { generation } => format!("{generation} is cancelled"),
        Command::RunTool { call, request } => format!("{call}: runs {}", request.name),
        Command::CancelTool { call } => format!("{call} is cancelled"),
        Command::Synthesize { segment, text, .. } => format!("{segment}: asks for speech: {text}"),
        Command::CancelSynthesis { segment } => format!("{segment} is cancelled"),
        Command::ReviewTurn { turn, .. } => format!("{turn}: asks the application"),
        Command::Checkpoint { utterance, .. } => format!("{utterance}: asks for the words"),
        Command::Score { score, .. } => format!("{score}: asks whether the turn is over"),
        Command::Resume { from, .. } => format!("plays on from sample {from}"),
        Command::Play { reply } => format!("plays {reply}"),
        Command::StartUtterance { .. }
        | Command::FinishUtterance { .. }
        | Command::Hold { .. }
        | Command::Stop { .. } => {
            return None;
        }
    })
}

fn steered_text(steered: &Steered) -> String {
    let Steered { knob, reason, measured, turns, steering } = steered;
    let to = match knob {
        Knob::Endpointing => format!("waits at most {} ms", steering.longest_wait.as_millis()),
        Knob::Speculation => format!("speculates from {:.2}", steering.from_score),
        Knob::FirstClause => format!("first clause from {} characters", steering.first_clause),
    };
    let why = match reason {
        SteeringReason::OverBudget => "over",
        SteeringReason::WithinBudget => "well within",
    };
    format!("{to}, because {} ms in {turns} turns are {why} the budget", measured.as_millis())
}

fn latency_text(latency: &TurnLatency) -> String {
    let wait = match latency.wait {
        Wait::Complete => "the turn seemed complete",
        Wait::Unsure => "it was not sure that the turn was over",
        Wait::Incomplete => "the turn seemed incomplete",
        Wait::Silence => "the silence was long enough",
        Wait::Recogniser => "the recogniser ended the turn",
        Wait::Manual => "the application ended the turn",
        Wait::Left => "the speaker left",
        Wait::Limit => "the turn was cut at its limit",
        Wait::Typed => "the turn was typed",
    };
    let gaps: Vec<_> = latency.gaps().iter().filter(|(_, gap)| !gap.is_zero()).map(gap_text).collect();
    let early = if latency.speculative { ", begun early" } else { "" };
    let response = latency.response().as_millis();
    format!("response after {response} ms ({wait}{early}): {}{}", gaps.join(", "), overdue_text(latency.overdue))
}

fn overdue_text(overdue: Overdue) -> String {
    let times = |what: &str, times: u32| format!("{times} {what} failed or came too late");
    let reasons = [
        overdue.transcript.then(|| "the final transcript did not come in time".to_owned()),
        overdue.review.then(|| "the application did not review it in time".to_owned()),
        (overdue.generations > 0).then(|| times("generation(s)", overdue.generations)),
        (overdue.syntheses > 0).then(|| times("synthesis(es)", overdue.syntheses)),
    ];
    reasons.into_iter().flatten().map(|reason| format!("; {reason}")).collect()
}

fn gap_text((owner, gap): &(&'static str, std::time::Duration)) -> String {
    format!("{owner} {}", gap.as_millis())
}
