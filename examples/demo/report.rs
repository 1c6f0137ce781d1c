//! What happened, as JSON and as text.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use stella_core::engine::{ReplyEnd, TurnLatency, TurnOutcome};

use super::{
    progress::print,
    scene::{Reply, Scene, Turn},
    script::Record,
    voice::Meter,
    wer::WordErrors,
};

/// The stages of a response, in order.
const STAGES: [&str; 5] = ["endpoint", "stt", "llm_first_token", "tts_first_audio", "playout"];

/// The report of one conversation.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Why the conversation was not what it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
    pub(crate) greeting: Option<String>,
    pub(crate) turns: Vec<TurnReport>,
    pub(crate) farewell: Option<String>,
    pub(crate) interruption: Option<InterruptionReport>,
    pub(crate) wer: Option<f64>,
    pub(crate) wer_detail: Option<Comparison>,
    pub(crate) medians_ms: Medians,
    pub(crate) playback: Playback,
    pub(crate) first_word: FirstWord,
    /// Captions that the user's client received from the agent.
    pub(crate) captions: usize,
    /// Words of the user that became part of no turn.
    pub(crate) discarded: Vec<String>,
    pub(crate) failures: Vec<String>,
    pub(crate) wav: Option<String>,
    /// What the agent's engine was told and said, for `stella replay`.
    pub(crate) replay: Option<String>,
    pub(crate) peers: Value,
}

/// One turn and its answer.
#[derive(Debug, Serialize)]
pub(crate) struct TurnReport {
    pub(crate) user_text: String,
    pub(crate) agent_text: String,
    pub(crate) heard_text: String,
    /// How it ended: `finished`, `interrupted`, …
    pub(crate) end: String,
    /// From the user's last voiced sample to the first sample of the answer sent, as the agent knows it.
    pub(crate) response_ms: Option<u64>,
    /// Parts of `response_ms`; they add up to it.
    pub(crate) stages_ms: Option<Stages>,
    /// The same response measured at the user: last voiced sample spoken to first audible sample heard.
    pub(crate) heard_response_ms: Option<u64>,
    /// Which wait ended the turn: complete, unsure or incomplete.
    pub(crate) wait: Option<Value>,
    /// Whether the answer was begun before the turn was certain to have ended.
    pub(crate) speculative: Option<bool>,
}

/// The first turn that should have been answered and was not. In a recording of somebody's own, whoever goes on after a
/// pause may cut off an answer before its first word; then only what is said last has to be answered.
pub(crate) fn unanswered(turns: &[TurnReport], own: bool) -> Option<&TurnReport> {
    let (last, earlier) = turns.split_last()?;
    let answered =
        |turn: &TurnReport| matches!(turn.end.as_str(), "finished" | "interrupted") && !turn.heard_text.is_empty();
    let gone_on = |turn: &TurnReport| own && turn.end == "interrupted";
    let earlier = earlier.iter().find(|turn| !answered(turn) && !gone_on(turn));
    earlier.or_else(|| Some(last).filter(|turn| !answered(turn)))
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Stages {
    endpoint: u64,
    stt: u64,
    llm_first_token: u64,
    tts_first_audio: u64,
    playout: u64,
}

impl Stages {
    /// The gaps of a turn in whole milliseconds: the moments are rounded, so the parts add up to the whole.
    fn of(latency: &TurnLatency) -> (u64, Self) {
        let gaps = latency.gaps();
        let ends = [2, 3, 8, 10, 11];
        let mut from = 0;
        let parts = ends.map(|end| {
            let until: Duration = gaps[..end].iter().map(|(_, gap)| *gap).sum();
            let until = (until.as_micros() as u64 + 500) / 1_000;
            let part = until - from;
            from = until;
            part
        });
        let [endpoint, stt, llm_first_token, tts_first_audio, playout] = parts;
        (from, Self { endpoint, stt, llm_first_token, tts_first_audio, playout })
    }

    fn list(self) -> [u64; 5] {
        [self.endpoint, self.stt, self.llm_first_token, self.tts_first_audio, self.playout]
    }
}

/// The reply that was talked over.
#[derive(Debug, Serialize)]
pub(crate) struct InterruptionReport {
    pub(crate) speech_start_to_silence_ms: u64,
    pub(crate) heard_text: String,
    pub(crate) unheard_text: String,
}

/// The words of the recording against those heard.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    #[serde(flatten)]
    pub(crate) errors: WordErrors,
    pub(crate) said: String,
    pub(crate) heard: String,
}

