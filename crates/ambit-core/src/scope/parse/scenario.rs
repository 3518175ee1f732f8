//! Tables of scenarios.

use std::ops::Range;

use super::block::{missing_blank, quote_lines, rows_while};
use super::cursor::{Cursor, Reads, Wrong};
use super::inline::{self, Inline, Placed};
use super::line::{MAX_JOINED, too_many as too_many_items};
use super::predicate::value;
use super::report::{Report, quoted};
use super::rows::{Row, Shape};
use super::token::{Kind, tokens};
use crate::scope::diagnostics::nearest;
use crate::scope::{InTask, Scenario, Then};

/// At most this many rows of scenarios in a document.
pub const MAX_SCENARIOS: usize = 4_096;
/// The columns: the first three must stand, in this order; the others may follow in any order.
pub const COLUMNS: [&str; 6] = ["when it is told", "and it tries", "then", "in task", "author", "after"];

type Cell = Vec<Placed>;

/// Reads one table; its rows have nothing between them.
pub(super) fn table(report: &mut Report<'_>, rows: &[Row]) -> Vec<Scenario> {
    let mut rows = rows.iter();
    let Some(head) = rows.next() else { return Vec::new() };
    let columns = header(report, head);
    let Some(ruler) = rows.next().filter(|row| is_ruler(report.slice(&row.bytes))) else {
        let help = "the second line of a table is `|---|---|---|`, with as many cells as the first";
        report.error("bad-table", head.bytes.clone(), "a table without a line of dashes under its head", help);
        return Vec::new();
    };
    let count = columns.len();
    let found = cells(report, ruler).len();
    if found != count {
        wrong_count(report, ruler, found, count);
    }
    rows.filter_map(|row| scenario(report, row, &columns)).collect()
}

fn is_ruler(line: &str) -> bool {
    let cells = line.trim_matches('|').split('|');
    let dashes = |cell: &str| {
        let cell = cell.trim_matches(' ');
        let cell = cell.strip_prefix(':').unwrap_or(cell);
        let cell = cell.strip_suffix(':').unwrap_or(cell);
        !cell.is_empty() && cell.bytes().all(|b| b == b'-')
    };
    line.len() > 2 && cells.into_iter().all(dashes)
}

fn wrong_count(report: &mut Report<'_>, row: &Row, found: usize, count: usize) {
    let message = format!("{found} cells in a table of {count} columns");
    let help = "give each column one cell; a `|` inside a cell is written `\\|`";
    report.error("cell-count", row.bytes.clone(), message, help);
}

fn header<'a>(report: &mut Report<'a>, row: &Row) -> Vec<Option<&'a str>> {
    let mut columns: Vec<Option<&str>> = Vec::new();
    for cell in cells(report, row) {
        let bytes = span(&cell, row);
        let text = inline::read_placed(report, &cell, bytes.clone()).text;
        let known = COLUMNS.into_iter().find(|known| *known == text);
        if let Some(known) = known.filter(|known| columns.contains(&Some(*known))) {
            let message = format!("the column `{known}` stands twice");
            report.error("repeated-column", bytes, message, "keep one of them");
        } else if known.is_none() {
            let help = match nearest(&text, COLUMNS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the columns are {}", COLUMNS.map(|column| format!("`{column}`")).join(", ")),
            };
            report.error("unknown-column", bytes, format!("{} is no column", quoted(&text)), help);
        }
        columns.push(known);
    }
    let start = columns.iter().take(3).copied().collect::<Vec<_>>();
    if start != COLUMNS.into_iter().take(3).map(Some).collect::<Vec<_>>() {
        let help = "the table starts with `when it is told`, `and it tries`, `then`";
        let message = "the first three columns are not those of a scenario";
        report.error("missing-column", row.bytes.clone(), message, help);
    }
    columns
}

