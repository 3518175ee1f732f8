//! The conformance cases of `cases/scope/`.

use std::collections::BTreeSet;

use ambit_core::scope::diagnostics::Diagnostic;
use ambit_core::scope::parse::{PARSE_FINDINGS, parse_bytes, parse_scenarios};
use ambit_core::scope::print::{print, print_table};

use super::frame::{Case, cases, framed, written_out};
use super::renderer;

const FILES: &[(&str, &str)] = &[
    ("accepted.md", include_str!("../../../../../cases/scope/accepted.md")),
    ("document.md", include_str!("../../../../../cases/scope/document.md")),
    ("line.md", include_str!("../../../../../cases/scope/line.md")),
    ("page.md", include_str!("../../../../../cases/scope/page.md")),
    ("scenarios.md", include_str!("../../../../../cases/scope/scenarios.md")),
];
const REFERENCE: &str = include_str!("../../../../../docs/reference/findings.md");

fn all() -> Vec<Case> {
    FILES.iter().flat_map(|(file, text)| cases(file, text)).collect()
}

/// Holds the case of that name, which must find what it is called after.
pub fn holds(name: &str) {
    let case =
        all().into_iter().find(|case| case.heading == name).unwrap_or_else(|| panic!("no case is called {name}"));
    let found = case.findings.as_deref().unwrap_or("");
    assert!(found.contains(&format!(" {name}: ")), "the case {name} does not find it");
    assert_eq!(run(&case), Ok(()), "{}:{}", case.file, case.line);
}

#[test]
fn every_case_holds() {
    let mut wrong = String::new();
    for case in all() {
        if let Err(what) = run(&case) {
            wrong.push_str(&format!("\n{}:{} {}\n{what}\n", case.file, case.line, case.heading));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_finding_has_a_section_in_the_reference() {
    let headings: Vec<&str> = REFERENCE.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert!(headings.windows(2).all(|pair| pair[0] < pair[1]), "the reference is ordered by name");
    assert!(PARSE_FINDINGS.windows(2).all(|pair| pair[0].0 < pair[1].0), "the list is ordered by name");
    for (name, _) in PARSE_FINDINGS {
        assert!(headings.contains(name), "docs/reference/findings.md has no section {name}");
    }
}

fn run(case: &Case) -> Result<(), String> {
    if case.is_scenarios {
        return scenarios(case);
    }
    let (document, fragment) = framed(&case.input);
    let bytes = written_out(&document);
    let parsed = parse_bytes(&bytes);
    let Some(expected) = &case.findings else {
        let canonical = case.canonical.as_ref().map(|canonical| framed(canonical).0).unwrap_or(document);
        let canonical = String::from_utf8(written_out(&canonical)).unwrap();
        if !parsed.diagnostics.is_empty() {
            return Err(format!("refused:\n{}", shown(&parsed.diagnostics, &bytes, 0)));
        }
        let printed = print(&parsed.document);
        if printed != canonical {
            return Err(format!("printed:\n{printed}"));
        }
        return renderer::shows(std::str::from_utf8(&bytes).unwrap(), &parsed.document);
    };
    // Lines are counted within the fragment.
    let before = document[..fragment.start].matches('\n').count();
    compare(expected, &parsed.diagnostics, &bytes, before)
}

fn scenarios(case: &Case) -> Result<(), String> {
    let bytes = written_out(&case.input);
    let (scenarios, found) = parse_scenarios(std::str::from_utf8(&bytes).unwrap());
    match (&case.findings, &case.canonical) {
        (Some(expected), _) => compare(expected, &found, &bytes, 0),
        (None, Some(_)) if !found.is_empty() => Err(format!("refused:\n{}", shown(&found, &bytes, 0))),
        (None, Some(canonical)) if print_table(&scenarios) == format!("\n{canonical}") => Ok(()),
        (None, Some(_)) => Err(format!("printed:{}", print_table(&scenarios))),
        (None, None) => Err("the case expects nothing".to_owned()),
    }
}

/// Each finding as `LINE NAME: what it points at`, and its help where the case gives one.
fn compare(expected: &str, found: &[Diagnostic], bytes: &[u8], before: usize) -> Result<(), String> {
    let known: BTreeSet<&str> = PARSE_FINDINGS.iter().map(|(name, _)| *name).collect();
    assert!(found.iter().all(|finding| known.contains(finding.name)));
    let with_help = expected.contains("help: ");
    let lines: String = found.iter().map(|finding| one(finding, bytes, before, with_help)).collect();
    let holds = match expected.split_once("…\n") {
        Some((first, last)) => lines.starts_with(first) && lines.ends_with(last),
        None => lines == expected,
    };
    if holds { Ok(()) } else { Err(format!("found:\n{}", shown(found, bytes, before))) }
}

fn shown(found: &[Diagnostic], bytes: &[u8], before: usize) -> String {
    found
        .iter()
        .map(|finding| format!("{}    message: {}\n", one(finding, bytes, before, true), finding.message))
        .collect()
}

fn one(finding: &Diagnostic, bytes: &[u8], before: usize, with_help: bool) -> String {
    let at = String::from_utf8_lossy(&bytes[finding.at.bytes.clone()]);
    let at: String = at.lines().next().unwrap_or("").escape_debug().take(60).collect();
    let at = at.replace("\\\"", "\"").replace("\\'", "'").replace("\\\\", "\\");
    let line = finding.at.line.saturating_sub(before);
    let help = if with_help { format!("    help: {}\n", finding.help) } else { String::new() };
    format!("{line} {}: {at}\n{help}", finding.name)
}
