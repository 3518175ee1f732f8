//! The commands of a person against a real daemon: who may do what, and what a stop, a token, an erasure really do.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

const AMBIT: &str = env!("CARGO_BIN_EXE_ambit");

/// The refund helper's example in a directory of its own, with Dana and Sam as people. The daemon ends with it.
pub struct Town {
    dir: tempfile::TempDir,
}

impl Town {
    pub fn new() -> Town {
        let town = Town { dir: tempfile::tempdir().unwrap() };
        std::fs::set_permissions(town.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/refund-helper");
        for file in ["ambit.toml", "SCOPE.md", "ambit.lock"] {
            let text = std::fs::read_to_string(example.join(file)).unwrap();
            let text = text.replace("\"ambit\"", &format!("{AMBIT:?}"));
            std::fs::write(town.path().join(file), text).unwrap();
        }
        for name in ["dana", "sam"] {
            let file = town.path().join(format!("{name}.pass"));
            std::fs::write(&file, format!("a passphrase of {name}\n")).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        town
    }

    /// With Dana enrolled, a release in force, and a token in `tok`.
    pub fn released() -> Town {
        let town = Town::new();
        town.begin(&[]);
        town
    }

    /// As [`Town::released`], with another page, ready or not.
    pub fn with(scope: &str) -> Town {
        let town = Town::new();
        std::fs::write(town.path().join("SCOPE.md"), scope).unwrap();
        town.begin(&["--anyway"]);
        town
    }

    pub fn begin(&self, more: &[&str]) {
        self.fine(&["setup", "--person", "dana", "--passphrase-file", "dana.pass"]);
        self.fine_as("dana", &[&["release", "refund-helper", "--because", "the first"], more].concat());
        self.fine_as("dana", &["token", "refund-helper", "--unattended", "--to", "tok"]);
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(AMBIT);
        command.current_dir(self.path()).env("AMBIT_PEOPLE", self.path().join("people")).stdin(Stdio::null());
        command.env_remove("AMBIT_CONFIG").env_remove("AMBIT_TOKEN").env_remove("AMBIT_SOCKET");
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    #[track_caller]
    pub fn fine(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}\n{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub fn fine_as(&self, person: &str, args: &[&str]) -> String {
        let file = format!("{person}.pass");
        self.fine(&[args, &["--as", person, "--passphrase-file", &file]].concat())
    }

    /// The command ends with that code, and says that.
    #[track_caller]
    pub fn not(&self, code: i32, says: &str, args: &[&str]) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{}", said(&output));
        assert!(said(&output).contains(says), "{args:?} does not say `{says}`:\n{}", said(&output));
    }

    /// Ends the daemon, and waits until its door is closed.
    pub fn end(&self) {
        let status = self.run(&["status", "--format", "json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap_or(Value::Null);
        let Some(process) = status["process"].as_u64() else { return };
        let _ = Command::new("kill").arg(process.to_string()).status();
        for _ in 0..200 {
            if !Path::new(&format!("/proc/{process}")).exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
    }

    pub fn agent(&self) -> Agent {
        self.agent_with("tok")
    }

    /// The agent's client, with the token in that file.
    pub fn agent_with(&self, token: &str) -> Agent {
        let mut child = self
            .command()
            .args(["mcp", "--agent", "refund-helper", "--token-file", token])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut agent = Agent { child, input, output, id: 0 };
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
        assert!(agent.ask("initialize", &hello).get("result").is_some());
        writeln!(agent.input, "{}", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).unwrap();
        agent
    }

    pub fn kinds(&self) -> Vec<String> {
        let records = self.fine(&["journal", "tail", "-n", "1000", "--format", "json"]);
        let kind = |line: &str| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
        records.lines().map(kind).collect()
    }

    pub fn first_hold(&self) -> String {
        for _ in 0..200 {
            let inbox: Value = serde_json::from_str(&self.fine(&["inbox", "--format", "json"])).unwrap();
            if let Some(id) = inbox["holds"][0]["id"].as_str() {
                return id.to_owned();
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("nothing waits");
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.end();
    }
}

pub struct Agent {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    id: u64,
}

impl Agent {
    pub fn send(&mut self, method: &str, params: &Value) {
        self.id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params });
        // The other end may be gone: the answer will tell.
        let _ = writeln!(self.input, "{request}");
    }

    /// The answer to the last request; null when the connection has ended.
    pub fn answer(&mut self) -> Value {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap_or(0) == 0 {
                return Value::Null;
            }
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == json!(self.id) {
                return answer;
            }
        }
    }

    pub fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.send(method, params);
        self.answer()
    }

    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn refund(amount: u64) -> Value {
    json!({ "order": 70369, "amount": amount, "currency": "EUR", "reason": "Kept in nobody's memory." })
}

#[test]
fn only_the_owner_releases_and_a_second_person_needs_somebody_to_vouch() {
    let town = Town::new();
    town.not(2, "nobody has a key", &["release", "refund-helper", "--because", "x", "--anyway"]);
    town.not(2, "several people", &["setup"]);
    town.fine(&["setup", "--person", "sam", "--passphrase-file", "sam.pass"]);
    town.not(1, "must vouch", &["setup", "--person", "dana", "--passphrase-file", "dana.pass"]);
    let vouch = [
        "setup",
        "--person",
        "dana",
        "--passphrase-file",
        "dana.pass",
        "--vouched-by",
        "sam",
        "--voucher-passphrase-file",
    ];
    town.not(1, "passphrase", &[&vouch[..], &["dana.pass"]].concat());
    town.fine(&[&vouch[..], &["sam.pass"]].concat());
    // Sam is the backup owner here; without that Sam is nobody who may release.
    let scope = std::fs::read_to_string(town.path().join("SCOPE.md")).unwrap();
    std::fs::write(town.path().join("SCOPE.md"), scope.replace("backup-owner: sam.reyes@acme.example\n", "")).unwrap();
    let release = ["release", "refund-helper", "--because", "x", "--anyway"];
    town.not(1, "does not answer for", &[&release[..], &["--as", "sam", "--passphrase-file", "sam.pass"]].concat());
    town.fine_as("dana", &release);
    // The file may say what it likes: who answers for what is in force decides who may replace it.
    std::fs::write(town.path().join("SCOPE.md"), scope.replace("owner: dana.ortiz", "owner: sam.reyes")).unwrap();
    town.not(1, "does not answer for", &[&release[..], &["--as", "sam", "--passphrase-file", "sam.pass"]].concat());
    town.not(1, "passphrase", &[&release[..], &["--as", "dana", "--passphrase-file", "sam.pass"]].concat());
    // Dana hands it over; from then on it is Sam's.
    town.fine_as("dana", &release);
    town.not(1, "does not answer for", &[&release[..], &["--as", "dana", "--passphrase-file", "dana.pass"]].concat());
}

#[test]
fn a_file_edited_on_the_disk_changes_nothing_until_it_is_released() {
    let town = Town::released();
    let mut agent = town.agent();
    assert_eq!(agent.call("crm__delete_note", json!({ "id": 4117 }))["result"]["isError"], json!(true));
    let scope = std::fs::read_to_string(town.path().join("SCOPE.md")).unwrap();
    let wider =
        scope.replace("- call crm.add_note,", "- call crm.delete_note, because a test wants it\n- call crm.add_note,");
    assert_ne!(scope, wider);
    std::fs::write(town.path().join("SCOPE.md"), wider).unwrap();
    assert_eq!(agent.call("crm__delete_note", json!({ "id": 4117 }))["result"]["isError"], json!(true));
    town.fine_as("dana", &["release", "refund-helper", "--because", "wider", "--anyway"]);
    assert_eq!(agent.call("crm__delete_note", json!({ "id": 4117 }))["result"]["isError"], json!(false));
    let releases: Value = serde_json::from_str(&town.fine(&["releases", "refund-helper", "--format", "json"])).unwrap();
    assert_eq!(releases["in-force"], json!(2));
    assert!(releases["releases"][1]["widens"].to_string().contains("delete_note"), "{releases}");
    town.fine_as("dana", &["releases", "refund-helper", "--revert", "1", "--because", "too wide"]);
    assert_eq!(agent.call("crm__delete_note", json!({ "id": 4117 }))["result"]["isError"], json!(true));
}

#[test]
fn what_is_not_ready_is_released_only_with_the_waiver_on_record() {
    let town = Town::new();
    town.fine(&["setup", "--person", "dana", "--passphrase-file", "dana.pass"]);
    let scope = std::fs::read_to_string(town.path().join("SCOPE.md")).unwrap();
    std::fs::write(town.path().join("SCOPE.md"), scope.replace("review-by: 2027-02-28\n", "")).unwrap();
    let release = ["release", "refund-helper", "--because", "x", "--as", "dana", "--passphrase-file", "dana.pass"];
    town.not(1, "review-date", &release);
    let unheld = scope
        .replace("| Pay in dollars ", "| Pay in dollars no more")
        .lines()
        .filter(|l| !l.contains("Pay in dollars"))
        .collect::<Vec<_>>()
        .join("\n")
        + "\n";
    std::fs::write(town.path().join("SCOPE.md"), unheld).unwrap();
    town.not(1, "no scenario notices when you drop the test `currency is \"EUR\"`", &release);
    std::fs::write(town.path().join("SCOPE.md"), scope.replace("review-by: 2027-02-28\n", "")).unwrap();
    town.fine(&[&release[..], &["--anyway"]].concat());
    assert!(said(&town.run(&["status"])).contains("review-date"));
    assert!(said(&town.run(&["releases", "refund-helper"])).contains("review-date"));
}

#[test]
fn a_stop_cuts_withdraws_refuses_and_says_so_and_only_the_owner_lifts_it() {
    let town = Town::released();
    let mut agent = town.agent();
    agent.send("tools/call", &json!({ "name": "payments__create_refund", "arguments": refund(16) }));
    let hold = town.first_hold();
    let stopped: Value = serde_json::from_str(&town.fine(&["stop", "refund-helper", "--format", "json"])).unwrap();
    assert_eq!(stopped["withdrawn"], json!([hold]));
    assert_eq!(stopped["refused"], json!(["refund-helper"]));
    assert_eq!(stopped["not_refused"], json!([]));
    assert_eq!(stopped["severed"].as_array().unwrap().len(), 1);
    while agent.answer() != Value::Null {}
    drop(agent);
    let mut again = town.agent();
    let refused = again.call("helpdesk__get_ticket", json!({ "id": 5122 }));
    assert!(refused.to_string().contains("stopped"), "{refused}");
    town.not(1, "", &["confirm", &hold, "--as", "dana", "--passphrase-file", "dana.pass"]);
    town.not(
        1,
        "passphrase",
        &["resume", "refund-helper", "--because", "x", "--as", "dana", "--passphrase-file", "sam.pass"],
    );
    town.fine_as("dana", &["resume", "refund-helper", "--because", "looked at"]);
    assert_eq!(again.call("helpdesk__get_ticket", json!({ "id": 5122 }))["result"]["isError"], json!(false));
}

#[test]
fn an_ambit_toml_with_errors_hides_neither_releases_nor_stops() {
    let town = Town::new();
    let config = town.path().join("ambit.toml");
    let text = std::fs::read_to_string(&config).unwrap() + "\n[state]\ndir = \"var\"\n";
    std::fs::write(&config, &text).unwrap();
    town.fine(&["setup", "--person", "dana", "--passphrase-file", "dana.pass"]);
    town.fine_as("dana", &["release", "refund-helper", "--because", "the first"]);
    town.fine_as("dana", &["token", "refund-helper", "--unattended", "--to", "tok"]);
    town.fine(&["stop", "refund-helper"]);
    let anew = || town.end();
    // Wrong, but TOML: where the state stands is still said.
    anew();
    std::fs::write(&config, format!("no-such-key = 1\n{text}")).unwrap();
    assert!(town.agent().call("helpdesk__get_ticket", json!({ "id": 5122 })).to_string().contains("is stopped"));
    anew();
    assert!(!town.path().join(".ambit").exists(), "no other store is opened");
    // No TOML at all: nobody knows where the state stands, so nobody serves from elsewhere.
    std::fs::write(&config, format!("= 1\n{text}")).unwrap();
    town.not(4, "ambit.toml", &["mcp", "--agent", "refund-helper", "--token-file", "tok"]);
    assert!(!town.path().join(".ambit/state.db").exists(), "no other store is opened");
    std::fs::write(&config, &text).unwrap();
    town.fine_as("dana", &["resume", "refund-helper", "--because", "mended"]);
    assert_eq!(town.agent().call("helpdesk__get_ticket", json!({ "id": 5122 }))["result"]["isError"], json!(false));
}

#[test]
fn who_owns_nothing_lifts_no_stop_of_all_and_erases_nothing() {
    let town = Town::released();
    let scope = std::fs::read_to_string(town.path().join("SCOPE.md")).unwrap();
    std::fs::write(town.path().join("SCOPE.md"), scope.replace("backup-owner: sam.reyes@acme.example\n", "")).unwrap();
    town.fine_as("dana", &["release", "refund-helper", "--because", "mine alone", "--anyway"]);
    let vouch = ["setup", "--person", "sam", "--passphrase-file", "sam.pass", "--vouched-by", "dana"];
    town.fine(&[&vouch[..], &["--voucher-passphrase-file", "dana.pass"]].concat());
    town.fine(&["stop", "--all"]);
    let sam = ["--as", "sam", "--passphrase-file", "sam.pass"];
    town.not(1, "does not answer for", &[&["resume", "--all", "--because", "x"][..], &sam].concat());
    let records = town.fine(&["journal", "tail", "--kind", "released", "--format", "json"]);
    let released: Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
    let number = released["sequence"].to_string();
    town.not(1, "does not answer for", &[&["journal", "erase", &number, "--because", "x"][..], &sam].concat());
    town.fine_as("dana", &["resume", "--all", "--because", "looked at"]);
}

#[test]
fn an_agent_with_many_clients_does_not_keep_people_out() {
    let town = Town::released();
    let agents: Vec<Agent> = (0..16).map(|_| town.agent()).collect();
    town.not(1, "clients of this agent", &["mcp", "--agent", "refund-helper", "--token-file", "tok"]);
    let inbox: Value = serde_json::from_str(&town.fine(&["inbox", "--format", "json"])).unwrap();
    assert_eq!(inbox["notices"].as_array().unwrap().len(), 1, "told once: {inbox}");
    let stopped: Value = serde_json::from_str(&town.fine(&["stop", "refund-helper", "--format", "json"])).unwrap();
    assert_eq!(stopped["severed"].as_array().unwrap().len(), 16);
    drop(agents);
}

#[test]
fn a_stopped_agent_starts_no_server_by_asking_for_lists() {
    let town = Town::released();
    // A page on which a human could let it read them: else nobody would be asked, stopped or not.
    let scope = std::fs::read_to_string(town.path().join("SCOPE.md")).unwrap();
    std::fs::write(town.path().join("SCOPE.md"), scope.replace("outside: refuse\n", "")).unwrap();
    town.fine_as("dana", &["release", "refund-helper", "--because", "ask me", "--anyway"]);
    town.fine(&["stop", "refund-helper"]);
    // The servers found the company's database when they start.
    let started = || town.path().join("acme.db").exists();
    let list = || town.agent().ask("resources/list", &json!({}));
    assert!(!started());
    list();
    assert!(!started(), "a server was started for a stopped agent");
    town.fine_as("dana", &["resume", "refund-helper", "--because", "looked at"]);
    list();
    assert!(started(), "whoever goes on may ask");
}

#[test]
fn a_stop_of_nobody_says_that_nothing_was_stopped() {
    let town = Town::released();
    town.not(1, "did you mean `refund-helper`?", &["stop", "refnud-helper"]);
    assert_eq!(town.agent().call("helpdesk__get_ticket", json!({ "id": 5122 }))["result"]["isError"], json!(false));
}

#[test]
fn whoever_holds_the_token_is_the_asker_and_cannot_confirm_for_a_role() {
    let town = Town::released();
    std::fs::remove_file(town.path().join("tok")).unwrap();
    town.fine_as("dana", &["token", "refund-helper", "--to", "tok"]);
    let mut agent = town.agent();
    agent.send("tools/call", &json!({ "name": "payments__create_refund", "arguments": refund(16) }));
    let hold = town.first_hold();
    town.not(1, "", &["confirm", &hold, "--as", "dana", "--passphrase-file", "dana.pass"]);
    let vouch = ["setup", "--person", "sam", "--passphrase-file", "sam.pass", "--vouched-by", "dana"];
    town.fine(&[&vouch[..], &["--voucher-passphrase-file", "dana.pass"]].concat());
    town.fine_as("sam", &["confirm", &hold]);
    assert_eq!(agent.answer()["result"]["isError"], json!(false));
}

#[test]
fn an_agent_whose_user_is_named_comes_as_that_user_or_not_at_all() {
    let town = Town::new();
    let config = town.path().join("ambit.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("scope = \"SCOPE.md\"", "scope = \"SCOPE.md\"\nos-user = \"nobody\""))
        .unwrap();
    town.fine(&["setup", "--person", "dana", "--passphrase-file", "dana.pass"]);
    town.fine_as("dana", &["release", "refund-helper", "--because", "the first"]);
    town.fine_as("dana", &["token", "refund-helper", "--to", "tok"]);
    town.not(1, "operating-system user", &["mcp", "--agent", "refund-helper", "--token-file", "tok"]);
}

#[test]
fn a_token_opens_one_agents_gate_until_it_is_revoked_and_two_clients_at_once_are_flagged() {
    let town = Town::released();
    let (mut one, two) = (town.agent(), town.agent());
    let flagged = town.fine(&["journal", "tail", "--kind", "flagged", "--format", "json"]);
    assert!(flagged.contains("token used twice at once"), "{flagged}");
    assert!(said(&town.run(&["inbox"])).contains("used by 2 clients at once"));
    drop(two);
    let tokens: Value = serde_json::from_str(&town.fine(&["token", "--format", "json"])).unwrap();
    let text = std::fs::read_to_string(town.path().join("tok")).unwrap();
    assert!(!tokens.to_string().contains(text.trim()));
    town.fine(&["token", "--revoke", tokens[0]["id"].as_str().unwrap()]);
    assert_eq!(one.call("helpdesk__get_ticket", json!({ "id": 5122 })), Value::Null);
    town.not(1, "does not open this agent's gate", &["mcp", "--agent", "refund-helper", "--token-file", "tok"]);
    town.not(1, "does not open this agent's gate", &["mcp", "--agent", "nobody-at-all", "--token-file", "tok"]);
}

#[test]
fn a_payload_is_erased_for_good_and_the_journal_still_verifies_also_for_a_third_party() {
    let town = Town::released();
    let mut agent = town.agent();
    agent.send("tools/call", &json!({ "name": "payments__create_refund", "arguments": refund(16) }));
    let hold = town.first_hold();
    town.fine_as("dana", &["confirm", &hold]);
    assert_eq!(agent.answer()["result"]["isError"], json!(false));
    drop(agent);
    let export = |name: &str| {
        let output = town.run(&["journal", "export", "--open", "--to", name]);
        assert!(output.status.success(), "{}", said(&output));
        let said = said(&output);
        let key = said.rsplit("--key ").next().unwrap().trim().trim_end_matches('`').to_owned();
        (std::fs::read_to_string(town.path().join(name)).unwrap(), key)
    };
    let (before, key) = export("before.jsonl");
    let hidden = |text: &str| {
        text.contains("nobody's memory")
            || text.contains(&"nobody's memory".bytes().map(|b| format!("{b:02x}")).collect::<String>())
    };
    assert!(hidden(&before), "opened payloads stand in the export");
    // As events every record is there too, and no payload, also not when they are asked for.
    town.not(2, "payloads are not written as OCSF", &["journal", "export", "--format", "ocsf", "--open"]);
    town.fine(&["journal", "export", "--format", "ocsf", "--to", "events.jsonl"]);
    let events = std::fs::read_to_string(town.path().join("events.jsonl")).unwrap();
    assert!(!hidden(&events), "a payload stands among the events");
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), before.lines().count() - 1);
    let approved = events.iter().find(|event| event["disposition"] == "Approved").unwrap();
    assert_eq!(
        (&approved["api"]["operation"], &approved["actor"]["user"]["name"]),
        (&"payments.create_refund".into(), &"dana".into())
    );
    town.not(
        1,
        "passphrase",
        &["journal", "erase", &hold, "--because", "asked for", "--as", "dana", "--passphrase-file", "sam.pass"],
    );
    town.fine_as("dana", &["journal", "erase", &hold, "--because", "asked for"]);
    let (after, _) = export("after.jsonl");
    assert!(!hidden(&after), "an erased payload stands in the export");
    town.fine(&["journal", "verify"]);
    town.fine(&["journal", "verify", "--export", "after.jsonl", "--key", &key]);
    std::fs::write(
        town.path().join("edited.jsonl"),
        after
            .replacen("\\\"kind\\\":\\\"confirmed\\\"", "\\\"kind\\\":\\\"expired\\\"", 1)
            .replacen("support", "sapport", 1),
    )
    .unwrap();
    let edited = std::fs::read_to_string(town.path().join("edited.jsonl")).unwrap();
    if edited != after {
        town.not(1, "broken", &["journal", "verify", "--export", "edited.jsonl", "--key", &key]);
    }
    let kinds = town.kinds();
    let order: Vec<&str> =
        kinds.iter().map(String::as_str).filter(|k| ["held", "confirmed", "executing", "erased"].contains(k)).collect();
    assert_eq!(order.first(), Some(&"held"));
    assert!(order.ends_with(&["erased"]), "{order:?}");
}

#[test]
fn a_program_that_is_another_one_since_it_was_looked_at_is_not_started() {
    let town = Town::new();
    let script = town.path().join("helpdesk");
    let run = format!("#!/bin/sh\nexec {AMBIT} demo-server --db acme.db --system helpdesk\n");
    std::fs::write(&script, &run).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = town.path().join("ambit.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let command = format!("[{AMBIT:?}, \"demo-server\", \"--db\", \"acme.db\", \"--system\", \"helpdesk\"]");
    assert!(text.contains(&command));
    std::fs::write(&config, text.replace(&command, "[\"./helpdesk\"]")).unwrap();
    town.run(&["inventory", "--accept"]);
    town.fine(&["setup", "--person", "dana", "--passphrase-file", "dana.pass"]);
    town.fine_as("dana", &["release", "refund-helper", "--because", "the first"]);
    town.fine_as("dana", &["token", "refund-helper", "--unattended", "--to", "tok"]);
    // Before the server was ever needed, somebody puts another program in its place.
    std::fs::write(&script, format!("{run}# and more\n")).unwrap();
    let refused = town.agent().call("helpdesk__get_ticket", json!({ "id": 5122 }));
    assert!(refused.to_string().contains("cannot be asked now"), "{refused}");
    // Why is for people.
    let decided = town.fine(&["journal", "tail", "--kind", "decided", "--format", "json"]);
    assert!(decided.contains("`./helpdesk` is another one"), "{decided}");
    assert!(town.agent().call("crm__list_notes", json!({ "customer": 8803 }))["result"]["isError"] == json!(false));
}

/// Agent and Ambit as different operating-system users: the shared socket lets the agent in as an agent and as nothing else.
#[test]
fn over_the_shared_socket_an_agents_user_is_an_agent_and_no_person() {
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    if !is_root || Command::new(nobody[0]).arg("--version").output().is_err() {
        eprintln!("skipped: needs root and setpriv to act as another user");
        return;
    }
    let town = Town::new();
    let config = town.path().join("ambit.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    let group = std::fs::read_to_string("/etc/group").unwrap();
    let group =
        group.lines().find(|l| l.split(':').nth(2) == Some("65534")).unwrap().split(':').next().unwrap().to_owned();
    text.push_str(&format!("\n[state]\nshared-socket = \"shared/ambit.sock\"\nshared-group = \"{group}\"\n"));
    std::fs::write(&config, text).unwrap();
    std::fs::create_dir(town.path().join("shared")).unwrap();
    town.fine(&["setup", "--person", "dana", "--passphrase-file", "dana.pass"]);
    town.fine_as("dana", &["release", "refund-helper", "--because", "the first"]);
    let token = town.fine_as("dana", &["token", "refund-helper"]);
    let socket = town.path().join("shared/ambit.sock");
    let program = Program::reachable();
    let as_nobody = |args: &[&str]| {
        let mut command = Command::new(nobody[0]);
        command.args(&nobody[1..]).arg(program.path()).args(args).arg("--socket").arg(&socket).current_dir("/");
        command.env("AMBIT_TOKEN", token.trim()).stdin(Stdio::null());
        command.output().unwrap()
    };
    for person in [&["inbox"][..], &["stop", "refund-helper"], &["status"], &["journal"]] {
        let output = as_nobody(person);
        assert_ne!(output.status.code(), Some(0), "{person:?}\n{}", said(&output));
        assert!(said(&output).contains("nobody that Ambit knows"), "{person:?}\n{}", said(&output));
    }
    let agent = as_nobody(&["mcp", "--agent", "refund-helper"]);
    assert_eq!(agent.status.code(), Some(0), "{}", said(&agent));
    let opened = town.fine(&["journal", "tail", "--kind", "session-opened", "--format", "json"]);
    assert!(opened.contains("\"user\":65534"), "{opened}");
}

/// The program where another user can run it: build directories are often closed to others.
struct Program(tempfile::TempDir);

impl Program {
    fn reachable() -> Program {
        let dir = tempfile::Builder::new().prefix("ambit-program").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::copy(AMBIT, dir.path().join("ambit")).unwrap();
        Program(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("ambit")
    }
}
