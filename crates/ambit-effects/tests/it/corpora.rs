//! Every file under `fuzz/corpus` is replayed by the function that its target calls.

use std::path::Path;

use ambit_effects::fuzzing::{self, Kept};

fn replay(target: &str, check: fn(&[u8]) -> Kept) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let kept = check(&std::fs::read(&file).unwrap());
        assert_eq!(kept, Ok(()), "{}", file.display());
    }
}

#[test]
fn json() {
    replay("json", fuzzing::json);
}

#[test]
fn schema() {
    replay("schema", fuzzing::schema);
}

#[test]
fn definition() {
    replay("definition", fuzzing::definition);
}

#[test]
fn call() {
    replay("call", fuzzing::call);
}

#[test]
fn cut() {
    replay("cut", fuzzing::cut);
}

#[test]
fn attempt() {
    replay("attempt", fuzzing::attempt);
}

#[test]
fn scope() {
    replay("scope", fuzzing::scope);
}

#[test]
fn token() {
    replay("token", fuzzing::token);
}

#[test]
fn frames() {
    replay("frames", fuzzing::frames);
}
