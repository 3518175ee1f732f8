//! Findings about documents, said to a person or to a program. The only place that draws carets.

pub mod github;
mod place;
pub mod sarif;

use std::ops::Range;

use ambit_core::scope::Span;
use ambit_core::scope::diagnostics::{Diagnostic, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde::Serialize;

pub use self::place::top;
pub use crate::escape::{escape, escape_lines};

/// A document that was read, and what was found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// The document's name, as the person knows it: a path relative to where they are.
    pub file: String,
    /// Its text; the spans of the diagnostics are bytes of it.
    pub text: String,
    /// What was found.
    pub diagnostics: Vec<Diagnostic>,
}

impl Findings {
    /// The worst of them; `None` when nothing was found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.diagnostics.iter().map(|diagnostic| diagnostic.severity).max()
    }
}

/// The findings for a person: each with its place, a caret and the next step. Styled with ANSI colours, which
/// `anstream` takes out where they do not belong; everything foreign in it is escaped.
#[must_use]
pub fn human(all: &[Findings]) -> String {
    let renderer = Renderer::styled();
    let mut out = String::new();
    for findings in all {
        for diagnostic in &findings.diagnostics {
            let (text, span, first_line) = excerpt(&findings.text, &diagnostic.at);
            let level = match diagnostic.severity {
                Severity::Error => Level::ERROR,
                Severity::NotReady => Level::WARNING.with_name("not ready"),
                Severity::Note => Level::NOTE,
            };
            let title = level.primary_title(escape(&diagnostic.message)).id(diagnostic.name);
            let mut group = Group::with_title(title);
            if findings.text.is_empty() {
                group = group.element(annotate_snippets::Origin::path(escape(&findings.file)));
            } else {
                let snippet = Snippet::source(text).path(escape(&findings.file)).line_start(first_line);
                group = group.element(snippet.annotation(AnnotationKind::Primary.span(span)));
            }
            group = group.element(Level::HELP.message(escape(&diagnostic.help)));
            out.push_str(&renderer.render(&[group]).to_string());
            out.push_str("\n\n");
        }
    }
    out
}

/// One finding for a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding<'a> {
    /// The document.
    pub file: &'a str,
    /// The line it starts on, from 1.
    pub line: usize,
    /// The character of that line it starts at, from 1.
    pub column: usize,
    /// Its bytes in the document: where it starts.
    pub start: usize,
    /// And where it ends.
    pub end: usize,
    /// Its kebab-case name, also its anchor in the reference.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: &'a str,
    /// What to do about it.
    pub help: &'a str,
}

/// The findings for a program, in the order found.
#[must_use]
pub fn plain(all: &[Findings]) -> Vec<Finding<'_>> {
    all.iter().flat_map(|findings| findings.diagnostics.iter().map(move |one| finding(findings, one))).collect()
}

fn finding<'a>(findings: &'a Findings, diagnostic: &'a Diagnostic) -> Finding<'a> {
    let text = findings.text.as_str();
    let start = floor(text, diagnostic.at.bytes.start);
    let line_start = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    Finding {
        file: &findings.file,
        line: diagnostic.at.line,
        column: text.get(line_start..start).map_or(0, |before| before.chars().count()) + 1,
        start: diagnostic.at.bytes.start,
        end: diagnostic.at.bytes.end,
        name: diagnostic.name,
        severity: diagnostic.severity,
        message: &diagnostic.message,
        help: &diagnostic.help,
    }
}

/// The lines that a span touches (at most four of them), escaped; the span within them; the number of the first.
fn excerpt(text: &str, at: &Span) -> (String, Range<usize>, usize) {
    let start = floor(text, at.bytes.start);
    let end = floor(text, at.bytes.end).max(start);
    let from = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let shown = text.get(from..).unwrap_or_default();
    let mut to = from;
    for line in shown.split_inclusive('\n').take(4) {
        to += line.len();
        if to >= end {
            break;
        }
    }
    let end = end.min(to);
    let piece = |range: Range<usize>| escape_lines(text.get(range).unwrap_or_default());
    let (before, inside, after) = (piece(from..start), piece(start..end), piece(end..to));
    let span = before.len()..before.len() + inside.trim_end_matches('\n').len();
    // The line is counted here, so that a span with a wrong line cannot point elsewhere than it says.
    let first_line = text.get(..from).map_or(1, |before| before.matches('\n').count() + 1);
    (format!("{before}{inside}{after}"), span, first_line)
}

/// The nearest character boundary at or below that byte.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, bytes: Range<usize>, message: &str) -> String {
        let diagnostic = Diagnostic::error("a-name", Span { bytes, line: 1 }, message, "do this");
        let findings = Findings { file: "ambit.toml".into(), text: text.into(), diagnostics: vec![diagnostic] };
        anstream::adapter::strip_str(&human(&[findings])).to_string()
    }

    #[test]
    fn a_finding_has_its_place_a_caret_and_the_next_step() {
        insta::assert_snapshot!(shown("one\ntwo three\nfour\n", 8..13, "`three` is wrong"), @r"
        error[a-name]: `three` is wrong
         --> ambit.toml:2:5
          |
        2 | two three
          |     ^^^^^
          |
          = help: do this
        ");
    }

    #[test]
    fn what_was_written_cannot_reach_the_terminal() {
        let out = shown("a = \"\u{1b}[31m\u{202e}\u{200b}x\"\n", 4..15, "`\u{1b}]0;x\u{7}` is wrong");
        assert!(!out.chars().any(|c| c != '\n' && (c.is_control() || crate::escape::is_hidden(c))), "{out:?}");
        assert!(out.contains(r#"a = "\u{1b}[31m\u{202e}\u{200b}x""#), "{out}");
    }

    #[test]
    fn a_span_beyond_the_text_or_inside_a_character_is_shown_where_it_can_be() {
        for (text, bytes) in [("", 0..0), ("ü", 1..2), ("ab", 5..9), ("a\n", 2..2), ("a\nb\nc\nd\ne\nf\n", 0..12)] {
            assert!(shown(text, bytes, "m").contains("do this"));
        }
    }

    #[test]
    fn a_program_gets_line_and_column() {
        let diagnostic = Diagnostic::note("a-name", Span { bytes: 7..8, line: 2 }, "m", "h");
        let findings = Findings { file: "f".into(), text: "one\nüb x\n".into(), diagnostics: vec![diagnostic] };
        let all = [findings];
        let plain = plain(&all);
        assert_eq!((plain[0].line, plain[0].column), (2, 3));
    }
}
