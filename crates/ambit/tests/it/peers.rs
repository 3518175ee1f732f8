//! Real servers and clients of others, at the exact versions that `.ci/peers` names.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Where they are installed; installs them the first time, when they are not there yet.
pub fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = Command::new(house.join(".ci/peers/install")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| house.join("target"), PathBuf::from);
        target.join("peers").canonicalize().unwrap()
    })
}

/// The official clients, each driven by a script of the fixtures that reads requests from its standard input.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    /// From PyPI.
    Python,
    /// From npm.
    TypeScript,
}

/// What the client says to those requests, with that command as its server.
pub fn talk(client: Client, server: &[&str], requests: &[Value]) -> Vec<Value> {
    let mut command = match client {
        Client::Python => Command::new(dir().join("venv/bin/python")),
        Client::TypeScript => Command::new("node"),
    };
    let script = match client {
        Client::Python => "client.py",
        Client::TypeScript => "client.cjs",
    };
    command.arg(fixture(script)).args(server).env("AMBIT_PEERS", dir());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input: String = requests.iter().map(|request| format!("{request}\n")).collect();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), requests.len(), "{client:?}: {said}");
    answers
}

/// The path of a fixture.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
