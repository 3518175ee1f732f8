//! What is said while a call is under way: how far it is, what the server logs, that nobody waits any more. Official
//! clients in front, a server on the official SDK behind, over both wires and in both generations.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::house::{House, until, word};
use crate::peers::Endpoint;
use crate::peers::{self, Client, Talk, fixture};

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Behind {
    Stdio,
    Http,
}

/// How the agent comes in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Before {
    Pipe,
    Http,
}

struct Walk {
    house: House,
    _endpoint: Option<Endpoint>,
    _place: tempfile::TempDir,
    ran: PathBuf,
}

const PAGE: &str = "---\nagent: helper\nowner: dana@acme.example\nreview-by: 9999-12-31\n---\n\n# Helper\n\nWalks.\n\n\
    ## It can read\n\n- walker.resource where uri is \"board://notes\"\n- walker.prompt where name is \"greet\"\n\n\
    ## It can write\n\n- call walker.walk\n- call walker.wait\n- call walker.touch\n- call walker.ask\n\n\
    ## A human must confirm\n\n- read walker.resource where uri is \"board://plans\"\n\n\
    ## It cannot touch\n\n- walker.resource where uri is \"board://secrets\"\n\n\
    ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Walk | `walker.walk {\"steps\": 2}` | allow |\n";

impl Walk {
    fn open(behind: Behind) -> Walk {
        let place = tempfile::tempdir().unwrap();
        let ran = place.path().join("ran");
        std::fs::write(&ran, "").unwrap();
        let endpoint = (behind == Behind::Http).then(|| Endpoint::new("walker.py", &ran));
        let reached = match &endpoint {
            Some(endpoint) => format!("url = \"http://127.0.0.1:{}/mcp\"", endpoint.port),
            None => {
                format!(
                    "command = [{}, {}, \"stdio\", {}]",
                    word(peers::python()),
                    word(fixture("walker.py")),
                    word(&ran)
                )
            }
        };
        let toml = format!(
            "[systems.walker]\nkind = \"mcp\"\n{reached}\nmay-ask = [\"elicitation\"]\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"walker\"]\ntool-names = \"own\"\n"
        );
        Walk { house: House::new(&toml).open(PAGE), _endpoint: endpoint, _place: place, ran }
    }

    fn talk(&self, before: Before, mode: &str, log: Option<&str>) -> Talk {
        let mut more = vec![("AMBIT_MODE", mode)];
        more.extend(log.map(|level| ("AMBIT_LOG", level)));
        match before {
            Before::Pipe => Talk::open_with(Client::Python, &self.house.gate(), &more),
            Before::Http => Talk::open_with(Client::Python, &super::http::words(&self.house, mode), &more),
        }
    }

    fn ran(&self) -> String {
        std::fs::read_to_string(&self.ran).unwrap()
    }
}

fn walk(steps: u32) -> Value {
    json!({ "call": "walk", "arguments": { "steps": steps }, "hear": true })
}

/// The steps and the levels that came before an answer.
fn heard(said: &Value) -> (Vec<u64>, Vec<&str>) {
    let heard = said["heard"].as_array().unwrap_or_else(|| panic!("{said}"));
    let steps = heard.iter().filter_map(|one| one["progress"].as_f64()).map(|step| step as u64).collect();
    (steps, heard.iter().filter_map(|one| one["level"].as_str()).collect())
}

#[test]
fn how_far_it_is_and_what_is_logged_come_through_on_every_way_in_and_out() {
    for behind in [Behind::Stdio, Behind::Http] {
        let walker = Walk::open(behind);
        for before in [Before::Pipe, Before::Http] {
            for mode in ["legacy", "2026-07-28"] {
                let what = format!("{behind:?} {before:?} {mode}");
                let mut talk = walker.talk(before, mode, (mode != "legacy").then_some("warning"));
                if mode == "legacy" {
                    talk.ask(&json!({ "log": "warning" }));
                }
                let said = talk.ask(&walk(3));
                assert_eq!(said["content"][0]["text"], "walked", "{what}: {said}");
                let (steps, levels) = heard(&said);
                assert_eq!(steps, [1, 2, 3], "{what}: {said}");
                assert_eq!(levels, ["warning"; 3], "{what}: {said}");
                assert_eq!(said["heard"][0]["message"], "step é", "{what}");
                // What nobody asked for, a client of the later generation does not get.
                let unasked = walker.talk(before, "2026-07-28", None).ask(&walk(1));
                assert_eq!(heard(&unasked), (vec![1], vec![]), "{what}: {unasked}");
            }
        }
    }
}

#[test]
fn who_gives_up_is_heard_by_the_server_and_the_journal_does_not_know_what_came_of_it() {
    for behind in [Behind::Stdio, Behind::Http] {
        let walker = Walk::open(behind);
        for (at, (before, mode)) in [
            (Before::Pipe, "legacy"),
            (Before::Pipe, "2026-07-28"),
            (Before::Http, "legacy"),
            (Before::Http, "2026-07-28"),
        ]
        .into_iter()
        .enumerate()
        {
            let what = format!("{behind:?} {before:?} {mode}");
            let mut talk = walker.talk(before, mode, None);
            // A server that is still being started would be told of nothing.
            talk.ask(&walk(1));
            let said = talk.ask(&json!({ "call": "wait", "give_up": 2 }));
            assert!(said["error"].as_str().is_some_and(|error| error.contains("gave up")), "{what}: {said}");
            until(&format!("{what}: it is let go of"), || walker.ran().matches("let go").count() == at + 1);
            // The session goes on.
            assert_eq!(talk.ask(&walk(1))["content"][0]["text"], "walked", "{what}");
        }
        assert_eq!(walker.ran().matches("began").count(), 4, "nothing was sent twice");
        let unknown = || {
            let told = walker.house.ambit(&["journal", "export"]).out;
            told.lines().filter(|line| line.contains("outcome-unknown") && line.contains("cancelled")).count()
        };
        until("every one is on record", || unknown() == 4);
    }
}

