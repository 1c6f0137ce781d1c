//! The speech of one reply: its segments on their way through synthesis and playout, and what was heard of them.

use std::time::Duration;

use super::{clause::Clauses, options::SpeechOptions};
use crate::{id::SegmentId, time::Timestamp, tts::WordTime};

/// Characters spoken in a second, for positions inside a segment whose word times are not known. English speech runs
/// at about 150 words, or 900 characters, a minute.
const CHARACTERS_A_SECOND: u64 = 15;

/// How far back a reply goes on after a hold if it is not known which word was cut: a quarter of a second or a little
/// more holds the whole of most words. With exactly the sample where it stopped, a recogniser misses the cut word after
/// every sixth hold that it does not miss so (`cargo xtask bench bargein`).
const BACK: Duration = Duration::from_millis(300);

/// The segments of one reply in order.
#[derive(Debug, Clone)]
pub(super) struct Speech {
    clauses: Clauses,
    segments: Vec<Segment>,
    sample_rate: u64,
    play: Play,
    /// First segment that is not heard to its end, and the sample it starts with.
    current: (usize, u64),
}

/// Whether the audio may sound, and how far it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Play {
    /// Not yet.
    Waiting,
    /// Sent up to `position`; `heard` is the furthest it has been. `moved` is when it last moved.
    Playing { position: u64, heard: u64, moved: Timestamp },
}

/// One clause.
#[derive(Debug, Clone)]
struct Segment {
    id: Option<SegmentId>,
    /// Generation step it belongs to.
    step: u32,
    text: String,
    state: State,
    samples: u64,
    words: Vec<WordTime>,
    /// Bytes that were told as heard; what was told stays so, whatever becomes known later.
    told: usize,
}

/// How far synthesis of a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not asked for.
    Text,
    /// Asked for; the next audio must come by then.
    Requested { by: Timestamp, retries: u32 },
    /// All audio was made.
    Spoken,
    /// It cannot be spoken.
    Failed,
}

impl Speech {
    pub(super) fn new(options: &SpeechOptions) -> Self {
        Self {
            clauses: Clauses::default(),
            segments: Vec::new(),
            sample_rate: u64::from(options.sample_rate),
            play: Play::Waiting,
            current: (0, 0),
        }
    }

    // Text

    /// Appends text of a step.
    pub(super) fn push(&mut self, step: u32, text: &str, options: &SpeechOptions) {
        for text in self.clauses.push(text, options) {
            self.add(step, text);
        }
    }

    /// The text of a step is complete.
    pub(super) fn flush(&mut self, step: u32) {
        if let Some(text) = self.clauses.finish() {
            self.add(step, text);
        }
    }

    /// Forgets text that is not cut yet.
    pub(super) fn forget_rest(&mut self) {
        self.clauses.clear();
    }

    /// Says something between the texts of the model.
    pub(super) fn interject(&mut self, step: u32, mut text: String) {
        if self.segments.last().is_some_and(|last| !last.text.ends_with(char::is_whitespace)) {
            text.insert(0, ' ');
        }
        self.add(step, text);
    }

    fn add(&mut self, step: u32, mut text: String) {
        // The words of two steps must not run together.
        let glued = |last: &Segment| last.step != step && !last.text.ends_with(char::is_whitespace);
        if self.segments.last().is_some_and(glued) && !text.starts_with(char::is_whitespace) {
            text.insert(0, ' ');
        }
        let silent = !text.chars().any(char::is_alphanumeric);
        let state = if silent { State::Spoken } else { State::Text };
        self.segments.push(Segment { id: None, step, text, state, samples: 0, words: Vec::new(), told: 0 });
    }

    /// Whether any segment was cut.
    pub(super) fn has_segments(&self) -> bool {
        !self.segments.is_empty()
    }

    /// All text of a step.
    pub(super) fn text(&self, step: u32) -> String {
        self.segments.iter().filter(|s| s.step == step).map(|s| s.text.as_str()).collect()
    }

    /// Characters of text of the newest step, cut or not.
    pub(super) fn written(&self, step: u32) -> usize {
        self.text(step).chars().count() + self.clauses.rest().chars().count()
    }

    // Synthesis

