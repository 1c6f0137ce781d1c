//! What scripts have in common.

use std::time::Duration;

use stella_core::{engine::Options, testing::script::run};

/// A reply that is being heard: "One two three four five six." at four words a second.
pub(crate) const SPEAKING: &str = "
    0.000 say One two three four five six.
    0.050 audio 36000
    0.060 synthesized
    0.100 playout 480
";

/// Short waits: what decides when a turn ends has tests of its own.
pub(crate) fn options() -> Options {
    let mut options = Options::default();
    options.endpointing.wait_unsure = Duration::from_millis(600);
    options.endpointing.wait_incomplete = Duration::from_millis(1_600);
    options
}

/// Runs a script while the reply of [`SPEAKING`] is being heard.
pub(crate) fn over_speech(script: &str) -> String {
    run(options(), &format!("{SPEAKING}{script}"))
}

pub(crate) fn check(script: &str) -> String {
    run(options(), script)
}
