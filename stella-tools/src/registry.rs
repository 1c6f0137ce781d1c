//! The tools of an agent.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use stella_core::{
    chat::ToolSpec,
    tool::{Tool, ToolPolicy},
};

/// Most characters of a name.
const NAME_CHARS: usize = 64;

/// Why a tool was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Another tool has this name.
    #[error("there are two tools named {name:?}")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// No model would take this name.
    #[error("a tool cannot be named {name:?}: a name has 1 to 64 letters of a-z and A-Z, digits, `_` and `-`")]
    Name {
        /// The name.
        name: String,
    },
    /// The schema of the arguments does not describe an object.
    #[error("the arguments of tool {name:?} are not described as an object")]
    Parameters {
        /// The tool's name.
        name: String,
    },
}

/// The tools of an agent, in the order they were added: models are shown them in the same order each time, as the
/// server's cache of the prompt needs it. Cloning shares the tools.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    tools: Vec<Arc<dyn Tool>>,
}

impl Registry {
    /// No tools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tool, for building a registry in one expression.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn with(mut self, tool: impl Tool + 'static) -> Result<Self, RegistryError> {
        self.add(Arc::new(tool))?;
        Ok(self)
    }

    /// Adds a tool.
    ///
    /// # Errors
    /// [`RegistryError`]: the name is taken or cannot be one, or the arguments are not described as an object. The
    /// registry is as it was.
    pub fn add(&mut self, tool: Arc<dyn Tool>) -> Result<(), RegistryError> {
        let spec = tool.spec();
        let name = spec.name.clone();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > NAME_CHARS || !name.chars().all(fits) {
            return Err(RegistryError::Name { name });
        }
        if spec.parameters.get("type").and_then(Value::as_str) != Some("object") {
            return Err(RegistryError::Parameters { name });
        }
        if self.get(&name).is_some() {
            return Err(RegistryError::Duplicate { name });
        }
        self.tools.push(tool);
        Ok(())
    }

    /// The tool of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Tool>> {
        self.iter().find(|tool| tool.spec().name == name)
    }

    /// The tools, in the order they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<dyn Tool>> {
        self.tools.iter()
    }

    /// What a model is told of the tools.
    #[must_use]
    pub fn specs(&self) -> Vec<ToolSpec> {
        self.iter().map(|tool| tool.spec().clone()).collect()
    }

    /// How calls of each tool may be run, by name, as the conversation engine wants it.
    #[must_use]
    pub fn policies(&self) -> BTreeMap<String, ToolPolicy> {
        self.iter().map(|tool| (tool.spec().name.clone(), tool.policy())).collect()
    }

    /// Number of tools.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether there is no tool.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tools.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use serde_json::json;
    use stella_core::tool::ToolError;

    use super::*;
    use crate::{FunctionTool, NoArguments};

    fn tool(name: &str) -> FunctionTool {
        FunctionTool::new(name, "Does nothing.", async |_: NoArguments| Ok(()))
    }

    #[test]
    fn names_are_checked() {
        let long = "x".repeat(64);
        for name in ["clock", "get_time-2", "X", &long] {
            assert!(Registry::new().with(tool(name)).is_ok(), "{name}");
        }
        for name in ["", "two words", "zeit_für", "a.b", &(long.clone() + "x")] {
            let error = Registry::new().with(tool(name)).unwrap_err();
            assert_eq!(error, RegistryError::Name { name: name.into() });
        }
    }

    #[test]
    fn a_second_tool_of_a_name_is_refused() {
        let mut tools = Registry::new().with(tool("a")).unwrap();
        assert_eq!(tools.add(Arc::new(tool("a"))), Err(RegistryError::Duplicate { name: "a".into() }));
        assert_eq!(tools.len(), 1);
    }

    #[test]
    fn arguments_must_be_an_object() {
        #[derive(Debug)]
        struct Odd(ToolSpec);

        #[async_trait]
        impl Tool for Odd {
            fn spec(&self) -> &ToolSpec {
                &self.0
            }

            async fn call(&self, _: Value) -> Result<Value, ToolError> {
                Ok(Value::Null)
            }
        }

        let spec = ToolSpec { name: "odd".into(), description: String::new(), parameters: json!({"type": "string"}) };
        assert_eq!(Registry::new().with(Odd(spec)).unwrap_err(), RegistryError::Parameters { name: "odd".into() });
    }

    #[test]
    fn the_order_is_kept() {
        let tools = Registry::new().with(tool("b")).and_then(|tools| tools.with(tool("a"))).unwrap();
        let names: Vec<_> = tools.specs().into_iter().map(|spec| spec.name).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(tools.policies().keys().collect::<Vec<_>>(), ["a", "b"]);
    }
}
