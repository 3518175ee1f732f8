//! The inspector's command line, as anybody has it from npm, over HTTP through the gate.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::house::{ledger, page, until};
use crate::peers;

#[test]
fn the_inspector_lists_and_calls_over_http_through_the_gate() {
    let house = ledger("[http]\nlisten = \"127.0.0.1:0\"\n[limits]\npending-wait-seconds = 0").open(&page(""));
    until("it says where it listens", || house.told().contains("agents over HTTP at http://"));
    let told = house.told();
    let at = told.split("agents over HTTP at ").nth(1).unwrap().split("/agents").next().unwrap();
    let url = format!("{at}/agents/helper/mcp");
    let inspect = |token: &str, words: &[&str]| {
        // It looks for its own `package.json` from where it is started.
        let own = peers::dir().join("node_modules/@modelcontextprotocol/inspector-cli/build");
        let mut command = Command::new("node");
        command.current_dir(own).arg("index.js");
        command.args([&url, "--transport", "http", "--header", &format!("Authorization: Bearer {token}")]);
        let output = command.args(words).stdin(Stdio::null()).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let token = house.read("token");
    let fine = |words: &[&str]| -> Value {
        let (fine, out, err) = inspect(token.trim(), words);
        assert!(fine, "{words:?}: {out}{err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    };
    let tools = fine(&["--method", "tools/list"]);
    let names: Vec<&str> = tools["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ledger__look", "ledger__note", "ledger__pay", "ambit_pending"]);
    let call = |tool: &str, arguments: &[&str]| {
        let words = ["--method", "tools/call", "--tool-name", tool];
        let given = arguments.iter().flat_map(|one| ["--tool-arg", one]);
        fine(&words.into_iter().chain(given).collect::<Vec<_>>())
    };
    assert_eq!(call("ledger__look", &[])["content"][0]["text"], "look ran");
    let refused = call("ledger__pay", &["amount=500"]);
    assert_eq!(refused["isError"], true, "{refused}");
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("amount is above 100"), "{refused}");
    let held = call("ledger__pay", &["amount=5"]);
    assert!(held.to_string().contains("pending"), "{held}");
    assert_eq!(house.waiting().len(), 1);
    // A token of nobody's opens nothing.
    let (fine, out, err) = inspect("ambit_nobody", &["--method", "tools/list"]);
    assert!(!fine && !out.contains("ledger"), "{out}{err}");
    let ran = house.read("ran");
    assert!(ran.contains("look") && !ran.contains("pay"), "{ran}");
}
