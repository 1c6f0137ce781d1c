//! The hard cases of docs/engine.md as scripts with golden traces. Times in seconds.
#![cfg(feature = "testing")]

mod scripts;

use std::time::Duration;

use scripts::{SPEAKING, check, options, over_speech};
use stella_core::{
    engine::{AfterLimit, Command, EndpointingMode, OnLeave, Options, Output, Recorded, table, timeline},
    testing::script::{record, run},
};

fn reviewed(script: &str) -> String {
    let mut options = options();
    options.conversation.review = true;
    run(options, script)
}

#[test]
fn case_1_a_pause_inside_a_sentence_is_one_turn() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        1.200 silence
        1.250 final I would like
        1.300 score 0.1
        1.500 voice
        2.700 silence
        2.750 final I would like a coffee.
        2.760 score 0.9
        3.000 text Sure.
        3.010 generated
        3.100 audio 12000
        3.110 synthesized
        3.200 playout 480
        3.700 playout 12000
    "
    ));
}

#[test]
fn case_2_a_user_who_goes_on_before_the_reply_is_heard_gets_one_reply() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        1.200 silence
        1.250 final What is the weather
        1.700 text It is
        2.000 voice
        2.800 silence
        2.850 final in Paris tomorrow?
        2.860 score 0.9
        3.000 text Sunny in Paris.
        3.010 generated
        3.100 audio 12000
        3.110 synthesized
        3.200 playout 12000
    "
    ));
}

#[test]
fn case_3_a_backchannel_only_holds_the_agent() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 voice
        0.700 held 14400
        1.000 interim mhm
        1.100 silence
        1.150 final Mhm.
        1.900 playout 36000
    "
    ));
}

#[test]
fn case_3_a_hum_that_the_recogniser_takes_for_a_word_only_holds_the_agent() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 voice
        0.700 held 14400
        1.000 interim
        1.100 silence
        1.150 mumble Hammer.
        1.900 playout 36000
    "
    ));
}

#[test]
fn a_word_begun_before_the_reply_could_be_understood_belongs_to_the_users_turn() {
    insta::assert_snapshot!(over_speech(
        "
        0.150 voice
        0.250 held 4800
        0.650 silence
        0.700 final Right?
        0.710 score 0.9
    "
    ));
}

#[test]
fn nothing_interrupts_while_the_echo_canceller_warms_up() {
    let mut options = Options::default();
    options.interruption.warm_up = Duration::from_millis(800);
    let script = "
        0.300 voice
        0.500 playout 10080
        0.700 silence
        0.750 final What is this?
        0.850 playout 18480
        0.950 voice
        1.050 held 22560
        1.400 interim what else
    ";
    insta::assert_snapshot!(run(options, &format!("{SPEAKING}{script}")));
}

#[test]
fn case_4_a_real_interruption_cuts_the_reply_where_it_was_heard() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 voice
        0.700 held 14880
        0.900 interim wait
        1.100 interim wait what about
        2.000 silence
        2.050 final Wait, what about seven?
        2.060 score 0.9
        2.200 text Seven comes next.
        2.210 generated
        2.300 audio 24000
        2.310 synthesized
        2.400 playout 24000
    "
    ));
}

#[test]
fn case_5_a_cough_is_resumed_and_discarded() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 voice
        0.700 held 14400
        0.950 silence
        1.000 final
        1.900 playout 36000
    "
    ));
}

#[test]
fn case_5_a_door_without_any_transcript_is_resumed_by_its_deadline() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 voice
        0.700 held 14400
        0.950 silence
        2.900 playout 36000
    "
    ));
}

#[test]
fn case_6_speech_after_the_first_sample_is_an_overlap_and_is_answered() {
    insta::assert_snapshot!(over_speech(
        "
        0.400 voice
        0.510 held 10080
        1.010 interim no I meant
        1.600 silence
        1.650 final No, I meant ten.
        1.660 score 0.9
        2.000 text Ten.
        2.010 generated
        2.100 audio 12000
        2.110 synthesized
        2.200 playout 12000
    "
    ));
}

#[test]
fn case_7_typed_text_interrupts_speech() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 type Stop. What time is it?
        0.700 text Noon.
        0.710 generated
        0.800 audio 12000
        0.810 synthesized
        0.900 playout 12000
    "
    ));
}

#[test]
fn case_7_typed_text_can_wait_for_its_turn() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 type queue What time is it?
        1.600 playout 36000
        1.700 text Noon.
        1.710 generated
        1.800 audio 12000
        1.810 synthesized
        1.900 playout 12000
    "
    ));
}

