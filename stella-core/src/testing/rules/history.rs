//! What is left of a reply once it has ended: its history (I5), nothing if it was rolled back (I10), and its cost.

use super::{
    Broken, Rule,
    books::{Playing, ReplyBook, Rules, sounds},
};
use crate::{
    chat::{ChatItem, Message},
    engine::ReplyEnd,
    id::ReplyId,
    llm::TokenUsage,
};

/// What is told of the end of a reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'a> {
    pub(super) end: ReplyEnd,
    pub(super) heard: &'a str,
    pub(super) unheard: &'a str,
    pub(super) usage: TokenUsage,
}

impl Rules {
    pub(super) fn reply_ended(&mut self, reply: ReplyId, told: Ended<'_>) -> Result<(), Broken> {
        let items = std::mem::take(&mut self.remembered);
        let book = self.replies.entry(reply).or_default();
        let before = std::mem::replace(&mut book.ended, true);
        book.held = None;
        let book = &self.replies[&reply];
        self.check(Rule::I2, !before, || format!("{reply} ended twice"))?;
        self.check(Rule::I2, book.playing != Playing::Sounding, || format!("{reply} ended, but still sounds"))?;
        let certain = book.started || told.end == ReplyEnd::RolledBack;
        self.check(Rule::I2, certain, || format!("{reply} ended, but never started"))?;
        let open = self.segments.iter().find(|(_, r)| *r == reply);
        self.check(Rule::I3, open.is_none(), || format!("{reply} ended, but {open:?} is open"))?;
        let spoke = book.spoke.trim();
        self.check(Rule::I5, told.heard == spoke, || format!("{reply} ended: {told:?}, but {spoke:?} was told"))?;
        self.cost(book, told)?;
        if told.end == ReplyEnd::RolledBack {
            return self.traceless(book, &items);
        }
        let all = told.end != ReplyEnd::Finished || sounds(told.unheard).is_empty();
        self.check(Rule::I5, all, || format!("{reply} is finished, but not heard: {told:?}"))?;
        self.kept(book, told, &items)
    }

    /// I10: nothing was heard, shown, done or remembered, not even the words it answers.
    fn traceless(&self, book: &ReplyBook, items: &[ChatItem]) -> Result<(), Broken> {
        let recorded = book.turn.and_then(|turn| self.turns.get(&turn)).is_some_and(|turn| turn.recorded > 0);
        let traces = [
            ("heard", book.heard > 0 || !book.spoke.is_empty()),
            ("shown", book.shown),
            ("done", book.effects),
            ("remembered", !items.is_empty() || recorded),
        ];
        let trace = traces.iter().find(|(_, left)| *left);
        self.check(Rule::I10, trace.is_none(), || format!("a reply is rolled back, but was {trace:?}: {book:?}"))
    }

    /// I10: the cost is what its generations have said, and more if one was cancelled that had given text.
    fn cost(&self, book: &ReplyBook, told: Ended<'_>) -> Result<(), Broken> {
        let (known, usage) = (book.usage, told.usage);
        let least = usage.prompt >= known.prompt && usage.completion >= known.completion;
        let cancelled = book.cancelled || self.cancelled_unseen;
        let fits = if cancelled { book.uncounted == 0 || usage != known } else { usage == known };
        self.check(Rule::I10, least && fits, || {
            format!("told is {usage:?}, known {known:?} and {} bytes more", book.uncounted)
        })
    }

    /// I5: the history has just what was told as heard; what was not is marked, with those words.
    fn kept(&self, book: &ReplyBook, told: Ended<'_>, items: &[ChatItem]) -> Result<(), Broken> {
        // Nobody could see what was asked of a reply that began and ended in one step.
        let forgotten = book.remember == Some(false)
            || (book.remember.is_none() && self.forgetful && book.turn.is_none() && items.is_empty());
        if forgotten {
            return self.check(Rule::I5, items.is_empty(), || format!("not to be remembered: {items:?}"));
        }
        let messages: Vec<&Message> = items.iter().filter_map(message).collect();
        let texts: String = messages.iter().map(|m| m.text.as_str()).collect();
        let same = letters(&texts) == letters(told.heard);
        self.check(Rule::I5, same, || format!("{:?} was heard, the history has {messages:?}", told.heard))?;
        let marked = |m: &&&Message| m.interrupted == m.unheard.as_ref().is_some_and(|rest| !rest.is_empty());
        let wrong = messages.iter().find(|m| !marked(m));
        self.check(Rule::I5, wrong.is_none(), || format!("marked wrongly: {wrong:?}"))?;
        // Of a reply in one round the rest is all that was not heard. Of one with tools, a round of which nothing was
        // heard may have no message.
        let whole = !messages.is_empty() && messages.len() == items.len();
        let left = unheard(&messages, told.unheard);
        let rest = left.is_some_and(|left| !whole || left == 0);
        self.check(Rule::I5, rest, || format!("{:?} was not heard, the history has {messages:?}", told.unheard))
    }
}

fn message(item: &ChatItem) -> Option<&Message> {
    match item {
        ChatItem::Message(message) => Some(message),
        ChatItem::ToolCall(_) | ChatItem::ToolOutput(_) => None,
    }
}

/// All but white space, which a message has only between its words.
fn letters(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Letters of what was not heard that are in none of the messages; `None` if the messages have others, or in another
/// order.
fn unheard(messages: &[&Message], text: &str) -> Option<usize> {
    let all = letters(text);
    let (mut rest, mut left) = (all.as_str(), 0);
    for words in messages.iter().filter_map(|m| m.unheard.as_deref()).map(letters) {
        let at = rest.find(&words)?;
        left += at;
        rest = &rest[at + words.len()..];
    }
    Some(left + rest.len())
}
