//! Whatever tools do and callers cancel, each call gets exactly one output.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to stop")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use proptest::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;
use stella_core::{
    chat::{ToolCall, ToolOutput},
    id::CallId,
    tool::ToolError,
};
use stella_tools::{Executor, ExecutorOptions, FunctionTool, NoArguments, Registry, internal};
use tokio::time::sleep;

#[derive(Deserialize, JsonSchema)]
struct Wait {
    millis: u64,
}

/// How many calls of the tool `wait` run, and how many ran at most.
#[derive(Debug, Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Gauge {
    fn enter(self: &Arc<Self>) -> Entered {
        self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Entered(self.clone())
    }
}

struct Entered(Arc<Gauge>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

fn executor(options: &ExecutorOptions) -> (Executor, Arc<Gauge>) {
    let gauge = Arc::new(Gauge::default());
    let entered = gauge.clone();
    let wait = FunctionTool::new("wait", "Waits.", move |wait: Wait| {
        let gauge = entered.clone();
        async move {
            let _entered = gauge.enter();
            sleep(Duration::from_millis(wait.millis)).await;
            Ok(wait.millis)
        }
    });
    let fail = FunctionTool::new("fail", "Fails.", async |_: NoArguments| Err::<(), _>(internal("broken")));
    let refuse =
        FunctionTool::new("refuse", "Refuses.", async |_: NoArguments| Err::<(), _>(ToolError::Refused("no".into())));
    let panic = FunctionTool::new("panic", "Panics.", panics);
    let panic_later = FunctionTool::new("panic_later", "Panics.", async |_: NoArguments| {
        sleep(Duration::from_millis(3)).await;
        panics(NoArguments {}).await
    });
    let big = FunctionTool::new("big", "Says much.", async |_: NoArguments| Ok("é".repeat(1_000)));
    let tools = [wait.timeout(Duration::from_millis(50)), fail, refuse, panic, panic_later, big];
    let mut registry = Registry::new();
    for tool in tools {
        registry.add(Arc::new(tool)).unwrap();
    }
    (Executor::with_options(Arc::new(registry), options), gauge)
}

async fn panics(_: NoArguments) -> Result<(), ToolError> {
    std::panic::resume_unwind(Box::new("as planned")) // without the message on the terminal
}

fn call(id: u64, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: format!("call_{id}"), name: name.into(), arguments: arguments.into() }
}

/// What a call asks for, and when it is cancelled, in milliseconds.
#[derive(Debug, Clone)]
struct Planned {
    name: &'static str,
    arguments: String,
    cancel: Option<u64>,
}

fn planned() -> impl Strategy<Value = Planned> {
    let name =
        prop::sample::select(vec!["wait", "wait", "wait", "fail", "refuse", "panic", "panic_later", "big", "none"]);
    let broken =
        prop::sample::select(vec!["{\"millis\": ", "[]", "", "{\"millis\": \"x\"}", "{}"]).prop_map(str::to_owned);
    let millis = (0_u64..80).prop_map(|millis| format!("{{\"millis\": {millis}}}"));
    let arguments = (name, prop_oneof![1 => broken, 4 => millis]);
    (arguments, prop::option::of(0_u64..80)).prop_map(|((name, arguments), cancel)| {
        let arguments = if name == "wait" { arguments } else { "{}".to_owned() };
        Planned { name, arguments, cancel }
    })
}

/// A clock that jumps to the next event when nobody has anything to do.
fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

proptest! {
    #[test]
    fn each_call_gets_exactly_one_output(
        plan in prop::collection::vec(planned(), 0..24),
        max_running in 1_usize..6,
    ) {
        in_virtual_time(async {
            let (executor, gauge) = executor(&ExecutorOptions { max_running, max_output: 100 });
            let ids = 0_u64..;
            let calls = ids.clone().zip(&plan).map(|(id, it)| (CallId(id), call(id, it.name, &it.arguments)));
            let mut outputs = executor.run_all(calls.collect::<Vec<_>>());
            for (id, it) in ids.zip(&plan) {
                let executor = executor.clone();
                if let Some(cancel) = it.cancel {
                    tokio::spawn(async move {
                        sleep(Duration::from_millis(cancel)).await;
                        executor.cancel(CallId(id));
                    });
                }
            }
            let mut seen = BTreeMap::new();
            while let Some((id, output)) = outputs.next().await {
                assert!(seen.insert(id, output).is_none(), "two outputs of {id}");
            }
            assert_eq!(seen.len(), plan.len());
            for (id, output) in seen {
                let it = &plan[usize::try_from(id.0).unwrap()];
                check(it, &output);
                assert_eq!((output.call_id, output.name.as_str()), (format!("call_{}", id.0), it.name));
                assert!(!executor.cancel(id), "{id} is done");
            }
            drop(outputs);
            tokio::task::yield_now().await;
            assert_eq!(gauge.now.load(Ordering::SeqCst), 0, "a tool runs on");
            assert!(gauge.most.load(Ordering::SeqCst) <= max_running);
        });
    }
}

