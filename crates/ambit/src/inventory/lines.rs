//! The lines that went and came between two texts.

/// Texts with more changed lines than this on both sides are shown as all gone and all new: comparing them costs the
/// product of the two.
const MOST: usize = 1_000;

/// The lines of `before` that are gone, with `- ` before them, and those of `after` that are new, with `+ `, in order.
#[must_use]
pub(super) fn difference(before: &str, after: &str) -> Vec<String> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = before.iter().zip(&after).take_while(|(one, other)| one == other).count();
    let rest = |lines: &[&str]| lines.len().saturating_sub(same);
    let most_end = rest(&before).min(rest(&after));
    let same_end =
        before.iter().rev().zip(after.iter().rev()).take(most_end).take_while(|(one, other)| one == other).count();
    let before = before.get(same..before.len() - same_end).unwrap_or_default();
    let after = after.get(same..after.len() - same_end).unwrap_or_default();
    if before.len() > MOST && after.len() > MOST {
        let gone = before.iter().map(|line| format!("- {line}"));
        return gone.chain(after.iter().map(|line| format!("+ {line}"))).collect();
    }
    let common = common(before, after);
    let mut out = Vec::new();
    let (mut one, mut other) = (0, 0);
    let at = |one: usize, other: usize| common.get(one).and_then(|row| row.get(other)).copied().unwrap_or(0);
    loop {
        match (before.get(one), after.get(other)) {
            (Some(gone), Some(new)) if gone == new => (one, other) = (one + 1, other + 1),
            (Some(gone), Some(_)) if at(one + 1, other) >= at(one, other + 1) => {
                out.push(format!("- {gone}"));
                one += 1;
            }
            (_, Some(new)) => {
                out.push(format!("+ {new}"));
                other += 1;
            }
            (Some(gone), None) => {
                out.push(format!("- {gone}"));
                one += 1;
            }
            (None, None) => return out,
        }
    }
}

/// How many lines the two have in common from each pair of places on.
fn common(before: &[&str], after: &[&str]) -> Vec<Vec<u32>> {
    let mut rows = vec![vec![0; after.len() + 1]];
    for line in before.iter().rev() {
        let mut row = vec![0; after.len() + 1];
        if let Some(below) = rows.last() {
            for place in (0..after.len()).rev() {
                let get = |row: &[u32], place: usize| row.get(place).copied().unwrap_or(0);
                let best = if after.get(place) == Some(line) {
                    get(below, place + 1) + 1
                } else {
                    get(below, place).max(get(&row, place + 1))
                };
                if let Some(cell) = row.get_mut(place) {
                    *cell = best;
                }
            }
        }
        rows.push(row);
    }
    rows.reverse();
    rows
}

#[cfg(test)]
mod tests {
    use super::difference;
    use proptest::prelude::*;

    #[test]
    fn only_what_changed_is_told() {
        let said = difference("a\nb\nc\nd\ne", "a\nx\nc\nd\ny\nz\ne");
        assert_eq!(said, ["- b", "+ x", "+ y", "+ z"]);
        assert!(difference("a\nb", "a\nb").is_empty());
        assert_eq!(difference("", "a"), ["+ a"]);
        assert_eq!(difference("a\na", "a"), ["- a"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn what_went_and_came_accounts_for_every_line(before in "[abc\n]{0,40}", after in "[abc\n]{0,40}") {
            let said = difference(&before, &after);
            let count = |text: &str, line: &str| text.lines().filter(|one| *one == line).count() as i64;
            for line in ["", "a", "b", "ab"] {
                let told = |sign: &str| said.iter().filter(|one| **one == format!("{sign} {line}")).count() as i64;
                prop_assert_eq!(count(&before, line) - told("-") + told("+"), count(&after, line));
            }
        }
    }
}
