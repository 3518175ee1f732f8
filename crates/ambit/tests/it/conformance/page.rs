//! What was found, as a page of the reference: `docs/reference/conformance.md`. Its generated parts stand between comments;
//! with `AMBIT_WRITE_CONFORMANCE` set they are written anew, otherwise they must be what was found.

use std::path::Path;

use super::suite::{Became, Checks};

/// How many checks of a scenario passed; the reasons why something is another thing than without the gate are links.
pub fn cell(checks: Option<&Checks>, reasons: &[&str]) -> String {
    let Some(checks) = checks else { return "–".to_owned() };
    let counted = checks.values().filter(|(became, _)| *became != Became::Skipped).count();
    let passed = checks.values().filter(|(became, _)| *became == Became::Passed).count();
    let mut cell = if counted == 0 { "nothing to see".to_owned() } else { format!("{passed} of {counted}") };
    for reason in reasons {
        cell.push_str(&format!(" [{reason}](#{reason})"));
    }
    cell
}

/// A table in Markdown.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut table = line(head.iter().map(|&cell| cell.to_owned()).collect());
    table.push_str(&format!("{}|\n", "|---".repeat(head.len())));
    table.extend(rows.into_iter().map(line));
    table
}

/// Fails unless that part of the page is this text.
#[track_caller]
pub fn keep(part: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/conformance.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {part} -->\n\n"), format!("\n<!-- end of {part} -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (stands, after) = rest.split_once(&end).unwrap();
    if std::env::var_os("AMBIT_WRITE_CONFORMANCE").is_some() {
        std::fs::write(&path, format!("{before}{begin}{text}{end}{after}")).unwrap();
        return;
    }
    assert!(
        stands == text,
        "`{part}` of the page is not what was found; AMBIT_WRITE_CONFORMANCE=1 writes it anew:\n{text}"
    );
}
