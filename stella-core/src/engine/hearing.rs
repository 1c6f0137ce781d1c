//! What the engine does about voices and their transcripts.

use std::time::Duration;

use super::{
    Command, DiscardReason, EndpointingMode, Engine, Event, Part, Source, Stage, Verdict, Wait,
    floor::Floor,
    judge::{Overlapping, words},
    listener::{Limit, Listener, Pause, Score, Speaker, Utterance},
    options::{Interruptibility, Others},
    overlap::{Due, Judging, Overlap},
    reply::Reply,
    step::Step,
    turn::{Moments, text},
};
use crate::{
    id::{ScoreId, SpeakerId, UtteranceId},
    time::Timestamp,
};

/// Most speakers of one conversation; voices beyond are not heard, and an error says so.
pub(super) const MAX_SPEAKERS: usize = 64;

/// Finished utterances whose late final transcript is still worth telling.
pub(super) const MAX_CORRECTIONS: usize = 8;

impl Engine {
    /// The speaker, who is here, known before or not; `None` if there are too many.
    pub(super) fn speaker(&mut self, id: SpeakerId) -> Option<usize> {
        if let Some(index) = self.known(id) {
            self.speakers[index].present = true;
            self.somebody_here(id);
            return Some(index);
        }
        let gone = |s: &Speaker| !s.present && matches!(s.listener, Listener::Silent);
        if self.speakers.len() >= MAX_SPEAKERS {
            self.speakers.retain(|s| !gone(s));
        }
        if self.speakers.len() >= MAX_SPEAKERS {
            self.fail(Stage::Limit, format!("more than {MAX_SPEAKERS} speakers"));
            return None;
        }
        self.speakers.push(Speaker::new(id));
        self.somebody_here(id);
        Some(self.speakers.len() - 1)
    }

    /// A speaker of whom something is known, whether here or not.
    pub(super) fn known(&self, id: SpeakerId) -> Option<usize> {
        self.speakers.iter().position(|speaker| speaker.id == id)
    }

    pub(super) fn voice_started(&mut self, speaker: SpeakerId, since: Timestamp) {
        let Some(index) = self.speaker(speaker) else { return };
        let since = since.min(self.now);
        self.learn_pause(index, since);
        let utterance = match self.speakers[index].listener.take() {
            Listener::Silent => {
                let utterance = Utterance::new(UtteranceId(self.ids.next()), since);
                self.command(Command::StartUtterance { speaker, utterance: utterance.id });
                utterance
            }
            speaking @ Listener::Speaking(_) => {
                self.speakers[index].listener = speaking;
                return;
            }
            Listener::Pausing { mut utterance, .. } | Listener::Ready { mut utterance, .. } => {
                (utterance.weighed, utterance.ended) = (self.was_given_way(&utterance), false);
                utterance.listened = false;
                utterance
            }
        };
        let id = utterance.id;
        let given_way = self.was_given_way(&utterance);
        self.speakers[index].listener = Listener::Speaking(utterance);
        self.user_active();
        self.drop_speculation_on(id);
        if self.drives(speaker) && !given_way {
            self.begin_overlap(id, since);
        }
    }

    pub(super) fn voice_ended(&mut self, speaker: SpeakerId, last_voiced: Timestamp) {
        let Some(index) = self.known(speaker) else { return };
        let mut utterance = match self.speakers[index].listener.take() {
            Listener::Speaking(utterance) => utterance,
            other => {
                self.speakers[index].listener = other;
                return;
            }
        };
        if matches!(utterance.limit, Limit::Cutting { .. } | Limit::Overdue { .. }) {
            utterance.limit = Limit::Overdue { asked: None }; // the turn ends by itself, unless the voice goes on
        }
        utterance.checkpoint += 1;
        let (id, checkpoint) = (utterance.id, utterance.checkpoint);
        self.command(Command::Checkpoint { utterance: id, checkpoint });
        let mut score = Score::None;
        if self.config.endpointing.mode == EndpointingMode::Score {
            let request = ScoreId(self.ids.next());
            score = Score::Pending(request);
            let before = text(&self.turn.collected().parts);
            let transcript = format!("{before} {}", utterance.text).trim().to_owned();
            self.command(Command::Score { score: request, speaker, transcript });
        }
        let last_voiced = last_voiced.max(utterance.since).min(self.now);
        let mut pause = Pause::new(self.now, last_voiced, score);
        pause.stable_at = self.stable_at(&utterance.text);
        self.speakers[index].listener = Listener::Pausing { utterance, pause };
        self.weigh_pause(index);
        self.active();
        match &mut self.overlap {
            Overlap::Judging(judging) if judging.utterance == id => judging.ended = Some(self.now),
            Overlap::Listening { utterance, .. } if *utterance == id => {
                self.overlap = Overlap::Dismissed { utterance: id };
            }
            _ => {}
        }
    }

