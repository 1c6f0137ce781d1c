//! What a method gives on recordings that its setting was not picked on: repeated cross-validation.

use super::{outcome::Outcome, sweep::Point};

/// Parts that the recordings are dealt into. Each is held out once, while the setting is picked on the others.
const FOLDS: usize = 10;
/// How often they are dealt: which recordings lie together is luck, and moves the cut-ins by half a percent.
pub(crate) const DEALS: usize = 10;
/// Standard errors by which a setting that is picked for held-out turns must stay below its budget. The best of hundreds
/// of settings is in part the luckiest; with half an error the fused ones keep their budget on held-out turns, too.
const MARGIN: f64 = 0.5;

/// The setting with the least delay that cuts in at no more than this share of pauses, and by some standard errors less.
pub(crate) fn pick(outcomes: &[Outcome], budget: f64, margin: f64) -> Option<usize> {
    let upper = |outcome: &Outcome| {
        let (share, (pauses, _)) = (outcome.cut_ins(None), outcome.pauses(None));
        share + margin * (share * (1.0 - share) / pauses.max(1) as f64).sqrt()
    };
    let within = outcomes.iter().enumerate().filter(|(_, outcome)| upper(outcome) <= budget);
    within.min_by(|(_, a), (_, b)| a.delay().total_cmp(&b.delay())).map(|(n, _)| n)
}

/// What is given on held-out turns by settings picked for each of these budgets, in all deals together. `None` where no
/// setting keeps the budget.
pub(crate) fn curve(points: &[Point], budgets: &[f64]) -> Vec<Option<Outcome>> {
    let mut curve = vec![Some(Outcome::default()); budgets.len()];
    let recordings = points.first().map_or(0, |point| point.recordings.len());
    for number in 0..DEALS {
        let folds = deal(recordings, number);
        for held_out in 0..FOLDS {
            let others: Vec<Outcome> = points.iter().map(|point| point.on(|n| folds[n] != held_out)).collect();
            for (sum, budget) in curve.iter_mut().zip(budgets) {
                let picked = pick(&others, *budget, MARGIN).map(|n| points[n].on(|n| folds[n] == held_out));
                *sum = sum.zip(picked).map(|(sum, outcome)| sum + outcome);
            }
        }
    }
    curve
}

/// The fold of each recording, in the deal of this number. The folds differ in size by one at most.
fn deal(recordings: usize, number: usize) -> Vec<usize> {
    /// Multiplier of a linear congruential generator (Steele and Vigna, "Computationally easy, spectrally good multipliers").
    const MULTIPLIER: u64 = 0xd134_2543_de82_ef95;
    let mut state = number as u64;
    let mut draw = || {
        state = state.wrapping_mul(MULTIPLIER).wrapping_add(1);
        state >> 32
    };
    draw();
    let mut order: Vec<(u64, usize)> = (0..recordings).map(|n| (draw(), n)).collect();
    order.sort_unstable();
    let mut folds = vec![0; recordings];
    for (place, (_, n)) in order.into_iter().enumerate() {
        folds[n] = place % FOLDS;
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_of_one_size_and_another_deal_mixes_anew() {
        let (one, other) = (deal(205, 0), deal(205, 1));
        for fold in 0..FOLDS {
            let of = |folds: &[usize]| folds.iter().filter(|f| **f == fold).count();
            assert!((20..=21).contains(&of(&one)) && (20..=21).contains(&of(&other)));
        }
        let together = one.iter().zip(&other).filter(|(a, b)| a == b).count();
        assert!((5..50).contains(&together), "{together} of 205 recordings lie in the same fold again");
    }
}
