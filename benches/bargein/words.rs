//! How what was understood differs from what was said.

/// Differences of an understood text that the same speech without a disturbance does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// Words that are missing or were understood as others.
    pub(crate) lost: Vec<String>,
    /// Words that were understood twice.
    pub(crate) repeated: Vec<String>,
    /// Words that were not said: pieces of a word, as a rule.
    pub(crate) pieces: Vec<String>,
}

impl Differences {
    /// Compares with each text that the undisturbed speech was understood as; the one that differs least counts.
    pub(crate) fn between(said: &[&str], heard: &str) -> Self {
        let all = said.iter().map(|said| Self::of(&words(said), &words(heard)));
        all.min_by_key(Self::count).unwrap_or_default()
    }

    /// Those that all readings have.
    pub(crate) fn in_all<'a>(mut readings: impl Iterator<Item = &'a Self>) -> Self {
        let mut common = readings.next().cloned().unwrap_or_default();
        for reading in readings {
            common.lost.retain(|word| reading.lost.contains(word));
            common.repeated.retain(|word| reading.repeated.contains(word));
            common.pieces.retain(|word| reading.pieces.contains(word));
        }
        common
    }

    /// All of them.
    pub(crate) fn count(&self) -> usize {
        self.lost.len() + self.repeated.len() + self.pieces.len()
    }

    fn of(said: &[String], heard: &[String]) -> Self {
        let mut differences = Self::default();
        let edits = align(said, heard);
        for (n, edit) in edits.iter().enumerate() {
            let beside = |other: Option<&Edit<'_>>, word: &str| {
                other.is_some_and(|other| matches!(other, Edit::Same(w) | Edit::Added(w) if *w == word))
            };
            match edit {
                Edit::Same(_) => {}
                Edit::Lost(word) => differences.lost.push((*word).to_owned()),
                Edit::Added(word) => {
                    let twice =
                        beside(n.checked_sub(1).and_then(|n| edits.get(n)), word) || beside(edits.get(n + 1), word);
                    let list = if twice { &mut differences.repeated } else { &mut differences.pieces };
                    list.push((*word).to_owned());
                }
            }
        }
        differences
    }
}

/// One step from what was said to what was understood. A word taken for another is lost and added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit<'a> {
    Same(&'a str),
    Lost(&'a str),
    Added(&'a str),
}

/// The shortest way from one text to the other.
fn align<'a>(said: &'a [String], heard: &'a [String]) -> Vec<Edit<'a>> {
    let (rows, columns) = (said.len(), heard.len());
    // Edits needed from each place to the end of both.
    let mut left = vec![vec![0_usize; columns + 1]; rows + 1];
    for row in (0..=rows).rev() {
        for column in (0..=columns).rev() {
            left[row][column] = match (row == rows, column == columns) {
                (true, true) => 0,
                (true, false) => columns - column,
                (false, true) => rows - row,
                (false, false) if said[row] == heard[column] => left[row + 1][column + 1],
                (false, false) => 1 + left[row + 1][column].min(left[row][column + 1]),
            };
        }
    }
    let (mut row, mut column, mut edits) = (0, 0, Vec::new());
    while row < rows || column < columns {
        if row < rows && column < columns && said[row] == heard[column] {
            edits.push(Edit::Same(&said[row]));
            (row, column) = (row + 1, column + 1);
        } else if column == columns || (row < rows && left[row + 1][column] <= left[row][column + 1]) {
            edits.push(Edit::Lost(&said[row]));
            row += 1;
        } else {
            edits.push(Edit::Added(&heard[column]));
            column += 1;
        }
    }
    edits
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .map(|word| word.trim_matches('\'').to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(said: &str, heard: &str) -> [usize; 3] {
        let d = Differences::between(&[said], heard);
        [d.lost.len(), d.repeated.len(), d.pieces.len()]
    }

    #[test]
    fn each_kind_of_difference_is_told() {
        assert_eq!(between("the old lighthouse keeper", "The old lighthouse keeper."), [0, 0, 0]);
        assert_eq!(between("the old lighthouse keeper", "The old keeper."), [1, 0, 0]);
        assert_eq!(between("the old lighthouse keeper", "The old light... lighthouse keeper."), [0, 0, 1]);
        assert_eq!(between("the old lighthouse keeper", "The old lighthouse lighthouse keeper."), [0, 1, 0]);
        assert_eq!(between("the old lighthouse keeper", "The old light how skipper."), [2, 0, 3]);
    }

    #[test]
    fn what_one_reading_has_by_itself_does_not_count() {
        let readings = ["the light keeper", "the old light house", "the old light how skipper"];
        let readings = readings.map(|heard| Differences::between(&["the old lighthouse keeper"], heard));
        let common = Differences::in_all(readings.iter());
        assert_eq!(common.lost, ["lighthouse"]);
        assert_eq!((common.repeated.len(), common.pieces), (0, vec!["light".to_owned()]));
    }

    #[test]
    fn what_undisturbed_speech_is_also_understood_as_does_not_count() {
        let d = Differences::between(&["the old house keeper", "the old house keep her"], "The old house keep her.");
        assert_eq!(d, Differences::default());
    }
}
