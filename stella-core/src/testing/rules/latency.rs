//! Where the time of a turn went, by the rules' own books (I15, I17).

use std::time::Duration;

use super::{
    Broken, Rule,
    books::{Moments, ReplyBook, Rules},
};
use crate::{
    engine::{TurnLatency, Wait},
    time::Timestamp,
};

impl Rules {
    pub(super) fn latency(&mut self, latency: &TurnLatency) -> Result<(), Broken> {
        if latency.wait != Wait::Typed {
            self.responses.insert(latency.response());
        }
        self.silent_for_long_enough(latency)?;
        let sum: Duration = latency.gaps().iter().map(|(_, gap)| *gap).sum();
        let response = latency.response();
        self.check(Rule::I15, sum == response, || format!("{sum:?} of gaps, {response:?} of response"))?;
        self.check(Rule::I15, latency.first_sample == self.now, || {
            format!("the first sample was sent {}", latency.first_sample)
        })?;
        self.said(latency)?;
        let Some(book) = self.replies.get(&latency.reply) else {
            return self.broken(Rule::I15, format!("nobody knows {}", latency.reply));
        };
        let of = book.turn;
        self.check(Rule::I15, of == Some(latency.turn), || format!("{latency:?} of a reply to {of:?}"))?;
        self.same("committed", self.turns.get(&latency.turn).map(|turn| turn.committed), latency.committed)?;
        self.same("reviewed", book.certain, latency.reviewed)?;
        self.same("requested", book.requested, latency.requested)?;
        // Without a token the agent apologises.
        self.same("first token", book.first_token.or(Some(latency.first_token)), latency.first_token)?;
        let TurnLatency { first_token, tools_done, first_words, first_sample, .. } = *latency;
        let order = [first_token, tools_done, first_words, first_sample].is_sorted();
        self.check(Rule::I15, order, || format!("out of order: {latency:?}"))?;
        self.cut(book, latency)?;
        self.same("first audio", book.first_audio, latency.first_audio)
    }

    fn same(&self, what: &str, known: Option<Timestamp>, told: Timestamp) -> Result<(), Broken> {
        self.check(Rule::I15, known == Some(told), || format!("{what} at {known:?}, told {told}"))
    }

    /// I17: no silence shorter than allowed ended the turn.
    fn silent_for_long_enough(&self, latency: &TurnLatency) -> Result<(), Broken> {
        let silence = matches!(latency.wait, Wait::Complete | Wait::Incomplete | Wait::Unsure | Wait::Silence);
        let least = self.options.endpointing.wait_complete;
        let waited = latency.ready.since(latency.last_voiced) + Duration::from_millis(1);
        self.check(Rule::I17, !silence || waited >= least, || format!("a silence of {waited:?} ended a turn"))
    }

    /// The last words of the turn that may end one were said and understood when it says. If there are none, the
    /// application has ended the turn.
    fn said(&self, latency: &TurnLatency) -> Result<(), Broken> {
        let Some(turn) = self.turns.get(&latency.turn) else {
            return self.broken(Rule::I15, format!("nobody knows {}", latency.turn));
        };
        let by_application = Moments::at(latency.ready, Some(Wait::Manual));
        let commits = self.commits.contains(&latency.ready);
        // The application may have ended it, too, once more words were merged into a turn that was answered.
        let merged = commits && latency.wait == Wait::Manual;
        let said = turn.said.filter(|said| !merged || said.wait == Some(Wait::Manual));
        let known = said.unwrap_or(by_application);
        let asked = said.is_some() || commits;
        self.check(Rule::I15, asked, || format!("nobody ended the turn at {}", latency.ready))?;
        let TurnLatency { wait, last_voiced, voice_ended, ready, transcribed, .. } = *latency;
        let told = Moments { wait: known.wait, last_voiced, voice_ended, transcribed, filed: ready.max(transcribed) };
        self.check(Rule::I15, told == known, || format!("{known:?}, told {told:?}"))?;
        let named = match known.wait {
            Some(known) => known == wait,
            None => !matches!(wait, Wait::Typed | Wait::Manual | Wait::Left | Wait::Limit),
        };
        self.check(Rule::I15, named && ready >= voice_ended, || format!("{known:?}, ended by {wait:?} at {ready}"))
    }

    /// The first segment was complete when its synthesis was asked for. One with nothing to pronounce is not
    /// synthesised, and so can have been there earlier.
    fn cut(&self, book: &ReplyBook, latency: &TurnLatency) -> Result<(), Broken> {
        if book.may_begin_silent {
            let between =
                latency.first_segment >= latency.first_token && book.synthesised >= Some(latency.first_segment);
            return self.check(Rule::I15, between, || format!("first segment at {}", latency.first_segment));
        }
        self.same("first segment", book.synthesised, latency.first_segment)
    }
}
