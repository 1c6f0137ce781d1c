//! What once went wrong, as scripts with golden traces: found by generated conversations or by reading, then mended. Times
//! in seconds.
#![cfg(feature = "testing")]

mod scripts;

use std::time::Duration;

use scripts::{check, options, over_speech};
use stella_core::{
    engine::{AfterLimit, EndpointingMode, Options},
    testing::script::run,
};

/// Runs a script in which a turn is cut after two seconds.
fn limited(script: &str) -> String {
    let mut options = options();
    options.turn_limit.max_duration = Some(Duration::from_secs(2));
    options.turn_limit.then = AfterLimit::Commit;
    run(options, script)
}

#[test]
fn a_waiting_reply_lets_the_user_finish_first() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        0.500 say Your time is nearly up.
        1.200 silence
        1.250 final What is the weather?
        1.260 score 0.9
        1.700 text Sunny.
        1.710 generated
        1.800 audio 12000
        1.810 synthesized
        1.900 playout 12000
        2.000 audio 24000
        2.010 synthesized
        2.100 playout 24000
    "
    ));
}

#[test]
fn a_waiting_reply_is_said_over_a_voice_that_does_not_end() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        2.000 say Is that a radio?
        12.100 audio 24000
        12.110 synthesized
        12.200 playout 480
        13.200 playout 24000
    "
    ));
}

#[test]
fn a_reply_begun_over_a_voice_is_not_cut_off_by_its_end() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        0.100 say Is that a radio or is somebody still there?
        9.000 interim so what I wanted to say is this
        10.200 audio 72000
        10.210 synthesized
        10.300 playout 480
        10.500 silence
        10.550 final So what I wanted to say is this.
        10.560 score 0.9
        13.300 playout 72000
        13.600 text Yes?
        13.610 generated
        13.700 audio 12000
        13.710 synthesized
        13.800 playout 12000
    "
    ));
}

#[test]
fn a_reply_that_waited_lets_who_interrupts_an_answer_finish_too() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        1.000 say Is that a radio?
        1.200 silence
        1.250 final What is the news?
        1.260 score 0.9
        1.700 text One two three four five six seven eight nine ten eleven twelve.
        1.710 generated
        1.800 audio 300000
        1.810 synthesized
        1.900 playout 480
        6.000 playout 98880
        10.000 playout 194880
        11.600 playout 233280
        12.000 voice
        12.300 interim wait stop
        13.000 silence
        13.050 final Wait, stop.
        13.060 score 0.9
        13.500 text Yes?
        13.510 generated
        13.600 audio 12000
        13.610 synthesized
        13.700 playout 12000
        13.800 audio 12000
        13.810 synthesized
        13.900 playout 12000
    "
    ));
}

#[test]
fn a_cough_before_a_reply_does_not_make_it_deaf() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        0.300 silence
        0.350 final
        0.400 say One two three four five six.
        0.500 audio 72000
        0.510 synthesized
        0.600 playout 480
        0.900 voice
        1.200 interim stop please
        1.400 silence
        1.450 final Stop, please.
        2.500 text Yes.
        2.510 generated
        2.600 audio 12000
        2.610 synthesized
        2.700 playout 12000
    "
    ));
}

#[test]
fn a_yes_that_is_understood_after_typed_text_is_not_lost() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        0.300 silence
        0.350 final Yes.
        0.360 score 0.1
        0.500 type And tea, please.
        2.500 text Coffee and tea.
        2.510 generated
        2.600 audio 24000
        2.610 synthesized
        2.700 playout 24000
        3.000 text Certainly.
        3.010 generated
        3.100 audio 12000
        3.110 synthesized
        3.200 playout 12000
    "
    ));
}

#[test]
fn a_cough_does_not_hold_back_a_waiting_reply_for_longer_than_it_lasts() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        0.200 silence
        0.250 final
        0.400 say Hello, this is Stella.
        0.500 audio 24000
        0.510 synthesized
        0.600 playout 24000
    "
    ));
}

#[test]
fn a_model_that_lost_its_first_word_and_then_says_nothing_is_apologised_for() {
    insta::assert_snapshot!(check(
        "
        0.000 type Hello?
        0.100 text Well
        0.200 generation failed
        0.300 generated
        0.500 audio 24000
        0.510 synthesized
        0.600 playout 24000
        0.700 audio 24000
        0.710 synthesized
        1.600 playout 48000
    "
    ));
}

