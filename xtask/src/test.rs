//! `cargo xtask test`: every check and every test there is, with real servers, and a table of what ran against what.

mod cargo_output;
mod report;
mod suites;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use self::report::{Report, Row};
use self::suites::Suites;
use crate::process::{Running, describe, output_of};
use crate::servers::livekit::LiveKit;
use crate::servers::llm::Llm;
use crate::setup::{self, Part, Setup};
use crate::{demo, run_env, ui, workspace};

/// The crate over the official SDK: it cannot link without the SDK's native library, so it is only type-checked.
const SDK_CRATE: &str = "stella-rtc-livekit";
/// The core must stay free of these.
const CORE: &str = "stella-core";
const CORE_FORBIDDEN: &[&str] = &["tokio", "hyper", "reqwest", "socket2"];
/// States of the engine that the proof explores.
const EXPLORED_STATES: &str = "1000000";
/// Says how much the simulation simulates, in minutes; and how much that is if nothing is said.
const SIMULATED: &str = "STELLA_SIM_MINUTES";
const SIMULATED_MINUTES: &str = "10000";
/// Longest time the building and running of all tests may take together.
const TESTS_DEADLINE: Duration = Duration::from_secs(50 * 60);

/// One step of the test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting
    Fmt,
    /// The dependency rule of the core
    Deps,
    /// Lints of every target, warnings are errors
    Clippy,
    /// Every feature of every crate compiles alone, without warnings
    Features,
    /// Unit, property, contract and documentation tests, and those with real servers
    Tests,
    /// The conversation engine in a million states, and in as many generated conversations as a plain test run
    Proof,
    /// The documentation builds without warnings
    Doc,
    /// The back end over the official LiveKit SDK is type-checked
    LivekitSdk,
    /// 10,000 simulated minutes of conversations with faults, optimised; only if asked for: the tests hold a part of them
    Simulation,
}

impl Step {
    /// Those of a plain run.
    const ALL: &[Self] =
        &[Self::Fmt, Self::Deps, Self::Clippy, Self::Features, Self::Tests, Self::Proof, Self::Doc, Self::LivekitSdk];

    fn title(self) -> &'static str {
        match self {
            Self::Fmt => "cargo fmt --check",
            Self::Deps => "dependency rule of stella-core",
            Self::Clippy => "cargo clippy",
            Self::Features => "each feature alone",
            Self::Tests => "cargo test",
            Self::Proof => "proof of the conversation engine",
            Self::Doc => "cargo doc",
            Self::LivekitSdk => "type check of stella-rtc-livekit",
            Self::Simulation => "simulation",
        }
    }
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Only this step; may be given several times
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Step>,
    /// Only the tests of this package; may be given several times
    #[arg(long, short, value_name = "NAME")]
    package: Vec<String>,
    /// Arguments for the test programs, such as the name of a test
    #[arg(last = true, value_name = "ARGS")]
    rest: Vec<OsString>,
}

/// Runs the steps; the exit code is 1 when anything failed.
pub(crate) fn run(args: &TestArgs) -> Result<ExitCode> {
    let steps: Vec<Step> = match (args.only.as_slice(), args.package.is_empty() && args.rest.is_empty()) {
        ([], true) => Step::ALL.to_vec(),
        ([], false) => vec![Step::Tests],
        (only, _) => Step::value_variants().iter().copied().filter(|s| only.contains(s)).collect(),
    };
    let parts = if steps.contains(&Step::Tests) { Part::DEFAULT } else { &[Part::System] };
    let setup = setup::ensure(parts)?;
    let members = members()?;
    let mut report = Report::default();
    for step in steps {
        ui::line(format!("\n== {}", step.title()));
        let start = Instant::now();
        let outcome = match step {
            Step::Fmt => check(workspace::cargo("fmt").arg("--all").arg("--check").current_dir(workspace::root())),
            Step::Deps => dependency_rule(),
            Step::Clippy => clippy(&setup, &members),
            Step::Features => features(&setup, &members),
            Step::Proof => proof(),
            Step::Doc => doc(&setup, &members),
            Step::Simulation => simulation(),
            Step::LivekitSdk if members.contains_key(SDK_CRATE) => livekit_sdk(),
            Step::LivekitSdk => {
                ui::line(format!("{SDK_CRATE} is not in the workspace; nothing to check"));
                continue;
            }
            Step::Tests => {
                tests(&setup, &members, args, &mut report)?;
                continue;
            }
        };
        if let Err(problem) = &outcome {
            ui::line(format!("FAILED: {problem:#}"));
        }
        report.add(Row::check(step.title(), outcome.is_ok(), start.elapsed()));
        if crate::process::interrupted() {
            bail!("stopped");
        }
    }
    Ok(report.print())
}

