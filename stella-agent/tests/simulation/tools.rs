//! Tools, some of which go wrong.

use std::{sync::Arc, time::Duration};

use stella_core::tool::{OnInterrupt, ToolError};
use stella_tools::{FunctionTool, NoArguments, Registry};

use crate::{dice::Dice, stream::PANIC};

/// Their names; nobody has the last one.
pub(crate) const TOOLS: &[&str] = &["clock", "order", "archive", "unknown"];

pub(crate) fn tools(dice: &Arc<Dice>, trouble: u64) -> Registry {
    let tool = |name: &str| {
        let dice = dice.clone();
        FunctionTool::new(name, "Does something.", move |_: NoArguments| perform(dice.clone(), trouble))
    };
    let all = [
        tool("clock").read_only(),
        tool("order").timeout(Duration::from_secs(5)),
        tool("archive").on_interrupt(OnInterrupt::Continue),
    ];
    all.into_iter().fold(Registry::new(), |tools, tool| tools.with(tool).expect("a good name"))
}

async fn perform(dice: Arc<Dice>, trouble: u64) -> Result<String, ToolError> {
    if dice.percent(trouble) {
        match dice.between(0..=3) {
            0 => return Err(ToolError::Refused("not today".into())),
            1 => panic!("{PANIC}"),
            2 => std::future::pending::<()>().await,
            _ => tokio::time::sleep(dice.millis(1_000..=30_000)).await,
        }
    }
    tokio::time::sleep(dice.millis(0..=1_500)).await;
    Ok("noon".into())
}
