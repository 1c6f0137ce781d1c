//! What every [`Stt`] must do. `speech` is 16 kHz mono audio in which at least one word is said.

use std::{future::poll_fn, time::Duration};

use crate::{
    audio::{AudioFormat, AudioFrame},
    error::ProviderError,
    id::UtteranceId,
    stt::{Stt, SttEvent, SttEventKind, SttOptions, SttSession},
};

/// Each checkpoint is answered by exactly one final, in order, about the utterance it was asked of.
pub async fn each_checkpoint_has_one_final(stt: &dyn Stt, speech: &[i16]) {
    let mut session = open(stt).await;
    let middle = speech.len() / 2;
    session.input.start(UtteranceId(7));
    push(&mut session, &speech[..middle]);
    session.input.checkpoint(1);
    push(&mut session, &speech[middle..]);
    session.input.checkpoint(2);
    session.input.checkpoint(3);
    let events = finish(session).await;
    assert!(events.iter().all(|event| event.utterance == UtteranceId(7)), "{events:?}");
    let finals = finals(&events);
    assert_eq!(finals.iter().map(|(checkpoint, _)| *checkpoint).collect::<Vec<_>>(), [1, 2, 3], "{events:?}");
    assert!(!finals[1].1.is_empty(), "nothing was heard: {events:?}");
    assert_eq!(finals[1].1, finals[2].1, "without new audio the text changed");
}

/// A final is about the whole utterance, not only about what came since the checkpoint before. Pure silence added to
/// `speech` neither takes words away nor adds more than one.
pub async fn a_final_holds_the_whole_utterance(stt: &dyn Stt, speech: &[i16]) {
    let mut session = open(stt).await;
    session.input.start(UtteranceId(1));
    push(&mut session, speech);
    push(&mut session, &[0; 8_000]);
    session.input.checkpoint(1);
    let mut events = Vec::new();
    while !matches!(events.last(), Some(SttEvent { kind: SttEventKind::Final { .. }, .. })) {
        let Some(Ok(event)) = next(&mut session).await else { panic!("no final after {events:?}") };
        events.push(event);
    }
    push(&mut session, &[0; 16_000]);
    session.input.checkpoint(2);
    events.extend(finish(session).await);
    let words: Vec<_> = finals(&events).iter().map(|(_, text)| text.split_whitespace().count()).collect();
    assert!(words.len() == 2 && words[0] > 0 && (words[0]..=words[0] + 1).contains(&words[1]), "{events:?}");
}

/// An utterance without any sound is answered with an empty text.
pub async fn silence_is_an_empty_final(stt: &dyn Stt) {
    let mut session = open(stt).await;
    session.input.start(UtteranceId(1));
    session.input.checkpoint(1);
    push(&mut session, &[0; 24_000]);
    session.input.checkpoint(2);
    let events = finish(session).await;
    assert_eq!(finals(&events), [(1, ""), (2, "")], "{events:?}");
}

/// A new utterance starts from nothing, whether the one before was finished or not, and audio outside any is ignored.
pub async fn utterances_do_not_mix(stt: &dyn Stt, speech: &[i16]) {
    let mut session = open(stt).await;
    push(&mut session, speech);
    session.input.start(UtteranceId(1));
    session.input.checkpoint(1);
    push(&mut session, speech);
    session.input.start(UtteranceId(2));
    session.input.checkpoint(2);
    session.input.finish();
    push(&mut session, speech);
    session.input.start(UtteranceId(3));
    session.input.checkpoint(3);
    let events = finish(session).await;
    assert_eq!(finals(&events), [(1, ""), (2, ""), (3, "")], "{events:?}");
    for event in &events {
        let SttEventKind::Final { checkpoint } = event.kind else { continue };
        assert_eq!(event.utterance, UtteranceId(u64::from(checkpoint)), "{events:?}");
    }
}

/// A checkpoint that is open when the utterance is finished is still answered, with its text.
pub async fn an_open_checkpoint_survives_the_end(stt: &dyn Stt, speech: &[i16]) {
    let mut session = open(stt).await;
    session.input.start(UtteranceId(1));
    push(&mut session, speech);
    session.input.checkpoint(1);
    session.input.finish();
    session.input.start(UtteranceId(2));
    let events = finish(session).await;
    let finals = finals(&events);
    assert!(matches!(finals[..], [(1, text)] if !text.is_empty()), "{events:?}");
}

/// Audio of another format is refused, and the stream goes on.
pub async fn audio_of_another_format_is_refused(stt: &dyn Stt) {
    let mut session = open(stt).await;
    session.input.start(UtteranceId(1));
    let refused = session.input.push(&AudioFrame::silence(AudioFormat::WEBRTC, Duration::from_millis(20)));
    assert!(matches!(refused, Err(ProviderError::InvalidRequest { .. })), "{refused:?}");
    session.input.checkpoint(1);
    let events = finish(session).await;
    assert_eq!(finals(&events), [(1, "")], "{events:?}");
}

/// Recogniser: can show interim text. Interim texts come between audio and final, and none of them is empty. `speech`
/// is at least two seconds long.
pub async fn interim_texts_come_before_the_final(stt: &dyn Stt, speech: &[i16]) {
    assert!(stt.capabilities().interim, "the recogniser shows no interim text");
    let mut session = open(stt).await;
    session.input.start(UtteranceId(1));
    push(&mut session, speech);
    push(&mut session, &[0; 8_000]);
    let Some(Ok(first)) = next(&mut session).await else { panic!("no event for speech") };
    assert_eq!(first.kind, SttEventKind::Interim, "{first:?}");
    session.input.checkpoint(1);
    let mut events = vec![first];
    events.extend(finish(session).await);
    assert!(events.iter().all(|event| !event.text.is_empty()), "{events:?}");
    let is_final = |event: &SttEvent| event.kind == SttEventKind::Final { checkpoint: 1 };
    assert!(events.last().is_some_and(is_final), "{events:?}");
}

async fn open(stt: &dyn Stt) -> SttSession {
    let session = stt.open(&SttOptions::default()).await;
    session.unwrap_or_else(|error| panic!("no session: {}", crate::error::chain(&error)))
}

/// Gives audio in frames of 20 ms.
fn push(session: &mut SttSession, audio: &[i16]) {
    for chunk in audio.chunks(320) {
        let frame = AudioFrame::new(AudioFormat::SPEECH, chunk).unwrap_or_else(|error| panic!("{error}"));
        session.input.push(&frame).unwrap_or_else(|error| panic!("{}", crate::error::chain(&error)));
    }
}

async fn next(session: &mut SttSession) -> Option<Result<SttEvent, ProviderError>> {
    poll_fn(|context| session.events.as_mut().poll_next(context)).await
}

/// Drops the input; all events up to the end of the stream, which must come.
async fn finish(session: SttSession) -> Vec<SttEvent> {
    let SttSession { input, mut events } = session;
    drop(input);
    let mut all = Vec::new();
    while let Some(event) = poll_fn(|context| events.as_mut().poll_next(context)).await {
        match event {
            Ok(event) => all.push(event),
            Err(error) => panic!("{} after {all:?}", crate::error::chain(&error)),
        }
    }
    all
}

fn finals(events: &[SttEvent]) -> Vec<(u32, &str)> {
    let finals = events.iter().filter_map(|event| match event.kind {
        SttEventKind::Final { checkpoint } => Some((checkpoint, event.text.as_str())),
        SttEventKind::Interim | SttEventKind::TurnEnd => None,
    });
    finals.collect()
}
