//! The frame of a benchmark that talks to servers.

use std::{future::Future, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};

/// Measures until it is done, `limit` has passed or somebody asks to stop, and says in one line what went wrong.
pub fn run(limit: Duration, measure: impl Future<Output = Result<()>>) -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    match block_on(limit, measure) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(limit: Duration, measure: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = tokio::time::timeout(limit, measure) => result.context("the benchmark takes too long")?,
            () = stella_agent::shutdown_requested() => bail!("stopped"),
        }
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}
