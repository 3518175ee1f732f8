//! One agent's connection, in front of a real server, with everything allowed that is not named here.

use std::sync::Arc;
use std::time::Duration;

use ambit::gate::mcp::names::Naming;
use ambit::gate::mcp::{Ended, Passage, serve};
use ambit::gate::rpc;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::task::JoinHandle;

use crate::mcp_stage::{Stage, tool};

struct Client {
    stage: Arc<Stage>,
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    to: Option<WriteHalf<DuplexStream>>,
    ended: JoinHandle<Ended>,
}

impl Client {
    fn new() -> Client {
        let stage = Stage::new();
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (from, to) = tokio::io::split(theirs);
        let ended =
            tokio::spawn(serve(rpc::Lines::new(from, rpc::AGENT_LINE), to, Arc::clone(&stage) as Arc<dyn Passage>));
        let (from, to) = tokio::io::split(ours);
        Client { stage, lines: BufReader::new(from).lines(), to: Some(to), ended }
    }

    async fn started() -> Client {
        let mut client = Client::new();
        client.ask(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#).await;
        client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client
    }

    async fn send(&mut self, line: &str) {
        self.to.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(10), self.lines.next_line()).await.unwrap();
        line.unwrap().expect("the connection ended")
    }

    async fn ask(&mut self, line: &str) -> Value {
        self.send(line).await;
        serde_json::from_str(&self.line().await).unwrap()
    }

    async fn request(&mut self, method: &str, params: Value) -> Value {
        self.ask(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()).await
    }

    async fn call(&mut self, tool: &str) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": {}})).await
    }

    fn passed(&self) -> Vec<(String, String)> {
        self.stage.passed.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn the_handshake_agrees_on_a_version_that_both_speak() {
    for (asked, answered) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        ("2031-01-01", "2025-11-25"),
    ] {
        let said = Client::new().request("initialize", json!({"protocolVersion": asked, "capabilities": {}})).await;
        assert_eq!(said["result"]["protocolVersion"], answered);
        assert_eq!(said["result"]["serverInfo"]["name"], "ambit");
        assert_eq!(said["result"]["capabilities"]["tools"]["listChanged"], true);
    }
}

