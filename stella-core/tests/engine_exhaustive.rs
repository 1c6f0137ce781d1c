//! The engine in every state that a small alphabet of inputs can reach, breadth first: no rule is broken in any, and
//! the machines take exactly the steps that docs/engine.md lists.
//!
//! A plain run looks at some ten thousand states; `STELLA_STATES=1000000` in a release build at a million.
#![cfg(feature = "testing")]

mod exploration;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use exploration::{Action, EVERYDAY, INITIATIVE, LINKED, Root, explore};
use stella_core::engine::{AfterLimit, EndpointingMode, OnLeave, Options, Others, TypedPolicy};

/// States of a plain run.
const STATES: usize = 60_000;

fn roots() -> Vec<Root> {
    use Action::*;
    let mut plain = Options::default();
    plain.conversation.max_tool_rounds = 1;
    plain.conversation.max_waiting = 1;
    plain.speculation.max_attempts = 1;
    let mut reviewed = plain.clone();
    reviewed.conversation.review = true;
    let mut manual = plain.clone();
    manual.endpointing.mode = EndpointingMode::Manual;
    let mut recogniser = plain.clone();
    recogniser.endpointing.mode = EndpointingMode::Recogniser;
    let mut filled = plain.clone();
    filled.conversation.filler = "One moment.".into();
    filled.conversation.filler_after = Duration::from_millis(300);
    let mut limited = plain.clone();
    limited.turn_limit.max_duration = Some(Duration::from_secs(1));
    limited.turn_limit.then = AfterLimit::Commit;
    let mut held = plain.clone();
    held.conversation.on_leave = OnLeave::Hold;
    held.conversation.rejoin_within = Some(Duration::from_secs(2));
    let mut ignoring = plain.clone();
    ignoring.conversation.others = Others::Ignore;
    let typed = Type(TypedPolicy::Interrupt);
    let speaking = vec![Say(true), Audio, Synthesized, Playout];
    let root = |name, options: &Options, actions| Root { name, options: options.clone(), actions, alphabet: EVERYDAY };
    let linked = |name, options, actions| Root { alphabet: LINKED, ..root(name, options, actions) };
    let initiative = |name, actions| Root { alphabet: INITIATIVE, ..root(name, &plain, actions) };
    let and = |mut actions: Vec<Action>, more: &[Action]| {
        actions.extend_from_slice(more);
        actions
    };
    vec![
        root("idle", &plain, vec![]),
        root("pausing", &plain, vec![Voice(1), Wait, Silence(1)]),
        root("thinking", &plain, vec![typed]),
        root("speaking", &plain, speaking.clone()),
        root("answering", &plain, vec![typed, Token, Token, Generated, Audio, Playout]),
        root("held", &plain, and(speaking.clone(), &[Voice(1), Deadline, Held])),
        root("held unheard", &plain, vec![typed, Voice(1), Deadline]),
        root("dismissed", &plain, and(speaking, &[Voice(1), Deadline, Silence(1), Final("")])),
        root("speculating", &plain, vec![Voice(1), Wait, Silence(1), Final("what about Rome"), Score(0.9)]),
        root("tools", &plain, vec![typed, Token, Call("clock"), Call("order"), Generated]),
        root("farewell", &plain, vec![typed, Call("order"), End(true)]),
        root("firm", &plain, vec![Say(false), Audio, Playout, Voice(1)]),
        root("manual", &manual, vec![Voice(1), Wait, Silence(1)]),
        root("recogniser", &recogniser, vec![Voice(1), Wait, Silence(1)]),
        root(
            "speculating on interim text",
            &plain,
            vec![Voice(1), Interim("what about"), Silence(1), Deadline, Deadline],
        ),
        root(
            "speculating beside another voice",
            &plain,
            vec![Voice(1), Interim("what about"), Silence(1), Deadline, Deadline, Voice(2), Call("order")],
        ),
        root("filler", &filled, vec![typed, Call("clock"), Generated, Wait, Wait]),
        root("beyond the limit", &limited, vec![Voice(1), Interim("what about"), Deadline]),
        root("gone", &held, vec![Say(true), Audio, Playout, Voice(1), Leave]),
        root("reviewing", &reviewed, vec![typed]),
        root("reviewed", &reviewed, vec![Voice(1), Wait, Silence(1), Final("what about Rome"), Deadline]),
        linked("linked", &plain, vec![Link(Some(1)), Voice(1), Silence(1)]),
        linked("another speaks", &ignoring, vec![Link(Some(1)), Voice(2), Silence(2)]),
        linked("one of two has left", &held, vec![Link(Some(1)), Voice(1), Voice(2), Leave]),
        initiative("by its own initiative", vec![Generate]),
        initiative("heard by its words", vec![Generate, Token, Token, Generated, Words, Audio, Playout]),
        initiative(
            "its voice fails",
            vec![Generate, Token, Token, GenerationFailed, Audio, SynthesisFailed, SynthesisFailed],
        ),
        initiative(
            "its voice is gone",
            and(vec![Generate, Token, Token, Call("clock"), Generated], &[SynthesisFailed; 4]),
        ),
        initiative("its last words make no sound", vec![Generate, Token, Dots, Audio, Synthesized, PlayedOut]),
        initiative("a firm reply", vec![Say(false), Words, Audio, Playout]),
    ]
}

/// States from which all steps are known to be taken.
const ALL_STEPS: usize = 500_000;

/// The steps of the machines as docs/engine.md lists them, one `machine: state > state` each.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../docs/engine.md");
    let block = page.split_once("```steps\n").and_then(|(_, rest)| rest.split_once("```")).expect("there is a list").0;
    let steps = block.lines().filter_map(|line| line.split_once(" > "));
    steps.flat_map(|(from, to)| to.split(", ").map(move |to| format!("{from} > {to}"))).collect()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the time is only printed")]
fn no_reachable_state_breaks_a_rule() {
    let limit = std::env::var("STELLA_STATES").ok().and_then(|n| n.parse().ok()).unwrap_or(STATES);
    let started = std::time::Instant::now();
    let found = explore(&roots(), limit);
    if let Some((broken, story)) = &found.broken {
        panic!("{broken}\n{story}");
    }
    println!("no rule broken in {found} ({:.1} s)", started.elapsed().as_secs_f64());
    let steps = found.edges.into_iter();
    let taken: BTreeMap<String, String> =
        steps.map(|((machine, from, to), story)| (format!("{machine}: {from} > {to}"), story)).collect();
    let listed = documented();
    let unlisted: Vec<_> = taken.iter().filter(|(step, _)| !listed.contains(*step)).collect();
    assert!(unlisted.is_empty(), "docs/engine.md does not list {unlisted:#?}");
    if limit >= ALL_STEPS {
        let never: Vec<_> = listed.iter().filter(|step| !taken.contains_key(*step)).collect();
        assert!(never.is_empty(), "docs/engine.md lists {never:?}, but nothing leads there");
        println!("all {} steps of docs/engine.md are taken, and no other", listed.len());
    }
}
