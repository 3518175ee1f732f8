//! Tools on which their servers work in their own time (*tasks*), behind the gate: real servers of both generations, over both
//! wires, in front of them clients that know nothing of it, and clients that do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::house::{House, until, word};
use super::http::{ENDPOINT, ask, headers};
use super::servers::command;
use super::wire::Wire;
use crate::peers::{self, Client, Endpoint, Talk};

const PAGE: &str = "---\nagent: helper\nowner: dana@acme.example\nreview-by: 9999-12-31\n---\n\n# Helper\n\nWaits.\n\n\
    ## It can read\n\n- slow.watch\n- slow.person (id)\n\n## It can write\n\n- call slow.wait\n- call slow.look\n- call slow.ask\n\n\
    ## A human must confirm\n\n- call slow.wait where seconds is above 5\n\n## It cannot touch\n\n- call slow.look, for tidy\n\n\
    ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Look | `slow.look {}` | allow |\n";

const SSN: &str = "078-05-1120";

/// The server on the Python SDK, over HTTP, behind a gate.
struct Slow {
    house: House,
    endpoint: Endpoint,
    _place: tempfile::TempDir,
    ran: PathBuf,
}

impl Slow {
    fn open(wait_seconds: u32) -> Slow {
        let place = tempfile::tempdir().unwrap();
        let ran = place.path().join("ran");
        std::fs::write(&ran, "").unwrap();
        let endpoint = Endpoint::new("errands.py", &ran);
        let toml = format!(
            "[systems.slow]\nkind = \"mcp\"\nurl = \"http://127.0.0.1:{}/mcp\"\nmay-ask = [\"elicitation\"]\nreading-tools = [\"watch\"]\n\
             relations = {{ person = [\"id\", \"ssn\"] }}\n[systems.slow.tools.watch]\nreturns = {{ \".\" = \"slow.person\" }}\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[limits]\npending-wait-seconds = {wait_seconds}\n\
             [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"slow\"]\ntool-names = \"own\"\n",
            endpoint.port
        );
        Slow { house: House::new(&toml).open(PAGE), endpoint, _place: place, ran }
    }

    fn ran(&self) -> String {
        std::fs::read_to_string(&self.ran).unwrap()
    }

    fn count(&self, what: &str) -> usize {
        self.ran().lines().filter(|line| *line == what).count()
    }

    /// A request of a client of the later generation that says that it knows tasks.
    fn say(&self, method: &str, mut params: Value) -> Value {
        let name = params.get("taskId").or(params.get("name")).unwrap().as_str().unwrap().to_owned();
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} } },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let more = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", &name)];
        let token = format!("Bearer {}", self.house.read("token").trim());
        ask(&self.house, "POST", ENDPOINT, &headers(&token, &more), body.as_bytes()).body
    }

    fn records(&self, kind: &str) -> Vec<Value> {
        let told = self.house.ambit(&["journal", "export"]).fine().out;
        let all = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].clone());
        all.filter(|record| record["kind"] == kind).collect()
    }
}

fn wait(seconds: f64) -> Value {
    json!({ "call": "wait", "arguments": { "seconds": seconds } })
}

#[track_caller]
fn text(said: &Value) -> &str {
    said["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{said}"))
}

#[test]
fn what_ends_in_time_is_an_answer_like_any_other() {
    let slow = Slow::open(20);
    for mode in ["legacy", "2026-07-28"] {
        let mut talk = Talk::open_with(Client::Python, &slow.house.gate(), &[("AMBIT_MODE", mode)]);
        let said = talk.ask(&json!({ "call": "wait", "arguments": { "seconds": 0.5 }, "hear": true }));
        assert_eq!(text(&said), "wait ran", "{mode}: {said}");
        assert_eq!(said["heard"][0]["message"], format!("at work \\u{{202e}}é for {SSN}"), "{mode}: {said}");
        assert_eq!(text(&talk.ask(&json!({ "call": "look" }))), "look ran", "{mode}");
    }
    assert_eq!((slow.count("began wait"), slow.count("done wait")), (2, 2), "{}", slow.ran());
    assert_eq!(slow.records("outcome").len(), 4, "one for each call");
}

