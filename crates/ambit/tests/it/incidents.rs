//! The incidents of `cases/incidents/`: for each, the page is ready, its scenarios come out as the page and the case say, and every
//! line of it is held.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use ambit::home::Home;
use ambit::snapshot::Snapshot;
use ambit_core::time::Date;

use crate::company::Paper;

/// The day that readiness is asked on: review dates pass.
const DAY: &str = "2026-11-23";

#[test]
fn every_incident_is_answered_as_its_case_says() {
    let mut played = 0;
    for (file, blocks) in cases() {
        let paper = Paper::new();
        for (block, name) in [("toml", "ambit.toml"), ("lock", "ambit.lock"), ("scope", "SCOPE.md")] {
            paper.write(name, &blocks[block]);
        }
        let home = Home::open(&paper.path("ambit.toml")).unwrap();
        let agent = home.config.agents.keys().next().unwrap();
        let resolved = Snapshot::take(&home, agent).unwrap().resolve();
        let found = resolved.checked(Date::parse(DAY));
        assert!(resolved.is_ready(Date::parse(DAY)), "{file}: {found:#?}");

        let ran = paper.ambit(&["test", "--format", "json"]);
        let tested = ran.json();
        let mut answers = String::new();
        for scenario in tested["pages"][0]["scenarios"].as_array().unwrap() {
            let ground = &scenario["grounds"][0];
            let why = ground["text"].as_str().or(ground["why"].as_str()).unwrap();
            writeln!(answers, "{}: {why}", scenario["came"].as_str().unwrap()).unwrap();
            played += 1;
        }
        assert_eq!(answers, blocks["answers"], "{file}");
        assert_eq!(ran.code, 0, "{file}: {}", paper.ambit(&["test"]).out);
    }
    assert!(played > 40, "{played} steps were played");
}

#[test]
fn every_case_stands_in_the_overview() {
    let overview = std::fs::read_to_string(root().join("docs/incidents.md")).unwrap();
    for (file, _) in cases() {
        assert!(overview.contains(&format!("(../cases/incidents/{file})")), "{file}");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Each case's file, and its blocks by the word after their fences.
fn cases() -> BTreeMap<String, BTreeMap<String, String>> {
    let mut cases = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("cases/incidents")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "README.md" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut blocks = BTreeMap::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(block) = line.strip_prefix("```") {
                let inside = lines.by_ref().take_while(|line| *line != "```");
                blocks.insert(block.to_owned(), inside.map(|line| format!("{line}\n")).collect());
            }
        }
        cases.insert(name, blocks);
    }
    cases
}