/// The workspace's packages, each with its features.
type Members = BTreeMap<String, BTreeSet<String>>;

fn members() -> Result<Members> {
    let mut command = workspace::cargo("metadata");
    let out = command.args(["--no-deps", "--format-version=1"]).output().context("cannot run cargo metadata")?;
    let text: serde_json::Value =
        serde_json::from_slice(&out.stdout).context("cannot read what cargo metadata says")?;
    let packages = text["packages"].as_array().context("cargo metadata lists no packages")?;
    let features = |p: &serde_json::Value| {
        p["features"].as_object().into_iter().flat_map(|f| f.keys().cloned()).filter(|f| f != "default").collect()
    };
    Ok(packages.iter().filter_map(|p| Some((p["name"].as_str()?.to_owned(), features(p)))).collect())
}

fn check(command: &mut Command) -> Result<()> {
    let status = Running::start(command)?.wait(None, || ())?;
    if status.success() { Ok(()) } else { bail!("{}", describe(status)) }
}

/// `--workspace`, without what cannot be built for running here.
fn whole_workspace(command: &mut Command, members: &Members) {
    command.arg("--workspace");
    if members.contains_key(SDK_CRATE) {
        command.args(["--exclude", SDK_CRATE]);
    }
}

fn clippy(setup: &Setup, members: &Members) -> Result<()> {
    let mut command = workspace::cargo("clippy");
    whole_workspace(&mut command, members);
    command.args(["--all-features", "--all-targets", "--quiet", "--", "-D", "warnings"]);
    run_env::files(&mut command, setup);
    check(&mut command)
}

/// Runs the engine's own proof in full, with its figures printed.
fn proof() -> Result<()> {
    let mut command = workspace::cargo("test");
    command.args([
        "--quiet",
        "-p",
        CORE,
        "--all-features",
        "--test",
        "engine_properties",
        "--test",
        "engine_exhaustive",
    ]);
    check(command.args(["--", "--nocapture"]).env("STELLA_STATES", EXPLORED_STATES))
}

