//! Tools from functions.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use stella_core::{
    chat::ToolSpec,
    error::BoxError,
    tool::{OnInterrupt, Tool, ToolError, ToolPolicy},
};

use crate::schema;

/// The arguments of a tool that takes none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct NoArguments {}

/// A tool from an async function or closure.
///
/// What the function takes is any type with a schema; the doc comments of its fields are shown to the model, and
/// arguments that do not fit never reach the function. What it gives is any type with a JSON form: a string is shown to
/// the model as it is, anything else as JSON.
///
/// ```
/// # use std::time::Duration;
/// # use stella_core::tool::OnInterrupt;
/// # use stella_tools::{FunctionTool, NoArguments, internal};
/// let balance = FunctionTool::new("balance", "The guest's balance in cents.", async |_: NoArguments| {
///     let text = "4200"; // from the bank
///     text.parse::<u32>().map_err(internal)
/// })
/// .read_only()
/// .timeout(Duration::from_secs(3))
/// .on_interrupt(OnInterrupt::Continue);
/// ```
///
/// A closure that uses what it captured hands each call a copy of it:
///
/// ```
/// # use std::sync::Arc;
/// # use stella_tools::{FunctionTool, NoArguments};
/// let menu = Arc::new(vec!["soup", "fish"]);
/// let tool = FunctionTool::new("menu", "Lists the dishes.", move |_: NoArguments| {
///     let menu = menu.clone();
///     async move { Ok(menu.to_vec()) }
/// });
/// ```
pub struct FunctionTool {
    spec: ToolSpec,
    policy: ToolPolicy,
    function: Box<Function>,
}

type Function = dyn Fn(Value) -> Result<BoxFuture<'static, Result<Value, ToolError>>, ToolError> + Send + Sync;

impl FunctionTool {
    /// A tool. `name` is what the model calls it by, `description` tells the model what it does and when to use it. How
    /// it may be run is [`ToolPolicy::default`] until set otherwise. [`Registry::add`](crate::Registry::add) checks
    /// the name.
    pub fn new<A, R, F, Fut>(name: impl Into<String>, description: impl Into<String>, function: F) -> Self
    where
        A: DeserializeOwned + JsonSchema,
        R: Serialize,
        F: Fn(A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, ToolError>> + Send + 'static,
    {
        let spec = ToolSpec { name: name.into(), description: description.into(), parameters: schema::of::<A>() };
        let function = move |arguments: Value| {
            let future = function(parse(arguments)?);
            let future = async move { serde_json::to_value(future.await?).map_err(internal) };
            Ok::<BoxFuture<'static, _>, _>(Box::pin(future))
        };
        Self { spec, policy: ToolPolicy::default(), function: Box::new(function) }
    }

    /// Says that a call changes nothing outside, so that it may run for a reply that is later rolled back.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.policy.read_only = true;
        self
    }

    /// Sets the time after which a call counts as failed.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.policy.timeout = timeout;
        self
    }

    /// Says that the model need not say anything after a call, because what it does can be heard or seen.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.policy.quiet = true;
        self
    }

    /// Sets what an interruption does to a call that runs.
    #[must_use]
    pub fn on_interrupt(mut self, on_interrupt: OnInterrupt) -> Self {
        self.policy.on_interrupt = on_interrupt;
        self
    }
}

impl fmt::Debug for FunctionTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionTool").field("name", &self.spec.name).field("policy", &self.policy).finish()
    }
}

#[async_trait]
impl Tool for FunctionTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn policy(&self) -> ToolPolicy {
        self.policy
    }

    async fn call(&self, arguments: Value) -> Result<Value, ToolError> {
        (self.function)(arguments)?.await
    }
}

/// Any error as one that the model is told nothing of, for `map_err`.
pub fn internal(source: impl Into<BoxError>) -> ToolError {
    ToolError::Internal { source: source.into() }
}

