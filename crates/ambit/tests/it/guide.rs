//! The guide, followed to the letter: every block of it is run.
//!
//! A fenced block whose first line says `file=NAME` is written to that file; a `console` block is a sequence of commands
//! (`$ …`) and what they print. In what is printed `…` stands for anything within a line, or, alone on a line, for any
//! number of lines.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::examples;

/// One fenced block.
struct Block<'a> {
    info: &'a str,
    text: String,
    line: usize,
}

fn blocks(document: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (at, line) in document.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some(Block { info, text: String::new(), line: at + 1 }),
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is never closed");
    blocks
}

/// Follows a guide in an empty directory.
fn follow(document: &str, dir: &Path) {
    let mut commands = 0;
    for block in blocks(document) {
        if let Some(name) = block.info.split(' ').find_map(|word| word.strip_prefix("file=")) {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &block.text).unwrap();
        } else if block.info == "console" {
            let mut parts = block.text.split("$ ").filter(|part| !part.is_empty());
            parts.by_ref().for_each(|part| {
                let (command, expected) = part.split_once('\n').unwrap();
                let said = run(command, dir);
                assert!(
                    matches(expected.trim_end(), said.trim_end()),
                    "line {}: `{command}` said\n{said}\nand not\n{expected}",
                    block.line
                );
                commands += 1;
            });
        } else {
            panic!("line {}: nobody runs a block of `{}`", block.line, block.info);
        }
    }
    assert!(commands > 0, "a guide that runs nothing");
}

fn run(command: &str, dir: &Path) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_ambit")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(dir)
        .env("PATH", path)
        // Whoever runs the tests keeps their own people to themselves.
        .env("AMBIT_PEOPLE", dir.join("people"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Whether what was said is what was expected.
fn matches(expected: &str, said: &str) -> bool {
    let expected: Vec<&str> = expected.lines().collect();
    let said: Vec<&str> = said.lines().collect();
    lines_match(&expected, &said)
}

fn lines_match(expected: &[&str], said: &[&str]) -> bool {
    match expected {
        [] => said.is_empty(),
        ["…", rest @ ..] => (0..=said.len()).any(|skipped| lines_match(rest, &said[skipped..])),
        [line, rest @ ..] => {
            said.first().is_some_and(|first| line_matches(line, first)) && lines_match(rest, &said[1..])
        }
    }
}

fn line_matches(expected: &str, said: &str) -> bool {
    let mut rest = said;
    let mut pieces = expected.split('…');
    let first = pieces.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(first) else { return false };
    rest = after;
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn the_first_scope_is_written_released_and_used_as_the_guide_says() {
    follow_to_the_end(include_str!("../../../../docs/guide/first-scope.md"));
}

#[test]
fn an_agent_works_on_one_task_as_the_guide_says() {
    // A port that is free, so that another daemon of this machine is not in the way.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let guide = include_str!("../../../../docs/guide/one-task.md").replace(":7171", &format!(":{free}"));
    follow_to_the_end(&guide);
}

fn follow_to_the_end(document: &str) {
    let dir = tempfile::tempdir().unwrap();
    follow(document, dir.path());
    // The guide leaves a daemon behind, as a reader's would be; this one is ended by its number.
    let status: serde_json::Value = serde_json::from_str(&run("ambit status --format json", dir.path())).unwrap();
    let ended = Command::new("kill").arg(status["process"].to_string()).status().unwrap();
    assert!(ended.success());
}

#[test]
fn scopes_are_checked_as_the_guide_for_continuous_integration_says() {
    let dir = examples::copy("refund-helper");
    follow(include_str!("../../../../docs/guide/ci.md"), dir.path());
}

#[test]
fn a_clients_servers_are_imported_as_the_guide_says() {
    let dir = tempfile::tempdir().unwrap();
    follow(include_str!("../../../../docs/guide/import.md"), dir.path());
    let before: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("shop/.mcp.json")).unwrap()).unwrap();
    assert!(before["mcpServers"]["crm"].is_object());
}

#[test]
fn a_guide_is_held_to_what_it_shows() {
    assert!(matches("a … c\n…\nend", "a b c\nx\ny\nend"));
    assert!(matches("…\nend", "end"));
    assert!(!matches("a … c", "a b d"));
    assert!(!matches("a", "a\nb"));
    assert!(!matches("a\n…", "b"));
}
