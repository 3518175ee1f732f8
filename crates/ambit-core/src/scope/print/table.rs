//! Tables of scenarios.

use super::marks::{code_span, shown};
use crate::scope::Scenario;

/// A table of scenarios with a blank line before it; nothing for none.
#[must_use]
pub fn print_table(scenarios: &[Scenario]) -> String {
    if scenarios.is_empty() {
        return String::new();
    }
    let optional: [(&str, OptionalCell); 3] = [
        ("in task", |scenario| scenario.in_task.clone()),
        ("author", |scenario| scenario.author.clone()),
        ("after", |scenario| (!scenario.after.is_empty()).then(|| scenario.after.join("; "))),
    ];
    let optional: Vec<_> = optional.into_iter().filter(|(_, get)| scenarios.iter().any(|s| get(s).is_some())).collect();
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