fn doc(setup: &Setup, members: &Members) -> Result<()> {
    let mut command = workspace::cargo("doc");
    whole_workspace(&mut command, members);
    command.args(["--all-features", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings");
    run_env::files(&mut command, setup);
    check(&mut command)
}

/// Lints every library without features, and with each one by itself.
fn features(setup: &Setup, members: &Members) -> Result<()> {
    let mut broken = Vec::new();
    for (package, features) in members.iter().filter(|(name, features)| *name != SDK_CRATE && !features.is_empty()) {
        for feature in std::iter::once("").chain(features.iter().map(String::as_str)) {
            let mut command = workspace::cargo("clippy");
            command.args(["--quiet", "--lib", "-p", package, "--no-default-features", "--features", feature]);
            command.args(["--", "-D", "warnings"]);
            run_env::files(&mut command, setup);
            if let Err(problem) = check(&mut command) {
                let shown = if feature.is_empty() { "no feature" } else { feature };
                ui::line(format!("{package} with {shown}: {problem:#}"));
                broken.push(format!("{package} with {shown}"));
            }
        }
    }
    if broken.is_empty() { Ok(()) } else { bail!("{} cannot be built without warnings", broken.join(", ")) }
}

fn livekit_sdk() -> Result<()> {
    // For this one command only: it makes the SDK's build script skip its native library.
    check(workspace::cargo("check").args(["--quiet", "-p", SDK_CRATE]).env("DOCS_RS", "1"))
}

fn simulation() -> Result<()> {
    let mut command = workspace::cargo("test");
    command.args(["--release", "--quiet", "-p", "stella-agent", "--no-default-features", "--features", "testing"]);
    command.args(["--test", "simulation", "--", "--nocapture"]);
    if std::env::var_os(SIMULATED).is_none() {
        command.env(SIMULATED, SIMULATED_MINUTES);
    }
    check(&mut command)
}

fn dependency_rule() -> Result<()> {
    let mut command = workspace::cargo("tree");
    command.args(["-p", CORE, "-e", "normal", "--prefix", "none", "--format", "{p}"]);
    let out = command.output().context("cannot run cargo tree")?;
    if !out.status.success() {
        bail!("cargo tree {}:\n{}", describe(out.status), String::from_utf8_lossy(&out.stderr));
    }
    let found = forbidden_in(&String::from_utf8_lossy(&out.stdout));
    if found.is_empty() { Ok(()) } else { bail!("{CORE} depends on {}", found.join(", ")) }
}

/// The forbidden packages named in the lines of `cargo tree`.
fn forbidden_in(tree: &str) -> Vec<&'static str> {
    let named = |name: &&&str| tree.lines().any(|line| line.split(' ').next() == Some(**name));
    CORE_FORBIDDEN.iter().filter(named).copied().collect()
}

/// Builds all tests, then runs them with the servers up, one row per test program.
fn tests(setup: &Setup, members: &Members, args: &TestArgs, report: &mut Report) -> Result<()> {
    let start = Instant::now();
    let deadline = start + TESTS_DEADLINE;
    let select = |command: &mut Command| {
        if args.package.is_empty() {
            whole_workspace(command, members);
        }
        for package in &args.package {
            command.args(["-p", package]);
        }
        // Tests that need servers hide behind a feature, so that a plain `cargo test` works without any.
        command.arg("--all-features");
        run_env::files(command, setup);
    };
    let mut build = workspace::cargo("test");
    select(&mut build);
    let suites = match Suites::build(&mut build, deadline) {
        Ok(suites) => suites,
        Err(problem) => {
            ui::line(format!("FAILED: {problem:#}"));
            report.add(Row::check("building the tests", false, start.elapsed()));
            return Ok(());
        }
    };
    report.add(Row::check("building the tests", true, start.elapsed()));

    let livekit = LiveKit::start(setup)?;
    let llm = Llm::start(setup, demo::llm_threads())?;
    for peer in [livekit.peer(), llm.peer()] {
        let url = peer.url.unwrap_or_default();
        ui::line(format!("started {} {} at {url}", peer.name, peer.version));
    }
    let mut command = workspace::cargo("test");
    select(&mut command);
    command.arg("--no-fail-fast").arg("--").args(&args.rest);
    run_env::tests(&mut command, setup, &livekit, &llm);
    cargo_output::run(&mut command, deadline, &suites, &livekit, &llm, report)
}

/// The versions of the toolchain and of the peers that are no servers, for the report.
fn environment() -> Vec<String> {
    let rust = output_of("rustc", &["--version"]).unwrap_or_default();
    vec![
        rust,
        format!("Python livekit {}", setup::venv::LIVEKIT),
        setup::browser::versions(),
        "onnxruntime 1.32.0".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_are_forbidden() {
        let tree = "stella-core v0.1.0 (/somewhere)\ntokio-macros v2.0.0\nserde v1.0.0 (*)\n";
        assert!(forbidden_in(tree).is_empty());
        assert_eq!(forbidden_in("serde v1\nsocket2 v0.6.0\ntokio v1.50.0 (*)\n"), ["tokio", "socket2"]);
    }
}
