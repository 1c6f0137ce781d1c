//! One step of the engine: what it was told, then what it says.

use super::{
    Broken, MAX_OUTPUTS, Rule,
    books::{Playing, ReplyBook, Rules, Utterance},
};
use crate::{
    engine::{Engine, Input, Output, Record, Recorded, Wait},
    id::GenerationId,
};

impl Rules {
    pub(super) fn observe(&mut self, input: &Input, outputs: &[Record], engine: &Engine) -> Result<(), Broken> {
        (self.cancelled_unseen, self.changing) = (false, None);
        self.told(input);
        self.answered(input);
        let was_closed = self.closed;
        let mut said = 0;
        for record in outputs {
            let Recorded::Output(output) = &record.what else { continue };
            said += 1;
            self.check(Rule::I7, !self.closed, || format!("after the end there is {output:?}"))?;
            match output {
                Output::Command(command) => self.command(command)?,
                Output::Event(event) => self.event(event, input)?,
            }
        }
        self.check(Rule::I6, said <= MAX_OUTPUTS, || format!("{said} outputs of one step"))?;
        if was_closed {
            return Ok(());
        }
        self.queues(input, outputs, engine)?;
        self.after(engine)
    }

    /// Notes what the input says, before the outputs it causes.
    pub(super) fn told(&mut self, input: &Input) {
        let now = self.now;
        match input {
            Input::UpdateAgent { tools: Some(tools), .. } => {
                let harmless = tools.iter().filter(|(_, policy)| policy.read_only).map(|(name, _)| name.clone());
                self.harmless.extend(harmless);
                self.tools = tools.clone();
            }
            Input::Say { options, .. } | Input::Generate { options, .. } => self.forgetful |= !options.remember,
            Input::Link { speaker } => self.linked = *speaker,
            Input::End { within, .. } => {
                let by = now + *within;
                self.end_by = Some(self.end_by.map_or(by, |earlier| earlier.min(by)));
            }
            Input::VoiceStarted { speaker, since } => {
                let speaker = *speaker;
                self.voiced_since = now.min(*since);
                self.scores.retain(|(_, whose)| *whose != speaker);
                self.utterances.values_mut().filter(|u| u.speaker == speaker && !u.speaking).for_each(Utterance::go_on);
            }
            Input::CommitTurn => {
                self.commits.insert(now);
                for open in self.utterances.values_mut() {
                    open.pause(now, now);
                    (open.released, open.ended_by) = (true, Some(Wait::Manual));
                }
                self.words.iter_mut().for_each(|words| words.released = true);
            }
            Input::VoiceEnded { speaker, last_voiced } => {
                self.utterances.values_mut().filter(|u| u.speaker == *speaker).for_each(|u| u.pause(now, *last_voiced));
            }
            Input::Left { speaker } => {
                for open in self.utterances.values_mut().filter(|open| open.speaker == *speaker) {
                    open.pause(now, now);
                    (open.released, open.ended_by) = (true, Some(Wait::Left));
                }
            }
            Input::Transcript { utterance, text, checkpoint, .. } => {
                if let Some(open) = self.utterances.get_mut(utterance) {
                    open.texts.insert(text.trim().to_owned());
                    if let Some(c) = checkpoint.filter(|c| *c > open.answered && *c <= open.asked) {
                        open.answered = c;
                        open.final_of = c;
                        open.last_final = text.trim().to_owned();
                        open.transcribed = open.is_understood().then_some(now);
                    }
                }
            }
            Input::TranscriptFailed { utterance, checkpoint } => {
                if let Some(open) = self.utterances.get_mut(utterance)
                    && (open.answered + 1..=open.asked).contains(checkpoint)
                {
                    open.answered = *checkpoint;
                    open.transcribed = open.is_understood().then_some(now);
                }
            }
            Input::Text { text, .. } if text.is_empty() => {}
            Input::Text { generation, text } => {
                if let Some(reply) = self.reply_of(*generation) {
                    reply.first_token.get_or_insert(now);
                    reply.written += text.len();
                    reply.may_begin_silent |= reply.synthesised.is_none() && !text.starts_with(char::is_alphanumeric);
                }
            }
            Input::Generated { generation, usage, .. } => {
                if let Some(reply) = self.reply_of(*generation) {
                    reply.usage = reply.usage.plus(usage.unwrap_or_default());
                }
            }
            Input::ToolCalled { generation, .. } => {
                if let Some(reply) = self.reply_of(*generation) {
                    reply.first_token.get_or_insert(now);
                }
            }
            Input::Audio { segment, samples } => {
                if let Some((_, reply)) = self.segments.iter().find(|(open, _)| open == segment).copied() {
                    let book = self.replies.entry(reply).or_default();
                    if *samples > 0 {
                        book.first_audio.get_or_insert(now);
                    }
                    for s in book.segments.iter_mut().filter(|s| s.id == *segment) {
                        s.samples = s.samples.saturating_add(*samples);
                    }
                }
            }
            Input::Synthesized { segment } => {
                if let Some((_, reply)) = self.segments.iter().find(|(open, _)| open == segment).copied() {
                    let segments = &mut self.replies.entry(reply).or_default().segments;
                    for s in segments.iter_mut().filter(|s| s.id == *segment) {
                        s.done = s.samples > 0;
                    }
                }
            }
            Input::Playout { reply, position } | Input::Held { reply, position } => {
                let book = self.replies.entry(*reply).or_default();
                let total = book.segments.iter().fold(0u64, |sum, s| sum.saturating_add(s.samples));
                if !book.ended && book.playing == Playing::Sounding {
                    book.heard = book.heard.max((*position).min(total));
                }
            }
            _ => {}
        }
    }

    pub(super) fn reply_of(&mut self, generation: GenerationId) -> Option<&mut ReplyBook> {
        let (_, reply) = self.generations.iter().find(|(open, _)| *open == generation)?;
        self.replies.get_mut(&(*reply)?)
    }

    /// Closes the command that the input answers.
    pub(super) fn answered(&mut self, input: &Input) {
        match input {
            Input::Generated { generation, .. } | Input::GenerationFailed { generation, .. } => {
                self.generations.retain(|(open, _)| open != generation);
            }
            Input::Synthesized { segment } | Input::SynthesisFailed { segment, .. } => {
                self.segments.retain(|(open, _)| open != segment);
            }
            Input::ToolReturned { call, .. } => self.calls.retain(|open| open != call),
            Input::Scored { score, .. } => self.scores.retain(|(open, _)| open != score),
            Input::Reviewed { turn, .. } => self.reviews.retain(|open| open != turn),
            _ => {}
        }
    }
}
