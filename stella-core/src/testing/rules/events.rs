//! What must hold of each event.

use super::{
    Broken, Rule,
    books::{Expected, Fate, Moments, Playing, Rules, TurnBook, Words, sounds},
    history::Ended,
};
use crate::{
    chat::{ChatItem, Role},
    engine::{
        AgentState, DiscardReason, Event, Input, Source, Steered, Steering, SteeringReason, TypedPolicy, UserState,
        Wait,
    },
    id::ReplyId,
};

impl Rules {
    pub(super) fn event(&mut self, event: &Event, input: &Input) -> Result<(), Broken> {
        match event {
            Event::UserState(state) => {
                let edge = match (self.user, *state) {
                    (UserState::Speaking, UserState::Away) => false,
                    (before, after) => before != after,
                };
                self.check(Rule::I14, edge, || format!("the user goes from {:?} to {state:?}", self.user))?;
                self.user = *state;
            }
            Event::AgentState(state) => {
                let edge = match (self.agent, *state) {
                    (AgentState::Listening, AgentState::Speaking) => false,
                    (before, after) => before != after,
                };
                self.check(Rule::I14, edge, || format!("the agent goes from {:?} to {state:?}", self.agent))?;
                self.agent = *state;
            }
            Event::MessageAccepted { message } => match input {
                Input::Typed { speaker, message: typed, text, policy } if typed == message => {
                    let (source, text) = (Source::Message(*message), Expected::Exactly(text.trim().to_owned()));
                    let ends = *policy != TypedPolicy::Merge;
                    let moments = ends.then(|| Moments::at(self.now, Some(Wait::Typed)));
                    self.words.push(Words {
                        source,
                        speaker: *speaker,
                        text,
                        fate: Fate::Open,
                        released: true,
                        aside: false,
                        moments,
                    });
                }
                _ => return self.broken(Rule::I8, format!("{message} is accepted, but not typed")),
            },
            Event::Discarded { source, text, reason } => {
                if let (Source::Message(_), Input::Typed { speaker, text: typed, .. }) = (source, input)
                    && self.words.iter().all(|w| w.source != *source)
                {
                    let text = if *reason == DiscardReason::Noise { String::new() } else { typed.trim().to_owned() };
                    let text = Expected::Exactly(text);
                    self.words.push(Words {
                        source: *source,
                        speaker: *speaker,
                        text,
                        fate: Fate::Open,
                        released: true,
                        aside: false,
                        moments: None,
                    });
                }
                self.filed(*source, text, Fate::Discarded)?;
            }
            Event::TurnCommitted { turn, parts } => self.committed(*turn, parts)?,
            Event::TurnEnded { turn, outcome } => self.turn_ended(*turn, outcome)?,
            Event::ReplyStarted { reply, turn } => {
                let now = self.now;
                let book = self.replies.entry(*reply).or_default();
                let fresh = !book.started && !book.ended;
                book.certain = Some(now);
                (book.started, book.turn) = (true, *turn);
                self.check(Rule::I2, fresh, || format!("{reply} started twice"))?;
                let open = turn.is_none_or(|t| self.turns.get(&t).is_some_and(|t| t.outcome.is_none()));
                self.check(Rule::I1, open, || format!("{reply} answers {turn:?}, which is not open"))?;
                let others: Vec<_> = self.live().filter(|id| id != reply).collect();
                self.check(Rule::I2, others.is_empty(), || format!("{reply} started beside {others:?}"))?;
            }
            Event::AgentSpoke { reply, text } => self.spoke(*reply, text)?,
            Event::AgentUnspoken { reply, .. } => {
                let started = self.replies.get(reply).is_some_and(|r| r.started && !r.ended);
                self.check(Rule::I10, started, || format!("{reply} is shown before it is certain"))?;
                self.replies.entry(*reply).or_default().shown = true;
            }
            Event::ReplyEnded { reply, end, heard, unheard, usage } => {
                self.reply_ended(*reply, Ended { end: *end, heard, unheard, usage: *usage })?;
            }
            Event::Overlap { reply, .. } => {
                let now = self.now;
                let book = self.replies.entry(*reply).or_default();
                let firm = book.interruptible == Some(false);
                if book.playing != Playing::Sounding {
                    book.held.get_or_insert(now); // else the command follows
                }
                self.check(Rule::I13, !firm, || format!("{reply} is held"))?;
                self.check(Rule::I4, self.changing != Some(*reply), || {
                    format!("something is changed as {reply} is spoken over")
                })?;
            }
            Event::FalseInterruption { reply, .. } => {
                let book = self.replies.entry(*reply).or_default();
                if book.playing != Playing::Sounding {
                    book.held = None;
                }
            }
            Event::Interrupted { reply, .. } => {
                let firm = self.replies.get(reply).is_some_and(|r| r.interruptible == Some(false));
                let forced = matches!(input, Input::Interrupt { force: true } | Input::End { .. });
                self.check(Rule::I13, !firm || forced, || format!("{reply} is interrupted"))?;
            }
            Event::HistoryAdded(ChatItem::Message(message)) if message.role == Role::User => {
                let said = |t: &TurnBook| t.parts.iter().map(|p| p.text.as_str()).collect::<Vec<_>>().join(" ");
                let mut open = self.turns.values_mut().filter(|t| t.outcome.is_none());
                if let Some(turn) = open.find(|t| said(t) == message.text) {
                    turn.recorded += 1;
                }
            }
            Event::HistoryAdded(ChatItem::Message(message)) if message.role == Role::System => {}
            Event::HistoryAdded(item) => self.remembered.push(item.clone()),
            Event::Latency(latency) => self.latency(latency)?,
            Event::Steered(steered) => self.steered(steered)?,
            Event::BudgetMissed(missed) => {
                let over = self.options.latency.budget.is_some_and(|budget| missed.measured > budget);
                let told = self.responses.contains(&missed.measured);
                self.check(Rule::I16, over && told, || format!("{missed:?}"))?;
            }
            Event::Closed { .. } => {
                self.closed = true;
                let asked = self.may_end();
                self.check(Rule::I7, asked, || "closed, but nobody asked for it".into())?;
                return self.all_told();
            }
            _ => {}
        }
        Ok(())
    }

