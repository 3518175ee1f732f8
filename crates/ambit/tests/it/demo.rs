//! `ambit demo`, as a person starts it.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::peers::{self, Client};

fn demo() -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ambit")).arg("demo").stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_the_gate_the_agent_does_the_damage_and_the_database_shows_it() {
    let told = demo();
    let without = told.split("── Without Ambit").nth(1).unwrap();
    let shown = |name: &str| without.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
    let after = |name: &str| shown(name).split_whitespace().last().unwrap().to_owned();
    assert!(shown("customers with their old address").ends_with("0 of 24"), "{without}");
    assert_eq!(after("notes on customers"), "11");
    assert_eq!(after("of these, agreements"), "0");
    assert_eq!(after("the last day they can bring back"), "2026-10-31");
    assert_eq!(after("writes a minute"), "10,000");
    assert!(shown("alerts that are muted").ends_with("backup-missing, write-flood"), "{without}");
}

#[test]
fn what_is_not_a_terminal_gets_no_colour_and_no_line_is_wider_than_a_page() {
    let told = demo();
    assert!(!told.contains('\u{1b}'), "{told}");
    for line in told.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn official_clients_work_with_the_companys_servers() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("company.db");
    let requests = [
        json!({ "list": true }),
        json!({ "call": "get_customer", "arguments": { "id": 8801 } }),
        json!({ "call": "get_customer", "arguments": { "id": 1 } }),
        json!({ "call": "no_such_tool", "arguments": {} }),
        json!({ "read": "acme://handbook/records" }),
        json!({ "prompt": "tidy_customer", "arguments": { "customer": "8801" } }),
    ];
    for client in [Client::Python, Client::TypeScript] {
        let server = [env!("CARGO_BIN_EXE_ambit"), "demo-server", "--system", "crm", "--db", db.to_str().unwrap()];
        let said = peers::talk(client, &server, &requests);
        assert_eq!(said[0]["tools"].as_array().unwrap().len(), 8, "{client:?}: {said:?}");
        assert_eq!(said[1]["structuredContent"]["name"], "Ines Carvalho", "{client:?}: {said:?}");
        assert_eq!(said[2]["isError"], true, "{client:?}: {said:?}");
        assert!(said[3]["error"].as_str().unwrap().contains("there is no tool `no_such_tool`"), "{client:?}: {said:?}");
        assert!(said[4]["contents"][0]["text"].as_str().unwrap().contains("ten years"), "{client:?}: {said:?}");
        assert!(said[5]["messages"][0]["content"]["text"].as_str().unwrap().contains("8801"), "{client:?}: {said:?}");
    }
}
