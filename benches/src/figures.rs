//! The figures of a run, each beside its peer, as JSON and as a table.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::machine::{Machine, load};

/// One figure. Less is better in all of them.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// The value, in `unit`.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// How often it was measured; the value is the median.
    pub runs: usize,
    /// Whose figure it stands beside. [`Report::peer_values`] says where it is from.
    pub peer: Option<&'static str>,
    /// Theirs, in the same unit.
    pub peer_value: Option<f64>,
    /// Ours divided by the peer's; `None` beside a zero.
    pub ratio: Option<f64>,
}

impl Figure {
    /// A figure without a peer.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str, runs: usize) -> Self {
        Self { name: name.into(), value: round(value), unit, runs, peer: None, peer_value: None, ratio: None }
    }

    /// Puts it beside a peer's, in the same unit.
    #[must_use]
    pub fn beside(self, peer: &'static str, peer_value: f64) -> Self {
        let ratio = Some(round(self.value / peer_value)).filter(|ratio| ratio.is_finite());
        Self { peer: Some(peer), peer_value: Some(peer_value), ratio, ..self }
    }
}

/// All figures of one run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Name of the benchmark.
    pub name: &'static str,
    /// When it began.
    pub when: String,
    /// What it ran on.
    pub machine: Machine,
    /// Load of the minute before.
    pub load_before: f64,
    /// Load of its last minute.
    pub load_after: f64,
    /// Where the peers' values are from.
    pub peer_values: &'static str,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// Servers and models of this run.
    pub peers: Value,
}

impl Report {
    /// Begins a run against the servers and models that `STELLA_PEERS` names.
    #[must_use]
    pub fn begin(name: &'static str, peer_values: &'static str) -> Self {
        let peers = std::env::var("STELLA_PEERS").ok().and_then(|text| serde_json::from_str(&text).ok());
        Self {
            name,
            when: jiff::Timestamp::now().to_string(),
            machine: Machine::this(),
            load_before: load(),
            load_after: 0.0,
            peer_values,
            figures: Vec::new(),
            peers: peers.unwrap_or_default(),
        }
    }

    /// Ends the run: prints what was measured, and writes it into the file, if there is to be one.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn end(mut self, figures: Vec<Figure>, file: Option<&Path>) -> Result<()> {
        (self.figures, self.load_after) = (figures, load());
        self.print();
        file.map_or(Ok(()), |file| self.write(file))
    }

    /// Writes it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("the report cannot be written as JSON")?;
        std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
    }

    /// Prints it for people.
    pub fn print(&self) {
        println!("\n{:<58}{:>10}  {:<11}{:>5}{:>10}{:>8}  peer", "figure", "value", "unit", "runs", "peer's", "ratio");
        for figure in &self.figures {
            let number = |value: Option<f64>| value.map_or(String::new(), show);
            println!(
                "{:<58}{:>10}  {:<11}{:>5}{:>10}{:>8}  {}",
                figure.name,
                show(figure.value),
                figure.unit,
                figure.runs,
                number(figure.peer_value),
                number(figure.ratio),
                figure.peer.unwrap_or_default()
            );
        }
        println!("\npeers' values: {}", self.peer_values);
        println!("load before {:.2}, after {:.2}", self.load_before, self.load_after);
    }
}

/// The median; the mean of the two middle ones of an even count. Zero without values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The smallest value that so large a share (0-1) of the values does not exceed. Zero without values.
#[must_use]
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).or(values.last()).copied().unwrap_or_default()
}

fn show(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// To five places: more would only look exact.
fn round(value: f64) -> f64 {
    (value * 100_000.0).round() / 100_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_ours_by_theirs() {
        let figure = Figure::new("x", 2.0, "s", 3).beside("them", 4.0);
        assert_eq!((figure.ratio, figure.peer_value), (Some(0.5), Some(4.0)));
        assert_eq!(Figure::new("x", 0.0, "s", 3).beside("them", 0.0).ratio, None);
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0]) - 2.5).abs() < 1e-9);
        assert!(median(Vec::new()).abs() < 1e-9);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!([0.0, 0.5, 0.95, 1.0].map(|share| percentile(&values, share)), [1.0, 10.0, 19.0, 20.0]);
        assert_eq!(percentile(&[], 0.5), 0.0);
        let values: Vec<f64> = (1..=40).map(f64::from).collect();
        assert!((percentile(&values, 0.95) - 38.0).abs() < 1e-9);
        assert!((percentile(&[7.0], 0.95) - 7.0).abs() < 1e-9 && percentile(&[], 0.95).abs() < 1e-9);
    }
}
