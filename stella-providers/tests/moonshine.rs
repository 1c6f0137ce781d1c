//! Moonshine on human speech, and the contract of recognisers.
#![cfg(all(feature = "moonshine", feature = "silero"))]

mod support;

use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};
use stella_core::{
    audio::AudioFormat,
    error::ProviderError,
    id::UtteranceId,
    stt::{Stt, SttEventKind, SttOptions, SttSession},
    testing::{contract::stt as contract, wer::wer},
    vad::{Segmenter, Vad, VadEvent, VadOptions},
};
use stella_providers::{
    moonshine::{Moonshine, MoonshineOptions},
    runtime::{Cache, InferencePool},
    silero::Silero,
};
use support::{frames, loaded, recording, speech};

/// Dickens, A Tale of Two Cities (1859), first sentence: what is said in `two_cities.wav`.
const TWO_CITIES: &str = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the \
    age of foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it was \
    the season of darkness, it was the spring of hope, it was the winter of despair, we had everything before us, we had \
    nothing before us, we were all going direct to heaven, we were all going direct the other way, in short, the period \
    was so far like the present period, that some of its noisiest authorities insisted on its being received, for good \
    or for evil, in the superlative degree of comparison only.";

/// Audio before the detected voice that is given too: 0.3 s.
const PREROLL: u64 = 4_800;

fn moonshine() -> Moonshine {
    loaded(Moonshine::load(&Cache::from_env()))
}

#[tokio::test]
async fn each_checkpoint_has_one_final() {
    contract::each_checkpoint_has_one_final(&moonshine(), &speech()).await;
}

#[tokio::test]
async fn a_final_holds_the_whole_utterance() {
    contract::a_final_holds_the_whole_utterance(&moonshine(), &speech()).await;
}

#[tokio::test]
async fn silence_is_an_empty_final() {
    contract::silence_is_an_empty_final(&moonshine()).await;
}

#[tokio::test]
async fn utterances_do_not_mix() {
    contract::utterances_do_not_mix(&moonshine(), &speech()).await;
}

#[tokio::test]
async fn an_open_checkpoint_survives_the_end() {
    contract::an_open_checkpoint_survives_the_end(&moonshine(), &speech()).await;
}

#[tokio::test]
async fn audio_of_another_format_is_refused() {
    contract::audio_of_another_format_is_refused(&moonshine()).await;
}

#[tokio::test]
async fn interim_texts_come_before_the_final() {
    contract::interim_texts_come_before_the_final(&moonshine(), &speech()).await;
}

#[tokio::test]
async fn another_language_is_refused() {
    let options = SttOptions { language: Some("de-DE".to_owned()), ..SttOptions::default() };
    let refused = moonshine().open(&options).await;
    assert!(matches!(refused, Err(ProviderError::InvalidRequest { .. })), "{refused:?}");
}

#[tokio::test]
async fn audio_that_nobody_looks_at_is_refused_in_the_end() {
    let mut session = moonshine().open(&SttOptions::default()).await.expect("opens");
    session.input.start(UtteranceId(1));
    let minute = vec![0; 60 * 16_000];
    let refused = frames(&minute).find_map(|frame| session.input.push(&frame).err());
    assert!(matches!(refused, Some(ProviderError::Overloaded { .. })), "{refused:?}");
}

/// Without interim texts the recogniser sees the audio once, at the checkpoint.
#[tokio::test]
async fn interim_texts_do_not_change_the_final() {
    let cache = Cache::from_env();
    let options = MoonshineOptions { interim: false };
    let quiet = loaded(Moonshine::load_on(&cache, InferencePool::global(), options));
    assert!(!quiet.capabilities().interim);
    let mut texts = Vec::new();
    for stt in [moonshine(), quiet] {
        let mut session = stt.open(&SttOptions::default()).await.expect("opens");
        let mut reading = Reading { texts: vec![String::new()], interims: 0, waits: Vec::new() };
        session.input.start(UtteranceId(1));
        for frame in frames(&speech()) {
            session.input.push(&frame).expect("room");
            // Enough time for an interim text now and then, however busy the machine is.
            let _ = tokio::time::timeout(Duration::from_millis(5), session.events.next()).await;
        }
        session.input.checkpoint(1);
        final_of(&mut session, 1, &mut reading).await;
        texts.append(&mut reading.texts);
    }
    assert!(wer(&texts[0], &texts[1]) < 0.2, "{texts:?}");
}

