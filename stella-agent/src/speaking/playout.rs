//! Playing replies: one task owns the audio output.

use std::{ops::Range, time::Duration};

use stella_core::{
    audio::{AudioFormat, AudioFrame},
    engine::Input,
    id::ReplyId,
};
use tokio::sync::mpsc;

use super::store::Store;
use crate::{clock::Clock, session::Inputs, transport::AudioOutput};

/// Audio given to the output ahead of time. A stop is exact nevertheless; more only forgives a busy machine.
const LEAD: Duration = Duration::from_millis(120);
/// Audio pushed at once.
const FRAME: usize = 480;
/// How often the position is looked at while audio flows.
const TICK: Duration = Duration::from_millis(20);
/// How often it is looked at until the first sample has left, for an exact latency.
const FIRST_TICK: Duration = Duration::from_millis(1);
/// How far before and behind the sample to go on from, a quiet place is looked for: between two sounds the ear takes a
/// beginning for one. Before it only if it may lie within a word: from 128 words of ten sentences, cut where each word
/// begins, a recogniser has the word at the beginning 107 times if the place is looked for behind the sample only, and 86
/// times if the place is looked for on both sides.
const BEFORE: u64 = 24 * 100;
const BEHIND: u64 = 24 * 40;
/// Length of a quiet place: 10 ms.
const QUIET: usize = 240;
/// Audio kept behind the position, to go on from an earlier word.
const KEPT: u64 = 24_000 * 5;

/// What the driver tells the playout; as the engine's commands of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlayoutCommand {
    Play(ReplyId),
    Hold(ReplyId),
    Resume { reply: ReplyId, from: u64, between_words: bool },
    Stop(ReplyId),
}

/// Plays replies.
pub(crate) struct Playout {
    output: Box<dyn AudioOutput>,
    store: Store,
    clock: Clock,
    inputs: Inputs,
    deck: Deck,
}

/// What is on.
#[derive(Debug, Clone, Copy)]
enum Deck {
    Empty,
    Playing(Playing),
    Held { reply: ReplyId, at: u64 },
}

#[derive(Debug, Clone, Copy)]
struct Playing {
    reply: ReplyId,
    /// Sample of the reply from which the output counts.
    from: u64,
    /// Position of the output at that sample.
    zero: u64,
    /// Next sample to push.
    next: u64,
    /// Position told to the engine last.
    told: u64,
}

impl Playout {
    pub(crate) fn new(output: Box<dyn AudioOutput>, store: Store, clock: Clock, inputs: Inputs) -> Self {
        Self { output, store, clock, inputs, deck: Deck::Empty }
    }