    /// Whether it is time to synthesise more: one segment at once, while less than `ahead` samples are unplayed.
    pub(super) fn wants_request(&self, ahead: u64) -> bool {
        let unplayed = self.total() - self.position().min(self.total());
        self.requested().is_none() && unplayed < ahead && self.segments.iter().any(|s| s.state == State::Text)
    }

    /// Takes the next text to synthesise.
    pub(super) fn request(&mut self, id: SegmentId, by: Timestamp) -> Option<String> {
        let segment = self.segments.iter_mut().find(|s| s.state == State::Text)?;
        segment.id = Some(id);
        segment.state = State::Requested { by, retries: 0 };
        Some(segment.text.trim().to_owned())
    }

    /// Asks again for the open segment under a new id; `None` if it was tried before or has given audio.
    pub(super) fn retry(&mut self, id: SegmentId, by: Timestamp) -> Option<String> {
        let segment = self.requested_mut()?;
        let State::Requested { retries: 0, .. } = segment.state else { return None };
        if segment.samples > 0 {
            return None;
        }
        segment.id = Some(id);
        segment.words.clear();
        segment.state = State::Requested { by, retries: 1 };
        Some(segment.text.trim().to_owned())
    }

    fn requested(&self) -> Option<&Segment> {
        self.segments.iter().find(|s| matches!(s.state, State::Requested { .. }))
    }

    fn requested_mut(&mut self) -> Option<&mut Segment> {
        self.segments.iter_mut().find(|s| matches!(s.state, State::Requested { .. }))
    }

    fn open_mut(&mut self, id: SegmentId) -> Option<&mut Segment> {
        self.requested_mut().filter(|s| s.id == Some(id))
    }

    /// The segment whose synthesis is open, and by when its next audio must come.
    pub(super) fn open(&self) -> Option<(SegmentId, Timestamp)> {
        let segment = self.requested()?;
        match segment.state {
            State::Requested { by, .. } => Some((segment.id?, by)),
            State::Text | State::Spoken | State::Failed => None,
        }
    }

    /// Audio came. `false` if it was not awaited.
    pub(super) fn audio(&mut self, now: Timestamp, id: SegmentId, samples: u64, by: Timestamp) -> bool {
        let ran_dry = self.position() >= self.total();
        let Some(segment) = self.open_mut(id) else { return false };
        segment.samples = segment.samples.saturating_add(samples);
        if let State::Requested { by: limit, .. } = &mut segment.state {
            *limit = by;
        }
        if let Play::Playing { moved, .. } = &mut self.play
            && ran_dry
        {
            // The playout stood still for want of audio; it can move again from now on.
            *moved = now;
        }
        true
    }

    /// Word times came; those that do not fit the text are dropped. `false` if they were not awaited.
    pub(super) fn words(&mut self, id: SegmentId, words: Vec<WordTime>) -> bool {
        let awaited = |s: &&mut Segment| matches!(s.state, State::Requested { .. } | State::Spoken);
        let found = self.segments.iter_mut().find(|s| s.id == Some(id)).filter(awaited);
        let Some(segment) = found else { return false };
        let text = segment.text.trim();
        let lead = segment.text.len() - segment.text.trim_start().len();
        let mut at = segment.words.last().map_or(0, |word| word.samples.end);
        let mut end = segment.words.last().map_or(0, |word| word.text.end);
        for mut word in words {
            let fits = text.get(word.text.clone()).is_some_and(|w| !w.is_empty());
            if !fits || word.text.start + lead < end || word.samples.start < at || word.samples.is_empty() {
                continue;
            }
            word.text = word.text.start + lead..word.text.end + lead;
            (at, end) = (word.samples.end, word.text.end);
            segment.words.push(word);
        }
        true
    }

    /// All audio of the segment was made. `false` if it was not awaited.
    pub(super) fn synthesized(&mut self, id: SegmentId) -> bool {
        let Some(segment) = self.open_mut(id) else { return false };
        segment.state = State::Spoken;
        true
    }

    /// Gives up the open segment; returns the text that will not be heard.
    pub(super) fn fail(&mut self) -> Option<String> {
        let sample_rate = self.sample_rate;
        let segment = self.requested_mut()?;
        segment.state = State::Failed;
        // The audio there is will still be played.
        let spoken = segment.heard_bytes(segment.samples, 0, sample_rate);
        Some(segment.text[spoken..].to_owned())
    }

