//! Tasks over the real binary: a person opens one, the agent's client connects with its token, and it ends.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use ambit::daemon::dial::dial;
use ambit::daemon::hello::Hello;
use ambit::daemon::place::Place;
use serde_json::{Value, json};

use crate::people::Town;

const SCOPE: &str = r#"---
agent: refund-helper
owner: dana.ortiz@acme.example
backup-owner: sam.reyes@acme.example
outside: refuse
---

# Refund helper

Answers refund tickets, one at a time.

## It can read

- crm.get_customer where id is the task's customer, for refund
- helpdesk.get_ticket

## It can write

- call crm.add_note where customer is the task's customer, at most 1 times per task, for refund
- call helpdesk.reply where recipient is in the request, for refund

## A human must confirm

- call payments.create_refund where amount is in the request and currency is "EUR", for refund

## It cannot touch

- call crm.delete_notes
"#;

fn refund<'a>(customer: &'a str, author: &'a str, to: &'a str) -> Vec<&'a str> {
    vec![
        "task",
        "open",
        "refund-helper",
        "refund",
        "--request",
        "give her 16 EUR back, and tell sam.reyes@acme.example",
        "--author",
        author,
        "--fact",
        customer,
        "--to",
        to,
    ]
}

fn is_allowed(answer: &Value) -> bool {
    answer["result"]["isError"] == json!(false)
}

impl Town {
    /// One line of the protocol that the command line speaks, said by hand; the reply.
    fn say(&self, request: &Value) -> String {
        self.fine(&["status"]);
        let place = Place::of_config(&self.path().join("ambit.toml"));
        let mut stream = dial(&place, &Hello::Person).unwrap();
        writeln!(stream, "{request}").unwrap();
        let mut reply = String::new();
        BufReader::new(stream).read_line(&mut reply).unwrap();
        reply
    }

    fn tasks(&self) -> Vec<Value> {
        serde_json::from_str(&self.fine(&["task", "list", "--format", "json"])).unwrap()
    }
}

#[test]
fn a_task_narrows_the_agent_to_its_facts_and_nothing_leaks_to_another() {
    let town = Town::with(SCOPE);
    town.fine_as("dana", &refund("customer=8803", "dana", "one"));
    town.fine_as("dana", &refund("customer=8812", "customer@elsewhere.example", "two"));
    assert_eq!(std::fs::metadata(town.path().join("one")).unwrap().permissions().mode() & 0o777, 0o600);
    let (mut standing, mut one, mut two) = (town.agent(), town.agent_with("one"), town.agent_with("two"));
    let customer = |id: u64| json!({ "id": id });
    for (who, allowed) in [(&mut standing, [false, false]), (&mut one, [true, false]), (&mut two, [false, true])] {
        for (id, allowed) in [8803, 8812].into_iter().zip(allowed) {
            let answer = who.call("crm__get_customer", customer(id));
            assert_eq!(is_allowed(&answer), allowed, "{id}: {answer}");
        }
        assert!(is_allowed(&who.call("helpdesk__get_ticket", json!({ "id": 5122 }))));
    }
    // What is listed is narrowed as what is called is.
    for (who, listed) in [(&mut standing, false), (&mut one, true)] {
        let tools = who.ask("tools/list", &json!({})).to_string();
        assert_eq!(tools.contains("crm__add_note"), listed, "{tools}");
        assert!(tools.contains("helpdesk__get_ticket"));
    }
    // The words of an insider count; those of somebody outside satisfy nothing, the same words or not.
    let reply = json!({ "ticket": 5122, "recipient": "sam.reyes@acme.example", "body": "Done." });
    assert!(is_allowed(&one.call("helpdesk__reply", reply.clone())));
    assert!(!is_allowed(&two.call("helpdesk__reply", reply)));
    // One note a task, and the other task has its own.
    for (who, id) in [(&mut one, 8803), (&mut two, 8812)] {
        let note = json!({ "customer": id, "body": "x" });
        let answer = who.call("crm__add_note", note.clone());
        assert!(is_allowed(&answer), "{id}: {answer}");
        assert!(who.call("crm__add_note", note).to_string().contains("limit is used up"), "{id}");
    }
    let listed = town.fine(&["task", "list"]);
    assert!(listed.contains("refund") && listed.contains("dana") && !listed.contains("16 EUR"), "{listed}");
    assert_eq!(town.tasks().iter().map(|task| task["sessions"].as_array().unwrap().len()).sum::<usize>(), 2);
    let shown = town.fine(&["task", "show", town.tasks()[0]["id"].as_str().unwrap()]);
    assert!(shown.contains("give her 16 EUR back") && shown.contains("customer = 88"), "{shown}");
    // What was asked in which task stands in the record; the words and the facts do not.
    let journal = town.fine(&["journal", "tail", "-n", "1000", "--format", "json"]);
    assert!(journal.contains("\"task-opened\"") && !journal.contains("16 EUR") && !journal.contains("elsewhere"));
}

