//! What ends the user's turn, as scripts with golden traces. Times in seconds.
#![cfg(feature = "testing")]

use std::time::Duration;

use stella_core::{
    engine::{EndpointingMode, Event, Options, Output, Recorded, TurnLatency, Wait},
    testing::script::{record, run},
};

fn mode(mode: EndpointingMode) -> Options {
    let mut options = Options::default();
    options.endpointing.mode = mode;
    options
}

/// When the turn was committed, in milliseconds after the last voiced sample of its last pause.
fn waited(options: Options, script: &str) -> u128 {
    let records = record(options, script);
    let mut last_voiced = Default::default();
    for record in &records {
        match &record.what {
            Recorded::Input(stella_core::engine::Input::VoiceEnded { last_voiced: at, .. }) => last_voiced = *at,
            Recorded::Output(Output::Event(Event::TurnCommitted { .. })) => {
                return record.at.since(last_voiced).as_millis();
            }
            Recorded::Input(_) | Recorded::Output(_) => {}
        }
    }
    panic!("no turn was committed");
}

/// A turn of which this is said and scored, answered so that its latency is told.
fn told(options: Options, script: &str) -> TurnLatency {
    let answer = "
        4.000 text Sure.
        4.010 generated
        4.100 audio 12000
        4.110 synthesized
        4.200 playout 480
    ";
    let records = record(options, &format!("{script}{answer}"));
    let latency = |record: &stella_core::engine::Record| match &record.what {
        Recorded::Output(Output::Event(Event::Latency(latency))) => Some(latency.clone()),
        _ => None,
    };
    records.iter().find_map(latency).expect("the answer was heard")
}

fn said(words: &str, score: &str) -> String {
    format!("0.000 voice\n1.200 silence\n1.250 final {words}\n1.260 score {score}\n")
}

#[test]
fn words_that_ask_for_more_outweigh_a_high_score() {
    let wait = |words, score| waited(Options::default(), &said(words, score));
    assert!((400..750).contains(&wait("I would like a coffee.", "0.9")));
    assert!(wait("I would like the", "0.9") > 1_500);
    assert!(wait("I would like the", "0.1") > 3_000);
    assert!(wait("I would like a coffee.", "0.1") > wait("I would like a coffee.", "0.5"));
}

#[test]
fn without_a_score_the_words_decide_once_it_is_late() {
    let script = "0.000 voice\n1.200 silence\n1.250 final I would like a coffee.\n";
    let mut hasty = Options::default();
    hasty.endpointing.wait_unsure = Duration::from_millis(300);
    assert_eq!(waited(hasty.clone(), script), 600);
    let latency = told(hasty.clone(), script);
    assert_eq!((latency.wait, latency.percent), (Wait::Complete, Some(60)));
    let failed = "0.000 voice\n1.200 silence\n1.220 score none\n1.230 final I would like a coffee.\n";
    assert_eq!(waited(hasty, failed), 257);
}

#[test]
fn a_language_moves_the_threshold() {
    let mut options = Options::default();
    options.endpointing.thresholds = [("de".to_owned(), 0.2)].into();
    let german = format!("0.000 language de-AT\n{}", said("Ich möchte", "0.2"));
    let unsure = options.endpointing.wait_unsure.as_millis();
    assert_eq!(waited(options.clone(), &german), unsure);
    assert!(waited(options, &said("Rome", "0.2")) > unsure);
}

#[test]
fn who_pauses_long_is_waited_for_longer() {
    let pauses = "
        0.000 voice
        1.000 silence
        1.050 final I would like
        2.200 voice
        3.000 silence
        3.050 final I would like a coffee, and then
        4.200 voice
        5.000 silence
        5.050 final I would like a coffee, and then a cake.
        5.060 score 0.6
    ";
    let mut adaptive = Options::default();
    adaptive.endpointing.adaptive = true;
    let (fixed, adapted) = (waited(Options::default(), pauses), waited(adaptive.clone(), pauses));
    assert!(adapted > fixed + 100, "{fixed} {adapted}");
    assert!(Duration::from_millis(adapted as u64) <= adaptive.endpointing.wait_incomplete);
}

#[test]
fn silence_alone_decides_if_it_is_told_to() {
    let options = mode(EndpointingMode::Silence);
    let script = "0.000 voice\n1.200 silence\n1.250 final I would like the\n";
    assert_eq!(waited(options.clone(), script), options.endpointing.wait_unsure.as_millis());
    assert_eq!(told(options, script).wait, Wait::Silence);
}

#[test]
fn the_recogniser_ends_the_turn() {
    insta::assert_snapshot!(run(
        mode(EndpointingMode::Recogniser),
        "
        0.000 voice
        1.200 silence
        1.250 final I would like
        1.900 voice
        2.500 silence
        2.550 final I would like a coffee
        2.600 ended
        2.900 text Sure.
        2.910 generated
        3.000 audio 12000
        3.010 synthesized
        3.100 playout 12000
    "
    ));
}

#[test]
fn a_recogniser_that_says_nothing_is_not_waited_for_without_end() {
    let script = "0.000 voice\n1.200 silence\n1.250 final I would like a coffee\n";
    let options = mode(EndpointingMode::Recogniser);
    assert_eq!(waited(options.clone(), script), options.endpointing.wait_incomplete.as_millis());
}

#[test]
fn the_recogniser_may_end_the_turn_before_the_voice_is_noticed_to_end() {
    let script = "0.000 voice\n1.100 ended\n1.200 silence\n1.250 final I would like a coffee\n";
    assert_eq!(waited(mode(EndpointingMode::Recogniser), script), 250);
}

#[test]
fn the_application_ends_the_turn() {
    insta::assert_snapshot!(run(
        mode(EndpointingMode::Manual),
        "
        0.000 voice
        1.200 silence
        1.250 final I would like
        5.000 voice
        6.200 commit
        6.250 final a coffee
        6.400 text Sure.
        6.410 generated
        6.500 audio 12000
        6.510 synthesized
        6.600 playout 12000
    "
    ));
}

#[test]
fn what_the_application_commits_is_answered_even_if_it_sounds_like_listening() {
    let trace = run(
        mode(EndpointingMode::Manual),
        "
        0.000 say One two three four five six.
        0.050 audio 144000
        0.060 synthesized
        0.500 playout 9600
        0.600 voice
        1.000 silence
        1.050 final Yes.
        1.100 commit
    ",
    );
    assert!(trace.contains("committed t") && trace.contains(": Yes."), "{trace}");
}

#[test]
fn a_text_without_a_word_is_no_turn() {
    let trace = run(Options::default(), "0.000 voice\n1.000 silence\n1.050 final ...\n1.060 score 0.9");
    assert!(trace.contains("as Noise") && !trace.contains("committed"), "{trace}");
}

#[test]
fn what_the_application_clears_is_not_answered() {
    let mut options = Options::default();
    options.endpointing.wait_unsure = Duration::from_millis(1_600);
    insta::assert_snapshot!(run(
        options,
        "
        0.000 voice
        1.200 silence
        1.250 final What is the weather
        1.260 score 0.9
        1.400 clear
        3.000 voice
        4.000 silence
        4.050 final in Paris?
        4.060 score 0.9
        4.500 voice
        4.600 clear
        4.700 text Sunny.
        4.710 generated
        4.800 audio 12000
        4.810 synthesized
        4.900 playout 12000
    "
    ));
}
