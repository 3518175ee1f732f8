//! Findings as workflow commands of GitHub Actions, which shows them beside the lines that they are about.
//!
//! A command is one line, `::error file=…,line=…::message`. What would end a property, the properties or the line is
//! written `%XX`, as `@actions/core` does it; so nothing that stands in a document or a path can become a command.

use std::path::Path;

use ambit_core::scope::diagnostics::{Diagnostic, Severity};

use super::place::{Document, document, points};
use super::{Findings, escape};

/// The findings as commands, a line each. Paths are seen from `top`, the top of the work tree.
#[must_use]
pub fn commands(all: &[Findings], top: Option<&Path>) -> String {
    let mut out = String::new();
    for findings in all {
        let file = match document(&findings.file, top) {
            Document::Below(parts) => parts.join("/"),
            Document::Elsewhere(path) => path,
        };
        for diagnostic in &findings.diagnostics {
            out.push_str(&command(findings, diagnostic, &file));
            out.push('\n');
        }
    }
    out
}

fn command(findings: &Findings, diagnostic: &Diagnostic, file: &str) -> String {
    let word = match diagnostic.severity {
        Severity::Error => "error",
        Severity::NotReady => "warning",
        Severity::Note => "notice",
    };
    let (start, end) = points(findings, &diagnostic.at);
    let mut place = format!("file={},line={},endLine={}", property(&escape(file)), start.line, end.line);
    // Columns are taken only where the lines are the same.
    if start.line == end.line {
        place.push_str(&format!(",col={},endColumn={}", start.characters, end.characters));
    }
    let title = property(diagnostic.name);
    let message = data(&format!("{}\nhelp: {}", escape(&diagnostic.message), escape(&diagnostic.help)));
    format!("::{word} {place},title={title}::{message}")
}

/// Text as the message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text as the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use ambit_core::scope::Span;

    use super::*;

    fn findings(file: &str, message: &str, help: &str) -> Findings {
        let diagnostic = Diagnostic::error("a-name", Span { bytes: 4..7, line: 2 }, message, help);
        Findings { file: file.into(), text: "one\ntwo\n".into(), diagnostics: vec![diagnostic] }
    }

    #[test]
    fn a_finding_is_a_command_with_its_place() {
        let mut found = findings("SCOPE.md", "`two`: 100% wrong", "write `2`, or nothing");
        let at = Span { bytes: 0..7, line: 1 };
        found.diagnostics.push(Diagnostic::not_ready("b", at.clone(), "m", "h"));
        found.diagnostics.push(Diagnostic::note("c", at, "m", "h"));
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        insta::assert_snapshot!(commands(&[found], Some(&here)), @"
        ::error file=SCOPE.md,line=2,endLine=2,col=1,endColumn=4,title=a-name::`two`: 100%25 wrong%0Ahelp: write `2`, or nothing
        ::warning file=SCOPE.md,line=1,endLine=2,title=b::m%0Ahelp: h
        ::notice file=SCOPE.md,line=1,endLine=2,title=c::m%0Ahelp: h
        ");
    }

    /// A line as the runner reads it: the command, its properties, its message, all put back as they were.
    fn read(line: &str) -> (String, Vec<(String, String)>, String) {
        let rest = line.trim_start().strip_prefix("::").unwrap();
        let (head, message) = rest.split_once("::").unwrap();
        let (word, properties) = head.split_once(' ').unwrap();
        let back = |text: &str| {
            text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
        };
        let properties = properties.split(',').map(|pair| pair.split_once('=').unwrap());
        let properties = properties.map(|(name, value)| (name.to_owned(), back(value))).collect();
        (word.to_owned(), properties, back(message))
    }

    #[test]
    fn nothing_hostile_becomes_a_command_of_its_own() {
        for hostile in [
            "x\n::add-mask::a",
            "x\r\n::stop-commands::a",
            "x::error::y",
            "a,line=99,title=b::c",
            "%0A::set-output name=a::b",
            "\u{2028}::error::x\u{85}::error::y",
            "::error file=a::b",
        ] {
            let out = commands(&[findings(hostile, hostile, hostile)], None);
            assert_eq!(out.matches('\n').count(), 1, "{out:?}");
            assert!(!out.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{2028}')), "{out:?}");
            let (word, properties, message) = read(out.trim_end());
            assert_eq!(word, "error");
            let names: Vec<&str> = properties.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["file", "line", "endLine", "col", "endColumn", "title"]);
            assert!(properties[0].1.ends_with(&escape(hostile)), "{properties:?}");
            assert_eq!((properties[1].1.as_str(), properties[5].1.as_str()), ("2", "a-name"));
            assert_eq!(message, format!("{}\nhelp: {}", escape(hostile), escape(hostile)));
        }
    }
}
