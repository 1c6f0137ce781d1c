//! Audio of one own track that waits to be sent, with exact counts.

use std::{collections::VecDeque, time::Duration};
use stella_core::audio::AudioFormat;

/// Samples waiting, and how many went before them. All counts are samples of one channel.
#[derive(Debug)]
pub(crate) struct PlayoutQueue {
    format: AudioFormat,
    samples: VecDeque<i16>,
    limit: u64,
    /// Samples that a waiting `push` still holds.
    waiting: u64,
    /// Raised by `clear`, so that a waiting `push` drops what it holds.
    epoch: u64,
    position: u64,
    /// Whether samples came since the last frame was asked for.
    fresh: bool,
    paused: bool,
    muted: bool,
}

/// What a frame was filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Nothing to send now.
    Nothing,
    /// This many samples; the rest of the frame is silence.
    Samples(u64),
}

impl PlayoutQueue {
    /// An empty queue that takes `limit` of audio.
    pub(crate) fn new(format: AudioFormat, limit: Duration) -> Self {
        Self {
            format,
            samples: VecDeque::new(),
            limit: format.samples(limit),
            waiting: 0,
            epoch: 0,
            position: 0,
            fresh: false,
            paused: false,
            muted: false,
        }
    }

    /// Announces a push of interleaved `samples` and returns a ticket for [`PlayoutQueue::push`].
    pub(crate) fn announce(&mut self, samples: usize) -> u64 {
        self.waiting += self.groups(samples);
        self.epoch
    }

    /// Takes as many of the announced interleaved samples as fit, and returns how many; all of them, thrown away, if
    /// the queue was cleared since.
    pub(crate) fn push(&mut self, ticket: u64, samples: &[i16]) -> usize {
        if ticket != self.epoch {
            return samples.len(); // `clear` has counted them
        }
        let room = self.limit.saturating_sub(self.len());
        let fitting = usize::try_from(room).unwrap_or(usize::MAX).saturating_mul(self.channels());
        let taken = &samples[..samples.len().min(fitting)];
        self.samples.extend(taken);
        self.waiting = self.waiting.saturating_sub(self.groups(taken.len()));
        self.fresh |= !taken.is_empty();
        taken.len()
    }

    /// Takes back the announcement of a push that was given up.
    pub(crate) fn abandon(&mut self, ticket: u64, samples: usize) {
        if ticket == self.epoch {
            self.waiting = self.waiting.saturating_sub(self.groups(samples));
        }
    }

    /// Fills `frame` (interleaved) with the next samples and counts them as sent. A tail shorter than the frame is
    /// given only when nothing was added since the last call, so that a slow producer is not cut into pieces.
    pub(crate) fn take(&mut self, frame: &mut [i16]) -> Taken {
        let fresh = std::mem::take(&mut self.fresh);
        let available = self.samples.len().min(frame.len());
        if self.held() || available == 0 || (available < frame.len() && fresh) {
            return Taken::Nothing;
        }
        for (to, from) in frame.iter_mut().zip(self.samples.drain(..available)) {
            *to = from;
        }
        frame[available..].fill(0);
        let count = self.groups(available);
        self.position += count;
        Taken::Samples(count)
    }

    /// Throws away everything that waits, pushes under way included, and returns how much.
    pub(crate) fn clear(&mut self) -> u64 {
        let dropped = self.len() + self.waiting;
        self.samples.clear();
        self.waiting = 0;
        self.epoch += 1;
        dropped
    }

    /// Holds the queue or lets it go; returns the position.
    pub(crate) fn set_paused(&mut self, paused: bool) -> u64 {
        self.paused = paused;
        self.position
    }

    /// Holds the queue while muted.
    pub(crate) fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// Whether the queue is held.
    pub(crate) fn held(&self) -> bool {
        self.paused || self.muted
    }

    /// Whether there is something to send now or after the next push.
    pub(crate) fn ready(&self) -> bool {
        !self.held() && !self.samples.is_empty()
    }

    /// Samples waiting.
    pub(crate) fn len(&self) -> u64 {
        self.groups(self.samples.len())
    }

    /// Whether nothing waits, not even in a push under way.
    pub(crate) fn is_drained(&self) -> bool {
        self.samples.is_empty() && self.waiting == 0
    }

    /// How long what waits will play.
    pub(crate) fn queued(&self) -> Duration {
        self.format.duration(self.len())
    }

    /// Samples sent.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    fn channels(&self) -> usize {
        usize::from(self.format.channels())
    }

    fn groups(&self, samples: usize) -> u64 {
        (samples / self.channels()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue() -> PlayoutQueue {
        PlayoutQueue::new(AudioFormat::VOICE, Duration::from_millis(200))
    }

    fn add(queue: &mut PlayoutQueue, samples: usize) -> usize {
        let ticket = queue.announce(samples);
        let taken = queue.push(ticket, &vec![1; samples]);
        queue.abandon(ticket, samples - taken);
        taken
    }

    #[test]
    fn a_full_queue_takes_only_what_fits() {
        let mut queue = queue();
        assert_eq!(add(&mut queue, 4_000), 4_000);
        assert_eq!(add(&mut queue, 1_000), 800);
        assert_eq!(queue.queued(), Duration::from_millis(200));
        assert_eq!(add(&mut queue, 1), 0);
    }

    #[test]
    fn pause_stops_at_the_exact_sample() {
        let (mut queue, mut frame) = (queue(), [0; 480]);
        add(&mut queue, 1_000);
        assert_eq!(queue.take(&mut frame), Taken::Samples(480));
        assert_eq!(queue.set_paused(true), 480);
        assert_eq!(queue.take(&mut frame), Taken::Nothing);
        assert_eq!(queue.clear(), 520);
        add(&mut queue, 480);
        queue.set_paused(false);
        assert_eq!(queue.take(&mut frame), Taken::Samples(480));
        assert_eq!(queue.position(), 960);
    }

    #[test]
    fn a_short_tail_waits_once_for_more() {
        let (mut queue, mut frame) = (queue(), [9; 480]);
        add(&mut queue, 100);
        assert_eq!(queue.take(&mut frame), Taken::Nothing);
        assert_eq!(queue.take(&mut frame), Taken::Samples(100));
        assert_eq!(frame[99..101], [1, 0]);
        assert!(queue.is_drained());
    }

    #[test]
    fn clear_counts_and_drops_a_push_under_way() {
        let mut queue = queue();
        let samples = vec![1; 6_000];
        let ticket = queue.announce(samples.len());
        assert_eq!(queue.push(ticket, &samples), 4_800);
        assert_eq!(queue.clear(), 6_000);
        assert_eq!(queue.push(ticket, &samples[4_800..]), 1_200, "thrown away");
        assert!(queue.is_drained());
    }

    proptest! {
        #[test]
        fn every_sample_is_sent_or_dropped_once(steps in proptest::collection::vec((0u8..5, 0usize..3_000), 0..200)) {
            let (mut queue, mut frame) = (queue(), [0; 480]);
            let (mut pushed, mut dropped) = (0, 0);
            for (step, amount) in steps {
                let before = queue.position();
                match step {
                    0 => pushed += add(&mut queue, amount) as u64,
                    1 => { queue.take(&mut frame); }
                    2 => dropped += queue.clear(),
                    3 => { queue.set_paused(amount % 2 == 0); }
                    _ => queue.set_muted(amount % 2 == 0),
                }
                prop_assert!(queue.position() >= before);
                prop_assert!(queue.len() <= 4_800);
                prop_assert_eq!(pushed, queue.position() + dropped + queue.len());
            }
        }
    }
}
