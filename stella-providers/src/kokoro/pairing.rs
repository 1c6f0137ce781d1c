//! Which words of one text stand for which of another that says the same in other words. Pure.

use std::ops::Range;

/// For each word of `new` the words of `old` it stands for, at least one; they never go back. Equal words stand for
/// each other; the words between are shared out in proportion to their letters and digits. `old` must not be empty.
pub(super) fn pair(old: &[&str], new: &[&str]) -> Vec<Range<usize>> {
    let mut pairs = Vec::with_capacity(new.len());
    let mut from = 0;
    let ends = (old.len(), new.len());
    for (anchor_old, anchor_new) in anchors(old, new).into_iter().chain([ends]) {
        let group = from..anchor_old;
        let count = anchor_new - pairs.len();
        if group.is_empty() {
            // Words without a counterpart belong to the word before, at the start to the one behind.
            let neighbour = from.saturating_sub(1).min(old.len() - 1);
            pairs.extend((0..count).map(|_| neighbour..neighbour + 1));
        } else if count > 0 {
            let weights: Vec<usize> = old[group.clone()].iter().map(|word| weight(word)).collect();
            pairs.extend(share(&weights, count).into_iter().map(|part| from + part.start..from + part.end));
        }
        if anchor_old < old.len() {
            pairs.push(anchor_old..anchor_old + 1);
            from = anchor_old + 1;
        }
    }
    pairs
}

/// Shares `weights.len()` things out among `count` takers in order: each taker gets a range of at least one thing, and
/// no thing is left out. Of fewer things than takers, each goes to several takers, the heavy ones to more.
pub(super) fn share(weights: &[usize], count: usize) -> Vec<Range<usize>> {
    let things = weights.len();
    if things >= count {
        let bounds = bounds(&vec![1; count], things);
        return bounds.windows(2).map(|pair| pair[0]..pair[1]).collect();
    }
    let bounds = bounds(weights, count);
    let takers = bounds.windows(2).enumerate();
    takers.flat_map(|(thing, pair)| (pair[0]..pair[1]).map(move |_| thing..thing + 1)).collect()
}

/// Cuts `total` units, no fewer than there are weights, into pieces in proportion to the weights, none of them empty:
/// the bounds of the pieces, 0 and `total` included.
pub(super) fn bounds(weights: &[usize], total: usize) -> Vec<usize> {
    let sum = weights.iter().sum::<usize>().max(1);
    let mut bounds = vec![0];
    let (mut before, mut last) = (0, 0);
    for (index, weight) in weights.iter().enumerate() {
        before += weight;
        let left = weights.len() - index - 1;
        last = ((2 * before * total + sum) / (2 * sum)).min(total.saturating_sub(left)).max(last + 1);
        bounds.push(last);
    }
    if let Some(end) = bounds.last_mut() {
        *end = total;
    }
    bounds
}

/// Letters and digits of a word, at least 1.
fn weight(word: &str) -> usize {
    word.chars().filter(|character| character.is_alphanumeric()).count().max(1)
}

/// The longest list of equal words, as places in both texts, both in order.
fn anchors(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    let key = |word: &&str| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let (old, new): (Vec<String>, Vec<String>) = (old.iter().map(key).collect(), new.iter().map(key).collect());
    let equal = |i: usize, j: usize| !old[i].is_empty() && old[i] == new[j];
    // longest[i][j]: how many words the texts from i and from j on have in common.
    let mut longest = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let skip = longest[i + 1][j].max(longest[i][j + 1]);
            longest[i][j] = if equal(i, j) { skip.max(longest[i + 1][j + 1] + 1) } else { skip };
        }
    }
    let (mut i, mut j, mut anchors) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if equal(i, j) && longest[i][j] == longest[i + 1][j + 1] + 1 {
            anchors.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(old: &str, new: &str, expected: &[Range<usize>]) {
        let (old, new): (Vec<_>, Vec<_>) = (old.split(' ').collect(), new.split(' ').collect());
        assert_eq!(pair(&old, &new), expected, "{old:?} and {new:?}");
    }

    #[test]
    fn equal_words_are_fixed_and_the_others_shared_out() {
        check("at 5:30 pm", "at five thirty PM", &[0..1, 1..2, 1..2, 2..3]);
        check("$2.5 million", "two point five million dollars", &[0..1, 0..1, 0..1, 1..2, 1..2]);
        check("12 b", "one two b", &[0..1, 0..1, 1..2]);
        check("a b c d", "x y", &[0..2, 2..4]);
        check("b", "a b", &[0..1, 0..1]);
    }

    proptest! {
        #[test]
        fn every_word_has_a_counterpart_and_none_goes_back(
            old in prop::collection::vec("[ab1]{0,2}", 1..8),
            new in prop::collection::vec("[ab1]{0,2}", 0..12),
        ) {
            let (old, new): (Vec<_>, Vec<_>) =
                (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
            let pairs = pair(&old, &new);
            prop_assert_eq!(pairs.len(), new.len());
            prop_assert!(pairs.iter().all(|pair| pair.start < pair.end && pair.end <= old.len()), "{:?}", pairs);
            for two in pairs.windows(2) {
                prop_assert!(two[0].start <= two[1].start && two[0].end <= two[1].end, "{:?}", pairs);
            }
        }

        #[test]
        fn nothing_is_left_out_when_shared(weights in prop::collection::vec(1_usize..20, 1..9), count in 1_usize..30) {
            let parts = share(&weights, count);
            prop_assert_eq!(parts.len(), count);
            prop_assert!(parts[0].start == 0 && parts[count - 1].end == weights.len());
            prop_assert!(parts.windows(2).all(|two| two[0].end >= two[1].start && two[0].start <= two[1].start));
        }
    }
}