/// Whoever is asked four times at once has fallen behind: only the last answer is written down.
#[tokio::test]
async fn a_recogniser_that_is_behind_skips_to_the_last_checkpoint() {
    let stt = moonshine();
    let mut texts = Vec::new();
    for asked in [1, 4] {
        let mut session = stt.open(&SttOptions::default()).await.expect("opens");
        session.input.start(UtteranceId(1));
        let speech = speech();
        for (index, part) in speech.chunks(speech.len().div_ceil(4)).enumerate() {
            frames(part).for_each(|frame| session.input.push(&frame).expect("room"));
            if index + asked >= 4 {
                session.input.checkpoint(index as u32);
            }
        }
        drop(session.input);
        let events: Vec<_> = session.events.map(|event| event.expect("works")).collect().await;
        let finals = events.iter().filter(|event| matches!(event.kind, SttEventKind::Final { .. }));
        texts.push(finals.map(|event| event.text.clone()).collect::<Vec<_>>());
    }
    let [once, often] = &texts[..] else { panic!("two readings") };
    assert!(!once[0].is_empty());
    assert_eq!(often[..], ["", "", "", &once[0]]);
}

#[tokio::test]
async fn a_reading_in_one_utterance_is_understood() {
    understood(60.0, 1).await;
}

#[tokio::test]
async fn a_reading_in_several_utterances_is_understood() {
    understood(0.6, 4).await;
}

/// Reads the recording; an utterance goes on over pauses up to `gap` seconds.
async fn understood(gap: f64, at_least: usize) {
    let reading = read(&moonshine(), gap).await;
    let rate = wer(TWO_CITIES, &reading.text());
    assert!(reading.texts.len() >= at_least, "{:?}", reading.texts);
    assert!(rate <= 0.06, "WER {rate}: {:?}, {} interims, waits {:?}", reading.texts, reading.interims, reading.waits);
}

struct Reading {
    /// The last final of each utterance.
    texts: Vec<String>,
    interims: usize,
    /// From each checkpoint to its answer.
    waits: Vec<Duration>,
}

impl Reading {
    fn text(&self) -> String {
        self.texts.join(" ")
    }
}

/// Feeds `two_cities.wav` as a call would, only faster: in windows of 32 ms, with a checkpoint wherever the detector
/// hears a pause.
async fn read(stt: &Moonshine, gap: f64) -> Reading {
    let vad = loaded(Silero::load(&Cache::from_env()));
    let audio = recording("two_cities.wav");
    let mut detector = vad.open().expect("opens");
    let mut segmenter = Segmenter::new(VadOptions::default(), vad.window());
    let mut session = stt.open(&SttOptions::default()).await.expect("opens");
    let mut reading = Reading { texts: Vec::new(), interims: 0, waits: Vec::new() };
    let (mut given, mut ended, mut checkpoint) = (0, None, 0);
    for window in audio.chunks_exact(vad.window()) {
        let event = segmenter.push(detector.predict(window).await.expect("predicts"));
        if let Some(VadEvent::Started { at }) = event {
            let pause = ended.map_or(f64::INFINITY, |end| AudioFormat::SPEECH.duration(at - end).as_secs_f64());
            if pause > gap {
                session.input.start(UtteranceId(reading.texts.len() as u64 + 1));
                reading.texts.push(String::new());
                given = at.saturating_sub(PREROLL).max(ended.unwrap_or(0));
            }
        }
        if !reading.texts.is_empty() {
            for frame in frames(&audio[given as usize..segmenter.position() as usize]) {
                session.input.push(&frame).expect("room");
            }
            given = segmenter.position();
        }
        if let Some(VadEvent::Ended { at }) = event {
            ended = Some(at);
            checkpoint += 1;
            session.input.checkpoint(checkpoint);
            final_of(&mut session, checkpoint, &mut reading).await;
        }
        while let Some(event) = session.events.next().now_or_never() {
            assert_eq!(event.expect("goes on").expect("works").kind, SttEventKind::Interim);
            reading.interims += 1;
        }
    }
    reading
}

async fn final_of(session: &mut SttSession, checkpoint: u32, reading: &mut Reading) {
    let asked = Instant::now();
    while let Some(event) = session.events.next().await {
        let event = event.expect("works");
        match event.kind {
            SttEventKind::Interim => reading.interims += 1,
            SttEventKind::TurnEnd => panic!("it has no opinion on turns"),
            kind => {
                assert_eq!(kind, SttEventKind::Final { checkpoint });
                *reading.texts.last_mut().expect("an open utterance") = event.text;
                reading.waits.push(asked.elapsed());
                return;
            }
        }
    }
    panic!("checkpoint {checkpoint} has no answer");
}
