//! The examples of `docs/reference/findings.md`: what stands after `✗` makes the finding that the section is about, what stands
//! after `✓` does not.

use ambit_core::ready::RULES;
use ambit_core::scope::Section;
use ambit_core::scope::compile::FINDINGS;

use crate::acme::{findings, page};

const REFERENCE: &str = include_str!("../../../../docs/reference/findings.md");

#[test]
fn the_examples_of_the_reference_show_what_they_say() {
    let mut name = "";
    let mut shown = 0;
    let mut lines = REFERENCE.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("### ") {
            name = heading;
        }
        if line != "```example" {
            continue;
        }
        assert!(FINDINGS.iter().any(|(n, _)| *n == name) || RULES.iter().any(|r| r.name == name), "{name}");
        for (made, page) in pages(lines.by_ref().take_while(|line| *line != "```")) {
            let (_, found) = findings(&page);
            assert_eq!(found.iter().any(|d| d.name == name), made, "{name}:\n{page}\n{found:#?}");
            shown += 1;
        }
    }
    assert!(shown > 60, "{shown} examples were found");
}

/// The pages of a block: a mark begins one, and what is indented belongs to it.
fn pages<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(bool, String)> {
    let mut all: Vec<(bool, Vec<&str>)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("✗ "), line.strip_prefix("✓ "), line.strip_prefix("  ")) {
            (Some(first), ..) => all.push((true, vec![first])),
            (_, Some(first), _) => all.push((false, vec![first])),
            (_, _, Some(more)) => all.last_mut().unwrap().1.push(more),
            _ => panic!("`{line}` starts with no mark"),
        }
    }
    all.into_iter().map(|(made, lines)| (made, written(&lines))).collect()
}

fn written(lines: &[&str]) -> String {
    let (mut bullets, mut front) = (String::new(), Vec::new());
    for line in lines {
        let (key, rest) = line.split_once(": ").unwrap();
        match Section::ALL.iter().position(|section| section.title() == key) {
            Some(at) => bullets.push_str(&format!("{}: {rest}\n", ["read", "write", "confirm", "cannot"][at])),
            None => front.push((key, *line)),
        }
    }
    let mut out = String::new();
    for line in page(&bullets).lines() {
        let replaced = front.iter().find(|(key, _)| line.starts_with(&format!("{key}: ")));
        out.push_str(replaced.map_or(line, |(_, new)| new));
        out.push('\n');
    }
    out
}
