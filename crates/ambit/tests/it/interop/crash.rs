//! The daemon is killed while an agent and a person wait for it: what each of them finds at the next start, and what the
//! daemon says by itself. (`killed` goes through every stage, at any moment of it.)

use std::process::{Child, Stdio};

use serde_json::Value;

use super::house::{House, TOOLS, ledger, page, until};
use super::wire::Wire;

fn open() -> House {
    ledger("[limits]\npending-wait-seconds = 0\ndaily-holds = 1000\n").open(&page(""))
}

/// A payment that waits: its id.
fn hold(house: &House, amount: usize) -> String {
    let mut client = Wire::open(&house.gate(), &house.path(""));
    let said = client.call("ledger__pay", &format!("{{\"amount\":{amount}}}"));
    let said: Value = serde_json::from_str(&said).unwrap();
    said["structuredContent"]["id"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// What the agent reads when it asks after a hold.
fn collect(house: &House, id: &str) -> String {
    Wire::open(&house.gate(), &house.path("")).call("ambit_pending", &format!("{{\"id\":\"{id}\"}}"))
}

/// Dana begins to confirm.
fn begin(house: &House, id: &str) -> Child {
    let words = ["confirm", id, "--as", "dana", "--passphrase-file", "passphrase"];
    house.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn ran(house: &House) -> usize {
    house.read("ran").lines().count()
}

#[test]
fn killed_while_it_waits_it_waits_on() {
    let mut house = open();
    let id = hold(&house, 7);
    house.kill();
    house.serve();
    assert_eq!(house.waiting(), [id.as_str()]);
    until("it is told", || house.told().contains("1 holds wait"));
    assert!(collect(&house, &id).contains("pending: "));
    house.confirm(&id).fine();
    house.kill();
    house.serve();
    // After the answer: it is there to be collected, and is not asked for again.
    assert_eq!((house.state(&id).as_str(), ran(&house)), ("done", 1));
    assert!(collect(&house, &id).contains("pay ran"));
    assert!(!house.told().contains("unknown"), "{}", house.told());
    assert_eq!(ran(&house), 1);
}

/// Brings a hold to where it is confirmed and not yet sent, and the power goes.
fn killed_between_the_yes_and_the_sending(house: &mut House, amount: usize) -> String {
    let id = hold(house, amount);
    // The server says that its tools changed, so they are looked at when dana confirms, and says so once more, so they
    // are looked at again before it is sent: to that it does not answer.
    house.write("on-list", "again stall");
    let said = Wire::open(&house.gate(), &house.path("")).call("ledger__look", "{}");
    assert!(said.contains("look ran"), "{said}");
    let mut confirming = begin(house, &id);
    until("it is looked at before it is sent", || house.path("stalled").exists());
    assert_eq!(house.state(&id), "confirmed");
    house.kill();
    confirming.wait().unwrap();
    for file in ["on-list", "stalled"] {
        std::fs::remove_file(house.path(file)).unwrap();
    }
    id
}

#[test]
fn killed_between_the_yes_and_the_sending_it_runs_at_the_next_start_if_it_still_may() {
    let mut house = open();
    let id = killed_between_the_yes_and_the_sending(&mut house, 7);
    assert!(!house.read("ran").contains("pay"));
    house.serve();
    until("it runs", || house.state(&id) == "done");
    assert_eq!(house.read("ran").matches("pay").count(), 1);
    assert!(collect(&house, &id).contains("pay ran"));
    // And not when what it was bound to changed meanwhile.
    let id = killed_between_the_yes_and_the_sending(&mut house, 8);
    house.write("tools.json", &TOOLS.replace("integer", "number"));
    house.serve();
    until("it is withdrawn", || house.state(&id) == "withdrawn");
    assert!(collect(&house, &id).contains("schema"));
    assert_eq!(house.read("ran").matches("pay").count(), 1);
}

#[test]
fn killed_while_it_is_sent_it_is_told_as_unknown_and_not_sent_again() {
    let mut house = open();
    let id = hold(&house, 7);
    house.write("stall-call", "");
    let mut confirming = begin(&house, &id);
    until("it arrives", || ran(&house) == 1);
    house.kill();
    assert_ne!(confirming.wait().unwrap().code(), Some(0));
    std::fs::remove_file(house.path("stall-call")).unwrap();
    house.serve();
    until("it is told", || house.told().contains(&format!("outcome unknown: `{id}`")));
    assert_eq!(house.state(&id), "outcome unknown");
    assert!(house.notices().contains(&id) && house.notices().contains("ledger.pay"), "{}", house.notices());
    assert_eq!(house.records(&id).last().map(String::as_str), Some("outcome-unknown"));
    let said = collect(&house, &id);
    assert!(said.contains("nobody knows whether it took effect"), "{said}");
    // It stays told to people, is found once, and never runs again.
    assert_eq!(house.end(), 0);
    house.serve();
    assert!(house.notices().contains(&id));
    let again = house.confirm(&id);
    assert!(again.err.contains("nothing changed (outcome unknown)"), "{}", again.err);
    assert!(!house.told().contains("unknown"), "{}", house.told());
    assert_eq!((house.state(&id).as_str(), ran(&house)), ("outcome unknown", 1));
}

#[test]
fn killed_while_an_allowed_call_is_sent_a_change_is_told_and_a_look_is_not() {
    let mut house = open();
    let mut client = Wire::open(&house.gate(), &house.path(""));
    house.write("stall-call", "");
    client.begin("tools/call", r#"{"name":"ledger__look","arguments":{}}"#);
    client.begin("tools/call", r#"{"name":"ledger__note","arguments":{"text":"x"}}"#);
    until("both arrive", || ran(&house) == 2);
    house.kill();
    assert!(client.ended());
    std::fs::remove_file(house.path("stall-call")).unwrap();
    house.serve();
    until("it is told", || house.told().contains("outcome unknown: `ledger.note`"));
    assert!(!house.told().contains("ledger.look"), "{}", house.told());
    assert!(house.notices().contains("ledger.note"), "{}", house.notices());
    let told = house.ambit(&["journal", "tail", "--kind", "outcome-unknown", "--format", "json"]).fine();
    assert_eq!(told.out.lines().count(), 1, "{}", told.out);
    house.ambit(&["journal", "verify"]).fine();
    assert_eq!(ran(&house), 2);
}
