//! `ambit fmt`, as the built program.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ambit_core::scope::parse::parse;

/// Everything that a document may hold, as a person in a hurry writes it.
const LOOSE: &str = "---
owner: dana@acme.example
agent: helper
outside: confirm
---
# Helper
Looks things up,
in two lines.

> Asked for in March.

And a second paragraph with `code`.
## It can read
> Only this.

- docs.get,
  because   it is what it is for
## It can write
- nothing
## A human must confirm
- call docs.send, within 30 minutes, by lead
> After the line.

## It cannot touch

- anything tagged `backup`
## Scenarios

> Between.

|when it is told|and it tries|then|
|-|-|-|
|Send it|`docs.send {\"a\": \"x\\|y\"}`|confirm|

## Notes
Kept,
as it is.

- a bullet
";

const CANONICAL: &str = "---
agent: helper
owner: dana@acme.example
---

# Helper

Looks things up,
in two lines.

> Asked for in March.

And a second paragraph with `code`.

## It can read

> Only this.

- docs.get, because it is what it is for

## It can write

- nothing

## A human must confirm

- call docs.send, by lead, within 30 minutes

> After the line.

## It cannot touch

- anything tagged backup

## Scenarios

> Between.

| when it is told | and it tries              | then    |
|-----------------|---------------------------|---------|
| Send it         | `docs.send {\"a\": \"x\\|y\"}` | confirm |

## Notes

Kept,
as it is.

- a bullet
";

const TOML: &str = r#"
[systems.docs]
kind = "mcp"
command = ["/opt/docs-server"]
[agents.helper]
scope = "SCOPE.md"
systems = ["docs"]
[agents.other]
scope = "other/SCOPE.md"
systems = ["docs"]
"#;

fn ambit(dir: &Path, words: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ambit"));
    command.current_dir(dir).args(words).env_remove("AMBIT_CONFIG");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("other")).unwrap();
    let files = [("ambit.toml", TOML), ("SCOPE.md", LOOSE), ("other/SCOPE.md", CANONICAL)];
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn a_document_is_written_in_its_canonical_text_and_nothing_of_it_is_lost() {
    let dir = place();
    let scope = dir.path().join("SCOPE.md");
    std::fs::set_permissions(&scope, std::fs::Permissions::from_mode(0o664)).unwrap();
    let written = said(&ambit(dir.path(), &["fmt"], ""));
    assert_eq!(written, (0, "SCOPE.md: written in its canonical text\n".into(), String::new()));
    assert_eq!(std::fs::read_to_string(&scope).unwrap(), CANONICAL);
    assert_eq!(std::fs::metadata(&scope).unwrap().permissions().mode() & 0o7777, 0o664);
    assert_eq!(parse(LOOSE).document.without_places(), parse(CANONICAL).document.without_places());
    // The second time there is nothing to do, and nothing is left beside.
    assert_eq!(said(&ambit(dir.path(), &["fmt"], "")), (0, String::new(), String::new()));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
}

#[test]
fn line_ends_of_another_system_are_put_right() {
    let dir = place();
    std::fs::write(dir.path().join("SCOPE.md"), CANONICAL.replace('\n', "\r\n")).unwrap();
    let (code, shown, _) = said(&ambit(dir.path(), &["fmt", "SCOPE.md", "--diff"], ""));
    assert_eq!(code, 1);
    assert!(shown.contains("-agent: helper\\r\n") && shown.contains("+agent: helper\n"), "{shown}");
    assert_eq!(said(&ambit(dir.path(), &["fmt", "SCOPE.md"], "")).0, 0);
    assert_eq!(std::fs::read_to_string(dir.path().join("SCOPE.md")).unwrap(), CANONICAL);
}