#[test]
fn a_sign_of_listening_that_is_understood_after_the_reply_is_no_turn() {
    let mut options = options();
    options.endpointing.wait_incomplete = Duration::from_secs(4);
    let script = "
        0.000 say One two three four five six seven.
        0.050 audio 48000
        0.060 synthesized
        0.100 playout 480
        0.700 playout 14880
        0.750 voice
        0.800 silence
        1.000 score 0.1
        2.000 playout 48000
        2.100 final Mhm.
    ";
    insta::assert_snapshot!(run(options, script));
}

#[test]
fn an_echo_beyond_the_limit_of_a_turn_is_not_answered() {
    insta::assert_snapshot!(limited(
        "
        0.000 say firmly One two three four five six.
        0.050 audio 60000
        0.060 synthesized
        0.100 playout 480
        0.200 voice
        2.600 playout 60000
        2.680 final One two three four five six.
        2.700 silence
        2.750 final
    "
    ));
}

#[test]
fn a_model_that_says_nothing_after_its_tools_is_asked_again() {
    insta::assert_snapshot!(check(
        "
        0.000 tools lookup
        0.000 type What is my balance?
        0.300 call lookup
        0.310 generated
        0.800 tool 17
        1.000 generated
        1.300 text Seventeen.
        1.310 generated
        1.400 audio 12000
        1.410 synthesized
        1.500 playout 12000
    "
    ));
}

#[test]
fn a_turn_beyond_its_limit_is_cut_once_the_agent_has_finished() {
    insta::assert_snapshot!(limited(
        "
        0.000 say firmly One two three four five six.
        0.050 audio 60000
        0.060 synthesized
        0.100 playout 480
        0.200 voice
        2.300 interim so what I wanted to say is
        2.600 playout 60000
        2.700 final So what I wanted to say is
        2.900 text Yes?
        2.910 generated
        3.000 audio 12000
        3.010 synthesized
        3.100 playout 12000
    "
    ));
}

#[test]
fn a_short_word_long_before_the_end_of_a_reply_is_no_answer() {
    insta::assert_snapshot!(check(
        "
        0.000 say One two three four five six seven eight.
        0.050 audio 72000
        0.060 synthesized
        0.100 playout 480
        1.200 playout 26880
        1.250 voice
        1.300 silence
        1.350 final Yes.
        2.900 playout 67680
        3.100 playout 72000
    "
    ));
}

// Found by generated conversations, and shrunk.

#[test]
fn words_of_another_speaker_withdraw_a_reply_once() {
    insta::assert_snapshot!(check(
        "
        0.000 voice 1
        1.000 silence 1
        1.050 final What is the weather?
        1.060 score 0.9
        1.200 voice 2
        1.400 interim and
        2.000 silence 2
        2.050 final and in Rome?
        2.060 score 0.9
        2.300 text Sunny in both.
        2.310 generated
        2.400 audio 24000
        2.410 synthesized
        2.500 playout 24000
    "
    ));
}

#[test]
fn audio_after_a_slow_tool_is_not_a_stalled_playout() {
    insta::assert_snapshot!(check(
        "
        0.000 tools lookup
        0.000 type What is my balance?
        0.100 text One moment.
        0.100 call lookup
        0.110 generated
        0.200 audio 12000
        0.210 synthesized
        0.300 playout 480
        0.700 playout 12000
        12.000 tool 17
        12.300 text You have seventeen.
        12.310 generated
        12.400 audio 24000
        12.410 synthesized
        12.500 playout 12480
        13.400 playout 36000
    "
    ));
}

#[test]
fn interim_text_after_a_pause_goes_on() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 voice
        0.700 held 14400
        0.900 silence
        0.950 final mhm
        1.000 voice
        1.400 interim mhm but what about seven
        1.900 silence
        1.950 final Mhm, but what about seven?
        1.960 score 0.9
        2.200 text Seven comes next.
        2.210 generated
    "
    ));
}

#[test]
fn a_voice_without_audio_has_failed() {
    insta::assert_snapshot!(check(
        "
        0.000 say One two three.
        0.100 synthesized
        0.200 synthesized
    "
    ));
}

#[test]
fn a_model_that_fails_under_speculation_is_not_cancelled_again() {
    insta::assert_snapshot!(check(
        "
        0.000 voice
        1.200 silence
        1.210 final Hello there.
        1.215 score 0.9
        1.220 generation failed
        1.300 text Hi!
        1.310 generated
    "
    ));
}

#[test]
fn a_firm_reply_after_a_stalled_one_is_not_held() {
    insta::assert_snapshot!(check(
        "
        0.000 say One two three four five six.
        0.010 say firmly Seven eight.
        0.050 audio 36000
        0.060 synthesized
        0.100 playout 480
        5.050 voice
        5.200 audio 12000
        5.210 synthesized
        5.300 playout 12000
        5.400 silence
    "
    ));
}