#[test]
fn case_8_a_reply_begun_on_a_probable_end_is_adopted() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        1.200 silence
        1.210 final Hello there.
        1.215 score 0.9
        1.220 text Hi!
        1.225 generated
        1.230 audio 12000
        1.235 synthesized
        1.300 playout 12000
    "
    ));
}

#[test]
fn case_9_a_reply_begun_too_early_leaves_no_trace() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        1.200 silence
        1.205 final Hello
        1.210 score 0.9
        1.215 text Hi!
        1.225 voice
        2.200 silence
        2.250 final Hello, is anybody there?
        2.260 score 0.9
        2.400 text Yes.
        2.410 generated
        2.500 audio 12000
        2.510 synthesized
        2.600 playout 12000
    "
    ));
}

#[test]
fn case_8_a_reply_begun_on_stable_interim_text_is_adopted_by_the_final() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        0.800 interim hello there
        1.200 silence
        1.210 score 0.9
        1.400 text Hi!
        1.410 generated
        1.450 audio 12000
        1.460 synthesized
        1.500 final Hello there.
        1.600 playout 12000
    "
    ));
}

#[test]
fn case_8_without_a_detector_a_reply_is_begun_on_words_that_sound_complete() {
    let mut options = Options::default();
    options.endpointing.mode = EndpointingMode::Silence;
    insta::assert_snapshot!(run(
        options,
        "
        0.000 voice
        1.000 silence
        1.050 final I would like the
        1.600 voice
        2.000 silence
        2.050 final I would like the cake.
        2.150 text Sure.
        2.160 generated
        2.200 audio 12000
        2.210 synthesized
        3.600 playout 12000
    "
    ));
}

#[test]
fn case_9_a_reply_begun_on_interim_text_is_withdrawn_by_another_final() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        0.800 interim hello there
        1.200 silence
        1.210 score 0.9
        1.400 text Hi!
        1.500 final Hello there, who is it?
        1.600 text It is me.
        1.610 generated
        1.700 audio 12000
        1.710 synthesized
        1.800 playout 12000
    "
    ));
}

#[test]
fn case_10_a_tool_is_cancelled_when_the_user_interrupts() {
    insta::assert_snapshot!(check(
        "
        0.000 tools book!
        0.000 type Book a table.
        0.100 text One moment please.
        0.110 call book
        0.120 generated
        0.200 audio 24000
        0.210 synthesized
        0.300 playout 480
        0.600 voice
        0.700 held 9600
        0.900 interim no stop
        1.500 silence
        1.550 final No, stop.
        1.560 score 0.9
        1.600 tool booked
        1.700 text All right.
        1.710 generated
        1.800 audio 12000
        1.810 synthesized
        1.900 playout 12000
    "
    ));
}

#[test]
fn case_10_a_tool_round_ends_in_an_answer() {
    insta::assert_snapshot!(check(
        "
        0.000 tools clock
        0.000 type What time is it?
        0.100 call clock
        0.120 generated
        0.500 tool noon
        0.600 text It is noon.
        0.610 generated
        0.700 audio 24000
        0.710 synthesized
        0.800 playout 24000
    "
    ));
}

#[test]
fn case_10_a_slow_tool_is_bridged_by_a_filler() {
    let mut options = Options::default();
    options.conversation.filler = "One moment, please.".into();
    insta::assert_snapshot!(run(
        options,
        "
        0.000 tools clock
        0.000 type What time is it?
        0.100 call clock
        0.120 generated
        1.400 audio 24000
        1.410 synthesized
        1.500 playout 480
        2.500 playout 24000
        3.000 tool noon
        3.200 text It is noon.
        3.210 generated
        3.300 audio 24000
        3.310 synthesized
        3.400 playout 24480
        4.400 playout 48000
    "
    ));
}

#[test]
fn case_11_a_late_final_corrects_the_transcript_not_the_turn() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        1.000 interim Hello wor
        1.200 silence
        6.000 final Hello world.
        6.100 text Hi!
        6.110 generated
        6.200 audio 12000
        6.210 synthesized
        6.300 playout 12000
    "
    ));
}

#[test]
fn case_11_a_slow_final_is_waited_for() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        1.000 interim Hello wor
        2.200 silence
        5.000 final Hello world, how are you today?
        5.100 text Fine!
        5.110 generated
        5.200 audio 12000
        5.210 synthesized
        5.300 playout 12000
    "
    ));
}

