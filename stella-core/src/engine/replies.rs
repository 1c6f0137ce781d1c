//! What the engine does about replies: generation, tools, recovery.

use super::{
    Command, Engine, Event, ReplyEnd, Stage, TurnOutcome,
    judge::words,
    ledger::Cut,
    overlap::Overlap,
    reply::{Purpose, Reply},
    step::Step,
    turn::Turn,
};
use crate::{
    chat::{ChatItem, Role, ToolCall},
    id::{CallId, GenerationId, UtteranceId},
    llm::TokenUsage,
    time::Timestamp,
};

/// Characters of one reply after which its generation is cut: half an hour of speech.
const MAX_REPLY: usize = 30_000;

/// Tools that may go on in the background; the oldest is cancelled for a further one.
pub(super) const MAX_DETACHED: usize = 64;

/// Tool calls of one reply; further ones are refused.
const MAX_CALLS: usize = 64;

/// Characters of one token of English, about.
const CHARACTERS_A_TOKEN: usize = 4;

impl Engine {
    /// Gives the floor to a reply.
    pub(super) fn start(&mut self, mut reply: Box<Reply>) {
        if !reply.is_speculative() {
            self.event(Event::ReplyStarted { reply: reply.id, turn: reply.turn().map(|turn| turn.id) });
        }
        let words = match &reply.purpose {
            Purpose::Say { text } | Purpose::Farewell { text } => Some(text.clone()),
            Purpose::Answer { .. } | Purpose::Initiative { .. } => None,
        };
        if let Some(words) = &words {
            reply.speech.push(0, words, &self.speech());
            reply.speech.flush(0);
        }
        self.floor.give(reply);
        self.stop_yielding();
        if words.is_none() {
            self.generate();
        }
        // Whoever is speaking already speaks over it; but not over a reply that has let them finish for long enough.
        let own = self.floor.reply().filter(|reply| reply.turn().is_none()).map(|reply| reply.id);
        for index in 0..self.speakers.len() {
            let given_way = own.filter(|_| self.is_unfinished(&self.speakers[index]));
            if let Some(utterance) = self.speakers[index].listener.utterance_mut() {
                (utterance.given_way, utterance.weighed) = (given_way, given_way.is_some());
            }
        }
    }

    /// Asks for the next generation of the reply on the floor.
    fn generate(&mut self) {
        let generation = GenerationId(self.ids.next());
        let (now, by) = (self.now, self.now + self.config.recovery.first_token_by);
        let Some(reply) = self.floor.reply_mut() else { return };
        reply.step = Step::Requested { generation, by };
        reply.stamps.requested.get_or_insert(now);
        let tools = reply.round < self.config.conversation.max_tool_rounds && !self.tools.is_empty();
        let unheard = self.unheard.as_deref().filter(|_| self.config.conversation.show_unheard);
        let chat = reply.context(&self.instructions, &self.history, unheard);
        self.command(Command::Generate { generation, chat, tools });
    }

    /// The reply whose open generation this is.
    fn generating(&mut self, generation: GenerationId) -> Option<&mut Reply> {
        let awaited = self.floor.reply().is_some_and(|reply| reply.step.generation() == Some(generation));
        if !awaited {
            self.stats.late += 1;
        }
        self.floor.reply_mut().filter(|_| awaited)
    }

    pub(super) fn text(&mut self, generation: GenerationId, text: &str) {
        let (now, by) = (self.now, self.now + self.config.recovery.next_token_by);
        let options = self.speech();
        let Some(reply) = self.generating(generation) else { return };
        reply.step = Step::Streaming { generation, by };
        if text.is_empty() {
            return;
        }
        reply.stamps.first_token.get_or_insert(now);
        reply.length += text.chars().count();
        if words(text).next().is_some() {
            reply.worded.get_or_insert(reply.round);
            reply.stamps.first_words.get_or_insert(now);
        }
        reply.speech.push(reply.round, text, &options);
        let too_long = reply.length > MAX_REPLY;
        if too_long {
            self.cancel(generation);
            self.fail(Stage::Limit, format!("a reply of more than {MAX_REPLY} characters was cut"));
            self.generated(generation, None);
        }
    }

