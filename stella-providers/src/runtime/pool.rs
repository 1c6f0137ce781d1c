use std::{
    fmt,
    future::Future,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use stella_core::error::ProviderError;
use tokio::sync::oneshot;

use super::{
    Model,
    queue::{Entry, Key, Queue, Slots},
};

/// Which threads may run a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Well under 5 ms, such as one window of voice activity detection. One thread is kept for these alone: a run in
    /// the other lane cannot be interrupted, and every voice would have to wait for it.
    Short,
    /// Anything longer.
    Long,
}

/// Sizes of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Threads for both lanes, at least 1, beside the one for [`Lane::Short`]. Default: the cores of the machine.
    pub workers: usize,
    /// Jobs that may wait in [`Lane::Short`]. Default 1,024.
    pub short_queue: usize,
    /// Jobs that may wait in [`Lane::Long`]. Default 32 for each worker, about ten seconds of work.
    pub long_queue: usize,
}

impl Default for PoolOptions {
    fn default() -> Self {
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        Self { workers, short_queue: 1_024, long_queue: 32 * workers }
    }
}

/// A piece of work for the pool.
#[derive(Debug, Clone)]
pub struct Job {
    /// Who asks; named in errors.
    pub provider: &'static str,
    /// When the result is wanted. Only the order of jobs depends on it; a late job still runs.
    pub deadline: Instant,
    /// Which threads may run it.
    pub lane: Lane,
    slots: Option<Arc<Slots>>,
}

impl Job {
    /// A run of `model` that should be done after `within`.
    #[must_use]
    pub fn new(provider: &'static str, model: &Model, lane: Lane, within: Duration) -> Self {
        Self { provider, deadline: Instant::now() + within, lane, slots: Some(model.slots().clone()) }
    }

    /// Work on the CPU without a model.
    #[must_use]
    pub fn without_model(provider: &'static str, lane: Lane, within: Duration) -> Self {
        Self { provider, deadline: Instant::now() + within, lane, slots: None }
    }
}

/// What a pool has done since it was made, and what waits now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Jobs waiting in [`Lane::Short`].
    pub waiting_short: usize,
    /// Jobs waiting in [`Lane::Long`].
    pub waiting_long: usize,
    /// Jobs that run now.
    pub running: usize,
    /// Jobs that ran to their end.
    pub completed: u64,
    /// Jobs refused because their lane was full.
    pub rejected: u64,
    /// Jobs whose caller went away before they started.
    pub cancelled: u64,
    /// Jobs that ended after their deadline.
    pub late: u64,
    /// Longest wait of a [`Lane::Short`] job for a thread.
    pub max_wait_short: Duration,
    /// Longest wait of a [`Lane::Long`] job for a thread.
    pub max_wait_long: Duration,
}

type Work = Box<dyn FnOnce() + Send>;

struct State {
    queue: Queue<Work>,
    stats: PoolStats,
    /// Whether the thread for short jobs is at one.
    short_busy: bool,
    closed: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the thread for short jobs.
    short: Condvar,
    /// Wakes the others.
    any: Condvar,
}

/// Threads that run inference for all streams of the process, earliest deadline first. Cloning shares it; the threads
/// end when the last clone is dropped and the waiting jobs are done.
#[derive(Clone)]
pub struct InferencePool {
    handle: Arc<Handle>,
    workers: usize,
}

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.state.lock().closed = true;
        self.0.short.notify_all();
        self.0.any.notify_all();
    }
}

impl fmt::Debug for InferencePool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InferencePool").field("workers", &self.workers).field("stats", &self.stats()).finish()
    }
}

