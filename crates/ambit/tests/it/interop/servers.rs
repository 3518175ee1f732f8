//! Servers of others behind the gate, clients of others in front of it: what is allowed is as if there were no gate, and
//! what is not never reaches a server.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::house::{House, word};
use super::wire::Wire;
use crate::peers::{self, Client, Talk, fixture};

const PAGE: &str = r#"---
agent: helper
owner: dana@acme.example
review-by: 9999-12-31
outside: refuse
---

# Helper

Works in the shop, keeps notes, and shows what servers can do.

## It can read

- files.read_text_file or files.get_file_info or files.list_directory where path is under ("src", "docs")
- every reading tool in everything, because they show what a server can say
- every reading tool in memory, because the notes are its own
- everything.resource where uri is under "demo://resource/static"
- everything.prompt

## It can write

- call files.write_file where path is under "src", at most 100 times per hour, because it is reviewed before it is used
- call memory.create_entities, at most 100 times per hour

## A human must confirm

- call files.write_file where path is under "docs"
- call memory.delete_entities
- read everything.resource where uri is under "demo://resource/dynamic"

## It cannot touch

- anything in files where path is under "deploy"
- call everything.get-env

## Scenarios

| when it is told | and it tries | then |
|---|---|---|
| Read | `files.read_text_file {"path": "src/price.py"}` | allow |
"#;

/// The tools that the page leaves any way to call.
const VISIBLE: [&str; 15] = [
    "everything__echo",
    "everything__get-annotated-message",
    "everything__get-resource-links",
    "everything__get-structured-content",
    "everything__get-sum",
    "everything__get-tiny-image",
    "files__get_file_info",
    "files__list_directory",
    "files__read_text_file",
    "files__write_file",
    "memory__create_entities",
    "memory__delete_entities",
    "memory__open_nodes",
    "memory__read_graph",
    "memory__search_nodes",
];

