//! Engines that are broken on purpose.

use stella_core::{engine::Fault, testing::rules::Rule};

use super::Theme;

/// What conversations are mostly about.
pub(crate) const EVERYDAY: Theme = Theme { acts: [10, 2, 2, 1, 1], tools: 1, trouble: 5, review: false };

/// Each rule, the engine that breaks it, and the conversations in which it shows.
pub(crate) const BROKEN: &[(Rule, Fault, Theme)] = &[
    (Rule::I1, Fault::ForgetsOutcomes, EVERYDAY),
    (Rule::I2, Fault::PlaysOn, EVERYDAY),
    (Rule::I3, Fault::LeavesGenerationsOpen, EVERYDAY),
    (Rule::I4, Fault::ActsOnSpeculation, Theme { acts: [12, 0, 0, 0, 0], tools: 30, ..EVERYDAY }),
    (Rule::I5, Fault::RemembersUnheardWords, EVERYDAY),
    (Rule::I5, Fault::HidesCuts, EVERYDAY),
    (Rule::I6, Fault::WaitsForModels, Theme { trouble: 30, ..EVERYDAY }),
    (Rule::I7, Fault::NeverCloses, EVERYDAY),
    (Rule::I8, Fault::DropsQueuedWords, Theme { acts: [6, 8, 4, 0, 0], ..EVERYDAY }),
    (Rule::I9, Fault::HoldsForever, EVERYDAY),
    (Rule::I10, Fault::RemembersRolledBackReplies, EVERYDAY),
    (Rule::I10, Fault::ForgetsCosts, EVERYDAY),
    (Rule::I11, Fault::BelievesTheClock, Theme { acts: [4, 1, 1, 0, 6], ..EVERYDAY }),
    (Rule::I12, Fault::QueuesWithoutLimit, Theme { acts: [2, 0, 14, 0, 0], ..EVERYDAY }),
    (Rule::I12, Fault::RefusesSilently, Theme { acts: [2, 0, 14, 0, 0], ..EVERYDAY }),
    (Rule::I13, Fault::HoldsFirmReplies, Theme { acts: [6, 0, 6, 0, 0], ..EVERYDAY }),
    (Rule::I14, Fault::RepeatsStates, EVERYDAY),
    (Rule::I15, Fault::ShortensLatency, EVERYDAY),
    (Rule::I15, Fault::TellsEarlyMoments, EVERYDAY),
    (Rule::I16, Fault::SteersBlindly, EVERYDAY),
    (Rule::I17, Fault::EndsTurnsUnasked, Theme { acts: [12, 0, 1, 0, 0], trouble: 1, ..EVERYDAY }),
];
