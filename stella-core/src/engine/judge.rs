//! Is speech over the agent an interruption, or only a sign of listening?

use std::{fmt, time::Duration};

use super::completeness;

/// What is known of the overlapping speech.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlapping<'a> {
    /// Its words so far.
    pub text: &'a str,
    /// From its first voiced sample to its last, or to now.
    pub voiced: Duration,
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
/// words, and noise by how unsure the recogniser is of the few words that it took it for, or by more words than anybody
/// can say in the time.
#[derive(Debug, Clone, Copy, Default)]
pub struct WordListJudge;

/// Signs of listening, of one or two words, as [`words`] gives them. Several may follow each other: "yeah, I see".
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
    "um",
    "uh",
    "huh",
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
    "wow",
    "cool",
    "nice",
    "great",
    "alright",
    "thanks",
    "you",
    "i see",
    "got it",
    "all right",
    "of course",
    "thank you",
];
/// Most words of such a row.
const LONGEST_ROW: usize = 4;

/// First words that take the floor: commands, objections, questions.
const COMMANDS: &[&str] = &[
    "stop", "wait", "no", "pause", "hello", "but", "actually", "sorry", "pardon", "quiet", "enough", "hold", "hang",
    "excuse", "repeat", "again", "help", "what", "why", "who", "where", "when", "how",
];

/// How sure a recogniser must be of a command. It is obeyed in doubt, but not when the recogniser all but denies it:
/// Moonshine hears "no" and "what" in "mhm" and coughs at 0.00-0.04, and 95 % of those that were said at 0.07 or more.
/// A "who" or "how" alone is often as doubtful as a hum, and lost with it.
const SURE_COMMAND: f32 = 0.05;
/// So often no word is said in a row, but for commands: the recogniser is stuck on a noise.
const STUCK: usize = 3;

/// How sure a recogniser must be of so many words to be believed.
///
/// Moonshine hears "hammer" and "mama" (0.3), "him" or "that her" (0.1) in "mhm" and "uh-huh", and nine in ten single
/// words that were said ("Paris", "help") at 0.4 or more; of longer speech, shouts and dialects are at 0.36-0.6, most of
/// which go on for a second (`cargo xtask bench bargein`, and 28 synthesised voices).
fn sure(words: usize, voiced: Duration) -> f32 {
    match (words, voiced < BRIEF) {
        (..=2, _) | (3, true) => 0.4,
        (3, false) | (_, true) => 0.35,
        (_, false) => 0.0,
    }
}
/// Speech of this length is longer than a sign of listening: of 42 synthesised ones one took 0.8 s.
const BRIEF: Duration = Duration::from_millis(800);

/// Syllables a second that hardly anybody exceeds: of the phrases of `cargo xtask bench bargein`, shouted and read, the
/// fastest has 6.5.
const FASTEST: f32 = 8.0;
/// What a voice detector may miss at either end of a word.
const UNNOTICED: Duration = Duration::from_millis(150);

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
        if is_backchannel(&spoken) {
            return Verdict::Backchannel;
        }
        if !is_sayable(&spoken, overlapping.voiced) {
            return Verdict::Noise;
        }
        if spoken.len() >= 3 && is_echo(&spoken, overlapping.agent_text) {
            return Verdict::Echo;
        }
        let is_command = COMMANDS.contains(&spoken[0].as_str());
        let sure = if is_command { SURE_COMMAND } else { sure(spoken.len(), overlapping.voiced) };
        if overlapping.confidence.is_some_and(|confidence| confidence < sure) || (!is_command && is_stuck(&spoken)) {
            return Verdict::Noise;
        }
        if is_command {
            return Verdict::Interruption;
        }
        if overlapping.is_final { Verdict::Interruption } else { Verdict::Unsure }
    }
}

/// Whether the words are nothing but signs of listening.
fn is_backchannel(spoken: &[String]) -> bool {
    let known = |words: &[String]| BACKCHANNELS.contains(&words.join(" ").as_str());
    let mut rest = spoken;
    while !rest.is_empty() {
        match (1..=rest.len().min(2)).rev().find(|&count| known(&rest[..count])) {
            Some(count) => rest = &rest[count..],
            None => return false,
        }
    }
    (1..=LONGEST_ROW).contains(&spoken.len())
}

/// Whether somebody can say so many words in the time: a recogniser that makes sentences of a hum cannot know.
fn is_sayable(words: &[String], voiced: Duration) -> bool {
    let syllables: usize = words.iter().map(|word| syllables(word)).sum();
    syllables as f32 <= (voiced + UNNOTICED).as_secs_f32() * FASTEST
}