    pub(super) fn tool_called(&mut self, generation: GenerationId, call: ToolCall) {
        let (now, by) = (self.now, self.now + self.config.recovery.next_token_by);
        let policy = self.tools.get(&call.name).copied().unwrap_or_default();
        let allowed = self.config.conversation.max_tool_rounds;
        let named = |item: &ChatItem| matches!(item, ChatItem::ToolCall(known) if known.id == call.id);
        let taken = self.history.iter().any(named);
        let next = self.ids.peek();
        let Some(reply) = self.generating(generation) else { return };
        reply.step = Step::Streaming { generation, by };
        reply.stamps.first_token.get_or_insert(now);
        if reply.round >= allowed || reply.ledger.len() >= MAX_CALLS {
            return self.fail(Stage::Tool, "the model called a tool after its last round".into());
        }
        reply.ledger.enter(CallId(next), reply.round, call, policy, taken);
        self.ids.next();
    }

    pub(super) fn generated(&mut self, generation: GenerationId, usage: Option<TokenUsage>) {
        let (now, retries) = (self.now, self.config.recovery.retries);
        // A tool may have asked for words of its own.
        let first_call = self.floor.reply().and_then(|reply| reply.ledger.first());
        let spoken_for = self.waiting.iter().any(|reply| first_call.is_some_and(|call| reply.id.0 > call.0));
        let Some(reply) = self.generating(generation) else { return };
        let spent = usage.unwrap_or_default();
        reply.usage = reply.usage.plus(spent);
        let round = reply.round;
        reply.speech.flush(round);
        // Who has said something before the tools may leave it at that, but only if asked twice.
        let again = !reply.is_speculative() && reply.failures < retries;
        let again = again && reply.speech.text(round).trim().is_empty();
        let silent = !reply.ledger.may_be_quiet() && (reply.worded.is_none() || (round > 0 && again));
        if reply.ledger.has_calls(round) {
            reply.step = Step::Tools { since: now };
        } else if silent && !spoken_for {
            self.generation_failed(generation, true, "the model said nothing".into());
        } else {
            reply.step = Step::Done;
        }
    }

    /// The recovery script: try again if nothing was used yet, else apologise. It is never silence.
    pub(super) fn generation_failed(&mut self, generation: GenerationId, retryable: bool, error: String) {
        let now = self.now;
        let Some(reply) = self.generating(generation) else { return };
        reply.step = Step::Done;
        reply.stamps.generations_failed += 1;
        self.fail(Stage::Generation, error);
        if self.floor.reply().is_some_and(Reply::is_speculative) {
            return self.drop_speculation();
        }
        let recovery = self.config.recovery.clone();
        let options = self.config.speech.clone();
        let Some(reply) = self.floor.reply_mut() else { return };
        reply.speech.forget_rest();
        let round = reply.round;
        let unused = reply.speech.text(round).trim().is_empty() && !reply.ledger.has_calls(round);
        if unused && retryable && reply.failures < recovery.retries {
            reply.failures += 1;
            if reply.worded == Some(round) {
                (reply.worded, reply.stamps.first_words) = (None, None); // forgotten
            }
            return self.generate();
        }
        reply.failed = true;
        reply.step = Step::Done;
        reply.stamps.first_token.get_or_insert(now);
        reply.stamps.first_words.get_or_insert(now);
        reply.speech.push(round, &recovery.apology, &options);
        reply.speech.flush(round);
        let cuts = reply.ledger.cut();
        self.cut_tools(cuts);
    }

    pub(super) fn step_overdue(&mut self) {
        let Some(generation) = self.floor.reply().and_then(|reply| reply.step.generation()) else { return };
        self.cancel(generation);
        self.generation_failed(generation, true, format!("{generation} gave nothing in time"));
    }

    /// Cancels the generation of the reply on the floor, which goes on.
    fn cancel(&mut self, generation: GenerationId) {
        self.command(Command::CancelGeneration { generation });
        let spent = self.floor.reply().map(|reply| self.estimated(reply)).unwrap_or_default();
        if let Some(reply) = self.floor.reply_mut() {
            reply.usage = reply.usage.plus(spent);
        }
    }

    /// What the open generation of a reply has cost, about: once it is cancelled, nobody tells.
    fn estimated(&self, reply: &Reply) -> TokenUsage {
        let unheard = self.unheard.as_deref().filter(|_| self.config.conversation.show_unheard);
        let prompt = reply.context(&self.instructions, &self.history, unheard).characters();
        estimate(prompt, reply.speech.written(reply.round))
    }

