//! Kokoro: the contract of synthesisers, and whether Moonshine understands it.
#![cfg(all(feature = "kokoro", feature = "moonshine"))]

mod support;

use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use stella_core::{
    error::ProviderError,
    id::UtteranceId,
    stt::{Stt, SttOptions},
    testing::{contract::tts as contract, wer::wer},
    tts::{Tts, TtsEvent, TtsRequest, WordTime},
};
use stella_providers::{
    kokoro::{Kokoro, KokoroOptions},
    moonshine::Moonshine,
    runtime::{Cache, InferencePool, Job, Lane, PoolOptions},
};
use support::{frames, loaded, resample};

fn kokoro() -> Kokoro {
    loaded(Kokoro::load(&Cache::from_env(), KokoroOptions::default()))
}

#[tokio::test]
async fn audio_is_in_its_format() {
    contract::audio_is_in_its_format(&kokoro()).await;
}

#[tokio::test]
async fn nothing_to_pronounce_is_silent() {
    contract::nothing_to_pronounce_is_silent(&kokoro()).await;
}

#[tokio::test]
async fn an_unknown_voice_is_refused() {
    contract::an_unknown_voice_is_refused(&kokoro()).await;
}

#[tokio::test]
async fn speed_changes_the_length() {
    contract::speed_changes_the_length(&kokoro()).await;
}

#[tokio::test]
async fn words_lie_in_text_and_audio() {
    contract::words_lie_in_text_and_audio(&kokoro()).await;
}

#[tokio::test]
async fn syntheses_do_not_mix() {
    contract::syntheses_do_not_mix(&kokoro()).await;
}

#[tokio::test]
async fn wrong_options_are_refused() {
    let refused = |options| Kokoro::load(&Cache::from_env(), options).err();
    let voice = refused(KokoroOptions { voice: "nobody".to_owned(), ..KokoroOptions::default() });
    assert!(
        matches!(&voice, Some(ProviderError::InvalidRequest { reason, .. }) if reason.contains("af_")),
        "{voice:?}"
    );
    let speed = refused(KokoroOptions { speed: 3.0, ..KokoroOptions::default() });
    assert!(matches!(speed, Some(ProviderError::InvalidRequest { .. })), "{speed:?}");
    let french = TtsRequest { language: Some("fr".to_owned()), ..TtsRequest::new("Bonjour") };
    assert!(matches!(kokoro().synthesize(french).await.err(), Some(ProviderError::InvalidRequest { .. })));
}

#[tokio::test]
async fn dropping_the_stream_cancels_what_has_not_begun() {
    let pool = InferencePool::new(PoolOptions { workers: 1, ..PoolOptions::default() });
    let tts = loaded(Kokoro::load_on(&Cache::from_env(), pool.clone(), KokoroOptions::default()));
    let (release, released) = std::sync::mpsc::channel::<()>();
    let busy = pool.submit(Job::without_model("test", Lane::Long, Duration::ZERO), move || {
        let _ = released.recv();
        Ok(())
    });
    let mut stream = tts.synthesize(TtsRequest::new("Never heard.")).await.expect("starts");
    assert!(stream.next().now_or_never().is_none());
    drop(stream);
    drop(release);
    busy.await.expect("released");
    let stats = pool.stats();
    assert_eq!((stats.cancelled, stats.waiting_long), (1, 0), "{stats:?}");
}

/// Clause by clause, and understood: numbers and abbreviations as words, words of no lexicon nearly.
#[tokio::test]
async fn is_understood() {
    let tts = kokoro();
    let stt = loaded(Moonshine::load(&Cache::from_env()));
    for (text, said, worst) in [
        ("Hello there, how can I help you today?", "hello there how can i help you today", 0.0),
        ("Well, it is sunny today. Do you want to know more?", "well it is sunny today do you want to know more", 0.1),
        ("**Sure!** Dr. Smith will see you at 5:30pm.", "sure dr smith will see you at 5 30 pm", 0.2),
        ("The old radio needs WiFi, Kubernetes and a blorp.", "the old radio needs wi fi kubernetes and a blorp", 0.4),
    ] {
        let (audio, parts, first) = speak(&tts, text).await;
        let heard = hear(&stt, &audio).await;
        let rate = wer(said, &heard);
        println!(
            "{heard:?}: WER {rate:.2}, {parts} clauses, first after {first:?}, {:.1} s",
            audio.len() as f32 / 24e3
        );
        assert!(rate <= worst, "{text:?} was heard as {heard:?}");
        assert!(audio.iter().any(|sample| sample.unsigned_abs() > 3_000), "{text:?} is too quiet");
    }
    let (_, parts, _) = speak(&tts, "This is the first sentence. And this is the second one.").await;
    assert_eq!(parts, 2, "the second sentence is not waited for");
}

