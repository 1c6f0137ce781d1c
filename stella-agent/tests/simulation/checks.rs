//! What must be true of every conversation.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use stella_core::{
    engine::{CloseReason, Command, Config, Event, Output, Recorded, Recording, Source, WordListJudge},
    id::UtteranceId,
    testing::rules::Watched,
    time::Timestamp,
};

use crate::{audible, conversation::Outcome, mouth::SaidWord};

/// How late the shell may be with a deadline: tokio's timers know milliseconds.
const LATE: Duration = Duration::from_millis(3);
/// After a fault of a fake that hears, words may be lost for so long: until a recogniser is open again.
const DEAF_MS: u64 = 13_000;
/// Words so near to the end, or before the microphone is taken away, may be lost: a voice must be noticed first.
const NOTICED_MS: u64 = 700;

/// What is wrong with a conversation, if anything.
pub(crate) fn check(outcome: &Outcome) -> Result<(), String> {
    ended(outcome)?;
    let recording = Recording::read(&outcome.recording[..]).map_err(|error| error.to_string())?;
    let report = recording.replay(Box::new(WordListJudge)).map_err(|error| error.to_string())?;
    if !report.closed || report.cut {
        return Err(format!("the recording is not whole: {report:?}"));
    }
    rules(&recording, outcome)?;
    utterances(&recording, outcome)?;
    words(&recording, outcome)?;
    typed(outcome)?;
    audible::check(&recording, outcome)
}

/// The session has ended in time, and left nothing.
fn ended(outcome: &Outcome) -> Result<(), String> {
    let end = match &outcome.end {
        None => return Err("the session did not end".into()),
        Some(Err(error)) => return Err(format!("the session broke down: {error}")),
        Some(Ok(end)) => end,
    };
    if let CloseReason::Error(error) = &end.reason {
        return Err(format!("the session ended with an error: {error}"));
    }
    if (end.duration.as_millis() as u64) < outcome.asked {
        return Err(format!("the session ended by itself: {:?} after {:?}", end.reason, end.duration));
    }
    if outcome.left > 0 {
        return Err(format!("{} tasks are left", outcome.left));
    }
    if !outcome.room.closed {
        return Err("the room was not closed".into());
    }
    Ok(())
}

/// The engine's rules hold, its deadlines are kept, and it comes to rest when nothing happens any more.
fn rules(recording: &Recording, outcome: &Outcome) -> Result<(), String> {
    let config: Config = recording.header.options.clone().validate().map_err(|error| error.to_string())?;
    let mut watched = Watched::new(&config, Box::new(WordListJudge));
    let mut rested = outcome.rested.map(Timestamp::from_millis);
    for record in &recording.records {
        let Recorded::Input(input) = &record.what else { continue };
        if let Some(deadline) = watched.engine.deadline().filter(|deadline| *deadline + LATE < record.at) {
            return Err(format!("the deadline {deadline} was only noticed at {}", record.at));
        }
        if rested.take_if(|at| *at <= record.at).is_some() {
            if let Some(deadline) = watched.engine.deadline() {
                return Err(format!("nothing happens, but something is due at {deadline}"));
            }
            watched.settled().map_err(|broken| broken.to_string())?;
        }
        watched.handle(record.at, input.clone()).map_err(|broken| broken.to_string())?;
    }
    Ok(())
}

pub(crate) fn outputs(recording: &Recording) -> impl Iterator<Item = &Output> {
    recording.records.iter().filter_map(|record| match &record.what {
        Recorded::Output(output) => Some(output),
        Recorded::Input(_) => None,
    })
}

/// Every utterance that was begun, and all that the recogniser was given, became part of a turn or was left out with a
/// reason.
fn utterances(recording: &Recording, outcome: &Outcome) -> Result<(), String> {
    let filed = outputs(recording).flat_map(|output| match output {
        Output::Event(Event::TurnCommitted { parts, .. }) => parts.iter().map(|part| part.source).collect(),
        Output::Event(Event::Discarded { source, .. }) => vec![*source],
        _ => Vec::new(),
    });
    let filed: HashSet<Source> = filed.collect();
    let begun = outputs(recording).filter_map(|output| match output {
        Output::Command(Command::StartUtterance { utterance, .. }) => Some(*utterance),
        _ => None,
    });
    let begun: BTreeSet<UtteranceId> = begun.collect();
    if let Some(unknown) = outcome.heard.utterances.keys().find(|utterance| !begun.contains(utterance)) {
        return Err(format!("{unknown} was recognised, but never begun"));
    }
    match begun.iter().find(|utterance| !filed.contains(&Source::Utterance(**utterance))) {
        Some(lost) => Err(format!("{lost} became nothing")),
        None => Ok(()),
    }
}

/// Every word that came through the link was given to the recogniser, and is in the text of one utterance at most. (It may be
/// given in two: when a burst of sound arrives as an utterance is finished, its recogniser has heard what the next one is
/// about, behind the text that was taken.)
fn words(recording: &Recording, outcome: &Outcome) -> Result<(), String> {
    let texts = texts(recording);
    let is_in = |utterance: &UtteranceId, word: &SaidWord| {
        texts.get(utterance).is_some_and(|text| text.split_whitespace().any(|written| written == word.text))
    };
    let heard_in = |number: usize, word: &SaidWord| {
        let given = outcome.heard.utterances.iter().filter_map(move |(utterance, words)| {
            let millis = words.get(&(number as u16)).copied().unwrap_or_default();
            (2 * millis > word.to - word.from).then_some(*utterance)
        });
        given.collect::<Vec<_>>()
    };
    let faults: Vec<u64> =
        outcome.heard.faults.iter().map(|at| at.duration_since(outcome.zero).as_millis() as u64).collect();
    for (number, word) in outcome.said.iter().enumerate() {
        let near_fault = faults.iter().any(|at| word.from < at + DEAF_MS && *at < word.to + DEAF_MS);
        let near_end = word.to + NOTICED_MS > word.unplugged.unwrap_or(u64::MAX).min(outcome.asked);
        let torn = word.delivered < word.to - word.from;
        let heard = heard_in(number, word);
        if heard.iter().filter(|utterance| is_in(utterance, word)).count() > 1 && !near_fault {
            return Err(format!("{word:?} was heard and written down in {heard:?}"));
        }
        let written = texts.keys().any(|utterance| is_in(utterance, word));
        if heard.is_empty() && !written && !(near_fault || near_end || torn) {
            return Err(format!("{word:?} was said, but never recognised"));
        }
    }
    Ok(())
}

/// What each utterance was taken for in the end, whatever became of it.
fn texts(recording: &Recording) -> BTreeMap<UtteranceId, String> {
    let parts = outputs(recording).flat_map(|output| match output {
        Output::Event(Event::TurnCommitted { parts, .. }) => {
            parts.iter().map(|part| (part.source, part.text.clone())).collect()
        }
        Output::Event(Event::Discarded { source, text, .. }) => vec![(*source, text.clone())],
        _ => Vec::new(),
    });
    let spoken = parts.filter_map(|(source, text)| match source {
        Source::Utterance(utterance) => Some((utterance, text)),
        _ => None,
    });
    spoken.collect()
}

/// Every message that was typed became part of a turn or was left out with a reason, and the application knows.
fn typed(outcome: &Outcome) -> Result<(), String> {
    match outcome.typed.iter().find(|message| !message.refused && !outcome.told.contains(&message.text)) {
        Some(lost) => Err(format!("{:?} was typed and became nothing", lost.text)),
        None => Ok(()),
    }
}
