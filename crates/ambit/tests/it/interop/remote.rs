//! Live systems over HTTP: a server on the official SDK behind the gate, and one that behaves badly.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambit::gate::{Sent, Upstream as _};
use ambit::upstream::{Event, HttpSpec, Limits, McpSystem, Reach};
use ambit_core::action::{Action, Gate};
use serde_json::{Value, json};

use super::house::{House, until};
use crate::mcp_fixture::permit;
use crate::peers::{Client, Endpoint, Talk};

pub(super) const PAGE: &str = "---\nagent: helper\nowner: dana@acme.example\nreview-by: 9999-12-31\n---\n\n# Helper\n\nLooks.\n\n\
    ## It can read\n\n- remote.look\n\n## It can write\n\n- nothing\n\n## A human must confirm\n\n- call remote.pay where amount is at most 100\n\n\
    ## It cannot touch\n\n- call remote.purge\n\n\
    ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Look | `remote.look {}` | allow |\n";

fn house(port: u16, token: &str) -> House {
    let toml = format!(
        "[systems.remote]\nkind = \"mcp\"\nurl = \"http://127.0.0.1:{port}/mcp\"\ntoken = {{ file = \"credential\" }}\nreading-tools = [\"look\"]\n\
         [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"remote\"]\n[limits]\npending-wait-seconds = 0"
    );
    let house = House::new(&toml);
    house.write("credential", token);
    house
}

pub(super) fn call(tool: &str, arguments: Value) -> Value {
    json!({ "call": format!("remote__{tool}"), "arguments": arguments })
}

pub(super) fn text(said: &Value) -> &str {
    said["content"][0]["text"].as_str().unwrap_or_default()
}

#[test]
fn a_server_over_http_stands_behind_the_gate_like_any_other() {
    let place = tempfile::tempdir().unwrap();
    let ran = place.path().join("ran");
    let mut endpoint = Endpoint::new("remote.py", &ran);
    let house = house(endpoint.port, "sesame\n").open(PAGE);
    assert!(house.read("ambit.lock").contains("protocol = \"2026-07-28\""), "{}", house.read("ambit.lock"));
    let mut talk = Talk::open(Client::TypeScript, &house.gate());
    let seen = talk.ask(&call("look", json!({ "at": "é" })));
    assert_eq!(text(&seen), "seen é", "{seen}");
    assert_eq!(talk.ask(&call("purge", json!({})))["isError"], true);
    let held = talk.ask(&call("pay", json!({ "amount": 5 })));
    let id =
        held["structuredContent"]["id"].as_str().or(held["_meta"]["ambit/answer"]["id"].as_str()).unwrap().to_owned();
    house.confirm(&id).fine();
    let pending = json!({ "call": "ambit_pending", "arguments": { "id": id } });
    until("it ran", || std::fs::read_to_string(&ran).unwrap().contains("pay 5"));
    assert_eq!(text(&talk.ask(&pending)), "paid 5");
    // The server goes away and comes back: nothing is sent meanwhile, and afterwards it goes on.
    let port = endpoint.port;
    drop(endpoint);
    let gone = talk.ask(&call("look", json!({ "at": "nobody" })));
    assert!(gone.to_string().contains("cannot be reached") || gone.to_string().contains("not there"), "{gone}");
    endpoint = Endpoint::start("remote.py", port, &ran);
    assert_eq!(text(&talk.ask(&call("look", json!({ "at": "again" })))), "seen again");
    drop(endpoint);
    let ran = std::fs::read_to_string(&ran).unwrap();
    assert!(!ran.contains("purge") && !ran.contains("nobody") && ran.matches("pay").count() == 1, "{ran}");
}

#[test]
fn a_credential_that_is_not_accepted_is_said_and_not_shown() {
    let place = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::new("remote.py", &place.path().join("ran"));
    let house = house(endpoint.port, "hunter2-and-more");
    let said = house.ambit(&["inventory"]);
    assert!(
        said.out.contains("127.0.0.1` could not be reached: the server does not accept the credential"),
        "{}",
        said.out
    );
    assert!(!format!("{said:?}").contains("hunter2"));
}

pub(super) fn action(tool: &str) -> Action {
    Action {
        agent: "helper".into(),
        gate: Gate::Mcp,
        session: "s".into(),
        task: None,
        system: "remote".into(),
        operation: "tools/call".into(),
        name: tool.into(),
        payload: format!("{{\"name\":\"{tool}\",\"arguments\":{{ \"n\":1.00 }}}}").into_bytes(),
    }
}

#[tokio::test]
async fn a_server_that_behaves_badly_hurts_its_own_calls() {
    let place = tempfile::tempdir().unwrap();
    let log = place.path().join("heard");
    let endpoint = Endpoint::new("endpoint.py", &log);
    let limits =
        Limits { start: Duration::from_secs(5), call: Duration::from_secs(2), line: 1 << 20, ..Limits::default() };
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let kept = Arc::clone(&events);
    let spec = HttpSpec { url: format!("http://127.0.0.1:{}/mcp", endpoint.port), headers: vec![], credential: None };
    let system = McpSystem::new(
        "remote".into(),
        Reach::Http(spec),
        limits,
        Arc::new(|_: &[_]| std::collections::BTreeMap::new()),
        Arc::new(move |event| kept.lock().unwrap().push(event)),
    );
    let send = async |tool: &str| system.send(permit(action(tool)), &ambit::gate::talk::Talk::silent()).await;
    let answered = |sent: &Sent, tool: &str| matches!(sent, Sent::Result(bytes) if String::from_utf8_lossy(bytes).contains(&format!("{tool} answered")));

    assert!(answered(&send("look").await, "look"));
    assert!(answered(&send("stream").await, "stream"), "behind a comment and a request of its own");
    assert!(answered(&send("change").await, "change"));
    for tool in ["broken", "hang", "flood", "error", "lies"] {
        let sent = send(tool).await;
        assert!(matches!(sent, Sent::Unknown(_)), "{tool}: {sent:?}");
        assert!(answered(&send("look").await, "look"), "after {tool}");
    }
    // A refusal may come after the work was done: only what was turned away at the door was not sent.
    let forgot = send("forget").await;
    assert!(matches!(&forgot, Sent::NotSent(why) if why.contains("session")), "{forgot:?}");
    assert!(answered(&send("look").await, "look"), "in a new session");
    let heard = std::fs::read_to_string(&log).unwrap();
    assert!(heard.contains(r#""params":{"name":"look","arguments":{ "n":1.00 }}"#), "byte for byte: {heard}");
    assert_eq!(heard.matches(r#""name":"broken""#).count(), 1, "nothing is sent twice");
    // It asked for something, and was told no.
    assert!(heard.contains(r#""id":"x","error":{"code":-32601"#), "{heard}");
    system.stop().await;
    let events = events.lock().unwrap();
    assert!(events.iter().any(|event| matches!(event, Event::Asked { method } if method == "sampling/createMessage")));
    assert!(events.contains(&Event::ListChanged(ambit::upstream::Listing::Tools)));
}