/// Medians over all turns with a latency.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Medians {
    pub(crate) response: Option<u64>,
    pub(crate) heard_response: Option<u64>,
    #[serde(flatten)]
    pub(crate) stages: Option<Stages>,
}

/// Whether the agent's voice ever had to wait for its synthesis.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Playback {
    /// Replies of which this could be told: they were heard to their end without being held.
    pub(crate) replies: usize,
    /// Of these, replies that stood still for more than 60 ms in all.
    pub(crate) stalled: usize,
    /// Longest standstill of one reply.
    pub(crate) longest_stall_ms: u64,
    /// Longest silence inside any reply, pauses between sentences included.
    pub(crate) longest_pause_ms: u64,
    /// Time to synthesise a second of speech, waiting included.
    pub(crate) tts_real_time_factor: Option<f64>,
}

/// How long the user waited for the first word.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct FirstWord {
    /// Since this program was started.
    pub(crate) program_ms: Option<u64>,
    /// Since `cargo xtask demo` was started.
    pub(crate) command_ms: Option<u64>,
}

/// Everything a report is made from.
pub(crate) struct Sources<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) record: &'a Record,
    pub(crate) meter: &'a Meter,
    pub(crate) said: Option<&'a str>,
}

impl Report {
    /// What the scene shows.
    pub(crate) fn new(sources: &Sources<'_>) -> Self {
        let Sources { scene, record, said, .. } = *sources;
        let turns: Vec<TurnReport> =
            scene.talk.turns.iter().filter(|turn| turn.stands()).map(|turn| turn_report(sources, turn)).collect();
        let own: Vec<&Reply> = scene.talk.replies.iter().filter(|reply| reply.turn.is_none()).collect();
        let farewell = own.last().filter(|_| own.len() > 1 && scene.talk.closed);
        let interruption = record.talked_over.as_ref().and_then(|over| {
            let reply = scene.talk.replies.iter().find(|reply| reply.id == over.reply)?;
            Some(InterruptionReport {
                speech_start_to_silence_ms: ms(over.to_silence),
                heard_text: reply.heard.trim().to_owned(),
                unheard_text: reply.unheard.trim().to_owned(),
            })
        });
        let comparison = said.and_then(|said| compare(scene, record, said));
        Self {
            failed: None,
            greeting: own.first().map(|reply| reply.heard.trim().to_owned()),
            farewell: farewell.map(|reply| reply.heard.trim().to_owned()),
            interruption,
            wer: comparison.as_ref().map(|comparison| round(comparison.errors.rate())),
            wer_detail: comparison,
            medians_ms: medians(&turns),
            turns,
            playback: playback(sources),
            first_word: FirstWord::default(),
            captions: scene.captions.len(),
            discarded: scene.talk.discarded.iter().map(|(text, reason)| format!("{text} ({reason:?})")).collect(),
            failures: scene.talk.failures.iter().map(|(stage, error)| format!("{stage:?}: {error}")).collect(),
            wav: None,
            replay: None,
            peers: Value::Null,
        }
    }

    /// Writes it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("the report cannot be written as JSON")?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// Prints it for people.
    pub(crate) fn print(&self) {
        print("\nTranscript");
        if let Some(greeting) = &self.greeting {
            print(format!("  agent  {greeting}"));
        }
        for turn in &self.turns {
            print(format!("  user   {}", turn.user_text));
            let cut = if turn.end == "interrupted" { " \u{2014}" } else { "" };
            print(format!("  agent  {}{cut}", turn.heard_text));
        }
        if let Some(farewell) = &self.farewell {
            print(format!("  agent  {farewell}"));
        }
        if let Some(over) = &self.interruption {
            print("\nInterruption");
            print(format!("  user's first sound \u{2192} agent silent  {} ms", over.speech_start_to_silence_ms));
            print(format!("  heard    {}", over.heard_text));
            print(format!("  unheard  {}", over.unheard_text));
        }
        self.print_latency();
        if let Some(comparison) = &self.wer_detail {
            let errors = &comparison.errors;
            print(format!(
                "\nWord error rate  {:.1} % ({} of {} words: {} wrong, {} missing, {} too many)",
                errors.rate() * 100.0,
                errors.errors(),
                errors.words,
                errors.substituted,
                errors.deleted,
                errors.inserted
            ));
        }
        let playback = &self.playback;
        print(format!(
            "Playback         {} of {} replies stood still, longest {} ms; synthesis takes {} s for a second",
            playback.stalled,
            playback.replies,
            playback.longest_stall_ms,
            playback.tts_real_time_factor.map_or("?".to_owned(), |rtf| format!("{rtf:.2}"))
        ));
        if let Some(wav) = &self.wav {
            print(format!("Recording        {wav} (user left, agent right)"));
        }
        if let Some(file) = &self.replay {
            print(format!("Replay           {file} (its timeline: stella replay {file})"));
        }
    }

