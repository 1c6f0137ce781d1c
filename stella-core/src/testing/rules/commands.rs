//! What must hold of each command.

use std::collections::BTreeSet;

use super::{
    Broken, Rule,
    books::{Playing, Rules, SegmentBook, Utterance},
};
use crate::{
    chat::{ChatItem, Role},
    engine::Command,
    id::ReplyId,
};

impl Rules {
    pub(super) fn issue(&mut self, kind: &'static str, id: u64) -> Result<(), Broken> {
        let fresh = self.issued.insert((kind, id));
        self.check(Rule::I3, fresh, || format!("{kind} {id} is issued twice"))
    }

    pub(super) fn command(&mut self, command: &Command) -> Result<(), Broken> {
        match command {
            Command::StartUtterance { speaker, utterance } => {
                self.issue("utterance", utterance.0)?;
                let taken = self.utterances.values().any(|u| u.speaker == *speaker);
                self.check(Rule::I3, !taken, || format!("{speaker} has two open utterances"))?;
                let texts = BTreeSet::from([String::new()]);
                let since = self.voiced_since;
                let open = Utterance {
                    speaker: *speaker,
                    asked: 0,
                    answered: 0,
                    last_final: String::new(),
                    final_of: 0,
                    texts,
                    speaking: true,
                    released: false,
                    since,
                    last_voiced: since,
                    voice_ended: since,
                    asked_at: since,
                    transcribed: None,
                    ended_by: None,
                };
                self.utterances.insert(*utterance, open);
            }
            Command::Checkpoint { utterance, checkpoint } => {
                let now = self.now;
                let next = self.utterances.get_mut(utterance).map(|open| {
                    (open.asked, open.asked_at) = (open.asked + 1, now);
                    open.asked
                });
                self.check(Rule::I3, next == Some(*checkpoint), || format!("checkpoint {checkpoint} of {utterance}"))?;
            }
            Command::FinishUtterance { utterance } => return self.finished(*utterance),
            Command::Score { score, speaker, .. } => {
                self.issue("score", score.0)?;
                self.scores.push((*score, *speaker));
            }
            Command::ReviewTurn { turn, .. } => {
                self.issue("review", turn.0)?;
                let open = self.turns.get(turn).is_some_and(|t| t.outcome.is_none());
                self.check(Rule::I1, open, || format!("{turn} is reviewed, but not open"))?;
                self.reviews.push(*turn);
            }
            Command::Generate { generation, chat, .. } => {
                self.issue("generation", generation.0)?;
                let open = self.generations.len();
                self.check(Rule::I3, open == 0, || format!("{generation} is asked for beside another"))?;
                self.generations.push((*generation, None));
                self.paired(chat.iter())?;
                let users = chat.iter().filter_map(|item| match item {
                    ChatItem::Message(message) if message.role == Role::User => Some(message.text.as_str()),
                    _ => None,
                });
                self.shown = Some(users.collect::<Vec<_>>().join(" "));
            }
            Command::CancelGeneration { generation } => {
                match self.reply_of(*generation) {
                    Some(reply) => (reply.cancelled, reply.uncounted) = (true, reply.uncounted + reply.written),
                    None => self.cancelled_unseen = true,
                }
                let before = self.generations.len();
                self.generations.retain(|(open, _)| open != generation);
                self.check(Rule::I3, self.generations.len() < before, || {
                    format!("{generation} is cancelled, not open")
                })?;
            }
            Command::RunTool { call, request } => {
                self.issue("call", call.0)?;
                self.calls.push(*call);
                let policy = self.tools.get(&request.name).copied().unwrap_or_default();
                if !policy.read_only && !self.harmless.contains(&request.name) {
                    let live = self.live().next();
                    self.changing = live;
                    match live.and_then(|id| self.replies.get_mut(&id)) {
                        Some(reply) => reply.effects = true,
                        None => return self.broken(Rule::I4, format!("{} changes something too early", request.name)),
                    }
                }
            }
            Command::CancelTool { call } => {
                let before = self.calls.len();
                self.calls.retain(|open| open != call);
                self.check(Rule::I3, self.calls.len() < before, || format!("{call} is cancelled, but not open"))?;
            }
            Command::Synthesize { segment, reply, text } => {
                self.issue("segment", segment.0)?;
                self.sounding(*reply, "synthesised")?;
                let now = self.now;
                let book = self.replies.entry(*reply).or_default();
                book.synthesised.get_or_insert(now);
                book.segments.push(SegmentBook { id: *segment, text: text.clone(), samples: 0, done: false });
                let open = self.segments.len();
                self.check(Rule::I3, open == 0, || format!("{segment} is asked for beside another"))?;
                self.segments.push((*segment, *reply));
            }
            Command::CancelSynthesis { segment } => {
                let before = self.segments.len();
                self.segments.retain(|(open, _)| open != segment);
                self.check(Rule::I3, self.segments.len() < before, || format!("{segment} is cancelled, but not open"))?;
            }
            Command::Play { reply } => {
                self.sounding(*reply, "played")?;
                let other = self.replies.iter().find(|(id, r)| *id != reply && r.playing == Playing::Sounding);
                self.check(Rule::I2, other.is_none(), || format!("{reply} is played over {other:?}"))?;
                let book = self.replies.entry(*reply).or_default();
                let (fresh, started) = (book.playing == Playing::No, book.started);
                book.playing = Playing::Sounding;
                self.check(Rule::I2, fresh, || format!("{reply} is played twice"))?;
                self.check(Rule::I10, started, || format!("{reply} is played before it is certain"))?;
            }
            Command::Hold { reply } => {
                let now = self.now;
                let book = self.replies.entry(*reply).or_default();
                let may = book.playing == Playing::Sounding && book.held.is_none();
                let firm = book.interruptible == Some(false);
                book.held = Some(now);
                self.check(Rule::I2, may, || format!("{reply} is held, but not played"))?;
                self.check(Rule::I13, !firm && self.options.interruption.enabled, || format!("{reply} is held"))?;
            }
            Command::Resume { reply, from, .. } => {
                let book = self.replies.entry(*reply).or_default();
                let may = book.playing == Playing::Sounding && book.held.take().is_some();
                let heard = book.heard;
                self.check(Rule::I2, may, || format!("{reply} is resumed, but not held"))?;
                self.check(Rule::I5, *from <= heard, || format!("{reply} is resumed at {from} after {heard}"))?;
            }
            Command::Stop { reply } => {
                let book = self.replies.entry(*reply).or_default();
                let may = book.playing != Playing::Stopped && !book.ended;
                book.playing = Playing::Stopped;
                book.held = None;
                self.check(Rule::I2, may, || format!("{reply} is stopped twice"))?;
            }
        }
        Ok(())
    }

