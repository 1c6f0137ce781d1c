//! What the engine does about users who do not stop: the limits of a turn.

use super::{
    Command, DiscardReason, EndpointingMode, Engine, Event, Part, Source, TurnLimit, Verdict, Wait,
    judge::words,
    listener::{Limit, Listener, Utterance},
    options::AfterLimit,
    overlap::Overlap,
    turn::{Moments, Turn},
};
use crate::id::UtteranceId;

impl Engine {
    /// More words of an utterance are known: perhaps too many.
    pub(super) fn check_words(&mut self, index: usize) {
        let Some(most) = self.config.turn_limit.max_words else { return };
        let Listener::Speaking(utterance) = &self.speakers[index].listener else { return };
        if utterance.limit == Limit::Within && self.words_of_turn(&utterance.text) > most {
            self.exceed(index);
        }
    }

    fn words_of_turn(&self, open: &str) -> usize {
        let collected = self.turn.collected().parts.iter().map(|part| words(&part.text).count());
        collected.sum::<usize>() + words(open).count()
    }

    /// The time of an utterance is over, or that of the final text up to its limit.
    pub(super) fn limit_due(&mut self, index: usize) {
        let Listener::Speaking(utterance) = &self.speakers[index].listener else { return };
        match utterance.limit {
            Limit::Within => self.exceed(index),
            Limit::Cutting { .. } => self.cut_turn(index),
            Limit::Exceeded | Limit::Overdue { .. } => {}
        }
    }

    fn exceed(&mut self, index: usize) {
        let speaker = self.speakers[index].id;
        let Listener::Speaking(utterance) = &self.speakers[index].listener else { return };
        let words = self.words_of_turn(&utterance.text);
        let duration = self.now.since(utterance.since);
        let (utterance, first) = (utterance.id, utterance.limited_from == utterance.since);
        if first {
            self.event(Event::TurnLimit(TurnLimit { speaker, utterance, words, duration }));
        }
        // If the application ends turns, it alone does.
        let wanted = self.config.turn_limit.then == AfterLimit::Commit && !self.ends_manually();
        if let Some(utterance) = self.speakers[index].listener.utterance_mut() {
            utterance.limit = if wanted { Limit::Overdue { asked: None } } else { Limit::Exceeded };
        }
    }

    /// Asks for the words up to the limit of those who are beyond it, if their turn could be answered now.
    pub(super) fn cut_overdue(&mut self) {
        let (at, by) = (self.now, self.now + self.config.endpointing.transcript_by);
        if !self.may_cut() {
            return;
        }
        for index in 0..self.speakers.len() {
            if !self.drives(self.speakers[index].id) {
                continue;
            }
            let Listener::Speaking(utterance) = &mut self.speakers[index].listener else { continue };
            match utterance.limit {
                Limit::Overdue { asked: Some(at) } if !utterance.has_words() => {
                    if utterance.is_final() {
                        // Nothing was said up to there.
                        (utterance.limit, utterance.limited_from) = (Limit::Within, at);
                    }
                }
                Limit::Overdue { asked: Some(at) } if utterance.is_final() => {
                    utterance.limit = Limit::Cutting { at, by };
                    self.cut_turn(index);
                    return;
                }
                Limit::Overdue { .. } => {
                    utterance.limit = Limit::Cutting { at, by };
                    utterance.checkpoint += 1;
                    let (utterance, checkpoint) = (utterance.id, utterance.checkpoint);
                    self.command(Command::Checkpoint { utterance, checkpoint });
                }
                Limit::Within | Limit::Exceeded | Limit::Cutting { .. } => {}
            }
        }
    }

    fn ends_manually(&self) -> bool {
        self.config.endpointing.mode == EndpointingMode::Manual
    }

    /// Whether a turn could be answered now.
    fn may_cut(&self) -> bool {
        self.floor.is_idle() && matches!(self.turn, Turn::Collecting(_))
    }

    /// The words up to the limit are a turn, and the voice goes on as another utterance.
    pub(super) fn cut_turn(&mut self, index: usize) {
        let speaker = self.speakers[index].id;
        let may = self.may_cut() && self.drives(speaker);
        let next = UtteranceId(self.ids.peek());
        let Listener::Speaking(utterance) = &mut self.speakers[index].listener else { return };
        let Limit::Cutting { at, .. } = utterance.limit else { return };
        if !utterance.has_words() || !may {
            utterance.limit = Limit::Overdue { asked: may.then_some(at) };
            return;
        }
        let text = utterance.text.trim().to_owned();
        // Without the final text, what is known may reach beyond the place: the voice is parted here instead.
        let interim = !utterance.is_final();
        let at = if interim { self.now } else { at };
        utterance.checkpoint += u32::from(interim);
        self.ids.next();
        let mut rest = Utterance::new(next, at);
        rest.outlasted.clone_from(&utterance.outlasted);
        let cut = std::mem::replace(utterance, rest);
        if interim {
            self.command(Command::Checkpoint { utterance: cut.id, checkpoint: cut.checkpoint });
        }
        self.command(Command::FinishUtterance { utterance: cut.id });
        self.expect_correction(speaker, &cut);
        self.event(Event::UserTranscript { speaker, utterance: cut.id, text: text.clone(), is_final: true });
        self.command(Command::StartUtterance { speaker, utterance: next });
        self.overlap = Overlap::None;
        let moments = Moments { transcribed: self.now, ..Moments::at(at, Wait::Limit) };
        let part = Part { speaker, source: Source::Utterance(cut.id), text, interim };
        if self.verdict(&cut, at.since(cut.since), true) == Verdict::Echo {
            return self.discard(part, DiscardReason::Backchannel);
        }
        self.collect(part, moments);
    }
}
