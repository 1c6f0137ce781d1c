//! When does a pause end the turn? What the detector, the words and the speaker's own pauses say, as one wait; and
//! what the recogniser and the application say.

use std::time::Duration;

use super::{
    Command, DiscardReason, EndpointingMode, EndpointingOptions, Engine, Event, Part, Source, TurnOutcome, Wait,
    judge::Said,
    listener::{Listener, Score, Speaker},
    overlap::Overlap,
    pace::Pace,
    turn::{Collected, Moments},
};
use crate::{id::UtteranceId, time::Timestamp};

/// Most that words may change the odds, either way: no judge is certain.
const MOST: f32 = 20.0;

/// What is known of a pause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// Probability of the end by the detector.
    pub(super) score: Option<f32>,
    /// By how much the words change the odds.
    pub(super) words: Option<f32>,
    /// The score that says as much for the end as against it.
    pub(super) threshold: f32,
    pub(super) pace: Pace,
}

impl Evidence {
    /// Odds that the turn is complete; `None` if nothing is known.
    fn odds(&self) -> Option<f32> {
        let odds = |p: f32| p.clamp(0.001, 0.999) / (1.0 - p.clamp(0.001, 0.999));
        let score = self.score.map(|p| odds(p) / odds(self.threshold));
        let words = self.words.filter(|factor| !factor.is_nan()).map(|factor| factor.clamp(1.0 / MOST, MOST));
        if score.is_none() && words.is_none() {
            return None;
        }
        // Detectors are surer of themselves than they are right: their odds to the power of 3/4 are nearer to the truth.
        let root = score.unwrap_or(1.0).sqrt();
        Some(root * root.sqrt() * words.unwrap_or(1.0) * self.pace.decisiveness())
    }

    /// Which wait decides, how long it is, and the probability of the end in percent.
    ///
    /// How many pauses inside turns are longer than a time falls with a power of it. Then the wait that costs least on
    /// average, for a given number of turns cut short, falls with a power of the odds, too: the odds to the power of
    /// −3/8. Square roots are the same on any machine; other powers need not be.
    pub(super) fn wait(&self, options: &EndpointingOptions) -> (Wait, Duration, Option<u8>) {
        let scale = self.pace.slowness();
        let bounded = |factor: f32| {
            let wait = options.wait_unsure.as_secs_f32() * factor * scale;
            Duration::from_millis((wait * 1_000.0) as u64).clamp(options.wait_complete, options.wait_incomplete)
        };
        let Some(odds) = self.odds() else { return (Wait::Unsure, bounded(1.0), None) };
        let root = odds.sqrt().sqrt();
        let wait = bounded(1.0 / (root * root.sqrt()));
        let percent = (100.0 * odds / (1.0 + odds)) as u8;
        (if odds >= 1.0 { Wait::Complete } else { Wait::Incomplete }, wait, Some(percent))
    }
}

impl EndpointingOptions {
    /// The threshold of a language: that of its tag, else of the language without region, else the general one.
    fn threshold(&self, language: Option<&str>) -> f32 {
        let Some(language) = language else { return self.threshold };
        let primary = language.split('-').next().unwrap_or(language);
        self.thresholds.get(language).or_else(|| self.thresholds.get(primary)).copied().unwrap_or(self.threshold)
    }
}

impl Engine {
    /// Something more is known of a pause: computes again when it ends the turn.
    pub(super) fn weigh_pause(&mut self, index: usize) {
        let speaker = &self.speakers[index];
        let Listener::Pausing { utterance, pause } = &speaker.listener else { return };
        let options = &self.endpointing();
        let fixed = |wait: Wait, delay: Duration| (wait, pause.last_voiced + delay, None);
        let (wait, decide_at, percent) = match options.mode {
            EndpointingMode::Score => {
                let language = speaker.language.as_deref();
                let is_final = utterance.is_final();
                let evidence = Evidence {
                    score: match pause.score {
                        Score::Known(p) => Some(p),
                        Score::None | Score::Pending(_) => None,
                    },
                    words: is_final.then(|| self.judge.completeness(Said { text: &utterance.text, language })),
                    threshold: options.threshold(language),
                    pace: speaker.pace,
                };
                let (wait, delay, percent) = evidence.wait(options);
                let decide_at = pause.last_voiced + delay;
                // What is still on its way may say something else.
                let all = is_final && !matches!(pause.score, Score::Pending(_));
                let known_by = if all { Timestamp::ZERO } else { pause.noticed + options.evidence_by };
                (wait, decide_at.max(known_by), percent)
            }
            EndpointingMode::Silence => {
                let silent = Evidence { score: None, words: None, threshold: options.threshold, pace: speaker.pace };
                fixed(Wait::Silence, silent.wait(options).1)
            }
            EndpointingMode::Recogniser if utterance.ended => fixed(Wait::Recogniser, Duration::ZERO),
            EndpointingMode::Recogniser | EndpointingMode::Manual => fixed(Wait::Incomplete, options.wait_incomplete),
        };
        let decide_at = decide_at.max(self.may_go_on_until(utterance.id).unwrap_or_default());
        if let Some(pause) = self.speakers[index].listener.pause_mut() {
            (pause.wait, pause.decide_at, pause.percent) = (wait, decide_at, percent);
        }
    }

    /// Probability in percent that a turn has ended which ends with these words, if nothing else is known of it.
    pub(super) fn percent_by_words(&self, speaker: &Speaker, text: &str) -> Option<u8> {
        let language = speaker.language.as_deref();
        let words = Some(self.judge.completeness(Said { text, language }));
        let options = &self.endpointing();
        let evidence = Evidence { score: None, words, threshold: options.threshold(language), pace: speaker.pace };
        evidence.wait(options).2
    }