#[test]
fn a_closed_task_ends_its_sessions_its_holds_and_its_token() {
    let town = Town::with(SCOPE);
    town.fine_as("dana", &refund("customer=8803", "dana", "one"));
    let (mut standing, mut one) = (town.agent(), town.agent_with("one"));
    one.send(
        "tools/call",
        &json!({ "name": "payments__create_refund", "arguments": { "order": 70369, "amount": 16, "currency": "EUR", "reason": "x" } }),
    );
    let hold = town.first_hold();
    let shown = town.fine(&["show", &hold]);
    assert!(shown.contains("give her 16 EUR back") && shown.contains("customer = 8803"), "{shown}");
    let id = town.tasks()[0]["id"].as_str().unwrap().to_owned();
    let closed: Value =
        serde_json::from_str(&town.fine(&["task", "close", &id[..6], "--because", "done", "--format", "json"]))
            .unwrap();
    assert_eq!((&closed["id"], &closed["withdrawn"]), (&json!(id), &json!([hold])));
    assert_eq!(closed["severed"].as_array().unwrap().len(), 1);
    while one.answer() != Value::Null {}
    town.not(1, "withdrawn", &["confirm", &hold, "--as", "dana", "--passphrase-file", "dana.pass"]);
    town.not(
        1,
        "the task that this token was for is over",
        &["mcp", "--agent", "refund-helper", "--token-file", "one"],
    );
    town.not(1, "no open task", &["task", "close", &id]);
    assert!(is_allowed(&standing.call("helpdesk__get_ticket", json!({ "id": 5122 }))), "nobody else is cut");
    assert!(town.tasks().is_empty());
    for kind in ["task-opened", "task-closed", "hold-withdrawn"] {
        assert!(town.kinds().contains(&kind.to_owned()), "{kind}");
    }
    town.fine(&["journal", "verify"]);
}

#[test]
fn a_restart_keeps_tasks_and_a_stop_or_a_revoked_token_ends_them() {
    let town = Town::with(SCOPE);
    town.fine_as("dana", &refund("customer=8803", "dana", "one"));
    town.fine_as("dana", &refund("customer=8812", "dana", "two"));
    town.end();
    assert!(is_allowed(&town.agent_with("one").call("crm__get_customer", json!({ "id": 8803 }))));
    let token = town.tasks().iter().find(|task| task["sessions"] != json!([])).map(|task| task["token"].clone());
    let token = token.unwrap_or_else(|| town.tasks()[0]["token"].clone());
    town.fine(&["token", "--revoke", token.as_str().unwrap()]);
    assert_eq!(town.tasks().len(), 1);
    let stopped: Value = serde_json::from_str(&town.fine(&["stop", "refund-helper", "--format", "json"])).unwrap();
    assert_eq!(stopped["closed"].as_array().unwrap().len(), 1);
    assert!(town.tasks().is_empty());
    town.fine_as("dana", &["resume", "refund-helper", "--because", "looked at"]);
    for gone in ["one", "two"] {
        town.not(1, "is over", &["mcp", "--agent", "refund-helper", "--token-file", gone]);
    }
}

#[test]
fn only_a_person_with_a_key_opens_a_task_and_an_agents_token_is_none() {
    let town = Town::with(SCOPE);
    // No key: nobody. Sam's key is not enrolled.
    town.not(
        2,
        "",
        &[&refund("customer=8803", "dana", "one")[..], &["--as", "sam", "--passphrase-file", "sam.pass"]].concat(),
    );
    // The agent's own line: whatever it asks over its connection, there is no such thing as opening a task.
    let mut agent = town.agent();
    for method in ["tasks/open", "task/open", "ambit/task", "tasks/get"] {
        assert_eq!(
            agent.ask(method, &json!({ "agent": "refund-helper", "name": "refund" }))["error"]["code"],
            json!(-32601)
        );
    }
    let forged = json!({ "name": "crm__get_customer", "arguments": { "id": 8803 }, "_meta": { "task": "refund" } });
    assert!(!is_allowed(&agent.ask("tools/call", &forged)));
    // A request on a person's line without a person's signature: nothing.
    let opening = json!({ "agent": "refund-helper", "name": "refund", "request": null, "author": null,
        "facts": [["customer", { "number": "8803" }]], "lasts_seconds": 3600, "on_behalf_of": null });
    let signed = json!({ "person": "dana", "signature": "00".repeat(64) });
    let said = town.say(&json!({ "ask": "task", "about": { "open": { "opening": opening, "signed": signed } } }));
    assert!(said.contains("is not `dana`'s over this request"), "{said}");
    assert!(town.tasks().is_empty());
    // What the command line refuses, with what to do.
    let dana = ["--as", "dana", "--passphrase-file", "dana.pass"];
    let open = ["task", "open", "refund-helper"];
    town.not(1, "did you mean `refund`?", &[&open[..], &["refnd"], &dana].concat());
    town.not(1, "did you mean `customer`?", &[&open[..], &["refund", "--fact", "custmer=1"], &dana].concat());
    town.not(2, "--author", &[&open[..], &["refund", "--request", "x"], &dana].concat());
    town.not(2, "whole number of minutes", &[&open[..], &["refund", "--for", "soon"], &dana].concat());
    town.not(1, "from a minute to a week", &[&open[..], &["refund", "--for", "8d"], &dana].concat());
    let from_file =
        |file: &'static str| [&open[..], &["refund", "--request-file", file, "--author", "dana"], &dana].concat();
    town.not(2, "`nowhere.txt` cannot be read", &from_file("nowhere.txt"));
    std::fs::write(town.path().join("long.txt"), vec![b'a'; 3 << 20]).unwrap();
    town.not(1, "more than 64 KiB", &from_file("long.txt"));
    std::fs::write(town.path().join("odd.txt"), b"caf\xe9").unwrap();
    town.not(2, "it is not UTF-8", &from_file("odd.txt"));
    assert!(town.tasks().is_empty());
}
