//! What must hold of the state after each step, and when all has come to rest.

use super::{
    Broken, Rule,
    books::{Fate, Rules, sounds},
};
use crate::engine::{Engine, Part, Source};

impl Rules {
    pub(super) fn after(&mut self, engine: &Engine) -> Result<(), Broken> {
        let probe = engine.probe();
        let stands = probe.now() == self.now;
        self.check(Rule::I11, stands, || format!("the engine believes that it is {}", probe.now()))?;
        if let Some(reply) = probe.reply() {
            let book = self.replies.entry(reply.id).or_default();
            book.interruptible = Some(reply.interruptible);
            book.remember = Some(reply.remember);
            if reply.generation.is_some() {
                book.requested.get_or_insert(self.now);
            }
            for (_, owner) in self.generations.iter_mut().filter(|(id, _)| Some(*id) == reply.generation) {
                if owner.replace(reply.id).is_none() {
                    book.written = 0;
                }
            }
            self.check(Rule::I13, reply.interruptible || probe.floor() != "Held", || format!("{} is held", reply.id))?;
        } else {
            let open = (self.generations.first(), self.segments.first());
            self.check(Rule::I3, open == (None, None), || format!("nobody has the floor, but {open:?} are open"))?;
        }
        let edited = self.options.conversation.review || self.options.conversation.max_history < 10;
        let answers = probe.reply().and_then(|r| r.turn).and_then(|turn| self.turns.get(&turn));
        if let (Some(shown), Some(turn), false) = (self.shown.take(), answers, edited) {
            // A reply that was begun on interim text was shown the same words, perhaps without their full stop.
            let plain = |text: &str| sounds(text).to_lowercase();
            let hidden = turn.parts.iter().find(|part| !plain(&shown).contains(&plain(&part.text)));
            self.check(Rule::I8, hidden.is_none(), || format!("the model is not shown {hidden:?}"))?;
        }
        self.alive(engine)?;
        for (id, held) in self.replies.iter().filter_map(|(id, r)| Some((id, r.held?))) {
            let longest = held + self.options.interruption.max_hold;
            self.check(Rule::I9, self.now < longest, || format!("{id} is held since {held}"))?;
        }
        for (turn, _) in self.turns.iter().filter(|(_, t)| t.outcome.is_none()) {
            self.check(Rule::I1, probe.has_turn(*turn), || format!("{turn} was forgotten"))?;
        }
        for words in self.words.iter().filter(|w| w.fate == Fate::Open) {
            let kept = probe.collected().iter().any(|p| p.source == words.source);
            self.check(Rule::I8, kept, || format!("lost: {words:?}"))?;
        }
        let fullness = probe.fullness();
        self.check(Rule::I12, fullness <= 1.0, || format!("a queue is {fullness} times as long as it may be"))?;
        let reply = probe.reply().filter(|r| !r.speculative).map(|r| r.id);
        let live: Vec<_> = self.live().collect();
        let same = live.iter().copied().eq(reply);
        self.check(Rule::I2, same, || format!("{live:?} have begun, {reply:?} has the floor"))
    }

    /// I6 and I7.
    pub(super) fn alive(&self, engine: &Engine) -> Result<(), Broken> {
        let probe = engine.probe();
        if let Some(by) = self.end_by {
            let in_time = engine.is_closed() || engine.deadline().is_some_and(|at| at <= by);
            self.check(Rule::I7, in_time && (engine.is_closed() || self.now < by), || {
                format!("the end is due at {by}, the next deadline is {:?}", engine.deadline())
            })?;
        }
        if engine.is_closed() {
            return self.check(Rule::I7, self.closed, || "closed without a word".into());
        }
        let stuck = engine.deadline().filter(|at| *at <= self.now);
        self.check(Rule::I6, stuck.is_none(), || format!("the deadline {stuck:?} is past"))?;
        let works = probe.floor() != "Idle" || probe.turn() == "Reviewing" || probe.closing() != "Open";
        let waits = probe.floor() == "Idle" && probe.turn() != "Reviewing" && probe.closing() == "Open";
        self.check(Rule::I6, !works || engine.deadline().is_some(), || {
            format!("{} and {} without a deadline", probe.floor(), probe.turn())
        })?;
        let asked = (probe.waiting() > 0 && !probe.yields()) || probe.is_turn_ready();
        let idle = waits && !probe.waits_for_somebody() && asked;
        self.check(Rule::I6, !idle, || "somebody waits for a floor that is free".into())?;
        let given = waits && !probe.waits_for_somebody() && probe.waiting() > 0;
        self.check(Rule::I6, !given || engine.deadline().is_some(), || "way is given without a deadline".into())?;
        let answering = probe.turn() == "Answering" && probe.floor() == "Idle";
        self.check(Rule::I6, !answering, || "a turn is being answered by nobody".into())?;
        let held = probe.floor() == "Held";
        self.check(Rule::I9, held == (probe.overlap() == "Judging"), || {
            format!("the floor is {}, the overlap {}", probe.floor(), probe.overlap())
        })
    }

    /// Once every voice is silent and no deadline is left: all is said and done.
    pub(super) fn settled(&self, engine: &Engine) -> Result<(), Broken> {
        let probe = engine.probe();
        self.check(Rule::I6, probe.floor() == "Idle", || {
            format!("nothing is due, but the floor is {}", probe.floor())
        })?;
        self.check(Rule::I6, probe.turn() == "Collecting", || format!("nothing is due, but {}", probe.turn()))?;
        let open = self.turns.iter().find(|(_, t)| t.outcome.is_none() && !probe.waits_for_somebody());
        self.check(Rule::I1, open.is_none(), || format!("nothing is due, but {open:?}"))?;
        let open = self.calls.first();
        self.check(Rule::I3, open.is_none(), || format!("nothing is due, but {open:?} is open"))?;
        let waits = |p: &&Part| {
            let aside = self.words.iter().any(|w| w.source == p.source && w.aside);
            matches!(p.source, Source::Utterance(_)) && !aside && !probe.waits_for_somebody()
        };
        let spoken = probe.collected().iter().find(waits);
        self.check(Rule::I6, spoken.is_none(), || format!("nothing is due, but {spoken:?} is not answered"))
    }
}