    /// I16: the knobs are moved for a response that was told, and within their bounds.
    fn steered(&self, steered: &Steered) -> Result<(), Broken> {
        let options = &self.options;
        let Some(budget) = options.latency.budget else {
            return self.broken(Rule::I16, "steered without a budget");
        };
        let told = self.responses.contains(&steered.measured);
        self.check(Rule::I16, told, || format!("nobody was told of a response of {:?}", steered.measured))?;
        let over = steered.reason == SteeringReason::OverBudget;
        let same = over == (steered.measured > budget);
        self.check(Rule::I16, same, || format!("{steered:?} with a budget of {budget:?}"))?;
        let Steering { longest_wait, from_score, max_attempts, first_clause } = steered.steering;
        let attempts = options.speculation.max_attempts;
        let bounded = (options.least_wait()..=options.endpointing.wait_incomplete).contains(&longest_wait)
            && (0.0..=options.speculation.from_score).contains(&from_score)
            && (attempts..=attempts + 2).contains(&max_attempts)
            && first_clause <= options.speech.first_clause;
        self.check(Rule::I16, bounded, || format!("out of bounds: {steered:?}"))
    }

    /// Replies that have begun and not ended.
    pub(super) fn live(&self) -> impl Iterator<Item = ReplyId> {
        self.replies.iter().filter(|(_, r)| r.started && !r.ended).map(|(id, _)| *id)
    }

    /// I5: words are heard only once the playout has come to their segment.
    pub(super) fn spoke(&mut self, reply: ReplyId, text: &str) -> Result<(), Broken> {
        let book = self.replies.entry(reply).or_default();
        book.spoke.push_str(text);
        let book = &self.replies[&reply];
        let begun = book.started && !book.ended && book.playing != Playing::No;
        self.check(Rule::I2, begun, || format!("{reply} is heard, but not played"))?;
        let mut start = 0u64;
        let (mut reached, mut passed) = (String::new(), String::new());
        for segment in &book.segments {
            if start < book.heard && segment.samples > 0 {
                reached.push_str(&sounds(&segment.text));
            }
            start = start.saturating_add(segment.samples);
            if segment.done && start <= book.heard {
                passed.push_str(&sounds(&segment.text));
            }
        }
        let spoken = sounds(&book.spoke);
        let mut left = reached.chars();
        let heard = spoken.chars().all(|c| left.any(|l| l == c));
        self.check(Rule::I5, heard, || format!("{reply} says {spoken:?}, but only {reached:?} was played"))?;
        let enough = spoken.len() >= passed.len();
        self.check(Rule::I5, enough, || format!("{reply} says {spoken:?}, but {passed:?} was played"))
    }

    /// I1, I2, I8: nothing is left open at the end.
    pub(super) fn all_told(&self) -> Result<(), Broken> {
        let open = self.turns.iter().find(|(_, t)| t.outcome.is_none());
        self.check(Rule::I1, open.is_none(), || format!("closed without an outcome of {open:?}"))?;
        let live: Vec<_> = self.live().collect();
        self.check(Rule::I2, live.is_empty(), || format!("closed while {live:?} goes on"))?;
        let lost = self.words.iter().find(|w| w.fate == Fate::Open);
        self.check(Rule::I8, lost.is_none(), || format!("lost: {lost:?}"))?;
        let open = self.utterances.keys().next();
        self.check(Rule::I8, open.is_none(), || format!("closed with {open:?} open"))?;
        let calls = &self.calls;
        self.check(Rule::I3, calls.is_empty(), || format!("closed with {calls:?} open"))
    }
}
