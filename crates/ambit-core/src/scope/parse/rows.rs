//! The lines of a document, each by what it is on the page.

use std::ops::Range;

use super::report::Report;

/// At most this many lines in a document.
pub const MAX_LINES: usize = 8_192;
/// At most this many bytes in a line.
pub const MAX_LINE_BYTES: usize = 32_768;

/// One line of the document, without its newline and without spaces at its end.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Where it stands.
    pub(super) bytes: Range<usize>,
    /// What it is.
    pub(super) shape: Shape,
}

/// What a line is. The ranges are what follows the mark, in bytes of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing.
    Blank,
    /// `#` to `######`.
    Heading(usize, Range<usize>),
    /// `- text`.
    Bullet(Range<usize>),
    /// Text indented by exactly two spaces: a bullet going on.
    Continuation(Range<usize>),
    /// `> text`, `>text`, or `>` alone.
    Quote(Range<usize>),
    /// Starts with `|`.
    TableRow,
    /// Anything else that a renderer shows as it stands.
    Prose,
    /// Something this language does not have.
    Fault(Fault),
}

/// Something of Markdown that a scope does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) message: &'static str,
    pub(super) help: &'static str,
}

const INDENTED: Fault = Fault {
    name: "indented-text",
    message: "indented text that belongs to no bullet, or by another width than two spaces",
    help: "start the line at the margin; a bullet goes on in the next line with exactly two spaces",
};
const CODE: Fault = Fault {
    name: "code-block",
    message: "a code block",
    help: "write plain text, or a code span between single backticks",
};
const RULE: Fault = Fault {
    name: "thematic-break",
    message: "a rule across the page",
    help: "delete the line; headings divide a scope",
};
const SETEXT: Fault = Fault {
    name: "setext-heading",
    message: "an underline, which makes a heading of the line above",
    help: "write headings as `## Title`",
};
const ORDERED: Fault = Fault {
    name: "ordered-list",
    message: "a numbered list",
    help: "start each line of a section with `- `; in running text, move the number away from the start of the line",
};
const MARKER: Fault =
    Fault { name: "bullet-marker", message: "a bullet that is not written `- `", help: "start the bullet with `- `" };
const TABLE: Fault = Fault {
    name: "stray-table",
    message: "a line that draws a table",
    help: "tables stand under `## Scenarios`, each row between `|` and `|`",
};
const EMPTY: Fault =
    Fault { name: "empty-bullet", message: "a bullet with nothing in it", help: "write `- nothing` or delete it" };
pub(super) const HASHES: Fault = Fault {
    name: "unknown-heading",
    message: "hashes that make no heading",
    help: "put a space after the hashes, as in `## It can read`",
};

/// Splits the document after `start` into rows. `\r\n` ends a line as `\n` does.
pub(super) fn rows(report: &mut Report<'_>, start: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut at = start;
    let text = report.source().get(start..).unwrap_or("");
    for line in text.split_inclusive('\n') {
        let content = line.strip_suffix('\n').map_or(line, |text| text.strip_suffix('\r').unwrap_or(text));
        let trimmed = content.trim_end_matches(' ');
        let bytes = at..at + trimmed.len();
        if content.len() > MAX_LINE_BYTES {
            let message = format!("a line of {} bytes; at most {MAX_LINE_BYTES} are read", content.len());
            report.error("line-too-long", bytes.clone(), message, "break the line, or say less in it");
        }
        if !trimmed.is_empty() && content.len() >= trimmed.len() + 2 {
            let bytes = bytes.end..at + content.len();
            let help = "delete the spaces at the end of the line";
            report.error("renders-differently", bytes, "two spaces at the end of a line break it", help);
        }
        rows.push(Row { shape: shape(trimmed, at), bytes });
        at += line.len();
    }
    rows
}

fn shape(line: &str, start: usize) -> Shape {
    let rest = line.trim_start_matches(' ');
    let indent = line.len() - rest.len();
    let here = start + indent..start + line.len();
    match indent {
        _ if rest.is_empty() => Shape::Blank,
        0 => at_margin(rest, start),
        2 => Shape::Continuation(here),
        _ => Shape::Fault(INDENTED),
    }
}

/// What a text is when it starts a line.
pub(super) fn at_margin(line: &str, start: usize) -> Shape {
    let after = |bytes: usize| start + bytes..start + line.len();
    let all = |marks: &str| line.chars().all(|c| marks.contains(c));
    let ruled = |mark: char| all(&format!("{mark} ")) && line.chars().filter(|c| *c == mark).count() >= 3;
    let first = line.chars().next().unwrap_or(' ');
    match first {
        '#' => heading(line, start),
        '>' if line.starts_with("> ") => Shape::Quote(after(2)),
        '>' => Shape::Quote(after(1)),
        '|' => Shape::TableRow,
        '-' if line == "-" => Shape::Fault(EMPTY),
        '-' if ruled('-') => Shape::Fault(RULE),
        '-' if line.starts_with("- ") => Shape::Bullet(after(2)),
        '*' | '_' if ruled(first) => Shape::Fault(RULE),
        '*' | '+' if line.len() == 1 || line.get(1..2) == Some(" ") => Shape::Fault(MARKER),
        '=' if all("=") => Shape::Fault(SETEXT),
        '-' if all("-") => Shape::Fault(SETEXT),
        // A fence's first line holds no further backtick; else it is a code span with long marks.
        '`' if line.starts_with("```") && !line.trim_start_matches('`').contains('`') => Shape::Fault(CODE),
        '~' if line.starts_with("~~~") => Shape::Fault(CODE),
        '0'..='9' if is_ordered(line) => Shape::Fault(ORDERED),
        _ if all("-:|= ") => Shape::Fault(TABLE),
        _ => Shape::Prose,
    }
}

fn heading(line: &str, start: usize) -> Shape {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    if level <= 6 && (text.is_empty() || text.starts_with(' ')) {
        let title = text.trim_start_matches(' ');
        return Shape::Heading(level, start + line.len() - title.len()..start + line.len());
    }
    if level == 1 { Shape::Prose } else { Shape::Fault(HASHES) }
}

fn is_ordered(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.len() - rest.len() <= 9
        && rest.strip_prefix(['.', ')']).is_some_and(|after| after.is_empty() || after.starts_with(' '))
}

/// What is wrong with a text that stands inside a bullet or a quote, where only running text may.
pub(super) fn nested_fault(report: &Report<'_>, part: &Range<usize>) -> Option<Fault> {
    let text = report.slice(part);
    if text.starts_with(' ') {
        return Some(INDENTED);
    }
    match at_margin(text, part.start) {
        _ if text.is_empty() => None,
        Shape::Prose => None,
        Shape::Bullet(_) | Shape::Fault(EMPTY | MARKER) => Some(Fault {
            name: "nested-bullet",
            message: "a bullet inside a bullet",
            help: "write each line of the scope as a bullet of its own, at the margin",
        }),
        Shape::Fault(fault) => Some(fault),
        _ => Some(Fault {
            name: "nested-block",
            message: "a heading, a quote or a table inside a bullet or a quote",
            help: "start it at the margin, or write plain text",
        }),
    }
}
