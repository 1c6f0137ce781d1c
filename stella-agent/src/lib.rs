//! The agent runtime of Stella.

mod resample;
pub mod wav;
