//! The cases of `cases/config/`: what stands on the disk, and everything that is found there.

use std::collections::BTreeMap;

use ambit::findings::FINDINGS;
use ambit::home::{Home, OpenError};
use ambit::report::Findings;
use ambit::snapshot::Snapshot;

const CASES: &str = include_str!("../../../../cases/config/files.md");
const REFERENCE: &str = include_str!("../../../../docs/reference/findings.md");
const SCOPE: &str = "---\nagent: helper\nowner: dana@acme.example\n---\n\n# Helper\n\nHelps.\n\n## It can read\n\n- nothing\n\n## It can write\n\n- nothing\n\n## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- nothing\n";

#[test]
fn every_case_of_the_files_around_a_scope_holds() {
    let mut wrong = String::new();
    for (name, blocks) in cases(CASES) {
        let found = found(&blocks);
        let expected = &blocks["findings"];
        if found != *expected {
            wrong.push_str(&format!("\n{name}\nexpected:\n{expected}found:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_finding_about_these_files_has_a_case_of_its_name() {
    let cases = cases(CASES);
    assert!(FINDINGS.windows(2).all(|pair| pair[0].0 < pair[1].0), "the list is ordered by name");
    for (name, _) in FINDINGS {
        if *name == "missing-list" {
            continue; // a file that is not there stops the snapshot; only a damaged release can lack one: see below
        }
        let (_, blocks) =
            cases.iter().find(|(heading, _)| heading == name).unwrap_or_else(|| panic!("no case `{name}`"));
        assert!(blocks["findings"].contains(&format!(" {name}\n")), "the case `{name}` does not find it");
    }
}

#[test]
fn missing_list() {
    // The file is read when a snapshot is taken; a snapshot of other texts may name a list that it does not carry.
    let toml = "[lists.payees]\nkind = \"value\"\nfile = \"payees.txt\"\n[agents.helper]\nscope = \"SCOPE.md\"\nsystems = []\n";
    let dir = disk(&BTreeMap::from([
        ("toml".to_owned(), toml.to_owned()),
        ("list payees.txt".to_owned(), "DE02\n".to_owned()),
    ]));
    let snapshot = Snapshot::take(&Home::open(&dir.path().join("ambit.toml")).unwrap(), "helper").unwrap();
    let bytes = String::from_utf8(snapshot.bytes()).unwrap();
    let without = bytes.replacen("list/payees 5\nDE02\n\n", "", 1);
    assert_ne!(bytes, without, "{bytes}");
    let resolved = Snapshot::from_bytes(without.as_bytes()).unwrap().resolve();
    assert_eq!(said(&resolved.findings), "ambit.toml:1 missing-list\n");
    assert!(resolved.policy.is_none());
}

/// In the reference, what stands after `# wrong` makes the finding that the section is about, and what stands after `# right` does not.
#[test]
fn the_examples_of_the_reference_show_what_they_say() {
    let mut name = "";
    let mut shown = 0;
    let mut lines = REFERENCE.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("### ") {
            name = heading;
        }
        if line != "```toml" {
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = block.join("\n");
        let (wrong, right) = block.split_once("\n# right\n").unwrap_or_else(|| panic!("{name}"));
        assert!(names_in(wrong).contains(&name), "{name}:\n{wrong}\n{:?}", names_in(wrong));
        assert!(!names_in(right).contains(&name), "{name}:\n{right}");
        shown += 1;
    }
    assert!(shown > 10, "{shown} examples were found");
}

/// What is found in an `ambit.toml` with nothing beside it.
fn names_in(toml: &str) -> Vec<&'static str> {
    let (config, mut found) = ambit::config::read(toml);
    if let Some(config) = config {
        found.extend(ambit::catalog::catalog_of(&config, &ambit::lock::Lock::new(), None).1.in_config);
    }
    found.iter().map(|d| d.name).collect()
}

/// Everything found, one a line.
fn found(blocks: &BTreeMap<String, String>) -> String {
    let dir = disk(blocks);
    let home = match Home::open(&dir.path().join("ambit.toml")) {
        Ok(home) => home,
        Err(OpenError::Wrong(found)) => return said(&found),
        Err(error) => panic!("{error}"),
    };
    // What is found on the disk around it comes last.
    let reach = said(&[ambit::boundary::findings(&home, None)]);
    if !blocks.contains_key("scope") && !home.config.agents.contains_key("helper") {
        return said(&home.findings) + &reach;
    }
    let scope = blocks.get("scope").map_or(SCOPE, String::as_str);
    said(&Snapshot::with_scope(&home, "helper", scope.to_owned()).unwrap().resolve().findings) + &reach
}

fn said(found: &[Findings]) -> String {
    let file = |found: &Findings| found.file.rsplit('/').next().unwrap().to_owned();
    found
        .iter()
        .flat_map(|f| f.diagnostics.iter().map(move |d| format!("{}:{} {}\n", file(f), d.at.line, d.name)))
        .collect()
}

fn disk(blocks: &BTreeMap<String, String>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (block, text) in blocks {
        let name = match block.as_str() {
            "toml" => "ambit.toml",
            "lock" => "ambit.lock",
            "scope" => "SCOPE.md",
            other => match other.strip_prefix("list ") {
                Some(name) => name,
                None => continue,
            },
        };
        std::fs::write(dir.path().join(name), written_out(text)).unwrap();
    }
    if !blocks.contains_key("scope") {
        std::fs::write(dir.path().join("SCOPE.md"), SCOPE).unwrap();
    }
    dir
}

/// The headings of level 2, each with its blocks by the words after their fences.
fn cases(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut cases: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ") {
            cases.push((heading.to_owned(), BTreeMap::new()));
        } else if let Some(block) = line.strip_prefix("```") {
            let inside: String =
                lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            cases.last_mut().unwrap().1.insert(block.to_owned(), inside);
        }
    }
    cases
}

fn written_out(text: &str) -> String {
    let Some((before, rest)) = text.split_once('⟨') else { return text.to_owned() };
    let (inside, after) = rest.split_once('⟩').unwrap();
    let (count, what) = inside.split_once(" × ").unwrap();
    format!("{before}{}{after}", what.repeat(count.parse().unwrap()))
}
