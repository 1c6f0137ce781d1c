//! The driver: one task that owns the engine of one session. It waits for nothing but its own inputs; whatever may take
//! time runs in tasks beside it, which end with it.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use stella_core::{
    engine::{CloseReason, Command, Config, DiscardReason, Engine, Event, Input, Output, Source, TurnLatency},
    id::{CallId, GenerationId, SegmentId, SpeakerId, UtteranceId},
    llm::Llm,
    time::Timestamp,
};
use stella_tools::Executor;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use super::{
    LlmOptions, Parts, SessionEnd, SessionError, SessionEvent, SessionHandle,
    hooks::Hooks,
    inputs::{Inputs, Message},
    publishing::Publishing,
    recording::Recording,
    thinking::Generation,
};
use crate::{
    agent::Agent,
    clock::Clock,
    guard,
    hearing::{Ear, EarCommand, EarParts},
    speaking::{Playout, PlayoutCommand, Store, Voice},
    transport::{Participant, Transport, TransportEvent},
};

/// Time the engine has to end when the transport is gone.
const GONE_WITHIN: Duration = Duration::from_millis(100);
/// Time beyond the engine's own limit after which the driver ends the session itself.
const OVERDUE: Duration = Duration::from_secs(1);
/// Longest wait for the last events to be published.
const PUBLISH_BY: Duration = Duration::from_secs(1);
/// Speaker of what the application types while nobody is there.
const APPLICATION: SpeakerId = SpeakerId(0);
/// Items of history shown to the turn detector.
const DETECTOR_CONTEXT: usize = 6;

/// Holds one conversation.
pub(super) async fn run(
    parts: Parts,
    handle: SessionHandle,
    messages: mpsc::Receiver<Message>,
    transport: Box<dyn Transport>,
) -> Result<SessionEnd, SessionError> {
    let closing = Closing { handle: handle.clone() };
    let recording = Recording::begin(parts.record, &parts.config).map_err(SessionError::Recording)?;
    let connection = transport.open().await?;
    let clock = Clock::start(connection.speed);
    let inputs = Inputs::new(handle.sender());
    let mut tasks = JoinSet::new();
    let (mut publishing, publisher) = Publishing::new(connection.publisher);
    let publisher = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(publisher));
    let store = Store::default();
    let (playout, commands) = mpsc::unbounded_channel();
    tasks.spawn(Playout::new(connection.audio, store.clone(), clock, inputs.clone()).run(commands));
    let voice = Voice { tts: parts.tts, options: parts.voice_options, store, inputs: inputs.clone() };
    let hooks = Hooks::new(parts.agent, handle.clone());
    let driver = Driver {
        executor: Executor::new(Arc::new(hooks.agent().tools())),
        engine: Engine::new(parts.config.clone(), parts.judge),
        config: parts.config,
        clock,
        inputs,
        handle: handle.clone(),
        hooks,
        publishing: &mut publishing,
        recording,
        ear_parts: parts.ear,
        ears: HashMap::new(),
        utterances: HashMap::new(),
        people: Vec::new(),
        llm: parts.llm,
        llm_options: parts.llm_options,
        voice,
        playout,
        generations: HashMap::new(),
        syntheses: HashMap::new(),
        calls: HashMap::new(),
        tasks,
        latencies: Vec::new(),
        entered: false,
        end_by: None,
    };
    let result = AssertUnwindSafe(driver.run(connection.events, messages)).catch_unwind().await;
    publishing.finish();
    let _ = tokio::time::timeout(PUBLISH_BY, publisher).await;
    let reason = match &result {
        Ok(end) => end.reason.clone(),
        Err(_) => CloseReason::Error("internal fault".into()),
    };
    let closed = connection.closer.close(&reason).await;
    closing.done(&reason);
    let end = result.map_err(|payload| SessionError::Broken(guard::Panicked::new(&*payload).to_string()))?;
    closed?;
    Ok(end)
}

/// Tells all handles that the session is over, also when its future is dropped.
struct Closing {
    handle: SessionHandle,
}

impl Closing {
    fn done(&self, reason: &CloseReason) {
        self.handle.close(reason);
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.handle.close(&CloseReason::Error("the session was dropped".into()));
    }
}