    fn print_latency(&self) {
        print("\nLatency in ms, from the user's last sound to the agent's first");
        print(format!(
            "  {:<30}{:>9}{:>9}{}",
            "turn",
            "response",
            "heard",
            STAGES.map(|s| format!("{s:>17}")).concat()
        ));
        let row = |name: &str, response: Option<u64>, heard: Option<u64>, stages: Option<Stages>| {
            let cell = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
            let parts = stages.map_or([None; 5], |stages| stages.list().map(Some));
            let parts = parts.map(|part| format!("{:>17}", cell(part))).concat();
            print(format!("  {:<30}{:>9}{:>9}{parts}", shorten(name), cell(response), cell(heard)));
        };
        for turn in &self.turns {
            row(&turn.user_text, turn.response_ms, turn.heard_response_ms, turn.stages_ms);
        }
        row("median", self.medians_ms.response, self.medians_ms.heard_response, self.medians_ms.stages);
    }
}

fn turn_report(sources: &Sources<'_>, turn: &Turn) -> TurnReport {
    let reply = sources.scene.talk.reply_to(turn.id);
    let latency = reply.and_then(|reply| reply.latency.as_ref());
    let (response, stages) = latency.map(Stages::of).unzip();
    let end = match (&turn.outcome, reply.and_then(|reply| reply.ended)) {
        (_, Some((_, ReplyEnd::Finished))) => "finished".to_owned(),
        (_, Some((_, ReplyEnd::Interrupted))) => "interrupted".to_owned(),
        (_, Some((_, ReplyEnd::Failed))) => "failed".to_owned(),
        (_, Some((_, ReplyEnd::RolledBack))) => "withdrawn".to_owned(),
        (Some(TurnOutcome::Declined { .. }), None) => "declined".to_owned(),
        (_, None) => "unanswered".to_owned(),
    };
    TurnReport {
        user_text: turn.text.clone(),
        agent_text: reply.map(Reply::text).unwrap_or_default(),
        heard_text: reply.map(|reply| reply.heard.trim().to_owned()).unwrap_or_default(),
        end,
        response_ms: response,
        stages_ms: stages,
        heard_response_ms: reply.and_then(|reply| heard_response(sources, turn, reply)).map(ms),
        wait: latency.and_then(|latency| serde_json::to_value(latency.wait).ok()),
        speculative: latency.map(|latency| latency.speculative),
    }
}

/// From the end of what the user said to the first sound of the answer, both at the user.
fn heard_response(sources: &Sources<'_>, turn: &Turn, reply: &Reply) -> Option<Duration> {
    let audible = reply.audible?;
    let act = sources.record.acts.iter().rev().find(|act| act.last < audible)?;
    // A file may hold several turns: only the end of its last one is known.
    (act.last <= turn.committed).then_some(())?;
    let first = sources.scene.ear.first_from(act.last)?;
    Some(first.saturating_duration_since(act.last))
}

fn compare(scene: &Scene, record: &Record, said: &str) -> Option<Comparison> {
    let at = record.acts.iter().position(|act| act.name == "reading")?;
    let from = record.acts[at].first;
    let until = record.acts.get(at + 1).map(|next| next.first);
    let heard = scene
        .talk
        .turns_since(from)
        .filter(|turn| until.is_none_or(|until| turn.committed < until))
        .map(|turn| turn.text.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Comparison { errors: WordErrors::between(&said, &heard), said, heard })
}

