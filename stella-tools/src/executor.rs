//! Runs tool calls.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::stream::{BoxStream, FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use stella_core::{
    chat::{ToolCall, ToolOutput},
    id::CallId,
    tool::{Tool, ToolError},
};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{Registry, internal, output::Outcome};

/// What an [`Executor`] may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutorOptions {
    /// Calls that run at once, at least 1; others wait, and the wait counts against their timeout. Default 8.
    pub max_running: usize,
    /// Bytes of an output; a longer one is cut and says so. Default 8 KiB, about 2,000 tokens.
    pub max_output: usize,
}

impl Default for ExecutorOptions {
    fn default() -> Self {
        Self { max_running: 8, max_output: 8 << 10 }
    }
}

/// Runs tool calls, each to exactly one output: a result, or in words what went wrong. Cloning shares the calls that
/// run.
///
/// Each call runs in a task of its own: neither a panic nor a loop that never waits ends or delays anything else. So it
/// must be used within a tokio runtime.
///
/// ```
/// # use std::sync::Arc;
/// # use stella_core::{chat::ToolCall, id::CallId};
/// # use stella_tools::{Executor, FunctionTool, NoArguments, Registry};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stella_tools::RegistryError> {
/// let clock = FunctionTool::new("clock", "Tells the time.", async |_: NoArguments| Ok("noon"));
/// let executor = Executor::new(Arc::new(Registry::new().with(clock)?));
/// let call = ToolCall { id: "call_1".into(), name: "clock".into(), arguments: "{}".into() };
/// let (id, output) = executor.run(CallId(1), call).await;
/// assert_eq!((id, output.output.as_str(), output.is_error), (CallId(1), "noon", false));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Executor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    registry: Arc<Registry>,
    max_output: usize,
    slots: Arc<Semaphore>,
    /// The calls under way; few at a time.
    calls: Mutex<Vec<Entry>>,
    entries: AtomicU64,
}

/// A call under way.
#[derive(Debug)]
struct Entry {
    call: CallId,
    number: u64,
    cancelled: CancellationToken,
}

/// Takes the call off the list, however its future ends.
#[derive(Debug)]
struct Listed {
    shared: Arc<Shared>,
    number: u64,
    cancelled: CancellationToken,
}

impl Executor {
    /// An executor with [`ExecutorOptions::default`].
    #[must_use]
    pub fn new(registry: Arc<Registry>) -> Self {
        Self::with_options(registry, &ExecutorOptions::default())
    }

    /// An executor.
    #[must_use]
    pub fn with_options(registry: Arc<Registry>, options: &ExecutorOptions) -> Self {
        let slots = Arc::new(Semaphore::new(options.max_running.clamp(1, Semaphore::MAX_PERMITS)));
        let (calls, entries) = (Mutex::default(), AtomicU64::default());
        Self { shared: Arc::new(Shared { registry, max_output: options.max_output, slots, calls, entries }) }
    }

    /// The tools it runs.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    /// Runs one call, from the first poll on. The future completes exactly once, with the output; dropping it cancels
    /// the call, then without an output.
    pub fn run(&self, id: CallId, call: ToolCall) -> impl Future<Output = (CallId, ToolOutput)> + Send + use<> {
        let listed = self.shared.list(id);
        async move {
            let outcome = tokio::select! {
                biased;
                () = listed.cancelled.cancelled() => Outcome::Cancelled,
                result = listed.shared.perform(&call) => Outcome::Returned(result),
            };
            let names = listed.shared.registry.iter().map(|tool| tool.spec().name.clone());
            (id, outcome.output(call, names, listed.shared.max_output))
        }
    }

    /// Runs the calls of a round at once. The stream gives exactly one output for each, in the order they come;
    /// dropping it cancels those that still run.
    pub fn run_all(
        &self,
        calls: impl IntoIterator<Item = (CallId, ToolCall)>,
    ) -> BoxStream<'static, (CallId, ToolOutput)> {
        calls.into_iter().map(|(id, call)| self.run(id, call)).collect::<FuturesUnordered<_>>().boxed()
    }

    /// Cancels a call: the tool's future is dropped at its next await point, and the output, which comes at once, says
    /// so. Returns whether there was such a call; one that is done stays done.
    pub fn cancel(&self, id: CallId) -> bool {
        let calls = self.shared.calls.lock();
        let mut found = false;
        for entry in calls.iter().filter(|entry| entry.call == id) {
            entry.cancelled.cancel();
            found = true;
        }
        found
    }
}

impl Shared {
    fn list(self: &Arc<Self>, call: CallId) -> Listed {
        let number = self.entries.fetch_add(1, Ordering::Relaxed);
        let cancelled = CancellationToken::new();
        self.calls.lock().push(Entry { call, number, cancelled: cancelled.clone() });
        Listed { shared: self.clone(), number, cancelled }
    }

    async fn perform(&self, call: &ToolCall) -> Result<Value, ToolError> {
        let Some(tool) = self.registry.get(&call.name).cloned() else {
            return Err(ToolError::Unknown { name: call.name.clone() });
        };
        let arguments = parse(&call.arguments)?;
        let limit = tool.policy().timeout;
        let task = self.in_a_slot(tool, arguments);
        let task = AbortOnDropHandle::new(tokio::spawn(task));
        match timeout(limit, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(internal(error)), // it panicked, or the runtime ends
            Err(_) => Err(ToolError::Timeout(limit)),
        }
    }

    /// The slot is held until the tool is really gone, so that a cancelled one that does not yield still counts.
    fn in_a_slot(
        &self,
        tool: Arc<dyn Tool>,
        arguments: Value,
    ) -> impl Future<Output = Result<Value, ToolError>> + Send + use<> {
        let slots = self.slots.clone();
        async move {
            let _slot = slots.acquire_owned().await.map_err(internal)?;
            tool.call(arguments).await
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.shared.calls.lock().retain(|entry| entry.number != self.number);
    }
}

/// The arguments as an object. Models leave empty ones away.
fn parse(arguments: &str) -> Result<Value, ToolError> {
    let reason = match serde_json::from_str(if arguments.trim().is_empty() { "{}" } else { arguments }) {
        Ok(object @ Value::Object(_)) => return Ok(object),
        Ok(Value::Null) => return Ok(Value::Object(Map::new())),
        Ok(_) => "they are not a JSON object".to_owned(),
        Err(error) => format!("they are not JSON: {error}"),
    };
    Err(ToolError::Arguments { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object() {
        let table = [
            ("{\"a\": 1}", Ok("{\"a\":1}")),
            ("", Ok("{}")),
            (" null ", Ok("{}")),
            ("[1]", Err("they are not a JSON object")),
            ("\"text\"", Err("they are not a JSON object")),
            ("{\"a\": ", Err("they are not JSON: EOF while parsing a value at line 1 column 6")),
        ];
        for (text, expected) in table {
            let expected = expected.map(str::to_owned).map_err(|why| format!("the arguments do not fit: {why}"));
            let parsed = parse(text).map(|value| value.to_string()).map_err(|error| error.to_string());
            assert_eq!(parsed, expected, "{text:?}");
        }
    }

    #[test]
    fn an_executor_and_its_futures_cross_threads() {
        fn crosses<T: Send>(_: T) {}
        let executor = Executor::new(Arc::new(Registry::new()));
        let call = ToolCall { id: String::new(), name: String::new(), arguments: String::new() };
        crosses(executor.run(CallId(1), call.clone()));
        crosses(executor.run_all([(CallId(1), call)]));
        crosses(executor);
    }
}
