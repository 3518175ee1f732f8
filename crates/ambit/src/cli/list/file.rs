//! The file of a list, changed by hand of the machine: comments, order and line ends stay.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use crate::snapshot::members_of;

/// The text with those members as well, each at the end, unless it stands there.
#[must_use]
pub fn with(text: &str, values: &BTreeSet<String>) -> String {
    let there: BTreeSet<&str> = members_of(text).into_iter().collect();
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut text_now = text.to_owned();
    for value in values.iter().filter(|value| !there.contains(value.as_str())) {
        if !text_now.is_empty() && !text_now.ends_with('\n') {
            text_now.push_str(end);
        }
        text_now.push_str(value);
        text_now.push_str(end);
    }
    text_now
}

/// The text without the lines of those members.
#[must_use]
pub fn without(text: &str, values: &BTreeSet<String>) -> String {
    let stays = |line: &&str| !members_of(line).first().is_some_and(|member| values.contains(*member));
    text.split_inclusive('\n').filter(stays).collect()
}

/// Writes the file whole or not at all, with the permissions that it had.
///
/// # Errors
/// When it cannot be written; it is as it was then.
pub fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    // Where the file is a link, what it leads to is replaced, and not the link.
    let path = std::fs::canonicalize(path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let mut file = std::fs::File::create(&beside)?;
    file.set_permissions(std::fs::metadata(&path)?.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, &path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn comments_order_and_line_ends_stay() {
        let text = "# ours\nb.example\n\n# new in May\na.example\n";
        assert_eq!(with(text, &set(&["c.example", "a.example"])), format!("{text}c.example\n"));
        assert_eq!(without(text, &set(&["b.example"])), "# ours\n\n# new in May\na.example\n");
        assert_eq!(with("", &set(&["a"])), "a\n");
        assert_eq!(with("a", &set(&["b"])), "a\nb\n");
        assert_eq!(with("a\r\nb\r\n", &set(&["c"])), "a\r\nb\r\nc\r\n");
        assert_eq!(without("a\r\nb", &set(&["b"])), "a\r\n");
        // A comment that names it is no member.
        assert_eq!(without("# a\na\n", &set(&["a"])), "# a\n");
    }

    proptest! {
        #[test]
        fn what_is_put_on_and_taken_off_again_leaves_the_members_as_they_were(
            lines in proptest::collection::vec("(#?[ab]{0,2})", 0..6),
            values in proptest::collection::btree_set("[abc]{1,2}", 1..4),
        ) {
            let text = lines.join("\n");
            let members = |text: &str| members_of(text).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
            let (before, more) = (members(&text), with(&text, &values));
            prop_assert_eq!(members(&more), before.union(&values).cloned().collect::<BTreeSet<_>>());
            let fewer = without(&more, &values);
            prop_assert_eq!(members(&fewer), before.difference(&values).cloned().collect::<BTreeSet<_>>());
            let comments = |text: &str| text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(comments(&fewer), comments(&text));
            prop_assert_eq!(with(&more, &values), more);
        }
    }
}
