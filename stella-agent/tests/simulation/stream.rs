//! Streams of fakes that go wrong in the middle.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use futures_util::{Stream, stream};
use stella_core::error::ProviderError;

use crate::dice::Dice;

/// What a panic of a fake says.
pub(crate) const PANIC: &str = "a fault of the simulation";

/// One thing a fake does, after a while.
pub(crate) enum Step<T> {
    Give(T),
    Fail(ProviderError),
    Panic,
    Hang,
}

pub(crate) type Steps<T> = VecDeque<(Duration, Step<T>)>;

/// Does one step after the other, and then ends.
pub(crate) fn of<T: Send + 'static>(steps: Steps<T>) -> Pin<Box<dyn Stream<Item = Result<T, ProviderError>> + Send>> {
    Box::pin(stream::unfold(steps, |mut steps| async {
        let (after, step) = steps.pop_front()?;
        if !after.is_zero() {
            tokio::time::sleep(after).await;
        }
        let item = match step {
            Step::Give(item) => Ok(item),
            Step::Fail(error) => Err(error),
            Step::Panic => panic!("{PANIC}"),
            Step::Hang => std::future::pending().await,
        };
        Some((item, steps))
    }))
}

/// Puts a fault into a stream, somewhere.
pub(crate) fn spoil<T>(steps: &mut Steps<T>, dice: &Dice) {
    let at = dice.between(0..=steps.len() as u64) as usize;
    steps.truncate(at);
    let after = dice.millis(0..=200);
    match dice.between(0..=4) {
        0 => steps.push_back((after, Step::Fail(error(dice)))),
        1 => steps.push_back((after, Step::Panic)),
        2 => steps.push_back((after, Step::Hang)),
        3 => {} // it ends too soon
        _ => {
            steps.push_back((dice.millis(3_000..=9_000), Step::Fail(error(dice)))); // far too late
        }
    }
}

/// An error that may pass, or one that does not.
pub(crate) fn error(dice: &Dice) -> ProviderError {
    match dice.between(0..=2) {
        0 => ProviderError::Overloaded { provider: "fake", retry_after: None },
        1 => ProviderError::Timeout { provider: "fake", after: Duration::from_secs(1) },
        _ => ProviderError::Unauthorized { provider: "fake" },
    }
}

/// Answers a call: at once, late, with an error, with a panic, or never. `Ok` says that all is well.
pub(crate) async fn call(dice: &Dice, trouble: u64) -> Result<(), ProviderError> {
    if !dice.percent(trouble) {
        return Ok(());
    }
    match dice.between(0..=4) {
        0 => Err(error(dice)),
        1 => panic!("{PANIC}"),
        2 => std::future::pending().await,
        _ => {
            tokio::time::sleep(dice.millis(100..=8_000)).await;
            Ok(())
        }
    }
}
