//! Programs that open tasks over HTTP, with a token of their own: what they may, what they may not, and what they are told.

use serde_json::{Value, json};

use super::house::{House, ledger, until};
use super::http::{Heard, ask, call_with, headers};

const TOML: &str = "[http]\nlisten = \"127.0.0.1:0\"\n\
    [callers.desk]\nperson = \"dana\"\nmay-open = { helper = [\"book\"] }\nvouches-for = [\"lena\"]\n\
    on-behalf-of = [\"lena\"]\nfacts = [\"payee\"]\nopen-tasks = 2\nlongest-minutes = 90\n";

const PAGE: &str = "---\nagent: helper\nowner: dana@acme.example\nbackup-owner: lena@acme.example\n\
review-by: 9999-12-31\noutside: refuse\n---\n\n# Helper\n\nKeeps the books.\n\n\
## It can read\n\n- ledger.look, for book\n\n\
## It can write\n\n- call ledger.note where text is in the request, for book\n- call ledger.pay where to is the task's payee, for book\n\n\
## A human must confirm\n\n- call ledger.pay where amount is the task's sum, for close\n\n\
## It cannot touch\n\n- call ledger.purge\n";

const TASKS: &str = "/agents/helper/tasks";

/// A house in which the program `desk` has a token.
fn open() -> House {
    let house = ledger(TOML).open(PAGE);
    house.sign(&["token", "--caller", "desk", "--to", "desk"]).fine();
    house
}

fn bearer(house: &House, file: &str) -> String {
    format!("Bearer {}", house.read(file).trim())
}

fn post(house: &House, bearer: &str, more: &[(&str, &str)], body: &Value) -> Heard {
    ask(house, "POST", TASKS, &headers(bearer, more), body.to_string().as_bytes())
}

fn book() -> Value {
    json!({ "task": "book", "request": "please note: 12 bowls", "author": "lena", "facts": { "payee": "DE02" } })
}

/// A call with the token of a task.
fn call(house: &House, secret: &Value, tool: &str, arguments: &Value) -> Value {
    let params = json!({ "name": format!("ledger__{tool}"), "arguments": arguments });
    call_with(house, &format!("Bearer {}", secret.as_str().unwrap()), &params)["result"].clone()
}

/// Whether the system ran it, as against Ambit's no.
fn ran(result: &Value) -> bool {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no answer: {result}")).ends_with(" ran")
}

fn flagged(house: &House) -> String {
    house.ambit(&["journal", "tail", "--kind", "flagged", "--format", "json"]).fine().out
}

#[test]
fn a_program_opens_a_task_and_the_agent_works_in_it_until_the_program_closes_it() {
    let house = open();
    let desk = bearer(&house, "desk");
    let opened = post(&house, &desk, &[], &book());
    assert_eq!(opened.status, 201, "{}", opened.body);
    let (id, secret) = (opened.body["id"].as_str().unwrap(), &opened.body["secret"]);
    assert!(opened.head.contains(&format!("location: {TASKS}/{id}")), "{}", opened.head);
    assert_eq!((&opened.body["opened-by"], &opened.body["caller"]), (&json!("dana"), &json!("desk")));
    assert_eq!((&opened.body["request-counts"], &opened.body["on-behalf-of"]), (&json!(true), &json!("dana")));
    let lasts = opened.body["until"].as_i64().unwrap() - opened.body["opened"].as_i64().unwrap();
    assert_eq!(lasts, 90 * 60_000, "as long as its tasks may last");
    // The lines of the task hold in it, its words and facts count, and nothing else does.
    assert!(ran(&call(&house, secret, "look", &json!({}))));
    assert!(ran(&call(&house, secret, "note", &json!({ "text": "12 bowls" }))));
    assert!(!ran(&call(&house, secret, "note", &json!({ "text": "13 bowls" }))));
    assert!(ran(&call(&house, secret, "pay", &json!({ "amount": 1, "to": "DE02" }))));
    assert!(!ran(&call(&house, secret, "pay", &json!({ "amount": 1, "to": "DE03" }))));
    let place = format!("{TASKS}/{id}");
    let shown = ask(&house, "GET", &place, &headers(&desk, &[]), b"");
    assert_eq!((shown.status, &shown.body["request"]), (200, &json!("please note: 12 bowls")));
    assert!(shown.body["secret"].is_null() && shown.body["sessions"].as_array().unwrap().len() == 1);
    assert_eq!(ask(&house, "GET", TASKS, &headers(&desk, &[]), b"").body[0]["id"], id);
    assert!(house.ambit(&["task", "list"]).fine().out.contains("desk (for dana)"));
    let closed = ask(&house, "DELETE", &place, &headers(&desk, &[]), b"");
    assert_eq!((closed.status, closed.body["severed"].as_array().unwrap().len()), (200, 1), "{}", closed.body);
    let body = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
    let agent = format!("Bearer {}", secret.as_str().unwrap());
    assert_eq!(ask(&house, "POST", "/agents/helper/mcp", &headers(&agent, &[]), body).status, 401);
    assert_eq!(ask(&house, "DELETE", &place, &headers(&desk, &[]), b"").status, 404);
    // Both ends stand in the journal with the program's name, and what was said does not.
    for kind in ["task-opened", "task-closed"] {
        let record = house.ambit(&["journal", "tail", "--kind", kind, "--format", "json"]).fine().out;
        let record: Value = serde_json::from_str(&record).unwrap();
        assert_eq!((&record["details"]["caller"], &record["person"]), (&json!("desk"), &json!("dana")), "{record}");
        assert!(!record.to_string().contains("bowls") && !record.to_string().contains("DE02"));
    }
    house.ambit(&["journal", "verify"]).fine();
}

