//! Conversations that broke a rule once, one JSON object a line. They are run before any other.

use std::{fs, io::Write, path::PathBuf, sync::Once};

use serde::{Deserialize, Serialize};
use stella_core::testing::simulation::{Plan, simulate};

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// What it broke, when it was found.
    broke: String,
    plan: Plan,
}

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kept/plans.jsonl"))
}

fn read() -> Vec<Kept> {
    let text = fs::read_to_string(file()).expect("the kept conversations can be read");
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).expect("a kept conversation is understood")).collect()
}

/// Runs all of them, once in a process.
pub(crate) fn all_hold() {
    static RUN: Once = Once::new();
    RUN.call_once(|| {
        for Kept { broke, plan } in read() {
            let broken = simulate(&plan, None).expect("the options are valid").broken;
            assert!(broken.is_none(), "once {broke:?}, now {broken:?}: {plan:?}");
        }
    });
}

/// Keeps another one; returns the name of the file.
pub(crate) fn keep(plan: &Plan, broke: &str) -> String {
    let kept = Kept { broke: broke.to_owned(), plan: plan.clone() };
    let line = serde_json::to_string(&kept).expect("a plan is data");
    let file = file();
    let mut open = fs::OpenOptions::new().append(true).open(&file).expect("the file can be written");
    writeln!(open, "{line}").expect("the file can be written");
    file.display().to_string()
}
