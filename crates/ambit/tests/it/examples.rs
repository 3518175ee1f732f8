//! The examples, as a reader finds them.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A copy of an example, with the date of its review moved out of reach: the test is about the page, not about when it runs.
fn copy(example: &str) -> tempfile::TempDir {
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
fn every_example_is_ready_and_every_line_of_it_is_held() {
    for example in ["refund-helper", "coding-agent"] {
        let dir = copy(example);
        let checked = ambit(dir.path(), &["check"]);
        assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
        assert_eq!(said(&checked).trim(), format!("{example}: ready"));
        let tested = ambit(dir.path(), &["test"]);
        assert_eq!(tested.status.code(), Some(0), "{}", said(&tested));
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
