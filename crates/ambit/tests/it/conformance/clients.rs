//! The client scenarios, for the side on which Ambit is a client: the suite is the server behind the gate, and an agent before
//! the gate does what the scenario wants done.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::differences::{self, ANY, List};
use super::page;
use super::suite::{self, Became, Checks, Generation, Results, Side};
use crate::interop::{House, Wire};
use crate::peers::{fixture, python};

/// A scenario that runs: the suite's server of it, which ends with this.
struct Stage {
    scenario: String,
    generation: Generation,
    url: String,
    child: Child,
    from: BufReader<ChildStdout>,
    out: tempfile::TempDir,
}

impl Stage {
    /// Starts it; it has no address yet.
    fn start(scenario: &str, generation: Generation) -> Stage {
        let out = tempfile::tempdir().unwrap();
        let mut suite = suite::program();
        suite.args(["client", "--scenario", scenario, "--spec-version", generation.revision(), "-o"]).arg(out.path());
        let mut child = suite.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        Stage { scenario: scenario.to_owned(), generation, url: String::new(), child, from, out }
    }

    /// Waits until it listens.
    fn open(mut self) -> Stage {
        let said = self.hear("\nPress Ctrl+C to stop...");
        said.lines().find_map(|line| line.strip_prefix("Server URL: ")).unwrap().clone_into(&mut self.url);
        self
    }

    /// What it says until it has said that.
    fn hear(&mut self, last: &str) -> String {
        let mut said = String::new();
        while !said.contains(last) {
            assert_ne!(self.from.read_line(&mut said).unwrap(), 0, "{}: {said}", self.scenario);
        }
        said
    }

