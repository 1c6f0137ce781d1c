//! What the room heard of the agent is what the engine says was heard.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use stella_core::{
    engine::{Command, Event, Output, Recorded, Recording},
    id::{ReplyId, SegmentId},
    time::Timestamp,
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

/// Between a command and its request there is no time but that of tokio's timers.
const AT_ONCE: Duration = Duration::from_millis(2);

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
    let orders = matched(&orders(recording), &outcome.voiced)?;
    let replies = one_after_the_other(outcome, &orders)?;
    for output in outputs(recording) {
        if let Output::Event(Event::ReplyEnded { reply, heard, .. }) = output {
            let none = Reply::default();
            compare(*reply, heard, replies.get(reply).unwrap_or(&none), outcome)?;
        }
    }
    Ok(())
}

/// A command to synthesise.
#[derive(Debug, Clone)]
struct Order<'a> {
    at: Timestamp,
    reply: ReplyId,
    text: &'a str,
    /// When it was cancelled, if it was.
    cancelled: Option<Timestamp>,
}

fn orders(recording: &Recording) -> Vec<Order<'_>> {
    let mut orders: Vec<(SegmentId, Order<'_>)> = Vec::new();
    for record in &recording.records {
        match &record.what {
            Recorded::Output(Output::Command(Command::Synthesize { segment, reply, text })) => {
                orders.push((*segment, Order { at: record.at, reply: *reply, text, cancelled: None }));
            }
            Recorded::Output(Output::Command(Command::CancelSynthesis { segment })) => {
                for (_, order) in orders.iter_mut().filter(|(id, _)| id == segment) {
                    order.cancelled = Some(record.at);
                }
            }
            _ => {}
        }
    }
    orders.into_iter().map(|(_, order)| order).collect()
}

/// The order of each request to the voice. Requests come in the order of the commands and at once; a command that is
/// cancelled at once may never have become a request.
fn matched<'a>(orders: &[Order<'a>], voiced: &Voiced) -> Result<Vec<Order<'a>>, String> {
    let mut next = 0;
    let mut matched = Vec::new();
    for request in &voiced.requests {
        let fits = |order: &Order<'_>| {
            order.at.since(Timestamp::ZERO).abs_diff(request.at) < AT_ONCE && order.text == request.text
        };
        let fitting: Vec<_> = (next..orders.len()).filter(|number| fits(&orders[*number])).collect();
        let lasting = fitting.iter().find(|number| orders[**number].cancelled != Some(orders[**number].at));
        let Some(&number) = lasting.or(fitting.first()) else {
            return Err("the voice was asked for what the engine did not ask for".into());
        };
        next = number + 1;
        matched.push(orders[number].clone());
    }
    Ok(matched)
}

/// At most one reply is audible, and none again after another one.
fn one_after_the_other(outcome: &Outcome, orders: &[Order<'_>]) -> Result<BTreeMap<ReplyId, Reply>, String> {
    let mut replies: BTreeMap<ReplyId, Reply> = BTreeMap::new();
    for (number, word) in outcome.voiced.words.iter().enumerate() {
        replies.entry(orders[word.request].reply).or_default().asked.insert(number as u16);
    }
    let mut audible = None;
    let mut over = BTreeSet::new();
    for heard in &outcome.room.heard {
        let word = &outcome.voiced.words[usize::from(heard.word)];
        let reply = orders[word.request].reply;
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
                let order = &orders[request];
                order.reply == reply && order.cancelled.is_none() && outcome.voiced.requests[request].whole
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
    let sure = requests.iter().all(|request| request.whole && request.times == Times::Exact);
    if !sure {
        return Ok(());
    }
    let whole = text(&mut reply.whole.keys());
    let unreported = |(_, until): &(&u16, &Duration)| **until + REPORTED >= reply.until;
    let reported = text(&mut reply.whole.iter().filter(|word| !unreported(word)).map(|(word, _)| word));
    if !whole.starts_with(&told) || !told.starts_with(&reported) {
        return Err(format!("{id} is said to have said {told:?}, but the room heard {whole:?}"));
    }
    Ok(())
}
