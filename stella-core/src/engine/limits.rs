//! What the engine does about users who do not stop: the limits of a turn.

use super::{
    Command, EndpointingMode, Engine, Event, Part, Source, TurnLimit, Wait,
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
            Limit::Exceeded => {}
        }
    }

    fn exceed(&mut self, index: usize) {
        let speaker = self.speakers[index].id;
        let Listener::Speaking(utterance) = &self.speakers[index].listener else { return };
        let words = self.words_of_turn(&utterance.text);
        let duration = self.now.since(utterance.since);
        let (id, checkpoint) = (utterance.id, utterance.checkpoint + 1);
        self.event(Event::TurnLimit(TurnLimit { speaker, utterance: id, words, duration }));
        // If the application ends turns, it alone does.
        let wanted = self.config.turn_limit.then == AfterLimit::Commit;
        let cuts = wanted && self.may_cut() && self.drives(speaker) && !self.ends_manually();
        let (at, by) = (self.now, self.now + self.config.endpointing.transcript_by);
        if let Some(utterance) = self.speakers[index].listener.utterance_mut() {
            utterance.limit = if cuts { Limit::Cutting { at, by } } else { Limit::Exceeded };
            if cuts {
                utterance.checkpoint = checkpoint;
                self.command(Command::Checkpoint { utterance: id, checkpoint });
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
        let text = utterance.text.trim().to_owned();
        if text.is_empty() || !may {
            utterance.limit = Limit::Exceeded;
            return;
        }
        self.ids.next();
        let cut = std::mem::replace(utterance, Utterance::new(next, at));
        self.command(Command::FinishUtterance { utterance: cut.id });
        self.expect_correction(speaker, &cut);
        self.event(Event::UserTranscript { speaker, utterance: cut.id, text: text.clone(), is_final: true });
        self.command(Command::StartUtterance { speaker, utterance: next });
        self.overlap = Overlap::None;
        let moments = Moments { transcribed: self.now, ..Moments::at(at, Wait::Limit) };
        let part = Part { speaker, source: Source::Utterance(cut.id), text, interim: !cut.is_final() };
        self.collect(part, moments);
    }
}
