//! A finding has its homes: a list and the source that makes it, a test of its name, a section in the reference.

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::ready::RULES;
use ambit_core::scope::compile;
use ambit_core::scope::parse::PARSE_FINDINGS;
use anyhow::Context as _;
use regex::Regex;

use crate::Complaint;
use crate::tree::Tree;

const REFERENCE: &str = "docs/reference/findings.md";

/// What is missing in one of the homes, or stands there and nowhere else.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Complaint>> {
    let listed = listed();
    let mut complaints = Vec::new();
    sections(&tree.read(REFERENCE)?, &listed, &mut complaints);
    let tests = tests(tree)?;
    for (name, lists) in &listed {
        for list in lists.iter().filter(|list| !tests.contains(&(**list, (*name).to_owned()))) {
            complaints.push(format!("`{name}` of the {list} findings has no test of its name"));
        }
    }
    sources(tree, &listed, &mut complaints)?;
    for rule in RULES {
        let file = format!("crates/ambit-core/src/ready/{}.rs", rule.name.replace('-', "_"));
        if !tree.path(&file).is_file() {
            complaints.push(format!("the rule `{}` has no file of its name: {file}", rule.name));
        }
    }
    Ok(complaints)
}

/// Every finding, with the lists that it stands in.
fn listed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let lists = [
        ("reading", PARSE_FINDINGS.iter().map(|(name, _)| *name).collect::<Vec<_>>()),
        ("compiling", compile::FINDINGS.iter().map(|(name, _)| *name).collect()),
        ("readiness", RULES.iter().map(|rule| rule.name).collect()),
        ("files", ambit::findings::FINDINGS.iter().map(|(name, _)| *name).collect()),
    ];
    for (list, names) in lists {
        for name in names {
            all.entry(name).or_default().push(list);
        }
    }
    all
}

fn sections(reference: &str, listed: &BTreeMap<&str, Vec<&str>>, complaints: &mut Vec<Complaint>) {
    let headings: Vec<&str> = reference.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for (one, next) in headings.iter().zip(headings.iter().skip(1)) {
        if one >= next {
            complaints
                .push(format!("{REFERENCE}: `{next}` stands after `{one}`; sections are ordered by name, each once"));
        }
    }
    let headings: BTreeSet<&str> = headings.into_iter().collect();
    for name in listed.keys().filter(|name| !headings.contains(**name)) {
        complaints.push(format!("{REFERENCE} has no section `### {name}`"));
    }
    for name in headings.iter().filter(|name| !listed.contains_key(**name)) {
        complaints.push(format!("{REFERENCE} has a section `### {name}`, and no finding is called so"));
    }
}

/// The tests, by the list that they are for and the finding's name.
fn tests(tree: &Tree) -> anyhow::Result<BTreeSet<(&'static str, String)>> {
    let mut all = BTreeSet::new();
    let function = Regex::new(r"(?:#\[test\]\s*fn |finding!\(\s*)([a-z_0-9]+)")?;
    for (lists, file) in [
        (&["compiling", "readiness"][..], "crates/ambit-core/tests/it/findings.rs"),
        (&["files"], "crates/ambit/tests/it/config_cases.rs"),
    ] {
        for found in function.captures_iter(&tree.read(file)?) {
            let name = found.get(1).context("a name")?.as_str().replace('_', "-");
            all.extend(lists.iter().map(|list| (*list, name.clone())));
        }
    }
    for file in tree.files().filter(|file| file.ends_with(".md")) {
        let list = match file.split('/').collect::<Vec<_>>().as_slice() {
            ["cases", "scope", _] => "reading",
            ["cases", "config", _] => "files",
            _ => continue,
        };
        let text = tree.read(file)?;
        all.extend(text.lines().filter_map(|line| line.strip_prefix("## ")).map(|name| (list, name.to_owned())));
    }
    Ok(all)
}

/// What the sources make is listed, and what is listed is made somewhere.
fn sources(tree: &Tree, listed: &BTreeMap<&str, Vec<&str>>, complaints: &mut Vec<Complaint>) -> anyhow::Result<()> {
    // What makes findings, with the finding's name as the first text that it is given.
    let makes = Regex::new(
        r#"(?:Diagnostic::(?:error|not_ready|note)|\b(?:self|report|check|build)\.(?:error|note|report|unknown|in_config|in_lock)|self\.found)\(\s*(?:Diagnostic::\w+,\s*)?"([a-z0-9-]+)""#,
    )?;
    let literal = Regex::new(r#""([a-z0-9]+(?:-[a-z0-9]+)*)""#)?;
    let mut said = BTreeSet::new();
    let lists = [
        "crates/ambit-core/src/scope/parse/names.rs",
        "crates/ambit-core/src/scope/compile/names.rs",
        "crates/ambit/src/findings.rs",
    ];
    for file in tree.files().filter(|f| f.starts_with("crates/") && f.contains("/src/") && f.ends_with(".rs")) {
        if lists.contains(&file) || file.ends_with("tests.rs") {
            continue;
        }
        let text = tree.read(file)?;
        let text = text.split("#[cfg(test)]").next().unwrap_or(&text);
        for found in makes.captures_iter(text) {
            let name = found.get(1).context("a name")?.as_str();
            if !listed.contains_key(name) {
                complaints.push(format!("{file} makes the finding `{name}`, which stands in no list"));
            }
        }
        said.extend(literal.captures_iter(text).filter_map(|found| Some(found.get(1)?.as_str().to_owned())));
    }
    for name in listed.keys().filter(|name| !said.contains(**name)) {
        complaints.push(format!("`{name}` is listed, and no source makes it"));
    }
    Ok(())
}