/// Whether it is one word again and again.
fn is_stuck(words: &[String]) -> bool {
    words.len() >= STUCK && words.windows(2).all(|pair| pair[0] == pair[1])
}

/// Groups of vowels, but for a silent "e" at the end; at least one. Of other scripts, one.
fn syllables(word: &str) -> usize {
    let is_vowel = |c: char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    let mut groups = 0;
    let mut inside = false;
    for c in word.chars() {
        groups += usize::from(is_vowel(c) && !inside);
        inside = is_vowel(c);
    }
    let silent_e = groups > 1 && word.ends_with('e') && !word.ends_with("le") && !word.ends_with("ee");
    (groups - usize::from(silent_e)).max(1)
}

/// Whether the words are a stretch of what the agent said.
fn is_echo(spoken: &[String], agent_text: &str) -> bool {
    let said: Vec<String> = words(agent_text).collect();
    said.windows(spoken.len()).any(|window| window == spoken)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn verdict(text: &str, is_final: bool) -> Verdict {
        judge(text, Duration::from_secs(2), is_final, None)
    }

    fn judge(text: &str, voiced: Duration, is_final: bool, confidence: Option<f32>) -> Verdict {
        let agent_text = "The capital of France is Paris.";
        WordListJudge.judge(Overlapping { text, voiced, is_final, confidence, agent_text })
    }

    #[test]
    fn words_are_told_apart() {
        assert_eq!(verdict("Mhm.", true), Verdict::Backchannel);
        assert_eq!(verdict("Uh-huh!", true), Verdict::Backchannel);
        assert_eq!(verdict("Yeah, I see, okay.", false), Verdict::Backchannel);
        assert_eq!(verdict("Right, thank you, yes, great, I see.", true), Verdict::Interruption, "too much for a sign");
        assert_eq!(verdict("I saw", true), Verdict::Interruption);
        assert_eq!(verdict("No", false), Verdict::Interruption);
        assert_eq!(verdict("What about", false), Verdict::Interruption);
        assert_eq!(verdict("And Rome", false), Verdict::Unsure);
        assert_eq!(verdict("And Rome?", true), Verdict::Interruption);
        assert_eq!(verdict("...", true), Verdict::Unsure);
        assert_eq!(verdict("capital of France", true), Verdict::Echo);
    }

    #[test]
    fn a_recogniser_that_is_unsure_of_few_words_has_heard_a_noise() {
        let brief = Duration::from_millis(480);
        assert_eq!(judge("Hammer.", brief, true, Some(0.35)), Verdict::Noise);
        assert_eq!(judge("That her.", brief, false, Some(0.3)), Verdict::Noise);
        assert_eq!(judge("I am in here", brief, false, Some(0.3)), Verdict::Noise, "a beginning of anything");
        assert_eq!(judge("Tuesday.", brief, true, Some(0.45)), Verdict::Interruption);
        assert_eq!(judge("Stop.", brief, true, Some(0.2)), Verdict::Interruption, "a command is obeyed in doubt");
        assert_eq!(judge("Hang on.", brief, true, Some(0.1)), Verdict::Interruption);
        assert_eq!(judge("No.", brief, true, Some(0.01)), Verdict::Noise, "but not one that the recogniser denies");
        assert_eq!(judge("Three, three, three,", SECOND, true, Some(0.9)), Verdict::Noise, "it is stuck");
        assert_eq!(judge("No, no, no!", SECOND, true, Some(0.9)), Verdict::Interruption);
        assert_eq!(judge("Just you right.", SECOND, true, Some(0.4)), Verdict::Interruption, "longer than a sign");
        assert_eq!(judge("Is it raining there?", SECOND, true, Some(0.3)), Verdict::Interruption);
        assert_eq!(judge("Hammer.", SECOND, true, None), Verdict::Interruption, "nothing is known");
    }

    #[test]
    fn more_words_than_can_be_said_are_a_noise() {
        let sentence = "I saw a lot of people in the city.";
        assert_eq!(judge(sentence, Duration::from_millis(450), true, Some(0.9)), Verdict::Noise);
        assert_eq!(judge(sentence, Duration::from_millis(1_600), true, Some(0.9)), Verdict::Interruption);
        assert_eq!(judge("No.", Duration::from_millis(60), true, Some(0.9)), Verdict::Interruption);
        let count = |word| syllables(word);
        let counts =
            [count("people"), count("time"), count("rhythm"), count("agree"), count("7"), count("incredulity")];
        assert_eq!(counts, [2, 1, 1, 2, 1, 5]);
    }
}