/// The cells of a row, each without the spaces around it. `\|` is a pipe; the row starts and ends with one that is not.
fn cells(report: &mut Report<'_>, row: &Row) -> Vec<Cell> {
    let line = report.slice(&row.bytes);
    let mut cells: Vec<Cell> = Vec::new();
    let mut cell: Cell = Vec::new();
    let mut characters = line.char_indices().map(|(at, c)| (row.bytes.start + at, c)).skip(1).peekable();
    let mut closed = false;
    while let Some((at, c)) = characters.next() {
        closed = false;
        match c {
            '\\' if characters.peek().is_some_and(|(_, next)| *next == '|') => {
                if cell.last().is_some_and(|(_, before)| *before == '\\') {
                    let help = "leave out the backslash, or write the text another way (`\\u005c` in JSON)";
                    report.error("renders-differently", at..at + 2, "a backslash before `\\|` in a table", help);
                }
                characters.next();
                cell.push((at + 1, '|'));
            }
            '|' => {
                cells.push(std::mem::take(&mut cell));
                closed = true;
            }
            _ => cell.push((at, c)),
        }
    }
    if !closed {
        let help = "end each row with `|`";
        report.error("bad-table", row.bytes.clone(), "a row that does not end with `|`", help);
        cells.push(cell);
    }
    for cell in &mut cells {
        let start = cell.iter().position(|(_, c)| *c != ' ').unwrap_or(cell.len());
        cell.drain(..start);
        while cell.last().is_some_and(|(_, c)| *c == ' ') {
            cell.pop();
        }
    }
    cells
}

fn span(cell: &Cell, row: &Row) -> Range<usize> {
    match (cell.first(), cell.last()) {
        (Some((start, _)), Some((end, c))) => *start..end + c.len_utf8(),
        _ => row.bytes.clone(),
    }
}

fn scenario(report: &mut Report<'_>, row: &Row, columns: &[Option<&str>]) -> Option<Scenario> {
    let cells = cells(report, row);
    if cells.len() != columns.len() {
        wrong_count(report, row, cells.len(), columns.len());
        return None;
    }
    let mut scenario = Scenario {
        told: String::new(),
        tries: String::new(),
        then: Then::Refuse,
        in_task: None,
        author: None,
        after: Vec::new(),
        at: report.span(row.bytes.clone()),
    };
    for (cell, column) in cells.iter().zip(columns) {
        let Some(column) = column else { continue };
        let bytes = span(cell, row);
        let inline = inline::read_placed(report, cell, bytes.clone());
        let text = inline.text.trim_matches(' ').to_owned();
        let given = (!text.is_empty()).then(|| text.clone());
        if given.is_none() && COLUMNS.iter().take(3).any(|known| known == column) {
            let message = format!("nothing under `{column}`");
            report.error("empty-cell", bytes, message, "write what a scenario needs: a request, a step, an outcome");
            continue;
        }
        match *column {
            "when it is told" => scenario.told = text,
            "and it tries" => scenario.tries = text,
            "then" => scenario.then = then(report, &text, bytes),
            "in task" => {
                scenario.in_task = given;
                if scenario.in_task.is_some() {
                    in_task(report, &inline);
                }
            }
            "author" => scenario.author = given,
            _ => scenario.after = steps(report, &text, bytes),
        }
    }
    Some(scenario)
}

/// Reads `name`, or `name (fact = value, fact = value)`.
pub(super) fn in_task(report: &mut Report<'_>, inline: &Inline) -> Option<InTask> {
    let found = tokens(report, inline);
    let end = found.because.as_ref().map_or(inline.text.len(), |(word, _)| word.start);
    let mut cursor = Cursor::new(&found.tokens, &inline.text, end);
    let read = task(&mut cursor).and_then(|task| match cursor.peek() {
        None if found.because.is_none() => Ok(task),
        _ => Err(bad_task(&cursor, "after the task")),
    });
    read.map_err(|Wrong { name, at, message, help }| report.error(name, inline.source(at), message, help)).ok()
}

fn bad_task(cursor: &Cursor<'_>, place: &str) -> Wrong {
    let help = "write the task's name, and its facts in parentheses: `refund (customer = 8812, currency = \"EUR\")`";
    Wrong::new("bad-task", cursor.place(), format!("{} {place}", cursor.shown()), help)
}

fn task(cursor: &mut Cursor<'_>) -> Reads<InTask> {
    let mut task = InTask { name: cursor.name("the name of a task")?, facts: Vec::new() };
    if !cursor.takes_kind(&Kind::Open) {
        return Ok(task);
    }
    loop {
        let at = cursor.place();
        let fact = cursor.name("the name of a fact")?;
        if !cursor.takes("=") {
            return Err(bad_task(cursor, "where `=` should stand"));
        }
        if task.facts.iter().any(|(known, _)| *known == fact) {
            let message = format!("the fact {} stands twice", quoted(&fact));
            return Err(Wrong::new("repeated-item", at, message, "keep one of them"));
        }
        task.facts.push((fact, value(cursor)?));
        too_many_items("facts", task.facts.len(), MAX_JOINED, at)?;
        if cursor.takes_kind(&Kind::Close) {
            return Ok(task);
        }
        if !cursor.takes_kind(&Kind::Comma) {
            return Err(bad_task(cursor, "in the facts of a task"));
        }
    }
}

