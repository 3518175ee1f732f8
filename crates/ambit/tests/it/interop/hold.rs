//! A hold from end to end: asked by an official client, decided by a person at the command line, counted in the files of
//! the server that it was for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use serde_json::{Value, json};

use super::house::{House, Said, TOOLS, ledger, page, until};
use super::wire::Wire;
use crate::peers::{Client, Talk, fixture};

fn open(clause: &str, wait_seconds: u32) -> House {
    ledger(&format!("[limits]\npending-wait-seconds = {wait_seconds}\n")).open(&page(clause))
}

fn pay(amount: u32) -> Value {
    json!({ "call": "ledger__pay", "arguments": { "amount": amount } })
}

fn pending(id: &str) -> Value {
    json!({ "call": "ambit_pending", "arguments": { "id": id } })
}

/// What the client reads.
#[track_caller]
fn text(said: &Value) -> &str {
    said["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{said}"))
}

/// The id that a client reads in a result that says pending.
#[track_caller]
fn held(said: &Value) -> String {
    assert!(text(said).starts_with("pending: "), "{said}");
    said["structuredContent"]["id"].as_str().unwrap().to_owned()
}

/// How often the ledger says that something ran.
fn ran(house: &House, what: &str) -> usize {
    house.read("ran").lines().filter(|line| line.contains(what)).count()
}

#[test]
fn what_was_confirmed_runs_once_and_is_collected() {
    let house = open("", 0);
    let mut client = Talk::open(Client::Python, &house.gate());
    let id = held(&client.ask(&pay(7)));
    assert_eq!(held(&client.ask(&pay(7))), id, "the same asking joins");
    let other = held(&client.ask(&pay(8)));
    assert_ne!(other, id, "another argument asks anew");
    assert_eq!(house.read("ran"), "");
    let said = house.confirm(&id).fine();
    assert!(said.err.contains("\"amount\":7") || said.err.contains("\"amount\": 7"), "{}", said.err);
    assert_eq!((ran(&house, "\"amount\": 7"), ran(&house, "pay")), (1, 1));
    for _ in 0..2 {
        assert_eq!(text(&client.ask(&pending(&id))), "pay ran");
    }
    assert_eq!(held(&client.ask(&pending(&other))), other);
    assert_eq!(house.state(&other), "waiting");
    let again = house.confirm(&id);
    assert!(again.err.contains("confirmed"), "{}", again.err);
    assert_eq!(ran(&house, "pay"), 1);
    assert_eq!(
        house.records(&id),
        ["asked", "decided", "held", "asked", "decided", "confirmed", "executing", "outcome"]
    );
    house.ambit(&["journal", "verify"]).fine();
    // Once it was collected, asking for the same is asking for another one.
    let third = held(&client.ask(&pay(7)));
    assert_ne!(third, id);
    assert_eq!(ran(&house, "pay"), 1);
}

#[test]
fn a_person_who_is_quick_is_waited_for() {
    let house = open("", 30);
    let mut client = Talk::open(Client::TypeScript, &house.gate());
    client.begin(&pay(7));
    until("it waits", || house.waiting().len() == 1);
    house.confirm(&house.waiting()[0]).fine();
    let said = client.end();
    assert_eq!((text(&said), ran(&house, "pay")), ("pay ran", 1));
    client.begin(&pay(8));
    until("it waits", || house.waiting().len() == 1);
    house.sign(&["refuse", &house.waiting()[0], "--because", "not on Mondays"]).fine();
    let said = client.end();
    assert!(said["isError"] == true && text(&said).contains("not on Mondays"), "{said}");
    assert_eq!(ran(&house, "pay"), 1);
}

#[test]
fn what_was_refused_does_not_run_and_is_not_asked_again() {
    let house = open("", 0);
    let mut client = Talk::open(Client::Python, &house.gate());
    let id = held(&client.ask(&pay(7)));
    house.sign(&["refuse", &id, "--because", "not on Mondays"]).fine();
    for request in [pending(&id), pay(7)] {
        let said = client.ask(&request);
        assert!(said["isError"] == true && text(&said).contains("not on Mondays"), "{said}");
    }
    assert_eq!(house.confirm(&id).code, 1);
    assert_eq!((house.waiting().len(), house.read("ran").as_str()), (0, ""));
}

#[test]
fn what_nobody_decides_lapses() {
    let house = open(", within 2 seconds", 0);
    let mut client = Talk::open(Client::TypeScript, &house.gate());
    let id = held(&client.ask(&pay(7)));
    until("it lapses", || house.state(&id) == "expired");
    let said = client.ask(&pending(&id));
    assert!(said["isError"] == true && text(&said).contains("nobody decided"), "{said}");
    let late = house.confirm(&id);
    assert_eq!(late.code, 1, "{}", late.err);
    assert_eq!((house.state(&id).as_str(), house.read("ran").as_str()), ("expired", ""));
}

