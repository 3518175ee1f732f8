//! A server ends when the daemon does, whether it cares or not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::mcp_fixture::{is_alive, server, until};

fn guarded(at_start: &str) -> Child {
    let spec = server(&[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_ambit"));
    command.arg("__guard").arg(&spec.command).args(&spec.args).env("AT_START", at_start).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_stubborn_server_ends_when_nobody_can_write_to_it_any_more() {
    let mut guard = guarded("stubborn");
    let mut stdin = guard.stdin.take().unwrap();
    let mut lines = BufReader::new(guard.stdout.take().unwrap()).lines();
    writeln!(stdin, r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"orphan"}}}}"#).unwrap();
    let said = lines.next().unwrap().unwrap();
    let orphan = said.split("\"text\":\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(is_alive(orphan));
    drop(stdin);
    until("the orphan and the guard end", || !is_alive(orphan) && !is_alive(i32::try_from(guard.id()).unwrap()));
    guard.wait().unwrap();
}

#[test]
fn the_end_of_a_server_is_the_end_of_its_guard() {
    let mut guard = guarded("");
    let mut stdin = guard.stdin.take().unwrap();
    writeln!(stdin, r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"die"}}}}"#).unwrap();
    assert_eq!(guard.wait().unwrap().code(), Some(3));
}

#[test]
fn a_server_that_cannot_be_started_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ambit"));
    let ended = command.args(["__guard", "/no/such/program"]).process_group(0).output().unwrap();
    assert_eq!(ended.status.code(), Some(127));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("`/no/such/program` could not be started"));
}