fn playback(sources: &Sources<'_>) -> Playback {
    let mut playback =
        Playback { tts_real_time_factor: sources.meter.real_time_factor().map(round), ..Playback::default() };
    let ear = &sources.scene.ear;
    for reply in &sources.scene.talk.replies {
        let (Some(audible), Some((ended, end))) = (reply.audible, reply.ended) else { continue };
        // The engine hears of a sample when it is sent; the user hears it some moments later.
        let margin = Duration::from_millis(250);
        let from = audible.checked_sub(margin).unwrap_or(audible);
        playback.longest_pause_ms = playback.longest_pause_ms.max(ms(ear.longest_gap(from, ended)));
        if end != ReplyEnd::Finished || reply.false_alarms > 0 {
            continue;
        }
        let Some(length) = sources.meter.length_of(&reply.heard) else { continue };
        let span = || -> Option<Duration> {
            let first: Instant = ear.first_from(from)?;
            Some(ear.last_within(from, ended + margin)?.saturating_duration_since(first))
        };
        let Some(span) = span() else { continue };
        let stall = ms(span.saturating_sub(length));
        playback.replies += 1;
        playback.stalled += usize::from(stall > 60);
        playback.longest_stall_ms = playback.longest_stall_ms.max(stall);
    }
    playback
}

fn medians(turns: &[TurnReport]) -> Medians {
    let stages: Vec<Stages> = turns.iter().filter_map(|turn| turn.stages_ms).collect();
    let stage = |part: fn(&Stages) -> u64| median(stages.iter().map(part)).unwrap_or_default();
    Medians {
        response: median(turns.iter().filter_map(|turn| turn.response_ms)),
        heard_response: median(turns.iter().filter_map(|turn| turn.heard_response_ms)),
        stages: (!stages.is_empty()).then(|| Stages {
            endpoint: stage(|s| s.endpoint),
            stt: stage(|s| s.stt),
            llm_first_token: stage(|s| s.llm_first_token),
            tts_first_audio: stage(|s| s.tts_first_audio),
            playout: stage(|s| s.playout),
        }),
    }
}

fn median(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(u64::midpoint(values[middle - 1], values[middle])),
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// To four places: more would only look exact.
fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 28 {
        return text.to_owned();
    }
    text.chars().take(27).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use stella_core::{
        engine::{Overdue, Wait},
        id::{ReplyId, TurnId},
        time::Timestamp,
    };

    use super::*;

    fn turn(user: &str, heard: &str, end: &str) -> TurnReport {
        TurnReport {
            user_text: user.into(),
            agent_text: heard.into(),
            heard_text: heard.into(),
            end: end.into(),
            response_ms: None,
            stages_ms: None,
            heard_response_ms: None,
            wait: None,
            speculative: None,
        }
    }

    #[test]
    fn who_goes_on_speaking_needs_no_answer_in_between() {
        let missing = |turns: &[TurnReport], own| unanswered(turns, own).map(|turn| turn.user_text.clone());
        let mut turns = vec![turn("one", "", "interrupted"), turn("two", "Yes.", "finished")];
        assert_eq!(missing(&turns, true), None);
        assert_eq!(missing(&turns, false), Some("one".into()), "the script waits for each answer");
        turns.insert(1, turn("broken", "", "failed"));
        assert_eq!(missing(&turns, true), Some("broken".into()));
        turns.truncate(1);
        assert_eq!(missing(&turns, true), Some("one".into()), "the last one is answered");
        assert_eq!(missing(&[], true), None);
    }

    #[test]
    fn the_stages_add_up() {
        let at = Timestamp::from_micros;
        let latency = TurnLatency {
            turn: TurnId(1),
            reply: ReplyId(1),
            wait: Wait::Complete,
            percent: Some(90),
            speculative: true,
            last_voiced: at(1_000_400),
            voice_ended: at(1_193_100),
            ready: at(1_250_700),
            transcribed: at(1_200_000),
            committed: at(1_250_900),
            reviewed: at(1_250_900),
            requested: at(1_199_000),
            first_token: at(1_400_300),
            tools_done: at(1_400_300),
            first_words: at(1_400_300),
            first_segment: at(1_450_600),
            first_audio: at(2_001_100),
            first_sample: at(2_012_999),
            overdue: Overdue::default(),
        };
        let (response, stages) = Stages::of(&latency);
        assert_eq!(response, 1_013);
        assert_eq!(stages.list(), [250, 0, 150, 601, 12]);
        assert_eq!(stages.list().iter().sum::<u64>(), response);
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median([5, 1, 9].into_iter()), Some(5));
        assert_eq!(median([5, 1].into_iter()), Some(3));
        assert_eq!(median(std::iter::empty()), None);
    }
}
