//! Generated conversations: every rule of docs/engine.md is checked after every step of each of them.
//!
//! All tests check all rules; the name of a test says which rule its conversations strain most. The conversations are
//! the same in every run; `STELLA_SEED` draws others, `STELLA_CASES` more or fewer of them. Those that ever broke a rule
//! are kept in `tests/kept/plans.jsonl`, shrunk, and always run first.
#![cfg(feature = "testing")]

mod conversation;
mod kept;

use std::sync::atomic::{AtomicU64, Ordering};

use conversation::{
    Theme,
    broken::{BROKEN, EVERYDAY},
    plan, runner, variable,
};
use proptest::{
    prop_assert, prop_assert_eq,
    test_runner::{TestCaseError, TestError},
};
use stella_core::{
    engine::{Fault, Recorded, Recorder, replay},
    testing::{
        script::describe,
        simulation::{Plan, Simulated, simulate},
    },
};

/// Conversations of one test: 119,000 in all.
const CASES: u32 = 7_000;

/// Conversations and inputs that were checked so far, in this process.
static CONVERSATIONS: AtomicU64 = AtomicU64::new(0);
static INPUTS: AtomicU64 = AtomicU64::new(0);

/// What happened, for whoever has to find out why.
fn story(plan: &Plan, fault: Option<Fault>) -> String {
    let simulated = simulate(plan, fault).expect("the options are valid");
    let mut story = format!("{:#?}\n", plan.options);
    for record in &simulated.watched.records {
        story += &match &record.what {
            Recorded::Input(input) => format!("{} <- {input:?}\n", record.at),
            Recorded::Output(output) => format!("{}    {}\n", record.at, describe(output).unwrap_or_default()),
        };
    }
    let broken = simulated.broken.map(|broken| broken.to_string());
    story + &broken.unwrap_or_default()
}

/// Runs a plan, and checks every rule after every step of it.
fn run(plan: &Plan) -> Result<Simulated, TestCaseError> {
    let simulated = simulate(plan, None).map_err(|error| TestCaseError::fail(error.to_string()))?;
    CONVERSATIONS.fetch_add(1, Ordering::Relaxed);
    INPUTS.fetch_add(simulated.steps as u64, Ordering::Relaxed);
    match simulated.broken {
        Some(broken) => Err(TestCaseError::fail(broken.to_string())),
        None => Ok(simulated),
    }
}

/// Checks conversations about a theme, and keeps the shrunk one if a rule is broken.
#[allow(clippy::print_stdout, reason = "what was checked is told to whoever asks for the output")]
fn check_all(theme: Theme, salt: u8, holds: impl Fn(&Plan) -> Result<(), TestCaseError>) {
    kept::all_hold();
    let cases = variable("STELLA_CASES").unwrap_or(CASES);
    let result = runner(cases, salt).run(&plan(theme), |plan| holds(&plan));
    if let Err(TestError::Fail(reason, plan)) = result {
        let file = kept::keep(&plan, reason.message());
        panic!("{}\n{reason}\nkept in {file}", story(&plan, None));
    }
    result.expect("cases can be generated");
    let (conversations, inputs) = (CONVERSATIONS.load(Ordering::Relaxed), INPUTS.load(Ordering::Relaxed));
    println!("no rule broken in {conversations} generated conversations with {inputs} inputs so far");
}

fn check(theme: Theme, salt: u8) {
    check_all(theme, salt, |plan| run(plan).map(drop));
}

#[test]
fn kept_conversations_hold() {
    kept::all_hold();
}

#[test]
fn i1_every_turn_has_one_outcome() {
    check(Theme { acts: [10, 6, 2, 1, 1], ..EVERYDAY }, 1);
}

#[test]
fn i2_one_reply_is_audible() {
    check(Theme { acts: [6, 2, 10, 1, 1], ..EVERYDAY }, 2);
}

#[test]
fn i3_commands_are_completed_or_cancelled_once() {
    check(Theme { acts: [8, 2, 2, 1, 10], trouble: 30, ..EVERYDAY }, 3);
}

