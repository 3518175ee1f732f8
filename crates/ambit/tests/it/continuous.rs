//! The action and the hooks of others' repositories: what they run is what the program has.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::examples;

const ACTION: &str = include_str!("../../../../action.yml");
const HOOKS: &str = include_str!("../../../../.pre-commit-hooks.yaml");

/// The items of a list that are indented by so much, each with its keys and their values; a block after `|` is a value.
fn items(text: &str, indent: usize) -> Vec<Vec<(String, String)>> {
    let margin = " ".repeat(indent);
    let mut items: Vec<Vec<(String, String)>> = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let Some(rest) = line.strip_prefix(&margin) else { continue };
        if rest.starts_with("- ") {
            items.push(Vec::new());
        }
        let Some(item) = items.last_mut() else { continue };
        let rest = rest.strip_prefix("- ").or_else(|| rest.strip_prefix("  ")).unwrap_or(rest);
        match (rest.strip_prefix("  "), item.last_mut()) {
            (Some(more), Some((_, value))) => value.push_str(&format!("{more}\n")),
            _ => {
                let Some((key, value)) = rest.split_once(':') else { continue };
                item.push((key.to_owned(), value.trim().trim_start_matches('|').to_owned()));
            }
        }
    }
    items
}

fn of<'a>(item: &'a [(String, String)], key: &str) -> &'a str {
    &item.iter().find(|(name, _)| name == key).unwrap_or_else(|| panic!("no `{key}` in {item:?}")).1
}

/// Runs a line of shell with the program on the path, as the runner and pre-commit do.
fn shell(dir: &Path, line: &str, words: &[&str]) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_ambit")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &format!("{line} \"$@\""), "bash"])
        .args(words)
        .current_dir(dir)
        .env("PATH", path)
        .env_remove("AMBIT_CONFIG")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What the steps of the action that begin with that word run.
fn step(name: &str) -> String {
    let steps = items(ACTION, 4);
    of(steps.iter().find(|step| of(step, "name").starts_with(name)).unwrap(), "run").to_owned()
}

#[test]
fn the_action_checks_and_tests_and_uploads_nothing() {
    let names: Vec<String> = items(ACTION, 4).iter().map(|step| of(step, "name").to_owned()).collect();
    assert_eq!(names, ["Install Ambit", "Check the scopes", "Run their scenarios"]);
    assert!(!ACTION.contains("uses:"), "what others wrote is not run");
    // No text of a workflow goes into a script; it could be one.
    for step in items(ACTION, 4) {
        assert!(!of(&step, "run").contains("${{"), "{step:?}");
        assert_eq!(of(&step, "shell"), "bash");
    }
    let dir = examples::copy("refund-helper");
    for name in names {
        let output = shell(dir.path(), &step(&name), &[]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
    }
}

#[test]
fn the_action_ends_with_1_when_something_is_wrong_and_says_where() {
    let dir = examples::copy("refund-helper");
    let scope = dir.path().join("SCOPE.md");
    let text = std::fs::read_to_string(&scope).unwrap();
    std::fs::write(&scope, text.replace("crm.get_customer", "crm.get_custmer")).unwrap();
    let output = shell(dir.path(), &step("Check"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("::error file=SCOPE.md,line="), "{}", said(&output));
    // A scenario that fails, and whose words would like to be a command.
    let words = "::error::no, this is mine";
    let failing = text.replace("| Remove that angry note ", &format!("| `{words}` "));
    let failing = failing.replace(
        "`crm.delete_note {\"id\": 4117}`",
        &format!("`crm.add_note {{\"customer\": 1, \"body\": \"{words}\"}}`"),
    );
    assert_ne!(text, failing);
    std::fs::write(&scope, failing).unwrap();
    let output = shell(dir.path(), &step("Run"), &[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let out = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    let token = lines[0].strip_prefix("::stop-commands::").unwrap();
    assert_eq!(token.len(), 32);
    assert_eq!(*lines.last().unwrap(), format!("::{token}::"));
    assert!(out.contains(words) && !out[20..out.len() - 36].contains(&format!("::{token}::")), "{out}");
}

#[test]
fn each_hook_runs_a_command_that_there_is_and_has_its_word_in_the_end() {
    let hooks = items(HOOKS, 0);
    let ids: Vec<&str> = hooks.iter().map(|hook| of(hook, "id")).collect();
    assert_eq!(ids, ["ambit-fmt", "ambit-check", "ambit-test"]);
    let dir = examples::copy("refund-helper");
    let scope = dir.path().join("SCOPE.md");
    for hook in &hooks {
        let files = regex_of(of(hook, "files"));
        assert!(files.is_match("SCOPE.md") && files.is_match("agents/refunds/SCOPE.md"));
        assert!(!files.is_match("MYSCOPE.md") && !files.is_match("SCOPE.mdx"));
        // The names of the files that changed are given, unless the hook does not take them.
        let takes = !hook.iter().any(|(key, value)| key == "pass_filenames" && value == "false");
        let names: &[&str] = if takes { &["SCOPE.md"] } else { &[] };
        let run = || shell(dir.path(), of(hook, "entry"), names);
        assert_eq!(run().status.code(), Some(0), "{}: {}", of(hook, "id"), said(&run()));
        let good = std::fs::read_to_string(&scope).unwrap();
        std::fs::write(&scope, good.replace("## It cannot touch", "## It can not touch")).unwrap();
        assert_eq!(run().status.code(), Some(1), "{}", of(hook, "id"));
        std::fs::write(&scope, good).unwrap();
    }
}

fn regex_of(text: &str) -> regex::Regex {
    regex::Regex::new(text).unwrap()
}
