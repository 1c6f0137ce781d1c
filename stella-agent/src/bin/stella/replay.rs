//! `stella replay`.

use std::{fs::File, io::BufReader, path::PathBuf};

use stella_core::{
    engine::{WordListJudge, replay},
    error::chain,
};

use crate::failure::Failure;

/// Flags of `stella replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A recording made with `--record`.
    file: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let name = args.file.display();
    let file = File::open(&args.file).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let report = replay(BufReader::new(file), Box::new(WordListJudge))
        .map_err(|error| Failure::other(format!("{name}: {}", chain(&error))))?;
    let end = match (report.closed, report.cut) {
        (true, _) => "to its end",
        (false, true) => "up to where it was cut off",
        (false, false) => "but the conversation had not ended",
    };
    println!("{} inputs give the same {} outputs, {end} at {}", report.inputs, report.outputs, report.until);
    Ok(())
}
