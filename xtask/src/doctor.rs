//! `cargo xtask doctor`: what is there, what is missing, and how to get it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::cache::FileState;
use crate::process::{output_of, which};
use crate::setup::catalog::{Item, LLM, LLM_LARGE, SPEECH};
use crate::setup::{Setup, apt, browser, pip, server, venv};
use crate::ui;

const SPACE_WANTED: u64 = 3_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    Missing,
    Optional,
}

#[derive(Debug)]
struct Finding {
    what: String,
    state: State,
    detail: String,
}

impl Finding {
    fn ok(what: &str, detail: impl Into<String>) -> Self {
        Self { what: what.to_owned(), state: State::Ok, detail: detail.into() }
    }
    fn missing(what: &str, how: impl Into<String>) -> Self {
        Self { what: what.to_owned(), state: State::Missing, detail: how.into() }
    }
    fn optional(what: &str, how: impl Into<String>) -> Self {
        Self { what: what.to_owned(), state: State::Optional, detail: how.into() }
    }
}

/// Looks at everything and prints a table. The exit code is 1 when something needed is missing.
pub(crate) fn run() -> Result<ExitCode> {
    let mut setup = Setup::open()?;
    ui::line(format!("cache: {}", setup.cache.root().display()));
    let mut findings = tools();
    findings.push(disk(&setup)?);
    findings.push(python_packages(&setup));
    findings.push(files(&mut setup, "speech models", SPEECH, "speech")?);
    findings.push(livekit(&mut setup));
    findings.push(files(&mut setup, "small language model", LLM, "llm")?);
    findings.push(browser(&mut setup)?);
    let large = files(&mut setup, "larger language model", LLM_LARGE, "llm-large")?;
    findings.push(if large.state == State::Missing { Finding::optional(&large.what, large.detail) } else { large });
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|f| {
            let state = match f.state {
                State::Ok => "ok",
                State::Missing => "MISSING",
                State::Optional => "not there",
            };
            vec![f.what.clone(), state.to_owned(), f.detail.clone()]
        })
        .collect();
    ui::table(&rows);
    let missing = findings.iter().filter(|f| f.state == State::Missing).count();
    if missing == 0 {
        ui::line("everything needed is there");
        return Ok(ExitCode::SUCCESS);
    }
    ui::line(format!("{missing} needed things are missing; `cargo xtask setup` gets all that can be fetched"));
    Ok(ExitCode::FAILURE)
}

fn tools() -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match output_of("rustc", &["--version"]) {
        Some(version) => Finding::ok("Rust", version),
        None => Finding::missing("Rust", "install it with rustup"),
    });
    for component in ["rustfmt", "clippy-driver"] {
        findings.push(match output_of(component, &["--version"]) {
            Some(version) => Finding::ok(component, version),
            None => Finding::missing(component, "`rustup component add rustfmt clippy`"),
        });
    }
    for tool in apt::TOOLS {
        findings.push(match which(tool.program) {
            Some(path) => Finding::ok(tool.program, path.display().to_string()),
            None => Finding::missing(tool.program, format!("for {}: {}", tool.why, apt::line_for(&[tool.package]))),
        });
    }
    findings.push(match pip::interpreter() {
        Ok((path, version)) => Finding::ok("Python", format!("{version}, {}", path.display())),
        Err(error) => Finding::missing("Python", error.to_string().replace("\n ", ";")),
    });
    findings.push(match output_of("go", &["version"]) {
        Some(version) => Finding::ok("Go", version),
        None => Finding::optional("Go", "needed only to build livekit-server"),
    });
    findings.push(match output_of("npm", &["--version"]) {
        Some(version) => Finding::ok("npm", version),
        None => Finding::optional("npm", "without it voices and browser come by a Python package of Node"),
    });
    findings
}

fn disk(setup: &Setup) -> Result<Finding> {
    let free = setup.cache.free_space()?;
    let text = format!("{} free", ui::bytes(free));
    if free >= SPACE_WANTED {
        return Ok(Finding::ok("disk", text));
    }
    Ok(Finding::optional("disk", format!("{text}; a whole set-up from nothing wants {}", ui::bytes(SPACE_WANTED))))
}

fn python_packages(setup: &Setup) -> Finding {
    if venv::TOOLS.complete(setup) {
        let detail = format!("xllamacpp {}, livekit {}", venv::XLLAMACPP, venv::LIVEKIT);
        return Finding::ok("Python packages", detail);
    }
    Finding::missing("Python packages", "`cargo xtask setup python`")
}

fn browser(setup: &mut Setup) -> Result<Finding> {
    let found = files(setup, "browser", browser::FILES, "browser")?;
    Ok(if found.state == State::Ok { Finding::ok("browser", browser::versions()) } else { found })
}

fn livekit(setup: &mut Setup) -> Finding {
    let what = "livekit-server";
    match server::version_of(&server::program(setup)) {
        Some(version) if server::complete(setup) => Finding::ok(what, version),
        Some(version) => {
            Finding::missing(what, format!("{version} is there but unchecked: `cargo xtask setup {what}`"))
        }
        None => Finding::missing(what, format!("`cargo xtask setup {what}` (needs Go)")),
    }
}

fn files(setup: &mut Setup, what: &str, items: &[Item], part: &str) -> Result<Finding> {
    let (mut absent, mut wrong) = (Vec::new(), Vec::new());
    for item in items {
        let name = || Path::new(item.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        match setup.stamps.check(item.path, item.sha256)? {
            FileState::Right => {}
            FileState::Missing => absent.push(name()),
            FileState::Wrong => wrong.push(name()),
        }
    }
    if absent.is_empty() && wrong.is_empty() {
        let size = ui::bytes(items.iter().map(|i| i.bytes).sum());
        return Ok(Finding::ok(what, format!("{} files, {size}, hashes right", items.len())));
    }
    let list = |label: &str, names: &[String]| match names {
        [] => String::new(),
        [one] => format!("{label} {one}; "),
        [first, rest @ ..] => format!("{label} {first} and {} more; ", rest.len()),
    };
    let detail = format!("{}{}`cargo xtask setup {part}`", list("missing", &absent), list("changed", &wrong));
    Ok(Finding::missing(what, detail))
}