    /// Plays until the driver is gone.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<PlayoutCommand>) {
        let store = self.store.clone();
        loop {
            let (playing, tick) = match self.deck {
                Deck::Playing(playing) => (true, if playing.told == playing.from { FIRST_TICK } else { TICK }),
                Deck::Empty | Deck::Held { .. } => (false, TICK),
            };
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    None => break,
                    Some(command) => self.command(command).await,
                },
                () = store.changed(), if playing => {}
                () = tokio::time::sleep(self.clock.real(tick)), if playing => {}
            }
            self.fill();
        }
        self.output.pause();
        self.output.clear();
    }

    async fn command(&mut self, command: PlayoutCommand) {
        match (command, self.deck) {
            (PlayoutCommand::Play(reply), _) => {
                self.empty();
                self.start(reply, 0);
            }
            (PlayoutCommand::Hold(reply), Deck::Playing(playing)) if playing.reply == reply => {
                self.output.pause();
                let at = self.position(&playing);
                self.output.clear();
                self.deck = Deck::Held { reply, at };
                self.inputs.send(Input::Held { reply, position: at }).await;
            }
            (PlayoutCommand::Hold(reply), Deck::Held { reply: held, at }) if held == reply => {
                self.inputs.send(Input::Held { reply, position: at }).await;
            }
            (PlayoutCommand::Hold(reply), _) => self.inputs.send(Input::Held { reply, position: 0 }).await,
            (PlayoutCommand::Resume { reply, from, between_words }, Deck::Held { reply: held, at })
                if held == reply =>
            {
                let before = if between_words { 0 } else { BEFORE };
                let place = self.quiet_place(reply, from.saturating_sub(before)..(from + BEHIND).min(at));
                self.start(reply, place.unwrap_or(from));
            }
            (PlayoutCommand::Resume { .. }, _) => {}
            (PlayoutCommand::Stop(reply), deck) => {
                let on = match deck {
                    Deck::Empty => false,
                    Deck::Playing(playing) => playing.reply == reply,
                    Deck::Held { reply: held, .. } => held == reply,
                };
                if on {
                    self.empty();
                }
                self.store.remove(reply);
            }
        }
    }

    /// Takes off what is on.
    fn empty(&mut self) {
        self.output.pause();
        self.output.clear();
        let on = match std::mem::replace(&mut self.deck, Deck::Empty) {
            Deck::Empty => None,
            Deck::Playing(playing) => Some(playing.reply),
            Deck::Held { reply, .. } => Some(reply),
        };
        if let Some(reply) = on {
            self.store.remove(reply);
        }
    }

    /// Plays a reply from a sample on. The output is empty.
    fn start(&mut self, reply: ReplyId, from: u64) {
        // What was forgotten cannot be played again.
        let (from, _) = self.store.read(reply, from, 0);
        let zero = self.output.position();
        self.deck = Deck::Playing(Playing { reply, from, zero, next: from, told: from });
        self.output.resume();
    }

    /// The quietest place in `range`, the earliest of equal ones. `None`, if the audio is not known.
    fn quiet_place(&self, reply: ReplyId, range: Range<u64>) -> Option<u64> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or_default();
        let (begin, samples) = self.store.read(reply, range.start, length);
        let loudness = |place: &[i16]| place.iter().map(|&s| u64::from(s.unsigned_abs()).pow(2)).sum::<u64>();
        let places = samples.windows(QUIET).step_by(QUIET / 4).map(loudness).enumerate();
        places.min_by_key(|&(_, loudness)| loudness).map(|(n, _)| begin + (n * QUIET / 4) as u64)
    }

    /// The sample of the reply that leaves next.
    fn position(&self, playing: &Playing) -> u64 {
        playing.from + self.output.position().saturating_sub(playing.zero)
    }

    /// Gives the output what it needs, and tells the engine how far it is.
    fn fill(&mut self) {
        let Deck::Playing(mut playing) = self.deck else { return };
        let lead = AudioFormat::VOICE.samples(LEAD);
        let mut queued = AudioFormat::VOICE.samples(self.output.queued());
        while queued < lead {
            let (_, samples) = self.store.read(playing.reply, playing.next, FRAME);
            if samples.is_empty() {
                break;
            }
            playing.next += samples.len() as u64;
            queued += samples.len() as u64;
            if let Ok(frame) = AudioFrame::new(AudioFormat::VOICE, samples) {
                self.output.push(frame);
            }
        }
        let position = self.position(&playing);
        if position > playing.told {
            self.store.forget_before(playing.reply, position.saturating_sub(KEPT));
            if self.inputs.report(Input::Playout { reply: playing.reply, position }) {
                playing.told = position;
            }
        }
        self.deck = Deck::Playing(playing);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use stella_core::id::SegmentId;

    use super::*;
    use crate::{session::Message, transport::PacedOutput};

    struct Rig {
        store: Store,
        commands: mpsc::UnboundedSender<PlayoutCommand>,
        inputs: mpsc::Receiver<Message>,
        heard: Arc<Mutex<Vec<i16>>>,
        output: PacedOutput,
    }

    const REPLY: ReplyId = ReplyId(1);

    fn rig() -> Rig {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = heard.clone();
        let output =
            PacedOutput::new(AudioFormat::VOICE, 1.0, move |_, samples: &[i16]| log.lock().extend_from_slice(samples));
        let (sender, inputs) = mpsc::channel(1_000);
        let (commands, receiver) = mpsc::unbounded_channel();
        let store = Store::default();
        let playout = Playout::new(Box::new(output.clone()), store.clone(), Clock::start(1.0), Inputs::new(sender));
        tokio::spawn(playout.run(receiver));
        Rig { store, commands, inputs, heard, output }
    }

    impl Rig {
        /// Fills the reply with samples that say their own position, in steps of 10.
        fn fill(&self, samples: u64) {
            self.store.open(REPLY, SegmentId(1));
            let samples: Vec<i16> = (0..samples).map(|n| (n / 10) as i16).collect();
            self.store.append(SegmentId(1), &samples);
        }

        fn told(&mut self) -> Vec<Input> {
            std::iter::from_fn(|| self.inputs.try_recv().ok())
                .filter_map(|message| if let Message::Input(input) = message { Some(input) } else { None })
                .collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_reply_goes_on_from_any_sample() {
        let mut rig = rig();
        rig.fill(48_000);
        rig.commands.send(PlayoutCommand::Play(REPLY)).unwrap();
        tokio::time::sleep(Duration::from_millis(505)).await;
        rig.commands.send(PlayoutCommand::Hold(REPLY)).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let told = rig.told();
        let Some(&Input::Held { position, .. }) = told.last() else { panic!("{told:?}") };
        assert_eq!(position, 12_120, "505 ms");
        assert!(told.len() > 20, "a position for each frame");
        rig.output.catch_up();
        assert_eq!(rig.heard.lock().len(), 12_120, "not one sample beyond");
        // The quietest place near is a tenth of a second before.
        rig.commands.send(PlayoutCommand::Resume { reply: REPLY, from: 12_000, between_words: false }).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        rig.commands.send(PlayoutCommand::Stop(REPLY)).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let heard = rig.heard.lock().clone();
        assert_eq!(heard.len(), 12_120 + 2_400);
        assert_eq!((heard[12_119], heard[12_120], heard[14_519]), (1_211, 960, 1_199));
        assert!(matches!(rig.told().last(), Some(Input::Playout { position: 11_500..=12_000, .. })));
        assert_eq!(rig.store.samples(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn between_words_nothing_is_heard_again() {
        let rig = rig();
        rig.fill(48_000);
        rig.commands.send(PlayoutCommand::Play(REPLY)).unwrap();
        tokio::time::sleep(Duration::from_millis(505)).await;
        rig.commands.send(PlayoutCommand::Hold(REPLY)).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        rig.output.catch_up();
        // It becomes ever louder: every quieter place is before.
        rig.commands.send(PlayoutCommand::Resume { reply: REPLY, from: 9_000, between_words: true }).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        rig.output.catch_up();
        let heard = rig.heard.lock().clone();
        assert_eq!((heard[12_119], heard[12_120]), (1_211, 900));
    }

    #[tokio::test(start_paused = true)]
    async fn audio_that_comes_late_is_played_when_it_comes_and_old_audio_is_forgotten() {
        let mut rig = rig();
        rig.commands.send(PlayoutCommand::Play(REPLY)).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        rig.fill(24_000 * 8);
        tokio::time::sleep(Duration::from_millis(7_500)).await;
        assert!(rig.store.samples() <= 24_000 * 6);
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        assert!(matches!(rig.told().last(), Some(Input::Playout { position: 192_000, .. })));
        rig.commands.send(PlayoutCommand::Hold(REPLY)).unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(matches!(rig.told()[..], [Input::Held { position: 192_000, .. }]));
    }
}
