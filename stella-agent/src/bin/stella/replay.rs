//! `stella replay`.

use std::{
    fs::File,
    io::{BufReader, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use serde_json::json;
use stella_core::{
    engine::{
        Config, Divergence, Engine, Judge, Output, Recorded, Recorder, Recording, ReplayError, WordListJudge, table,
        timeline,
    },
    error::chain,
    testing::{
        minimise::{Divergent, Given, MOST_RUNS, Minimised, Progress, RuleBreach, Trial, minimise},
        rules::{Broken, Watched},
    },
};

use crate::failure::Failure;

/// Characters of a line that is not for a terminal.
const WIDTH: usize = 120;
/// Runs between two signs of progress.
const PROGRESS: usize = 50;

/// Flags of `stella replay`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 all is as recorded, 1 something differs or a rule of the engine is broken, 2 the \
                        file cannot be used."
)]
pub(crate) struct Args {
    /// A recording made with `--record`
    file: PathBuf,
    /// Print timeline and result as one JSON object
    #[arg(long)]
    json: bool,
    /// Characters of a line, at least 60 [default: that of the terminal (COLUMNS), or 120]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(60..))]
    width: Option<u16>,
    /// Tell user and agent apart by colours
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    color: Colour,
    /// Print only the result, not the timeline
    #[arg(long, short, conflicts_with = "json")]
    quiet: bool,
    /// Write a recording with as few inputs as possible that still differs, or still breaks the same rule
    #[arg(long, value_name = "OUT", visible_alias = "minimize")]
    minimise: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What a recording shows.
enum Finding {
    /// The engine does what it did, and its rules hold.
    Same,
    /// It does something else.
    Differs(Box<Divergence>),
    /// It does what it did, and that breaks a rule.
    Breaks(Broken),
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let name = args.file.display();
    let unusable = |error: &(dyn std::error::Error + 'static)| Failure::usage(format!("{name}: {}", chain(error)));
    let file = File::open(&args.file).map_err(|error| unusable(&error))?;
    let recording = Recording::read(BufReader::new(file)).map_err(|error| unusable(&error))?;
    let config = recording.header.options.clone().validate().map_err(|error| unusable(&error))?;
    let finding = find(&recording, &config).map_err(|error| unusable(&error))?;
    print(args, &recording, &finding);
    if let Some(out) = &args.minimise {
        shrink(out, &recording, &config, &finding)?;
    }
    match finding {
        Finding::Differs(divergence) => Err(Failure::other(format!("{name}: it differs at {divergence}"))),
        Finding::Breaks(broken) => Err(Failure::other(format!("{name}: {broken}"))),
        Finding::Same if recording.cut => {
            let line = recording.records.last().map_or(1, |record| record.line) + 1;
            Err(Failure::usage(format!("{name}: the file was cut off in line {line}; up to there all is as recorded")))
        }
        Finding::Same => Ok(()),
    }
}

fn judge() -> Box<dyn Judge> {
    Box::new(WordListJudge)
}

/// Runs the recording again, and then looks whether the rules hold.
fn find(recording: &Recording, config: &Config) -> Result<Finding, ReplayError> {
    match recording.replay(judge()) {
        Ok(_) => {}
        Err(ReplayError::Diverged(divergence)) => return Ok(Finding::Differs(divergence)),
        Err(error) => return Err(error),
    }
    let mut watched = Watched::new(config, judge());
    for record in &recording.records {
        if let Recorded::Input(input) = &record.what
            && let Err(broken) = watched.handle(record.at, input.clone())
        {
            return Ok(Finding::Breaks(broken));
        }
    }
    Ok(Finding::Same)
}

fn print(args: &Args, recording: &Recording, finding: &Finding) {
    let rows = timeline(&recording.records);
    let inputs = recording.records.iter().filter(|record| matches!(record.what, Recorded::Input(_))).count();
    let outputs = recording.records.len() - inputs;
    let version = &recording.header.version;
    if args.json {
        let finding = match finding {
            Finding::Same => json!({ "same": true }),
            Finding::Differs(at) => json!({
                "same": false, "line": at.line, "at": at.at, "recorded": at.expected, "engine": at.actual,
            }),
            Finding::Breaks(broken) => json!({
                "same": true, "rule": format!("{:?}", broken.rule), "at": broken.at, "why": broken.why,
            }),
        };
        let whole = json!({
            "version": version, "inputs": inputs, "outputs": outputs, "cut": recording.cut,
            "timeline": rows, "result": finding,
        });
        println!("{whole}");
        return;
    }
    if !args.quiet {
        print!("{}", table(&rows, width(args), coloured(args.color)));
    }
    let until = recording.records.last().map(|record| record.at).unwrap_or_default();
    match finding {
        Finding::Same => {
            println!("{inputs} inputs give the same {outputs} outputs, up to {until} (made by version {version})")
        }
        Finding::Differs(divergence) => println!("the engine does not do what it did in line {}", divergence.line),
        Finding::Breaks(broken) => println!("{inputs} inputs give the same {outputs} outputs, but {broken}"),
    }
}

fn width(args: &Args) -> usize {
    let terminal = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|_| std::io::stdout().is_terminal());
    args.width.map(usize::from).or_else(terminal).unwrap_or(WIDTH)
}

fn coloured(colour: Colour) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    }
}