#[tokio::test]
async fn a_client_that_says_no_version_must_shake_hands() {
    let mut client = Client::new();
    let old = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2025-11-25"}});
    let said = client.request("server/discover", old).await;
    assert_eq!((&said["error"]["code"], &said["error"]["data"]["requested"]), (&json!(-32022), &json!("2025-11-25")));
    let half = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
    assert_eq!(client.request("server/discover", half).await["error"]["code"], -32602);
    assert_eq!(client.request("server/discover", json!({})).await["error"]["code"], -32601);
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(client.call("fixture__echo").await["error"]["code"], -32600);
    let said = client.request("initialize", json!({"protocolVersion": "2025-11-25"})).await;
    assert_eq!(said["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(client.request("initialize", json!({"protocolVersion": "2025-11-25"})).await["error"]["code"], -32600);
    assert_eq!(client.passed(), []);
}

/// Parameters of a request that says everything itself.
fn stateless(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

#[tokio::test]
async fn a_client_that_says_everything_itself_needs_no_handshake() {
    let mut client = Client::new();
    let said = client.request("server/discover", stateless(json!({}))).await;
    assert_eq!(said["result"]["supportedVersions"][0], "2026-07-28");
    assert_eq!(said["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "ambit");
    let said = client.request("tools/list", stateless(json!({}))).await;
    assert_eq!((&said["result"]["resultType"], &said["result"]["cacheScope"]), (&json!("complete"), &json!("private")));
    let said = client.request("tools/call", stateless(json!({"name": "fixture__echo", "arguments": {}}))).await;
    assert_eq!(said["result"]["resultType"], "complete");
    assert_eq!(said["result"].get("ttlMs"), None, "what a tool gives is not kept");
    let said = client.request("tools/call", stateless(json!({"name": "fixture__refused", "arguments": {}}))).await;
    assert_eq!((&said["result"]["isError"], &said["result"]["resultType"]), (&json!(true), &json!("complete")));
    for gone in ["ping", "logging/setLevel", "resources/subscribe"] {
        assert_eq!(client.request(gone, stateless(json!({}))).await["error"]["code"], -32601, "{gone}");
    }
    // The two generations do not mix: without saying its version a request is of the one that shakes hands.
    assert_eq!(client.call("fixture__echo").await["error"]["code"], -32600);
}

#[tokio::test]
async fn who_listens_hears_what_it_asked_for_until_it_cancels() {
    let mut client = Client::new();
    let filter = stateless(json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["a:b"]}}));
    let said = client.request("subscriptions/listen", filter).await;
    assert_eq!(said["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(said["params"]["notifications"], json!({"toolsListChanged": true}));
    assert_eq!(said["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    client.stage.news.send_modify(|news| news.prompts += 1);
    client.stage.news.send_modify(|news| news.tools += 1);
    let said: Value = serde_json::from_str(&client.line().await).unwrap();
    assert_eq!(said["method"], "notifications/tools/list_changed");
    assert_eq!(said["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#).await;
    assert_eq!(client.request("tools/list", stateless(json!({}))).await["result"]["resultType"], "complete");
    client.stage.news.send_modify(|news| news.tools += 1);
    assert!(
        client.request("server/discover", stateless(json!({}))).await["result"].is_object(),
        "nothing is told any more"
    );
}

#[tokio::test]
async fn an_allowed_call_gives_the_bytes_that_the_server_wrote() {
    let mut client = Client::started().await;
    let arguments = r#"{ "n":1.00,"big":90071992547409931,"s":"\u00e9" }"#;
    let line = format!(
        r#"{{"method":"tools/call","jsonrpc":"2.0","params":{{"name":"fixture__echo","arguments":{arguments}}},"id":"x\u0031"}}"#
    );
    client.send(&line).await;
    let said = client.line().await;
    assert!(
        said.starts_with(r#"{"jsonrpc":"2.0","id":"x\u0031","result":{"content": [ {"type":"text","text":"#),
        "{said}"
    );
    assert!(said.ends_with(r#" ], "n": 1.0e0 }}"#), "{said}");
    let value: Value = serde_json::from_str(&said).unwrap();
    let received = value["result"]["content"][0]["text"].as_str().unwrap();
    assert!(received.ends_with(&format!(r#""params":{{"name":"echo","arguments":{arguments}}}}}"#)), "{received}");
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"fixture__fail"}}"#).await;
    let error = r#"{"jsonrpc":"2.0","id":2,"error":{ "code": -32050, "message": "no", "data": [1.0] }}"#;
    assert_eq!(client.line().await, error);
}

#[tokio::test]
async fn the_list_is_what_may_be_seen_under_names_that_clients_take() {
    let mut client = Client::started().await;
    let said = client.request("tools/list", json!({})).await;
    let names: Vec<&str> =
        said["result"]["tools"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    let dotted = Naming::WithSystem.exposed("fixture", "dotted.name");
    assert_eq!(names[0], "fixture__echo");
    assert!(
        names.contains(&dotted.as_str()) && names.contains(&"ambit_pending") && !names.contains(&"fixture__hidden")
    );
    assert_eq!(client.request("tools/list", json!({"cursor": "x"})).await["error"]["code"], -32602);
}

#[tokio::test]
async fn what_is_hidden_is_refused_by_name_and_what_nobody_has_is_asked_about() {
    let mut client = Client::started().await;
    let said = client.call("fixture__hidden").await;
    assert_eq!(said["result"]["isError"], true);
    assert_eq!(said["result"]["content"][0]["text"], "line 7 refuses `hidden`");
    client.call("other__no_such_tool").await;
    assert_eq!(client.call("nowhere__tool").await["error"]["code"], -32602);
    let passed = [("fixture", "hidden"), ("other", "no_such_tool")].map(|(s, n)| (s.to_owned(), n.to_owned()));
    assert_eq!(client.passed(), passed);
}

#[tokio::test]
async fn waiting_says_so_and_is_asked_after() {
    let mut client = Client::started().await;
    let said = client.call("fixture__held").await;
    assert_eq!(said["result"]["isError"], false);
    assert_eq!(said["result"]["structuredContent"], json!({"status": "pending", "id": "h1", "ask": "ambit_pending"}));
    client.send(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ambit_pending","arguments":{"id":"h1"}}}"#).await;
    assert_eq!(client.line().await, r#"{"jsonrpc":"2.0","id":2,"result":{"content":[],"kept":1.0}}"#);
    let said = client.request("tools/call", json!({"name": "ambit_pending", "arguments": {"id": "h2"}})).await;
    assert_eq!(said["error"]["code"], -32602);
}

#[tokio::test]
async fn every_other_ending_has_its_words() {
    let mut client = Client::started().await;
    assert_eq!(
        client.call("fixture__invalid").await["error"],
        json!({"code": -32602, "message": "`n` must be a number"})
    );
    let said = client.call("fixture__hang").await;
    assert_eq!(said["result"]["structuredContent"]["status"], "outcome-unknown");
    assert_eq!(client.call("fixture__broken").await["error"]["code"], -32603);
    assert_eq!(client.request("no/such", json!({})).await["error"]["code"], -32601);
    assert_eq!(client.request("logging/setLevel", json!({"level": "debug"})).await["result"], json!({}));
    let said = client.request("completion/complete", json!({"ref": {}, "argument": {}})).await;
    assert_eq!(said["error"]["code"], -32602);
    let loud = client.request("logging/setLevel", json!({"level": "loud"})).await;
    assert_eq!(loud["error"]["code"], -32602);
}

#[tokio::test]
async fn lines_that_are_no_requests_are_answered_and_the_connection_goes_on() {
    let mut client = Client::started().await;
    for (line, code, id) in [
        ("nonsense", -32700, Value::Null),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping""#, -32700, Value::Null),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, Value::Null),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#, -32600, json!(7)),
        (r#"{"jsonrpc":"2.0","id":7,"method":7}"#, -32600, json!(7)),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, -32600, json!(7)),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","m\u0065thod":"x"}"#, -32600, Value::Null),
    ] {
        let said = client.ask(line).await;
        assert_eq!((said["error"]["code"].clone(), said["id"].clone()), (json!(code), id), "{line}: {said}");
    }
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn requests_run_at_the_same_time_and_a_cancelled_one_is_not_answered() {
    let mut client = Client::started().await;
    let slow = |id: u32| {
        let params = json!({"name": "fixture__slow", "arguments": {"seconds": 1}});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
    };
    client.call("fixture__echo").await;
    let before = std::time::Instant::now();
    for id in [11, 12, 13] {
        client.send(&slow(id)).await;
    }
    assert_eq!(client.ask(&slow(11)).await["error"]["code"], -32600);
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12}}"#).await;
    let mut answered = Vec::new();
    for _ in 0..2 {
        answered.push(serde_json::from_str::<Value>(&client.line().await).unwrap()["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, [11, 13]);
    assert!(before.elapsed() < Duration::from_millis(2_900));
    client.stage.finished.subscribe().wait_for(|count| *count == 4).await.unwrap();
}

#[tokio::test]
async fn what_was_begun_is_driven_to_its_end_when_the_client_goes_away() {
    let mut client = Client::started().await;
    let params = json!({"name": "fixture__slow", "arguments": {"seconds": 0.3}});
    client.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()).await;
    let Client { stage, lines, to, ended } = client;
    drop((lines, to));
    assert!(matches!(ended.await.unwrap(), Ended::Closed));
    assert_eq!(*stage.finished.borrow(), 1);
}

#[tokio::test]
async fn a_client_that_only_stops_asking_still_gets_its_answers() {
    let mut client = Client::started().await;
    let params = json!({"name": "fixture__slow", "arguments": {"seconds": 0.3}});
    client.send(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": params}).to_string()).await;
    client.to.as_mut().unwrap().shutdown().await.unwrap();
    assert!(client.line().await.contains("\"id\":5"));
    assert!(client.lines.next_line().await.unwrap().is_none());
}

#[tokio::test]
async fn a_severed_connection_ends_at_once_though_a_call_is_under_way() {
    let mut client = Client::started().await;
    let params = json!({"name": "fixture__slow", "arguments": {"seconds": 0.5}});
    client.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.stage.news.send_modify(|news| news.severed = true);
    assert!(client.lines.next_line().await.unwrap().is_none());
    assert!(matches!(client.ended.await.unwrap(), Ended::Severed));
    client.stage.finished.subscribe().wait_for(|count| *count == 1).await.unwrap();
}

#[tokio::test]
async fn changes_are_told() {
    let mut client = Client::started().await;
    assert_eq!(client.request("ping", json!({})).await["result"], json!({}));
    *client.stage.tools.lock().unwrap() = Arc::from([tool("new")]);
    client.stage.news.send_modify(|news| news.tools += 1);
    assert_eq!(client.line().await, r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    let said = client.request("tools/list", json!({})).await;
    assert_eq!(said["result"]["tools"][0]["name"], "fixture__new");
}

#[tokio::test]
async fn resources_and_prompts_are_put_together_filtered_and_routed() {
    let mut client = Client::started().await;
    let said = client.request("resources/list", json!({})).await;
    assert_eq!(said["result"]["resources"].as_array().unwrap().len(), 13);
    assert_eq!(client.request("resources/templates/list", json!({})).await["result"], json!({"resourceTemplates": []}));
    let said = client.request("prompts/list", json!({})).await;
    assert_eq!(said["result"]["prompts"][1]["name"], "other__greet");
    // Both systems list it: nobody can tell which is meant.
    let said = client.request("resources/read", json!({"uri": "file:///srv/1.txt"})).await;
    assert!(said["error"]["message"].as_str().unwrap().contains("in more than one system: fixture, other"), "{said}");
    assert_eq!(client.request("resources/read", json!({"uri": "x:///"})).await["error"]["code"], -32002);
    let said = client.request("prompts/get", json!({"name": "other__greet", "arguments": {"who": "é"}})).await;
    let received = said["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        received.ends_with(r#""method":"prompts/get","params":{"arguments":{"who":"é"},"name":"greet"}}"#),
        "{received}"
    );
    assert_eq!(client.passed(), [("other".to_owned(), "greet".to_owned())]);
}

#[tokio::test]
async fn too_much_at_once_is_refused_and_not_queued() {
    let mut client = Client::started().await;
    let call = |id: usize| {
        let params = json!({"name": "fixture__slow", "arguments": {"seconds": 0.5}});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
    };
    for id in 1..=256 {
        client.send(&call(id)).await;
    }
    assert_eq!(client.ask(&call(257)).await["error"]["code"], -32000);
}
