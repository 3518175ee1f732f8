//! The frame of the command line, as the built program: exit codes, what goes where, and what reaches a terminal.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ambit(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ambit"));
    command.current_dir(dir).args(words).stdin(Stdio::null());
    command.env_remove("AMBIT_CONFIG").env_remove("NO_COLOR");
    command.output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub const TOML: &str = r#"
[systems.docs]
kind = "mcp"
command = ["/opt/docs-server"]
[people.dana]
email = "dana@acme.example"
roles = ["lead"]
[agents.helper]
scope = "SCOPE.md"
systems = ["docs"]
"#;

pub const LOCK: &str = r#"version = 1
[systems.docs]
kind = "mcp"
looked-at = "2026-11-23"
[systems.docs.tools.get]
definition = '{"name":"get","inputSchema":{"type":"object","properties":{"id":{"type":"string"}}}}'
"#;

const SCOPE: &str = "---
agent: helper
owner: dana@acme.example
review-by: 2199-02-28
---

# Helper

Looks things up.

## It can read

- nothing

## It can write

- nothing

## A human must confirm

- call docs.get

## It cannot touch

- nothing

## Scenarios

| when it is told | and it tries            | then    |
|-----------------|-------------------------|---------|
| Look it up      | `docs.get {\"id\": \"1\"}` | confirm |
";

fn place(toml: &str, lock: &str, scope: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("ambit.toml", toml), ("ambit.lock", lock), ("SCOPE.md", scope)] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

#[test]
fn a_command_ends_with_the_number_that_it_promises() {
    let good = place(TOML, LOCK, SCOPE);
    let empty = tempfile::tempdir().unwrap();
    let checked = ambit(good.path(), &["check"]);
    assert_eq!(code(&checked), 0, "{}", text(&checked.stdout));
    let advised = "advised, not enforced: `helper` may run as Ambit's own operating-system user; \
                   docs/concepts/enforced-advised.md says how to separate them";
    assert_eq!(text(&checked.stdout), format!("helper: ready\n{advised}\n"));
    // Upward from a directory below, by name, by variable.
    std::fs::create_dir(good.path().join("below")).unwrap();
    assert_eq!(code(&ambit(&good.path().join("below"), &["check"])), 0);
    assert_eq!(code(&ambit(empty.path(), &["check", "--config", good.path().to_str().unwrap()])), 0);
    let by_variable = Command::new(env!("CARGO_BIN_EXE_ambit"))
        .current_dir(empty.path())
        .arg("check")
        .env("AMBIT_CONFIG", good.path().join("ambit.toml"))
        .output()
        .unwrap();
    assert_eq!(code(&by_variable), 0);

    for words in
        [&["check"][..], &["chekc"], &[], &["check", "--format", "yaml"], &["check", "--config", "no/such.toml"]]
    {
        let output = ambit(empty.path(), words);
        assert_eq!(code(&output), 2, "{words:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{words:?}");
    }
    for words in
        [&["--help"][..], &["--version"], &["check", "--help"], &["completions", "bash"], &["schema", "config"]]
    {
        let output = ambit(empty.path(), words);
        assert_eq!(code(&output), 0, "{words:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{words:?}");
    }
    assert_eq!(code(&ambit(good.path(), &["check", "no-such-file.md"])), 2);
}

