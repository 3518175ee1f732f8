//! Limits hold to the last one, whoever comes at once and whatever ends in between.

use serde_json::{Value, json};

use super::house::{House, ledger, until};
use super::http::call_over_http;

const AT_ONCE: usize = 64;

const PAGE: &str = "---\nagent: helper\nowner: dana@acme.example\nreview-by: 9999-12-31\noutside: refuse\n---\n\n# Helper\n\nKeeps the books.\n\n\
    ## It can read\n\n- ledger.look\n\n## It can write\n\n- call ledger.note, at most 20 times per hour\n\
    - call ledger.pay where amount is above 0, at most 50 of amount per hour\n\n\
    ## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- call ledger.purge\n\n\
    ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Look | `ledger.look {}` | allow |\n";

fn open(limits: &str) -> House {
    ledger(&format!("[http]\nlisten = \"127.0.0.1:0\"\n[limits]\n{limits}")).open(PAGE)
}

fn ran(house: &House, tool: &str) -> Vec<Value> {
    let all = house.read("ran");
    all.lines().map(|line| serde_json::from_str(line).unwrap()).filter(|one: &Value| one["tool"] == tool).collect()
}

/// How many of so many calls at once were allowed.
fn rush(house: &House, tool: &str, arguments: &Value) -> usize {
    let params = json!({ "name": format!("ledger__{tool}"), "arguments": arguments });
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| call_over_http(house, &params))).collect();
        let allowed = |said: &Value| said["result"]["content"][0]["text"] == format!("{tool} ran");
        calls.into_iter().map(|call| call.join().unwrap()).filter(allowed).count()
    })
}

#[test]
fn a_limit_is_exact_under_concurrency_and_over_a_restart() {
    let mut house = open("trip-refusals = 100000");
    assert_eq!(rush(&house, "note", &json!({ "text": "x" })), 20);
    // 16 × 3 is 48; one more would be 51.
    assert_eq!(rush(&house, "pay", &json!({ "amount": 3 })), 16);
    house.kill();
    house.serve();
    let said = call_over_http(&house, &json!({ "name": "ledger__note", "arguments": { "text": "y" } }));
    let text = said["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("used: 20 of 20 times per hour are used; the first of them counts until"), "{text}");
    assert_eq!(rush(&house, "note", &json!({ "text": "y" })), 0);
    assert_eq!(rush(&house, "pay", &json!({ "amount": 1 })), 2, "what is left of 50");
    assert_eq!((ran(&house, "note").len(), ran(&house, "pay").len()), (20, 18));
}

#[test]
fn a_restart_is_no_way_out_of_a_trip() {
    let mut house = open("trip-refusals = 4");
    let purge = json!({ "name": "ledger__purge", "arguments": {} });
    let look = json!({ "name": "ledger__look", "arguments": {} });
    let is_stopped = |house: &House| {
        call_over_http(house, &look)["result"]["content"][0]["text"].as_str().unwrap().contains("stopped")
    };
    for _ in 0..3 {
        call_over_http(&house, &purge);
    }
    assert!(!is_stopped(&house));
    house.kill();
    house.serve();
    assert!(!is_stopped(&house), "three are not four");
    call_over_http(&house, &purge);
    until("the fourth stops it", || is_stopped(&house));
    house.sign(&["resume", "helper", "--because", "looked into"]).fine();
    house.kill();
    house.serve();
    call_over_http(&house, &purge);
    assert!(!is_stopped(&house), "whoever was let go on begins anew");
}