#[test]
fn i4_tool_output_exactly_once() {
    check(Theme { tools: 12, trouble: 15, ..EVERYDAY }, 4);
}

#[test]
fn i5_history_holds_what_was_heard() {
    check(Theme { acts: [10, 2, 4, 0, 1], trouble: 2, ..EVERYDAY }, 5);
}

#[test]
fn i6_alive_when_nothing_answers() {
    check(Theme { trouble: 80, tools: 4, ..EVERYDAY }, 6);
}

#[test]
fn i7_closed_in_time() {
    check(Theme { acts: [8, 2, 3, 8, 1], tools: 4, trouble: 20, ..EVERYDAY }, 7);
}

#[test]
fn i8_no_word_lost() {
    check(Theme { acts: [10, 8, 2, 2, 2], trouble: 25, review: true, ..EVERYDAY }, 8);
}

#[test]
fn i9_holds_end() {
    check(Theme { acts: [12, 1, 6, 0, 1], trouble: 15, ..EVERYDAY }, 9);
}

#[test]
fn i10_rollbacks_leave_no_trace() {
    check(Theme { acts: [14, 1, 0, 0, 1], tools: 6, trouble: 3, ..EVERYDAY }, 10);
}

/// Every recording of a conversation, written and read again, replays to equal outputs.
#[test]
fn i11_every_recording_replays() {
    let theme = Theme { acts: [8, 4, 4, 1, 6], trouble: 20, tools: 4, review: true };
    check_all(theme, 11, |plan| {
        let simulated = run(plan)?;
        let config = plan.options.clone().validate().map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut recorder = Recorder::new(Vec::new(), &config)?;
        for record in &simulated.watched.records {
            match &record.what {
                Recorded::Input(input) => recorder.input(record.at, input)?,
                Recorded::Output(output) => recorder.output(record.at, output)?,
            }
        }
        let report = replay(&recorder.into_inner()[..], plan.judge());
        let report = report.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(report.inputs + report.outputs, simulated.watched.records.len());
        prop_assert!(report.closed);
        Ok(())
    });
}

#[test]
fn i12_queues_are_bounded() {
    check(Theme { acts: [2, 6, 14, 0, 1], trouble: 10, ..EVERYDAY }, 12);
}

#[test]
fn i13_firm_replies_are_never_held() {
    check(Theme { acts: [10, 4, 10, 1, 1], ..EVERYDAY }, 13);
}

#[test]
fn i14_states_follow_their_edges() {
    check(Theme { acts: [6, 3, 3, 1, 8], review: true, ..EVERYDAY }, 14);
}

#[test]
fn i15_latency_adds_up() {
    check(Theme { acts: [10, 4, 0, 0, 0], tools: 2, trouble: 1, review: true }, 15);
}

#[test]
fn i16_steering_is_bounded() {
    check(Theme { acts: [14, 1, 1, 0, 0], trouble: 2, ..EVERYDAY }, 16);
}

#[test]
fn i17_turns_end_as_their_mode_allows() {
    check(Theme { acts: [12, 2, 8, 0, 4], trouble: 10, ..EVERYDAY }, 17);
}

#[test]
fn each_rule_catches_its_broken_engine() {
    for &(rule, fault, theme) in BROKEN {
        let result = runner(20_000, 100).run(&plan(theme), |plan| {
            let simulated = simulate(&plan, Some(fault)).map_err(|error| TestCaseError::fail(error.to_string()))?;
            match simulated.broken {
                Some(broken) => Err(TestCaseError::fail(format!("{:?}", broken.rule))),
                None => Ok(()),
            }
        });
        match result {
            Err(TestError::Fail(reason, plan)) => {
                assert_eq!(reason.message(), format!("{rule:?}"), "{fault:?}\n{}", story(&plan, Some(fault)));
            }
            other => panic!("no rule notices {fault:?}: {other:?}"),
        }
    }
}
