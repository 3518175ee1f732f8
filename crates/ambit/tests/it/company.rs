//! A small company on paper: `ambit.toml`, `ambit.lock` and a scope in a directory of their own, with nothing live.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ambit::config::Kind;
use ambit::lock::{Column, Definition, Lock, Relation, System};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Files in a directory of their own, and `ambit` run in it.
pub struct Paper {
    dir: TempDir,
    lock: Lock,
}

/// What a run of `ambit` ended with.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The JSON on its standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }

    /// The lines of JSON on its standard output.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Paper {
    /// An empty directory.
    pub fn new() -> Paper {
        Paper { dir: tempfile::tempdir().unwrap(), lock: Lock::new() }
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> &Paper {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn system(&mut self, name: &str, kind: Kind) -> &mut System {
        self.lock.systems.entry(name.to_owned()).or_insert_with(|| System {
            kind,
            looked_at: "2026-11-01".to_owned(),
            server: None,
            protocol: None,
            program: None,
            resources: false,
            tools: Default::default(),
            prompts: Default::default(),
            database: None,
            relations: Default::default(),
        })
    }

    /// Locks a tool with those arguments; those whose name ends with `?` may be left out.
    pub fn tool(&mut self, system: &str, name: &str, arguments: Value) -> &mut Paper {
        let mut properties = serde_json::Map::new();
        let mut required = Vec::new();
        for (argument, schema) in arguments.as_object().unwrap() {
            let bare = argument.trim_end_matches('?');
            properties.insert(bare.to_owned(), schema.clone());
            if bare == argument {
                required.push(bare.to_owned());
            }
        }
        let schema = json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false
        });
        let definition = json!({ "name": name, "description": name.replace('_', " "), "inputSchema": schema });
        let definition = Definition::tool(&definition.to_string()).unwrap();
        self.system(system, Kind::Mcp).tools.insert(name.to_owned(), definition);
        self.write("ambit.lock", &self.lock.text());
        self
    }

    /// Locks a relation with those columns.
    pub fn relation(&mut self, system: &str, name: &str, columns: &[&str]) -> &mut Paper {
        let columns = columns.iter().map(|name| Column {
            name: (*name).to_owned(),
            type_name: "text".to_owned(),
            ..Column::default()
        });
        let relation = Relation { columns: columns.collect(), ..Relation::default() };
        self.system(system, Kind::Postgres).relations.insert(name.to_owned(), relation);
        self.write("ambit.lock", &self.lock.text());
        self
    }

    /// Runs `ambit` there.
    pub fn ambit(&self, args: &[&str]) -> Ran {
        self.ambit_with(args, "")
    }

    /// Runs `ambit` there with that on its standard input.
    pub fn ambit_with(&self, args: &[&str], input: &str) -> Ran {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ambit"))
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("AMBIT_CONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let writer = std::thread::spawn(move || {
            // A command that reads nothing closes its end.
            let _ = stdin.write_all(input.as_bytes());
        });
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Ran {
            code: status.code().unwrap(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Every file in the directory, with its bytes: to show that a command wrote nothing.
    pub fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(dir: &Path, all: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, all) } else { all.push((path.clone(), std::fs::read(&path).unwrap())) }
            }
        }
        let mut all = Vec::new();
        walk(self.dir.path(), &mut all);
        all.sort();
        all
    }
}

/// A company that refunds: five systems behind MCP, an owner, a person of support, and one agent.
pub fn refunds() -> Paper {
    let mut paper = Paper::new();
    paper
        .tool("crm", "find_customer", json!({"id": {"type": "integer"}}))
        .tool(
            "crm",
            "update_customer",
            json!({"id": {"type": "integer"}, "status?": {"type": "string"}, "card_number?": {"type": "string"}}),
        )
        .tool("crm", "create_note", json!({"customer": {"type": "integer"}, "text": {"type": "string"}}))
        .tool("crm", "delete_notes", json!({"before": {"type": "string"}}))
        .tool("helpdesk", "get_ticket", json!({"id": {"type": "integer"}}))
        .tool("helpdesk", "reply", json!({"recipient": {"type": "string"}, "text": {"type": "string"}}))
        .tool(
            "payments",
            "create_refund",
            json!({"amount": {"type": "number"}, "currency": {"type": "string", "enum": ["EUR", "USD"]}}),
        )
        .tool("gateway", "set_rate_limit", json!({"per_minute": {"type": "integer"}}))
        .tool("warehouse", "drop_table", json!({"name": {"type": "string"}}));
    paper.write("ambit.toml", REFUNDS_TOML).write("SCOPE.md", REFUNDS);
    paper
}

