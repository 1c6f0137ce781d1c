//! What the engine does about synthesis and playout.

use super::{Command, Engine, Event, ReplyEnd, Stage, floor::Floor, reply::Reply};
use crate::{
    id::{ReplyId, SegmentId},
    tts::WordTime,
};

impl Engine {
    /// Moves the reply on the floor as far as it can go: tools, synthesis, playout, its end.
    pub(super) fn advance(&mut self) {
        self.advance_tools();
        self.advance_synthesis();
        let (now, held) = (self.now, self.floor.is_held());
        let Some(reply) = self.floor.reply_mut() else { return };
        if held || reply.is_speculative() {
            return;
        }
        if reply.speech.can_start() {
            reply.speech.start(now);
            let reply = reply.id;
            self.command(Command::Play { reply });
        }
        if self.floor.reply().is_some_and(Reply::is_finished)
            && let Some(reply) = self.floor.take()
        {
            let end = if reply.failed { ReplyEnd::Failed } else { ReplyEnd::Finished };
            self.end_reply(*reply, end);
        }
    }

    fn advance_synthesis(&mut self) {
        let (now, by) = (self.now, self.now + self.config.recovery.first_audio_by);
        let ahead = self.samples(self.config.speech.look_ahead);
        let Some(reply) = self.floor.reply_mut() else { return };
        if reply.speech.has_segments() {
            reply.stamps.first_segment.get_or_insert(now);
        }
        if reply.mute {
            let (reply, text) = (reply.id, reply.speech.fail_rest());
            if !text.trim().is_empty() {
                self.event(Event::AgentUnspoken { reply, text });
            }
            return;
        }
        if !reply.speech.wants_request(ahead) {
            return;
        }
        let segment = SegmentId(self.ids.next());
        let Some(reply) = self.floor.reply_mut() else { return };
        let (id, text) = (reply.id, reply.speech.request(segment, by));
        if let Some(text) = text {
            self.command(Command::Synthesize { segment, reply: id, text });
        }
    }

    pub(super) fn audio(&mut self, segment: SegmentId, samples: u64) {
        let (now, by) = (self.now, self.now + self.config.recovery.first_audio_by);
        let taken = self.floor.reply_mut().is_some_and(|reply| {
            let taken = reply.speech.audio(now, segment, samples, by);
            if taken && samples > 0 {
                reply.stamps.first_audio.get_or_insert(now);
            }
            taken
        });
        self.stats.late += u64::from(!taken);
    }

    pub(super) fn words(&mut self, segment: SegmentId, words: Vec<WordTime>) {
        let taken = self.floor.reply_mut().is_some_and(|reply| reply.speech.words(segment, words));
        self.stats.late += u64::from(!taken);
    }

    pub(super) fn synthesized(&mut self, segment: SegmentId) {
        if self.floor.reply().is_some_and(|reply| reply.speech.is_without_audio(segment)) {
            return self.synthesis_failed(segment, true, format!("{segment} has no audio"));
        }
        let taken = self.floor.reply_mut().is_some_and(|reply| reply.speech.synthesized(segment));
        self.stats.late += u64::from(!taken);
    }

    pub(super) fn synthesis_failed(&mut self, segment: SegmentId, retryable: bool, error: String) {
        let open = self.floor.reply().and_then(|reply| reply.speech.open());
        if open.is_none_or(|(id, _)| id != segment) {
            self.stats.late += 1;
            return;
        }
        self.fail(Stage::Synthesis, error);
        let by = self.now + self.config.recovery.first_audio_by;
        let again = SegmentId(self.ids.peek());
        let Some(reply) = self.floor.reply_mut() else { return };
        let id = reply.id;
        reply.stamps.syntheses_failed += 1;
        if retryable && let Some(text) = reply.speech.retry(again, by) {
            self.ids.next();
            return self.command(Command::Synthesize { segment: again, reply: id, text });
        }
        let lost = reply.speech.fail();
        if reply.is_speculative() {
            return self.drop_speculation();
        }
        reply.failed = true;
        reply.mute |= reply.speech.has_lost_its_voice();
        if let Some(text) = lost {
            self.event(Event::AgentUnspoken { reply: id, text });
        }
    }

    pub(super) fn synthesis_overdue(&mut self) {
        let Some((segment, _)) = self.floor.reply().and_then(|reply| reply.speech.open()) else { return };
        self.command(Command::CancelSynthesis { segment });
        self.synthesis_failed(segment, true, format!("{segment} gave no audio in time"));
    }

    pub(super) fn playout(&mut self, id: ReplyId, position: u64) {
        let now = self.now;
        let shortens = faulty!(self, ShortensLatency);
        let Some(reply) = self.floor.reply_mut().filter(|r| r.id == id && r.speech.is_started()) else {
            self.stats.late += 1;
            return;
        };
        let first = !reply.speech.is_heard();
        reply.speech.played(now, position);
        if !reply.speech.is_heard() {
            return;
        }
        let sent = if shortens { reply.stamps.first_audio.unwrap_or(now) } else { now };
        let latency = first.then(|| reply.latency(sent)).flatten();
        let by_itself = reply.round == 0 && reply.ledger.len() == 0;
        let text = reply.speech.newly_heard();
        self.tell_heard(id, text);
        if first {
            self.record_turn();
            if !self.config.interruption.warm_up.is_zero() {
                self.first_heard.get_or_insert(now);
            }
        }
        self.floor = match std::mem::take(&mut self.floor) {
            Floor::Thinking(reply) => Floor::Speaking(reply),
            floor => floor,
        };
        if let Some(latency) = latency {
            self.event(Event::Latency(latency.clone()));
            // The time of a tool is nothing that a knob could shorten.
            if by_itself {
                self.steer(&latency);
            }
        }
    }

    pub(super) fn held(&mut self, id: ReplyId, position: u64) {
        if self.floor.is_held() {
            self.playout(id, position);
        } else {
            self.stats.late += 1;
        }
    }

    pub(super) fn playout_overdue(&mut self) {
        self.fail(Stage::Playout, "the audio output stands still".into());
        if let Some(reply) = self.floor.take() {
            self.end_reply(*reply, ReplyEnd::Failed);
        }
    }

    /// Tells the words that became audible.
    pub(super) fn tell_heard(&mut self, reply: ReplyId, text: String) {
        if !text.is_empty() {
            self.event(Event::AgentSpoke { reply, text });
        }
    }
}
