//! What the demo and the benchmarks share: the user's voice and ear.

pub mod clip;
pub mod ear;
