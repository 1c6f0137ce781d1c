//! The order of jobs. No thread and no clock: the pool holds the lock and passes the time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use super::pool::Lane;

/// How many more runs of one model may start. Changed only under the pool's lock.
#[derive(Debug)]
pub(super) struct Slots(AtomicUsize);

impl Slots {
    pub(super) fn new(free: usize) -> Self {
        Self(AtomicUsize::new(free))
    }

    fn take(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1)).is_ok()
    }

    pub(super) fn give_back(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Position of a waiting job: the earlier deadline first, then the earlier arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    deadline: Instant,
    number: u64,
}

/// A job that waits or was just taken.
#[derive(Debug)]
pub(super) struct Entry<W> {
    pub(super) lane: Lane,
    pub(super) deadline: Instant,
    pub(super) queued: Instant,
    pub(super) slots: Option<Arc<Slots>>,
    pub(super) work: W,
}

/// Waiting jobs, one bounded line for each lane.
#[derive(Debug)]
pub(super) struct Queue<W> {
    lines: [BTreeMap<Key, Entry<W>>; 2],
    limits: [usize; 2],
    next: u64,
}

impl<W> Queue<W> {
    /// A queue that holds at most `short` and `long` waiting jobs.
    pub(super) fn new(short: usize, long: usize) -> Self {
        Self { lines: [BTreeMap::new(), BTreeMap::new()], limits: [short, long], next: 0 }
    }

    /// Puts a job in, or gives it back if its lane is full.
    pub(super) fn push(&mut self, entry: Entry<W>) -> Result<Key, Entry<W>> {
        let lane = entry.lane as usize;
        if self.lines[lane].len() >= self.limits[lane] {
            return Err(entry);
        }
        let key = Key { deadline: entry.deadline, number: self.next };
        self.next += 1;
        self.lines[lane].insert(key, entry);
        Ok(key)
    }

    /// Takes out the job that is due first among those whose model has a free slot, and takes that slot.
    pub(super) fn pop(&mut self, lanes: &[Lane]) -> Option<Entry<W>> {
        let first = |lane: &Lane| {
            let mut waiting = self.lines[*lane as usize].iter();
            waiting.find(|(_, entry)| entry.slots.as_ref().is_none_or(|slots| slots.0.load(Ordering::Relaxed) > 0))
        };
        let (&key, entry) = lanes.iter().filter_map(first).min_by_key(|(key, _)| **key)?;
        let entry = self.lines[entry.lane as usize].remove(&key)?;
        if let Some(slots) = &entry.slots {
            slots.take();
        }
        Some(entry)
    }

    /// Takes a job out before its turn; `None` if it is no longer waiting.
    pub(super) fn cancel(&mut self, lane: Lane, key: Key) -> Option<Entry<W>> {
        self.lines[lane as usize].remove(&key)
    }

    /// Jobs waiting in a lane.
    pub(super) fn waiting(&self, lane: Lane) -> usize {
        self.lines[lane as usize].len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn entry(
        start: Instant,
        lane: Lane,
        due: u64,
        slots: Option<&Arc<Slots>>,
        work: &'static str,
    ) -> Entry<&'static str> {
        let deadline = start + Duration::from_millis(due);
        Entry { lane, deadline, queued: start, slots: slots.cloned(), work }
    }

    #[test]
    fn the_earliest_deadline_goes_first_and_equal_ones_in_order_of_arrival() {
        let (start, mut queue) = (Instant::now(), Queue::new(4, 4));
        for (due, work) in [(30, "third"), (10, "first"), (10, "second")] {
            queue.push(entry(start, Lane::Long, due, None, work)).expect("room");
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop(&[Lane::Long])).map(|entry| entry.work).collect();
        assert_eq!(order, ["first", "second", "third"]);
    }

    #[test]
    fn a_busy_model_does_not_hold_up_the_others() {
        let (start, mut queue) = (Instant::now(), Queue::new(4, 4));
        let slots = Arc::new(Slots::new(1));
        queue.push(entry(start, Lane::Long, 1, Some(&slots), "speak")).expect("room");
        queue.push(entry(start, Lane::Long, 2, Some(&slots), "speak again")).expect("room");
        queue.push(entry(start, Lane::Long, 3, None, "listen")).expect("room");
        let mut take = || queue.pop(&[Lane::Short, Lane::Long]).map(|entry| entry.work);
        assert_eq!([take(), take(), take()], [Some("speak"), Some("listen"), None]);
        slots.give_back();
        assert_eq!(queue.pop(&[Lane::Long]).map(|entry| entry.work), Some("speak again"));
    }

    #[test]
    fn a_full_lane_gives_the_job_back_and_the_other_lane_has_room() {
        let (start, mut queue) = (Instant::now(), Queue::new(1, 1));
        queue.push(entry(start, Lane::Long, 1, None, "a")).expect("room");
        assert_eq!(queue.push(entry(start, Lane::Long, 0, None, "b")).expect_err("full").work, "b");
        queue.push(entry(start, Lane::Short, 1, None, "c")).expect("room");
    }

    #[test]
    fn a_cancelled_job_never_runs() {
        let (start, mut queue) = (Instant::now(), Queue::new(1, 1));
        let key = queue.push(entry(start, Lane::Long, 1, None, "a")).expect("room");
        assert!(queue.cancel(Lane::Long, key).is_some());
        assert!(queue.cancel(Lane::Long, key).is_none());
        assert!(queue.pop(&[Lane::Long]).is_none());
    }
}