struct Driver<'a> {
    engine: Engine,
    config: Config,
    clock: Clock,
    inputs: Inputs,
    handle: SessionHandle,
    hooks: Hooks,
    publishing: &'a mut Publishing,
    recording: Recording,
    ear_parts: EarParts,
    ears: HashMap<SpeakerId, EarHandle>,
    /// Whose the open utterances are.
    utterances: HashMap<UtteranceId, SpeakerId>,
    /// Who is here.
    people: Vec<(SpeakerId, Participant)>,
    llm: Arc<dyn Llm>,
    llm_options: LlmOptions,
    executor: Executor,
    voice: Voice,
    playout: mpsc::UnboundedSender<PlayoutCommand>,
    generations: HashMap<GenerationId, AbortHandle>,
    syntheses: HashMap<SegmentId, AbortHandle>,
    calls: HashMap<CallId, AbortHandle>,
    tasks: JoinSet<()>,
    latencies: Vec<TurnLatency>,
    entered: bool,
    /// When the session ends at the latest, once it is to end.
    end_by: Option<Timestamp>,
}

/// The way to an ear.
struct EarHandle {
    sender: mpsc::UnboundedSender<EarCommand>,
    /// Whether its speaker is here. The ear of somebody who left goes on until what they said is recognised.
    present: bool,
}

enum Wake {
    Message(Option<Message>),
    Transport(Option<TransportEvent>),
    Due,
}

