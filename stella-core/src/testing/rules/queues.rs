//! What has no room is told, never dropped (I8, I12).

use super::{Broken, Rule, books::Rules};
use crate::{
    engine::{DiscardReason, Engine, Event, Input, Output, Record, Recorded, Source, Stage},
    id::{MessageId, SpeakerId},
};

impl Rules {
    /// Compares one step with the books of what waits.
    pub(super) fn queues(&mut self, input: &Input, outputs: &[Record], engine: &Engine) -> Result<(), Broken> {
        let probe = engine.probe();
        let told = count(outputs, |e| matches!(e, Event::Failed { stage: Stage::Limit, .. }));
        let mut begun = count(outputs, |e| matches!(e, Event::ReplyStarted { turn: None, .. }));
        let full = self.ending || self.waiting >= self.options.conversation.max_waiting;
        let refused = asks(input) && full;
        self.waiting += usize::from(asks(input) && !full);
        let ends = probe.closing() != "Open" && !self.ending;
        if ends && matches!(input, Input::End { .. }) {
            begun = 0; // the farewell did not wait
        }
        let Some(waiting) = self.waiting.checked_sub(begun) else {
            return self.broken(Rule::I12, format!("{begun} replies began, but {} were asked for", self.waiting));
        };
        // The end drops what waits.
        let dropped = ends && waiting > 0;
        (self.waiting, self.ending) = (if ends { 0 } else { waiting }, self.ending || ends);
        let same = self.waiting == probe.waiting();
        self.check(Rule::I12, same, || format!("{} replies should wait, {} do", self.waiting, probe.waiting()))?;
        let discarded = count(outputs, |e| matches!(e, Event::Discarded { reason: DiscardReason::Limit, .. }));
        let least = discarded + usize::from(refused) + usize::from(dropped);
        self.check(Rule::I12, told >= least, || format!("{least} limits were met after {input:?}, {told} are told"))?;
        match input {
            Input::VoiceStarted { speaker, .. } if !self.ending => self.listened_to(*speaker, told > 0),
            Input::Typed { message, .. } => self.delivered(*message, outputs),
            _ => Ok(()),
        }
    }

    fn listened_to(&self, speaker: SpeakerId, told: bool) -> Result<(), Broken> {
        let open = self.utterances.values().any(|u| u.speaker == speaker);
        self.check(Rule::I12, open || told, || format!("nobody listens to {speaker}, and nobody is told"))
    }

    fn delivered(&self, message: MessageId, outputs: &[Record]) -> Result<(), Broken> {
        let about = |event: &Event| match event {
            Event::MessageAccepted { message: id } => *id == message,
            Event::Discarded { source, .. } => *source == Source::Message(message),
            _ => false,
        };
        self.check(Rule::I8, count(outputs, about) > 0, || format!("nothing is told of {message}"))
    }
}

/// Whether a reply is asked for.
fn asks(input: &Input) -> bool {
    match input {
        Input::Say { text, .. } => !text.trim().is_empty(),
        Input::Generate { .. } => true,
        _ => false,
    }
}

fn count(outputs: &[Record], counts: impl Fn(&Event) -> bool) -> usize {
    outputs.iter().filter(|r| matches!(&r.what, Recorded::Output(Output::Event(event)) if counts(event))).count()
}
