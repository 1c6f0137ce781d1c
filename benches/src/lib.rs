//! What all benchmarks share: their frame, their figures, and what they run on.

#![allow(clippy::print_stdout, reason = "for programs of the terminal")]

pub mod figures;
pub mod machine;
pub mod program;
pub mod server;