fn then(report: &mut Report<'_>, text: &str, bytes: Range<usize>) -> Then {
    let known = [Then::Allow, Then::Confirm, Then::Refuse];
    if let Some(then) = known.into_iter().find(|then| then.word() == text) {
        return then;
    }
    let near = match text {
        "hold" | "ask" => Some("confirm"),
        "deny" | "block" | "never" => Some("refuse"),
        _ => nearest(text, known.map(Then::word)),
    };
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => String::from("write `allow`, `confirm` or `refuse`"),
    };
    report.error("unknown-outcome", bytes, format!("{} is no outcome", quoted(text)), help);
    Then::Refuse
}

/// Divides earlier steps at `;` outside quotes. Within double quotes a backslash keeps the next character, as in JSON.
fn steps(report: &mut Report<'_>, text: &str, bytes: Range<usize>) -> Vec<String> {
    let mut steps = vec![String::new()];
    let mut quote: Option<char> = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (None, ';') => {
                steps.push(String::new());
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        if let Some(step) = steps.last_mut() {
            step.push(c);
            if quote == Some('"') && c == '\\' {
                step.extend(characters.next());
            }
        }
    }
    if quote.is_some() {
        report.error("unclosed-quote", bytes.clone(), "a quote that is not closed", "close it");
    }
    let steps: Vec<String> = steps.iter().map(|step| step.trim_matches(' ').to_owned()).collect();
    if text.is_empty() {
        return Vec::new();
    }
    if steps.iter().any(String::is_empty) {
        report.error("empty-cell", bytes, "a step with nothing in it", "separate steps with one `;`");
    }
    steps
}

/// Reads a document that holds only scenarios: headings, running text, quotes and tables.
pub(super) fn document(report: &mut Report<'_>, rows: &[Row]) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    let mut tables = 0;
    let mut at = 0;
    while let Some(row) = rows.get(at).filter(|_| !report.is_full()) {
        let before = at.checked_sub(1).and_then(|at| rows.get(at)).map(|row| &row.shape);
        let apart = matches!(before, None | Some(Shape::Blank | Shape::Heading(..)));
        let bytes = row.bytes.clone();
        at += match &row.shape {
            Shape::Blank => 1,
            Shape::Heading(_, title) => {
                inline::read(report, std::slice::from_ref(title));
                1
            }
            Shape::Prose => {
                let taken = rows_while(rows, at, |shape| *shape == Shape::Prose);
                let lines: Vec<_> = rows.iter().skip(at).take(taken).map(|row| row.bytes.clone()).collect();
                inline::read(report, &lines);
                if !apart {
                    missing_blank(report, bytes);
                }
                taken
            }
            Shape::Quote(_) => {
                let (paragraphs, taken, _) = quote_lines(report, rows, at);
                for paragraph in &paragraphs {
                    inline::read(report, paragraph);
                }
                taken
            }
            Shape::TableRow => {
                let taken = rows_while(rows, at, |shape| *shape == Shape::TableRow);
                if !apart {
                    missing_blank(report, bytes);
                }
                tables += 1;
                scenarios.extend(table(report, rows.get(at..at + taken).unwrap_or(&[])));
                taken
            }
            Shape::Bullet(_) | Shape::Continuation(_) => {
                let help = "beside tables there is only running text, and quotes";
                report.error("stray-bullet", bytes, "a bullet among scenarios", help);
                1
            }
            Shape::Fault(fault) => {
                report.error(fault.name, bytes, fault.message, fault.help);
                1
            }
        };
    }
    if tables == 0 || (scenarios.is_empty() && !report.has_error()) {
        let help = "write a table with the columns `when it is told`, `and it tries`, `then`";
        let end = report.source().len();
        report.error("no-scenarios", end..end, "the document holds no scenario", help);
    }
    if scenarios.len() > MAX_SCENARIOS {
        too_many(report, &scenarios);
        scenarios.truncate(MAX_SCENARIOS);
    }
    scenarios
}

/// Reports the first scenario past the bound.
pub(super) fn too_many(report: &mut Report<'_>, scenarios: &[Scenario]) {
    if let Some(first) = scenarios.get(MAX_SCENARIOS) {
        let message = format!("more than {MAX_SCENARIOS} scenarios in one document");
        report.error(
            "list-too-long",
            first.at.bytes.clone(),
            message,
            "put some in a `*.scenarios.md` beside the scope",
        );
    }
}