/// Writes a small recording that shows the same.
fn shrink(out: &Path, recording: &Recording, config: &Config, finding: &Finding) -> Result<(), Failure> {
    let fresh = || Engine::new(config.clone(), judge());
    let (small, expected) = match finding {
        Finding::Same => return Err(Failure::other("there is nothing to minimise: all is as recorded")),
        Finding::Breaks(broken) => (search(recording, || RuleBreach::new(fresh(), config, broken.rule)), None),
        Finding::Differs(divergence) => {
            let trial = Divergent::new(config, judge(), &recording.records, divergence);
            (search(recording, || trial.clone()), Some(divergence.expected.clone()))
        }
    };
    let small = small.ok_or_else(|| Failure::other("the failure does not show again, so it cannot be minimised"))?;
    let written = write(out, config, fresh(), &small.given, expected.as_ref());
    written.map_err(|error| Failure::usage(format!("{}: {error}", out.display())))?;
    let rest = if small.minimal { "" } else { "; more runs might leave out more" };
    println!("{}: {} inputs are left, after {} runs{rest}", out.display(), small.given.len(), small.runs);
    Ok(())
}

/// Searches, and shows that it does.
fn search<T: Trial>(recording: &Recording, start: impl Fn() -> T) -> Option<Minimised> {
    let shown = std::io::stderr().is_terminal();
    let mut told = 0;
    let progress = |progress: Progress| {
        if shown && progress.runs >= told + PROGRESS {
            told = progress.runs;
            eprint!("\r{} runs, {} inputs left ", progress.runs, progress.inputs);
        }
    };
    let small = minimise(&recording.records, MOST_RUNS, start, progress);
    if shown {
        eprint!("\r\x1b[K");
    }
    small
}

/// Writes a recording of the engine; at its last input it has what was `expected`, if that is given.
fn write(
    out: &Path,
    config: &Config,
    mut engine: Engine,
    given: &[Given],
    expected: Option<&Option<Output>>,
) -> std::io::Result<()> {
    let mut recorder = Recorder::new(BufWriter::new(File::create(out)?), config)?;
    for (number, Given { at, input }) in given.iter().enumerate() {
        recorder.input(*at, input)?;
        engine.handle(*at, input.clone());
        let outputs: Vec<Output> = std::iter::from_fn(|| engine.poll_output()).collect();
        match expected.filter(|_| number + 1 == given.len()) {
            Some(expected) => expected.iter().try_for_each(|output| recorder.output(*at, output))?,
            None => outputs.iter().try_for_each(|output| recorder.output(*at, output))?,
        }
    }
    recorder.get_mut().flush()
}
