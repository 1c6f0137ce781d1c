//! The lines that are printed while the conversation goes on.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use stella_agent::SessionEvent;
use stella_core::engine::{AgentState, Event, ReplyEnd, TurnOutcome, UserState};

/// Words of interim text after which they are shown.
const INTERIM: usize = 8;

/// Prints lines with the time since the start of the program. Clones share what was printed.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    start: Instant,
    shown: Arc<AtomicUsize>,
}

impl Progress {
    /// Counts time from `start`.
    pub(crate) fn new(start: Instant) -> Self {
        Self { start, shown: Arc::default() }
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// One line, by whom it is about.
    pub(crate) fn line(&self, who: &str, text: impl AsRef<str>) {
        print(format!("{:7.2}  {who:<6}  {}", self.elapsed().as_secs_f64(), text.as_ref()));
    }

    /// What the agent's session tells.
    pub(crate) fn event(&self, event: &SessionEvent) {
        match event {
            SessionEvent::Entered => self.line("room", "the agent has entered"),
            SessionEvent::Joined(who) => self.line("room", format!("{} is here", who.identity)),
            SessionEvent::Left(who) => self.line("room", format!("{} has left", who.identity)),
            SessionEvent::Reconnecting => self.line("room", "the agent's connection is lost, it comes back"),
            SessionEvent::Reconnected => self.line("room", "the agent's connection is back"),
            SessionEvent::Conversation { event, .. } => self.conversation(event),
            _ => {}
        }
    }

    fn conversation(&self, event: &Event) {
        match event {
            Event::UserState(UserState::Speaking) => self.line("user", "(speaks)"),
            Event::AgentState(AgentState::Thinking) => self.line("agent", "(thinks)"),
            Event::AgentState(AgentState::Speaking) => self.line("agent", "(speaks)"),
            Event::UserTranscript { text, is_final: false, .. } => self.interim(text),
            Event::TurnCommitted { parts, .. } => {
                self.shown.store(0, Ordering::Relaxed);
                let text = parts.iter().map(|part| part.text.trim()).collect::<Vec<_>>().join(" ");
                self.line("user", format!("\u{201c}{text}\u{201d}"));
            }
            Event::TurnEnded { outcome: TurnOutcome::Merged { .. }, .. } => {
                self.line("user", "(went on: one turn)");
            }
            Event::Overlap { .. } => self.line("agent", "(is held: the user speaks)"),
            Event::FalseInterruption { .. } => self.line("agent", "(goes on: that was no interruption)"),
            Event::Interrupted { .. } => self.line("agent", "(was interrupted)"),
            Event::ReplyEnded { end: ReplyEnd::RolledBack, .. } => {}
            Event::ReplyEnded { end, heard, .. } => {
                let mark = if *end == ReplyEnd::Interrupted { " \u{2014}" } else { "" };
                self.line("agent", format!("\u{201c}{}{mark}\u{201d}", heard.trim()));
            }
            Event::Latency(latency) => {
                let ms = latency.response().as_millis();
                self.line("agent", format!("(first sound {ms} ms after the user's last)"));
            }
            Event::Failed { stage, error } => self.line("agent", format!("({stage:?} failed: {error})")),
            _ => {}
        }
    }

    /// Shows what the user says now and then, so that a long speech is seen to be understood.
    fn interim(&self, text: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let shown = self.shown.load(Ordering::Relaxed);
        let shown = if shown > words.len() { 0 } else { shown };
        // The last words may still change.
        let stable = words.len().saturating_sub(2);
        if stable >= shown + INTERIM {
            self.line("user", format!("\u{2026} {} \u{2026}", words[shown..stable].join(" ")));
            self.shown.store(stable, Ordering::Relaxed);
        }
    }
}

/// Prints a line; a reader that is gone is no reason to stop.
pub(crate) fn print(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
}
