//! Is speech over the agent an interruption, or only a sign of listening?

use std::fmt;

use super::completeness;

/// What is known of the overlapping speech.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlapping<'a> {
    /// Its words so far.
    pub text: &'a str,
    /// Whether the words are final: the speaker has paused.
    pub is_final: bool,
    /// How sure the recogniser is of the words, 0-1; `None` if it does not say.
    pub confidence: Option<f32>,
    /// What the agent has said last, for recognising its echo.
    pub agent_text: &'a str,
}

/// What overlapping words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The user wants the floor.
    Interruption,
    /// A sign of listening; the agent goes on.
    Backchannel,
    /// The agent's own voice, coming back through the user's microphone.
    Echo,
    /// No words, whatever the recogniser made of them: a hum, a cough, a door.
    Noise,
    /// Cannot be told yet; the engine's word count and deadlines decide.
    Unsure,
}

/// What somebody has said when they pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// Their words since they began to speak; may be empty.
    pub text: &'a str,
    /// BCP 47 tag of their language, if known.
    pub language: Option<&'a str>,
}

/// Decides what words mean. It must be a pure function, so that replays give the same outputs.
pub trait Judge: fmt::Debug + Send + Sync {
    /// Judges overlapping words that are not empty.
    fn judge(&self, overlapping: Overlapping<'_>) -> Verdict;

    /// By how much the words change the odds that the speaker's turn is complete: 1 says nothing, below 1 that more is
    /// to come. The default knows English, which it supposes if no language is known, and the punctuation of others.
    fn completeness(&self, said: Said<'_>) -> f32 {
        match said.language {
            Some(language) if !language.to_ascii_lowercase().starts_with("en") => completeness::punctuation(said.text),
            _ => completeness::english(said.text),
        }
    }
}

/// The default judge: English backchannels and words of command by list, an echo by comparison with the agent's last
/// words, and noise by how unsure the recogniser is of the few words that it took it for.
#[derive(Debug, Clone, Copy, Default)]
pub struct WordListJudge;

/// Signs of listening. One or two words, as [`words`] gives them.
const BACKCHANNELS: &[&str] = &[
    "mhm",
    "mm",
    "mmm",
    "hm",
    "hmm",
    "hmmm",
    "mmhmm",
    "mhmm",
    "uhhuh",
    "uh huh",
    "mm hmm",
    "mm hm",
    "um",
    "uh",
    "ah",
    "oh",
    "aha",
    "okay",
    "ok",
    "yeah",
    "yep",
    "yes",
    "right",
    "sure",
    "i see",
    "got it",
    "oh okay",
    "oh yeah",
    "ah okay",
    "all right",
    "alright",
    "yeah yeah",
    "yeah okay",
    "okay okay",
    "right right",
    "uh",
    "huh",
    "wow",
    "cool",
    "nice",
    "great",
    "mhm mhm",
    "hm hm",
    "of course",
    "thank you",
    "thanks",
    "you",
];

/// First words that take the floor.
const COMMANDS: &[&str] =
    &["stop", "wait", "no", "pause", "hello", "but", "actually", "sorry", "quiet", "enough", "hold", "excuse"];

/// What a recogniser must be sure of to be believed, for one, two and three words; more words are never made of a noise.
/// Moonshine hears "hammer" (0.54), "him" (0.57) or "that her" (0.57) in "mhm" and "uh-huh", and words that were said
/// at 0.65-0.9 (`cargo xtask bench bargein`).
const SURE: [f32; 3] = [0.65, 0.6, 0.5];

/// Lower-case words without punctuation.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| c.is_whitespace() || c == '-' || c == '–' || c == '—')
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>())
        .filter(|word| !word.is_empty())
}

impl Judge for WordListJudge {
    fn judge(&self, overlapping: Overlapping<'_>) -> Verdict {
        let spoken: Vec<String> = words(overlapping.text).collect();
        if spoken.is_empty() {
            return Verdict::Unsure;
        }
        if BACKCHANNELS.contains(&spoken.join(" ").as_str()) {
            return Verdict::Backchannel;
        }
        if spoken.len() >= 3 && is_echo(&spoken, overlapping.agent_text) {
            return Verdict::Echo;
        }
        if COMMANDS.contains(&spoken[0].as_str()) {
            return Verdict::Interruption;
        }
        if let (Some(confidence), Some(sure)) = (overlapping.confidence, SURE.get(spoken.len() - 1))
            && confidence < *sure
        {
            return Verdict::Noise;
        }
        if overlapping.is_final { Verdict::Interruption } else { Verdict::Unsure }
    }
}

/// Whether the words are a stretch of what the agent said.
fn is_echo(spoken: &[String], agent_text: &str) -> bool {
    let said: Vec<String> = words(agent_text).collect();
    said.windows(spoken.len()).any(|window| window == spoken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str, is_final: bool) -> Verdict {
        judge(text, is_final, None)
    }

    fn judge(text: &str, is_final: bool, confidence: Option<f32>) -> Verdict {
        let agent_text = "The capital of France is Paris.";
        WordListJudge.judge(Overlapping { text, is_final, confidence, agent_text })
    }

    #[test]
    fn words_are_told_apart() {
        assert_eq!(verdict("Mhm.", true), Verdict::Backchannel);
        assert_eq!(verdict("Uh-huh!", true), Verdict::Backchannel);
        assert_eq!(verdict("No", false), Verdict::Interruption);
        assert_eq!(verdict("What about", false), Verdict::Unsure);
        assert_eq!(verdict("What about Rome?", true), Verdict::Interruption);
        assert_eq!(verdict("...", true), Verdict::Unsure);
        assert_eq!(verdict("capital of France", true), Verdict::Echo);
    }

    #[test]
    fn a_recogniser_that_is_unsure_of_few_words_has_heard_a_noise() {
        assert_eq!(judge("Hammer.", true, Some(0.54)), Verdict::Noise);
        assert_eq!(judge("That her.", false, Some(0.57)), Verdict::Noise);
        assert_eq!(judge("Tuesday.", true, Some(0.87)), Verdict::Interruption);
        assert_eq!(judge("Stop.", true, Some(0.4)), Verdict::Interruption, "a command is obeyed in doubt");
        assert_eq!(judge("What is the weather?", true, Some(0.4)), Verdict::Interruption);
        assert_eq!(judge("Hammer.", true, None), Verdict::Interruption, "nothing is known");
    }
}