    /// I2: nothing more is done for a reply that is over.
    pub(super) fn sounding(&self, reply: ReplyId, what: &str) -> Result<(), Broken> {
        let over = self.replies.get(&reply).is_some_and(|r| r.ended || r.playing == Playing::Stopped);
        self.check(Rule::I2, !over, || format!("{reply} is {what} after its end"))
    }

    /// I4: calls and outputs pair up, each output after its call and before anything else is said.
    pub(super) fn paired<'a>(&self, items: impl Iterator<Item = &'a ChatItem>) -> Result<(), Broken> {
        let mut open: Vec<&str> = Vec::new();
        let mut seen = BTreeSet::new();
        for item in items {
            match item {
                ChatItem::ToolCall(call) => {
                    self.check(Rule::I4, seen.insert(&call.id), || format!("two calls are named {:?}", call.id))?;
                    open.push(&call.id);
                }
                ChatItem::ToolOutput(output) => {
                    let before = open.len();
                    open.retain(|id| *id != output.call_id);
                    let paired = open.len() + 1 == before;
                    self.check(Rule::I4, paired, || format!("an output too many for {:?}", output.call_id))?;
                }
                ChatItem::Message(_) => {
                    self.check(Rule::I4, open.is_empty(), || format!("no output for {open:?}"))?;
                }
            }
        }
        self.check(Rule::I4, open.is_empty(), || format!("no output for {open:?}"))
    }
}
