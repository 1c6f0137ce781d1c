//! Child processes: each in a process group of its own, and every group ended however xtask ends.
//!
//! Three nets, each for what the one before cannot catch: [`Running`] ends its group when dropped (success, failure,
//! panic); the signal handler of [`install`] ends all groups on Ctrl-C and SIGTERM; the reaper, a second xtask process
//! that only holds a pipe, ends them when that pipe closes because xtask itself was killed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use crate::ui;

/// The hidden first argument that makes an xtask process the reaper.
pub(crate) const REAPER: &str = "__reaper";
/// Time a process group gets between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(5);

static GROUPS: Mutex<Registry> = Mutex::new(Registry { live: Vec::new(), reaper: None });
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

#[derive(Debug)]
struct Registry {
    live: Vec<Pid>,
    reaper: Option<ChildStdin>,
}

impl Registry {
    fn tell_reaper(&mut self, sign: char, group: Pid) {
        if let Some(pipe) = &mut self.reaper {
            // A dead reaper only removes the last net.
            let _ = writeln!(pipe, "{sign}{}", group.as_raw_pid());
        }
    }
}

fn groups() -> MutexGuard<'static, Registry> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the signal handler and starts the reaper. Call once, before the first child.
pub(crate) fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            return;
        }
        ui::warn("\nstopping ...");
        let live = groups().live.clone();
        end_groups(&live, GRACE);
        std::process::exit(130);
    })
    .context("cannot install the signal handler")?;
    let me = std::env::current_exe().context("cannot find the xtask program itself")?;
    let mut reaper = Command::new(me)
        .arg(REAPER)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start the reaper process")?;
    groups().reaper = reaper.stdin.take();
    Ok(())
}

/// The reaper's whole life: note groups as they come and go; when the pipe closes, end those that are left.
pub(crate) fn reap(input: impl Read) {
    let mut live: Vec<Pid> = Vec::new();
    for line in BufReader::new(input).lines().map_while(Result::ok) {
        let Some(group) = line.get(1..).and_then(|n| n.parse().ok()).and_then(Pid::from_raw) else { continue };
        live.retain(|&g| g != group);
        if line.starts_with('+') {
            live.push(group);
        }
    }
    end_groups(&live, GRACE);
}

fn end_groups(live: &[Pid], grace: Duration) {
    for &group in live {
        let _ = kill_process_group(group, Signal::TERM);
    }
    let deadline = Instant::now() + grace;
    while Instant::now() < deadline && live.iter().any(|&g| test_kill_process_group(g).is_ok()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    for &group in live {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Whether a signal has asked xtask to stop.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// A child process with its group. Dropping it ends the whole group and waits for the child.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    group: Pid,
    over: bool,
}

impl Running {
    /// Starts `command` in a group of its own.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut registry = groups();
        if interrupted() {
            bail!("stopped before starting {name}");
        }
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {name}"))?;
        let group = Pid::from_child(&child);
        registry.live.push(group);
        registry.tell_reaper('+', group);
        Ok(Self { name, child, group, over: false })
    }

    /// The child's input, when it was asked to be a pipe.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The child's output, when it was asked to be a pipe.
    pub(crate) fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// The state of the child, if it has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.try_wait().with_context(|| format!("cannot watch {}", self.name))?;
        if status.is_some() {
            self.forget();
        }
        Ok(status)
    }

    /// Waits for the end, calling `tick` five times a second.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>, mut tick: impl FnMut()) -> Result<ExitStatus> {
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if deadline.is_some_and(|d| Instant::now() >= d) {
                self.end();
                bail!("{} took too long and was stopped", self.name);
            }
            tick();
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    fn forget(&mut self) {
        if !self.over {
            self.over = true;
            // What the child left behind in its group goes with it.
            let _ = kill_process_group(self.group, Signal::TERM);
            let mut registry = groups();
            registry.live.retain(|&g| g != self.group);
            registry.tell_reaper('-', self.group);
        }
    }

    /// Ends the group: SIGTERM, then SIGKILL after a grace period.
    pub(crate) fn end(&mut self) {
        if self.over {
            return;
        }
        let _ = kill_process_group(self.group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(self.group, Signal::KILL);
        let _ = self.child.wait();
        self.forget();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a quick command for its output; `None` when it is absent or fails.
pub(crate) fn output_of(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// Runs a long command with its output in `log`, calling `tick` while it runs.
///
/// # Errors
/// A failing command gives the last lines of its log, without addresses of servers.
pub(crate) fn run_logged(command: &mut Command, log: &Path, tick: impl FnMut()) -> Result<()> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let copy = file.try_clone().context("cannot share the log file")?;
    command.stdin(Stdio::null()).stdout(file).stderr(copy);
    let shown = show(command);
    let status = Running::start(command)?.wait(None, tick)?;
    if status.success() {
        return Ok(());
    }
    bail!("`{shown}` {}\n{}(whole log: {})", describe(status), log_tail(log, 12), log.display())
}

/// A command as a person would type it, without its folder.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    std::iter::once(program)
        .chain(command.get_args().map(|a| a.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// How a process ended, in words.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The last `count` lines of a log; lines that name a server's address are left out.
pub(crate) fn log_tail(log: &Path, count: usize) -> String {
    let text = std::fs::read(log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|l| !l.contains("://") && !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].iter().map(|l| format!("    {l}\n")).collect()
}

/// Finds a program on the search path.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| is_executable(p))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_child_takes_its_whole_group_along() {
        let running = Running::start(Command::new("sh").args(["-c", "sleep 60 & sleep 60"])).unwrap();
        let group = running.group;
        assert!(test_kill_process_group(group).is_ok());
        drop(running);
        let deadline = Instant::now() + Duration::from_secs(5);
        while test_kill_process_group(group).is_ok() {
            assert!(Instant::now() < deadline, "the group is still alive");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn the_reaper_ends_only_what_is_still_listed() {
        let mut kept = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let mut ended = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let (k, e) = (kept.id(), ended.id());
        let input = format!("+{k}\n+{e}\n-{k}\n");
        let waiter = std::thread::spawn(move || ended.wait().unwrap());
        reap(input.as_bytes());
        assert_eq!(waiter.join().unwrap().signal(), Some(15));
        assert!(kept.try_wait().unwrap().is_none());
        kept.kill().unwrap();
        kept.wait().unwrap();
    }

    #[test]
    fn a_command_over_its_deadline_is_stopped() {
        let mut running = Running::start(Command::new("sleep").arg("60")).unwrap();
        let error = running.wait(Some(Instant::now()), || ()).unwrap_err();
        assert!(error.to_string().contains("took too long"), "{error}");
    }

    #[test]
    fn a_log_tail_names_no_server() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        std::fs::write(&log, "one\nLooking at https://packages.example\ntwo\n").unwrap();
        assert_eq!(log_tail(&log, 5), "    one\n    two\n");
    }
}
