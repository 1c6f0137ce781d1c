//! Random plans for [`simulate`](stella_core::testing::simulation::simulate).

pub(crate) mod broken;

use std::time::Duration;

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use stella_core::{
    engine::{
        AfterLimit, EndpointingMode, Interruptibility, OnLeave, Options, Others, Priority, ReplyOptions, TypedPolicy,
    },
    testing::simulation::{Act, Answer, Generation, PHRASES, Plan, Playout, Reviewing, Synthesis, TEXTS, TOOLS},
};

/// What a set of conversations is about: how often things happen that make it hard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    /// Weights of speech, typing, the application's wishes, ends, and mischief.
    pub acts: [u32; 5],
    /// Weight of tool calls among the parts of a generation; texts weigh 10.
    pub tools: u32,
    /// Percent of answers that fail, never come, or come twice.
    pub trouble: u32,
    /// Whether turns may be reviewed.
    pub review: bool,
}

pub(crate) fn variable(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

pub(crate) fn runner(cases: u32, salt: u8) -> TestRunner {
    let mut seed = [salt; 32];
    seed[..4].copy_from_slice(&variable("STELLA_SEED").unwrap_or(1).to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

/// Milliseconds: mostly short, sometimes around a deadline, sometimes long.
fn delay(typical: u16) -> impl Strategy<Value = u16> {
    prop_oneof![
        6 => 0..=typical,
        2 => typical..typical.saturating_mul(4),
        1 => select(vec![0, 96, 150, 250, 600, 800, 1_000, 1_600, 4_000, 5_000]),
    ]
}

fn answer(trouble: u32) -> impl Strategy<Value = Answer> {
    prop_oneof![
        100 - trouble.min(99) => Just(Answer::Good),
        trouble / 3 + 1 => Just(Answer::Failed),
        trouble / 3 + 1 => Just(Answer::Never),
        trouble / 3 + 1 => Just(Answer::Twice),
    ]
}

fn reply_options() -> impl Strategy<Value = ReplyOptions> {
    let priority = select(vec![Priority::Low, Priority::Normal, Priority::High]);
    let eager =
        Interruptibility { hold_after: Duration::ZERO, commit_after: Some(Duration::from_millis(200)), min_words: 1 };
    let stubborn = Interruptibility { hold_after: Duration::from_millis(300), commit_after: None, min_words: 4 };
    let interruptibility = select(vec![None, None, None, Some(eager), Some(stubborn)]);
    (prop::bool::weighted(0.7), prop::bool::weighted(0.9), priority, interruptibility).prop_map(
        |(interruptible, remember, priority, interruptibility)| ReplyOptions {
            interruptible,
            remember,
            priority,
            interruptibility,
        },
    )
}

fn act(theme: Theme) -> impl Strategy<Value = Act> {
    let speaker = || prop_oneof![5 => Just(1u8), 2 => Just(2u8)];
    let policy = select(vec![TypedPolicy::Interrupt, TypedPolicy::Queue, TypedPolicy::Merge]);
    let phrase = || 0..PHRASES.len();
    let [speech, typing, wishes, ends, mischief] = theme.acts;
    prop_oneof![
        speech => (speaker(), delay(700), phrase()).prop_map(|(who, ms, words)| Act::Speak(who, ms, words)),
        typing => (speaker(), policy, phrase()).prop_map(|(who, policy, words)| Act::Type(who, policy, words)),
        wishes => prop_oneof![
            4 => (0..TEXTS.len(), reply_options()).prop_map(|(text, options)| Act::Say(text, options)),
            2 => reply_options().prop_map(Act::Generate),
            2 => any::<bool>().prop_map(Act::Interrupt),
            1 => any::<bool>().prop_map(Act::Tools),
            1 => Just(Act::Note),
            2 => Just(Act::Commit),
            1 => Just(Act::Clear),
        ],
        ends => (any::<bool>(), delay(3_000)).prop_map(|(farewell, within)| Act::End(farewell, within)),
        mischief => prop_oneof![
            6 => (0usize..12).prop_map(Act::Echo),
            2 => (0u16..3_000).prop_map(Act::JumpBack),
            2 => prop_oneof![0u64..100_000, Just(u64::MAX)].prop_map(Act::ClaimPlayout),
            1 => speaker().prop_map(Act::StuckVoice),
            1 => speaker().prop_map(Act::Leave),
            1 => speaker().prop_map(Act::Join),
            1 => speaker().prop_map(Act::Language),
            2 => Just(Act::TurnEnded),
            1 => Just(Act::Clear),
            1 => option::of(speaker()).prop_map(Act::Link),
        ],
    ]
}

fn generation(theme: Theme) -> impl Strategy<Value = Generation> {
    let part = prop_oneof![10 => 0..TEXTS.len(), theme.tools => TEXTS.len()..TEXTS.len() + 3 * TOOLS.len()];
    (delay(300), delay(60), vec(part, 0..5), answer(theme.trouble), any::<bool>())
        .prop_map(|(first, gap, parts, end, retryable)| Generation { first, gap, parts, end, retryable })
}

fn synthesis(theme: Theme) -> impl Strategy<Value = Synthesis> {
    let words = (any::<bool>(), prop::bool::weighted(0.1));
    (delay(200), delay(80), vec(0u16..900, 0..4), words, answer(theme.trouble)).prop_map(
        |(first, gap, parts, (words, wrong_words), end)| Synthesis { first, gap, parts, words, wrong_words, end },
    )
}

fn playout(theme: Theme) -> impl Strategy<Value = Playout> {
    let stall = prop::option::weighted(f64::from(theme.trouble) / 200.0, 0u16..1_500);
    let pace = prop_oneof![6 => Just(100u8), 1 => 20u8..250];
    (40u16..400, stall, pace, option::weighted(0.8, delay(60))).prop_map(|(every, stall, pace, held_after)| Playout {
        every,
        stall,
        pace,
        held_after,
    })
}

fn options(theme: Theme) -> impl Strategy<Value = Options> {
    let mode = prop_oneof![
        8 => Just(EndpointingMode::Score),
        2 => Just(EndpointingMode::Silence),
        1 => Just(EndpointingMode::Recogniser),
        1 => Just(EndpointingMode::Manual),
    ];
    let give_way = select(vec![10_000u64, 0, 700]);
    let chances = ((mode, any::<bool>(), give_way), prop::bool::weighted(0.9), prop::bool::weighted(0.8));
    let warm_up = select(vec![0u64, 0, 0, 1_500]);
    let limits = (1usize..4, 2usize..20, 0u32..4, 0u32..3, prop::bool::weighted(0.15));
    let waits = (select(vec![96u64, 0, 600]), select(vec![4_000u64, 800, 1_500]), select(vec![4_000u64, 500]));
    let review = prop::bool::weighted(if theme.review { 0.7 } else { 0.0 });
    let budget = option::weighted(0.3, (100u64..2_500, 1usize..3, select(vec![800u64, 0, 4_000])));
    let interim = (prop::bool::weighted(0.8), select(vec![150u64, 0, 400]), any::<bool>());
    let limit = option::weighted(0.2, (option::of(1usize..6), option::of(1u64..2_000), any::<bool>()));
    let filler = option::weighted(0.3, select(vec![1_200u64, 0, 300]));
    let presence = (any::<bool>(), any::<bool>(), option::weighted(0.3, select(vec![0u64, 500, 3_000])));
    let further = (limit, filler, presence, option::weighted(0.1, 1u32..3));
    (chances, limits, waits, (review, prop::bool::weighted(0.05), warm_up), budget, interim, further).prop_map(
        |(
            ((mode, adaptive, give_way), interruption, speculation),
            (waiting, history, rounds, retries, silent),
            (hold, max, ahead),
            (review, hasty, warm_up),
            budget,
            (interim, stable, unheard),
            (limit, filler, (merge, finish, rejoin), end_after),
        )| {
            let mut options = Options::default();
            (options.endpointing.mode, options.endpointing.adaptive) = (mode, adaptive);
            options.interruption.enabled = interruption;
            options.interruption.speaking.hold_after = Duration::from_millis(hold);
            options.interruption.thinking.hold_after = Duration::from_millis(hold);
            options.interruption.warm_up = Duration::from_millis(warm_up);
            options.interruption.max_hold = Duration::from_millis(max);
            options.speculation.enabled = speculation;
            if let Some((words, duration, commit)) = limit {
                let limit = &mut options.turn_limit;
                (limit.max_words, limit.max_duration) = (words, duration.map(Duration::from_millis));
                limit.then = if commit { AfterLimit::Commit } else { AfterLimit::Tell };
            }
            if let Some(after) = filler {
                options.conversation.filler = "One moment.".into();
                options.conversation.filler_after = Duration::from_millis(after);
            }
            options.conversation.others = if merge { Others::Merge } else { Others::Ignore };
            options.conversation.give_way = Duration::from_millis(give_way);
            options.conversation.on_leave = if finish { OnLeave::Finish } else { OnLeave::Hold };
            options.conversation.rejoin_within = rejoin.map(Duration::from_millis);
            options.recovery.end_after = end_after;
            options.speculation.interim = interim;
            options.speculation.stable_after = Duration::from_millis(stable);
            if let Some((budget, turns, least_wait)) = budget {
                options.latency.budget = Some(Duration::from_millis(budget));
                options.latency.turns = turns;
                options.latency.least_wait = Duration::from_millis(least_wait);
            }
            options.conversation.show_unheard = unheard;
            options.speech.look_ahead = Duration::from_millis(ahead);
            options.conversation.max_waiting = waiting;
            options.conversation.max_history = history;
            options.conversation.max_tool_rounds = rounds;
            options.conversation.review = review;
            options.recovery.retries = retries;
            if hasty {
                let zero = Duration::ZERO;
                let waits = &mut options.endpointing;
                (waits.wait_complete, waits.wait_unsure) = (zero, zero);
                (waits.evidence_by, waits.transcript_by) = (zero, zero);
                let waits = &mut options.interruption;
                let hasty = Interruptibility { hold_after: zero, commit_after: Some(zero), min_words: 1 };
                (waits.speaking, waits.thinking, waits.judge_by, waits.max_hold) = (hasty, hasty, zero, zero);
                waits.resume_after = zero;
                (options.speech.first_clause, options.speech.clause, options.speech.max_clause) = (0, 0, 20);
            }
            if silent {
                options.recovery.apology = String::new();
            }
            options
        },
    )
}

/// A plan for a conversation about a theme.
pub(crate) fn plan(theme: Theme) -> impl Strategy<Value = Plan> {
    let trouble = theme.trouble;
    let reviewing = select(vec![Reviewing::Accept, Reviewing::Edit, Reviewing::Decline, Reviewing::Never]);
    let score = prop_oneof![3 => 50u8..=100, 2 => 0u8..50, 1 => 100u8..120];
    (
        options(theme),
        vec((delay(900), act(theme)), 1..10),
        (vec((delay(200), answer(trouble)), 1..4), vec(option::of(delay(400)), 1..3), vec((delay(100), score), 1..4)),
        (vec(generation(theme), 1..4), vec((delay(400), answer(trouble)), 1..4), vec(synthesis(theme), 1..4)),
        (vec(playout(theme), 1..3), vec((delay(300), reviewing), 1..3), prop_oneof![3 => Just(0u16), 1 => 0u16..300]),
        prop::bool::weighted(0.1),
    )
        .prop_map(
            |(
                options,
                acts,
                (transcripts, interims, scores),
                (generations, calls, syntheses),
                (playouts, reviews, tick_after),
                contrary,
            )| Plan {
                options,
                acts,
                transcripts,
                interims,
                scores,
                generations,
                calls,
                syntheses,
                playouts,
                reviews,
                tick_after,
                contrary,
            },
        )
}