impl Driver<'_> {
    async fn run(
        mut self,
        mut events: mpsc::Receiver<TransportEvent>,
        mut messages: mpsc::Receiver<Message>,
    ) -> SessionEnd {
        let mut transport_open = true;
        let mut ended = self.update_agent();
        let reason = loop {
            if let Some(reason) = ended {
                break reason;
            }
            let now = self.clock.now();
            if self.end_by.is_some_and(|by| now >= by) {
                tracing::error!("the engine did not end in time; the session is ended without it");
                break CloseReason::Error("the conversation did not end in time".into());
            }
            let deadline = self.engine.deadline().into_iter().chain(self.end_by).min();
            let wake = if deadline.is_some_and(|deadline| deadline <= now) {
                Wake::Due
            } else {
                // In this order, not a random one, so that a session in virtual time runs again as it did. What was heard
                // of somebody comes before the news that they left.
                tokio::select! {
                    biased;
                    message = messages.recv() => Wake::Message(message),
                    event = events.recv(), if transport_open => Wake::Transport(event),
                    () = until(self.clock, deadline) => Wake::Due,
                }
            };
            ended = match wake {
                Wake::Due => self.tell(Input::Tick),
                Wake::Message(Some(message)) => self.message(message),
                // Not possible: the driver holds a sender itself.
                Wake::Message(None) => Some(CloseReason::Application),
                Wake::Transport(Some(TransportEvent::Closed { reason })) => {
                    transport_open = false;
                    self.end(reason)
                }
                Wake::Transport(Some(event)) => self.transport(event),
                Wake::Transport(None) => {
                    transport_open = false;
                    self.end(CloseReason::Disconnected)
                }
            };
            while self.tasks.try_join_next().is_some() {}
        };
        self.refuse(&mut events, &mut messages);
        self.recording.finish();
        self.hooks.exit(&reason).await;
        self.tasks.shutdown().await;
        SessionEnd {
            reason,
            history: self.handle.history(),
            latencies: self.latencies,
            stats: self.engine.stats(),
            duration: self.clock.now().since(Timestamp::ZERO),
        }
    }

    /// Takes nothing more, and reports what was typed too late to be taken.
    fn refuse(&mut self, events: &mut mpsc::Receiver<TransportEvent>, messages: &mut mpsc::Receiver<Message>) {
        messages.close();
        events.close();
        let mut typed = Vec::new();
        while let Ok(message) = messages.try_recv() {
            if let Message::Typed { message, text, .. } = message {
                typed.push((message, text));
            }
        }
        while let Ok(event) = events.try_recv() {
            if let TransportEvent::Typed { text, .. } = event {
                typed.push((self.handle.next_message(), text));
            }
        }
        for (message, text) in typed {
            let (source, reason) = (Source::Message(message), DiscardReason::Closed);
            self.event(self.clock.now(), Event::Discarded { source, text, reason });
        }
    }

    fn message(&mut self, message: Message) -> Option<CloseReason> {
        match message {
            // This was on its way when they left; it would never end.
            Message::Input(Input::VoiceStarted { speaker, .. })
                if self.ears.get(&speaker).is_none_or(|ear| !ear.present) =>
            {
                None
            }
            Message::Input(input) => self.tell(input),
            Message::Typed { message, text, policy } => {
                let speaker = self.people.first().map_or(APPLICATION, |(speaker, _)| *speaker);
                self.tell(Input::Typed { speaker, message, text, policy })
            }
            Message::UpdateAgent(agent) => self.replace_agent(agent),
        }
    }

    fn transport(&mut self, event: TransportEvent) -> Option<CloseReason> {
        match event {
            TransportEvent::Ready => {
                if !std::mem::replace(&mut self.entered, true) {
                    self.announce(SessionEvent::Entered);
                    self.publishing.entered();
                    self.hooks.enter(&mut self.tasks);
                }
                None
            }
            TransportEvent::Joined { speaker, participant } => {
                self.people.retain(|(known, _)| *known != speaker);
                self.people.push((speaker, participant.clone()));
                self.announce(SessionEvent::Joined(participant.clone()));
                self.hooks.joined(participant, &mut self.tasks);
                self.tell(Input::Joined { speaker })
            }
            TransportEvent::Left { speaker } => {
                let at = self.people.iter().position(|(known, _)| *known == speaker);
                let (_, participant) = self.people.remove(at?);
                self.announce(SessionEvent::Left(participant));
                let ended = self.tell(Input::Left { speaker });
                self.ear(speaker, EarCommand::Leave);
                if let Some(ear) = self.ears.get_mut(&speaker) {
                    ear.present = false;
                }
                self.retire_ear(speaker);
                ended
            }
            TransportEvent::Audio { speaker, input } => {
                let ear = self.ears.entry(speaker).or_insert_with(|| {
                    let (sender, commands) = mpsc::unbounded_channel();
                    let ear = Ear::new(speaker, self.ear_parts.clone(), self.clock, self.inputs.clone());
                    self.tasks.spawn(ear.run(commands));
                    EarHandle { sender, present: true }
                });
                ear.present = true;
                // The ear only ends with its sender.
                let _ = ear.sender.send(EarCommand::Listen(input));
                None
            }
            TransportEvent::Typed { speaker, text } => {
                let message = self.handle.next_message();
                self.tell(Input::Typed { speaker, message, text, policy: Default::default() })
            }
            TransportEvent::Reconnecting => {
                self.announce(SessionEvent::Reconnecting);
                None
            }
            TransportEvent::Reconnected => {
                self.announce(SessionEvent::Reconnected);
                None
            }
            TransportEvent::Closed { reason } => self.end(reason),
        }
    }

    /// The transport is gone: nothing can be heard any more.
    fn end(&mut self, reason: CloseReason) -> Option<CloseReason> {
        self.tell(Input::End { reason, farewell: None, within: GONE_WITHIN })
    }

    fn replace_agent(&mut self, agent: Arc<dyn Agent>) -> Option<CloseReason> {
        if agent.reviews_turns() && !self.config.conversation.review {
            tracing::error!("the new agent reviews turns, but the session was built without reviews; it is not asked");
        }
        self.hooks.replace(agent, &mut self.tasks);
        self.executor = Executor::new(Arc::new(self.hooks.agent().tools()));
        let ended = self.update_agent();
        if self.entered {
            self.hooks.enter(&mut self.tasks);
        }
        ended
    }

    fn update_agent(&mut self) -> Option<CloseReason> {
        let instructions = Some(self.hooks.agent().instructions());
        let tools = Some(self.executor.registry().policies());
        self.tell(Input::UpdateAgent { instructions, tools })
    }

    fn announce(&self, event: SessionEvent) {
        self.hooks.event(event.clone());
        self.handle.tell(event);
    }

    /// Tells the engine, and does what it says. Returns why, once the conversation is over.
    fn tell(&mut self, input: Input) -> Option<CloseReason> {
        let now = self.clock.now();
        if let Input::End { within, .. } = &input {
            let by = now + *within + OVERDUE;
            self.end_by = Some(self.end_by.map_or(by, |earlier| earlier.min(by)));
        }
        self.recording.input(now, &input);
        self.engine.handle(now, input);
        let mut ended = None;
        while let Some(output) = self.engine.poll_output() {
            self.recording.output(now, &output);
            match output {
                Output::Command(command) => self.execute(command),
                Output::Event(event) => {
                    if let Event::Closed { reason } = &event {
                        ended = Some(reason.clone());
                    }
                    self.event(now, event);
                }
            }
        }
        ended
    }

    fn event(&mut self, at: Timestamp, event: Event) {
        match &event {
            Event::HistoryAdded(item) => self.handle.remember(item.clone()),
            Event::TurnLimit(limit) => self.hooks.turn_limit(*limit, &mut self.tasks),
            Event::Latency(latency) => self.latencies.push(latency.clone()),
            Event::Failed { stage, error } => tracing::warn!(?stage, error, "a stage of the conversation failed"),
            _ => {}
        }
        self.publishing.event(&event);
        self.announce(SessionEvent::Conversation { at, event });
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::StartUtterance { speaker, utterance } => {
                self.utterances.insert(utterance, speaker);
                self.ear(speaker, EarCommand::Start(utterance));
            }
            Command::Checkpoint { utterance, checkpoint } => {
                let speaker = self.utterances.get(&utterance).copied();
                if !speaker.is_some_and(|speaker| self.ear(speaker, EarCommand::Checkpoint(utterance, checkpoint))) {
                    self.answer(Input::TranscriptFailed { utterance, checkpoint });
                }
            }
            Command::FinishUtterance { utterance } => {
                if let Some(speaker) = self.utterances.remove(&utterance) {
                    self.ear(speaker, EarCommand::Finish(utterance));
                    self.retire_ear(speaker);
                }
            }
            Command::Score { score, speaker, transcript } => {
                let mut chat = self.handle.history();
                chat.truncate_front(DETECTOR_CONTEXT);
                if !self.ear(speaker, EarCommand::Score { score, transcript, chat }) {
                    self.answer(Input::Scored { score, probability: None });
                }
            }
            Command::ReviewTurn { turn, text } => {
                self.hooks.review(turn, text, self.inputs.clone(), &mut self.tasks);
            }
            Command::Generate { generation, chat, tools } => {
                let task = Generation {
                    id: generation,
                    llm: self.llm.clone(),
                    options: self.llm_options,
                    chat,
                    tools: if tools { self.executor.registry().specs() } else { Vec::new() },
                    inputs: self.inputs.clone(),
                };
                let task = self.tasks.spawn(task.run());
                remember(&mut self.generations, generation, task);
            }
            Command::CancelGeneration { generation } => cancel(&mut self.generations, &generation),
            Command::RunTool { call, request } => {
                let (run, inputs) = (self.executor.run(call, request), self.inputs.clone());
                let task = self.tasks.spawn(async move {
                    let (call, output) = run.await;
                    inputs.send(Input::ToolReturned { call, output: output.output, is_error: output.is_error }).await;
                });
                remember(&mut self.calls, call, task);
            }
            Command::CancelTool { call } => cancel(&mut self.calls, &call),
            Command::Synthesize { segment, reply, text } => {
                self.voice.store.open(reply, segment);
                let task = self.tasks.spawn(self.voice.clone().speak(segment, text));
                remember(&mut self.syntheses, segment, task);
            }
            Command::CancelSynthesis { segment } => cancel(&mut self.syntheses, &segment),
            Command::Play { reply } => self.play(PlayoutCommand::Play(reply)),
            Command::Hold { reply } => self.play(PlayoutCommand::Hold(reply)),
            Command::Resume { reply, from, between_words } => {
                self.play(PlayoutCommand::Resume { reply, from, between_words });
            }
            Command::Stop { reply } => self.play(PlayoutCommand::Stop(reply)),
        }
    }

    /// Tells a speaker's ear; false if there is none.
    fn ear(&self, speaker: SpeakerId, command: EarCommand) -> bool {
        self.ears.get(&speaker).is_some_and(|ear| ear.sender.send(command).is_ok())
    }

    /// Ends the ear of somebody who left, once nothing they said is open.
    fn retire_ear(&mut self, speaker: SpeakerId) {
        let open = self.utterances.values().any(|whose| *whose == speaker);
        if !open && self.ears.get(&speaker).is_some_and(|ear| !ear.present) {
            self.ears.remove(&speaker);
        }
    }

    fn play(&self, command: PlayoutCommand) {
        // The playout only ends with its sender.
        let _ = self.playout.send(command);
    }

    /// Answers a command at once, in its turn.
    fn answer(&mut self, input: Input) {
        let inputs = self.inputs.clone();
        self.tasks.spawn(async move { inputs.send(input).await });
    }
}

/// Keeps a task's handle, and lets go of those of tasks that are done.
fn remember<K: std::hash::Hash + Eq>(tasks: &mut HashMap<K, AbortHandle>, id: K, task: AbortHandle) {
    tasks.retain(|_, task| !task.is_finished());
    tasks.insert(id, task);
}

fn cancel<K: std::hash::Hash + Eq>(tasks: &mut HashMap<K, AbortHandle>, id: &K) {
    if let Some(task) = tasks.remove(id) {
        task.abort();
    }
}

/// Waits until a time; for ever, if there is none.
async fn until(clock: Clock, deadline: Option<Timestamp>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(clock.instant(deadline)).await,
        None => std::future::pending().await,
    }
}