#[test]
fn what_takes_longer_is_collected_by_who_asks_after_it() {
    let slow = Slow::open(0);
    let mut talk = Talk::open(Client::Python, &slow.house.gate());
    let said = talk.ask(&wait(4.0));
    assert!(text(&said).starts_with("pending: `slow.wait` was sent, as `"), "{said}");
    assert_eq!((&said["isError"], &said["structuredContent"]["status"]), (&json!(false), &json!("pending")), "{said}");
    let id = said["structuredContent"]["id"].as_str().unwrap().to_owned();
    let pending = json!({ "call": "ambit_pending", "arguments": { "id": id } });
    let asks_after =
        || Wire::open(&slow.house.gate(), &slow.house.path("")).call("ambit_pending", &format!(r#"{{"id":"{id}"}}"#));
    until("its server says how it stands", || asks_after().contains(r"says: at work \\u{202e}é"));
    until("it ends", || slow.count("done wait") == 1);
    until("it is collected", || text(&Talk::open(Client::TypeScript, &slow.house.gate()).ask(&pending)) == "wait ran");
    // Once more, and by nobody else's name.
    assert_eq!(text(&talk.ask(&pending)), "wait ran");
    let name = slow.ran().lines().find_map(|line| line.strip_prefix("as ")).unwrap().to_owned();
    let said = talk.ask(&json!({ "call": "ambit_pending", "arguments": { "id": name } }));
    assert!(said["error"].as_str().is_some_and(|why| why.contains("no pending action")), "{said}");
    assert_eq!((slow.count("began wait"), slow.records("outcome").len()), (1, 1));
    let open = slow.house.ambit(&["journal", "export"]).fine().out;
    assert!(!open.contains(&name), "what a server calls it stands in no open part");
    slow.house.ambit(&["journal", "verify"]).fine();
}

#[test]
fn a_client_that_knows_tasks_gets_one_of_ambits_own() {
    let slow = Slow::open(0);
    let call = |seconds: f64| slow.say("tools/call", json!({ "name": "wait", "arguments": { "seconds": seconds } }));
    let begun = call(1.5)["result"].clone();
    assert_eq!((&begun["resultType"], &begun["status"]), (&json!("task"), &json!("working")), "{begun}");
    let task = begun["taskId"].clone();
    let get = |task: &Value| slow.say("tasks/get", json!({ "taskId": task }));
    until("its server says how it stands", || get(&task)["result"]["statusMessage"].to_string().contains("at work"));
    until("it ends", || get(&task)["result"]["status"] == "completed");
    assert_eq!(text(&get(&task)["result"]["result"]), "wait ran");
    // What its server calls it is a name for nobody.
    let name = slow.ran().lines().find_map(|line| line.strip_prefix("as ")).unwrap().to_owned();
    assert_eq!(get(&json!(name))["error"]["code"], -32602);
    // What its client lets go of, its server hears of.
    let begun = call(600.0);
    assert_eq!(begun["result"]["status"], "working", "{begun}");
    let held = begun["result"]["taskId"].clone();
    assert!(begun["result"]["statusMessage"].to_string().contains("waits for a person"), "{begun}");
    slow.say("tasks/cancel", json!({ "taskId": held }));
    let begun = call(4.9);
    let task = begun["result"]["taskId"].clone();
    until("it is under way", || slow.count("began wait") == 2);
    assert_eq!(slow.say("tasks/cancel", json!({ "taskId": task }))["result"]["resultType"], "complete");
    until("it is told", || slow.count("cancelled wait") == 1);
    until("it is over", || get(&task)["result"]["status"] == "cancelled");
    let unknown = slow.records("outcome-unknown");
    assert!(unknown.len() == 1 && unknown[0].to_string().contains("let go"), "{unknown:?}");
    assert!(slow.house.notices().contains("slow.wait"), "{}", slow.house.notices());
}

#[test]
fn who_gives_up_while_it_is_under_way_is_heard_by_its_server() {
    let slow = Slow::open(50);
    let mut talk = Talk::open(Client::Python, &slow.house.gate());
    talk.ask(&json!({ "call": "look" }));
    let said = talk.ask(&json!({ "call": "wait", "arguments": { "seconds": 5 }, "give_up": 1 }));
    assert!(said["error"].as_str().is_some_and(|error| error.contains("gave up")), "{said}");
    until("it is let go of", || slow.count("cancelled wait") == 1);
    until("it is on record", || slow.records("outcome-unknown").len() == 1);
    assert_eq!(text(&talk.ask(&json!({ "call": "look" }))), "look ran");
}

#[test]
fn what_one_task_of_an_agent_began_no_other_session_of_it_collects() {
    let slow = Slow::open(0);
    slow.house.sign(&["task", "open", "helper", "tidy", "--to", "task.token"]).fine();
    let gate = |token: &str| {
        let file = |word: String| if word.ends_with("/token") { word.replace("/token", token) } else { word };
        slow.house.gate().into_iter().map(file).collect::<Vec<_>>()
    };
    let (mut own, mut other) =
        (Wire::open(&gate("/task.token"), &slow.house.path("")), Wire::open(&gate("/token"), &slow.house.path("")));
    let said: Value = serde_json::from_str(&own.call("wait", r#"{"seconds":0}"#)).unwrap();
    let id = said["structuredContent"]["id"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned();
    let pending = format!(r#"{{"id":"{id}"}}"#);
    until("it ends", || slow.count("done wait") == 1);
    assert!(other.call("ambit_pending", &pending).contains("no pending action"));
    assert_eq!(slow.say("tasks/get", json!({ "taskId": id }))["error"]["code"], -32602);
    assert_eq!(slow.say("tasks/cancel", json!({ "taskId": id }))["error"]["code"], -32602);
    let mut said = String::new();
    while !said.contains("wait ran") {
        said = own.call("ambit_pending", &pending);
        assert!(said.contains("wait ran") || said.contains("pending"), "{said}");
    }
    let outcome = &slow.records("outcome")[0];
    assert_eq!(outcome["details"]["errand"], id, "{outcome}");
}

#[test]
fn a_stop_lets_go_of_what_systems_work_on() {
    let slow = Slow::open(0);
    let task =
        slow.say("tools/call", json!({ "name": "wait", "arguments": { "seconds": 5 } }))["result"]["taskId"].clone();
    until("it is under way", || slow.count("began wait") == 1);
    let said = slow.house.ambit(&["stop", "helper", "--because", "a test", "--format", "json"]).fine().json();
    assert_eq!(said["in_flight"], 1, "{said}");
    until("it is told", || slow.count("cancelled wait") == 1);
    until("it is on record", || slow.records("outcome-unknown").len() == 1);
    slow.house.sign(&["resume", "helper", "--because", "a test"]).fine();
    let said = slow.say("tasks/get", json!({ "taskId": task }));
    assert!(said.to_string().contains("nobody knows what came of it"), "{said}");
    assert_eq!(slow.count("began wait"), 1);
}

#[test]
fn what_was_under_way_when_the_power_went_is_asked_after_and_never_sent_again() {
    let mut slow = Slow::open(0);
    let begin = |slow: &Slow, tool: &str, seconds: u32| {
        let call = json!({ "name": tool, "arguments": { "seconds": seconds } });
        slow.say("tools/call", call)["result"]["taskId"].clone()
    };
    let get = |slow: &Slow, task: &Value| slow.say("tasks/get", json!({ "taskId": task }))["result"].clone();
    let (wrote, read) = (begin(&slow, "wait", 3), begin(&slow, "watch", 3));
    until("both are under way", || slow.count("began wait") + slow.count("began watch") == 2);
    slow.house.kill();
    slow.house.serve();
    until("whoever starts it is told", || slow.house.told().contains("2 sent earlier"));
    until("one ends", || get(&slow, &wrote)["status"] == "completed");
    until("the other ends", || get(&slow, &read)["status"] == "completed");
    assert_eq!(text(&get(&slow, &wrote)["result"]), "wait ran");
    // What must be proved of it is known still.
    assert_eq!(text(&get(&slow, &read)["result"]), r#"{"id":7}"#);
    // Ended in its own time, it does not wait for what goes on.
    let task = begin(&slow, "wait", 4);
    until("it is under way", || slow.count("began wait") == 2);
    let begun = std::time::Instant::now();
    assert_eq!(slow.house.end(), 0);
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    slow.house.serve();
    until("it ends", || get(&slow, &task)["status"] == "completed");
    assert_eq!(text(&get(&slow, &task)["result"]), "wait ran");
    assert_eq!(
        (slow.count("began wait"), slow.count("began watch"), slow.ran().matches("cancelled").count()),
        (2, 1, 0)
    );
    assert_eq!((slow.records("outcome").len(), slow.records("outcome-unknown").len()), (3, 0));
    // Under another release, nobody asks: what is in force now is not what it was sent under.
    let task = begin(&slow, "wait", 5);
    until("it is under way", || slow.count("began wait") == 3);
    slow.house.release(&PAGE.replace("- call slow.look\n", ""));
    slow.house.kill();
    slow.house.serve();
    until("it is told", || slow.house.notices().contains("slow.wait"));
    let said = get(&slow, &task);
    assert!(
        said["result"]["isError"] == true && text(&said["result"]).contains("nobody knows what came of it"),
        "{said}"
    );
    assert_eq!(slow.count("began wait"), 3);
    slow.house.ambit(&["journal", "verify"]).fine();
}

#[test]
fn what_its_server_forgot_meanwhile_is_told_as_unknown() {
    let mut slow = Slow::open(0);
    let call = json!({ "name": "wait", "arguments": { "seconds": 3 } });
    let task = slow.say("tools/call", call)["result"]["taskId"].clone();
    until("it is under way", || slow.count("began wait") == 1);
    slow.house.kill();
    let port = slow.endpoint.port;
    drop(std::mem::replace(&mut slow.endpoint, Endpoint::new("errands.py", &slow.ran)));
    slow.endpoint = Endpoint::start("errands.py", port, &slow.ran);
    slow.house.serve();
    let get = || slow.say("tasks/get", json!({ "taskId": task }))["result"].clone();
    until("it is told", || slow.house.notices().contains("slow.wait"));
    assert!(text(&get()["result"]).contains("knows nothing of it any more"), "{}", get());
    let unknown = slow.records("outcome-unknown");
    assert!(unknown.len() == 1 && slow.count("began wait") == 1, "{unknown:?}");
}

#[test]
fn a_release_lets_go_of_what_was_begun_under_the_one_before() {
    let slow = Slow::open(0);
    let call = json!({ "name": "wait", "arguments": { "seconds": 5 } });
    let task = slow.say("tools/call", call)["result"]["taskId"].clone();
    until("it is under way", || slow.count("began wait") == 1);
    // Its agent need not ask for anything.
    slow.house.release(&PAGE.replace("Waits.", "Waits on."));
    until("it is told", || slow.count("cancelled wait") == 1);
    until("it is on record", || slow.records("outcome-unknown").len() == 1);
    let said = slow.say("tasks/get", json!({ "taskId": task }));
    assert!(said.to_string().contains("nobody knows what came of it"), "{said}");
}

#[test]
fn what_a_person_confirmed_runs_in_its_servers_time_and_its_hold_has_what_came_of_it() {
    let slow = Slow::open(0);
    let call = |seconds: f64| slow.say("tools/call", json!({ "name": "wait", "arguments": { "seconds": seconds } }));
    let get = |task: &Value| slow.say("tasks/get", json!({ "taskId": task }))["result"].clone();
    let task = call(5.5)["result"]["taskId"].clone();
    assert_eq!(slow.count("began wait"), 0);
    let mut confirming = slow
        .house
        .command(&["confirm", task.as_str().unwrap(), "--as", "dana", "--passphrase-file", "passphrase"])
        .spawn()
        .unwrap();
    until("it is under way", || slow.count("began wait") == 1);
    let stands = get(&task);
    let said = stands["statusMessage"].as_str().unwrap_or_default();
    assert!(
        stands["status"] == "working" && said.contains("was confirmed and sent") && !said.contains("lapses"),
        "{said}"
    );
    until("it ends", || get(&task)["status"] == "completed");
    assert_eq!(text(&get(&task)["result"]), "wait ran");
    confirming.wait().unwrap();
    // Its agent may let go of it while it runs.
    let task = call(600.0)["result"]["taskId"].clone();
    let mut confirming = slow
        .house
        .command(&["confirm", task.as_str().unwrap(), "--as", "dana", "--passphrase-file", "passphrase"])
        .spawn()
        .unwrap();
    until("it is under way", || slow.count("began wait") == 2);
    slow.say("tasks/cancel", json!({ "taskId": task }));
    until("it is told", || slow.count("cancelled wait") == 1);
    until("it is over", || slow.house.state(task.as_str().unwrap()) == "outcome unknown");
    confirming.wait().unwrap();
    assert_eq!(slow.records("executing").len(), 2);
}

#[test]
fn nothing_beside_the_granted_fields_comes_of_it_and_nothing_is_said_meanwhile() {
    let slow = Slow::open(0);
    let task =
        slow.say("tools/call", json!({ "name": "watch", "arguments": { "seconds": 1 } }))["result"]["taskId"].clone();
    let (mut said, get) = (String::new(), || slow.say("tasks/get", json!({ "taskId": task })));
    until("it is under way", || slow.count("began watch") == 1);
    std::thread::sleep(std::time::Duration::from_millis(700));
    said.push_str(&get().to_string());
    until("it ends", || get()["result"]["status"] == "completed");
    let done = get();
    assert_eq!(text(&done["result"]["result"]), r#"{"id":7}"#, "{done}");
    said.push_str(&done.to_string());
    let mut talk = Talk::open(Client::Python, &slow.house.gate());
    let pending = talk.ask(&json!({ "call": "watch", "arguments": { "seconds": 0.5 }, "hear": true }));
    said.push_str(&pending.to_string());
    assert!(!said.contains(SSN) && !said.contains("at work"), "{said}");
}

#[test]
fn a_question_goes_to_the_client_and_its_answer_back_once_it_is_on_record() {
    let slow = Slow::open(20);
    let ask_again = |more: Value| {
        let mut params = json!({ "name": "ask", "arguments": {} });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
        let more = [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "ask")];
        let token = format!("Bearer {}", slow.house.read("token").trim());
        ask(&slow.house, "POST", ENDPOINT, &headers(&token, &more), body.as_bytes()).body["result"].clone()
    };
    let question = ask_again(json!({}));
    assert_eq!(
        (&question["resultType"], &question["inputRequests"]["who"]["params"]["message"]),
        (&json!("input_required"), &json!("who?")),
        "{question}"
    );
    let answer = json!({ "who": { "action": "accept", "content": { "name": "Lena" } } });
    let done = ask_again(json!({ "requestState": question["requestState"], "inputResponses": answer }));
    assert_eq!(text(&done), "heard", "{done}");
    assert_eq!(slow.count("heard Lena"), 1, "{}", slow.ran());
    let told = slow.house.ambit(&["journal", "export"]).fine().out;
    assert_eq!(told.matches("a server's question goes back answered").count(), 1, "{told}");
    // A client that cannot be asked: it is let go of, and nobody knows what it did by then.
    let mut talk = Talk::open(Client::TypeScript, &slow.house.gate());
    let said = talk.ask(&json!({ "call": "ask", "arguments": {} }));
    assert!(said["isError"] == true && text(&said).contains("asks for something"), "{said}");
    assert_eq!(slow.count("cancelled ask"), 1, "{}", slow.ran());
}

/// Calls the tool that asks in the middle of its work, as a client of the older generation that can be asked: what it is asked,
/// and the answer.
fn answers(house: &House) -> (Value, Value) {
    let gate = house.gate();
    let mut client = Command::new(&gate[0]);
    let client = client.args(&gate[1..]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut client = client.spawn().unwrap();
    let (mut to, mut from) = (client.stdin.take().unwrap(), BufReader::new(client.stdout.take().unwrap()));
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": { "elicitation": {} }, "clientInfo": { "name": "c", "version": "1" } });
    let call = json!({ "name": "simulate-research-query", "arguments": { "topic": "python", "ambiguous": true } });
    for said in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call }),
    ] {
        writeln!(to, "{said}").unwrap();
    }
    let (mut question, mut answer) = (Value::Null, None);
    while answer.is_none() {
        let mut line = String::new();
        assert!(from.read_line(&mut line).unwrap() > 0, "the gate is gone");
        let said: Value = serde_json::from_str(&line).unwrap();
        if said["method"] == "elicitation/create" {
            let result = json!({ "action": "accept", "content": { "interpretation": "snake" } });
            writeln!(to, "{}", json!({ "jsonrpc": "2.0", "id": said["id"], "result": result })).unwrap();
            question = said["params"].clone();
        }
        answer = (said["id"] == 2).then(|| said["result"].clone());
    }
    let _ = client.kill();
    let _ = client.wait();
    (question, answer.unwrap())
}

const EVERYTHING: &str = "---\nagent: helper\nowner: dana@acme.example\nreview-by: 9999-12-31\n---\n\n# Helper\n\nSearches.\n\n\
    ## It can read\n\n- nothing\n\n## It can write\n\n- call everything.simulate-research-query\n\n\
    ## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- call everything.get-env\n\n\
    ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n\
    | Search | `everything.simulate-research-query {\"topic\": \"bowls\"}` | allow |\n";

#[test]
fn a_tool_that_must_be_a_task_is_a_tool_like_any_other() {
    for http in [false, true] {
        let port = peers::free_port();
        let mut served = http.then(|| {
            let words = command("everything");
            let child = Command::new(&words[0])
                .args(&words[1..])
                .arg("streamableHttp")
                .env("PORT", port.to_string())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
            child
        });
        let reached = match http {
            true => format!("url = \"http://127.0.0.1:{port}/mcp\""),
            false => format!("command = [{}]", command("everything").iter().map(word).collect::<Vec<_>>().join(", ")),
        };
        let toml = format!(
            "[systems.everything]\nkind = \"mcp\"\n{reached}\nmay-ask = [\"elicitation\"]\n\
             [limits]\npending-wait-seconds = 20\n[agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"everything\"]\ntool-names = \"own\"\n"
        );
        let house = House::new(&toml).open(EVERYTHING);
        let search = json!({ "call": "simulate-research-query", "arguments": { "topic": "bowls" } });
        for client in [Client::TypeScript, Client::Python] {
            let mut talk = Talk::open(client, &house.gate());
            talk.ask(&json!({ "list": "tools" }));
            let said = talk.ask(&search);
            assert!(text(&said).starts_with("# Research Report: bowls"), "{http} {client:?}: {said}");
            assert!(!said.to_string().contains("related-task"), "{http} {client:?}: {said}");
        }
        // It asks in the middle of it, where there is somebody to ask.
        let (question, said) = answers(&house);
        assert!(question["message"].to_string().contains("python"), "{http}: {question}");
        assert!(!question.to_string().contains("related-task"), "{http}: {question}");
        assert!(text(&said).starts_with("# Research Report: python (snake)"), "{http}: {said}");
        let mut wire = Wire::open(&house.gate(), &house.path(""));
        let said = wire.call("simulate-research-query", r#"{"topic":"python","ambiguous":true}"#);
        assert!(said.contains("Research Report: python"), "{http}: {said}");
        if let Some(served) = &mut served {
            served.kill().unwrap();
            served.wait().unwrap();
        }
    }
}
