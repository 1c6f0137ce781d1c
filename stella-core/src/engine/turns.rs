//! What the engine does about turns: collect, commit, review, answer.

use super::{
    Command, DiscardReason, EndpointingMode, Engine, Event, Part, ReplyOptions, Review, Source, Stage, TurnOutcome,
    TypedPolicy, Wait,
    judge::words,
    listener::{Listener, Score, Speaker},
    reply::{Purpose, Reply, Standing},
    turn::{Collected, Committed, Moments, Turn, text},
};
use crate::{
    chat::{ChatItem, Role},
    id::{MessageId, ReplyId, SpeakerId, TurnId, UtteranceId},
};

/// Utterances and messages that may wait for one answer; further ones are discarded, and an error says so.
pub(super) const MAX_PARTS: usize = 256;

impl Engine {
    /// Words of the user belong to the next turn.
    pub(super) fn collect(&mut self, part: Part, moments: Moments) {
        // A turn under review is not answered yet: the new words belong to it.
        if let Turn::Reviewing { turn, .. } = &self.turn {
            let turn = turn.clone();
            self.turn.reopen(turn);
        }
        if self.add(part) {
            // If the application decides, words that ended by themselves wait for it.
            let manual = self.config.endpointing.mode == EndpointingMode::Manual && !faulty!(self, EndsTurnsUnasked);
            if !(manual && moments.wait == Wait::Incomplete) {
                self.turn.collected_mut().ready = Some(moments);
            }
        }
    }

    /// Adds a part to the next turn; `false` if there are too many already.
    pub(super) fn add(&mut self, part: Part) -> bool {
        let taken = self.may_reopen();
        let collected = self.turn.collected_mut();
        if taken + collected.parts.len() < MAX_PARTS {
            collected.parts.push(part);
            return true;
        }
        self.fail(Stage::Limit, format!("more than {MAX_PARTS} parts wait for an answer"));
        self.event(Event::Discarded { source: part.source, text: part.text, reason: DiscardReason::Limit });
        false
    }

    /// Parts of the turn under way, if it may still be reopened: further words would stand behind them.
    fn may_reopen(&self) -> usize {
        match &self.turn {
            Turn::Collecting(_) => 0,
            Turn::Reviewing { turn, .. } => turn.parts.len(),
            Turn::Answering { .. } => {
                let answer = self.floor.reply().filter(|reply| reply.is_traceless()).and_then(Reply::turn);
                answer.map_or(0, |turn| turn.parts.len())
            }
        }
    }

    pub(super) fn typed(&mut self, speaker: SpeakerId, message: MessageId, words: String, policy: TypedPolicy) {
        let source = Source::Message(message);
        let words = words.trim().to_owned();
        if words.is_empty() {
            return self.event(Event::Discarded { source, text: words, reason: DiscardReason::Noise });
        }
        self.user_active();
        self.somebody_here(speaker);
        self.event(Event::MessageAccepted { message });
        self.drop_speculation();
        let part = Part { speaker, source, text: words, interim: false };
        match policy {
            TypedPolicy::Interrupt => {
                if self.floor.reply().is_some_and(|reply| reply.options.interruptible) {
                    self.cut_off(None);
                }
                self.collect(part, Moments::at(self.now, Wait::Typed));
            }
            TypedPolicy::Queue if faulty!(self, DropsQueuedWords) && !self.floor.is_idle() => {}
            TypedPolicy::Queue => {
                if self.add(part) {
                    self.turn.collected_mut().ready = Some(Moments::at(self.now, Wait::Typed));
                }
            }
            TypedPolicy::Merge => drop(self.add(part)),
        }
    }

    /// Whether the collected words may be committed: they are complete, and nobody who spoke them is speaking on.
    pub(super) fn is_turn_ready(&self) -> bool {
        let Turn::Collecting(collected) = &self.turn else { return false };
        let cut = collected.ready.is_some_and(|moments| moments.wait == Wait::Limit);
        let speaks_on = |part: &Part| {
            matches!(part.source, Source::Utterance(_))
                && !cut
                && self.drives(part.speaker)
                && self.speakers.iter().any(|s| s.id == part.speaker && !matches!(s.listener, Listener::Silent))
        };
        let taken = collected.awaits.is_some_and(|utterance| self.listening_to(utterance).is_some());
        collected.ready.is_some() && !collected.parts.is_empty() && !taken && !collected.parts.iter().any(speaks_on)
    }