#[test]
fn an_agents_token_opens_no_task_and_a_callers_token_is_no_agent() {
    let house = open();
    let (agent, desk) = (bearer(&house, "token"), bearer(&house, "desk"));
    for (method, path) in [("POST", TASKS.to_owned()), ("GET", TASKS.to_owned()), ("DELETE", format!("{TASKS}/aa"))] {
        let heard = ask(&house, method, &path, &headers(&agent, &[]), book().to_string().as_bytes());
        assert_eq!((heard.status, &heard.body["error"]), (401, &json!("no-caller")), "{method} {}", heard.body);
    }
    assert!(flagged(&house).contains("an agent's token was presented to open tasks"));
    // Nor does the token of a task.
    let opened = post(&house, &desk, &[], &book());
    let task = format!("Bearer {}", opened.body["secret"].as_str().unwrap());
    assert_eq!(post(&house, &task, &[], &book()).status, 401);
    let body = br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
    assert_eq!(ask(&house, "POST", "/agents/helper/mcp", &headers(&desk, &[]), body).status, 401);
    assert!(flagged(&house).contains("a caller's token was presented as an agent's"));
    house.ambit(&["mcp", "--agent", "helper", "--token-file", "desk"]).not_fine();
    // Nobody at all, and one that was revoked.
    let none = ask(&house, "POST", TASKS, &[("Host", "localhost"), ("Content-Type", "application/json")], b"{}");
    assert!(none.status == 401 && none.head.contains("www-authenticate: bearer"), "{}", none.head);
    assert!(none.body["help"].as_str().unwrap().contains("ambit token --caller"));
    assert_eq!(post(&house, "Bearer ambit_caller_x_y", &[], &book()).status, 401);
    let tokens = house.ambit(&["token", "--format", "json"]).fine().json();
    let of_desk = tokens.as_array().unwrap().iter().find(|token| token["caller"] == "desk").unwrap();
    house.ambit(&["token", "--revoke", of_desk["id"].as_str().unwrap()]).fine();
    assert_eq!(post(&house, &desk, &[], &book()).status, 401);
    assert!(flagged(&house).contains("the caller's token was revoked"));
}

