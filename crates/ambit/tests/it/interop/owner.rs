//! What the owner is told of a running daemon: on the command line, and at a webhook.

use serde_json::{Value, json};

use super::house::{House, ledger, page};
use super::http::call_over_http;
use crate::digest::{Receiver, SECRET};

fn open(more: &str) -> House {
    let house = ledger(&format!("[http]\nlisten = \"127.0.0.1:0\"\n[limits]\npending-wait-seconds = 0\n{more}"));
    house.write("webhook-secret", SECRET);
    house.open(&page(""))
}

fn call(house: &House, tool: &str, arguments: Value) -> Value {
    call_over_http(house, &json!({ "name": format!("ledger__{tool}"), "arguments": arguments }))["result"].clone()
}

fn work(house: &House) {
    call(house, "note", json!({ "text": "hidden words" }));
    call(house, "purge", json!({}));
    let held = call(house, "pay", json!({ "amount": 12, "to": "hidden payee" }));
    house.confirm(held["structuredContent"]["id"].as_str().unwrap()).fine();
}

#[test]
fn the_digest_of_a_day_is_read_beside_the_daemon() {
    let mut house = open("");
    work(&house);
    let words = house.ambit(&["digest"]).fine().out;
    for says in [
        "line 18: call ledger.note\n",
        "       1  ledger.pay, by dana\n",
        "       1  ledger.purge  line 27: call ledger.purge\n",
        "  release 1 by dana",
        "    waived: ",
        "a token of helper was made",
        "Ambit started",
    ] {
        assert!(words.contains(says), "it does not say `{says}`:\n{words}");
    }
    assert!(!words.contains("hidden"), "{words}");
    let told = house.ambit(&["digest", "helper", "--since", "1h", "--format", "json"]).fine().json();
    assert_eq!(
        told["agents"]["helper"]["confirmed"],
        json!([{ "person": "dana", "called": "ledger.pay", "times": 1 }])
    );
    assert!(!told.to_string().contains("hidden"), "{told}");
    // Also with no daemon there, and none is started for it.
    house.end();
    assert_eq!(house.ambit(&["digest", "--since", "2020-01-01"]).fine().out.matches("ledger.purge  line").count(), 1);
    assert!(house.ambit(&["digest", "--since", "2099-01-01"]).fine().out.contains("no agent did anything"));
    for (words, says) in [
        (&["digest", "hepler"][..], "did you mean `helper`?"),
        (&["digest", "--since", "yesterday"], "a time ago"),
        (&["digest", "--send", "--since", "1d"], "cannot be used with"),
    ] {
        let not = house.ambit(words);
        assert!(not.code == 2 && not.err.contains(says), "{words:?} {not:?}");
    }
    house.serve();
    let none = house.ambit(&["digest", "--send"]);
    assert!(none.code == 1 && none.err.contains("no webhook is named for digests"), "{none:?}");
    assert!(!house.ambit(&["status"]).fine().out.contains("digest:"));
}

#[test]
fn a_webhook_is_tried_by_hand_and_the_status_says_how_it_stands() {
    let receiver = Receiver::new(&[200, 503]);
    let digest = format!(
        "[digest]\nat = \"00:00\"\nwebhook = {{ url = {:?}, secret = {{ file = \"webhook-secret\" }} }}",
        receiver.url
    );
    let house = open(&digest);
    work(&house);
    let sent = house.ambit(&["digest", "--send"]).fine();
    assert!(sent.err.contains("127.0.0.1 took it (200)"), "{sent:?}");
    let (_, body) = receiver.heard().pop().unwrap();
    let helper = &body["data"]["agents"]["helper"];
    assert_eq!(
        (&helper["allowed"][0]["called"], &helper["confirmed"][0]["person"]),
        (&json!("ledger.note"), &json!("dana"))
    );
    assert!(!body.to_string().contains("hidden"), "{body}");
    let not = house.ambit(&["digest", "--send"]);
    assert!(not.code == 1 && not.err.contains("`127.0.0.1` answered 503"), "{not:?}");
    let status = house.ambit(&["status"]).fine().out;
    assert!(status.contains("digest: the next is due ") && status.contains("; none was taken yet"), "{status}");
    let status = house.ambit(&["status", "--format", "json"]).fine().json();
    assert_eq!((&status["digest"]["last"], &status["digest"]["failed"]), (&Value::Null, &Value::Null));
}
