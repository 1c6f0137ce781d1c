//! What the commands print: plain lines, or a moving bar when a person is watching.
#![expect(clippy::print_stdout, reason = "xtask is a command-line program; this is the one place that prints")]

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Prints one line.
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// Prints one line to the error stream, where it survives a redirected output.
pub(crate) fn warn(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// A running piece of long work. A terminal gets a bar; anything else a line at the start and one every ten seconds.
#[derive(Debug)]
pub(crate) struct Progress {
    what: String,
    total: u64,
    bar: Option<ProgressBar>,
    start: Instant,
    last_line: Instant,
}

impl Progress {
    const LINE_EVERY: Duration = Duration::from_secs(10);

    /// Begins work of `total` bytes; 0 when the size is unknown.
    pub(crate) fn start(what: impl Into<String>, total: u64) -> Self {
        let what = what.into();
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = if total > 0 { ProgressBar::new(total) } else { ProgressBar::new_spinner() };
            let shape = if total > 0 {
                "  {msg} {bar:30} {bytes}/{total_bytes} {elapsed}"
            } else {
                "  {msg} {spinner} {elapsed}"
            };
            bar.set_style(ProgressStyle::with_template(shape).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(what.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            line(format!("  {what} ..."));
        }
        let start = Instant::now();
        Self { what, total, bar, start, last_line: start }
    }

    /// Tells how far the work is, in bytes (0 when unknown).
    pub(crate) fn at(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            return;
        }
        if self.last_line.elapsed() >= Self::LINE_EVERY {
            self.last_line = Instant::now();
            if self.total > 0 {
                line(format!("  {} ... {} of {}", self.what, bytes(done), bytes(self.total)));
            } else {
                line(format!("  {} ... {}", self.what, seconds(self.start.elapsed())));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A size for people: `12 kB`, `3.4 MB`, `1.2 GB`.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1_000_000 => format!("{} kB", n.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}

/// A duration for people: `0.4 s`, `12.3 s`, `2 m 05 s`.
pub(crate) fn seconds(d: Duration) -> String {
    let s = d.as_secs_f64();
    if s < 60.0 { format!("{s:.1} s") } else { format!("{} m {:02} s", d.as_secs() / 60, d.as_secs() % 60) }
}

/// Prints rows in columns as wide as their widest cell.
pub(crate) fn table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|c| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let text: String = row.iter().zip(&widths).map(|(cell, &w)| format!("{cell:<w$}  ")).collect();
        line(format!("  {}", text.trim_end()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_well() {
        assert_eq!(bytes(12), "1 kB");
        assert_eq!(bytes(56_320_672), "56.3 MB");
        assert_eq!(bytes(1_490_000_000), "1.49 GB");
        assert_eq!(seconds(Duration::from_millis(1230)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 m 05 s");
    }
}