#[test]
fn case_11_a_recogniser_that_catches_up_is_waited_for() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        1.000 silence
        1.200 voice
        3.000 silence
        5.500 earlier Hello world,
        8.000 final Hello world, how are you today?
        8.100 text Fine!
        8.110 generated
        8.200 audio 12000
        8.210 synthesized
        8.300 playout 12000
    "
    ));
}

#[test]
fn case_12_a_model_that_dies_in_mid_reply_is_apologised_for() {
    insta::assert_snapshot!(check(
        "
        0.000 type Tell me a story.
        0.100 text Once upon a time, there was
        0.200 audio 24000
        0.210 synthesized
        0.300 playout 480
        0.400 generation failed
        0.500 audio 48000
        0.510 synthesized
        1.300 playout 72000
    "
    ));
}

#[test]
fn case_12_a_model_that_never_starts_is_asked_again_and_then_apologised_for() {
    insta::assert_snapshot!(check(
        "
        0.000 type Hello?
        0.100 generation failed
        6.000 audio 48000
        6.010 synthesized
        8.100 playout 48000
    "
    ));
}

#[test]
fn case_13_the_farewell_wins_over_a_hold() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 voice
        0.700 held 14400
        0.800 end 5 Goodbye!
        0.900 audio 12000
        0.910 synthesized
        1.000 playout 12000
    "
    ));
}

#[test]
fn case_13_the_end_comes_even_if_synthesis_never_answers() {
    insta::assert_snapshot!(over_speech(
        "
        0.600 voice
        0.800 end 3 Goodbye!
    "
    ));
}

#[test]
fn case_14_a_second_speaker_is_heard_too() {
    insta::assert_snapshot!(check(
        "
        0.000 voice 1
        0.500 voice 2
        1.000 silence 2
        1.050 final Good morning.
        1.060 score 0.9
        1.100 silence 1
        1.400 text Hello!
    "
    ));
}

#[test]
fn case_14_the_linked_speaker_drives_the_turn() {
    let mut options = Options::default();
    options.endpointing.mode = EndpointingMode::Silence;
    options.endpointing.wait_unsure = Duration::from_millis(1_500);
    insta::assert_snapshot!(run(
        options,
        "
        0.000 link 1
        0.100 voice 2
        1.000 silence 2
        1.050 final Ask about the weather.
        2.000 voice 1
        3.000 silence 1
        3.050 final What is the weather?
        4.300 text Sunny.
        4.310 generated
        4.400 audio 24000
        4.410 synthesized
        4.500 playout 480
        4.600 voice 2
        5.100 playout 14880
        5.200 silence 2
        5.250 final I told you so.
        5.500 playout 24000
    "
    ));
}

#[test]
fn case_15_a_user_who_comes_back_in_time_goes_on_with_the_same_conversation() {
    let mut options = Options::default();
    options.conversation.on_leave = OnLeave::Hold;
    options.conversation.rejoin_within = Some(std::time::Duration::from_secs(20));
    insta::assert_snapshot!(run(
        options,
        &format!(
            "
            0.000 join
            {SPEAKING}
            0.500 playout 10080
            0.600 leave
            1.000 say Are you still there?
            9.000 join
            9.100 audio 24000
            9.110 synthesized
            9.200 playout 24000
            10.000 leave
        "
        )
    ));
}

#[test]
fn case_15_a_reply_is_finished_though_nobody_is_there() {
    insta::assert_snapshot!(check(&format!(
        "
        0.000 join
        {SPEAKING}
        0.500 playout 10080
        0.600 leave
        1.600 playout 36000
        5.000 join
        "
    )));
}

#[test]
fn a_user_who_does_not_stop_is_answered_at_the_limit() {
    let mut options = Options::default();
    options.turn_limit.max_duration = Some(std::time::Duration::from_secs(5));
    options.turn_limit.then = AfterLimit::Commit;
    insta::assert_snapshot!(run(
        options,
        "
        0.000 voice
        4.000 interim and then he said
        5.100 final And then he said that
        5.300 text I see.
        5.310 generated
        5.400 audio 24000
        5.410 synthesized
        5.500 playout 480
        6.000 interim I was right
        6.500 playout 24000
        7.000 silence
        7.050 final I was right.
        7.060 score 0.9
        7.100 end 1
    "
    ));
}