    // Tools

    /// Starts the calls that may run, and goes on once all have their output.
    pub(super) fn advance_tools(&mut self) {
        let now = self.now;
        // What changes something outside waits until the reply is certain, and nobody speaks over it.
        let reckless = faulty!(self, ActsOnSpeculation);
        let spoken_over = self.floor.is_held() || matches!(self.overlap, Overlap::Listening { .. });
        loop {
            let Some(reply) = self.floor.reply_mut() else { return };
            let speculative = reply.is_speculative();
            let harmless_only = (speculative && !reckless) || spoken_over;
            let Some((call, request)) = reply.ledger.start(now, harmless_only) else { break };
            if !speculative && reply.ledger.has_effects() {
                self.record_turn();
            }
            self.command(Command::RunTool { call, request });
        }
        let Some(reply) = self.floor.reply_mut() else { return };
        if matches!(reply.step, Step::Tools { .. }) && reply.ledger.is_settled() {
            reply.round += 1;
            reply.failures = 0;
            if reply.stamps.first_words.is_none() {
                reply.stamps.tools_done = Some(now);
            }
            self.generate();
        }
    }

    /// When something should be said because tools keep the user waiting.
    pub(super) fn filler_at(&self) -> Option<Timestamp> {
        let options = &self.config.conversation;
        let reply = self.floor.reply().filter(|reply| !reply.is_speculative() && !self.floor.is_held())?;
        let Step::Tools { since } = reply.step else { return None };
        let wanted = !options.filler.is_empty() && !reply.filled && !reply.mute && reply.speech.is_played();
        let quiet = since.max(reply.speech.moved().unwrap_or(since)).max(reply.turn().map_or(since, |t| t.committed));
        wanted.then(|| quiet + options.filler_after)
    }

    pub(super) fn fill(&mut self) {
        let (now, filler) = (self.now, self.config.conversation.filler.clone());
        if let Some(reply) = self.floor.reply_mut() {
            reply.filled = true;
            if reply.stamps.first_words.is_none() {
                (reply.stamps.tools_done, reply.stamps.first_words) = (Some(now), Some(now));
            }
            reply.speech.interject(reply.round, filler);
        }
    }

    pub(super) fn tool_returned(&mut self, call: CallId, output: String, is_error: bool) {
        if let Some(index) = self.detached.iter().position(|(id, ..)| *id == call) {
            let (_, name, _) = self.detached.remove(index);
            let what = if is_error { "failed" } else { "finished" };
            let note = format!("The tool {name}, which went on in the background, has {what}: {output}");
            self.remember(ChatItem::message(Role::System, note));
            return self.renew_speculation();
        }
        let taken = self.floor.reply_mut().is_some_and(|reply| reply.ledger.output(call, output, is_error));
        self.stats.late += u64::from(!taken);
    }

    pub(super) fn tool_overdue(&mut self, call: CallId) {
        self.command(Command::CancelTool { call });
        self.fail(Stage::Tool, format!("{call} did not return in time"));
        self.tool_returned(call, "timed out".into(), true);
    }

    fn cut_tools(&mut self, cuts: Vec<Cut>) {
        for cut in cuts {
            match cut {
                Cut::Cancelled(call) => self.command(Command::CancelTool { call }),
                Cut::Detached(call, name, by) => self.detached.push((call, name, by)),
            }
        }
        while self.detached.len() > MAX_DETACHED {
            let oldest = self.detached[0].0;
            self.command(Command::CancelTool { call: oldest });
            self.fail(Stage::Limit, format!("more than {MAX_DETACHED} tools go on in the background"));
            self.tool_returned(oldest, "cancelled: too many tools go on in the background".into(), true);
        }
    }

    // Ends

    /// The user takes the floor: the reply is withdrawn if it has left no trace, else cut off where it was heard.
    pub(super) fn cut_off(&mut self, utterance: Option<UtteranceId>) {
        let Some(reply) = self.floor.take() else { return };
        if reply.turn().is_some() && reply.is_traceless() {
            self.roll_back(*reply);
            self.turn.collected_mut().awaits = utterance;
            return;
        }
        self.event(Event::Interrupted { reply: reply.id, utterance });
        self.end_reply(*reply, ReplyEnd::Interrupted);
    }