    pub(super) fn transcribed(
        &mut self,
        utterance: UtteranceId,
        words: String,
        checkpoint: Option<u32>,
        confidence: Option<f32>,
    ) {
        let now = self.now;
        let Some(index) = self.listening_to(utterance) else {
            return self.transcribed_late(utterance, words, checkpoint);
        };
        let speaker = self.speakers[index].id;
        let listener = &mut self.speakers[index].listener;
        let speaking = listener.is_speaking();
        let stable_after = self.config.speculation.stable_after;
        let interim = self.config.speculation.enabled && self.config.speculation.interim;
        let Some(known) = listener.utterance_mut() else { return };
        let (before, latest) = (known.text.clone(), words.clone());
        let speaking = speaking && !(known.is_cutting() && checkpoint == Some(known.checkpoint));
        if !known.transcribe(words, checkpoint, speaking) {
            self.stats.late += 1;
            return;
        }
        if known.text == latest {
            known.confidence = confidence;
        }
        let text = known.text.trim().to_owned();
        let changed = text != before.trim();
        let is_final = known.is_final();
        if checkpoint.is_some() {
            listener.wait_on(now + self.config.endpointing.transcript_by);
        }
        if let Some(pause) = listener.pause_mut() {
            if is_final {
                (pause.transcribed, pause.stable_at) = (Some(now), None);
            } else if changed {
                pause.stable_at = (interim && !text.is_empty()).then(|| now + stable_after);
            }
        }
        if changed {
            self.drop_other_speculation(utterance, &text);
            self.event(Event::UserTranscript { speaker, utterance, text, is_final: false });
        }
        self.weigh_overlap(utterance);
        self.weigh_pause(index);
        self.after_transcript(utterance);
    }

    pub(super) fn transcript_failed(&mut self, utterance: UtteranceId, checkpoint: u32) {
        let open = self.speakers.iter().filter_map(|s| s.listener.utterance()).find(|u| u.id == utterance);
        let known = open.filter(|u| u.awaits(checkpoint)).map(|u| (u.text.clone(), u.confidence));
        let Some((known, confidence)) = known else {
            self.stats.late += 1;
            return;
        };
        self.fail(Stage::Transcript, format!("no transcript of {utterance}, checkpoint {checkpoint}"));
        // What is known of the words has to do.
        self.transcribed(utterance, known, Some(checkpoint), confidence);
    }

    /// A final transcript of an utterance that was taken as it stood: told, but the turn stays as it is.
    fn transcribed_late(&mut self, utterance: UtteranceId, text: String, checkpoint: Option<u32>) {
        self.stats.late += 1;
        let awaited = self.corrections.iter().position(|&(id, _, last)| id == utterance && checkpoint == Some(last));
        if let Some((_, speaker, _)) = awaited.and_then(|index| self.corrections.remove(index)) {
            self.event(Event::UserTranscript { speaker, utterance, text: text.trim().to_owned(), is_final: true });
        }
    }

    fn after_transcript(&mut self, utterance: UtteranceId) {
        let Some(index) = self.listening_to(utterance) else { return };
        match &self.speakers[index].listener {
            Listener::Ready { utterance, .. } if utterance.is_final() => self.finish(index),
            Listener::Pausing { .. } => self.speculate(index),
            Listener::Speaking(utterance) if utterance.is_cutting() && utterance.is_final() => self.cut_turn(index),
            Listener::Speaking(_) => self.check_words(index),
            Listener::Silent | Listener::Ready { .. } => {}
        }
    }

