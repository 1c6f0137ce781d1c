//! The audio of replies, segment after segment.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use stella_core::id::{ReplyId, SegmentId};
use tokio::sync::Notify;

/// The audio of all replies that are not over. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    replies: Arc<Mutex<Vec<ReplyAudio>>>,
    changed: Arc<Notify>,
}

/// The audio of one reply.
#[derive(Debug)]
struct ReplyAudio {
    reply: ReplyId,
    /// Audio in order, ready to be played.
    ready: VecDeque<i16>,
    /// Position of the first sample of `ready`.
    base: u64,
    /// Segments not complete, in order. The first one's audio goes to `ready` at once.
    segments: VecDeque<Segment>,
}

#[derive(Debug)]
struct Segment {
    id: SegmentId,
    waiting: Vec<i16>,
    done: bool,
}

impl Store {
    /// Puts a segment behind the earlier ones of its reply.
    pub(crate) fn open(&self, reply: ReplyId, segment: SegmentId) {
        let mut replies = self.replies.lock();
        let segment = Segment { id: segment, waiting: Vec::new(), done: false };
        match replies.iter_mut().find(|audio| audio.reply == reply) {
            Some(audio) => audio.segments.push_back(segment),
            None => {
                let audio = ReplyAudio { reply, ready: VecDeque::new(), base: 0, segments: [segment].into() };
                replies.push(audio);
            }
        }
    }

    /// Adds audio to a segment; of a reply that is over, it is dropped.
    pub(crate) fn append(&self, segment: SegmentId, samples: &[i16]) {
        self.change(segment, |at, audio| {
            if at == 0 {
                audio.ready.extend(samples);
            } else {
                audio.segments[at].waiting.extend_from_slice(samples);
            }
        });
    }

    /// Completes a segment: the next one's audio may follow.
    pub(crate) fn finish(&self, segment: SegmentId) {
        self.change(segment, |at, audio| {
            audio.segments[at].done = true;
            while audio.segments.front().is_some_and(|segment| segment.done) {
                audio.segments.pop_front();
                if let Some(next) = audio.segments.front_mut() {
                    audio.ready.extend(std::mem::take(&mut next.waiting));
                }
            }
        });
    }

    fn change(&self, segment: SegmentId, change: impl FnOnce(usize, &mut ReplyAudio)) {
        let mut replies = self.replies.lock();
        for audio in replies.iter_mut() {
            if let Some(at) = audio.segments.iter().position(|open| open.id == segment) {
                change(at, audio);
                self.changed.notify_one();
                return;
            }
        }
    }

    /// Up to `count` samples of a reply from a position on. The position of the first one is later than asked if those
    /// before it were forgotten.
    pub(super) fn read(&self, reply: ReplyId, from: u64, count: usize) -> (u64, Vec<i16>) {
        let replies = self.replies.lock();
        let Some(audio) = replies.iter().find(|audio| audio.reply == reply) else { return (from, Vec::new()) };
        let from = from.max(audio.base);
        let skip = usize::try_from(from - audio.base).unwrap_or(usize::MAX);
        (from, audio.ready.iter().skip(skip).take(count).copied().collect())
    }

    /// Forgets what lies before a position.
    pub(super) fn forget_before(&self, reply: ReplyId, position: u64) {
        let mut replies = self.replies.lock();
        if let Some(audio) = replies.iter_mut().find(|audio| audio.reply == reply) {
            let count = usize::try_from(position.saturating_sub(audio.base)).unwrap_or(usize::MAX);
            let count = count.min(audio.ready.len());
            audio.ready.drain(..count);
            audio.base += count as u64;
        }
    }

    /// Forgets a reply.
    pub(super) fn remove(&self, reply: ReplyId) {
        self.replies.lock().retain(|audio| audio.reply != reply);
    }

    /// Returns when audio was added since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    #[cfg(test)]
    pub(super) fn samples(&self) -> usize {
        self.replies.lock().iter().map(|audio| audio.ready.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_keep_their_order() {
        let store = Store::default();
        let (reply, a, b) = (ReplyId(1), SegmentId(1), SegmentId(2));
        store.open(reply, a);
        store.open(reply, b);
        store.append(b, &[3, 4]);
        store.append(a, &[1]);
        assert_eq!(store.read(reply, 0, 9), (0, vec![1]));
        store.append(a, &[2]);
        store.finish(a);
        store.append(b, &[5]);
        assert_eq!(store.read(reply, 1, 9), (1, vec![2, 3, 4, 5]));
        store.forget_before(reply, 3);
        assert_eq!(store.read(reply, 0, 1), (3, vec![4]));
        store.remove(reply);
        store.append(b, &[6]);
        assert_eq!((store.read(reply, 0, 1), store.samples()), ((0, vec![]), 0));
    }
}
