//! `lk.transcription`: what everybody says, as text streams.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use stella_core::id::{ReplyId, SpeakerId, UtteranceId};
use stella_rtc::{
    AudioSink, ParticipantIdentity, RtcError, RtcSession, TextOptions, TextWriter, TrackSid, Transcription,
    TranscriptionSegment,
};

use super::people::People;

const TOPIC: &str = "lk.transcription";
const SEGMENT: &str = "lk.segment_id";
const TRACK: &str = "lk.transcribed_track_id";
const FINAL: &str = "lk.transcription_final";

/// Writes transcripts.
pub(super) struct Transcripts {
    session: Arc<dyn RtcSession>,
    voice: Arc<dyn AudioSink>,
    people: People,
    legacy: bool,
    /// Makes segment ids of this session its own.
    seed: u32,
    /// Utterances with interim text, which need a final one.
    open: HashSet<UtteranceId>,
    replies: HashMap<ReplyId, Spoken>,
}

/// The transcript of a reply under way.
struct Spoken {
    /// `None` if it broke.
    writer: Option<Box<dyn TextWriter>>,
    text: String,
}

impl Transcripts {
    pub(super) fn new(session: Arc<dyn RtcSession>, voice: Arc<dyn AudioSink>, people: People, legacy: bool) -> Self {
        let (open, replies) = (HashSet::new(), HashMap::new());
        Self { session, voice, people, legacy, seed: rand::random(), open, replies }
    }

    /// Writes what a person says: the whole text each time, as a stream of its own.
    pub(super) async fn user(&mut self, speaker: SpeakerId, utterance: UtteranceId, text: &str, is_final: bool) {
        let was_open = if is_final { self.open.remove(&utterance) } else { self.open.contains(&utterance) };
        if text.is_empty() && !was_open {
            return;
        }
        if !is_final {
            self.open.insert(utterance);
        }
        let Some(identity) = self.people.identity(speaker) else { return };
        let segment = self.segment('U', utterance.0);
        let track = self.people.microphone(speaker);
        let mut options = options(&segment, track.as_ref(), is_final);
        options.sender = Some(identity.clone());
        check(self.session.send_text(options, text).await.map(drop));
        self.legacy(identity, track, segment, text, is_final).await;
    }

    /// Appends what the agent says.
    pub(super) async fn agent(&mut self, reply: ReplyId, text: &str) {
        if !self.replies.contains_key(&reply) {
            let options = options(&self.segment('A', reply.0), Some(&self.voice.track()), false);
            let writer = match self.session.open_text(options).await {
                Ok(writer) => Some(writer),
                Err(error) => {
                    check(Err(error));
                    None
                }
            };
            self.replies.insert(reply, Spoken { writer, text: String::new() });
        }
        let Some(spoken) = self.replies.get_mut(&reply) else { return };
        spoken.text.push_str(text);
        if let Some(writer) = &mut spoken.writer
            && let Err(error) = writer.write(text).await
        {
            check(Err(error));
            spoken.writer = None;
        }
        let text = spoken.text.clone();
        self.agent_legacy(reply, &text, false).await;
    }

    /// Closes the transcript of a reply.
    pub(super) async fn agent_ended(&mut self, reply: ReplyId) {
        let Some(spoken) = self.replies.remove(&reply) else { return };
        if let Some(writer) = spoken.writer {
            let mut attributes = HashMap::from([(FINAL.to_owned(), "true".to_owned())]);
            attributes.insert(TRACK.to_owned(), self.voice.track().as_str().to_owned());
            check(writer.close(attributes).await);
        }
        self.agent_legacy(reply, &spoken.text, true).await;
    }

    async fn agent_legacy(&self, reply: ReplyId, text: &str, is_final: bool) {
        let identity = self.session.local().identity;
        let segment = self.segment('A', reply.0);
        self.legacy(identity, Some(self.voice.track()), segment, text, is_final).await;
    }

    /// The older packet; it needs a track.
    async fn legacy(
        &self,
        participant: ParticipantIdentity,
        track: Option<TrackSid>,
        id: String,
        text: &str,
        is_final: bool,
    ) {
        let Some(track) = track.filter(|_| self.legacy) else { return };
        let segment = TranscriptionSegment {
            id,
            text: text.to_owned(),
            start: Duration::ZERO,
            end: Duration::ZERO,
            is_final,
            language: String::new(),
        };
        check(self.session.publish_transcription(Transcription { participant, track, segments: vec![segment] }).await);
    }

    fn segment(&self, kind: char, number: u64) -> String {
        format!("SG_{:08x}{kind}{number}", self.seed)
    }
}

fn options(segment: &str, track: Option<&TrackSid>, is_final: bool) -> TextOptions {
    let mut options =
        TextOptions::topic(TOPIC).attribute(SEGMENT, segment).attribute(FINAL, if is_final { "true" } else { "false" });
    if let Some(track) = track {
        options = options.attribute(TRACK, track.as_str());
    }
    options
}

/// A transcript that cannot be written is no reason to stop talking.
fn check(result: Result<(), RtcError>) {
    match result {
        Ok(()) | Err(RtcError::Disconnected { .. }) => {}
        Err(error) => tracing::warn!(%error, "a transcript could not be sent"),
    }
}
