//! The front matter: flat `key: value`, known keys only.

use std::ops::Range;

use super::report::{Report, quoted};
use super::rows::Row;
use crate::scope::diagnostics::nearest;
use crate::scope::{Front, Outside};
use crate::time::Date;

/// The keys, in the order in which they are printed.
pub const FRONT_KEYS: [&str; 6] = ["agent", "owner", "backup-owner", "workflow", "review-by", "outside"];
/// At most this many bytes in a value.
pub const MAX_FRONT_VALUE: usize = 200;

/// Reads the front matter; gives it back with the number of rows that it took.
pub(super) fn read(report: &mut Report<'_>, rows: &[Row]) -> (Front, usize) {
    let mut front = Front::default();
    let fence = |row: &Row, report: &Report<'_>| report.slice(&row.bytes) == "---";
    let Some(first) = rows.first().filter(|row| fence(row, report)) else {
        let help = "start with `---`, `agent: …`, `owner: …`, `---`, each on a line of its own";
        report.error("missing-front-matter", 0..0, "the document does not start with front matter", help);
        return (front, 0);
    };
    let end = rows.iter().skip(1).position(|row| fence(row, report)).map(|at| at + 1);
    let (body, taken) = match end {
        Some(end) => (rows.get(1..end), end + 1),
        None => {
            report.error(
                "unclosed-front-matter",
                first.bytes.clone(),
                "front matter that is not closed",
                "put `---` on a line of its own after the last key",
            );
            let end = rows.iter().skip(1).position(|row| !is_pair(report.slice(&row.bytes)));
            let end = end.map_or(rows.len(), |at| at + 1);
            (rows.get(1..end), end)
        }
    };
    // A renderer takes the two for a rule, and shows the keys as text.
    if body.and_then(|body| body.first()).is_some_and(|row| row.bytes.is_empty()) {
        let help = "put the first key directly under it";
        report.error("bad-front-matter", first.bytes.clone(), "a blank line right after the first `---`", help);
    }
    let mut seen: Vec<&str> = Vec::new();
    for row in body.unwrap_or(&[]) {
        pair(report, row, &mut front, &mut seen);
    }
    for key in ["agent", "owner"] {
        if !seen.contains(&key) {
            let message = format!("the front matter has no `{key}`");
            let help = format!("add a line `{key}: …` between the two `---`");
            report.error("missing-key", first.bytes.clone(), message, help);
        }
    }
    (front, taken)
}

fn is_pair(line: &str) -> bool {
    !line.starts_with('#') && line.contains(':')
}

fn pair<'a>(report: &mut Report<'a>, row: &Row, front: &mut Front, seen: &mut Vec<&'a str>) {
    let line = report.slice(&row.bytes);
    if line.is_empty() {
        return;
    }
    let known = |key: &&str| key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let Some((key, value)) = line.split_once(": ").filter(|(key, _)| known(key)) else {
        let help = "write `key: value`, flat, one a line, with a space after the colon and no comments";
        report.error("bad-front-matter", row.bytes.clone(), format!("{} is no `key: value`", quoted(line)), help);
        return;
    };
    let key_bytes = row.bytes.start..row.bytes.start + key.len();
    if !FRONT_KEYS.contains(&key) {
        let help = match nearest(key, FRONT_KEYS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the keys are {}", FRONT_KEYS.map(|key| format!("`{key}`")).join(", ")),
        };
        report.error("unknown-key", key_bytes, format!("{} is no key of the front matter", quoted(key)), help);
        return;
    }
    if seen.contains(&key) {
        report.error("repeated-key", key_bytes, format!("`{key}` stands twice"), "keep one of the two lines");
        return;
    }
    seen.push(key);
    let value = value.trim_matches(' ');
    let bytes = row.bytes.end - value.len()..row.bytes.end;
    if is_plain_value(report, key, value, &bytes) {
        set(report, front, key, value, bytes);
    }
}

/// Other readers take the front matter for YAML; a value they would read differently is an error.
fn is_plain_value(report: &mut Report<'_>, key: &str, value: &str, bytes: &Range<usize>) -> bool {
    let odd_start = value.starts_with(|c: char| "\"'[]{}>|*&!%@#,?:-`~=".contains(c));
    let wrong = if value.len() > MAX_FRONT_VALUE {
        format!("the value of `{key}` is longer than {MAX_FRONT_VALUE} bytes")
    } else if value.is_empty() || odd_start || value.contains(" #") || value.contains(": ") || value.ends_with(':') {
        format!("{} is not a plain value for `{key}`", quoted(value))
    } else {
        return true;
    };
    let help = "write the value as it is: no quotes, brackets or comments";
    report.error("bad-value", bytes.clone(), wrong, help);
    false
}

fn set(report: &mut Report<'_>, front: &mut Front, key: &str, value: &str, bytes: Range<usize>) {
    let name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let wrong = match key {
        "agent" if value.len() > 64 || !value.chars().all(name) => {
            Some("an agent's name is at most 64 letters, digits, `-`, `_` and `.`")
        }
        "agent" => {
            value.clone_into(&mut front.agent);
            None
        }
        "owner" | "backup-owner" if value.contains(' ') => {
            Some("name one person as in `ambit.toml`, such as `dana.ortiz@acme.example`")
        }
        "owner" => {
            value.clone_into(&mut front.owner);
            None
        }
        "backup-owner" => {
            front.backup_owner = Some(value.to_owned());
            None
        }
        "workflow" => {
            front.workflow = Some(value.to_owned());
            None
        }
        "review-by" => {
            front.review_by = Date::parse(value);
            front.review_by.is_none().then_some("write a day of the calendar as `YYYY-MM-DD`")
        }
        _ => match value {
            "confirm" => None,
            "refuse" => {
                front.outside = Outside::Refuse;
                None
            }
            _ => Some("write `outside: confirm` or `outside: refuse`"),
        },
    };
    if let Some(help) = wrong {
        report.error("bad-value", bytes, format!("{} is no value for `{key}`", quoted(value)), help);
    }
}
