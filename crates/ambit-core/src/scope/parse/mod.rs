//! Text to tree. Never fails: it reports.
//!
//! `rows` says what each line of the page is, `front` and `body` what stands where, `inline` what a renderer would show
//! of it, `token`, `line`, `predicate` and `clause` what a bullet says. The language is `docs/reference/scope.md`.

mod block;
mod body;
pub(in crate::scope) mod characters;
pub(in crate::scope) mod clause;
pub(in crate::scope) mod cursor;
mod front;
mod heading;
pub(in crate::scope) mod inline;
mod line;
mod names;
mod predicate;
mod report;
mod rows;
mod scenario;
mod token;

pub use body::{MAX_BULLET_BYTES, MAX_BULLETS};
pub use clause::CLAUSE_WORDS;
pub use cursor::{MAX_NAME, RESERVED};
pub use front::{FRONT_KEYS, MAX_FRONT_VALUE};
pub use line::{MAX_JOINED, MAX_LISTED};
pub use names::PARSE_FINDINGS;
pub use predicate::MAX_PATH_STEPS;
pub use report::MAX_FINDINGS;
pub use rows::{MAX_LINE_BYTES, MAX_LINES};
pub use scenario::{COLUMNS, MAX_SCENARIOS};

use report::Report;
use rows::Row;

use super::diagnostics::{Diagnostic, Severity};
use super::{Document, InTask, Line, Scenario, Section};

/// At most this many bytes in a document.
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// What was read: as much of the document as could be told, and everything that is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The tree. With an error among the diagnostics it is what could be told, and no policy.
    pub document: Document,
    /// In the order of the document.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether the document can be compiled: nothing in it is an error.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        is_sound(&self.diagnostics)
    }
}

fn is_sound(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().all(|finding| finding.severity != Severity::Error)
}

/// Reads a SCOPE.md from bytes as they lie on disk. Total: any bytes give a result.
#[must_use]
pub fn parse_bytes(bytes: &[u8]) -> Parsed {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(error) => {
            let good = error.valid_up_to();
            let text = bytes.get(..good).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or("");
            let mut report = Report::new(text);
            let message = format!("byte {good} is not part of UTF-8 text");
            report.error("not-utf8", good..good, message, "save the file as UTF-8");
            Parsed { document: Document::default(), diagnostics: report.finish() }
        }
    }
}

/// Reads a SCOPE.md. Never fails and never panics; reports everything it finds.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut report = Report::new(text);
    let Some(rows) = open(&mut report) else {
        return Parsed { document: Document::default(), diagnostics: report.finish() };
    };
    let (front, taken) = front::read(&mut report, &rows);
    let document = Document { front, ..Document::default() };
    let document = body::read(&mut report, rows.get(taken..).unwrap_or(&[]), document);
    scenario::too_many(&mut report, &document.scenarios);
    canonical_fits(&mut report, &document);
    Parsed { document, diagnostics: report.finish() }
}

/// Reads a `*.scenarios.md`: running text and tables of scenarios.
#[must_use]
pub fn parse_scenarios(text: &str) -> (Vec<Scenario>, Vec<Diagnostic>) {
    let mut report = Report::new(text);
    let scenarios = match open(&mut report) {
        Some(rows) => scenario::document(&mut report, &rows),
        None => Vec::new(),
    };
    (scenarios, report.finish())
}

/// Reads one line of a section, without its dash. Its place is within `text`.
#[must_use]
pub fn parse_line(section: Section, text: &str) -> (Option<Line>, Vec<Diagnostic>) {
    let mut report = Report::new(text);
    let mut line = None;
    if text.len() > MAX_BULLET_BYTES || text.contains('\n') {
        let message = format!("a line of more than {MAX_BULLET_BYTES} bytes, or several lines");
        report.error("line-too-long", 0..0, message, "write one line of the scope");
    } else {
        characters::check(&mut report);
        let whole = 0..text.len();
        if let Some(fault) = rows::nested_fault(&report, &whole) {
            report.error(fault.name, whole.clone(), fault.message, fault.help);
        }
        let inline = inline::read(&mut report, &[whole]);
        line = line::read(&mut report, section, &inline);
    }
    (line, report.finish())
}

/// Reads the cell *in task* of a scenario: `name`, or `name (fact = value, fact = value)`. `parse` has done so already for
/// every cell of a sound document.
///
/// # Errors
/// Everything that is wrong with the cell, with places within it.
pub fn parse_in_task(cell: &str) -> Result<InTask, Vec<Diagnostic>> {
    let mut report = Report::new(cell);
    let placed: Vec<(usize, char)> = cell.char_indices().collect();
    let inline = inline::verbatim(&placed, 0..cell.len());
    match scenario::in_task(&mut report, &inline) {
        Some(task) if !report.has_error() => Ok(task),
        _ => Err(report.finish()),
    }
}

/// The rows of a document within its bounds.
fn open(report: &mut Report<'_>) -> Option<Vec<Row>> {
    let size = report.source().len();
    if size > MAX_DOCUMENT_BYTES {
        let message = format!("a document of {size} bytes; at most {MAX_DOCUMENT_BYTES} are read");
        report.error(
            "document-too-large",
            0..0,
            message,
            "divide the work between several agents, each with its scope",
        );
        return None;
    }
    characters::check(report);
    // A byte order mark is reported already; the document behind it can still be read.
    let start = if report.source().starts_with('\u{feff}') { 3 } else { 0 };
    let rows = rows::rows(report, start);
    if let Some(row) = rows.get(MAX_LINES) {
        let message = format!("a document of {} lines; at most {MAX_LINES} are read", rows.len());
        let help = "divide the work between several agents, each with its scope";
        report.error("document-too-large", row.bytes.clone(), message, help);
        return None;
    }
    Some(rows)
}

/// The canonical text of what is accepted must be accepted too, so what is too long in its canonical form is too long.
/// The form has at most 4 times the bytes of a bullet, 32 times those of a table, and twice the lines of a document.
fn canonical_fits(report: &mut Report<'_>, document: &Document) {
    let source = report.source();
    if report.has_error() {
        return;
    }
    for line in document.lines.iter().filter(|line| line.text.len() > MAX_BULLET_BYTES / 4) {
        if super::print::print_line(line).len() > MAX_BULLET_BYTES {
            let message = format!("a bullet of more than {MAX_BULLET_BYTES} bytes in its canonical form");
            let help = "write several lines, or keep the values in a list of `ambit.toml`";
            report.error("line-too-long", line.at.bytes.clone(), message, help);
        }
    }
    if source.len() < MAX_DOCUMENT_BYTES / 32 && source.lines().count() < MAX_LINES / 2 {
        return;
    }
    let canonical = super::print::print(document);
    let long = canonical.lines().any(|line| line.len() > MAX_LINE_BYTES);
    if long || canonical.len() > MAX_DOCUMENT_BYTES || canonical.lines().count() > MAX_LINES {
        let message = "the document is too large once it is written in canonical form";
        report.error("document-too-large", 0..0, message, "say less, or divide it between several agents");
    }
}
