//! Blocks of lines: remarks, paragraphs, and what stands between them.

use std::ops::Range;

use super::report::Report;
use super::rows::{Row, Shape, nested_fault};

/// Reports a block that renderers take for a part of the one above it.
pub(super) fn missing_blank(report: &mut Report<'_>, bytes: Range<usize>) {
    let help = "put an empty line before it";
    report.error("missing-blank-line", bytes, "renderers take this line for a part of the block above it", help);
}

/// How many rows from `at` on have a shape like that.
pub(super) fn rows_while(rows: &[Row], at: usize, like: impl Fn(&Shape) -> bool) -> usize {
    rows.iter().skip(at).take_while(|row| like(&row.shape)).count()
}

/// The paragraphs of a block quote, how many rows it takes, and its text without the marks.
pub(super) fn quote_lines(report: &mut Report<'_>, rows: &[Row], at: usize) -> (Vec<Vec<Range<usize>>>, usize, String) {
    let mut paragraphs = vec![Vec::new()];
    let mut text: Vec<&str> = Vec::new();
    for row in rows.iter().skip(at) {
        let Shape::Quote(part) = &row.shape else { break };
        if let Some(fault) = nested_fault(report, part) {
            report.error(fault.name, part.clone(), fault.message, fault.help);
        }
        text.push(report.slice(part));
        if part.is_empty() {
            paragraphs.push(Vec::new());
        } else if let Some(last) = paragraphs.last_mut() {
            last.push(part.clone());
        }
    }
    (paragraphs, text.len(), text.join("\n"))
}

/// The lines as they stand.
pub(super) fn verbatim(report: &Report<'_>, lines: &[Range<usize>]) -> String {
    lines.iter().map(|line| report.slice(line)).collect::<Vec<_>>().join("\n")
}

/// Lines as they stand, with an empty one wherever lines were left out between two.
pub(super) fn spaced(report: &Report<'_>, lines: &[Range<usize>]) -> String {
    let mut text = String::new();
    let mut last = 0;
    for line in lines {
        let between = report.slice(&(last..line.start));
        if !text.is_empty() {
            text.push_str(if between.matches('\n').count() > 1 { "\n\n" } else { "\n" });
        }
        text.push_str(report.slice(line));
        last = line.end;
    }
    text
}
