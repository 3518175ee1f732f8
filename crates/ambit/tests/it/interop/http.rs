//! Agents over HTTP: official clients of both generations, and requests that no client would make.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::house::{House, ledger, page, until};
use crate::peers::{Client, Talk};

fn open() -> House {
    ledger("[http]\nlisten = \"127.0.0.1:0\"\n[limits]\npending-wait-seconds = 0").open(&page(""))
}

/// The address that the daemon said it listens at.
pub fn address(house: &House) -> String {
    until("it says where it listens", || house.told().contains("agents over HTTP at http://"));
    let told = house.told();
    let rest = told.split("agents over HTTP at http://").nth(1).unwrap();
    rest.split('/').next().unwrap().to_owned()
}

pub fn words(house: &House, mode: &str) -> Vec<String> {
    let url = format!("http://{}/agents/helper/mcp", address(house));
    vec![url, house.path("token").display().to_string(), mode.to_owned()]
}

pub(super) fn call(tool: &str, arguments: Value) -> Value {
    json!({ "call": format!("ledger__{tool}"), "arguments": arguments })
}

pub(super) fn text(said: &Value) -> &str {
    said["content"][0]["text"].as_str().unwrap_or_default()
}

/// What came back to one request over a connection of its own: the status, the headers, the body.
pub struct Heard {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

pub fn ask(house: &House, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Heard {
    let mut stream = TcpStream::connect(address(house)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // It may be answered, and the connection ended, before the body was taken whole.
    let _ = stream.write_all(body);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let all = String::from_utf8(all).unwrap();
    let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {all:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Heard { status, head: head.to_lowercase(), body: serde_json::from_str(body).unwrap_or(Value::Null) }
}

/// A call of a client of the later generation, over a connection of its own: what came back.
pub fn call_over_http(house: &House, params: &Value) -> Value {
    call_with(house, &format!("Bearer {}", house.read("token").trim()), params)
}

/// The same, with that token.
pub fn call_with(house: &House, token: &str, params: &Value) -> Value {
    let mut params = params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    let name = params["name"].as_str().unwrap();
    let more = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", name)];
    let heard = ask(house, "POST", ENDPOINT, &headers(token, &more), body.as_bytes());
    assert_eq!(heard.status, 200, "{}", heard.body);
    heard.body
}

/// The headers of a client that shakes hands, with that token.
pub fn headers<'a>(bearer: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("Host", "localhost"),
        ("Authorization", bearer),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ];
    usual
        .into_iter()
        .filter(|(name, _)| !more.iter().any(|(other, _)| other == name))
        .chain(more.iter().copied())
        .collect()
}

pub(super) const ENDPOINT: &str = "/agents/helper/mcp";
pub(super) const INITIALIZE: &[u8] =
    br#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;

#[test]
fn clients_of_both_generations_come_in_and_the_page_holds() {
    let house = open();
    let clients = [
        (Client::Python, "legacy"),
        (Client::Python, "2026-07-28"),
        (Client::Python, "auto"),
        (Client::TypeScript, ""),
    ];
    for (at, (client, mode)) in clients.into_iter().enumerate() {
        let what = format!("{client:?} {mode}");
        let mut talk = Talk::open(client, &words(&house, mode));
        let tools = talk.ask(&json!({ "list": "tools" }));
        let names: Vec<&str> = tools["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["ledger__look", "ledger__note", "ledger__pay", "ambit_pending"], "{what}");
        assert_eq!(text(&talk.ask(&call("look", json!({})))), "look ran", "{what}");
        let refused = talk.ask(&call("purge", json!({})));
        assert!(refused["isError"] == true && text(&refused).contains("ledger.purge"), "{what}: {refused}");
        let held = talk.ask(&call("pay", json!({ "amount": at + 1 })));
        let id = held["structuredContent"]["id"].as_str().unwrap_or_else(|| panic!("{what}: {held}")).to_owned();
        house.confirm(&id).fine();
        let pending = json!({ "call": "ambit_pending", "arguments": { "id": id } });
        until("it ran", || text(&talk_once(&house, mode, client, &pending)) == "pay ran");
        assert_eq!(text(&talk.ask(&pending)), "pay ran", "{what}");
    }
    let ran: Vec<Value> = house.read("ran").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let paid: Vec<&Value> =
        ran.iter().filter(|one| one["tool"] == "pay").map(|one| &one["arguments"]["amount"]).collect();
    assert_eq!(paid, [1, 2, 3, 4], "each once");
    assert!(!house.read("heard").contains("purge"));
}

fn talk_once(house: &House, mode: &str, client: Client, request: &Value) -> Value {
    Talk::open(client, &words(house, mode)).ask(request)
}

#[test]
fn the_later_generation_comes_in_over_the_pipe_as_well() {
    let house = open();
    let mut talk = Talk::open_with(Client::Python, &house.gate(), &[("AMBIT_MODE", "2026-07-28")]);
    assert_eq!(text(&talk.ask(&call("look", json!({})))), "look ran");
    assert_eq!(talk.ask(&call("purge", json!({})))["isError"], true);
}

#[test]
fn whoever_is_not_known_learns_nothing() {
    let house = open();
    let token = format!("Bearer {}", house.read("token").trim());
    let none =
        ask(&house, "POST", ENDPOINT, &[("Host", "localhost"), ("Content-Type", "application/json")], INITIALIZE);
    assert!(none.status == 401 && none.head.contains("www-authenticate: bearer"), "{}", none.head);
    for wrong in ["Bearer ambit_x", "Basic eDp5", "Bearer "] {
        assert_eq!(ask(&house, "POST", ENDPOINT, &headers(wrong, &[]), INITIALIZE).status, 401, "{wrong}");
    }
    // Another agent's gate, that there is or is not: the same answer.
    for path in ["/agents/nobody/mcp", "/agents/other/mcp"] {
        assert_eq!(ask(&house, "POST", path, &headers(&token, &[]), INITIALIZE).status, 401, "{path}");
    }
    assert_eq!(ask(&house, "POST", "/", &headers(&token, &[]), INITIALIZE).status, 404);
    // Whatever else is wrong: who asks is looked at first.
    let bogus = [("Mcp-Session-Id", "0123456789abcdef"), ("Content-Type", "text/plain")];
    for (method, body) in [("POST", b"{".as_slice()), ("GET", b""), ("DELETE", b""), ("PUT", b"")] {
        assert_eq!(ask(&house, method, ENDPOINT, &headers("Bearer ambit_x", &bogus), body).status, 401, "{method}");
    }
    // What is wrong with a request is said to who may make one.
    let half = br#"{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1900-01-01"}}}"#;
    assert_eq!(ask(&house, "POST", ENDPOINT, &headers("Bearer ambit_x", &[]), half).status, 401);
    assert_eq!(ask(&house, "POST", ENDPOINT, &headers(&token, &[]), half).body["error"]["code"], -32022);
    assert!(house.ambit(&["journal", "tail", "--kind", "flagged"]).fine().out.contains("the token is not known"));
}

#[test]
fn pages_in_browsers_and_other_names_are_kept_out() {
    let house = open();
    let token = format!("Bearer {}", house.read("token").trim());
    let status = |more: &[(&str, &str)]| ask(&house, "POST", ENDPOINT, &headers(&token, more), INITIALIZE).status;
    assert_eq!(status(&[]), 200);
    assert_eq!(status(&[("Host", "evil.example")]), 403);
    assert_eq!(status(&[("Origin", "http://evil.example")]), 403);
    assert_eq!(status(&[("Origin", "http://localhost:3000")]), 200);
    let asked = ask(&house, "OPTIONS", ENDPOINT, &[("Host", "localhost"), ("Origin", "http://localhost:3000")], b"");
    assert!(asked.status == 204 && asked.head.contains("access-control-allow-origin: http://localhost:3000"));
    assert_eq!(ask(&house, "OPTIONS", ENDPOINT, &[("Host", "localhost")], b"").status, 401, "no page, no preflight");
    assert_eq!(status(&[("Content-Type", "text/plain")]), 415);
    assert_eq!(status(&[("Accept", "text/html")]), 406);
    assert_eq!(ask(&house, "PUT", ENDPOINT, &headers(&token, &[]), INITIALIZE).status, 405);
    assert_eq!(ask(&house, "POST", ENDPOINT, &headers(&token, &[]), b"{\"jsonrpc\":\"2.0\"").status, 400);
    let large = vec![b' '; (16 << 20) + 1];
    assert_eq!(ask(&house, "POST", ENDPOINT, &headers(&token, &[]), &large).status, 413);
}

#[test]
fn a_session_is_its_tokens_and_ends_when_it_is_told_to() {
    let house = open();
    let token = format!("Bearer {}", house.read("token").trim());
    house.sign(&["token", "helper", "--to", "second"]).fine();
    let second = format!("Bearer {}", house.read("second").trim());
    let opened = ask(&house, "POST", ENDPOINT, &headers(&token, &[]), INITIALIZE);
    assert_eq!((opened.status, &opened.body["result"]["protocolVersion"]), (200, &json!("2025-11-25")));
    let id = opened.head.split("mcp-session-id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let list = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let session = [("Mcp-Session-Id", id.as_str())];
    let as_who = |bearer: &str, more: &[(&str, &str)]| ask(&house, "POST", ENDPOINT, &headers(bearer, more), list);
    assert_eq!(as_who(&token, &session).body["result"]["tools"][0]["name"], "ledger__look");
    assert_eq!(as_who(&second, &session).status, 404, "another token's session is no session");
    assert_eq!(as_who(&token, &[("Mcp-Session-Id", "0123456789abcdef")]).status, 404);
    assert_eq!(as_who(&token, &[]).status, 400, "without one the first request is `initialize`");
    assert_eq!(as_who(&token, &[session[0], ("MCP-Protocol-Version", "2026-07-28")]).status, 400);
    assert_eq!(ask(&house, "DELETE", ENDPOINT, &headers(&second, &session), b"").status, 404);
    assert_eq!(ask(&house, "DELETE", ENDPOINT, &headers(&token, &session), b"").status, 204);
    assert_eq!(as_who(&token, &session).status, 404);
    let sessions = house.ambit(&["journal", "tail", "--kind", "session-closed"]).fine().out;
    assert!(sessions.contains("how: Closed"), "{sessions}");
}

#[test]
fn a_stop_ends_streams_and_sessions_and_nothing_passes() {
    let house = open();
    let token = format!("Bearer {}", house.read("token").trim());
    let opened = ask(&house, "POST", ENDPOINT, &headers(&token, &[]), INITIALIZE);
    let id = opened.head.split("mcp-session-id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let mut stream = TcpStream::connect(address(&house)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let get = format!(
        "GET {ENDPOINT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\nAccept: text/event-stream\r\nMcp-Session-Id: {id}\r\n\r\n"
    );
    stream.write_all(get.as_bytes()).unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    house.ambit(&["stop", "helper", "--because", "a test"]).fine();
    let mut rest = String::new();
    // Severed: the stream ends, so the connection has nothing more to say.
    while !rest.ends_with("0\r\n\r\n") {
        let mut byte = [0; 256];
        let count = stream.read(&mut byte).unwrap();
        assert!(count > 0 && rest.len() < 4096, "{rest}");
        rest.push_str(&String::from_utf8_lossy(&byte[..count]));
    }
    let look = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ledger__look","arguments":{}}}"#;
    let session = [("Mcp-Session-Id", id.as_str())];
    assert_eq!(ask(&house, "POST", ENDPOINT, &headers(&token, &session), look).status, 404);
    let said = talk_once(&house, "2026-07-28", Client::Python, &call("look", json!({})));
    assert!(said["isError"] == true && text(&said).contains("stopped"), "{said}");
    assert_eq!(house.read("ran"), "");
}

/// A session that was opened, by id.
fn session(house: &House, token: &str) -> String {
    let opened = ask(house, "POST", ENDPOINT, &headers(token, &[]), INITIALIZE);
    assert_eq!(opened.status, 200, "{}", opened.body);
    opened.head.split("mcp-session-id: ").nth(1).unwrap().lines().next().unwrap().to_owned()
}

/// A stream of that session, and its status.
fn stream(house: &House, token: &str, id: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address(house)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let get = format!(
        "GET {ENDPOINT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\nAccept: text/event-stream\r\nMcp-Session-Id: {id}\r\n\r\n"
    );
    stream.write_all(get.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    (stream, String::from_utf8(status.to_vec()).unwrap())
}

fn sessions(house: &House) -> usize {
    house.ambit(&["status", "--format", "json"]).json()["sessions"].as_array().unwrap().len()
}

#[test]
fn one_agent_does_not_take_everybodys_place() {
    let house = open();
    let token = format!("Bearer {}", house.read("token").trim());
    let id = session(&house, &token);
    let mut open: Vec<_> = (0..16).map(|_| stream(&house, &token, &id)).collect();
    assert!(open.iter().all(|(_, status)| status.ends_with("200")));
    assert!(stream(&house, &token, &id).1.ends_with("429"), "no more than 16 streams of a session");
    // Nor more than 16 sessions of an agent at work.
    for _ in 0..15 {
        open.push(stream(&house, &token, &session(&house, &token)));
    }
    assert!(open.iter().all(|(_, status)| status.ends_with("200")));
    let full = ask(&house, "POST", ENDPOINT, &headers(&token, &[]), INITIALIZE);
    assert!(full.status == 429 && full.head.contains("retry-after") && !full.head.contains("www-authenticate"));
    assert_eq!(sessions(&house), 16);
    // One of the clients goes away, and is seen to: there is room again.
    drop(open.pop());
    until("there is room", || ask(&house, "POST", ENDPOINT, &headers(&token, &[]), INITIALIZE).status == 200);
    let stopped = house.ambit(&["stop", "helper", "--because", "a test", "--format", "json"]).fine().json();
    assert_eq!(stopped["severed"].as_array().unwrap().len(), 16, "{stopped}");
    drop(open);
}

#[test]
fn sessions_that_are_opened_at_once_are_counted_too() {
    let house = open();
    let token = format!("Bearer {}", house.read("token").trim());
    let begin = || ask(&house, "POST", ENDPOINT, &headers(&token, &[]), INITIALIZE).status;
    let all: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..48).map(|_| scope.spawn(begin)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(all.iter().all(|status| [200, 429].contains(status)), "{all:?}");
    assert!(all.iter().filter(|status| **status == 200).count() >= 16, "{all:?}");
    assert!(sessions(&house) <= 16, "{}", sessions(&house));
}

#[test]
fn clients_that_go_away_without_a_word_keep_nobody_out() {
    let house = open();
    let token = format!("Bearer {}", house.read("token").trim());
    let first = session(&house, &token);
    let listening = stream(&house, &token, &first);
    let idle: Vec<String> = (0..15).map(|_| session(&house, &token)).collect();
    // It is used once more: the one after it was idle longest now.
    let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let answers = |id: &str| {
        let session = [("Mcp-Session-Id", id)];
        ask(&house, "POST", ENDPOINT, &headers(&token, &session), ping).status
    };
    assert_eq!((sessions(&house), answers(&idle[0])), (16, 200));
    for longest in &idle[1..4] {
        session(&house, &token);
        assert_eq!(sessions(&house), 16);
        assert_eq!(answers(longest), 404);
    }
    assert_eq!((answers(&first), answers(&idle[0]), answers(&idle[4])), (200, 200, 200));
    let closed = house.ambit(&["journal", "tail", "--kind", "session-closed"]).fine().out;
    assert_eq!(closed.matches("how: Closed").count(), 3, "{closed}");
    let flagged = house.ambit(&["journal", "tail", "--kind", "flagged"]).fine().out;
    assert!(!flagged.contains("at work already"), "{flagged}");
    // Over the pipe as well: another client of the agent comes in.
    let mut piped = Talk::open(Client::TypeScript, &house.gate());
    assert_eq!(text(&piped.ask(&call("look", json!({})))), "look ran");
    assert_eq!(sessions(&house), 16);
    drop((listening, piped));
}

#[test]
fn a_daemon_that_ends_takes_its_connections_with_it() {
    let mut house = open();
    let address = address(&house);
    let mut idle = TcpStream::connect(&address).unwrap();
    idle.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(
        call_over_http(&house, &json!({ "name": "ledger__look", "arguments": {} }))["result"]["isError"],
        Value::Null
    );
    assert_eq!(house.end(), 0);
    assert_eq!(idle.read(&mut [0; 16]).unwrap_or(0), 0, "its connection is over");
    assert!(TcpStream::connect(&address).is_err());
    let closed = house.read("ran").lines().count();
    assert_eq!(closed, 1);
}

#[test]
fn headers_that_say_something_else_than_the_body_are_nobodys() {
    let house = open();
    let token = format!("Bearer {}", house.read("token").trim());
    let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}},"name":"ledger__look","arguments":{}}}"#;
    let with = |name: &str, method: &str| {
        let more = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", name)];
        ask(&house, "POST", ENDPOINT, &headers(&token, &more), body)
    };
    let right = with("ledger__look", "tools/call");
    assert_eq!((right.status, &right.body["result"]["resultType"]), (200, &json!("complete")));
    for (name, method) in [("ledger__note", "tools/call"), ("ledger__look", "tools/list"), ("", "tools/call")] {
        let wrong = with(name, method);
        assert_eq!((wrong.status, &wrong.body["error"]["code"]), (400, &json!(-32020)), "{name} {method}");
        assert_eq!(wrong.body["id"], 7);
    }
    assert_eq!(house.read("ran").lines().count(), 1);
}

#[test]
fn with_a_certificate_it_speaks_tls_and_nothing_in_the_clear() {
    use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, Stream, crypto::ring, pki_types};
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let more = "[http]\nlisten = \"127.0.0.1:0\"\ncertificate = \"gate.pem\"\nkey = { file = \"gate.key\" }";
    let house = ledger(more);
    house.write("gate.pem", &made.cert.pem());
    house.write("gate.key", &made.signing_key.serialize_pem());
    let house = house.open(&page(""));
    until("it says where it listens", || house.told().contains("agents over HTTP at https://"));
    let told = house.told();
    let address = told.split("https://").nth(1).unwrap().split('/').next().unwrap().to_owned();

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(std::sync::Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = pki_types::ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    let mut tcp = TcpStream::connect(&address).unwrap();
    let mut stream = Stream::new(&mut connection, &mut tcp);
    let token = house.read("token");
    let head = format!(
        "POST {ENDPOINT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        token.trim(),
        INITIALIZE.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(INITIALIZE).unwrap();
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    assert!(said.starts_with("HTTP/1.1 200 OK") && said.contains("\"protocolVersion\":\"2025-11-25\""), "{said}");

    let mut clear = TcpStream::connect(&address).unwrap();
    clear.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    clear.write_all(head.as_bytes()).unwrap();
    let mut said = Vec::new();
    let _ = clear.read_to_end(&mut said);
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/"), "nothing is answered in the clear");
}

#[test]
fn what_other_machines_can_reach_is_not_opened_in_the_clear() {
    let house = ledger("[http]\nlisten = \"0.0.0.0:0\"");
    let said = house.ambit(&["check"]);
    assert!(said.code == 1 && said.out.contains("bad-listen"), "{}{}", said.out, said.err);
}

#[test]
fn a_hold_is_a_task_to_a_client_that_knows_such() {
    let house = open();
    let token = format!("Bearer {}", house.read("token").trim());
    let say = |method: &str, mut params: Value, name: &str, knows: bool| {
        let extensions = if knows { json!({ "io.modelcontextprotocol/tasks": {} }) } else { json!({}) };
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { "extensions": extensions },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let more = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", name)];
        ask(&house, "POST", ENDPOINT, &headers(&token, &more), body.as_bytes())
    };
    let pay = |amount: u32, knows: bool| {
        let params = json!({ "name": "ledger__pay", "arguments": { "amount": amount } });
        say("tools/call", params, "ledger__pay", knows).body["result"].clone()
    };
    let of = |method: &str, task: &str| say(method, json!({ "taskId": task }), task, true);
    let begun = pay(1, true);
    assert!(begun["resultType"] == "task" && begun["status"] == "working", "{begun}");
    assert_eq!(pay(2, false)["resultType"], "complete", "a client that says nothing gets the plain answer");
    let task = begun["taskId"].as_str().unwrap();
    assert_eq!(of("tasks/get", task).body["result"]["status"], "working");
    house.confirm(task).fine();
    until("it ran", || of("tasks/get", task).body["result"]["status"] == "completed");
    let done = of("tasks/get", task).body["result"].clone();
    assert_eq!((text(&done["result"]), &done["resultType"]), ("pay ran", &json!("complete")), "{done}");
    // What its client gives up, nobody needs to look at.
    let begun = pay(3, true);
    let task = begun["taskId"].as_str().unwrap();
    assert!(house.waiting().iter().any(|waits| waits == task));
    assert_eq!(of("tasks/cancel", task).body["result"]["resultType"], "complete");
    assert_eq!(of("tasks/get", task).body["result"]["status"], "cancelled");
    assert!(!house.waiting().iter().any(|waits| waits == task));
    assert_ne!(house.confirm(task).code, 0, "it can be confirmed no more");
    assert_eq!(of("tasks/get", "nobodys").body["error"]["code"], -32602);
    let unsaid = say("tasks/get", json!({ "taskId": task }), task, false);
    assert_eq!((unsaid.status, &unsaid.body["error"]["code"]), (400, &json!(-32021)));
}