    /// The recogniser says that the speaker's turn has ended.
    pub(super) fn recogniser_ended(&mut self, utterance: UtteranceId) {
        if self.config.endpointing.mode != EndpointingMode::Recogniser {
            return;
        }
        let Some(index) = self.listening_to(utterance) else { return };
        if let Some(open) = self.speakers[index].listener.utterance_mut() {
            open.ended = true;
        }
        if matches!(self.speakers[index].listener, Listener::Pausing { .. }) {
            self.end_pause(index, Wait::Recogniser);
        }
    }

    /// The pause of a speaker ends the turn now.
    pub(super) fn end_pause(&mut self, index: usize, wait: Wait) {
        if let Some(pause) = self.speakers[index].listener.pause_mut() {
            pause.wait = wait;
        }
        self.decide(index);
    }

    /// The application says that the user's turn has ended: everybody's words so far are to be answered.
    pub(super) fn commit_by_application(&mut self) {
        for index in 0..self.speakers.len() {
            self.voice_ended(self.speakers[index].id, self.now);
            self.end_pause(index, Wait::Manual);
        }
        let collected = self.turn.collected_mut();
        if !collected.parts.is_empty() {
            collected.ready = collected.ready.or(Some(Moments::at(self.now, Wait::Manual)));
        }
    }

    /// The application takes back what the user has said since the last turn.
    pub(super) fn clear_turn(&mut self) {
        self.drop_speculation();
        for index in 0..self.speakers.len() {
            let speaker = self.speakers[index].id;
            let listener = self.speakers[index].listener.take();
            let Some(utterance) = listener.utterance() else { continue };
            self.command(Command::FinishUtterance { utterance: utterance.id });
            self.resume(utterance.id);
            if self.overlap.utterance() == Some(utterance.id) {
                self.overlap = Overlap::None;
            }
            let text = utterance.text.trim().to_owned();
            let part = Part { speaker, source: Source::Utterance(utterance.id), text, interim: true };
            self.discard(part, DiscardReason::Cleared);
        }
        let Collected { parts, merged, reopened, .. } = std::mem::take(self.turn.collected_mut());
        for turn in merged {
            self.event(Event::TurnEnded { turn, outcome: TurnOutcome::Cleared });
        }
        for part in parts.into_iter().skip(reopened) {
            self.discard(part, DiscardReason::Cleared);
        }
        self.active();
    }

    // What is learned of a speaker

    /// A voice begins: was the silence before it a pause inside a turn, or the time between two?
    pub(super) fn learn_pause(&mut self, index: usize, since: Timestamp) {
        if !self.config.endpointing.adaptive {
            return;
        }
        let longest = self.config.endpointing.wait_incomplete;
        let unheard = self.floor.reply().is_some_and(|reply| reply.turn().is_some() && !reply.speech.is_heard());
        let speaker = &mut self.speakers[index];
        let paused = match &speaker.listener {
            Listener::Pausing { pause, .. } | Listener::Ready { pause, .. } => Some(pause.last_voiced),
            Listener::Silent | Listener::Speaking(_) => None,
        };
        match (paused, speaker.finished.take()) {
            (Some(last_voiced), _) => speaker.pace.went_on(since.since(last_voiced), longest),
            (None, Some(last_voiced)) if unheard => speaker.pace.went_on(since.since(last_voiced), longest),
            (None, Some(_)) => speaker.pace.ended(),
            (None, None) => {}
        }
    }

    /// The speaker's language is known.
    pub(super) fn language(&mut self, index: usize, language: String) {
        self.speakers[index].language = (!language.is_empty()).then_some(language);
        self.weigh_pause(index);
        self.speculate(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(score: Option<f32>, words: Option<f32>) -> Evidence {
        Evidence { score, words, threshold: 0.5, pace: Pace::default() }
    }

    fn wait(evidence: Evidence) -> (Wait, Duration) {
        let (wait, delay, _) = evidence.wait(&EndpointingOptions::default());
        (wait, delay)
    }

    #[test]
    fn the_surer_the_end_the_shorter_the_wait() {
        let options = EndpointingOptions::default();
        let waits: Vec<_> =
            [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99].map(|p| wait(evidence(Some(p), Some(1.0))).1).to_vec();
        assert!(waits.windows(2).all(|pair| pair[0] >= pair[1]), "{waits:?}");
        assert_eq!(wait(evidence(Some(0.5), Some(1.0))), (Wait::Complete, options.wait_unsure));
        assert_eq!(wait(evidence(None, None)), (Wait::Unsure, options.wait_unsure));
    }

    #[test]
    fn waits_stay_within_their_bounds() {
        let options = EndpointingOptions::default();
        for (score, words) in [(0.0, 0.0), (1.0, 1e9), (0.5, f32::NAN), (0.5, f32::INFINITY), (0.5, -1.0)] {
            let (_, delay) = wait(evidence(Some(score), Some(words)));
            assert!((options.wait_complete..=options.wait_incomplete).contains(&delay), "{score} {words} {delay:?}");
        }
    }

    #[test]
    fn a_language_has_its_own_threshold() {
        let options =
            EndpointingOptions { thresholds: [("de".to_owned(), 0.3)].into(), ..EndpointingOptions::default() };
        for (language, threshold) in [(None, 0.5), (Some("en"), 0.5), (Some("de"), 0.3), (Some("de-AT"), 0.3)] {
            assert!((options.threshold(language) - threshold).abs() < 1e-6, "{language:?}");
        }
    }
}