#[test]
fn a_caller_goes_as_far_as_the_release_in_force_lets_it() {
    let house = open();
    let desk = bearer(&house, "desk");
    let with = |name: &str, value: Value| {
        let mut body = book();
        body[name] = value;
        post(&house, &desk, &[], &body)
    };
    for (name, value, status, says) in [
        ("task", json!("close"), 403, "it may open `book`"),
        ("task", json!("bok"), 403, "it may open `book`"),
        ("task", Value::Null, 403, "it may open `book`"),
        ("facts", json!({ "sum": 5 }), 403, "vouch for the fact `sum`"),
        ("facts", json!({ "payee": [1] }), 422, "neither text"),
        ("author", json!("dana"), 403, "somebody inside"),
        ("author", json!("DANA@acme.example"), 403, "somebody inside"),
        ("author", Value::Null, 422, "who wrote the request"),
        ("on-behalf-of", json!("kim"), 403, "on behalf of `kim`"),
        ("expiry-seconds", json!(5_401), 403, "at most 5400 seconds"),
        ("expiry-seconds", json!(59), 422, "60 or more"),
        ("expiry-second", json!(60), 422, "did you mean `expiry-seconds`?"),
        ("request", json!("x".repeat((64 << 10) + 1)), 422, "64 KiB"),
    ] {
        let heard = with(name, value.clone());
        assert_eq!(heard.status, status, "{name} {value}: {}", heard.body);
        assert!(heard.body.to_string().contains(says), "{name}: {}", heard.body);
        assert!(!heard.body["help"].as_str().unwrap().is_empty(), "{}", heard.body);
    }
    // Whoever wrote it outside is named, and counts for nothing; and somebody else may be the one it runs for.
    let outside = with("author", json!("her@elsewhere.example"));
    assert_eq!((outside.status, &outside.body["request-counts"]), (201, &json!(false)), "{}", outside.body);
    assert!(!ran(&call(&house, &outside.body["secret"], "note", &json!({ "text": "12 bowls" }))));
    assert_eq!(with("on-behalf-of", json!("lena")).body["on-behalf-of"], "lena");
    let third = with("author", json!("lena"));
    assert_eq!((third.status, &third.body["error"]), (429, &json!("too-many-open")), "{}", third.body);
    // Another agent's tasks are nothing that this release speaks of.
    assert_eq!(
        ask(&house, "POST", "/agents/other/tasks", &headers(&desk, &[]), book().to_string().as_bytes()).status,
        409
    );
    // A file on the disk changes nothing; a release does, and says so.
    let toml = house.read("ambit.toml");
    house.write("ambit.toml", &toml.replace("[\"book\"]", "[\"close\"]"));
    assert_eq!(with("task", json!("close")).status, 403);
    let released = house.release(PAGE).out;
    assert!(released.contains("the caller `desk` opens the task `close`"), "{released}");
    assert!(released.contains("the caller `desk` no longer opens the task `book`"), "{released}");
    let heard = with("task", json!("book"));
    assert!(heard.status == 403 && heard.body["help"] == "it may open `close`", "{}", heard.body);
    // What it opened before is its own to close.
    for task in ask(&house, "GET", TASKS, &headers(&desk, &[]), b"").body.as_array().unwrap() {
        let place = format!("{TASKS}/{}", task["id"].as_str().unwrap());
        assert_eq!(ask(&house, "DELETE", &place, &headers(&desk, &[]), b"").status, 200);
    }
    house.ambit(&["stop", "helper"]).fine();
    assert_eq!(with("task", json!("close")).body["error"], "stopped");
}

#[test]
fn the_same_asked_again_under_the_same_key_is_one_task() {
    let mut house = open();
    let desk = bearer(&house, "desk");
    let key = [("Idempotency-Key", "\"ticket-5122\"")];
    let first = post(&house, &desk, &key, &book());
    assert_eq!(first.status, 201, "{}", first.body);
    // The answer was lost: it is asked again, also of a daemon that was killed meanwhile, at once and by several.
    house.kill();
    house.serve();
    let again: Vec<Heard> = std::thread::scope(|scope| {
        let ask = || scope.spawn(|| post(&house, &desk, &[("Idempotency-Key", "ticket-5122")], &book()));
        let asked = [ask(), ask(), ask()];
        asked.map(|one| one.join().unwrap()).into()
    });
    for one in &again {
        assert_eq!((one.status, &one.body["id"]), (200, &first.body["id"]), "{}", one.body);
        assert_eq!(one.body["secret"], first.body["secret"]);
    }
    assert!(ran(&call(&house, &again[0].body["secret"], "look", &json!({}))));
    let opened = house.ambit(&["journal", "tail", "--kind", "task-opened"]).fine().out;
    assert_eq!(opened.lines().count(), 1, "{opened}");
    let mut other = book();
    other["facts"]["payee"] = json!("DE03");
    assert_eq!(post(&house, &desk, &key, &other).body["error"], "key-of-another-request");
    // Another token of the same caller knows the key, and not what was drawn from it.
    house.sign(&["token", "--caller", "desk", "--to", "second"]).fine();
    let second = bearer(&house, "second");
    let heard = post(&house, &second, &key, &book());
    assert_eq!((heard.status, &heard.body["error"]), (409, &json!("token-changed")), "{}", heard.body);
    assert!(!heard.body.to_string().contains(first.body["secret"].as_str().unwrap()));
    for wrong in ["", "a b", &"a".repeat(256)] {
        assert_eq!(post(&house, &desk, &[("Idempotency-Key", wrong)], &book()).status, 400, "{wrong}");
    }
    let place = format!("{TASKS}/{}", first.body["id"].as_str().unwrap());
    assert_eq!(ask(&house, "DELETE", &place, &headers(&desk, &[]), b"").status, 200);
    let over = post(&house, &desk, &key, &book());
    assert_eq!((over.status, &over.body["error"]), (410, &json!("over")), "{}", over.body);
    // Neither the state nor the journal holds what its clients present.
    let secret = first.body["secret"].as_str().unwrap().rsplit('_').next().unwrap().to_owned();
    let state = std::fs::read(house.path(".ambit/state.db")).unwrap();
    assert!(!state.windows(secret.len()).any(|part| part == secret.as_bytes()));
}

