//! What kind of conversation a seed stands for.

use std::time::Duration;

use stella_core::engine::Options;

use crate::dice::Dice;

/// One conversation.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// When the application begins to end it.
    pub(crate) length: Duration,
    pub(crate) options: Options,
    pub(crate) people: u64,
    pub(crate) trouble: Trouble,
    /// Whether the agent reviews the user's turns.
    pub(crate) reviews: bool,
    pub(crate) ending: Ending,
    /// Whether everybody is silent for a while before the end, so that everything must come to rest.
    pub(crate) quiet: bool,
}

/// How many calls of each hundred go wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trouble {
    pub(crate) link: u64,
    pub(crate) hearing: u64,
    pub(crate) thinking: u64,
    pub(crate) speaking: u64,
    /// Tools, hooks of the agent, and the publisher.
    pub(crate) application: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The application ends it.
    Application,
    /// It ends it with last words.
    Farewell,
    /// It ends it twice, the second time sooner.
    Twice,
    /// The room is closed.
    Closed,
    /// The transport breaks without a word.
    Broken,
}

/// Silence before the end, if there is one: longer than anything in the engine waits.
pub(crate) const QUIET: Duration = Duration::from_secs(30);
/// What the agent may still have to say then.
pub(crate) const LONGEST_REPLY: Duration = Duration::from_secs(5_400);

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let dice = Dice::new(seed, "plan");
        let minutes = dice.weighted(
            &[(4, 1..=3), (4, 3..=6), (1, 6..=12)].map(|(weight, range)| (weight, (*range.start(), *range.end()))),
        );
        let reviews = dice.percent(15);
        Self {
            seed,
            length: dice.millis(minutes.0 * 60_000..=minutes.1 * 60_000),
            options: options(&dice, reviews),
            people: dice.weighted(&[(8, 1), (1, 2), (1, 3)]),
            trouble: trouble(&dice),
            reviews,
            ending: dice.weighted(&[
                (4, Ending::Application),
                (4, Ending::Farewell),
                (2, Ending::Twice),
                (2, Ending::Closed),
                (1, Ending::Broken),
            ]),
            quiet: dice.percent(50),
        }
    }
}

/// Every fourth conversation is without faults, the others have them in one place or everywhere.
fn trouble(dice: &Dice) -> Trouble {
    let rate = dice.between(3..=30);
    match dice.between(0..=7) {
        0 | 1 => Trouble::default(),
        2 => Trouble { link: rate, ..Trouble::default() },
        3 => Trouble { hearing: rate, ..Trouble::default() },
        4 => Trouble { thinking: rate, application: rate, ..Trouble::default() },
        5 => Trouble { speaking: rate, ..Trouble::default() },
        _ => Trouble { link: rate, hearing: rate, thinking: rate, speaking: rate, application: rate },
    }
}

fn options(dice: &Dice, reviews: bool) -> Options {
    let mut options = Options::default();
    options.endpointing.wait_complete = dice.millis(100..=400);
    options.endpointing.wait_unsure = dice.millis(400..=900);
    options.endpointing.wait_incomplete = dice.millis(900..=2_500);
    options.endpointing.transcript_by = dice.millis(300..=5_000);
    options.interruption.enabled = dice.percent(90);
    options.interruption.speaking.hold_after = dice.millis(0..=200);
    options.interruption.speaking.commit_after = Some(dice.millis(300..=900));
    options.interruption.judge_by = dice.millis(200..=1_200);
    options.interruption.resume_after = dice.millis(0..=1_000);
    options.interruption.speaking.min_words = dice.between(1..=3) as usize;
    options.interruption.max_hold = dice.millis(1_200..=5_000);
    options.speculation.enabled = dice.percent(75);
    options.speech.look_ahead = dice.millis(500..=6_000);
    options.recovery.retries = dice.between(0..=2) as u32;
    options.conversation.max_history = dice.between(10..=200) as usize;
    options.conversation.review = reviews;
    options
}