/// The arguments as their type. What does not fit is said so that a model can mend it: where, and what is wrong.
fn parse<A: DeserializeOwned>(arguments: Value) -> Result<A, ToolError> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(arguments, &mut track);
    let parsed = serde_ignored::deserialize(tracked, |path| unknown.push(path.to_string()));
    let parsed = parsed.map_err(|error| {
        let path = track.path().to_string();
        if path == "." { error.to_string() } else { format!("{path}: {error}") }
    });
    let checked = parsed.and_then(|parsed| match unknown.first() {
        None => Ok(parsed),
        Some(field) => Err(format!("there is no field `{field}`")),
    });
    checked.map_err(|reason| ToolError::Arguments { reason })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    struct Order {
        dish: String,
        count: u8,
        #[serde(default)]
        extras: Vec<Extra>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    struct Extra {
        name: String,
    }

    fn order() -> FunctionTool {
        FunctionTool::new("order", "Orders.", async |order: Order| {
            let extras: Vec<_> = order.extras.into_iter().map(|extra| extra.name).collect();
            match order.count {
                0 => Err(ToolError::Refused("How many?".into())),
                1 => Ok(json!(format!("one {}", order.dish))),
                _ => Ok(json!({ "count": order.count, "extras": extras })),
            }
        })
    }

    #[tokio::test]
    async fn results_and_refusals_come_back() {
        let tool = order();
        let call =
            async |count: u8| tool.call(json!({"dish": "soup", "count": count, "extras": [{"name": "salt"}]})).await;
        assert_eq!(call(1).await.unwrap(), json!("one soup"));
        assert_eq!(call(2).await.unwrap(), json!({"count": 2, "extras": ["salt"]}));
        assert_eq!(call(0).await.unwrap_err().to_string(), "How many?");
    }

    #[tokio::test]
    async fn arguments_that_do_not_fit_are_explained() {
        let table = [
            (json!({"dish": "soup"}), "missing field `count`"),
            (json!({"dish": 5, "count": 1}), "dish: invalid type: integer `5`, expected a string"),
            (json!({"dish": "soup", "count": 300}), "count: invalid value: integer `300`, expected u8"),
            (
                json!({"dish": "soup", "count": 1, "extras": [{"name": 1}]}),
                "extras[0].name: invalid type: integer `1`, expected a string",
            ),
            (json!({"dish": "soup", "count": 1, "sauce": "no"}), "there is no field `sauce`"),
            (
                json!({"dish": "soup", "count": 1, "extras": [{"name": "salt", "size": 1}]}),
                "there is no field `extras.0.size`",
            ),
        ];
        for (arguments, expected) in table {
            let error = order().call(arguments).await.unwrap_err();
            assert_eq!(error.to_string(), format!("the arguments do not fit: {expected}"));
        }
    }

    #[test]
    fn a_policy_is_set() {
        let tool = order().read_only().quiet().timeout(Duration::from_secs(1)).on_interrupt(OnInterrupt::Continue);
        let (timeout, on_interrupt) = (Duration::from_secs(1), OnInterrupt::Continue);
        let policy = ToolPolicy { read_only: true, timeout, on_interrupt, quiet: true };
        assert_eq!((tool.policy(), order().policy()), (policy, ToolPolicy::default()));
    }

    #[tokio::test]
    async fn a_closure_may_share_what_it_captured() {
        let menu = std::sync::Arc::new(vec!["soup"]);
        let tool = FunctionTool::new("menu", "Lists the dishes.", move |_: NoArguments| {
            let menu = menu.clone();
            async move { Ok(menu.to_vec()) }
        });
        assert_eq!(tool.call(json!({})).await.unwrap(), json!(["soup"]));
        assert_eq!(tool.call(json!({})).await.unwrap(), json!(["soup"]));
    }

    #[test]
    fn tools_cross_threads() {
        fn crosses<T: Send + Sync>() {}
        crosses::<FunctionTool>();
    }
}