    /// Whether the segment is open and has no audio yet.
    pub(super) fn is_without_audio(&self, id: SegmentId) -> bool {
        self.requested().is_some_and(|s| s.id == Some(id) && s.samples == 0)
    }

    /// Gives up the segments not asked for yet; returns their text.
    pub(super) fn fail_rest(&mut self) -> String {
        let mut text = String::new();
        for segment in self.segments.iter_mut().filter(|s| s.state == State::Text) {
            segment.state = State::Failed;
            text.push_str(&segment.text);
        }
        text
    }

    /// Whether synthesis was ever asked for: the shell then knows the reply.
    pub(super) fn is_known(&self) -> bool {
        self.segments.iter().any(|s| s.id.is_some())
    }

    /// Whether words of it were shown, because they cannot be spoken.
    pub(super) fn is_shown(&self) -> bool {
        self.segments.iter().any(|s| s.state == State::Failed)
    }

    /// Whether the last two segments that were tried both failed: the voice is gone.
    pub(super) fn has_lost_its_voice(&self) -> bool {
        let mut tried = self.segments.iter().rev().filter(|s| s.id.is_some());
        let mut failed = || tried.next().is_some_and(|s| s.state == State::Failed);
        failed() && failed()
    }

    // Playout

    /// Samples made so far.
    pub(super) fn total(&self) -> u64 {
        self.segments.iter().fold(0, |sum, s| sum.saturating_add(s.samples))
    }

    /// Whether the first audio is there and its playout has not been asked for.
    pub(super) fn can_start(&self) -> bool {
        self.play == Play::Waiting && self.total() > 0
    }

    /// Playout was asked for.
    pub(super) fn start(&mut self, now: Timestamp) {
        self.play = Play::Playing { position: 0, heard: 0, moved: now };
    }

    pub(super) fn is_started(&self) -> bool {
        self.play != Play::Waiting
    }

    /// The next sample to be sent.
    pub(super) fn position(&self) -> u64 {
        match self.play {
            Play::Waiting => 0,
            Play::Playing { position, .. } => position,
        }
    }

    /// Samples that were heard.
    pub(super) fn heard(&self) -> u64 {
        match self.play {
            Play::Waiting => 0,
            Play::Playing { heard, .. } => heard,
        }
    }

    /// When the playout last moved.
    pub(super) fn moved(&self) -> Option<Timestamp> {
        match self.play {
            Play::Waiting => None,
            Play::Playing { moved, .. } => Some(moved),
        }
    }

    /// Whether anything was heard.
    pub(super) fn is_heard(&self) -> bool {
        self.heard() > 0
    }

    /// The playout has come to `position`. What lies beyond the audio made is not believed.
    pub(super) fn played(&mut self, now: Timestamp, position: u64) {
        let total = self.total();
        if let Play::Playing { position: at, heard, moved } = &mut self.play {
            let position = position.min(total);
            if position != *at {
                *moved = now;
            }
            *at = position;
            *heard = (*heard).max(position);
        }
    }

    /// The playout goes on from an earlier sample, now.
    pub(super) fn rewind(&mut self, now: Timestamp, to: u64) {
        if let Play::Playing { position, moved, .. } = &mut self.play {
            *position = to.min(*position);
            *moved = now;
        }
    }

    /// When the playout last moved, if audio waits to be played.
    pub(super) fn waiting_since(&self) -> Option<Timestamp> {
        match self.play {
            Play::Playing { position, moved, .. } if position < self.total() => Some(moved),
            Play::Waiting | Play::Playing { .. } => None,
        }
    }

    /// Whether all text was cut, spoken or given up, and played.
    pub(super) fn is_played(&self) -> bool {
        self.segments.iter().all(Segment::is_settled) && self.position() >= self.total()
    }

    /// Whether the reply's last audio is made, and ends no more than `samples` behind `position`.
    pub(super) fn ends_within(&self, position: u64, samples: u64) -> bool {
        let made = self.segments.iter().all(Segment::is_settled);
        made && self.total().saturating_sub(position) <= samples
    }

