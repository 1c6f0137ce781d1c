//! What the engine does about the application's wishes, and about the end.

use std::time::Duration;

use super::{
    CloseReason, Command, DiscardReason, Engine, Event, Input, ReplyEnd, ReplyOptions, Source, Stage, TurnOutcome,
    closing::Closing,
    overlap::Overlap,
    reply::{Purpose, Reply},
    turn::{Collected, Turn, text},
};
use crate::{
    chat::{ChatItem, Role},
    id::{ReplyId, TurnId},
};

/// Part of the time to the end that is kept for draining, unless half of it is less.
pub(super) const DRAIN: Duration = Duration::from_millis(1_500);

impl Engine {
    pub(super) fn accept(&mut self, input: Input) {
        if !self.closing.is_open() {
            return self.accept_while_closing(input);
        }
        match input {
            Input::VoiceStarted { speaker, since } => self.voice_started(speaker, since),
            Input::VoiceEnded { speaker, last_voiced } => self.voice_ended(speaker, last_voiced),
            Input::Transcript { utterance, text, checkpoint, confidence } => {
                self.transcribed(utterance, text, checkpoint, confidence);
            }
            Input::TranscriptFailed { utterance, checkpoint } => self.transcript_failed(utterance, checkpoint),
            Input::Scored { score, probability } => self.scored(score, probability),
            Input::TurnEnded { utterance } => self.recogniser_ended(utterance),
            Input::Language { speaker, language } => {
                // It may be known only after the speaker has left, and does not bring them back.
                if let Some(index) = self.known(speaker).or_else(|| self.speaker(speaker)) {
                    self.language(index, language);
                }
            }
            Input::CommitTurn => self.commit_by_application(),
            Input::ClearTurn => self.clear_turn(),
            Input::Left { speaker } => self.left(speaker),
            Input::Joined { speaker } => {
                self.speaker(speaker);
            }
            Input::Link { speaker } => self.link(speaker),
            Input::Typed { speaker, message, text, policy } => self.typed(speaker, message, text, policy),
            Input::Reviewed { turn, review } => self.reviewed(turn, review),
            Input::Say { text, options } => self.say(text, options),
            Input::Generate { instructions, options } => {
                self.enqueue(Purpose::Initiative { instructions }, options);
            }
            Input::Interrupt { force } => self.interrupt(force),
            Input::End { reason, farewell, within } => self.end(reason, farewell, within),
            answer => self.accept_answer(answer),
        }
    }

    /// While the conversation ends, nobody is listened to; work under way may still complete.
    fn accept_while_closing(&mut self, input: Input) {
        match input {
            Input::Typed { message, text, .. } => {
                let (source, reason) = (Source::Message(message), DiscardReason::Closed);
                self.event(Event::Discarded { source, text, reason });
            }
            Input::Transcript { .. }
            | Input::TranscriptFailed { .. }
            | Input::Scored { .. }
            | Input::Reviewed { .. } => {
                self.stats.late += 1;
            }
            Input::Interrupt { force: true } => self.interrupt(true),
            Input::VoiceStarted { .. }
            | Input::VoiceEnded { .. }
            | Input::TurnEnded { .. }
            | Input::Language { .. }
            | Input::CommitTurn
            | Input::ClearTurn
            | Input::Joined { .. }
            | Input::Left { .. }
            | Input::Link { .. }
            | Input::Interrupt { .. } => {}
            Input::Say { .. } | Input::Generate { .. } => {
                self.fail(Stage::Limit, "the conversation is ending: no reply is begun".into());
            }
            Input::End { within, .. } => self.closing.hasten(self.now + within),
            answer => self.accept_answer(answer),
        }
    }

    /// Inputs that mean the same at any time.
    fn accept_answer(&mut self, input: Input) {
        match input {
            Input::Text { generation, text } => self.text(generation, &text),
            Input::ToolCalled { generation, call } => self.tool_called(generation, call),
            Input::Generated { generation, usage, .. } => self.generated(generation, usage),
            Input::GenerationFailed { generation, retryable, error } => {
                self.generation_failed(generation, retryable, error);
            }
            Input::ToolReturned { call, output, is_error } => self.tool_returned(call, output, is_error),
            Input::Audio { segment, samples } => self.audio(segment, samples),
            Input::Words { segment, words } => self.words(segment, words),
            Input::Synthesized { segment } => self.synthesized(segment),
            Input::SynthesisFailed { segment, retryable, error } => self.synthesis_failed(segment, retryable, error),
            Input::Playout { reply, position } => self.playout(reply, position),
            Input::Held { reply, position } => self.held(reply, position),
            Input::AddHistory { item } => self.restore(item),
            Input::UpdateAgent { instructions, tools } => {
                if let Some(instructions) = instructions {
                    self.instructions = instructions;
                }
                if let Some(tools) = tools {
                    self.tools = tools;
                }
                self.renew_speculation();
            }
            Input::Tick
            | Input::VoiceStarted { .. }
            | Input::VoiceEnded { .. }
            | Input::Transcript { .. }
            | Input::TranscriptFailed { .. }
            | Input::Scored { .. }
            | Input::TurnEnded { .. }
            | Input::Language { .. }
            | Input::CommitTurn
            | Input::ClearTurn
            | Input::Joined { .. }
            | Input::Left { .. }
            | Input::Link { .. }
            | Input::Typed { .. }
            | Input::Reviewed { .. }
            | Input::Say { .. }
            | Input::Generate { .. }
            | Input::Interrupt { .. }
            | Input::End { .. } => {}
        }
    }

