//! The test programs of the workspace: which package each belongs to, and which real peers its source asks for.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process::{Running, describe};

/// A real thing that a test can be run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Real {
    /// The LiveKit server.
    LiveKit,
    /// The Python SDK of LiveKit as the other participant.
    Python,
    /// Chromium with livekit-client as the other participant.
    Browser,
    /// The local language model.
    Llm,
    /// Speech models in the cache.
    Models,
}

impl Real {
    /// What the source of a test that uses it mentions.
    const MARKS: &[(Self, &[&str])] = &[
        (Self::LiveKit, &["STELLA_TEST_LIVEKIT"]),
        (Self::Python, &["STELLA_TEST_PYTHON"]),
        (Self::Browser, &["STELLA_TEST_BROWSER"]),
        (Self::Llm, &["STELLA_TEST_LLM"]),
        (Self::Models, &["STELLA_CACHE", "Cache::from_env"]),
    ];

    fn asked_for_in(source: &str) -> Vec<Self> {
        let found = |marks: &[&str]| marks.iter().any(|mark| source.contains(mark));
        Self::MARKS.iter().filter(|(_, marks)| found(marks)).map(|(real, _)| *real).collect()
    }
}

/// One test program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suite {
    /// `package` or `package: test file`.
    pub(crate) name: String,
    /// What its source asks for.
    pub(crate) asks_for: Vec<Real>,
}

/// All test programs by the file name of their executable.
#[derive(Debug, Default)]
pub(crate) struct Suites(HashMap<String, Suite>);

impl Suites {
    /// Builds the tests that `command` selects, without running them.
    pub(crate) fn build(command: &mut Command, deadline: Instant) -> Result<Self> {
        command.args(["--no-run", "--quiet", "--message-format=json-render-diagnostics"]).stdout(Stdio::piped());
        let mut cargo = Running::start(command)?;
        let mut output = cargo.take_stdout().context("cargo has no output")?;
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut output, &mut text).map(|_| text)
        });
        let status = cargo.wait(Some(deadline), || ())?;
        if !status.success() {
            bail!("cargo {}", describe(status));
        }
        let text = reader.join().ok().and_then(Result::ok).context("cannot read what cargo says")?;
        Ok(Self::from_messages(&text))
    }

    fn from_messages(text: &str) -> Self {
        let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Self(messages.filter_map(|m| suite_of(&m)).collect())
    }

    /// The suite whose executable has this path.
    pub(crate) fn get(&self, executable: &str) -> Option<&Suite> {
        self.0.get(&file_name(Path::new(executable)))
    }
}

fn suite_of(message: &Value) -> Option<(String, Suite)> {
    let executable = message["executable"].as_str()?;
    let (target, source) = (message["target"]["name"].as_str()?, message["target"]["src_path"].as_str()?);
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let package = file_name(manifest.parent()?);
    let kind = message["target"]["kind"][0].as_str()?;
    let integration = kind == "test";
    let name = match kind {
        "lib" | "proc-macro" => package,
        "bin" if target == package => package,
        _ => format!("{package}: {target}"),
    };
    let asks_for = if integration { Real::asked_for_in(&with_helpers(Path::new(source))) } else { Vec::new() };
    Some((file_name(Path::new(executable)), Suite { name, asks_for }))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The text of a test file and of the modules beside it that it declares.
fn with_helpers(test: &Path) -> String {
    let text = fs::read_to_string(test).unwrap_or_default();
    let dir = test.parent().unwrap_or(Path::new("."));
    let own = dir.join(test.file_stem().unwrap_or_default());
    let modules =
        text.lines().filter_map(|l| l.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    let folders: Vec<PathBuf> = modules
        .flat_map(|m| [dir.join(m), dir.join(format!("{m}.rs")), own.join(m), own.join(format!("{m}.rs"))])
        .collect();
    folders.iter().fold(text.clone(), |all, path| all + &text_below(path))
}

fn text_below(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).unwrap_or_default();
    }
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok).map(|e| e.path());
    entries.filter(|p| p.is_dir() || p.extension().is_some_and(|e| e == "rs")).map(|p| text_below(&p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_named_by_package_and_file() {
        let line = |kind: &str, target: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/stella-rtc/Cargo.toml","executable":"/w/target/debug/deps/{target}-0a1b","target":{{"kind":["{kind}"],"name":"{target}","src_path":"/none"}}}}"#
            )
        };
        let text = [line("test", "room"), line("lib", "stella_rtc"), "not JSON".to_owned()].join("\n");
        let suites = Suites::from_messages(&text);
        assert_eq!(suites.get("target/debug/deps/room-0a1b").unwrap().name, "stella-rtc: room");
        assert_eq!(suites.get("target/debug/deps/stella_rtc-0a1b").unwrap().name, "stella-rtc");
        assert_eq!(suites.get("target/debug/deps/other-0a1b"), None);
    }

    #[test]
    fn a_test_asks_for_what_it_or_its_helpers_mention() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("common")).unwrap();
        fs::write(dir.path().join("common/mod.rs"), r#"env("STELLA_TEST_LIVEKIT_URL")"#).unwrap();
        let test = dir.path().join("room.rs");
        fs::write(&test, "mod common;\n// STELLA_TEST_PYTHON\n").unwrap();
        assert_eq!(Real::asked_for_in(&with_helpers(&test)), [Real::LiveKit, Real::Python]);
    }
}
