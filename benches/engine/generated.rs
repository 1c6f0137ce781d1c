//! Times of the inputs of generated conversations: the same generator as in the tests of the engine.

use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use stella_core::{
    engine::{Engine, Input, Recorded},
    testing::simulation::{Plan, simulate},
    time::Timestamp,
};

use crate::{
    conversation::{Theme, plan},
    times::Times,
};

/// Everyday conversations, with a little of everything.
const THEME: Theme = Theme { acts: [10, 2, 2, 1, 1], tools: 3, trouble: 8, review: true };

/// Seed of the conversations: the same in every run.
const SEED: [u8; 32] = [42; 32];

/// Measures each `handle`, with the outputs taken, of so many conversations.
pub(crate) fn measure(cases: u32) -> Result<Times> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &SEED);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    let strategy = plan(THEME);
    let mut times = Times::with_capacity(0);
    for _ in 0..cases {
        let plan = strategy.new_tree(&mut runner).map_err(|reason| anyhow!("no conversation: {reason}"))?.current();
        let inputs = inputs(&plan)?;
        let config = plan.options.clone().validate().context("the options of a plan")?;
        let mut engine = Engine::new(config, plan.judge());
        for (at, input) in inputs {
            let started = Instant::now();
            engine.handle(at, input);
            while let Some(output) = engine.poll_output() {
                std::hint::black_box(&output);
            }
            times.add(started.elapsed());
        }
    }
    println!("{cases} generated conversations, {} inputs", times.len());
    times.sorted()
}

/// The inputs of a conversation; in the simulation the rules are checked, which takes much longer than the engine.
fn inputs(plan: &Plan) -> Result<Vec<(Timestamp, Input)>> {
    let simulated = simulate(plan, None).context("the options of a plan")?;
    if let Some(broken) = simulated.broken {
        return Err(anyhow!("a rule is broken: {broken}"));
    }
    let inputs = simulated.watched.records.into_iter().filter_map(|record| match record.what {
        Recorded::Input(input) => Some((record.at, input)),
        Recorded::Output(_) => None,
    });
    Ok(inputs.collect())
}