impl InferencePool {
    /// A pool of its own. Most programs want [`InferencePool::global`].
    #[must_use]
    pub fn new(options: PoolOptions) -> Self {
        let workers = options.workers.max(1);
        let state = State {
            queue: Queue::new(options.short_queue.max(1), options.long_queue.max(1)),
            stats: PoolStats::default(),
            short_busy: false,
            closed: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), short: Condvar::new(), any: Condvar::new() });
        for index in 0..=workers {
            let shared = shared.clone();
            let only_short = index == workers;
            let spawned = thread::Builder::new()
                .name(format!("inference-{}", if only_short { "short".to_owned() } else { index.to_string() }))
                .spawn(move || shared.work(only_short));
            if let Err(error) = spawned {
                tracing::error!(%error, "cannot start an inference thread");
            }
        }
        Self { handle: Arc::new(Handle(shared)), workers }
    }

    /// The pool of the process, with default options, made at the first call.
    #[must_use]
    pub fn global() -> Self {
        static POOL: OnceLock<InferencePool> = OnceLock::new();
        POOL.get_or_init(|| Self::new(PoolOptions::default())).clone()
    }

    /// Threads for both lanes.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Queues `work`. Dropping the answer before the work has started cancels it; once started it runs to its end.
    ///
    /// # Errors
    /// From the returned future: the error of `work`, [`ProviderError::Overloaded`] if the lane is full,
    /// [`ProviderError::Internal`] if `work` panics.
    pub fn submit<T: Send + 'static>(
        &self,
        job: Job,
        work: impl FnOnce() -> Result<T, ProviderError> + Send + 'static,
    ) -> Pending<T> {
        let (sender, receiver) = oneshot::channel();
        let provider = job.provider;
        let run = move || {
            let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                Err(ProviderError::Internal { provider, source: "the inference job panicked".into() })
            });
            // The receiver may be gone: the caller no longer wants the result.
            let _ = sender.send(result);
        };
        let shared = &self.handle.0;
        let entry = Entry {
            lane: job.lane,
            deadline: job.deadline,
            queued: Instant::now(),
            slots: job.slots,
            work: Box::new(run) as Work,
        };
        let mut state = shared.state.lock();
        let pushed = state.queue.push(entry);
        let wake_worker = job.lane == Lane::Long || state.short_busy;
        if pushed.is_err() {
            state.stats.rejected += 1;
        }
        drop(state);
        match pushed {
            Ok(key) => {
                if job.lane == Lane::Short {
                    shared.short.notify_one();
                }
                if wake_worker {
                    shared.any.notify_one();
                }
                let place = Place { pool: self.clone(), lane: job.lane, key };
                Pending { provider, answer: Some(receiver), place: Some(place) }
            }
            Err(_) => Pending { provider, answer: None, place: None },
        }
    }

    /// Whether long jobs wait for a thread: optional work, such as interim results, had better be left out.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.handle.0.state.lock().queue.waiting(Lane::Long) > 0
    }

    /// What the pool has done and what waits.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let state = self.handle.0.state.lock();
        PoolStats {
            waiting_short: state.queue.waiting(Lane::Short),
            waiting_long: state.queue.waiting(Lane::Long),
            ..state.stats
        }
    }
}

impl Shared {
    /// What a thread of the pool does all its life.
    fn work(&self, only_short: bool) {
        let lanes: &[Lane] = if only_short { &[Lane::Short] } else { &[Lane::Short, Lane::Long] };
        let mut state = self.state.lock();
        loop {
            let Some(entry) = state.queue.pop(lanes) else {
                if state.closed {
                    return;
                }
                if only_short {
                    self.short.wait(&mut state)
                } else {
                    self.any.wait(&mut state)
                }
                continue;
            };
            state.started(&entry, only_short);
            drop(state);
            (entry.work)();
            state = self.state.lock();
            state.stats.running -= 1;
            state.stats.completed += 1;
            state.stats.late += u64::from(Instant::now() > entry.deadline);
            if only_short {
                state.short_busy = false;
            }
            if let Some(slots) = entry.slots {
                slots.give_back();
                // This thread looks for work next, but may have to leave a job of the freed model to another one.
                if state.queue.waiting(Lane::Long) > 0 {
                    self.any.notify_one();
                }
            }
        }
    }
}

