//! What the room heard of the agent is what the engine says was heard.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use stella_core::{
    engine::{Command, Event, Output, Recording},
    id::ReplyId,
};

use crate::{
    checks::outputs,
    conversation::Outcome,
    speaking::{Times, Voiced},
    words::sounds,
};

/// The engine learns where the playout is every 20 ms. A word that ended in the last of them before a reply was cut off
/// may be missing.
const REPORTED: Duration = Duration::from_millis(45);

/// What was heard of one reply.
#[derive(Debug, Default)]
struct Reply {
    /// Words heard to their end, by number, with when the last one ended.
    whole: BTreeMap<u16, Duration>,
    /// All words that it was asked to say.
    asked: BTreeSet<u16>,
    /// When its last sound was heard.
    until: Duration,
}

pub(crate) fn check(recording: &Recording, outcome: &Outcome) -> Result<(), String> {
    let owners = owners(recording, &outcome.voiced)?;
    let replies = one_after_the_other(outcome, &owners)?;
    for output in outputs(recording) {
        if let Output::Event(Event::ReplyEnded { reply, heard, .. }) = output {
            let none = Reply::default();
            compare(*reply, heard, replies.get(reply).unwrap_or(&none), outcome)?;
        }
    }
    Ok(())
}

/// Which reply each request to the voice was for. Requests come in the order of the commands; some commands are
/// cancelled before the voice learns of them.
fn owners(recording: &Recording, voiced: &Voiced) -> Result<Vec<ReplyId>, String> {
    let mut commands = outputs(recording).filter_map(|output| match output {
        Output::Command(Command::Synthesize { reply, text, .. }) => Some((*reply, text)),
        _ => None,
    });
    let owner = |text: &String| commands.find(|(_, asked)| *asked == text).map(|(reply, _)| reply);
    let owners = voiced.requests.iter().map(|request| &request.text).map(owner);
    owners.collect::<Option<_>>().ok_or_else(|| "the voice was asked for what the engine did not ask for".into())
}

/// At most one reply is audible, and none again after another one.
fn one_after_the_other(outcome: &Outcome, owners: &[ReplyId]) -> Result<BTreeMap<ReplyId, Reply>, String> {
    let mut replies: BTreeMap<ReplyId, Reply> = BTreeMap::new();
    for (number, word) in outcome.voiced.words.iter().enumerate() {
        replies.entry(owners[word.request]).or_default().asked.insert(number as u16);
    }
    let mut audible = None;
    let mut over = BTreeSet::new();
    for heard in &outcome.room.heard {
        let word = &outcome.voiced.words[usize::from(heard.word)];
        let reply = owners[word.request];
        if over.contains(&reply) {
            return Err(format!("{reply} is heard again, after another reply"));
        }
        if let Some(last) = audible.replace(reply).filter(|last| *last != reply) {
            over.insert(last);
        }
        let entry = replies.entry(reply).or_default();
        entry.until = heard.until;
        if heard.whole {
            let first = entry.asked.first().copied().unwrap_or_default();
            let next = entry.whole.last_key_value().map_or(first, |(last, _)| last + 1);
            let whole = |number: u16| {
                let request = outcome.voiced.words[usize::from(number)].request;
                owners[request] == reply && outcome.voiced.requests[request].whole
            };
            if let Some(left_out) = (next..heard.word).find(|number| whole(*number)) {
                let left_out = &outcome.voiced.words[usize::from(left_out)].text;
                return Err(format!("{reply} leaves out {left_out:?} before {:?}", word.text));
            }
            entry.whole.insert(heard.word, heard.until);
        }
    }
    Ok(replies)
}

/// The heard text of a reply is made of the words that sounded to their end.
fn compare(id: ReplyId, told: &str, reply: &Reply, outcome: &Outcome) -> Result<(), String> {
    let requests = reply.asked.iter().map(|word| outcome.voiced.words[usize::from(*word)].request);
    let requests: Vec<_> = requests.map(|request| &outcome.voiced.requests[request]).collect();
    let text = |words: &mut dyn Iterator<Item = &u16>| {
        words.map(|word| sounds(&outcome.voiced.words[usize::from(*word)].text)).collect::<String>()
    };
    let told = sounds(told);
    let asked = text(&mut reply.asked.iter());
    let sure = requests.iter().all(|request| request.whole && request.times == Times::Exact);
    if !sure {
        return Ok(());
    }
    if !asked.starts_with(&told) {
        return Err(format!("{id} is said to have said {told:?}, but was to say {asked:?}"));
    }
    let whole = text(&mut reply.whole.keys());
    let unreported = |(_, until): &(&u16, &Duration)| **until + REPORTED >= reply.until;
    let reported = text(&mut reply.whole.iter().filter(|word| !unreported(word)).map(|(word, _)| word));
    if !whole.starts_with(&told) || !told.starts_with(&reported) {
        return Err(format!("{id} is said to have said {told:?}, but the room heard {whole:?}"));
    }
    Ok(())
}
