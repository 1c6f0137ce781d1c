//! The words of the user, and the turns they become (I1, I8).

use std::collections::BTreeMap;

use super::{
    Broken, Rule,
    books::{Expected, Fate, Rules, TurnBook, Words},
};
use crate::{
    engine::{EndpointingMode, Part, Source, TurnOutcome},
    id::{SpeakerId, TurnId, UtteranceId},
};

impl Rules {
    /// I8: what an utterance said last goes on from here.
    pub(super) fn finished(&mut self, id: UtteranceId) -> Result<(), Broken> {
        let Some(open) = self.utterances.remove(&id) else {
            return self.broken(Rule::I3, format!("{id} is finished, but not open"));
        };
        self.scores.retain(|(_, whose)| *whose != open.speaker);
        let is_final = open.final_of == open.asked && open.asked > 0 && !open.speaking;
        if open.answered < open.asked {
            self.corrections.push((id, open.asked));
        }
        let aside = self.linked.is_some_and(|linked| linked != open.speaker);
        // What was cut at its limit goes on from there.
        self.voiced_since = open.asked_at;
        // If only the application ends turns, what ended by itself waits for it.
        let waits = self.options.endpointing.mode == EndpointingMode::Manual && open.ended_by.is_none();
        let moments = (!aside && !waits).then(|| open.moments(self.now));
        let least = open.last_final.split_whitespace().count();
        let text = if is_final { Expected::Exactly(open.last_final) } else { Expected::OneOf(open.texts, least) };
        self.words.push(Words {
            source: Source::Utterance(id),
            speaker: open.speaker,
            text,
            fate: Fate::Open,
            released: open.released,
            aside,
            moments,
        });
        Ok(())
    }

    /// I8: the words of a source come to their end.
    pub(super) fn filed(&mut self, source: Source, text: &str, fate: Fate) -> Result<(), Broken> {
        let Some(words) = self.words.iter_mut().find(|w| w.source == source) else {
            return self.broken(Rule::I8, format!("{source:?} was never said, but is filed: {text:?}"));
        };
        let before = words.fate;
        words.fate = fate;
        let expected = std::mem::replace(&mut words.text, Expected::Exactly(text.to_owned()));
        self.check(Rule::I8, expected.allows(text), || format!("{source:?} said {expected:?}, filed is {text:?}"))?;
        let fresh = match (before, fate) {
            (Fate::Open, _) => true,
            (Fate::Turn(earlier), Fate::Turn(_)) => self.turns.get(&earlier).is_some_and(|t| t.outcome.is_none()),
            _ => false,
        };
        self.check(Rule::I8, fresh, || format!("{source:?} is filed twice: {before:?}, then {fate:?}"))
    }

    pub(super) fn committed(&mut self, turn: TurnId, parts: &[Part]) -> Result<(), Broken> {
        self.check(Rule::I1, !parts.is_empty(), || format!("{turn} is empty"))?;
        let fresh = !self.turns.contains_key(&turn);
        self.check(Rule::I1, fresh, || format!("{turn} is committed twice"))?;
        let mut last: BTreeMap<SpeakerId, usize> = BTreeMap::new();
        let mut released = self.options.endpointing.mode != EndpointingMode::Manual;
        for part in parts {
            let index = self.words.iter().position(|w| w.source == part.source);
            let Some(index) = index else {
                return self.broken(Rule::I8, format!("{part:?} was never said"));
            };
            released |= self.words[index].released || matches!(self.words[index].fate, Fate::Turn(_));
            let in_order = last.insert(part.speaker, index).is_none_or(|before| before < index);
            self.check(Rule::I8, in_order, || format!("{turn} has the words of {} out of order", part.speaker))?;
            let earlier = self.words[..index].iter().find(|w| w.fate == Fate::Open && w.speaker == part.speaker);
            let skipped = earlier.filter(|w| !parts.iter().any(|p| p.source == w.source));
            self.check(Rule::I8, skipped.is_none(), || format!("{turn} comes before {skipped:?}"))?;
            self.filed(part.source, &part.text, Fate::Turn(turn))?;
        }
        self.check(Rule::I17, released, || format!("{turn} is committed, but the application did not end it"))?;
        let within = |words: &&Words| parts.iter().any(|part| part.source == words.source);
        let said = self.words.iter().filter(within).filter_map(|words| words.moments).next_back();
        self.turns
            .insert(turn, TurnBook { parts: parts.to_vec(), outcome: None, committed: self.now, said, recorded: 0 });
        Ok(())
    }

    pub(super) fn turn_ended(&mut self, turn: TurnId, outcome: &TurnOutcome) -> Result<(), Broken> {
        let Some(book) = self.turns.get_mut(&turn) else {
            return self.broken(Rule::I1, format!("{turn} ended, but was never committed"));
        };
        let before = book.outcome.replace(outcome.clone());
        let (parts, recorded) = (book.parts.clone(), book.recorded);
        self.reviews.retain(|open| *open != turn);
        self.check(Rule::I1, before.is_none(), || format!("{turn} ended as {before:?} and as {outcome:?}"))?;
        if matches!(outcome, TurnOutcome::Answered { .. } | TurnOutcome::Declined { .. }) {
            self.check(Rule::I5, recorded == 1, || format!("the words of {turn} are {recorded} times in the history"))?;
        }
        match outcome {
            TurnOutcome::Answered { reply } => {
                let of = self.replies.get(reply).and_then(|r| r.turn);
                self.check(Rule::I1, of == Some(turn), || format!("{turn} is answered by {reply}, a reply to {of:?}"))?;
                let over = self.replies.get(reply).is_some_and(|r| r.ended);
                self.check(Rule::I1, over, || format!("{turn} is answered by {reply}, which goes on"))
            }
            TurnOutcome::Merged { into } => {
                let within = self.turns.get(into).is_some_and(|t| parts.iter().all(|p| t.parts.contains(p)));
                self.check(Rule::I8, within, || format!("{turn} is not in {into}"))
            }
            TurnOutcome::Declined { .. } => Ok(()),
            TurnOutcome::Cleared => {
                self.check(Rule::I10, recorded == 0, || format!("{turn} is cleared, but in the history"))
            }
            TurnOutcome::Closed => {
                let by = self.may_end();
                self.check(Rule::I1, by, || format!("{turn} is closed, but the conversation is not"))
            }
        }
    }
}
