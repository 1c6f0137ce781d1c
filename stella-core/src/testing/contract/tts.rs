//! What every [`Tts`] must do.

use std::future::poll_fn;

use crate::{
    error::ProviderError,
    tts::{Tts, TtsEvent, TtsRequest},
};

/// A sentence gives audio, all of it in the format the synthesiser says, no frame of it empty.
pub async fn audio_is_in_its_format(tts: &dyn Tts) {
    let events = speak(tts, TtsRequest::new("This is a sentence, in two parts.")).await;
    let mut samples = 0;
    for event in &events {
        if let TtsEvent::Audio(frame) = event {
            assert_eq!(frame.format(), tts.format());
            assert!(!frame.is_empty(), "an empty frame");
            samples += frame.len();
        }
    }
    let seconds = tts.format().duration(samples).as_secs_f32();
    assert!((0.5..20.0).contains(&seconds), "{seconds} s for eight words");
}

/// A text without anything to pronounce gives an empty stream, not an error.
pub async fn nothing_to_pronounce_is_silent(tts: &dyn Tts) {
    for text in ["", "  \n", "…", "\u{1f600}"] {
        let events = speak(tts, TtsRequest::new(text)).await;
        assert!(!events.iter().any(|event| matches!(event, TtsEvent::Audio(_))), "audio for {text:?}");
    }
}

/// A voice that does not exist is refused for good, before any audio.
pub async fn an_unknown_voice_is_refused(tts: &dyn Tts) {
    for voice in ["no such voice", "", "../secret"] {
        let request = TtsRequest { voice: Some(voice.to_owned()), ..TtsRequest::new("Hello.") };
        match tts.synthesize(request).await {
            Ok(_) => panic!("{voice:?} is taken for a voice"),
            Err(error) => {
                assert!(matches!(error, ProviderError::InvalidRequest { .. }), "{error:?}");
                assert_eq!(error.provider(), tts.name());
            }
        }
    }
}

/// Twice the pace takes clearly less time than half of it.
pub async fn speed_changes_the_length(tts: &dyn Tts) {
    let mut lengths = [0; 2];
    for (length, speed) in lengths.iter_mut().zip([0.5, 2.0]) {
        let request = TtsRequest { speed: Some(speed), ..TtsRequest::new("This is a sentence.") };
        *length = samples(&speak(tts, request).await);
    }
    assert!(lengths[1] * 3 < lengths[0] * 2, "{lengths:?} samples at half and twice the pace");
}

/// Synthesiser: says when words are spoken. Every letter and digit of the text is in one word, numbers and abbreviations
/// included, whose time comes before its audio. Words lie in text and audio, in the order of both, and do not overlap.
pub async fn words_lie_in_text_and_audio(tts: &dyn Tts) {
    assert!(tts.capabilities().word_times, "the synthesiser gives no times of words");
    for text in [
        "Times are given for words.",
        "Well, that\u{2019}s $5.20 for 3 cups, at 5:30 pm: **caf\u{e9}** & more. Is it? Yes, on May 1st.",
    ] {
        let events = speak(tts, TtsRequest::new(text)).await;
        let total = samples(&events);
        let (mut byte, mut sample, mut given) = (0, 0, 0);
        let mut timed = Vec::new();
        for event in &events {
            let words = match event {
                TtsEvent::Audio(frame) => {
                    given += frame.len();
                    continue;
                }
                TtsEvent::Words(words) => words,
            };
            for word in words {
                assert!(text.get(word.text.clone()).is_some_and(|word| !word.is_empty()), "{word:?} of {text:?}");
                assert!(word.text.start >= byte, "{word:?} overlaps bytes before {byte}");
                assert!(word.samples.start >= sample, "{word:?} overlaps samples before {sample}");
                assert!(!word.samples.is_empty() && word.samples.end <= total, "{word:?} of {total} samples");
                assert!(word.samples.start >= given, "{word:?} comes after {given} samples");
                (byte, sample) = (word.text.end, word.samples.end);
                timed.push(word.text.clone());
            }
        }
        for (at, letter) in text.char_indices().filter(|(_, character)| character.is_alphanumeric()) {
            assert!(timed.iter().any(|time| time.contains(&at)), "{letter:?} at {at} of {text:?} has no time");
        }
    }
}

/// Syntheses that run at once do not mix: each gives what it gives alone, give or take a tenth of its length.
pub async fn syntheses_do_not_mix(tts: &dyn Tts) {
    let requests = [TtsRequest::new("One."), TtsRequest::new("This one is a good deal longer than the other.")];
    let mut alone = Vec::new();
    for request in &requests {
        alone.push(samples(&speak(tts, request.clone()).await));
    }
    let mut streams = Vec::new();
    for request in requests {
        streams.push(tts.synthesize(request).await.unwrap_or_else(|error| panic!("{error}")));
    }
    let mut together = [0; 2];
    let mut open = [true; 2];
    while open != [false; 2] {
        for ((stream, total), open) in streams.iter_mut().zip(&mut together).zip(&mut open) {
            match poll_fn(|context| stream.as_mut().poll_next(context)).await {
                Some(Ok(TtsEvent::Audio(frame))) => *total += frame.len(),
                Some(Ok(TtsEvent::Words(_))) => {}
                Some(Err(error)) => panic!("{}", crate::error::chain(&error)),
                None => *open = false,
            }
        }
    }
    for (alone, together) in alone.into_iter().zip(together) {
        assert!(alone.abs_diff(together) * 10 <= alone, "{alone} samples alone, {together} together");
    }
}

async fn speak(tts: &dyn Tts, request: TtsRequest) -> Vec<TtsEvent> {
    let stream = tts.synthesize(request).await;
    let mut stream = stream.unwrap_or_else(|error| panic!("no stream: {}", crate::error::chain(&error)));
    let mut events = Vec::new();
    while let Some(event) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
        events.push(event.unwrap_or_else(|error| panic!("{}", crate::error::chain(&error))));
    }
    events
}

fn samples(events: &[TtsEvent]) -> u64 {
    let audio = events.iter().filter_map(|event| match event {
        TtsEvent::Audio(frame) => Some(frame.len()),
        TtsEvent::Words(_) => None,
    });
    audio.sum()
}