#[test]
fn what_is_wrong_is_shown_with_its_place_and_ends_with_1() {
    let dir = place(TOML, LOCK, &SCOPE.replace("call docs.get", "call docs.gett"));
    let output = ambit(dir.path(), &["check"]);
    assert_eq!(code(&output), 1);
    insta::assert_snapshot!(text(&output.stdout), @"
    error[unknown-resource]: there is no `docs.gett`
      --> SCOPE.md:21:3
       |
    21 | - call docs.gett
       |   ^^^^^^^^^^^^^^
       |
       = help: did you mean `docs.get`?

    helper: not ready, 1 error
    advised, not enforced: `helper` may run as Ambit's own operating-system user; docs/concepts/enforced-advised.md says how to separate them
    ");

    let dir = place(&TOML.replace("command", "comand"), LOCK, SCOPE);
    let output = ambit(dir.path(), &["check"]);
    assert_eq!(code(&output), 1);
    insta::assert_snapshot!(text(&output.stdout), @r#"
    error[unknown-key]: there is no key `comand` in `systems.docs`
     --> ambit.toml:4:1
      |
    4 | comand = ["/opt/docs-server"]
      | ^^^^^^
      |
      = help: did you mean `command`?

    no scope was checked
    "#);
}

#[test]
fn what_keeps_a_scope_from_being_ready_is_no_error() {
    let dir = place(TOML, LOCK, &SCOPE.replace("review-by: 2199-02-28\n", ""));
    let output = ambit(dir.path(), &["check"]);
    assert_eq!(code(&output), 0);
    insta::assert_snapshot!(text(&output.stdout), @"
    not ready[review-date]: nothing says when this scope is looked at again
     --> SCOPE.md:1:1
      |
    1 | ---
      | ^^^
      |
      = help: add `review-by: YYYY-MM-DD` to the front matter

    helper: not ready, 1 open question
    advised, not enforced: `helper` may run as Ambit's own operating-system user; docs/concepts/enforced-advised.md says how to separate them
    ");
}

#[test]
fn a_program_gets_the_same_as_a_person() {
    let dir = place(TOML, LOCK, &SCOPE.replace("call docs.get", "call docs.gett"));
    let output = ambit(dir.path(), &["check", "--format", "json"]);
    assert_eq!(code(&output), 1);
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["ready"], false);
    assert_eq!(read["scopes"][0]["agent"], "helper");
    let finding = &read["findings"][0];
    assert_eq!(
        (&finding["file"], &finding["line"], &finding["severity"]),
        (&"SCOPE.md".into(), &21.into(), &"error".into())
    );
}

#[test]
fn a_draft_is_checked_as_the_agent_that_it_names() {
    let dir = place(TOML, LOCK, SCOPE);
    std::fs::create_dir(dir.path().join("draft")).unwrap();
    std::fs::write(dir.path().join("draft/SCOPE.md"), SCOPE.replace("call docs.get", "call docs.nothing")).unwrap();
    let output = ambit(dir.path(), &["check", "draft"]);
    assert_eq!(code(&output), 1);
    assert!(text(&output.stdout).contains("draft/SCOPE.md:21"), "{}", text(&output.stdout));
    std::fs::write(dir.path().join("draft/SCOPE.md"), SCOPE.replace("agent: helper", "agent: helpr")).unwrap();
    let output = ambit(dir.path(), &["check", "draft"]);
    assert!(text(&output.stdout).contains("did you mean `helper`?"), "{}", text(&output.stdout));
}

#[test]
fn colour_goes_where_it_is_wanted_and_escapes_go_nowhere() {
    let dir = place(TOML, LOCK, &SCOPE.replace("call docs.get", "call docs.\"\u{1b}[31mx\u{202e}\""));
    let plain = ambit(dir.path(), &["check"]);
    assert!(!plain.stdout.contains(&0x1b), "{}", text(&plain.stdout));
    assert!(!text(&plain.stdout).contains('\u{202e}'));
    let coloured = ambit(dir.path(), &["check", "--color", "always"]);
    assert!(text(&coloured.stdout).contains("\u{1b}["));
    // Ours are styles; what was written stays written out.
    assert!(text(&coloured.stdout).contains("\\u{1b}[31mx\\u{202e}"), "{}", text(&coloured.stdout));
    let never = ambit(dir.path(), &["check", "--color", "never"]);
    assert_eq!(never.stdout, plain.stdout);
}

#[test]
fn a_reader_that_had_enough_is_no_fault() {
    let dir = place(TOML, LOCK, SCOPE);
    let mut child = Command::new(env!("CARGO_BIN_EXE_ambit"))
        .current_dir(dir.path())
        .args(["schema", "config"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), text(&output.stderr)), (0, String::new()));
}

#[test]
fn the_help_of_check_fits_on_a_screen() {
    let dir = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(text(&ambit(dir.path(), &["check", "-h"]).stdout), @"
    Say what is wrong with a scope and with `ambit.toml`, and whether it is ready to be released

    Usage: ambit check [OPTIONS] [PATH]...

    Arguments:
      [PATH]...  Scope documents, or directories with a SCOPE.md [default: those of every agent in
                 `ambit.toml`]

    Options:
          --config <PATH>    `ambit.toml`, or the directory it stands in [default: the nearest one from
                             here upward]
          --format <FORMAT>  How to print it [default: human] [possible values: human, json, sarif,
                             github]
          --socket <PATH>    Reach the daemon at this socket (`shared-socket` in `ambit.toml`), as
                             another operating-system user than its own
          --color <WHEN>     When to colour; `NO_COLOR` in the environment means never [default: auto]
                             [possible values: auto, always, never]
      -h, --help             Print help (see more with '--help')
    ");
}

#[test]
fn a_configuration_of_another_user_is_taken_only_when_it_is_named() {
    let dir = place(TOML, LOCK, SCOPE);
    let below = dir.path().join("below");
    std::fs::create_dir(&below).unwrap();
    assert_eq!(code(&ambit(&below, &["check"])), 0, "our own is found on the way up");
    // Only root can give a file away.
    if std::os::unix::fs::chown(dir.path().join("ambit.toml"), Some(54_321), None).is_ok() {
        let said = ambit(&below, &["check"]);
        assert_eq!(code(&said), 2);
        assert!(text(&said.stderr).contains("another user decides"), "{}", text(&said.stderr));
        assert_eq!(code(&ambit(&below, &["check", "--config", ".."])), 0);
    }
    // A link to a file of ours, in a directory where anybody could put another.
    let open = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(place(TOML, LOCK, SCOPE).keep().join("ambit.toml"), open.path().join("ambit.toml"))
        .unwrap();
    std::fs::set_permissions(open.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let said = ambit(open.path(), &["check"]);
    assert!(text(&said.stderr).contains("another user decides"), "{}", text(&said.stderr));
}
