//! Tools for Stella agents: what a language model can make an agent do.
//!
//! ```
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//! use stella_core::tool::ToolError;
//! use stella_tools::{FunctionTool, Registry};
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Order {
//!     /// Name of the dish, as on the menu.
//!     dish: String,
//!     /// How many of it.
//!     count: u8,
//! }
//!
//! let order = FunctionTool::new("order", "Puts a dish on the guest's bill.", async |order: Order| {
//!     if order.count == 0 {
//!         return Err(ToolError::Refused("How many? At least one, please.".into()));
//!     }
//!     Ok(format!("{} × {} ordered", order.count, order.dish))
//! });
//! let tools = Registry::new().with(order)?;
//! assert_eq!(tools.specs()[0].parameters["properties"]["count"]["maximum"], 255);
//! # Ok::<(), stella_tools::RegistryError>(())
//! ```
//!
//! * [`Registry`]: the tools of an agent, by name.
//! * [`FunctionTool`]: a tool from an async closure; the schema comes from the type of its arguments.
//! * [`Executor`]: runs calls for the conversation engine, each to exactly one output.
//! * [`builtin`]: tools that many agents want, behind one feature each.

pub mod builtin;
mod executor;
mod function;
mod output;
mod registry;
mod schema;

pub use self::{
    executor::{Executor, ExecutorOptions},
    function::{FunctionTool, NoArguments, internal},
    registry::{Registry, RegistryError},
};