#[test]
fn what_a_stranger_sends_is_read_strictly_and_bounded() {
    let house = open();
    let desk = bearer(&house, "desk");
    let post = |more: &[(&str, &str)], body: &[u8]| ask(&house, "POST", TASKS, &headers(&desk, more), body);
    let fine = book().to_string();
    assert_eq!(post(&[("Host", "evil.example")], fine.as_bytes()).status, 403);
    assert_eq!(post(&[("Origin", "http://evil.example")], fine.as_bytes()).status, 403);
    assert_eq!(post(&[("Content-Type", "text/plain")], fine.as_bytes()).status, 415);
    assert_eq!(post(&[("Accept", "text/html")], fine.as_bytes()).status, 406);
    let twice = br#"{"task":"book","task":"close"}"#;
    assert!(post(&[], twice).body["message"].as_str().unwrap().contains("stands twice"));
    for malformed in [&b"{"[..], b"", b"{} {}", b"[[[[1]]]]", b"\xff"] {
        assert_eq!(post(&[], malformed).status, 400);
    }
    assert_eq!(post(&[], &vec![b' '; (512 << 10) + 1]).status, 413);
    for (method, path, allowed) in [("PUT", TASKS, "get, post"), ("POST", "/agents/helper/tasks/aa", "get, delete")] {
        let heard = ask(&house, method, path, &headers(&desk, &[]), b"{}");
        assert!(heard.status == 405 && heard.head.contains(&format!("allow: {allowed}")), "{}", heard.head);
    }
    // Somebody else's task, opened by a person, is no task of this caller's.
    let words =
        ["task", "open", "helper", "book", "--request", "x", "--author", "dana", "--to", "t", "--format", "json"];
    let id = house.sign(&words).fine().json()["id"].as_str().unwrap().to_owned();
    let place = format!("{TASKS}/{id}");
    for method in ["GET", "DELETE"] {
        assert_eq!(ask(&house, method, &place, &headers(&desk, &[]), b"").status, 404, "{method}");
    }
    assert_eq!(ask(&house, "GET", TASKS, &headers(&desk, &[]), b"").body, json!([]));
    until("it stands", || house.ambit(&["task", "show", &id]).code == 0);
}

#[test]
fn a_callers_token_is_made_by_who_answers_for_it() {
    let house = ledger(&format!("{TOML}[people.kim]\nemail = \"kim@acme.example\"\n")).open(PAGE);
    let unknown = house.sign(&["token", "--caller", "tesk"]);
    assert!(unknown.code == 1 && unknown.err.contains("no release in force knows a caller `tesk`"), "{unknown:?}");
    house.write("second", "correct horse staple\n");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(house.path("second"), private).unwrap();
    let vouch = ["setup", "--person", "kim", "--passphrase-file", "second", "--vouched-by", "dana"];
    house.ambit(&[&vouch[..], &["--voucher-passphrase-file", "passphrase"]].concat()).fine();
    let kim = ["token", "--caller", "desk", "--as", "kim", "--passphrase-file", "second"];
    let not = house.ambit(&kim);
    assert!(not.code == 1 && not.err.contains("`kim` does not answer for the caller `desk`"), "{not:?}");
    let made = house.sign(&["token", "--caller", "desk"]).fine();
    assert!(made.out.starts_with("ambit_caller_") && made.err.contains("Authorization: Bearer"), "{made:?}");
    assert!(house.ambit(&["token"]).fine().out.contains("desk"));
}