/// One request to the daemon after that first line; what it answers.
fn knock(house: &House, first: &Value, request: &Value) -> Value {
    let mut stream = UnixStream::connect(house.path(".ambit/run/ambit.sock")).unwrap();
    write!(stream, "{first}\n{request}\n").unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert_eq!(serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["ok"], true);
    serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
}

#[test]
fn an_agent_cannot_confirm() {
    let house = open("", 0);
    let mut client = Talk::open(Client::Python, &house.gate());
    let id = held(&client.ask(&pay(7)));
    let binding = house.ambit(&["show", &id, "--format", "json"]).fine().json()["binding"].clone();
    let token = house.read("token").trim().to_owned();
    let yes = |proof: Value| json!({ "ask": "answer", "id": id, "binding": binding, "say": "confirm", "because": "", "proof": proof });
    let signature = "00".repeat(64);
    // On the agent's own line, the requests of people are no messages at all.
    let agent = json!({ "ambit": 1, "role": "agent", "agent": "helper", "token": token });
    let unsigned = yes(json!({ "person": "dana", "signature": null }));
    for request in [&unsigned, &json!({ "ask": "inbox", "agent": null }), &json!({ "ask": "status" })] {
        let said = knock(&house, &agent, request);
        assert!(said["error"]["code"].is_i64() && said.get("reply").is_none(), "{said}");
    }
    // On a person's line, nobody is believed without a signature, and a token is none.
    let person = json!({ "ambit": 1, "role": "person" });
    for proof in [
        json!({ "person": "dana", "signature": null }),
        json!({ "person": "dana", "signature": signature }),
        json!({ "person": "dana", "signature": token }),
        json!({ "person": "helper", "signature": null }),
        json!({ "person": "root", "signature": null }),
    ] {
        let said = knock(&house, &person, &yes(proof));
        assert_eq!((&said["reply"], &said["with"]["refused"]), (&json!("failed"), &json!(true)), "{said}");
    }
    // No person's key, no tool, and no user that the file does not name.
    assert_ne!(house.ambit(&["confirm", &id, "--as", "dana", "--by-user"]).code, 0);
    assert_ne!(house.ambit(&["confirm", &id, "--as", "lena", "--passphrase-file", "passphrase"]).code, 0);
    house.write("wrong", "another horse battery\n");
    std::fs::set_permissions(house.path("wrong"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(house.ambit(&["confirm", &id, "--as", "dana", "--passphrase-file", "wrong"]).code, 1);
    for tool in ["ambit_confirm", "ambit__confirm", "ledger__confirm"] {
        let said = client.ask(&json!({ "call": tool, "arguments": { "id": id } }));
        assert!(said["isError"] == true || said["error"].is_string(), "{said}");
    }
    assert_eq!((house.state(&id).as_str(), house.read("ran").as_str()), ("waiting", ""));
    house.confirm(&id).fine();
    assert_eq!(ran(&house, "pay"), 1);
}

#[test]
fn two_who_confirm_at_once_have_it_run_once() {
    let house = open("", 0);
    let mut client = Wire::open(&house.gate(), &house.path(""));
    for amount in 1..=6 {
        let said: Value =
            serde_json::from_str(&client.call("ledger__pay", &format!("{{\"amount\":{amount}}}"))).unwrap();
        let id = held(&said);
        let both = [(); 2].map(|()| {
            let words = ["confirm", &id, "--as", "dana", "--passphrase-file", "passphrase"];
            house.command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        });
        let said = both.map(|one| {
            let output = one.wait_with_output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        });
        assert!(said.iter().any(|(code, _)| *code == Some(0)), "{said:?}");
        assert_eq!(ran(&house, "pay"), amount, "{said:?}");
        assert_eq!(house.records(&id).iter().filter(|kind| *kind == "executing").count(), 1);
    }
}

#[test]
fn a_tool_that_is_no_longer_what_was_released_is_refused_and_what_waits_for_it_is_withdrawn() {
    let house = open("", 0);
    let mut client = Talk::open(Client::Python, &house.gate());
    let id = held(&client.ask(&pay(7)));
    assert_eq!(text(&client.ask(&json!({ "call": "ledger__note", "arguments": { "text": "before" } }))), "note ran");
    // The server comes back with another schema for one tool, and other words for another.
    house.write(
        "tools.json",
        &TOOLS
            .replace(r#""amount": {"type": "integer"}"#, r#""amount": {"type": "number"}"#)
            .replace("Notes.", "Keeps."),
    );
    end_server(&house);
    let said = house.confirm(&id);
    assert!(said.code == 1 && said.err.contains("withdrawn") && said.err.contains("schema"), "{}", said.err);
    assert_eq!(house.state(&id), "withdrawn");
    for request in [pending(&id), pay(7)] {
        let said = client.ask(&request);
        assert!(said["isError"] == true && text(&said).contains("schema"), "{said}");
    }
    assert_eq!(text(&client.ask(&json!({ "call": "ledger__note", "arguments": { "text": "after" } }))), "note ran");
    assert_eq!(ran(&house, "pay"), 0);
    let journal = house.ambit(&["journal", "tail", "--kind", "decided"]).fine().out;
    assert!(journal.contains("drift"), "{journal}");
    // Other words alone stop what a human must confirm: the line was written about what the words said.
    house.write("tools.json", &TOOLS.replace("Pays.", "Pays back."));
    end_server(&house);
    let said = client.ask(&pay(7));
    assert!(said["isError"] == true && text(&said).contains("description"), "{said}");
    // As it was, it is asked about again.
    house.write("tools.json", TOOLS);
    end_server(&house);
    assert_ne!(held(&client.ask(&pay(7))), id);
}

/// Ends the server, as if it was replaced by another version; the next call starts it again.
fn end_server(house: &House) {
    let told =
        || house.ambit(&["journal", "tail", "-n", "99", "--kind", "flagged"]).fine().out.matches("is gone").count();
    let (before, started) = (told(), house.read("started"));
    let pid = rustix::process::Pid::from_raw(started.lines().last().unwrap().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // A call on its way into a server that is just dying is another story.
    until("the daemon sees that its server is gone", || told() > before);
}

#[test]
fn a_new_release_withdraws_what_waits_under_the_old_one() {
    let house = open("", 0);
    let mut client = Talk::open(Client::TypeScript, &house.gate());
    let id = held(&client.ask(&pay(7)));
    let released = house.release(&page(", within 2 hours")).json();
    assert_eq!(released["withdrawn"], json!([id]));
    assert_eq!(house.state(&id), "withdrawn");
    assert_eq!(house.confirm(&id).code, 1);
    let said = client.ask(&pending(&id));
    assert!(said["isError"] == true && text(&said).contains("withdrawn"), "{said}");
    let next = held(&client.ask(&pay(7)));
    house.confirm(&next).fine();
    assert_eq!(ran(&house, "pay"), 1);
}

#[test]
fn what_an_agent_writes_does_not_reach_the_terminal_as_more_than_text() {
    let house = open("", 0);
    let mut client = Wire::open(&house.gate(), &house.path(""));
    let evil = r#"{"amount":7,"to":"\u001b[2J\u001b]0;x\u0007\u202egnp\u200b\r\nyou confirm   nothing"}"#;
    let id = held(&serde_json::from_str(&client.call("ledger__pay", evil)).unwrap());
    client.call("ledger__note", r#"{"text":"\u001b[31m"}"#);
    client.call("ledger__\\u001b[31m", "{}");
    client.call("ambit_pending", r#"{"id":"\u001b[31m"}"#);
    let all = [
        house.ambit(&["show", &id]),
        house.ambit(&["inbox"]),
        house.ambit(&["status"]),
        house.ambit(&["journal"]),
        house.confirm(&id),
    ];
    for Said { out, err, .. } in &all {
        let bad = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{200b}');
        assert!(!out.contains(bad) && !err.contains(bad), "{out}{err}");
        assert!(!out.lines().chain(err.lines()).any(|line| line.starts_with("you confirm   nothing")), "{out}{err}");
    }
}

#[test]
fn the_program_that_runs_is_the_one_that_was_looked_at() {
    let toml = "[systems.ledger]\nkind = \"mcp\"\ncommand = [\"bin/ledger\"]\ncwd = \"books\"\nreading-tools = [\"look\"]\n\
                [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"ledger\"]\n";
    let house = House::new(toml);
    std::fs::create_dir_all(house.path("books")).unwrap();
    std::fs::create_dir_all(house.path("bin")).unwrap();
    house.write("books/tools.json", TOOLS);
    house.write("bin/ledger", &format!("#!/bin/sh\nexec python3 {}\n", fixture("ledger.py").display()));
    std::fs::set_permissions(house.path("bin/ledger"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let house = house.open(&page(""));
    let mut client = Wire::open(&house.gate(), &house.path(""));
    let said = client.call("ledger__note", r#"{"text":"x"}"#);
    assert!(said.contains("note ran") && house.read("books/ran").contains("note"), "{said}");
}
