//! Hearing: one task for each speaker turns its sound into voice starts and ends, transcripts and end-of-turn scores.

mod ear;
mod line;
mod recogniser;
mod ring;

pub(crate) use ear::{Ear, EarCommand, EarParts};
