//! What the benchmarks share: their frame, their figures, what they run on, and people in rooms.

#![allow(clippy::print_stdout, reason = "for programs of the terminal")]

pub mod caller;
pub mod figures;
pub mod machine;
pub mod program;
pub mod rooms;
pub mod server;