/// Cut where a word begins, numbers and abbreviations too, the second half of the sound begins with the word, and the
/// first half has the word before. At the cut of the next word it does not begin with the word: the test can tell.
#[tokio::test]
async fn words_sound_when_their_times_say() {
    let tts = kokoro();
    let stt = loaded(Moonshine::load(&Cache::from_env()));
    let (mut begins, mut behind, mut next, mut cuts) = (0, 0, 0, 0);
    for sentence in SENTENCES {
        let text = sentence.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" ");
        let (audio, times) = speak_timed(&tts, &text).await;
        let mut halves = Vec::new();
        let mut byte = 0;
        for (word, _) in sentence {
            let time = times.iter().find(|time| time.text.start == byte).expect("every word has a time");
            let (before, after) = audio.split_at(time.samples.start as usize);
            halves.push((words(&hear(&stt, before).await), words(&hear(&stt, after).await)));
            byte += word.len() + 1;
        }
        for (n, pair) in sentence.windows(2).enumerate() {
            let [(_, before), (_, word)] = pair else { continue };
            let (first, second) = &halves[n + 1];
            println!("{} | {}", first.join(" "), second.join(" "));
            let starts = |half: &[String]| half.first().is_some_and(|first| word.contains(&first.as_str()));
            begins += usize::from(starts(second));
            // A recogniser goes on by itself where the sound stops in the middle of a sentence.
            behind += usize::from(first.iter().any(|heard| before.contains(&heard.as_str())));
            next += usize::from(halves.get(n + 2).is_some_and(|(_, second)| starts(second)));
            cuts += 1;
        }
    }
    println!("of {cuts} cuts {begins} begin with the word, {behind} have the word before, {next} are a word off");
    assert!(begins * 20 >= cuts * 17, "{begins} of {cuts} second halves begin with the word");
    assert!(behind * 10 >= cuts * 7, "{behind} of {cuts} first halves have the word before");
    assert!(next * 5 <= cuts, "the test does not see that {next} of {cuts} cuts are a word off");
}

/// Words as they are written, and what a recogniser may write for them.
const SENTENCES: [&[(&str, &[&str])]; 2] = [
    &[
        ("Dr.", &["dr", "doctor"]),
        ("Smith", &["smith"]),
        ("bought", &["bought"]),
        ("3", &["3", "three"]),
        ("tickets", &["tickets", "ticket"]),
        ("online,", &["online"]),
        ("$5.20", &["5", "five", "20", "twenty"]),
        ("each,", &["each"]),
        ("yesterday", &["yesterday"]),
        ("at", &["at"]),
        ("7:30", &["7", "30", "seven", "thirty"]),
        ("pm.", &["pm", "p"]),
    ],
    &[
        ("The", &["the"]),
        ("package", &["package"]),
        ("weighs", &["weighs", "ways", "weights"]),
        ("12", &["12", "twelve"]),
        ("kg,", &["kilograms", "kg"]),
        ("i.e.", &["that"]),
        ("26", &["26", "twenty", "six"]),
        ("lbs,", &["pounds"]),
        ("and", &["and"]),
        ("ships", &["ships", "ship"]),
        ("on", &["on"]),
        ("March", &["march"]),
        ("3rd.", &["3rd", "third"]),
    ],
];

/// Small letters, no marks.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[tokio::test]
async fn british_voices_speak_too() {
    let request = TtsRequest { voice: Some("bm_george".to_owned()), ..TtsRequest::new("Good afternoon, madam.") };
    let mut stream = kokoro().synthesize(request).await.expect("starts");
    let mut audio = Vec::new();
    while let Some(event) = stream.next().await {
        if let TtsEvent::Audio(frame) = event.expect("speaks") {
            audio.extend_from_slice(frame.samples());
        }
    }
    let stt = loaded(Moonshine::load(&Cache::from_env()));
    let heard = hear(&stt, &audio).await;
    assert!(wer("good afternoon madam", &heard) < 0.4, "{heard:?}");
}

/// The audio, the number of its parts, and how long the first took.
async fn speak(tts: &Kokoro, text: &str) -> (Vec<i16>, usize, Duration) {
    let start = Instant::now();
    let mut stream = tts.synthesize(TtsRequest::new(text)).await.expect("starts");
    let (mut audio, mut parts, mut first) = (Vec::new(), 0, Duration::ZERO);
    while let Some(event) = stream.next().await {
        if let TtsEvent::Audio(frame) = event.expect("speaks") {
            if parts == 0 {
                first = start.elapsed();
            }
            parts += 1;
            audio.extend_from_slice(frame.samples());
        }
    }
    (audio, parts, first)
}

/// The audio and the times of the words.
async fn speak_timed(tts: &Kokoro, text: &str) -> (Vec<i16>, Vec<WordTime>) {
    let mut stream = tts.synthesize(TtsRequest::new(text)).await.expect("starts");
    let (mut audio, mut times) = (Vec::new(), Vec::new());
    while let Some(event) = stream.next().await {
        match event.expect("speaks") {
            TtsEvent::Audio(frame) => audio.extend_from_slice(frame.samples()),
            TtsEvent::Words(words) => times.extend(words),
        }
    }
    (audio, times)
}

async fn hear(stt: &Moonshine, audio: &[i16]) -> String {
    let mut session = stt.open(&SttOptions::default()).await.expect("opens");
    session.input.start(UtteranceId(1));
    for frame in frames(&resample(audio, 24_000)) {
        session.input.push(&frame).expect("room");
    }
    session.input.checkpoint(1);
    drop(session.input);
    let mut heard = String::new();
    while let Some(event) = session.events.next().await {
        heard = event.expect("hears").text;
    }
    heard
}