    /// When interim text that is known now will have been stable for long enough.
    fn stable_at(&self, text: &str) -> Option<Timestamp> {
        let options = &self.config.speculation;
        let wanted = options.enabled && options.interim && !text.trim().is_empty();
        wanted.then(|| self.now + options.stable_after)
    }

    pub(super) fn text_is_stable(&mut self, index: usize) {
        if let Some(pause) = self.speakers[index].listener.pause_mut() {
            pause.stable_at = None;
            self.speculate(index);
        }
    }

    pub(super) fn scored(&mut self, score: ScoreId, probability: Option<f32>) {
        let awaited = |speaker: &mut Speaker| match &mut speaker.listener {
            Listener::Pausing { pause, .. } if pause.score == Score::Pending(score) => {
                pause.scored(probability);
                true
            }
            _ => false,
        };
        match self.speakers.iter_mut().position(awaited) {
            Some(index) => {
                self.weigh_pause(index);
                self.speculate(index);
            }
            None => self.stats.late += 1,
        }
    }

    /// The speaker is gone: what they said is complete.
    pub(super) fn left(&mut self, speaker: SpeakerId) {
        self.voice_ended(speaker, self.now);
        if let Some(index) = self.known(speaker) {
            self.speakers[index].present = false;
            self.end_pause(index, Wait::Left);
            self.somebody_left(speaker);
        }
    }

    /// The silence has ended the turn.
    pub(super) fn decide(&mut self, index: usize) {
        match self.speakers[index].listener.take() {
            Listener::Pausing { utterance, mut pause } => {
                pause.decide_at = self.now;
                let is_final = utterance.is_final();
                let transcript_by = self.now + self.config.endpointing.transcript_by;
                self.speakers[index].listener = Listener::Ready { utterance, pause, transcript_by };
                if is_final {
                    self.finish(index);
                } else {
                    self.speculate(index);
                }
            }
            other => self.speakers[index].listener = other,
        }
    }

    /// The utterance is over: its words go into the turn, or are discarded.
    pub(super) fn finish(&mut self, index: usize) {
        let speaker = self.speakers[index].id;
        let (utterance, pause) = match self.speakers[index].listener.take() {
            Listener::Ready { utterance, pause, .. } => (utterance, pause),
            other => {
                self.speakers[index].listener = other;
                return;
            }
        };
        self.command(Command::FinishUtterance { utterance: utterance.id });
        let interim = !utterance.is_final();
        self.expect_correction(speaker, &utterance);
        let words = utterance.text.trim().to_owned();
        let moments = pause.moments(self.now);
        if self.config.endpointing.adaptive {
            self.speakers[index].finished = Some(pause.last_voiced);
        }
        if !words.is_empty() {
            let (utterance, text) = (utterance.id, words.clone());
            self.event(Event::UserTranscript { speaker, utterance, text, is_final: true });
        }
        let part = Part { speaker, source: Source::Utterance(utterance.id), text: words, interim };
        self.file(&utterance, part, moments);
        if self.overlap.utterance() == Some(utterance.id) {
            self.overlap = Overlap::None;
        }
    }

    /// The final transcript of an utterance that is taken as it stands may still be told.
    pub(super) fn expect_correction(&mut self, speaker: SpeakerId, utterance: &Utterance) {
        if utterance.is_final() {
            return;
        }
        self.corrections.push_back((utterance.id, speaker, utterance.checkpoint));
        if self.corrections.len() > MAX_CORRECTIONS {
            self.corrections.pop_front();
        }
    }

