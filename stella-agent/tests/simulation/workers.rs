//! Holds many conversations, on all processors.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{checks, conversation, plan::Plan, stream::PANIC};

/// A conversation whose virtual time stands still for so long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// What came of many conversations.
pub(crate) struct Summary {
    pub(crate) failures: Vec<(u64, String)>,
    conversations: usize,
    virtual_time: Duration,
    real_time: Duration,
    workers: usize,
    trace: u64,
    /// Memory in use after the first tenth of the conversations, and after all.
    memory: Option<(u64, u64)>,
}

/// Memory that the process may have more after all conversations than after the first tenth of them: what is kept for
/// one conversation is freed with it, but not always given back.
const MORE_MEMORY: u64 = 200 << 20;

impl Summary {
    /// What is wrong with the whole.
    pub(crate) fn leak(&self) -> Option<String> {
        let (before, after) = self.memory.filter(|(before, after)| *after > before + MORE_MEMORY)?;
        Some(format!("memory grew from {} to {} MiB", before >> 20, after >> 20))
    }
}

/// Memory in use, where the system tells.
fn memory() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split_whitespace().nth(1)?.parse::<u64>().ok()? * 4_096)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.virtual_time.as_secs_f64() / 60.0;
        let processors = self.real_time.as_secs_f64() * self.workers as f64;
        let pace = 2.0 * self.virtual_time.as_secs_f64() / processors.max(0.001);
        write!(
            f,
            "{} conversations, {minutes:.0} minutes, each held twice in {:.1} s on {} threads: {pace:.0} times real time \
             on each; {} bytes of trace, all alike{}",
            self.conversations,
            self.real_time.as_secs_f64(),
            self.workers,
            self.trace,
            self.memory.map(|(_, after)| format!("; {} MiB in use", after >> 20)).unwrap_or_default(),
        )
    }
}

/// Panics that a fake was told to make are not printed.
pub(crate) fn silence_planned_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(PANIC) {
            print(info);
        }
    }));
}

/// Which conversation a worker holds, and how far it is.
#[derive(Default)]
struct Beat {
    seed: AtomicU64,
    beats: Arc<AtomicU64>,
}

/// Holds the conversations of all seeds and checks them.
pub(crate) fn hold_all(seeds: &[u64]) -> Summary {
    let start = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(seeds.len().max(1));
    let (next, trace, done) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let virtual_time = Mutex::new(Duration::ZERO);
    let failures = Mutex::new(Vec::new());
    let early = Mutex::new(None);
    let beats: Vec<Beat> = (0..workers).map(|_| Beat::default()).collect();
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&beats, &done));
        let work = |beat: &Beat| {
            while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
                beat.seed.store(seed, Ordering::Relaxed);
                match hold_twice(seed, &beat.beats) {
                    Ok(held) => {
                        *virtual_time.lock() += held.length;
                        trace.fetch_add(held.trace as u64, Ordering::Relaxed);
                        if next.load(Ordering::Relaxed) > seeds.len() / 10 {
                            early.lock().get_or_insert_with(memory);
                        }
                    }
                    Err(problem) => {
                        println!("seed {seed}: {problem}\n  again: {}", command(seed));
                        failures.lock().push((seed, problem));
                    }
                }
            }
        };
        let all: Vec<_> = beats.iter().map(|beat| scope.spawn(move || work(beat))).collect();
        for worker in all {
            let _ = worker.join();
        }
        done.store(true, Ordering::Relaxed);
        watch.thread().unpark();
    });
    Summary {
        failures: failures.into_inner(),
        conversations: seeds.len(),
        virtual_time: virtual_time.into_inner(),
        real_time: start.elapsed(),
        workers,
        trace: trace.into_inner(),
        memory: early.into_inner().flatten().zip(memory()),
    }
}

fn command(seed: u64) -> String {
    format!("STELLA_SIM_SEED={seed} cargo test -p stella-agent --test simulation")
}

struct Held {
    length: Duration,
    trace: usize,
}

/// Holds the conversation of a seed, checks it, and holds it again to see whether anything differs.
fn hold_twice(seed: u64, beats: &Arc<AtomicU64>) -> Result<Held, String> {
    let plan = Plan::of(seed);
    let hold = || {
        let beats = beats.clone();
        let outcome = conversation::hold(&plan, move |_| {
            beats.fetch_add(1, Ordering::Relaxed);
        });
        outcome.map_err(|error| error.to_string())
    };
    let outcome = hold()?;
    let checked = checks::check(&outcome);
    if let Err(problem) = checked {
        let file = std::env::temp_dir().join(format!("stella-simulation-{seed}.jsonl"));
        std::fs::write(&file, &outcome.recording).map_err(|error| error.to_string())?;
        return Err(format!("{problem}\n  recording: {}", file.display()));
    }
    let (trace, again) = (outcome.trace(), hold()?.trace());
    if let Some(at) = trace.iter().zip(&again).position(|(a, b)| a != b).or((trace.len() != again.len()).then_some(0)) {
        let part = |bytes: &[u8]| {
            let from = bytes[..at.min(bytes.len())].iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
            String::from_utf8_lossy(&bytes[from..bytes.len().min(from + 300)]).into_owned()
        };
        return Err(format!("two runs differ at byte {at}:\n{}\n{}", part(&trace), part(&again)));
    }
    Ok(Held { length: plan.length, trace: trace.len() })
}

/// Ends the program with a word on which conversation hangs, if one does.
fn watch(beats: &[Beat], done: &AtomicBool) {
    let mut last: Vec<(u64, Instant)> = beats.iter().map(|_| (0, Instant::now())).collect();
    while !done.load(Ordering::Relaxed) {
        std::thread::park_timeout(Duration::from_secs(1));
        for (beat, (count, since)) in beats.iter().zip(&mut last) {
            let now = beat.beats.load(Ordering::Relaxed);
            if now != *count {
                (*count, *since) = (now, Instant::now());
            } else if since.elapsed() > HANGS_AFTER && !done.load(Ordering::Relaxed) {
                let seed = beat.seed.load(Ordering::Relaxed);
                println!("seed {seed} hangs: its time stands still\n  again: {}", command(seed));
                std::process::exit(1);
            }
        }
    }
}