#[test]
fn a_user_who_says_too_much_is_told_of() {
    let mut options = Options::default();
    options.turn_limit.max_words = Some(4);
    insta::assert_snapshot!(run(
        options,
        "
        0.000 voice
        1.000 interim one two three four
        2.000 interim one two three four five
        3.000 interim one two three four five six
        3.500 silence
        3.550 final One two three four five six.
        3.560 score 0.9
        3.600 end 1
    "
    ));
}

#[test]
fn a_conversation_of_failures_ends() {
    let mut options = Options::default();
    options.recovery.end_after = Some(2);
    options.recovery.retries = 0;
    options.recovery.apology = String::new();
    insta::assert_snapshot!(run(
        options,
        "
        0.000 type Hello?
        0.100 generation broken
        1.000 type Hello?
        1.100 generation broken
    "
    ));
}

#[test]
fn case_16_the_echo_of_the_agent_is_no_interruption() {
    insta::assert_snapshot!(over_speech(
        "
        1.000 playout 24000
        1.100 voice
        1.200 held 26400
        1.400 interim one two three
        1.900 silence
        1.950 final one two three
        2.400 playout 36000
    "
    ));
}

#[test]
fn a_turn_may_be_declined() {
    insta::assert_snapshot!(reviewed(
        "
        0.000 type Hello?
        0.100 decline not for me
    "
    ));
}

#[test]
fn a_turn_may_be_edited() {
    insta::assert_snapshot!(reviewed(
        "
        0.000 type Hello?
        0.100 review Bonjour?
        0.200 text Oui.
    "
    ));
}

#[test]
fn an_uninterruptible_reply_is_finished_and_the_words_are_answered_afterwards() {
    insta::assert_snapshot!(check(
        "
        0.000 say firmly One two three four five six.
        0.050 audio 36000
        0.060 synthesized
        0.100 playout 480
        0.400 voice
        1.200 silence
        1.250 final Can I say something?
        1.600 playout 36000
        1.700 text Yes.
        1.710 generated
    "
    ));
}

#[test]
fn speech_that_fails_to_be_synthesised_is_shown() {
    insta::assert_snapshot!(check(
        "
        0.000 say One two three four five six. Seven eight nine ten.
        0.100 synthesis failed
        0.200 synthesis failed
        0.300 synthesis failed
        0.400 synthesis failed
    "
    ));
}

#[test]
fn a_timeline_tells_an_interruption_to_whoever_was_not_there() {
    let script = "
        0.500 playout 10080
        0.600 voice
        0.700 held 14880
        0.900 interim wait
        1.100 interim wait what about
        2.000 silence
        2.050 final Wait, what about seven?
        2.060 score 0.9
        2.200 text Seven comes next.
        2.210 generated
        2.300 audio 24000
        2.310 synthesized
        2.400 playout 24000
    ";
    insta::assert_snapshot!(table(&timeline(&record(options(), &format!("{SPEAKING}{script}"))), 100, false));
}

#[test]
fn unheard_words_are_told_the_model_as_unheard() {
    let mut options = options();
    options.conversation.show_unheard = true;
    let script = "
        0.500 playout 10080
        0.600 type Go on.
        0.700 text Three four.
        0.710 generated
        0.800 audio 12000
        0.810 synthesized
        0.900 playout 12000
    ";
    let records = record(options, &format!("{SPEAKING}{script}"));
    let shown = records.iter().find_map(|record| match &record.what {
        Recorded::Output(Output::Command(Command::Generate { chat, .. })) => Some(chat.clone()),
        _ => None,
    });
    let shown: Vec<_> = shown.iter().flat_map(|chat| chat.iter().map(|item| format!("{item:?}"))).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn a_budget_steers_by_what_it_measures() {
    let mut options = options();
    options.latency.budget = Some(std::time::Duration::from_millis(700));
    options.latency.turns = 2;
    let turn = |n: u32| {
        let at = |ms: u32| f64::from(n * 5_000 + ms) / 1e3;
        format!(
            "
            {} voice
            {} silence
            {} final And what is the number after {n}?
            {} text One.
            {} generated
            {} audio 12000
            {} synthesized
            {} playout 12000
            ",
            at(0),
            at(1_200),
            at(1_250),
            at(1_800),
            at(1_810),
            at(1_900),
            at(1_910),
            at(1_950)
        )
    };
    let trace = run(options, &(0..12).map(turn).collect::<String>());
    let told = |line: &&str| ["response", "steered", "budget"].iter().any(|what| line.contains(what));
    insta::assert_snapshot!(trace.lines().filter(told).collect::<Vec<_>>().join("\n"));
}
