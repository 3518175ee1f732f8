//! Servers that behave badly hurt their own calls and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use ambit::gate::talk::Talk;
use ambit::gate::{Sent, Upstream as _};
use ambit::upstream::{Event, Generation, Limits, McpSystem, UpstreamError, UpstreamServer, Watch};

use crate::mcp_fixture::{action, call, hasty, is_alive, limits, permit, server, until};

static SILENT: LazyLock<Talk> = LazyLock::new(Talk::silent);

type Heard = Arc<Mutex<Vec<Event>>>;

fn watch() -> (Heard, Watch) {
    let heard = Heard::default();
    let told = Arc::clone(&heard);
    (heard, Arc::new(move |event| told.lock().unwrap().push(event)))
}

async fn started() -> UpstreamServer {
    UpstreamServer::start(&server(&[]), limits()).await.unwrap()
}

fn result(sent: Sent) -> String {
    match sent {
        Sent::Result(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn unknown(sent: Sent) -> String {
    match sent {
        Sent::Unknown(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_arrives_and_its_result_comes_back_byte_for_byte() {
    let server = started().await;
    let payload = r#"{ "name":"echo",  "arguments":{"n":1.00,"n2":1e2,"s":"\u00e9/\/","big":90071992547409931} }"#;
    let got = result(server.send(call("echo", payload), &SILENT).await);
    assert!(
        got.starts_with(r#"{"content": [ {"type":"text","text":"#) && got.ends_with(r#" ], "n": 1.0e0 }"#),
        "{got}"
    );
    let line: serde_json::Value = serde_json::from_str(&got).unwrap();
    let line = line["content"][0]["text"].as_str().unwrap();
    assert!(line.ends_with(&format!(r#","method":"tools/call","params":{payload}}}"#)), "{line}");
}

#[tokio::test]
async fn an_error_comes_back_byte_for_byte() {
    let error = started().await.send(call("fail", r#"{"name":"fail"}"#), &SILENT).await;
    assert_eq!(error, Sent::Error(br#"{ "code": -32050, "message": "no", "data": [1.0] }"#.to_vec()));
}

#[tokio::test]
async fn lists_come_from_all_pages() {
    let server = started().await;
    let tools = server.list_tools().await.unwrap();
    assert!(tools.len() > 10, "{tools:?}");
    assert!(tools[0].get().contains("\"description\": \"Behaves: echo\""), "{}", tools[0]);
    assert_eq!(server.list_resources().await.unwrap().len(), 7);
    assert_eq!(server.list_resource_templates().await.unwrap().len(), 0);
    assert_eq!(server.list_prompts().await.unwrap().len(), 1);
    server.ping().await.unwrap();
    assert_eq!(server.hello().name, "fixture\\u{1b}[2J");
}

#[tokio::test]
async fn a_payload_that_could_say_more_than_one_value_is_not_sent() {
    let server = started().await;
    for payload in ["", "[]", "null", "{} {}", "{},\"method\":\"x\"", "{}}\n{\"jsonrpc\":\"2.0\"", "{"] {
        assert!(matches!(server.send(call("echo", payload), &SILENT).await, Sent::NotSent(_)), "{payload}");
    }
    // A line break between parts is the same JSON with a space there, and stays one line.
    assert!(result(server.send(call("echo", "{\"name\":\n\"echo\"}"), &SILENT).await).contains("echo"));
    let listing = permit(action("tools/list", "", "{}"));
    assert!(matches!(server.send(listing, &SILENT).await, Sent::NotSent(_)));
}

#[tokio::test]
async fn a_call_that_hangs_times_out_as_unknown_and_others_go_on() {
    let server = UpstreamServer::start(&server(&[]), hasty()).await.unwrap();
    let hanging = server.send(call("hang", r#"{"name":"hang"}"#), &SILENT);
    let (hung, fine) = tokio::join!(hanging, server.send(call("echo", r#"{"name":"echo"}"#), &SILENT));
    assert!(unknown(hung).contains("did not answer within 1.5 s"));
    result(fine);
}

#[tokio::test]
async fn calls_run_at_the_same_time() {
    let server = started().await;
    let slow = || server.send(call("slow", r#"{"name":"slow","arguments":{"seconds":2}}"#), &SILENT);
    let before = Instant::now();
    let (a, b, c) = tokio::join!(slow(), slow(), slow());
    assert!(before.elapsed() < Duration::from_secs(4));
    for sent in [a, b, c] {
        result(sent);
    }
}

#[tokio::test]
async fn nonsense_wrong_ids_and_double_answers_change_nothing() {
    let (heard, watch) = watch();
    let server = UpstreamServer::start_watched(&server(&[("AT_START", "chatty")]), limits(), watch).await.unwrap();
    assert!(result(server.send(call("nonsense", r#"{"name":"nonsense"}"#), &SILENT).await).contains("after nonsense"));
    assert!(result(server.send(call("wrong_id", r#"{"name":"wrong_id"}"#), &SILENT).await).contains("after wrong ids"));
    assert!(result(server.send(call("twice", r#"{"name":"twice"}"#), &SILENT).await).contains("first"));
    assert!(result(server.send(call("echo", r#"{"name":"echo"}"#), &SILENT).await).contains("echo"));
    assert!(unknown(server.send(call("both", r#"{"name":"both"}"#), &SILENT).await).contains("not both"));
    let nonsense = heard.lock().unwrap().iter().filter(|event| matches!(event, Event::Nonsense { .. })).count();
    assert_eq!(nonsense, 8);
}

#[tokio::test]
async fn what_a_server_asks_for_is_refused_and_told() {
    let (heard, watch) = watch();
    let server = UpstreamServer::start_watched(&server(&[]), limits(), watch).await.unwrap();
    let got = result(server.send(call("ask", r#"{"name":"ask"}"#), &SILENT).await);
    assert!(got.contains("[-32601, {}]"), "{got}");
    assert_eq!(*heard.lock().unwrap(), [Event::Asked { method: "sampling/createMessage".into() }]);
}

#[tokio::test]
async fn a_server_that_dies_takes_only_its_calls_and_is_started_again() {
    let (heard, watch) = watch();
    let spec = server(&[("CRM_URL", "postgres://crm:hunter2@db/crm")]);
    let system = McpSystem::new("fixture".into(), spec, limits(), Arc::new(|_: &[_]| BTreeMap::new()), watch);
    let (slow, died) = tokio::join!(
        system.send(call("slow", r#"{"name":"slow","arguments":{"seconds":1}}"#), &SILENT),
        system.send(call("die", r#"{"name":"die"}"#), &SILENT),
    );
    for sent in [slow, died] {
        let why = unknown(sent);
        assert!(why.contains("exit status: 3") && !why.contains("dying"), "{why}");
    }
    result(system.send(call("echo", r#"{"name":"echo"}"#), &SILENT).await);
    let why = "the server ended with exit status: 3; it last said: dying \\u{1b}[31mnow\\u{1b}[0m with ***";
    assert_eq!(*heard.lock().unwrap(), [Event::Died { why: why.into() }]);
}

#[tokio::test]
async fn a_server_that_keeps_dying_is_started_ever_more_rarely() {
    let spec = server(&[("AT_START", "die")]);
    let system =
        McpSystem::new("fixture".into(), spec, limits(), Arc::new(|_: &[_]| BTreeMap::new()), Arc::new(|_| ()));
    let mut last = String::new();
    for _ in 0..5 {
        match system.send(call("echo", r#"{"name":"echo"}"#), &SILENT).await {
            Sent::NotSent(why) => last = why,
            other => panic!("{other:?}"),
        }
        if last.contains("failed 4 times in a row; it is started again in 4 s") {
            return;
        }
        assert!(last.contains("exit status: 1") && !last.contains("no licence"), "{last}");
    }
    panic!("{last}");
}

#[tokio::test]
async fn a_flood_without_a_line_break_ends_the_server_and_not_the_memory() {
    let limits = Limits { line: 300_000, ..limits() };
    let one = UpstreamServer::start(&server(&[]), limits).await.unwrap();
    assert!(unknown(one.send(call("flood", r#"{"name":"flood"}"#), &SILENT).await).contains("more than 300000 bytes"));
    assert!(matches!(one.send(call("echo", r#"{"name":"echo"}"#), &SILENT).await, Sent::NotSent(_)));
    let error = UpstreamServer::start(&server(&[("AT_START", "flood")]), limits).await.err().unwrap();
    assert!(error.to_string().contains("more than 300000 bytes"), "{error}");
}

#[tokio::test]
async fn a_long_line_within_the_limit_comes_through() {
    let payload = r#"{"name":"large","arguments":{"size":900000}}"#;
    assert!(result(started().await.send(call("large", payload), &SILENT).await).len() > 900_000);
}

#[tokio::test]
async fn a_server_that_stops_reading_gets_nothing_after_half_a_message() {
    let server = UpstreamServer::start(&server(&[]), hasty()).await.unwrap();
    result(server.send(call("deaf", r#"{"name":"deaf"}"#), &SILENT).await);
    let big = format!(r#"{{"name":"echo","arguments":{{"x":"{}"}}}}"#, "x".repeat(1_000_000));
    assert!(unknown(server.send(call("echo", &big), &SILENT).await).contains("did not answer"));
    let Sent::NotSent(why) = server.send(call("echo", r#"{"name":"echo"}"#), &SILENT).await else { panic!() };
    assert!(why.contains("in the middle of a message"), "{why}");
}

#[tokio::test]
async fn a_handshake_that_fails_says_why() {
    let start = |at: &'static str| async move {
        // On a busy machine an interpreter takes its time to start.
        let limits = Limits { start: Duration::from_secs(if at == "hang" { 1 } else { 30 }), ..limits() };
        UpstreamServer::start(&server(&[("AT_START", at)]), limits).await.err().unwrap().for_person()
    };
    assert!(start("die").await.contains("exit status: 1; it last said: no licence"));
    assert!(start("hang").await.contains("did not answer within 1 s"));
    assert!(start("future").await.contains("speaks 2031-01-01"));
    assert!(start("nonsense").await.contains("cannot be read"));
    let mut nothing = server(&[]);
    nothing.command = "/no/such/program".into();
    let error = UpstreamServer::start(&nothing, limits()).await.err().unwrap();
    assert!(matches!(error, UpstreamError::Start { .. }), "{error}");
}

#[tokio::test]
async fn every_generation_with_a_handshake_is_spoken() {
    for version in ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"] {
        let server = UpstreamServer::start(&server(&[("VERSION", version)]), limits()).await.unwrap();
        result(server.send(call("echo", r#"{"name":"echo"}"#), &SILENT).await);
    }
}

#[tokio::test]
async fn a_drifted_tool_is_not_called_and_a_changed_list_is_looked_at_again() {
    let spec = server(&[]);
    let compare = |tools: &[Box<serde_json::value::RawValue>]| {
        let late = tools.iter().any(|tool| tool.get().contains("\"late\""));
        let drifted = if late { "echo" } else { "slow" };
        BTreeMap::from([(drifted.to_owned(), format!("`{drifted}` is not what it was"))])
    };
    let (heard, watch) = watch();
    let system = McpSystem::new("fixture".into(), spec, limits(), Arc::new(compare), watch);
    let slow = || system.send(call("slow", r#"{"name":"slow"}"#), &SILENT);
    let echo = || system.send(call("echo", r#"{"name":"echo"}"#), &SILENT);
    assert_eq!(slow().await, Sent::NotSent("`slow` is not what it was".into()));
    result(echo().await);
    result(system.send(call("change", r#"{"name":"change"}"#), &SILENT).await);
    assert_eq!(heard.lock().unwrap().len(), 1);
    assert_eq!(echo().await, Sent::NotSent("`echo` is not what it was".into()));
    result(slow().await);
}

#[tokio::test]
async fn a_permit_for_another_system_is_not_sent() {
    let compare = Arc::new(|_: &[_]| BTreeMap::new());
    let system = McpSystem::new("other".into(), server(&[]), limits(), compare, Arc::new(|_| ()));
    assert!(matches!(system.send(call("echo", r#"{"name":"echo"}"#), &SILENT).await, Sent::NotSent(_)));
}

#[tokio::test]
async fn a_server_sees_no_environment_but_its_own() {
    let server = UpstreamServer::start(&server(&[("CRM_TOKEN", "t")]), limits()).await.unwrap();
    let got = result(server.send(call("env", r#"{"name":"env"}"#), &SILENT).await);
    assert!(got.contains("CRM_TOKEN") && got.contains("PATH"), "{got}");
    assert!(!got.contains("CARGO"), "{got}");
}

#[tokio::test]
async fn stopping_ends_everything_that_the_server_started() {
    for stubborn in ["", "stubborn"] {
        let server = UpstreamServer::start(&server(&[("AT_START", stubborn)]), limits()).await.unwrap();
        let orphan = result(server.send(call("orphan", r#"{"name":"orphan"}"#), &SILENT).await);
        let orphan = orphan.split("\"text\":\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(is_alive(orphan));
        server.stop().await;
        until("the orphan ends", || !is_alive(orphan));
    }
}

#[tokio::test]
async fn a_server_that_wants_no_hands_shaken_is_told_everything_in_each_request() {
    let spec = server(&[("AT_START", "modern")]);
    let modern = UpstreamServer::start(&spec, limits()).await.unwrap();
    assert_eq!(modern.hello().generation, Generation::Stateless("2026-07-28"));
    assert!(modern.list_tools().await.unwrap().len() > 10);
    let echoed = result(modern.send(call("echo", r#"{"name":"echo","arguments":{ "n":1.0e0 }}"#), &SILENT).await);
    assert!(echoed.contains(r#"\"arguments\":{ \"n\":1.0e0 }}"#), "{echoed}");
    let error = modern.send(call("fail", r#"{"name":"fail"}"#), &SILENT).await;
    assert!(matches!(error, Sent::Error(_)), "{error:?}");
}

#[tokio::test]
async fn of_what_it_was_asked_to_tell_a_server_tells_and_of_nothing_else() {
    for generation in ["", "modern"] {
        tells(generation).await;
    }
}

async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let waits = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn tells(generation: &str) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let spec = server(&[("LOG", &log.display().to_string()), ("AT_START", generation)]);
    let (subscribe, unsubscribe) = match generation {
        "modern" => ("\"resourceSubscriptions\"", "\"notifications/cancelled\""),
        _ => ("\"resources/subscribe\"", "\"resources/unsubscribe\""),
    };
    let (heard, watch) = watch();
    let compare = Arc::new(|_: &[_]| BTreeMap::new());
    let system = McpSystem::new("fixture".into(), spec, limits(), compare, watch);
    let asks = || permit(action("resources/subscribe", "file:///a", r#"{"uri":"file:///a"}"#));
    let touch =
        |uri: &str| call("touch", &serde_json::json!({ "name": "touch", "arguments": { "uri": uri } }).to_string());
    // For two sessions it is asked once.
    for _ in 0..2 {
        assert_eq!(system.send(asks(), &SILENT).await, Sent::Result(b"{}".to_vec()));
    }
    for uri in ["file:///b", "file:///a"] {
        result(system.send(touch(uri), &SILENT).await);
    }
    assert_eq!(*heard.lock().unwrap(), [Event::Updated { uri: "file:///a".into() }]);
    // One that comes back is asked again, once.
    assert!(matches!(system.send(call("die", r#"{"name":"die"}"#), &SILENT).await, Sent::Unknown(_)));
    result(system.send(call("echo", r#"{"name":"echo"}"#), &SILENT).await);
    let asked = |what: &str| std::fs::read_to_string(&log).unwrap().matches(what).count();
    eventually("it is asked again", || asked(subscribe) == 2).await;
    result(system.send(touch("file:///a"), &SILENT).await);
    let told = heard.lock().unwrap().iter().filter(|event| matches!(event, Event::Updated { .. })).count();
    assert_eq!(told, 2);
    system.let_go(|_| false);
    system.let_go(|uri| uri == "file:///a");
    eventually("it is told that nobody hears any more", || asked(unsubscribe) == 1).await;
    assert_eq!(asked(subscribe), 2, "{generation}");
    result(system.send(touch("file:///a"), &SILENT).await);
    assert_eq!(heard.lock().unwrap().iter().filter(|event| matches!(event, Event::Updated { .. })).count(), 2);
}