/// What is allowed, each with the bytes of its arguments.
const ALLOWED: [(&str, &str, &str); 18] = [
    ("files", "get_file_info", r#"{"path":"src/quiet.py"}"#),
    ("files", "read_text_file", r#"{ "path" : "src/pr\u0069ce.py" }"#),
    ("files", "read_text_file", r#"{"head":1.0,"path":"./docs/../docs/prices.md"}"#),
    ("files", "read_text_file", r#"{"path":"src/no-such-file"}"#),
    ("files", "list_directory", r#"{"path":"src"}"#),
    ("files", "write_file", r#"{"path":"src/new.py","content":"é\n\u0000\ud83d\ude00"}"#),
    ("memory", "read_graph", "{}"),
    (
        "memory",
        "create_entities",
        r#"{"entities":[{"name":"Inês","entityType":"customer","observations":["likes \"bowls\""]}]}"#,
    ),
    ("memory", "create_entities", r#"{"entities":[{"name":"Inês","entityType":"again","observations":[]}]}"#),
    ("memory", "search_nodes", r#"{"query":"bowls"}"#),
    ("memory", "open_nodes", r#"{"names":["Inês","nobody"]}"#),
    ("everything", "echo", r#"{"message":"a\tb </script> \u2028"}"#),
    ("everything", "get-sum", r#"{"a":1e2,"b":0.5}"#),
    ("everything", "get-tiny-image", "{}"),
    ("everything", "get-annotated-message", r#"{"messageType":"error","includeImage":true}"#),
    ("everything", "get-structured-content", r#"{"location":"New York"}"#),
    ("everything", "get-resource-links", r#"{"count":3}"#),
    ("everything", "get-resource-links", "{}"),
];

const FEATURES: &str = "demo://resource/static/document/features.md";
const SYSTEMS: [&str; 3] = ["files", "memory", "everything"];

/// The command of a server, before which lines are kept in `heard-SYSTEM` of the installation.
pub fn command(system: &str) -> Vec<String> {
    let index = peers::dir().join(format!(
        "node_modules/@modelcontextprotocol/server-{}/dist/index.js",
        match system {
            "files" => "filesystem",
            other => other,
        }
    ));
    let mut command = vec!["node".to_owned(), index.display().to_string()];
    command.extend((system == "files").then(|| "shop".to_owned()));
    command
}

/// The same server without the gate; its notes are its own.
fn direct(house: &House, system: &str) -> Vec<String> {
    let dir = house.path("").display().to_string();
    let mut words = ["env", "-C", &dir, "MEMORY_FILE_PATH=direct.jsonl"].map(str::to_owned).to_vec();
    words[3] = format!("MEMORY_FILE_PATH={}", house.path("direct.jsonl").display());
    words.extend(command(system));
    words
}

fn house() -> House {
    let mut toml = String::new();
    for system in SYSTEMS {
        let command: Vec<String> = command(system).iter().map(word).collect();
        let reading = match system {
            "files" => r#"["read_text_file", "get_file_info", "list_directory"]"#,
            "memory" => r#"["read_graph", "search_nodes", "open_nodes"]"#,
            _ => {
                r#"["echo", "get-sum", "get-tiny-image", "get-annotated-message", "get-structured-content", "get-resource-links"]"#
            }
        };
        toml.push_str(&format!(
            "[systems.{system}]\nkind = \"mcp\"\ncommand = [\"python3\", {}, \"heard-{system}\", {}]\nreading-tools = {reading}\n",
            word(fixture("tee.py")),
            command.join(", ")
        ));
        if system == "memory" {
            toml.push_str("env = { MEMORY_FILE_PATH = \"PLACE/gate.jsonl\" }\n");
        }
    }
    toml.push_str("[agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"files\", \"memory\", \"everything\"]\n");
    toml.push_str("[limits]\npending-wait-seconds = 0\n");
    let house = House::new(&toml);
    house.write("ambit.toml", &house.read("ambit.toml").replace("PLACE", &house.path("").display().to_string()));
    for (name, text) in [
        ("src/price.py", "price = 7\n\tœ \u{1f41a}\r\nend"),
        ("src/quiet.py", "nobody reads this\n"),
        ("docs/prices.md", "# Prices\n"),
        ("deploy/production.env", "KEY=sesame\n"),
    ] {
        std::fs::create_dir_all(house.path("shop").join(name).parent().unwrap()).unwrap();
        house.write(&format!("shop/{name}"), text);
    }
    house.open(PAGE)
}

#[test]
fn what_is_allowed_comes_back_byte_for_byte() {
    let house = house();
    let mut gate = Wire::open(&house.gate(), &house.path(""));
    let mut servers = SYSTEMS.map(|system| (system, Wire::open(&direct(&house, system), &house.path(""))));
    for (system, tool, arguments) in ALLOWED {
        let (_, server) = servers.iter_mut().find(|(name, _)| *name == system).unwrap();
        let without = server.call(tool, arguments);
        assert_eq!(gate.call(&format!("{system}__{tool}"), arguments), without, "{system}.{tool} {arguments}");
        // And what reached the server is what the client wrote.
        let heard = house.read(&format!("heard-{system}"));
        let last = heard.lines().last().unwrap();
        assert!(last.ends_with(&format!(r#""params":{{"name":"{tool}","arguments":{arguments}}}}}"#)), "{last}");
    }
    let (_, everything) = &mut servers[2];
    for (method, params, behind) in [
        ("resources/read", format!(r#"{{"uri":"{FEATURES}"}}"#), None),
        (
            "prompts/get",
            r#"{"name":"args-prompt","arguments":{"city":"Bern"}}"#.to_owned(),
            Some(r#"{"name":"everything__args-prompt","arguments":{"city":"Bern"}}"#),
        ),
        ("prompts/get", r#"{"name":"args-prompt"}"#.to_owned(), Some(r#"{"name":"everything__args-prompt"}"#)),
        ("prompts/get", r#"{"name":"simple-prompt"}"#.to_owned(), Some(r#"{"name":"everything__simple-prompt"}"#)),
    ] {
        let without = everything.ask(method, &params);
        assert_eq!(gate.ask(method, behind.unwrap_or(&params)), without, "{method} {params}");
    }
    // Lists: what could be allowed or held, in the servers' own words.
    let listed = |answer: &str, member: &str| -> Vec<Value> {
        serde_json::from_str::<Value>(answer).unwrap()[member].as_array().unwrap().clone()
    };
    let mut expected = Vec::new();
    for (system, server) in &mut servers {
        for mut tool in listed(&server.ask("tools/list", "{}"), "tools") {
            let name = format!("{system}__{}", tool["name"].as_str().unwrap());
            if VISIBLE.contains(&name.as_str()) {
                tool["name"] = name.into();
                expected.push(tool);
            }
        }
    }
    expected.sort_by_key(|tool| tool["name"].as_str().unwrap().to_owned());
    let mut tools = listed(&gate.ask("tools/list", "{}"), "tools");
    assert_eq!(tools.pop().unwrap()["name"], "ambit_pending");
    tools.sort_by_key(|tool| tool["name"].as_str().unwrap().to_owned());
    assert_eq!(tools, expected);
    assert_eq!(expected.len(), VISIBLE.len());
    let (_, everything) = &mut servers[2];
    for (method, member) in [("resources/list", "resources"), ("resources/templates/list", "resourceTemplates")] {
        assert_eq!(gate.ask(method, "{}"), everything.ask(method, "{}"), "{member}");
    }
    let mut prompts = listed(&everything.ask("prompts/list", "{}"), "prompts");
    for prompt in &mut prompts {
        prompt["name"] = format!("everything__{}", prompt["name"].as_str().unwrap()).into();
    }
    assert_eq!(listed(&gate.ask("prompts/list", "{}"), "prompts"), prompts);
}

#[test]
fn the_python_client_works_through_the_gate() {
    works_through_the_gate(Client::Python);
}

#[test]
fn the_typescript_client_works_through_the_gate() {
    works_through_the_gate(Client::TypeScript);
}

fn works_through_the_gate(client: Client) {
    let house = house();
    let mut gate = Talk::open(client, &house.gate());
    let listed = gate.ask(&json!({ "list": "tools" }));
    let names: BTreeSet<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, VISIBLE.into_iter().chain(["ambit_pending"]).collect());
    // What is allowed is what the client gets without the gate.
    for system in SYSTEMS {
        let mut server = Talk::open(client, &direct(&house, system));
        // So that it knows the shapes that it holds results to, as it does in front of the gate.
        server.ask(&json!({ "list": "tools" }));
        for (_, tool, arguments) in ALLOWED.iter().filter(|(of, ..)| *of == system) {
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            let without = server.ask(&json!({ "call": tool, "arguments": arguments }));
            let through = gate.ask(&json!({ "call": format!("{system}__{tool}"), "arguments": arguments }));
            assert_eq!(through, without, "{system}.{tool} {arguments}");
        }
        if system == "everything" {
            for list in ["resources", "templates"] {
                let request = json!({ "list": list });
                assert_eq!(gate.ask(&request), server.ask(&request), "{list}");
            }
            let read = json!({ "read": FEATURES });
            assert_eq!(gate.ask(&read), server.ask(&read));
            let prompt = |name: &str| json!({ "prompt": name, "arguments": { "city": "Bern", "state": "BE" } });
            assert_eq!(gate.ask(&prompt("everything__args-prompt")), server.ask(&prompt("args-prompt")));
        }
    }
    // What is not allowed is an answer that the client can read, and never reaches a server.
    let mut call = |tool: &str, arguments: Value| gate.ask(&json!({ "call": tool, "arguments": arguments }));
    let text = |answer: &Value| answer["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    for (tool, arguments, line) in [
        ("files__read_text_file", json!({ "path": "deploy/production.env" }), "anything in files where path is under"),
        ("files__read_text_file", json!({ "path": "src/../deploy/production.env" }), "anything in files where"),
        ("files__write_file", json!({ "path": "deploy/gone", "content": "never-1" }), "anything in files where path"),
        ("files__write_file", json!({ "path": "README.md", "content": "never-2" }), "refused"),
        ("files__move_file", json!({ "source": "src/price.py", "destination": "never-3" }), "refused"),
        ("everything__get-env", json!({}), "call everything.get-env"),
        ("memory__delete_relations", json!({ "relations": [] }), "refused"),
    ] {
        let said = call(tool, arguments);
        assert_eq!(said["isError"], true, "{tool}: {said}");
        assert!(text(&said).contains(line), "{tool}: {said}");
    }
    let mut held = Vec::new();
    for (tool, arguments) in [
        ("files__write_file", json!({ "path": "docs/prices.md", "content": "never-4" })),
        ("memory__delete_entities", json!({ "entityNames": ["Inês"] })),
    ] {
        let said = call(tool, arguments);
        assert!(text(&said).starts_with("pending: "), "{tool}: {said}");
        held.push(said["_meta"]["ambit/answer"]["id"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned());
    }
    assert_eq!(house.waiting().into_iter().collect::<BTreeSet<_>>(), held.iter().cloned().collect());
    let heard = SYSTEMS.map(|system| house.read(&format!("heard-{system}"))).concat();
    for never in ["never-", "deploy", "get-env", "delete_", "move_file"] {
        assert!(!heard.contains(never), "{never} reached a server");
    }
    assert_eq!(house.read("shop/docs/prices.md"), "# Prices\n");
    assert!(!house.path("shop/deploy/gone").exists() && house.read("gate.jsonl").contains("Inês"));
    // Confirmed, it runs; the client collects what the server said.
    house.confirm(&held[0]).fine();
    assert_eq!(house.read("shop/docs/prices.md"), "never-4");
    let said = call("ambit_pending", json!({ "id": held[0] }));
    assert_eq!(text(&said), "Successfully wrote to docs/prices.md", "{said}");
    let said = call("ambit_pending", json!({ "id": held[1] }));
    assert!(text(&said).starts_with("pending: "), "{said}");
    assert!(house.read("gate.jsonl").contains("Inês"));
    // What is read under a confirmation is collected by the same tool, as text: its own shape is no tool's.
    let said = gate.ask(&json!({ "read": "demo://resource/dynamic/text/1" }));
    assert!(said["error"].as_str().unwrap().contains("pending: "), "{said}");
    let id = house.waiting().into_iter().find(|id| !held.contains(id)).unwrap();
    assert!(!house.read("heard-everything").contains("dynamic/text/1"));
    house.confirm(&id).fine();
    let said = gate.ask(&json!({ "call": "ambit_pending", "arguments": { "id": id } }));
    assert!(text(&said).contains("This is a plaintext resource"), "{said}");
}