    /// Drops everything that is under way for a reply.
    fn abandon(&mut self, reply: &mut Reply) {
        if let Some(generation) = reply.step.generation().filter(|_| !faulty!(self, LeavesGenerationsOpen)) {
            self.command(Command::CancelGeneration { generation });
            reply.usage = reply.usage.plus(self.estimated(reply));
        }
        if let Some((segment, _)) = reply.speech.open() {
            self.command(Command::CancelSynthesis { segment });
        }
        if reply.speech.is_known() && !faulty!(self, PlaysOn) {
            self.command(Command::Stop { reply: reply.id });
        }
        reply.step = Step::Done;
    }

    /// Withdraws a reply without a trace.
    pub(super) fn roll_back(&mut self, mut reply: Reply) {
        self.overlap = Overlap::None;
        self.abandon(&mut reply);
        for cut in reply.ledger.cut() {
            let (Cut::Cancelled(call) | Cut::Detached(call, ..)) = cut;
            self.command(Command::CancelTool { call });
        }
        let (_, unheard) = reply.split();
        if faulty!(self, RemembersRolledBackReplies) {
            self.remember(ChatItem::message(Role::Assistant, unheard.clone()));
        }
        let (id, end) = (reply.id, ReplyEnd::RolledBack);
        let usage = if faulty!(self, ForgetsCosts) { TokenUsage::default() } else { reply.usage };
        self.stats.rolled_back += 1;
        self.stats.wasted = self.stats.wasted.plus(usage);
        self.event(Event::ReplyEnded { reply: id, end, heard: String::new(), unheard, usage });
        if !reply.is_speculative()
            && let Purpose::Answer { turn, .. } = reply.purpose
        {
            self.turn.reopen(turn);
        }
    }

    /// Ends a reply of which something was heard or done, or which is complete.
    pub(super) fn end_reply(&mut self, mut reply: Reply, end: ReplyEnd) {
        self.overlap = Overlap::None;
        let text = reply.speech.newly_heard();
        self.tell_heard(reply.id, text);
        self.abandon(&mut reply);
        let cuts = reply.ledger.cut();
        self.cut_tools(cuts);
        if reply.options.remember {
            if let Some(item) = reply.take_turn_record() {
                self.remember(item);
            }
            for mut item in reply.record() {
                if let ChatItem::Message(message) = &mut item {
                    message.interrupted &= !faulty!(self, HidesCuts);
                }
                self.remember(item);
            }
            self.unheard = Some(reply.split().1).filter(|text| !text.is_empty());
            if faulty!(self, RemembersUnheardWords) {
                self.remember(ChatItem::message(Role::Assistant, reply.split().1));
            }
        }
        let (heard, unheard) = reply.split();
        self.outlast(&reply, &heard, end == ReplyEnd::Finished);
        self.event(Event::ReplyEnded { reply: reply.id, end, heard, unheard, usage: reply.usage });
        if let Turn::Answering { turn, .. } = self.turn
            && reply.turn().is_some_and(|answered| answered.id == turn)
        {
            self.turn.release();
            if !faulty!(self, ForgetsOutcomes) {
                self.event(Event::TurnEnded { turn, outcome: TurnOutcome::Answered { reply: reply.id } });
            }
        }
        match end {
            ReplyEnd::Failed => self.failed_in_row += 1,
            ReplyEnd::Finished => self.failed_in_row = 0,
            ReplyEnd::Interrupted | ReplyEnd::RolledBack => {}
        }
        self.active();
    }

    /// The user's words become history, because something of their answer is heard or done.
    pub(super) fn record_turn(&mut self) {
        if let Some(item) = self.floor.reply_mut().and_then(Reply::take_turn_record) {
            self.remember(item);
        }
    }
}

/// The tokens of a generation that was cancelled, and so tells none itself.
fn estimate(prompt: usize, written: usize) -> TokenUsage {
    let tokens = |characters: usize| u32::try_from(characters.div_ceil(CHARACTERS_A_TOKEN)).unwrap_or(u32::MAX);
    TokenUsage { prompt: tokens(prompt), cached: 0, completion: tokens(written) }
}