    /// Commits the collected words, and has the turn reviewed or answered.
    pub(super) fn commit_turn(&mut self) {
        let Collected { parts, merged, ready, .. } = std::mem::take(self.turn.collected_mut());
        let moments = ready.unwrap_or(Moments::at(self.now, Wait::Typed));
        let turn = Committed::new(TurnId(self.ids.next()), parts, moments, self.now);
        self.announce(&turn, merged);
        if self.config.conversation.review {
            let by = self.now + self.config.recovery.review_by;
            self.command(Command::ReviewTurn { turn: turn.id, text: text(&turn.parts) });
            self.turn = Turn::Reviewing { turn, by, next: Collected::default() };
        } else {
            self.answer(turn, None, None);
        }
    }

    fn announce(&mut self, turn: &Committed, merged: Vec<TurnId>) {
        self.event(Event::TurnCommitted { turn: turn.id, parts: turn.parts.clone() });
        for earlier in merged {
            let outcome = TurnOutcome::Merged { into: turn.id };
            self.event(Event::TurnEnded { turn: earlier, outcome });
        }
    }

    pub(super) fn reviewed(&mut self, id: TurnId, review: Review) {
        let turn = match &self.turn {
            Turn::Reviewing { turn, .. } if turn.id == id => turn.clone(),
            _ => {
                self.stats.late += 1;
                return;
            }
        };
        match review {
            Review::Answer { text, context } => self.answer(turn, text, context),
            Review::Decline { reason } => {
                self.turn.release();
                self.active();
                self.remember(ChatItem::message(Role::User, text(&turn.parts)));
                self.event(Event::TurnEnded { turn: id, outcome: TurnOutcome::Declined { reason } });
            }
        }
    }

    pub(super) fn review_overdue(&mut self) {
        let Turn::Reviewing { turn, .. } = &self.turn else { return };
        let mut turn = turn.clone();
        turn.review_overdue = true;
        self.fail(Stage::Review, format!("the application did not review {} in time", turn.id));
        self.answer(turn, None, None);
    }

    fn answer(&mut self, turn: Committed, words: Option<String>, context: Option<String>) {
        let mut committed = turn;
        committed.reviewed = self.now;
        let next = std::mem::take(self.turn.collected_mut());
        // A voice that went on beyond the limit of the turn must not silence its answer.
        let interruptible = committed.moments.wait != Wait::Limit;
        self.turn = Turn::Answering { turn: committed.id, next };
        let words = words.unwrap_or_else(|| text(&committed.parts));
        let purpose = Purpose::Answer { turn: committed, text: words, context };
        let options = ReplyOptions { interruptible, ..ReplyOptions::default() };
        let reply = Reply::new(ReplyId(self.ids.next()), purpose, options, &self.config);
        self.start(Box::new(reply));
    }

    // Speculation

    /// Begins a reply before the turn is certain to have ended, if that is probable.
    pub(super) fn speculate(&mut self, index: usize) {
        let options = &self.config.speculation;
        let steering = self.steering();
        let (utterance, pause, over) = match &self.speakers[index].listener {
            Listener::Pausing { utterance, pause } => (utterance, pause, false),
            Listener::Ready { utterance, pause, .. } => (utterance, pause, true),
            Listener::Silent | Listener::Speaking(_) => return,
        };
        let words = utterance.text.trim();
        // Both ask the judge, which the other conditions mostly spare.
        let likely = || {
            let percent = match pause.score {
                Score::Known(_) => pause.percent,
                Score::None => pause.percent.or_else(|| self.percent_by_words(&self.speakers[index], words)),
                Score::Pending(_) => None,
            };
            percent.is_some_and(|percent| f32::from(percent) >= 100.0 * steering.from_score)
        };
        let stray = || {
            let verdict = self.verdict(utterance, pause.last_voiced.since(utterance.since), true);
            pause.wait != Wait::Manual && utterance.is_stray(verdict)
        };
        let left_open = self.config.endpointing.mode == EndpointingMode::Manual && pause.wait != Wait::Manual;
        let known = utterance.is_final() || (options.interim && pause.stable_at.is_none());
        let silent = |s: &Speaker| s.listener.utterance().is_none() || !self.drives(s.id);
        let alone = self.speakers.iter().enumerate().all(|(i, s)| i == index || silent(s));
        let heard = self.drives(self.speakers[index].id) && !self.waits_for_somebody();
        let collected = match &self.turn {
            Turn::Collecting(collected) => collected,
            Turn::Reviewing { .. } | Turn::Answering { .. } => return,
        };
        let wanted = options.enabled
            && !self.config.conversation.review
            && !left_open
            && known
            && !words.is_empty()
            && alone
            && heard
            && self.floor.is_idle()
            && self.answers_go_first()
            && collected.attempts < steering.max_attempts
            && (over || likely())
            && !stray();
        if !wanted {
            return;
        }
        let source = Source::Utterance(utterance.id);
        let interim = !utterance.is_final();
        let part = Part { speaker: self.speakers[index].id, source, text: words.to_owned(), interim };
        let moments = pause.moments(self.now);
        let standing = Standing::Speculative(utterance.id);
        let mut parts = collected.parts.clone();
        parts.push(part);
        self.turn.collected_mut().attempts += 1;
        self.stats.speculations += 1;
        let text = text(&parts);
        let turn = Committed::new(TurnId(self.ids.next()), parts, moments, self.now);
        let purpose = Purpose::Answer { turn, text, context: None };
        let mut reply = Reply::new(ReplyId(self.ids.next()), purpose, ReplyOptions::default(), &self.config);
        reply.standing = standing;
        reply.stamps.was_speculative = true;
        self.start(Box::new(reply));
    }