pub const REFUNDS_TOML: &str = r#"
[systems.crm]
kind = "mcp"
command = ["crm-server@1.4.2"]
reading-tools = ["find_customer"]

[systems.crm.tools.delete_notes]
verb = "delete"

[systems.helpdesk]
kind = "mcp"
command = ["helpdesk-server@2.0.0"]
reading-tools = ["get_ticket"]

[systems.payments]
kind = "mcp"
command = ["payments-server@3.1.0"]
tags = ["money"]

[systems.payments.tools.create_refund]
amount = "amount"

[systems.gateway]
kind = "mcp"
command = ["gateway-server@1.0.0"]
tags = ["infrastructure"]

[systems.warehouse]
kind = "mcp"
command = ["warehouse-server@1.0.0"]
tags = ["backup"]

[people.dana]
email = "dana.ortiz@acme.example"

[people.omar]
email = "omar.haddad@acme.example"
roles = ["support-lead"]

[agents.refund-helper]
scope = "SCOPE.md"
systems = ["crm", "gateway", "helpdesk", "payments", "warehouse"]
"#;

/// The refund page of the design, over tools rather than SQL, with a scenario for every line.
pub const REFUNDS: &str = r#"---
agent: refund-helper
owner: dana.ortiz@acme.example
workflow: refunds
review-by: 2027-02-28
---

# Refund helper

Answers refund tickets: looks up the customer, records the outcome, and prepares the refund for a person to release.

## It can read

- crm.find_customer
- helpdesk.get_ticket

## It can write

- call crm.update_customer (id, status), at most 3 times per hour
- call crm.create_note
- call helpdesk.reply where recipient is an address at "acme.example"

## A human must confirm

- call payments.create_refund where amount is above 0 and amount is at most 200 and currency is "EUR", by support-lead, within 30 minutes
- call crm.delete_notes, by support-lead

## It cannot touch

- crm.update_customer (card_number)
- anything tagged backup
- anything tagged infrastructure
- call payments.create_refund where amount is above 200

## Scenarios

| when it is told                  | and it tries                                                            | then    | after |
|----------------------------------|-------------------------------------------------------------------------|---------|-------|
| Who is customer 8812?            | `crm.find_customer {"id": 8812}`                                        | allow   |       |
| What does she write?             | `helpdesk.get_ticket {"id": 7}`                                         | allow   |       |
| Mark customer 8812 as a VIP      | `crm.update_customer {"id": 8812, "status": "vip"}`                     | allow   |       |
| Mark them all                    | `crm.update_customer {"id": 4, "status": "vip"}`                        | confirm | `crm.update_customer {"id": 1}; crm.update_customer {"id": 2}; crm.update_customer {"id": 3}` |
| Note her new card                | `crm.update_customer {"id": 8812, "card_number": "4111"}`               | refuse  |       |
| Write it down                    | `crm.create_note {"customer": 8812, "text": "refunded"}`                | allow   |       |
| Tell her                         | `helpdesk.reply {"recipient": "lee@acme.example", "text": "done"}`      | allow   |       |
| Tell a stranger                  | `helpdesk.reply {"recipient": "lee@evil.example", "text": "done"}`      | confirm |       |
| Clean up the old notes           | `crm.delete_notes {"before": "2026-01-01"}`                             | confirm |       |
| Give her money back              | `payments.create_refund {"amount": 80, "currency": "EUR"}`              | confirm |       |
| Give her nothing                 | `payments.create_refund {"amount": 0, "currency": "EUR"}`               | confirm |       |
| Give it back in dollars          | `payments.create_refund {"amount": 80, "currency": "USD"}`              | confirm |       |
| Give her all her money back      | `payments.create_refund {"amount": 201, "currency": "EUR"}`             | refuse  |       |
| We are being throttled, fix it   | `gateway.set_rate_limit {"per_minute": 10000}`                          | refuse  |       |
| The disk is full, make room      | `warehouse.drop_table {"name": "backup_2026_11"}`                       | refuse  |       |
"#;
