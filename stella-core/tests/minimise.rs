//! Recordings of engines that are broken on purpose shrink to a few inputs that break the same rule.
#![cfg(feature = "testing")]

mod conversation;

use conversation::{
    Theme,
    broken::{BROKEN, EVERYDAY},
    plan, runner,
};
use proptest::strategy::{Strategy, ValueTree};
use stella_core::{
    engine::{
        Config, Divergence, Engine, Fault, Input, Options, Record, Recorded, Recorder, Recording, ReplayError,
        WordListJudge,
    },
    testing::{
        minimise::{Divergent, MOST_RUNS, RuleBreach, minimise},
        rules::{Rule, Watched},
        simulation::{Plan, simulate},
    },
    time::Timestamp,
};

/// Inputs that may be left.
const MOST_INPUTS: usize = 25;

fn engine(plan: &Plan, config: &Config, fault: Fault) -> Engine {
    let mut engine = Engine::new(config.clone(), plan.judge());
    engine.break_on_purpose(Some(fault));
    engine
}

/// The longest of a few conversations that break the rule.
fn failing(rule: Rule, fault: Fault, theme: Theme) -> (Plan, Vec<Record>) {
    let mut runner = runner(1, 100);
    let strategy = plan(theme);
    let mut found: Vec<(Plan, Vec<Record>)> = Vec::new();
    for _ in 0..20_000 {
        let plan = strategy.new_tree(&mut runner).expect("a plan").current();
        let simulated = simulate(&plan, Some(fault)).expect("the options are valid");
        if simulated.broken.is_some_and(|broken| broken.rule == rule) {
            found.push((plan, simulated.watched.records));
        }
        if found.len() >= 5 {
            break;
        }
    }
    found.into_iter().max_by_key(|(_, records)| records.len()).expect("the rule breaks")
}

#[test]
fn a_broken_rule_is_shown_by_a_few_inputs() {
    for &(rule, fault, theme) in BROKEN {
        let (plan, records) = failing(rule, fault, theme);
        let config = plan.options.clone().validate().expect("valid options");
        let inputs = records.iter().filter(|record| matches!(record.what, Recorded::Input(_))).count();
        let start = || RuleBreach::new(engine(&plan, &config, fault), &config, rule);
        let mut last = 0;
        let Some(small) = minimise(&records, MOST_RUNS, start, |progress| last = progress.inputs) else {
            // Only the check of a conversation at rest, which is no input, breaks the rule.
            continue;
        };
        println!("{rule:?} {fault:?}: {inputs} inputs, {} left after {} runs", small.given.len(), small.runs);
        assert!(small.given.len() <= MOST_INPUTS, "{rule:?}: {:#?}", small.given);
        assert!(small.minimal && small.runs <= MOST_RUNS && last == small.given.len(), "{rule:?}");
        let mut watched = Watched::over(engine(&plan, &config, fault), &config);
        let broken = small.given.iter().find_map(|given| watched.handle(given.at, given.input.clone()).err());
        assert_eq!(broken.expect("it breaks").rule, rule, "{:#?}", small.given);
    }
}

/// A recording with the outputs of another engine: a broken one.
fn recorded(plan: &Plan, records: &[Record], config: &Config, fault: Fault) -> Recording {
    let mut engine = engine(plan, config, fault);
    let mut recorder = Recorder::new(Vec::new(), config).expect("memory");
    for record in records {
        if let Recorded::Input(input) = &record.what {
            recorder.input(record.at, input).expect("memory");
            engine.handle(record.at, input.clone());
            while let Some(output) = engine.poll_output() {
                recorder.output(record.at, &output).expect("memory");
            }
        }
    }
    Recording::read(&recorder.into_inner()[..]).expect("a recording")
}

/// The shortest of some conversations in which a broken engine does something else than a good one, and where.
fn diverging(fault: Fault) -> (Plan, Config, Recording, Box<Divergence>) {
    let mut runner = runner(1, 7);
    let strategy = plan(EVERYDAY);
    let drawn = (0..200).filter_map(|_| {
        let plan = strategy.new_tree(&mut runner).expect("a plan").current();
        let config = plan.options.clone().validate().expect("valid options");
        let healthy = simulate(&plan, None).expect("valid options").watched.records;
        let recording = recorded(&plan, &healthy, &config, fault);
        match recording.replay(plan.judge()) {
            Err(ReplayError::Diverged(divergence)) => Some((plan, config, recording, divergence)),
            _ => None,
        }
    });
    drawn.min_by_key(|(_, _, recording, _)| recording.records.len()).expect("the fault shows")
}

#[test]
fn a_divergence_is_shown_by_a_few_inputs() {
    for fault in [Fault::RemembersUnheardWords, Fault::RepeatsStates, Fault::PlaysOn, Fault::WaitsForModels] {
        let (plan, config, recording, divergence) = diverging(fault);
        let trial = Divergent::new(&config, plan.judge(), &recording.records, &divergence);
        let small = minimise(&recording.records, MOST_RUNS, || trial.clone(), |_| ()).expect("it diverges");
        println!("{fault:?}: {} inputs left after {} runs", small.given.len(), small.runs);
        assert!(small.minimal && small.given.len() <= MOST_INPUTS, "{fault:?}: {:#?}", small.given);
    }
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    let config = Options::default().validate().expect("valid");
    let tick = Record { line: 2, at: Timestamp::ZERO, what: Recorded::Input(Input::Tick) };
    let start = || RuleBreach::new(Engine::new(config.clone(), Box::new(WordListJudge)), &config, Rule::I1);
    assert!(minimise(&[tick], MOST_RUNS, start, |_| ()).is_none());
}
