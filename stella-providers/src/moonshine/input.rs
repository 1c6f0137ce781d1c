//! What is said to one stream: the side that a caller holds, and the side that the stream reads, which can look ahead.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use stella_core::{
    audio::{AudioFormat, AudioFrame},
    error::ProviderError,
    id::UtteranceId,
    stt::SttInput,
};
use tokio::sync::mpsc;

use super::NAME;

/// Samples that may wait to be looked at: 30 s. More means that nobody polls the events or the pool is far behind.
const BACKLOG: usize = 30 * 16_000;

/// One thing said.
pub(super) enum Command {
    Start(UtteranceId),
    Audio(AudioFrame),
    Checkpoint(u32),
    Finish,
}

/// The caller's side.
pub(super) struct Input {
    commands: mpsc::UnboundedSender<Command>,
    backlog: Arc<AtomicUsize>,
}

/// The stream's side.
pub(super) struct Commands {
    /// Those that were looked at already, before those to come.
    ahead: VecDeque<Command>,
    commands: mpsc::UnboundedReceiver<Command>,
    backlog: Arc<AtomicUsize>,
}

/// Both sides.
pub(super) fn pair() -> (Input, Commands) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let backlog = Arc::new(AtomicUsize::new(0));
    let commands = Commands { ahead: VecDeque::new(), commands: receiver, backlog: backlog.clone() };
    (Input { commands: sender, backlog }, commands)
}

impl Input {
    fn send(&self, command: Command) {
        // Fails only when the events were dropped: then nobody waits for an answer.
        let _ = self.commands.send(command);
    }
}

impl SttInput for Input {
    fn start(&mut self, utterance: UtteranceId) {
        self.send(Command::Start(utterance));
    }

    fn push(&mut self, frame: &AudioFrame) -> Result<(), ProviderError> {
        if frame.format() != AudioFormat::SPEECH {
            let reason = format!("audio must be {:?}, not {:?}", AudioFormat::SPEECH, frame.format());
            return Err(ProviderError::InvalidRequest { provider: NAME, reason });
        }
        let samples = frame.samples().len();
        if self.backlog.load(Ordering::Relaxed) + samples > BACKLOG {
            return Err(ProviderError::Overloaded { provider: NAME, retry_after: None });
        }
        self.backlog.fetch_add(samples, Ordering::Relaxed);
        self.send(Command::Audio(frame.clone()));
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: u32) {
        self.send(Command::Checkpoint(checkpoint));
    }

    fn finish(&mut self) {
        self.send(Command::Finish);
    }
}

impl Commands {
    /// The next one, once it is there; `None` when the caller's side is gone.
    pub(super) async fn next(&mut self) -> Option<Command> {
        let next = match self.ahead.pop_front() {
            Some(command) => command,
            None => self.commands.recv().await?,
        };
        Some(self.taken(next))
    }

    /// The next one, if it is there.
    pub(super) fn try_next(&mut self) -> Option<Command> {
        let next = self.ahead.pop_front().or_else(|| self.commands.try_recv().ok())?;
        Some(self.taken(next))
    }

    fn taken(&self, command: Command) -> Command {
        if let Command::Audio(frame) = &command {
            self.backlog.fetch_sub(frame.samples().len(), Ordering::Relaxed);
        }
        command
    }

    /// Whether the speaker went on and the next checkpoint is asked for already: nobody needs the words up to the last
    /// one alone any more.
    pub(super) fn supersede_last(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            self.ahead.push_back(command);
        }
        let next = self.ahead.iter().position(|command| !matches!(command, Command::Audio(_)));
        next.is_some_and(|next| next > 0 && matches!(self.ahead[next], Command::Checkpoint(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superseded(said: &[&str]) -> bool {
        let (mut input, mut commands) = pair();
        let frame = AudioFrame::new(AudioFormat::SPEECH, vec![0; 512]).expect("one channel");
        for (number, said) in said.iter().enumerate() {
            match *said {
                "audio" => input.push(&frame).expect("room"),
                "checkpoint" => input.checkpoint(number as u32),
                "start" => input.start(UtteranceId(9)),
                _ => input.finish(),
            }
        }
        let superseded = commands.supersede_last();
        let left = std::iter::from_fn(|| commands.try_next()).count();
        assert_eq!(left, said.len(), "looking ahead loses nothing");
        assert_eq!(commands.backlog.load(Ordering::Relaxed), 0);
        superseded
    }

    #[test]
    fn a_checkpoint_behind_more_audio_supersedes_the_last() {
        assert!(superseded(&["audio", "audio", "checkpoint", "finish"]));
        assert!(!superseded(&[]));
        assert!(!superseded(&["audio", "audio"]));
        assert!(!superseded(&["checkpoint"]), "of the same words");
    }

    #[test]
    fn what_the_utterance_ended_with_is_not_superseded() {
        assert!(!superseded(&["finish", "audio", "checkpoint"]));
        assert!(!superseded(&["audio", "finish", "start", "audio", "checkpoint"]));
        assert!(!superseded(&["start", "audio", "checkpoint"]));
    }

    #[test]
    fn what_was_looked_at_comes_first() {
        let (mut input, mut commands) = pair();
        input.checkpoint(1);
        assert!(!commands.supersede_last());
        input.checkpoint(2);
        let order = std::iter::from_fn(|| commands.try_next());
        let order: Vec<_> = order.map(|c| if let Command::Checkpoint(n) = c { n } else { 0 }).collect();
        assert_eq!(order, [1, 2]);
    }
}