    /// Ends it; what it says.
    fn close(mut self) -> Checks {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.hear("\nChecks saved to ");
        let mut results = Results::new();
        suite::collect(self.out.path(), String::new(), &mut results);
        results.remove(&self.scenario).unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An agent of one generation.
struct Agent {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Agent {
    fn open(house: &House, generation: Generation) -> Agent {
        let mode = match generation {
            Generation::Older => "legacy",
            Generation::Later => generation.revision(),
        };
        let mut command = Command::new(python());
        command.arg(fixture("conformance/agent.py")).arg(mode).args(house.gate());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Agent { child, to, from }
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.to.as_ref().unwrap(), "{request}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{request}: {line:?}"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// Their servers want to be looked at and no more. (The last has a tool whose schema leads elsewhere; Ambit does not read such.)
const NOTHING_TO_CALL: [&str; 3] = ["initialize", "request-metadata", "json-schema-ref-no-deref"];

/// What the agent does in a scenario, with the tools of its system.
fn play(house: &House, agent: &mut Agent, scenario: &str, system: &str) {
    let mut call = |tool: &str, arguments: Value| {
        agent.ask(&json!({ "call": format!("{system}__{tool}"), "arguments": arguments }));
    };
    match scenario {
        "tools_call" => call("add_numbers", json!({ "a": 5, "b": 3 })),
        "sse-retry" => call("test_reconnection", json!({})),
        "elicitation-sep1034-client-defaults" => call("test_client_elicitation_defaults", json!({})),
        "http-standard-headers" => {
            call("my-hyphenated-tool", json!({}));
            agent.ask(&json!({ "list": "resources" }));
            agent.ask(&json!({ "read": "file:///path/to/file%20name.txt" }));
            agent.ask(&json!({ "prompt": format!("{system}__test_prompt") }));
        }
        "http-custom-headers" => {
            call("test_custom_headers", custom());
            let null = json!({ "region": "us-east1", "priority": 1, "verbose": null, "query": "SELECT 1" });
            call("test_custom_headers_null", null);
        }
        "sep-2322-client-request-state" => {
            for tool in
                ["test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state", "test_mrtr_no_result_type"]
            {
                call(tool, json!({}));
            }
        }
        // Not by an official client, which would look after these itself.
        "http-invalid-tool-headers" => {
            let (mut wire, tools) = listed(house, system);
            for (tool, schema) in tools {
                let given = schema["properties"].as_object().unwrap().iter().map(|(name, field)| {
                    let value = match field["type"].as_str().unwrap() {
                        "array" => json!([]),
                        "object" => json!({}),
                        "number" => json!(1),
                        "null" => json!(null),
                        _ => json!("x"),
                    };
                    (name.clone(), value)
                });
                wire.call(&tool, &Value::Object(given.collect()).to_string());
            }
        }
        "json-schema-2020-12-preservation" => {
            let (mut wire, tools) = listed(house, system);
            let schema = &tools[&format!("{system}__json_schema_2020_12_tool")];
            wire.call(&format!("{system}__json_schema_echo"), &json!({ "schema": schema }).to_string());
        }
        other if NOTHING_TO_CALL.contains(&other) => {}
        other => panic!("nobody knows what to do in {other}"),
    }
}

/// A client that looks after nothing, and the system's tools as it sees them: their names, and their schemas.
fn listed(house: &House, system: &str) -> (Wire, BTreeMap<String, Value>) {
    let mut wire = Wire::open(&house.gate(), &house.path(""));
    let listed: Value = serde_json::from_str(&wire.ask("tools/list", "{}")).unwrap();
    let own = listed["tools"].as_array().unwrap().iter().filter_map(|tool| {
        let name = tool["name"].as_str().filter(|name| name.starts_with(&format!("{system}__")))?;
        Some((name.to_owned(), tool["inputSchema"].clone()))
    });
    let tools = own.collect();
    (wire, tools)
}

/// What the suite gives clients to say in headers.
fn custom() -> Value {
    json!({
        "region": "us-west1", "priority": 42, "verbose": false, "debug": true, "empty_val": "", "method_val": "test-method",
        "float_val": 3.25, "non_ascii_val": "Hello, 世界", "whitespace_val": " padded ", "leading_space_val": " us-west1",
        "trailing_space_val": "us-west1 ", "internal_space_val": "us west 1", "control_char_val": "line1\nline2",
        "crlf_val": "line1\r\nline2", "tab_val": "\tindented", "query": "SELECT * FROM users",
    })
}

/// The suite's servers of every scenario in which Ambit is the client: of those that are required all but the ones of people
/// who sign in with a browser, and one that came later.
fn stages(not_ours: &BTreeSet<String>) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut others = BTreeSet::new();
    for generation in Generation::ALL {
        for scenario in suite::required(Side::Client, generation) {
            if not_ours.contains(&scenario) {
                others.insert(scenario);
            } else {
                stages.push(Stage::start(&scenario, generation));
            }
        }
        stages.push(Stage::start("json-schema-2020-12-preservation", generation));
    }
    assert_eq!(&others, not_ours, "what is listed as not ours is required of others");
    stages.into_iter().map(Stage::open).collect()
}

/// An installation whose systems are those servers, each under its place among them.
fn house(stages: &[Stage]) -> House {
    let (mut toml, mut read, mut write) = (String::new(), String::new(), String::new());
    for (at, stage) in stages.iter().enumerate() {
        toml.push_str(&format!(
            "[systems.s{at}]\nkind = \"mcp\"\nurl = {:?}\nmay-ask = [\"elicitation\"]\n",
            stage.url
        ));
        if !NOTHING_TO_CALL.contains(&stage.scenario.as_str()) {
            write.push_str(&format!("- call anything in s{at}\n"));
        }
        if stage.scenario == "http-standard-headers" {
            read.push_str(&format!("- s{at}.resource\n- s{at}.prompt\n"));
        }
    }
    let systems: Vec<String> = (0..stages.len()).map(|at| format!("\"s{at}\"")).collect();
    toml.push_str(&format!("[agents.helper]\nscope = \"SCOPE.md\"\nsystems = [{}]\n", systems.join(", ")));
    toml.push_str("[limits]\npending-wait-seconds = 0\ntrip-refusals = 100000");
    House::new(&toml).open(&PAGE.replace("READ", read.trim()).replace("WRITE", write.trim()))
}

const PAGE: &str = "---\nagent: helper\nowner: dana@acme.example\nreview-by: 9999-12-31\n---\n\n# Helper\n\nTries everything.\n\n\
    ## It can read\n\nREAD\n\n## It can write\n\nWRITE\n\n## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- nothing\n\n\
    ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Look | `s0.nothing {}` | refuse |\n";

#[test]
fn behind_the_gate_ambit_is_the_client_that_the_suite_wants() {
    let list = List::read();
    let stages = stages(&list.not_ours.scenarios);
    let house = house(&stages);
    for generation in Generation::ALL {
        let mut agent = Agent::open(&house, generation);
        for (at, stage) in stages.iter().enumerate().filter(|(_, stage)| stage.generation == generation) {
            play(&house, &mut agent, &stage.scenario, &format!("s{at}"));
        }
    }
    drop(house);
    let mut found = BTreeMap::new();
    let mut results: BTreeMap<String, BTreeMap<Generation, Checks>> = BTreeMap::new();
    for stage in stages {
        let (scenario, generation) = (stage.scenario.clone(), stage.generation);
        let checks = stage.close();
        for (check, (became, why)) in checks.iter().filter(|(_, (became, _))| *became != Became::Passed) {
            let place = (generation.revision().to_owned(), ANY.to_owned(), scenario.clone(), check.clone());
            found.insert(place, (became.word().to_owned(), why.clone()));
        }
        results.entry(scenario).or_default().insert(generation, checks);
    }
    let listed = list.clients();
    differences::compare(&listed, &found);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (scenario, checks) in &results {
        let cell = |generation: Generation| {
            page::cell(checks.get(&generation), &differences::reasons(&listed, generation.revision(), ANY, scenario))
        };
        rows.push(vec![format!("`{scenario}`"), cell(Generation::Older), cell(Generation::Later)]);
    }
    let not_ours = |generation| {
        let required = suite::required(Side::Client, generation);
        let count = required.iter().filter(|scenario| list.not_ours.scenarios.contains(*scenario)).count();
        format!("{count} scenarios [{0}](#{0})", list.not_ours.reason)
    };
    rows.push(vec!["`auth/…`".to_owned(), not_ours(Generation::Older), not_ours(Generation::Later)]);
    page::keep("clients", &page::table(&["scenario", "servers of 2025-11-25", "servers of 2026-07-28"], rows));
}