/// Whether this output is one that this call may have.
fn check(it: &Planned, output: &ToolOutput) {
    let text = output.output.as_str();
    let cancelled = it.cancel.is_some() && text == "cancelled before it was done";
    let late = text == "the tool did not finish within 50ms"; // also while it waits for its turn
    let fits = match it.name {
        "wait" if text.starts_with("the arguments do not fit: ") => !it.arguments.ends_with("0}") && output.is_error,
        "wait" => it.arguments.contains(&format!(" {text}}}")) && !output.is_error,
        "fail" | "panic" | "panic_later" => text == "the tool failed" && output.is_error,
        "refuse" => text == "no" && output.is_error,
        "big" => text.ends_with("… [cut: the first 100 of 2000 bytes]") && !output.is_error,
        _ => text.starts_with("there is no tool named \"none\"; there are: wait, fail") && output.is_error,
    };
    assert!(fits || (cancelled && output.is_error) || (late && output.is_error), "{it:?}: {output:?}");
}

#[test]
fn cancelling_ends_the_tool_and_says_so() {
    in_virtual_time(async {
        let (executor, gauge) = executor(&ExecutorOptions::default());
        let run = tokio::spawn(executor.run(CallId(1), call(1, "wait", "{\"millis\": 40}")));
        sleep(Duration::from_millis(10)).await;
        assert_eq!(gauge.now.load(Ordering::SeqCst), 1);
        assert!(executor.cancel(CallId(1)));
        let (_, output) = run.await.unwrap();
        assert_eq!((output.output.as_str(), output.is_error), ("cancelled before it was done", true));
        tokio::task::yield_now().await;
        assert_eq!(gauge.now.load(Ordering::SeqCst), 0);
        assert!(!executor.cancel(CallId(1)) && !executor.cancel(CallId(2)));
    });
}

#[test]
fn a_call_may_be_cancelled_before_it_starts() {
    in_virtual_time(async {
        let (executor, gauge) = executor(&ExecutorOptions::default());
        let run = executor.run(CallId(1), call(1, "wait", "{\"millis\": 40}"));
        assert!(executor.cancel(CallId(1)));
        assert_eq!(run.await.1.output, "cancelled before it was done");
        assert_eq!(gauge.most.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn dropping_the_future_ends_the_tool() {
    in_virtual_time(async {
        let (executor, gauge) = executor(&ExecutorOptions::default());
        let run = executor.run(CallId(1), call(1, "wait", "{\"millis\": 40}"));
        let stopped = tokio::time::timeout(Duration::from_millis(10), run).await;
        assert!(stopped.is_err());
        tokio::task::yield_now().await;
        assert_eq!((gauge.now.load(Ordering::SeqCst), gauge.most.load(Ordering::SeqCst)), (0, 1));
        assert!(!executor.cancel(CallId(1)), "nothing is left of it");
    });
}

#[test]
fn a_timeout_ends_the_tool_and_says_so() {
    in_virtual_time(async {
        let (executor, gauge) = executor(&ExecutorOptions::default());
        let (_, output) = executor.run(CallId(1), call(1, "wait", "{\"millis\": 70}")).await;
        assert_eq!(output.output, "the tool did not finish within 50ms");
        tokio::task::yield_now().await;
        assert_eq!(gauge.now.load(Ordering::SeqCst), 0);
    });
}

/// A tool that never waits blocks a thread, but neither its own cancellation nor other calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_never_waits_can_be_cancelled() {
    let (started, mut has_started) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let stuck = FunctionTool::new("stuck", "Blocks.", move |_: NoArguments| {
        let (started, released) = (started.clone(), released.clone());
        async move {
            started.send(()).map_err(internal)?;
            let _ = released.lock().unwrap().recv();
            Ok(())
        }
    });
    let executor = Executor::new(Arc::new(Registry::new().with(stuck).unwrap()));
    let run = tokio::spawn(executor.run(CallId(1), call(1, "stuck", "{}")));
    has_started.recv().await.unwrap();
    assert!(executor.cancel(CallId(1)));
    let (_, output) = run.await.unwrap();
    assert_eq!(output.output, "cancelled before it was done");
    drop(release);
}
