//! Fakes for tests and demonstrations. Nothing in here recognises, thinks or speaks; the names say so.

pub mod contract;
pub mod scripted;

pub mod rules;
pub mod script;
pub mod simulation;
pub mod wer;