    /// Where to go on after a hold, and whether that is between two words: the start of the word that was cut, at most a
    /// second back. Without word times, a little earlier in the same segment; the shell finds the quiet place there.
    pub(super) fn resume_from(&self) -> (u64, bool) {
        let position = self.position();
        let mut start = 0u64;
        for segment in &self.segments {
            let end = start.saturating_add(segment.samples);
            if position < end {
                let word = start + segment.word_start(position - start, self.sample_rate);
                let from = word.max(position.saturating_sub(self.sample_rate)).min(position);
                return (from, from == word && !segment.words.is_empty());
            }
            start = end;
        }
        (position, true)
    }

    /// What each segment is doing, for a test. One that was heard to its end is played.
    #[cfg(feature = "rules")]
    pub(super) fn states(&self) -> impl Iterator<Item = &'static str> {
        let (mut end, mut open) = (0u64, false);
        self.segments.iter().map(move |segment| {
            end = end.saturating_add(segment.samples);
            // Nothing is heard before all that stands before it is made.
            let heard = !open && self.is_heard() && self.heard() >= end;
            open |= !segment.is_settled();
            match segment.state {
                State::Text => "Text",
                State::Requested { .. } if segment.samples == 0 => "Requested",
                State::Requested { .. } => "Audio",
                State::Spoken if heard => "Played",
                State::Spoken => "Spoken",
                State::Failed => "Failed",
            }
        })
    }

    // Heard text

    /// Words that became audible since the last call.
    pub(super) fn newly_heard(&mut self) -> String {
        let heard = self.heard();
        let mut text = String::new();
        let segments = self.segments.len();
        while let Some(segment) = self.segments.get_mut(self.current.0) {
            let bytes = segment.heard_bytes(heard, self.current.1, self.sample_rate);
            if bytes > segment.told {
                text.push_str(&segment.text[segment.told..bytes]);
                segment.told = bytes;
            }
            let passed = segment.is_settled()
                && self.play != Play::Waiting
                && heard >= self.current.1.saturating_add(segment.samples);
            // The last segment stays current: more audio cannot come for it, but nothing follows it yet.
            if !passed || self.current.0 + 1 >= segments {
                break;
            }
            self.current = (self.current.0 + 1, self.current.1.saturating_add(segment.samples));
        }
        text
    }

    /// The text that was heard, and the rest that was not, of one step or of all.
    pub(super) fn split(&self, step: Option<u32>) -> (String, String) {
        let (mut heard, mut unheard) = (String::new(), String::new());
        let (mut start, mut open) = (0u64, false);
        for segment in &self.segments {
            if step.is_none_or(|step| step == segment.step) {
                let bytes = if open { 0 } else { segment.heard_bytes(self.heard(), start, self.sample_rate) };
                heard.push_str(&segment.text[..bytes]);
                unheard.push_str(&segment.text[bytes..]);
            }
            start = start.saturating_add(segment.samples);
            // Nothing is heard before all that stands before it is made.
            open |= !segment.is_settled();
        }
        (heard, unheard)
    }
}

impl Segment {
    /// Whether no more audio comes for it.
    fn is_settled(&self) -> bool {
        matches!(self.state, State::Spoken | State::Failed)
    }

    /// Bytes of the text heard, when `heard` samples of the reply were and the segment begins with sample `start`.
    fn heard_bytes(&self, heard: u64, start: u64, sample_rate: u64) -> usize {
        let played = heard.saturating_sub(start).min(self.samples);
        let bytes = match self.state {
            // A segment without anything to pronounce counts as heard once the playout has come to it.
            State::Spoken if heard > 0 && heard >= start.saturating_add(self.samples) => self.text.len(),
            State::Text => 0,
            _ if played == 0 || self.samples == 0 => 0,
            _ if !self.words.is_empty() => self.heard_by_words(played),
            _ => self.heard_by_pace(played, sample_rate),
        };
        bytes.max(self.told)
    }

    /// Up to the first word that does not lie before `played` to its end.
    fn heard_by_words(&self, played: u64) -> usize {
        match self.words.iter().position(|word| word.samples.end > played) {
            Some(0) => 0,
            Some(next) => self.words[next].text.start,
            // More words may have sounded than have times so far.
            None => self.words.last().map_or(0, |word| self.after_space(word.text.end)),
        }
    }

    fn after_space(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let word_end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let space = rest[word_end..].len() - rest[word_end..].trim_start().len();
        at + word_end + space
    }

