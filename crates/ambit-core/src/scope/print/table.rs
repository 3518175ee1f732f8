//! Tables of scenarios.

use super::marks::{code_span, shown};
use crate::scope::Scenario;

/// Scenarios as tables, each with a blank line before it; nothing for none. Tables that follow each other become one where
/// they have the same columns, and stay apart where they do not: one of them would get a column with nothing in it.
#[must_use]
pub fn print_table(scenarios: &[Scenario]) -> String {
    let mut out = String::new();
    let mut rest = scenarios;
    while !rest.is_empty() {
        let (mut end, columns) = written(rest);
        while let Some(more) = rest.get(end..).filter(|more| !more.is_empty()) {
            let (length, others) = written(more);
            if others != columns {
                break;
            }
            end += length;
        }
        let (table, more) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        out.push_str(&one_table(table));
        rest = more;
    }
    out
}

/// How many of these scenarios were written as the first table, and which optional columns it has that are not empty.
fn written(scenarios: &[Scenario]) -> (usize, [bool; 3]) {
    // Its rows stand on lines that follow each other. What was read nowhere stands on the same line, in one table.
    let apart = |pair: &[Scenario]| match pair {
        [one, next] => next.at.line > one.at.line.saturating_add(1),
        _ => false,
    };
    let length = scenarios.windows(2).position(apart).map_or(scenarios.len(), |last| last + 1);
    let table = scenarios.get(..length).unwrap_or(scenarios);
    (length, OPTIONAL.map(|(_, get)| table.iter().any(|scenario| get(scenario).is_some())))
}

const OPTIONAL: [(&str, OptionalCell); 3] = [
    ("in task", |scenario| scenario.in_task.clone()),
    ("author", |scenario| scenario.author.clone()),
    ("after", |scenario| (!scenario.after.is_empty()).then(|| scenario.after.join("; "))),
];

fn one_table(scenarios: &[Scenario]) -> String {
    let optional: Vec<_> = OPTIONAL.into_iter().filter(|(_, get)| scenarios.iter().any(|s| get(s).is_some())).collect();
    let mut table: Vec<Vec<String>> = vec![["when it is told", "and it tries", "then"].map(str::to_owned).to_vec()];
    if let Some(head) = table.first_mut() {
        head.extend(optional.iter().map(|(name, _)| (*name).to_owned()));
    }
    for scenario in scenarios {
        let mut row = vec![cell(&scenario.told), step_cell(&scenario.tries), scenario.then.word().to_owned()];
        row.extend(optional.iter().map(|(name, get)| match get(scenario) {
            Some(text) if *name == "after" => step_cell(&text),
            Some(text) => cell(&text),
            None => String::new(),
        }));
        table.push(row);
    }
    let widths: Vec<usize> = (0..3 + optional.len())
        .map(|column| {
            let lengths = table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            lengths.filter(|length| *length <= MAX_ALIGNED).max().unwrap_or(0).max(3)
        })
        .collect();
    let mut out = String::from("\n");
    for (number, row) in table.iter().enumerate() {
        out.push('|');
        for (cell, width) in row.iter().zip(&widths) {
            out.push_str(&format!(" {cell:<width$} |"));
        }
        out.push('\n');
        if number == 0 {
            let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            out.push_str(&format!("|{}|\n", dashes.join("|")));
        }
    }
    out
}

/// What a scenario says in a column that may be left out.
type OptionalCell = fn(&Scenario) -> Option<String>;

/// Cells longer than this are not lined up with the others.
const MAX_ALIGNED: usize = 60;

fn cell(text: &str) -> String {
    shown(text).replace('|', "\\|")
}

fn step_cell(text: &str) -> String {
    code_span(text).replace('|', "\\|")
}