    /// Decides where the words of a finished utterance belong.
    fn file(&mut self, spoken: &Utterance, part: Part, moments: Moments) {
        let utterance = spoken.id;
        if words(&part.text).next().is_none() {
            self.drop_speculation_on(utterance);
            self.resume(utterance);
            return self.discard(part, DiscardReason::Noise);
        }
        if !self.drives(part.speaker) {
            self.resume(utterance);
            self.drop_speculation_on(utterance);
            return match self.config.conversation.others {
                Others::Merge => {
                    self.drop_speculation();
                    self.add(part);
                }
                Others::Ignore => self.discard(part, DiscardReason::NotAddressed),
            };
        }
        let overlaps = self.floor.reply().is_some_and(|reply| !reply.is_speculative() && reply.options.interruptible)
            && !self.was_given_way(spoken);
        // What the application commits is meant, whatever it sounds like.
        let verdict = if moments.wait == Wait::Manual {
            Verdict::Interruption
        } else {
            self.verdict(spoken, moments.last_voiced.since(spoken.since), true)
        };
        if overlaps && self.config.interruption.enabled {
            // What was said before the reply began is no sign of listening to it.
            let over = spoken.over.is_some_and(|(over, _)| self.floor.reply().is_some_and(|reply| reply.id == over));
            let meant = (!over && !spoken.listened) || self.is_answerable(spoken);
            match verdict {
                Verdict::Backchannel | Verdict::Noise if meant => self.resume(utterance),
                Verdict::Backchannel | Verdict::Echo => {
                    self.resume(utterance);
                    return self.discard(part, DiscardReason::Backchannel);
                }
                Verdict::Noise => {
                    self.resume(utterance);
                    return self.discard(part, DiscardReason::Noise);
                }
                // What is said while nothing may interrupt yet is answered afterwards.
                Verdict::Interruption | Verdict::Unsure if self.warm_until().is_some() => self.resume(utterance),
                Verdict::Interruption | Verdict::Unsure => self.cut_off(Some(utterance)),
            }
        } else if spoken.is_stray(verdict) {
            self.drop_speculation_on(utterance);
            return self.discard(part, DiscardReason::Backchannel);
        }
        self.collect(part, moments);
        self.adopt_speculation(utterance, moments);
    }

    /// Whether the reply on the floor was begun over this utterance, after it was given way for long enough.
    fn was_given_way(&self, spoken: &Utterance) -> bool {
        spoken.given_way.is_some() && spoken.given_way == self.floor.reply().map(|reply| reply.id)
    }

    /// Whether a short word is an answer to the reply on the floor: it came when the reply had nearly come to its end,
    /// and no tool is at work.
    fn is_answerable(&self, spoken: &Utterance) -> bool {
        let boundary = self.samples(self.config.interruption.answer_boundary);
        let ends = |reply: &Reply| {
            let begun = spoken.over.filter(|(over, _)| *over == reply.id);
            let near = begun.is_some_and(|(_, position)| reply.speech.ends_within(position, boundary));
            matches!(reply.step, Step::Done) && reply.speech.is_heard() && near
        };
        self.floor.reply().is_some_and(ends)
    }

    /// Until when a pause is no end of the turn: what was said so far would not be one, but may be its beginning.
    pub(super) fn may_go_on_until(&self, utterance: UtteranceId) -> Option<Timestamp> {
        match &self.overlap {
            Overlap::Judging(judging) if judging.utterance == utterance => {
                let spoken = self.listening_to(utterance).and_then(|index| self.speakers[index].listener.utterance());
                judging.resume_at.filter(|_| !spoken.is_some_and(|spoken| self.is_answerable(spoken)))
            }
            _ => None,
        }
    }

    pub(super) fn discard(&mut self, part: Part, reason: DiscardReason) {
        self.event(Event::Discarded { source: part.source, text: part.text, reason });
    }

    pub(super) fn listening_to(&self, utterance: UtteranceId) -> Option<usize> {
        self.speakers.iter().position(|s| s.listener.utterance().is_some_and(|u| u.id == utterance))
    }

    // Overlap

