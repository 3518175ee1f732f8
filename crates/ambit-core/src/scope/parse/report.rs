//! Where findings are collected while a document is read.

use std::ops::Range;

use super::characters;
use crate::scope::Span;
use crate::scope::diagnostics::{Diagnostic, Severity};

/// At most this many findings are reported for one document; the last then says that there are more.
pub const MAX_FINDINGS: usize = 500;

/// A document being read: where its lines start, and what was found so far.
pub(super) struct Report<'a> {
    source: &'a str,
    starts: Vec<usize>,
    found: Vec<Diagnostic>,
    dropped: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(source: &'a str) -> Report<'a> {
        let starts = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Report { source, starts, found: Vec::new(), dropped: false }
    }

    /// The whole document.
    pub(super) fn source(&self) -> &'a str {
        self.source
    }

    /// The text between two byte offsets; empty when they are not on character boundaries.
    pub(super) fn slice(&self, bytes: &Range<usize>) -> &'a str {
        self.source.get(bytes.clone()).unwrap_or("")
    }

    pub(super) fn span(&self, bytes: Range<usize>) -> Span {
        let line = self.starts.partition_point(|start| *start <= bytes.start);
        Span { line: line.max(1), bytes }
    }

    pub(super) fn error(
        &mut self,
        name: &'static str,
        bytes: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if self.found.len() >= MAX_FINDINGS {
            self.dropped = true;
            return;
        }
        let at = self.span(bytes);
        self.found.push(Diagnostic::error(name, at, message, help));
    }

    /// Whether further findings are dropped: there is nothing left to gain from reading on.
    pub(super) fn is_full(&self) -> bool {
        self.dropped
    }

    /// Whether an error was found so far.
    pub(super) fn has_error(&self) -> bool {
        self.found.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Whether an error was found so far that touches these bytes.
    pub(super) fn has_error_in(&self, bytes: &Range<usize>) -> bool {
        self.found.iter().any(|finding| finding.at.bytes.start < bytes.end && bytes.start < finding.at.bytes.end)
    }

    /// Everything found, in the order of the document.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|finding| (finding.at.bytes.start, finding.at.bytes.end));
        self.found.dedup();
        if self.dropped {
            let at = self.found.last().map(|finding| finding.at.clone()).unwrap_or_default();
            self.found.push(Diagnostic::error(
                "too-many-findings",
                at,
                format!("more than {MAX_FINDINGS} findings; the rest is not shown"),
                "mend these first, then check again",
            ));
        }
        self.found
    }
}

/// A person's own text for a message: in backticks, at most 60 characters, with nothing in it that cannot be seen.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == 60 {
            out.push('…');
            break;
        }
        if characters::may_stand(c) { out.push(c) } else { out.push_str(&format!("\\u{{{:x}}}", u32::from(c))) }
    }
    out.push('`');
    out
}
