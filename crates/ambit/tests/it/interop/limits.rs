//! Limits hold to the last one, whoever comes at once and whatever ends in between.

use serde_json::{Value, json};

use super::house::{House, ledger, until};
use super::http::{call_over_http, call_with};

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
fn explain_says_what_is_used_of_each_limit_and_until_when() {
    let mut house = open("trip-refusals = 100000");
    let explained = |house: &House, words: &[&str]| house.ambit(&[&["explain", "helper"], words].concat()).fine();
    let page = explained(&house, &[]).out;
    assert!(
        page.contains("used: 0 of 20 times per hour\n") && page.contains("used: 0 of 50 of amount per hour\n"),
        "{page}"
    );
    let call = |tool: &str, arguments: Value| {
        call_over_http(&house, &json!({ "name": format!("ledger__{tool}"), "arguments": arguments }));
    };
    call("note", json!({ "text": "x" }));
    let page = explained(&house, &[]).out;
    assert!(page.contains("used: 1 of 20 times per hour; it counts until "), "{page}");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    call("note", json!({ "text": "y" }));
    call("pay", json!({ "amount": 12 }));
    let page = explained(&house, &[]).out;
    assert!(page.contains("used: 2 of 20 times per hour; the first of it counts until "), "{page}");
    assert!(page.contains("used: 12 of 50 of amount per hour; it counts until "), "{page}");
    assert!(page.contains("as counted now under release 1, which is in force"), "{page}");
    let told = explained(&house, &["--format", "json"]).json();
    assert_eq!(told["used"], json!({ "known": true, "release": 1 }));
    let limit = &told["answers"][1]["items"][0]["limits"][0];
    let counted = &limit["counted"][0];
    assert_eq!((&limit["most"], &counted["used"]), (&json!("20 times per hour"), &json!("2")), "{limit}");
    let hour = counted["last-until"].as_i64().unwrap() - counted["first-until"].as_i64().unwrap();
    assert!((1_000..60_000).contains(&hour), "{limit}");
    assert!(explained(&house, &["--format", "markdown"]).out.contains("- `used: 12 of 50 of amount per hour"));
    // A page that is only on the disk: what is used is said of what is in force, and of a new line that nothing is.
    house.write(
        "SCOPE.md",
        &PAGE.replace("at most 20 times per hour", "at most 30 times per hour, at most 3 times per day"),
    );
    let page = explained(&house, &[]).out;
    assert!(page.contains("used: 2 of 20 times per hour"), "{page}");
    assert!(
        page.contains("nothing is counted of 3 times per day: a release that has this line is not in force"),
        "{page}"
    );
    house.write("SCOPE.md", PAGE);
    // Without a daemon nobody counts; that is said, and none is started for it.
    house.end();
    let page = explained(&house, &[]).out;
    assert!(page.contains("not known, because no daemon runs") && !page.contains("used: "), "{page}");
    let told = explained(&house, &["--format", "json"]).json();
    assert_eq!(told["used"]["known"], false);
    assert_eq!(
        told["answers"][1]["items"][0]["limits"],
        json!([{ "most": "20 times per hour", "in-force": false, "counted": [] }])
    );
    assert_ne!(house.ambit(&["explain", "nobody"]).code, 0);
    house.serve();
}

#[test]
fn explain_says_what_is_used_in_each_task() {
    let page = PAGE
        .replace("ledger.note, at most 20 times per hour", "ledger.note, at most 2 times per task, for book or close");
    let house = ledger("[http]\nlisten = \"127.0.0.1:0\"").open(&page);
    let explained = |words: &[&str]| house.ambit(&[&["explain", "helper"], words].concat()).fine().out;
    assert!(!explained(&[]).contains("used in the task"), "none is open");
    let open = |name: &str| {
        let words = ["task", "open", "helper", name, "--format", "json"];
        let task = house.sign(&words).fine().json();
        (task["id"].as_str().unwrap().to_owned(), task["secret"].as_str().unwrap().to_owned())
    };
    let ((book, token), (close, _)) = (open("book"), open("close"));
    let params = json!({ "name": "ledger__note", "arguments": { "text": "x" } });
    call_with(&house, &format!("Bearer {token}"), &params);
    let page = explained(&[]);
    assert!(page.contains(&format!("used in the task book ({book}): 1 of 2 times per task\n")), "{page}");
    assert!(page.contains(&format!("used in the task close ({close}): 0 of 2 times per task\n")), "{page}");
    let page = explained(&["--task", "book"]);
    assert!(page.contains(&book) && !page.contains(&close), "{page}");
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