    /// Speech has begun while a reply may have the floor.
    pub(super) fn begin_overlap(&mut self, utterance: UtteranceId, since: Timestamp) {
        let firm = |reply: &Reply| !reply.options.interruptible && !faulty!(self, HoldsFirmReplies);
        let enabled = self.config.interruption.enabled;
        let Some(reply) = self.floor.reply().filter(|reply| enabled && !firm(reply) && !reply.is_speculative()) else {
            return;
        };
        let hold_after = self.interruptibility(reply).hold_after;
        let hold_at = (since + hold_after).max(self.warm_until().unwrap_or_default());
        let understood = self.samples(self.config.interruption.start_boundary + self.now.since(since));
        let early = reply.speech.is_heard() && reply.speech.heard() < understood;
        let begun = reply.speech.position().saturating_sub(self.samples(self.now.since(since)));
        let over = Some((reply.id, begun));
        match &mut self.overlap {
            Overlap::Judging(judging) if judging.utterance == utterance => {
                (judging.ended, judging.resume_at) = (None, None);
            }
            Overlap::Judging(_) | Overlap::Listening { .. } => {}
            Overlap::None | Overlap::Dismissed { .. } => {
                self.overlap = Overlap::Listening { utterance, since, hold_at };
            }
        }
        let mut open = self.speakers.iter_mut().filter_map(|s| s.listener.utterance_mut());
        if let Some(spoken) = open.find(|u| u.id == utterance) {
            spoken.over = over;
            if self.overlap.utterance() == Some(utterance) {
                spoken.weighed = true;
                spoken.early |= early;
            }
        }
    }

    /// How readily speech interrupts a reply now.
    pub(super) fn interruptibility(&self, reply: &Reply) -> Interruptibility {
        let options = &self.config.interruption;
        let by_state = if reply.speech.is_heard() { options.speaking } else { options.thinking };
        reply.options.interruptibility.unwrap_or(by_state)
    }

    /// Until when nothing interrupts, because the agent has only begun to be heard in this conversation.
    fn warm_until(&self) -> Option<Timestamp> {
        let until = self.first_heard? + self.config.interruption.warm_up;
        (until > self.now).then_some(until)
    }

    /// Somebody else who is speaking over the reply and was not weighed yet.
    fn unweighed(&self) -> Option<(UtteranceId, Timestamp)> {
        let speaking = self.speakers.iter().filter(|s| s.listener.is_speaking() && self.drives(s.id));
        speaking.filter_map(|s| s.listener.utterance()).find(|u| !u.weighed).map(|u| (u.id, u.since))
    }

    /// If nobody's speech over the reply is being weighed, weighs that of the next speaker.
    pub(super) fn next_overlap(&mut self) {
        if matches!(self.overlap, Overlap::None | Overlap::Dismissed { .. })
            && let Some((utterance, since)) = self.unweighed()
        {
            self.begin_overlap(utterance, since);
        }
    }

    pub(super) fn overlap_due(&mut self, due: Due) {
        let Some(utterance) = self.overlap.utterance() else { return };
        match due {
            Due::Hold => self.hold(),
            Due::Commit => self.cut_off(Some(utterance)),
            Due::Resume => self.resume(utterance),
        }
    }

    fn hold(&mut self) {
        let Overlap::Listening { utterance, since, .. } = self.overlap else { return };
        let Some(reply) = self.floor.take() else {
            self.overlap = Overlap::None;
            return;
        };
        let ended = match self.listening_to(utterance).map(|index| &self.speakers[index].listener) {
            Some(Listener::Speaking(_)) => None,
            _ => Some(self.now),
        };
        self.event(Event::Overlap { reply: reply.id, utterance });
        if reply.speech.is_started() {
            self.command(Command::Hold { reply: reply.id });
        }
        self.floor = Floor::Held(reply);
        self.overlap = Overlap::Judging(Judging { ended, ..Judging::new(utterance, since, self.now) });
        self.weigh_overlap(utterance);
    }

    /// The reply stays held, because somebody else speaks over it too.
    fn judge_next(&mut self, utterance: UtteranceId, since: Timestamp, held: Timestamp) {
        let Some(reply) = self.floor.reply().map(|reply| reply.id) else { return };
        self.event(Event::Overlap { reply, utterance });
        self.overlap = Overlap::Judging(Judging::new(utterance, since, held));
        let mut open = self.speakers.iter_mut().filter_map(|s| s.listener.utterance_mut());
        if let Some(weighed) = open.find(|u| u.id == utterance) {
            weighed.weighed = true;
        }
        self.weigh_overlap(utterance);
    }