#[test]
fn a_tool_with_effects_waits_while_somebody_speaks_over_its_reply() {
    insta::assert_snapshot!(check(
        "
        0.000 tools order!
        0.000 type One coffee, please.
        0.100 voice
        0.300 call order
        0.310 generated
        0.700 silence
        0.750 final
        1.000 tool done
        1.200 text Done.
        1.210 generated
        1.300 audio 12000
        1.310 synthesized
        1.400 playout 12000
    "
    ));
}

#[test]
fn a_second_end_may_come_sooner() {
    insta::assert_snapshot!(check(
        "
        0.000 end 10 Good bye, and thank you.
        0.500 end 1
    "
    ));
}

#[test]
fn the_second_of_two_speakers_over_the_agent_is_weighed_too() {
    insta::assert_snapshot!(over_speech(
        "
        0.500 playout 10080
        0.600 voice 1
        0.700 held 14400
        0.800 voice 2
        1.000 silence 1
        2.600 silence 2
        2.650 final What?
    "
    ));
}

/// Without a detector of the end of turns.
fn by_silence(script: &str) -> String {
    let mut options = Options::default();
    options.endpointing.mode = EndpointingMode::Silence;
    run(options, script)
}

#[test]
fn no_reply_is_begun_on_the_echo_of_the_last_one() {
    let trace = by_silence(
        "
        0.000 say One two three four five six seven eight nine ten.
        0.050 audio 96000
        0.060 synthesized
        0.100 playout 480
        3.010 voice
        4.000 playout 96000
        4.300 silence
        4.350 final Eight nine ten.
    ",
    );
    assert!(!trace.contains("generate"), "{trace}");
    assert!(trace.contains("Backchannel"), "{trace}");
}

#[test]
fn a_language_that_is_known_late_lets_a_reply_begin() {
    let trace = by_silence(
        "
        0.000 voice
        1.000 silence
        1.050 final 何時ですか？
        1.060 language ja
    ",
    );
    assert!(trace.contains("1.060 generate"), "{trace}");
}

#[test]
fn a_reply_begun_in_advance_is_begun_anew_with_other_tools() {
    let trace = by_silence(
        "
        0.000 voice
        1.000 silence
        1.050 final What is the time?
        1.300 tools none
    ",
    );
    assert!(trace.contains("1.050 generate") && trace.contains("1.300 generate"), "{trace}");
}

#[test]
fn a_cut_waits_for_a_recogniser_that_catches_up() {
    insta::assert_snapshot!(limited(
        "
        0.000 voice
        0.600 silence
        0.800 voice
        1.000 interim What is
        4.000 earlier What is
        7.000 final What is the weather like in Rome?
        7.100 text Fine.
        7.110 generated
        7.200 audio 12000
        7.210 synthesized
        7.800 playout 12000
        8.000 silence
        8.100 final And in Paris?
        8.500 text Fine, too.
        8.510 generated
        8.600 audio 12000
        8.610 synthesized
        9.200 playout 12000
    "
    ));
}

#[test]
fn a_recogniser_that_is_late_does_not_steer() {
    let turn = |final_text: &str| {
        let at = |turn: u32, ms: u32| f64::from(turn * 10_000 + ms) / 1e3;
        let turns = (0..8).map(|n| {
            format!(
                "
                {} voice
                {} interim And what is the number after {n}?
                {} silence
                {} {final_text}
                {} text One.
                {} generated
                {} audio 12000
                {} synthesized
                {} playout 12000
                ",
                at(n, 0),
                at(n, 1_000),
                at(n, 1_200),
                at(n, 1_300),
                at(n, 6_800),
                at(n, 6_810),
                at(n, 6_900),
                at(n, 6_910),
                at(n, 6_950)
            )
        });
        let mut options = Options::default();
        options.latency.budget = Some(Duration::from_millis(2_500));
        options.latency.turns = 2;
        run(options, &turns.collect::<String>())
    };
    let steered = |trace: &str| trace.lines().filter(|line| line.contains("steered")).count();
    let slow = turn("final And what is the number after that?");
    assert!(steered(&slow) > 0, "{slow}");
    let late = turn("score none");
    assert!(late.contains("response"), "{late}");
    assert_eq!(steered(&late), 0, "{late}");
}

#[test]
fn a_cut_without_a_final_transcript_parts_the_voice_where_the_text_is_known() {
    let trace = limited(
        "
        0.000 voice
        1.000 interim One two
        5.900 interim One two three four five six
        6.500 interim seven
        7.000 silence
        7.050 final Seven eight.
    ",
    );
    insta::assert_snapshot!(trace.lines().take_while(|line| !line.contains("cancel")).collect::<Vec<_>>().join("\n"));
}