#[test]
fn looking_writes_nothing_names_what_would_change_and_ends_with_1() {
    let dir = place();
    let checked = said(&ambit(dir.path(), &["fmt", "--check"], ""));
    assert_eq!(checked, (1, "SCOPE.md: would change\n".into(), String::new()));
    let (code, shown, _) = said(&ambit(dir.path(), &["fmt", "--diff", "."], ""));
    assert_eq!(code, 1);
    insta::assert_snapshot!(shown.lines().take(22).collect::<Vec<_>>().join("\n"), @r#"
    --- SCOPE.md
    +++ SCOPE.md, canonical
    @@ -1,38 +1,47 @@
     ---
    +agent: helper
     owner: dana@acme.example
    -agent: helper
    -outside: confirm
     ---
    +
     # Helper
    +
     Looks things up,
     in two lines.
     
     > Asked for in March.
     
     And a second paragraph with `code`.
    +
     ## It can read
    +
     > Only this.
    "#);
    let (code, shown, _) = said(&ambit(dir.path(), &["fmt", "--check", "--format", "json"], ""));
    assert_eq!(code, 1);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["canonical"], false);
    assert_eq!(shown["documents"][0], serde_json::json!({"file": "SCOPE.md", "changed": true, "written": false}));
    assert_eq!(std::fs::read_to_string(dir.path().join("SCOPE.md")).unwrap(), LOOSE);
    // The other agent's page is what it should be.
    assert_eq!(said(&ambit(dir.path(), &["fmt", "--check", "other"], "")), (0, String::new(), String::new()));
}

#[test]
fn with_an_error_in_one_document_none_is_written() {
    let dir = place();
    std::fs::write(dir.path().join("other/SCOPE.md"), CANONICAL.replace("## It can write", "## It can wriet")).unwrap();
    let (code, out, talk) = said(&ambit(dir.path(), &["fmt"], ""));
    assert_eq!((code, out), (1, String::new()));
    assert!(talk.contains("error[unknown-heading]") && talk.contains("other/SCOPE.md:"), "{talk}");
    assert!(talk.ends_with("a document with errors has no canonical text; nothing was written\n"), "{talk}");
    assert_eq!(std::fs::read_to_string(dir.path().join("SCOPE.md")).unwrap(), LOOSE);
    let (_, out, _) = said(&ambit(dir.path(), &["fmt", "--format", "json"], ""));
    let out: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(out["findings"][0]["name"], "unknown-heading");
    assert_eq!(out["documents"][0]["written"], false);
}

#[test]
fn standard_input_comes_out_as_canonical_text() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(said(&ambit(dir.path(), &["fmt", "-"], LOOSE)), (0, CANONICAL.into(), String::new()));
    assert_eq!(said(&ambit(dir.path(), &["fmt", "-", "--check"], CANONICAL)), (0, String::new(), String::new()));
    let checked = said(&ambit(dir.path(), &["fmt", "-", "--check"], LOOSE));
    assert_eq!(checked, (1, "<standard input>: would change\n".into(), String::new()));
    let (code, out, talk) = said(&ambit(dir.path(), &["fmt", "-"], "no scope"));
    assert_eq!((code, out), (1, String::new()));
    assert!(talk.contains("error[missing-front-matter]"), "{talk}");
    // One that is longer than a scope may be is told, and not cut.
    let long = format!("{LOOSE}\n{}", "Much. \n".repeat(100_000));
    let (code, out, talk) = said(&ambit(dir.path(), &["fmt", "-"], &long));
    assert_eq!((code, out), (1, String::new()));
    assert!(talk.contains("error[document-too-large]"), "{talk}");
}

#[test]
fn what_cannot_be_formatted_is_said_as_such() {
    let dir = place();
    for (words, expected) in [
        (&["fmt", "-", "SCOPE.md"][..], "`-` stands beside other paths"),
        (&["fmt", "none.md"], "`none.md` cannot be read"),
        (&["fmt", "SCOPE.scenarios.md"], "a document of scenarios, which has no canonical text"),
    ] {
        let (code, out, talk) = said(&ambit(dir.path(), words, ""));
        assert_eq!((code, out), (2, String::new()), "{words:?}");
        assert!(talk.contains(expected) && talk.contains("help: "), "{talk}");
    }
    std::fs::set_permissions(dir.path().join("SCOPE.md"), std::fs::Permissions::from_mode(0o444)).unwrap();
    let (code, _, talk) = said(&ambit(dir.path(), &["fmt"], ""));
    assert_eq!(code, 4);
    assert!(talk.contains("`SCOPE.md` was not written: it is read-only"), "{talk}");
}
