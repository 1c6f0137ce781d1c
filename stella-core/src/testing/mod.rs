//! Fakes for tests and demonstrations. Nothing in here recognises, thinks or speaks; the names say so.

pub mod scripted;