impl State {
    fn started(&mut self, entry: &Entry<Work>, only_short: bool) {
        self.stats.running += 1;
        self.short_busy |= only_short;
        let longest = match entry.lane {
            Lane::Short => &mut self.stats.max_wait_short,
            Lane::Long => &mut self.stats.max_wait_long,
        };
        *longest = (*longest).max(entry.queued.elapsed());
    }
}

/// Where a waiting job stands, so that it can be taken out. Keeps the pool alive for the answer.
struct Place {
    pool: InferencePool,
    lane: Lane,
    key: Key,
}

/// The answer to a submitted job, once it is there.
#[must_use = "dropping it cancels the job"]
pub struct Pending<T> {
    provider: &'static str,
    answer: Option<oneshot::Receiver<Result<T, ProviderError>>>,
    place: Option<Place>,
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("provider", &self.provider).finish_non_exhaustive()
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, ProviderError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let provider = self.provider;
        let Some(answer) = &mut self.answer else {
            return Poll::Ready(Err(ProviderError::Overloaded { provider, retry_after: None }));
        };
        Pin::new(answer).poll(context).map(|received| {
            self.place = None;
            received.unwrap_or_else(|_| {
                Err(ProviderError::Internal { provider, source: "the inference pool has gone".into() })
            })
        })
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let mut state = place.pool.handle.0.state.lock();
        let cancelled = state.queue.cancel(place.lane, place.key);
        state.stats.cancelled += u64::from(cancelled.is_some());
        drop(state);
        // The work is dropped outside the lock: it may own anything, even another answer.
        drop(cancelled);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn pool(workers: usize, long_queue: usize) -> InferencePool {
        InferencePool::new(PoolOptions { workers, short_queue: 8, long_queue })
    }

    fn long(within: u64) -> Job {
        Job::without_model("test", Lane::Long, Duration::from_millis(within))
    }

    /// A job that has started and runs until the returned sender is used or dropped.
    async fn block(pool: &InferencePool) -> (mpsc::Sender<()>, Pending<()>) {
        let (release, released) = mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let pending = pool.submit(long(0), move || {
            let _ = started.send(());
            let _ = released.recv();
            Ok(())
        });
        has_started.await.expect("the job starts");
        (release, pending)
    }

    #[tokio::test]
    async fn a_full_lane_is_refused_and_counted() {
        let pool = pool(1, 1);
        let (release, blocker) = block(&pool).await;
        let waits = pool.submit(long(0), || Ok(1));
        assert!(pool.is_behind());
        let refused = pool.submit(long(0), || Ok(2)).await;
        assert!(matches!(refused, Err(ProviderError::Overloaded { provider: "test", .. })), "{refused:?}");
        drop(release);
        blocker.await.expect("released");
        assert_eq!(waits.await.expect("ran"), 1);
        assert_eq!(pool.stats().rejected, 1);
    }

    #[tokio::test]
    async fn a_dropped_answer_cancels_a_job_that_has_not_started() {
        let pool = pool(1, 8);
        let (release, blocker) = block(&pool).await;
        let (ran, has_run) = oneshot::channel();
        drop(pool.submit(long(0), move || {
            let _ = ran.send(());
            Ok(())
        }));
        assert_eq!(pool.stats().cancelled, 1);
        drop(release);
        blocker.await.expect("released");
        assert!(has_run.await.is_err(), "the job was dropped, not run");
    }

    #[tokio::test]
    async fn short_jobs_pass_a_long_one() {
        let pool = pool(1, 8);
        let (release, blocker) = block(&pool).await;
        let job = Job::without_model("test", Lane::Short, Duration::from_millis(5));
        assert_eq!(pool.submit(job, || Ok(7)).await.expect("ran"), 7);
        drop(release);
        blocker.await.expect("released");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_lives_on() {
        let pool = pool(1, 8);
        let failed = pool.submit(long(0), || -> Result<(), _> { panic!("on purpose") }).await;
        assert!(matches!(failed, Err(ProviderError::Internal { .. })), "{failed:?}");
        assert_eq!(pool.submit(long(0), || Ok(3)).await.expect("ran"), 3);
    }
}
