//! Where findings stand, as programs of others want to hear it: a path from the top of the work tree, and columns in
//! units of UTF-16 or in characters.

use std::path::{Path, PathBuf};

use super::{Findings, floor};
use ambit_core::scope::Span;

/// A document's path from the top of the work tree that it lies in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// It lies below; its parts.
    Below(Vec<String>),
    /// It lies elsewhere, or there is no work tree: its path, from the root where that can be said.
    Elsewhere(String),
}

/// The top of the work tree around the working directory: the nearest directory upward in which `.git` stands, or else
/// the working directory itself.
#[must_use]
pub fn top() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?.canonicalize().ok()?;
    let top = here.ancestors().find(|directory| directory.join(".git").exists());
    Some(top.unwrap_or(&here).to_owned())
}

/// Where a document of findings lies, seen from there.
#[must_use]
pub fn document(file: &str, top: Option<&Path>) -> Document {
    let absolute = real(Path::new(file));
    let below = top.and_then(|top| absolute.as_deref()?.strip_prefix(top).ok().map(Path::to_owned));
    match below {
        Some(below) => Document::Below(below.iter().map(|part| part.to_string_lossy().into_owned()).collect()),
        None => Document::Elsewhere(absolute.map_or_else(|| file.to_owned(), |path| path.display().to_string())),
    }
}

/// The path without links on the way to it; the document itself may be one, or not be there.
fn real(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}

/// A place between two characters, both counted from 1: the line, and the column as units before it on that line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The line.
    pub line: usize,
    /// The column in UTF-16 code units.
    pub utf16: usize,
    /// The column in characters.
    pub characters: usize,
}

/// Where a span begins, and the place right behind its last character. An end of line at its end is not counted in.
#[must_use]
pub fn points(findings: &Findings, at: &Span) -> (Point, Point) {
    let text = findings.text.as_str();
    let start = floor(text, at.bytes.start);
    let end = floor(text, at.bytes.end).max(start);
    let inside = text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
    (point(text, start), point(text, start + inside.len()))
}

fn point(text: &str, at: usize) -> Point {
    let before = text.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    Point {
        line: before.matches('\n').count() + 1,
        utf16: line.encode_utf16().count() + 1,
        characters: line.chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_the_unit_that_is_asked_for() {
        let text = "one\n\u{1f642}ü x\ny\n";
        let findings = Findings { file: "f".into(), text: text.into(), diagnostics: Vec::new() };
        let x = text.find('x').unwrap();
        let (start, end) = points(&findings, &Span { bytes: x..x + 1, line: 2 });
        assert_eq!(start, Point { line: 2, utf16: 5, characters: 4 });
        assert_eq!(end, Point { line: 2, utf16: 6, characters: 5 });
        // With the end of its line, over a line, of no width, and beyond the text.
        let over = |bytes| points(&findings, &Span { bytes, line: 1 });
        assert_eq!(over(x..x + 2), (start, end));
        assert_eq!(over(0..x + 1).1, end);
        assert_eq!(over(4..4).0, over(4..4).1);
        assert_eq!(over(99..99).1, Point { line: 4, utf16: 1, characters: 1 });
    }

    #[test]
    fn a_document_is_named_from_the_top_of_its_work_tree() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        let file = |path: &str| top.join(path).display().to_string();
        let parts = |parts: &[&str]| Document::Below(parts.iter().map(|&part| part.to_owned()).collect());
        assert_eq!(document(&file("a/SCOPE.md"), Some(&top)), parts(&["a", "SCOPE.md"]));
        assert_eq!(document(&file("a/b/../SCOPE.md"), Some(&top)), parts(&["a", "SCOPE.md"]));
        assert_eq!(document(&file("SCOPE.md"), Some(&top.join("a"))), Document::Elsewhere(file("SCOPE.md")));
        assert_eq!(document("no/such/SCOPE.md", None), Document::Elsewhere("no/such/SCOPE.md".into()));
    }
}