    /// What is known of the words has changed: a reply that was begun on other words is withdrawn.
    pub(super) fn drop_other_speculation(&mut self, utterance: UtteranceId, text: &str) {
        let begun_on = self.floor.reply().filter(|reply| reply.standing == Standing::Speculative(utterance));
        let source = Source::Utterance(utterance);
        let part = begun_on.and_then(Reply::turn).and_then(|turn| turn.parts.iter().find(|part| part.source == source));
        if part.is_some_and(|part| !words(&part.text).eq(words(text))) {
            self.drop_speculation();
        }
    }

    /// The turn ended with these words: the speculative reply is real, or it is withdrawn.
    pub(super) fn adopt_speculation(&mut self, utterance: UtteranceId, moments: Moments) {
        let on_it = self.floor.reply().is_some_and(|r| r.standing == Standing::Speculative(utterance));
        let begun_on = self.floor.reply().and_then(Reply::turn);
        let same = begun_on.is_some_and(|turn| are_same_words(&turn.parts, &self.turn.collected().parts));
        if !on_it || !same || self.turn.collected().ready.is_none() {
            return self.drop_speculation();
        }
        let Collected { parts, merged, .. } = std::mem::take(self.turn.collected_mut());
        self.stats.adopted += 1;
        let now = self.now;
        let early = faulty!(self, TellsEarlyMoments);
        let Some(reply) = self.floor.reply_mut() else { return };
        reply.standing = Standing::Live;
        let id = reply.id;
        let Purpose::Answer { turn, .. } = &mut reply.purpose else { return };
        turn.parts = parts;
        turn.moments = if early { turn.moments } else { moments };
        (turn.committed, turn.reviewed) = (now, now);
        let turn = turn.clone();
        self.turn = Turn::Answering { turn: turn.id, next: Collected::default() };
        self.announce(&turn, merged);
        self.event(Event::ReplyStarted { reply: id, turn: Some(turn.id) });
    }

    /// What replies are made of has changed: one that was begun in advance is begun anew.
    pub(super) fn renew_speculation(&mut self) {
        if self.floor.reply().is_some_and(Reply::is_speculative) {
            self.drop_speculation();
            for index in 0..self.speakers.len() {
                self.speculate(index);
            }
        }
    }

    /// The speaker goes on: a reply that was begun too early is withdrawn.
    pub(super) fn drop_speculation_on(&mut self, utterance: UtteranceId) {
        if self.floor.reply().is_some_and(|r| r.standing == Standing::Speculative(utterance)) {
            self.drop_speculation();
        }
    }

    pub(super) fn drop_speculation(&mut self) {
        if self.floor.reply().is_some_and(Reply::is_speculative)
            && let Some(reply) = self.floor.take()
        {
            self.roll_back(*reply);
        }
    }
}

/// Whether the parts say the same, but for case and punctuation.
fn are_same_words(one: &[Part], two: &[Part]) -> bool {
    let same =
        |(a, b): (&Part, &Part)| a.speaker == b.speaker && a.source == b.source && words(&a.text).eq(words(&b.text));
    one.len() == two.len() && one.iter().zip(two).all(same)
}
