//! What is kept means what was taken, and nothing else is read back.

use super::resolve::read_list;
use super::*;
use crate::config::ListKind;
use ambit_core::scope::{Literal, Span};
use proptest::prelude::*;

const CONFIG_TEXT: &str = "
[systems.docs]
kind = \"mcp\"
command = [\"/opt/docs\"]
[people.dana]
email = \"dana@acme.example\"
roles = [\"lead\"]
[lists.payees]
kind = \"value\"
file = \"payees.txt\"
[lists.codes]
kind = \"value\"
members = [\"5\", 5, -3, true]
[agents.helper]
scope = \"SCOPE.md\"
systems = [\"docs\"]
";
const LOCK_TEXT: &str = "version = 1
[systems.docs]
kind = \"mcp\"
looked-at = \"2026-11-23\"
[systems.docs.tools.reply]
definition = '{\"name\":\"reply\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\"}}}}'
";

const SCOPE: &str = "---
agent: helper
owner: dana@acme.example
---

# Helper

Helps.

## It can read

- nothing

## It can write

- call docs.reply where to is in payees

## A human must confirm

- nothing

## It cannot touch

- nothing

## Scenarios

| when it is told | and it tries | then |
|---|---|---|
| Reply | `docs.reply {\"to\": \"FR76\"}` | allow |
";

fn home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("ambit.toml", CONFIG_TEXT),
        ("ambit.lock", LOCK_TEXT),
        ("SCOPE.md", SCOPE),
        ("payees.txt", "# who was paid\nDE02 1001\n\nFR76\n"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let home = Home::open(&dir.path().join("ambit.toml")).unwrap();
    (dir, home)
}

#[test]
fn what_is_kept_means_what_was_on_the_disk() {
    let (dir, home) = home();
    let taken = Snapshot::take(&home, "helper").unwrap();
    let kept = taken.bytes();
    // What happens to the files afterwards changes nothing.
    drop(dir);
    let back = Snapshot::from_bytes(&kept).unwrap();
    assert_eq!((&back, back.digest()), (&taken, taken.digest()));
    let (was, is) = (taken.resolve(), back.resolve());
    assert!(was.policy.is_some(), "{:?}", was.findings);
    assert!(is.policy.is_some());
    assert_eq!((&was.config, &was.lock, &was.document), (&is.config, &is.lock, &is.document));
    assert_eq!(was.checked(None), is.checked(None));
    assert_eq!(
        (&was.setting.catalog, &was.setting.lists, &was.setting.people),
        (&is.setting.catalog, &is.setting.lists, &is.setting.people)
    );
    let text = |text: &str| Literal::Text(text.into());
    assert_eq!(is.setting.lists["payees"].members, [text("DE02 1001"), text("FR76")]);
    let number = |text| Literal::Number(ambit_core::decimal::Decimal::parse(text).unwrap());
    assert_eq!(is.setting.lists["codes"].members, [text("5"), number("-3"), number("5"), Literal::Bool(true)]);
    assert!(is.setting.people[0].is("dana@acme.example"));
    assert_eq!(is.setting.catalog.resources().count(), 1);
}

#[test]
fn the_digest_is_of_everything_and_of_nothing_else() {
    let (dir, home) = home();
    let before = Snapshot::take(&home, "helper").unwrap().digest();
    assert_eq!(Snapshot::take(&home, "helper").unwrap().digest(), before);
    std::fs::write(dir.path().join("README.md"), "not used").unwrap();
    let again = |dir: &tempfile::TempDir| {
        Snapshot::take(&Home::open(&dir.path().join("ambit.toml")).unwrap(), "helper").unwrap().digest()
    };
    assert_eq!(again(&dir), before);
    let mut seen = vec![before];
    for name in ["ambit.toml", "ambit.lock", "SCOPE.md", "payees.txt"] {
        let path = dir.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}\n# one more line\n")).unwrap();
        let digest = again(&dir);
        assert!(!seen.contains(&digest), "{name}");
        seen.push(digest);
    }
    // The digest stands in journals: changing how it is made makes every release of before unknown.
    let fixed = Snapshot {
        parts: [("agent", "a"), ("config", ""), ("lock", ""), ("scope", "s")].map(|(k, v)| (k.into(), v.into())).into(),
    };
    assert_eq!(fixed.bytes(), b"ambit snapshot 1\nagent 1\na\nconfig 0\n\nlock 0\n\nscope 1\ns\n");
    insta::assert_snapshot!(fixed.digest(), @"
    5b37fd4f8e8b45ef9726084a0df34231d91a798643a039ef44127a29067fb1f4
    ");
}

#[test]
fn what_is_missing_is_an_error_and_not_an_empty_list() {
    let (dir, home) = home();
    let near = Snapshot::take(&home, "helpr").unwrap_err();
    assert!(matches!(near, SnapshotError::NoAgent { near: Some(near), .. } if near == "helper"));
    let mut snapshot = Snapshot::take(&home, "helper").unwrap();
    snapshot.parts.remove("list/payees");
    let resolved = snapshot.resolve();
    assert!(resolved.policy.is_none());
    let names: Vec<_> = resolved.findings.iter().flat_map(|f| &f.diagnostics).map(|one| one.name).collect();
    assert_eq!(names, ["missing-list"]);
    std::fs::remove_file(dir.path().join("payees.txt")).unwrap();
    assert!(matches!(Snapshot::take(&home, "helper"), Err(SnapshotError::Unreadable(_))));
}

#[test]
fn a_scope_is_that_of_the_agent_it_stands_for() {
    let (_dir, home) = home();
    let other = SCOPE.replace("agent: helper", "agent: another");
    let resolved = Snapshot::with_scope(&home, "helper", other).unwrap().resolve();
    let found = &resolved.findings.last().unwrap().diagnostics;
    assert_eq!((found[0].name, found[0].at.clone()), ("other-agent", Span { bytes: 4..18, line: 2 }));
    assert!(resolved.policy.is_none());
    let unknown = Snapshot::with_scope(&home, "another", SCOPE.to_owned()).unwrap().resolve();
    assert!(unknown.policy.is_none());
    assert_eq!(unknown.findings[0].diagnostics[0].name, "unknown-agent");
}

#[test]
fn a_list_with_a_line_that_does_not_fit_is_an_error_at_that_line() {
    let (members, found) = read_list("a@b.example\nnobody\n# c\n\r\nd@e.example", ListKind::Address);
    assert_eq!(members.len(), 2);
    assert_eq!((found[0].name, found[0].at.clone()), ("wrong-member", Span { bytes: 12..18, line: 2 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn bytes_are_read_back_or_refused(scope in ".{0,40}", config in ".{0,40}", cut in 0usize..200, byte in any::<u8>()) {
        let parts = [("agent", "a"), ("config", &config), ("lock", ""), ("scope", &scope), ("list/x", "1\n")];
        let snapshot = Snapshot { parts: parts.map(|(k, v)| (k.to_owned(), v.to_owned())).into() };
        let mut bytes = snapshot.bytes();
        prop_assert_eq!(Snapshot::from_bytes(&bytes).unwrap(), snapshot.clone());
        let cut = cut % bytes.len();
        prop_assert!(Snapshot::from_bytes(&bytes[..cut]).is_err() || cut == bytes.len());
        bytes[cut] = byte;
        if let Ok(other) = Snapshot::from_bytes(&bytes) {
            prop_assert_eq!(other.bytes(), bytes);
        }
    }
}