    /// Judges the overlap again, because more of its words are known.
    fn weigh_overlap(&mut self, utterance: UtteranceId) {
        if self.overlap.utterance() != Some(utterance) || self.warm_until().is_some() {
            return;
        }
        let Some(index) = self.listening_to(utterance) else { return };
        let listener = &self.speakers[index].listener;
        let Some(known) = listener.utterance() else { return };
        let is_final = !listener.is_speaking() && known.is_final();
        let count = words(&known.text).count();
        let last_voiced = listener.last_voiced(self.now);
        let voiced = last_voiced.since(known.since);
        let verdict = if count == 0 { Verdict::Unsure } else { self.verdict(known, voiced, is_final) };
        let harmless = matches!(verdict, Verdict::Backchannel | Verdict::Noise | Verdict::Echo);
        let enough = self.floor.reply().map_or(1, |reply| self.interruptibility(reply).min_words);
        let over = is_final && (count == 0 || harmless);
        let resume_at = last_voiced + self.config.interruption.resume_after;
        if let Overlap::Judging(judging) = &mut self.overlap {
            judging.words = count > 0;
            judging.harmless = harmless;
            judging.resume_at = over.then_some(resume_at);
        }
        if over && resume_at <= self.now {
            self.resume(utterance);
        } else if verdict == Verdict::Interruption || (!harmless && count >= enough) {
            self.cut_off(Some(utterance));
        }
    }

    pub(super) fn verdict(&self, spoken: &Utterance, voiced: Duration, is_final: bool) -> Verdict {
        let agent_text = self.heard_over(spoken);
        let (text, confidence) = (spoken.text.trim(), spoken.confidence);
        match self.judge.judge(Overlapping { text, voiced, is_final, confidence, agent_text: &agent_text }) {
            // Nobody shows that they listen to what they have not heard yet: the word belongs to their own turn.
            Verdict::Backchannel if spoken.early => {
                if is_final {
                    Verdict::Interruption
                } else {
                    Verdict::Unsure
                }
            }
            verdict => verdict,
        }
    }

    /// What the agent was heard saying while this was said.
    fn heard_over(&self, spoken: &Utterance) -> String {
        let now = self.floor.reply().map(|reply| reply.speech.split(None).0).unwrap_or_default();
        format!("{} {now}", spoken.outlasted)
    }

    /// A reply ends: the echo of what was heard of it outlasts it, and so do signs of listening to it.
    pub(super) fn outlast(&mut self, reply: &Reply, heard: &str, finished: bool) {
        let boundary = self.samples(self.config.interruption.answer_boundary);
        for utterance in self.speakers.iter_mut().filter_map(|s| s.listener.utterance_mut()) {
            heard.clone_into(&mut utterance.outlasted);
            let over = utterance.over.filter(|(over, _)| finished && *over == reply.id);
            utterance.listened |= over.is_some_and(|(_, position)| !reply.speech.ends_within(position, boundary));
        }
    }

    /// The overlap was no interruption: the reply goes on.
    pub(super) fn resume(&mut self, utterance: UtteranceId) {
        if self.overlap.utterance() != Some(utterance) {
            return;
        }
        let held = match &self.overlap {
            Overlap::Judging(judging) => Some(judging.held),
            Overlap::None | Overlap::Listening { .. } | Overlap::Dismissed { .. } => None,
        };
        self.overlap = match self.listening_to(utterance) {
            Some(_) => Overlap::Dismissed { utterance },
            None => Overlap::None,
        };
        if !self.floor.is_held() {
            return;
        }
        let Some(mut reply) = self.floor.take() else { return };
        self.event(Event::FalseInterruption { reply: reply.id, utterance });
        if let (Some((next, since)), Some(held)) = (self.unweighed(), held)
            && self.now < held + self.config.interruption.max_hold
        {
            self.floor = Floor::Held(reply);
            return self.judge_next(next, since, held);
        }
        if reply.speech.is_started() {
            let (from, between_words) = reply.speech.resume_from();
            reply.speech.rewind(self.now, from);
            self.command(Command::Resume { reply: reply.id, from, between_words });
        }
        self.floor.give(reply);
    }
}
