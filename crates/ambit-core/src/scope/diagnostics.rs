//! What can be wrong with a document. Every kind has a kebab-case name that is also its anchor in the docs; reading and
//! compiling collect these and never fail.

use serde::Serialize;

use super::Span;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// The document compiles, but it is not ready to be released.
    NotReady,
    /// The document is not a policy.
    Error,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kebab-case name, such as `unknown-heading`.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub at: Span,
    /// What is wrong: lowercase, no full stop, the person's own text in backticks.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Diagnostic {
    /// An error.
    #[must_use]
    pub fn error(name: &'static str, at: Span, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
        Diagnostic { name, severity: Severity::Error, at, message: message.into(), help: help.into() }
    }

    /// Something that keeps a scope from being ready.
    #[must_use]
    pub fn not_ready(name: &'static str, at: Span, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
        Diagnostic { name, severity: Severity::NotReady, at, message: message.into(), help: help.into() }
    }

    /// Something worth knowing.
    #[must_use]
    pub fn note(name: &'static str, at: Span, message: impl Into<String>, help: impl Into<String>) -> Diagnostic {
        Diagnostic { name, severity: Severity::Note, at, message: message.into(), help: help.into() }
    }
}

/// The nearest of `known` to what was written, where it is near enough to be a slip: at most a third of its letters
/// differ (Damerau-Levenshtein), ignoring case.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = written.to_lowercase().chars().take(200).collect();
    known
        .into_iter()
        .map(|candidate| {
            let letters: Vec<char> = candidate.to_lowercase().chars().take(200).collect();
            (distance(&written, &letters), letters.len().max(written.len()), candidate)
        })
        .filter(|(distance, length, _)| *distance * 3 <= *length)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, candidate)| candidate)
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let known = ["It can read", "It can write", "A human must confirm", "It cannot touch"];
        assert_eq!(nearest("It can raed", known), Some("It can read"));
        assert_eq!(nearest("it cannot tuch", known), Some("It cannot touch"));
        assert_eq!(nearest("Background", known), None);
    }
}