    fn say(&mut self, text: String, options: ReplyOptions) {
        if !text.trim().is_empty() {
            self.enqueue(Purpose::Say { text }, options);
        }
    }

    /// A reply by the agent's own initiative waits for the floor.
    fn enqueue(&mut self, purpose: Purpose, options: ReplyOptions) {
        if self.waiting.len() >= self.config.conversation.max_waiting && !faulty!(self, QueuesWithoutLimit) {
            if !faulty!(self, RefusesSilently) {
                self.fail(Stage::Limit, "too many replies wait for the floor".into());
            }
            return;
        }
        let reply = Reply::new(ReplyId(self.ids.next()), purpose, options, &self.config);
        let index = self.waiting.iter().position(|w| w.options.priority < options.priority);
        self.waiting.insert(index.unwrap_or(self.waiting.len()), Box::new(reply));
        if !self.answers_go_first() {
            self.drop_speculation();
        }
    }

    /// Takes an item of an earlier conversation.
    fn restore(&mut self, item: ChatItem) {
        if let ChatItem::Message(message) = &item
            && message.role == Role::Assistant
        {
            self.unheard.clone_from(&message.unheard);
        }
        self.history.push(item);
        self.renew_speculation();
    }

    fn interrupt(&mut self, force: bool) {
        let stops = |reply: &Reply| !reply.is_speculative() && (reply.options.interruptible || force);
        if !self.floor.reply().is_some_and(stops) {
            return;
        }
        if let Some(reply) = self.floor.take() {
            self.event(Event::Interrupted { reply: reply.id, utterance: None });
            self.end_reply(*reply, ReplyEnd::Interrupted);
        }
    }

    // The end

    /// Too many replies in a row have failed: the conversation cannot go on.
    pub(super) fn give_up(&mut self) {
        let most = self.config.recovery.end_after;
        if self.closing.is_open() && most.is_some_and(|most| self.failed_in_row >= most) {
            let why = format!("{} replies in a row have failed", self.failed_in_row);
            self.end(CloseReason::Error(why), None, DRAIN);
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason, farewell: Option<String>, within: Duration) {
        let by = self.now + within;
        self.drop_speculation();
        self.overlap = Overlap::None;
        self.drop_waiting();
        if let Some(reply) = self.floor.take() {
            self.end_reply(*reply, ReplyEnd::Interrupted);
        }
        self.close_turns();
        self.close_utterances();
        let text = farewell.filter(|text| !text.trim().is_empty());
        match text {
            Some(text) => {
                self.closing = Closing::Farewell { reason, drain_at: by - DRAIN.min(within / 2), by };
                let options = ReplyOptions { interruptible: false, ..ReplyOptions::default() };
                let purpose = Purpose::Farewell { text };
                let reply = Reply::new(ReplyId(self.ids.next()), purpose, options, &self.config);
                self.start(Box::new(reply));
            }
            None => self.closing = Closing::Draining { reason, by },
        }
    }

    /// Replies that wait for the floor are not begun any more.
    fn drop_waiting(&mut self) {
        let dropped = self.waiting.len();
        self.waiting.clear();
        if dropped > 0 {
            self.fail(Stage::Limit, format!("the conversation is ending: {dropped} waiting replies are not begun"));
        }
    }

    /// Turns that are not answered never will be; their words were said nevertheless.
    fn close_turns(&mut self) {
        if let Turn::Reviewing { turn, .. } = &self.turn {
            let turn = turn.clone();
            self.close_turn(turn.id);
            self.remember(ChatItem::message(Role::User, text(&turn.parts)));
        }
        let Collected { parts, merged, reopened, .. } = std::mem::take(self.turn.collected_mut());
        self.turn = Turn::Collecting(Collected::default());
        for turn in merged {
            self.close_turn(turn);
        }
        if !parts.is_empty() {
            self.remember(ChatItem::message(Role::User, text(&parts)));
        }
        for part in parts.into_iter().skip(reopened) {
            let reason = DiscardReason::Closed;
            self.event(Event::Discarded { source: part.source, text: part.text, reason });
        }
    }

    fn close_turn(&mut self, turn: TurnId) {
        self.event(Event::TurnEnded { turn, outcome: TurnOutcome::Closed });
    }

    fn close_utterances(&mut self) {
        for index in 0..self.speakers.len() {
            let listener = self.speakers[index].listener.take();
            if let Some(utterance) = listener.utterance() {
                self.command(Command::FinishUtterance { utterance: utterance.id });
                let (source, reason) = (Source::Utterance(utterance.id), DiscardReason::Closed);
                self.event(Event::Discarded { source, text: utterance.text.trim().to_owned(), reason });
            }
        }
    }

    /// A stage of the end is over, because its work is done or its time has come.
    pub(super) fn advance_closing(&mut self, overdue: bool) {
        match &self.closing {
            Closing::Farewell { reason, by, .. } if overdue || self.floor.is_idle() => {
                self.closing = Closing::Draining { reason: reason.clone(), by: *by };
                if let Some(reply) = self.floor.take() {
                    self.end_reply(*reply, ReplyEnd::Interrupted);
                }
                self.advance_closing(false);
            }
            Closing::Draining { reason, .. } if overdue || self.detached.is_empty() => {
                let reason = reason.clone();
                for (call, ..) in std::mem::take(&mut self.detached) {
                    self.command(Command::CancelTool { call });
                }
                self.closing = Closing::Closed;
                self.tell_states();
                self.event(Event::Closed { reason });
            }
            _ => {}
        }
    }
}