#[test]
fn a_resource_that_may_be_read_may_be_heard_of_and_no_other() {
    let walker = Walk::open(Behind::Http);
    let touch = |uri: &str| json!({ "call": "touch", "arguments": { "uri": uri } });
    for (before, mode) in
        [(Before::Pipe, "legacy"), (Before::Http, "legacy"), (Before::Pipe, "2026-07-28"), (Before::Http, "2026-07-28")]
    {
        let what = format!("{before:?} {mode}");
        let mut talk = walker.talk(before, mode, None);
        let said = talk.ask(&json!({ "subscribe": "board://notes" }));
        assert_eq!(said.get("error"), None, "{what}: {said}");
        // Nobody is asked whether an agent may hear of something, and what it may not see it does not hear of.
        for other in ["board://plans", "board://secrets", "board://elsewhere"] {
            let said = talk.ask(&json!({ "subscribe": other }));
            let honored = said["honored"].as_array().map(Vec::len);
            assert!(
                honored == Some(0) || said["error"].as_str().is_some_and(|why| why.contains("refused")),
                "{what}: {said}"
            );
        }
        assert_eq!(walker.house.waiting(), Vec::<String>::new(), "{what}");
        for uri in ["board://secrets", "board://elsewhere", "board://notes"] {
            assert_eq!(talk.ask(&touch(uri))["content"][0]["text"], "touched", "{what}");
        }
        assert_eq!(talk.ask(&json!({ "changed": 10 }))["changed"], json!(["board://notes"]), "{what}");
    }
}

#[test]
fn an_argument_is_completed_where_what_it_is_for_may_be_read() {
    for behind in [Behind::Stdio, Behind::Http] {
        let walker = Walk::open(behind);
        let complete = |kind: &str, key: &str, of: &str, value: &str| json!({ "complete": { "type": kind, key: of }, "argument": { "name": "who", "value": value } });
        for (before, mode) in [(Before::Pipe, "legacy"), (Before::Http, "2026-07-28")] {
            let mut talk = walker.talk(before, mode, None);
            let said = talk.ask(&complete("ref/prompt", "name", "greet", "Len"));
            assert_eq!(said["completion"]["values"], json!(["Lena", "Leno"]), "{behind:?} {mode}: {said}");
            // Which resource a template stands for is not known, and the page says `where`; and nobody is asked.
            let said = talk.ask(&complete("ref/resource", "uri", "board://{name}", "secr"));
            assert!(said["error"].as_str().is_some_and(|why| why.contains("refused")), "{behind:?} {mode}: {said}");
        }
        assert!(walker.ran().contains("complete Len") && !walker.ran().contains("complete secr"), "{}", walker.ran());
        assert_eq!(walker.house.waiting(), Vec::<String>::new());
    }
}

#[test]
fn an_answer_reaches_the_server_once_it_is_on_record_and_not_under_another_release() {
    let walker = Walk::open(Behind::Stdio);
    let gate = walker.house.gate();
    let mut client =
        Command::new(&gate[0]).args(&gate[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut to, mut from) = (client.stdin.take().unwrap(), BufReader::new(client.stdout.take().unwrap()));
    // Over the pipe, where nothing else looks at what is in force before the call goes on.
    let mut ask = |more: Value| -> Value {
        let mut params = json!({ "name": "ask", "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
        } });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        writeln!(to, "{}", json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })).unwrap();
        loop {
            let mut line = String::new();
            assert!(from.read_line(&mut line).unwrap() > 0, "the gate is gone");
            let said: Value = serde_json::from_str(&line).unwrap();
            if said["id"] == 1 {
                return said;
            }
        }
    };
    let answered = |question: &Value| {
        let question = &question["result"];
        assert_eq!(question["resultType"], "input_required", "{question}");
        let mut replies = serde_json::Map::new();
        for key in question["inputRequests"].as_object().unwrap().keys() {
            replies.insert(key.clone(), json!({ "action": "accept", "content": { "name": "Lena" } }));
        }
        json!({ "inputResponses": replies, "requestState": question["requestState"] })
    };
    let again = answered(&ask(json!({})));
    assert_eq!(ask(again.clone())["result"]["content"][0]["text"], "heard");
    let told = walker.house.ambit(&["journal", "export"]).out;
    assert_eq!(told.matches("a server's question goes back answered").count(), 1, "{told}");
    assert_eq!(ask(again)["error"]["code"], -32602, "it goes on once");
    // While the client thinks, people put another page in force.
    let question = ask(json!({}));
    walker.house.release(&PAGE.replace("- call walker.wait\\n", "").replace("Walks.", "Walks on."));
    let said = ask(answered(&question));
    assert_ne!(said["result"]["content"][0]["text"], "heard", "{said}");
    assert_eq!(walker.ran().matches("heard").count(), 1, "{}", walker.ran());
    let _ = client.kill();
    let _ = client.wait();
}
