//! What the local models share: where their files lie, one onnxruntime, one copy of each model, one pool of threads.
//!
//! A stream of inference asks the [`InferencePool`] to run a [`Job`] on a [`Model`]; the job that is due first runs
//! first, and what cannot be taken is refused with
//! [`ProviderError::Overloaded`](stella_core::error::ProviderError::Overloaded) and counted.

mod cache;
mod library;
mod model;
mod pool;
mod queue;

pub use cache::Cache;
#[cfg(any(feature = "moonshine", feature = "kokoro"))]
pub(crate) use cache::{damaged, read};
pub use library::init;
pub use model::{Model, ModelOptions};
pub(crate) use model::{failed, misshapen};
pub use pool::{InferencePool, Job, Lane, Pending, PoolOptions, PoolStats};
