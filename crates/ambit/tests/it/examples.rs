//! The examples, as a reader finds them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::peers;

/// A copy of an example, with the date of its review moved out of reach: the test is about the page, not about when it runs.
pub fn copy(example: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
    let to = tempfile::tempdir().unwrap();
    for name in ["SCOPE.md", "ambit.toml", "ambit.lock"] {
        let text = std::fs::read_to_string(from.join(name)).unwrap();
        std::fs::write(to.path().join(name), text.replace("review-by: 2027-02-28", "review-by: 9999-12-31")).unwrap();
    }
    to
}

fn ambit(dir: &Path, words: &[&str]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_ambit"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    Command::new(program).args(words).current_dir(dir).env("PATH", path).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_example_is_ready_and_every_line_of_it_is_held_also_under_attack() {
    for example in ["refund-helper", "coding-agent"] {
        let dir = copy(example);
        let checked = ambit(dir.path(), &["check"]);
        assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
        assert!(
            said(&checked).starts_with(&format!("{example}: ready\nadvised, not enforced: ")),
            "{}",
            said(&checked)
        );
        let tested = ambit(dir.path(), &["test"]);
        assert_eq!(tested.status.code(), Some(0), "{}", said(&tested));
        let attacked = ambit(dir.path(), &["attack", example]);
        assert_eq!(attacked.status.code(), Some(0), "{}", said(&attacked));
        assert!(said(&attacked).contains("\n0 of "), "{}", said(&attacked));
    }
}

#[test]
fn the_lock_of_the_refund_helper_is_what_its_servers_offer() {
    let dir = copy("refund-helper");
    let before = std::fs::read_to_string(dir.path().join("ambit.lock")).unwrap();
    let looked = ambit(dir.path(), &["inventory"]);
    assert_eq!(looked.status.code(), Some(0), "{}", said(&looked));
    let undated =
        |text: &str| text.lines().filter(|line| !line.starts_with("looked-at")).collect::<Vec<_>>().join("\n");
    let after = std::fs::read_to_string(dir.path().join("ambit.lock")).unwrap();
    assert_eq!(undated(&after), undated(&before), "{}", said(&looked));
}

#[test]
fn the_lock_of_the_coding_agent_is_what_the_real_server_offers() {
    let dir = copy("coding-agent");
    std::fs::create_dir(dir.path().join("shop")).unwrap();
    // The package is installed already, at the version that the example names: `npx` would fetch it anew.
    let config = std::fs::read_to_string(dir.path().join("ambit.toml")).unwrap();
    let named = "\"npx\", \"-y\", \"@modelcontextprotocol/server-filesystem@2026.8.31\"";
    assert!(config.contains(named), "{config}");
    let installed = peers::dir().join("node_modules/.bin/mcp-server-filesystem");
    let config = config.replace(named, &format!("{:?}", installed.to_str().unwrap()));
    std::fs::write(dir.path().join("ambit.toml"), config).unwrap();
    let digests = || {
        let lock = std::fs::read_to_string(dir.path().join("ambit.lock")).unwrap();
        lock.lines().filter(|line| line.starts_with("digest = ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = digests();
    assert_eq!(before.len(), 14);
    // Everything is looked at as if for the first time, so that nothing stays because it stood there.
    std::fs::remove_file(dir.path().join("ambit.lock")).unwrap();
    let looked = ambit(dir.path(), &["inventory"]);
    assert_eq!(looked.status.code(), Some(0), "{}", said(&looked));
    assert_eq!(digests(), before, "{}", said(&looked));
}
