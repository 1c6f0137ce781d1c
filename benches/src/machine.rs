//! The machine, and what this process takes of it.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

/// What the figures were measured on.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    cpu: String,
    cores: usize,
    memory_mb: u64,
    kernel: String,
}

impl Machine {
    /// This machine.
    #[must_use]
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mb: kilobytes(&field(&read("/proc/meminfo"), "MemTotal")) / 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

fn kilobytes(text: &str) -> u64 {
    text.trim_end_matches("kB").trim().parse().unwrap_or_default()
}

/// Load of the last minute.
#[must_use]
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// Proportional set size of this process in kilobytes: its own memory, and its share of what it shares.
///
/// # Errors
/// If the system does not tell.
pub fn memory_kb() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").context("cannot read this process's memory")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no PSS is given")?;
    Ok(kilobytes(line) as f64)
}

/// Processor time of this process so far.
///
/// # Errors
/// If the system does not tell.
pub fn cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").context("cannot read this process's processor time")?;
    // The name in parentheses may hold spaces; times are fields 14 and 15 of the line, in hundredths of a second.
    let after = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Threads of this process.
#[must_use]
pub fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_can_be_measured() {
        assert!(memory_kb().unwrap() > 100.0);
        let mut sum = 0.0;
        while cpu().unwrap() < Duration::from_millis(20) {
            sum += (sum + 1.0_f64).sqrt();
        }
        assert!(sum > 0.0 && threads() > 0);
    }
}