    /// Samples of the whole segment, known or estimated.
    fn length(&self, sample_rate: u64) -> u64 {
        let known = matches!(self.state, State::Spoken);
        let estimate = self.text.chars().count() as u64 * sample_rate / CHARACTERS_A_SECOND;
        if known { self.samples } else { self.samples.max(estimate) }.max(1)
    }

    /// The words that lie wholly before `played` at an even pace.
    fn heard_by_pace(&self, played: u64, sample_rate: u64) -> usize {
        let length = self.length(sample_rate);
        let reached = (u128::from(played.min(length)) * self.text.len() as u128 / u128::from(length)) as usize;
        let mut heard = 0;
        let mut in_word = false;
        for (at, c) in self.text.char_indices() {
            if c.is_whitespace() {
                in_word = false;
            } else if !in_word {
                if at > reached {
                    break;
                }
                // A word starts here; all before it was heard.
                heard = at;
                in_word = true;
            }
        }
        heard
    }

    /// First sample of the word that sounds at `at`, or `at` between words.
    fn word_start(&self, at: u64, sample_rate: u64) -> u64 {
        if self.words.is_empty() {
            return at.saturating_sub((BACK.as_millis() as u64).saturating_mul(sample_rate) / 1_000);
        }
        let word = self.words.iter().find(|word| word.samples.contains(&at));
        word.map_or(at, |word| word.samples.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 24_000;

    fn spoken(text: &str) -> Speech {
        let options = SpeechOptions::default();
        let mut speech = Speech::new(&options);
        speech.push(0, text, &options);
        speech.flush(0);
        assert!(speech.wants_request(4 * SECOND));
        speech.request(SegmentId(1), Timestamp::ZERO);
        speech
    }

    #[test]
    fn heard_text_ends_with_the_last_word_that_sounded_whole() {
        let mut speech = spoken("one two three");
        speech.audio(Timestamp::ZERO, SegmentId(1), 3 * SECOND, Timestamp::ZERO);
        let word = |text, from: u64| WordTime { text, samples: from * SECOND..(from + 1) * SECOND };
        speech.words(SegmentId(1), vec![word(0..3, 0), word(4..7, 1), word(8..13, 2)]);
        speech.synthesized(SegmentId(1));
        speech.start(Timestamp::ZERO);
        speech.played(Timestamp::ZERO, 2 * SECOND - 1);
        assert_eq!(speech.newly_heard(), "one ");
        assert_eq!(speech.resume_from(), (SECOND, true));
        speech.played(Timestamp::ZERO, 2 * SECOND);
        assert_eq!(speech.newly_heard(), "two ");
        assert_eq!(speech.split(Some(0)), ("one two ".into(), "three".into()));
        speech.played(Timestamp::ZERO, 3 * SECOND);
        assert_eq!(speech.newly_heard(), "three");
        assert!(speech.is_played());
    }

    #[test]
    fn without_word_times_the_pace_is_even() {
        let mut speech = spoken("aaaa bbbb cccc");
        speech.audio(Timestamp::ZERO, SegmentId(1), 14_000, Timestamp::ZERO);
        speech.synthesized(SegmentId(1));
        speech.start(Timestamp::ZERO);
        speech.played(Timestamp::ZERO, 8_000);
        assert_eq!(speech.split(Some(0)).0, "aaaa ");
        assert_eq!(speech.resume_from(), (8_000 - 7_200, false));
    }

    #[test]
    fn absurd_numbers_do_not_overflow() {
        let mut speech = spoken("aaaa bbbb cccc");
        for _ in 0..2 {
            speech.audio(Timestamp::ZERO, SegmentId(1), u64::MAX, Timestamp::ZERO);
        }
        speech.start(Timestamp::ZERO);
        speech.played(Timestamp::ZERO, u64::MAX);
        speech.synthesized(SegmentId(1));
        assert_eq!(speech.newly_heard(), "aaaa bbbb cccc");
        assert!(speech.resume_from().0 > 0 && speech.is_played());
    }

    #[test]
    fn a_position_beyond_the_audio_is_not_believed() {
        let mut speech = spoken("aaaa bbbb");
        speech.audio(Timestamp::ZERO, SegmentId(1), 100, Timestamp::ZERO);
        speech.start(Timestamp::ZERO);
        speech.played(Timestamp::ZERO, 1_000_000);
        assert_eq!(speech.heard(), 100);
    }
}
