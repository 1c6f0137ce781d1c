//! Fakes for tests and demonstrations. Nothing in here recognises, thinks or speaks; the names say so.

#[cfg(feature = "testing")]
pub mod contract;
#[cfg(feature = "testing")]
pub mod scripted;

pub mod minimise;
pub mod rules;
#[cfg(feature = "testing")]
pub mod script;
#[cfg(feature = "testing")]
pub mod simulation;
#[cfg(feature = "testing")]
pub mod wer;
