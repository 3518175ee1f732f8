//! The reference and the code say the same: keys, examples, findings.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ambit::config::strict::schema_of;
use ambit::config::{self, Config};
use ambit::lock;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_examples_of_ambit_toml_and_of_the_lock_are_read() {
    let reference = read("docs/reference/ambit-toml.md");
    let blocks: Vec<&str> =
        reference.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [toml, lock_text] = blocks.as_slice() else { panic!("{} blocks", blocks.len()) };
    assert_eq!(config::read(toml).1, []);
    assert_eq!(lock::read(lock_text).1, []);
}

#[test]
fn the_keys_are_those_of_the_schema() {
    let path = "docs/reference/ambit-toml.md";
    let text = read(path);
    let (before, rest) = text.split_once(" writes them. -->\n").unwrap();
    let (_, rest) = rest.split_once("\n# ambit.lock\n").unwrap();
    let last = " from the schema as well. -->\n";
    let (of_lock, _) = rest.split_once(last).unwrap();
    let config = keys(&schema_of::<Config>(), &CONFIG);
    let lock = keys(&schema_of::<lock::Lock>(), &LOCK);
    let written = format!("{before} writes them. -->\n{config}\n# ambit.lock\n{of_lock}{last}{lock}");
    if std::env::var_os("AMBIT_WRITE_REFERENCE").is_some() {
        return std::fs::write(root().join(path), &written).unwrap();
    }
    assert!(text == written, "the keys changed: run `AMBIT_WRITE_REFERENCE=1 cargo test -p ambit reference`");
}

const LOCK: [(&str, &str); 12] = [
    ("[systems.NAME.relations.\"SCHEMA.NAME\"]", "/$defs/Relation"),
    ("columns = [{ … }]", "/$defs/Column"),
    ("keys = [{ … }]", "/$defs/Key"),
    ("triggers = [{ … }]", "/$defs/Trigger"),
    ("rules = [{ … }]", "/$defs/Rule"),
    ("policies = [{ … }]", "/$defs/Policy"),
    ("[systems.NAME.database]", "/$defs/Database"),
    ("types = [{ … }]", "/$defs/TypeMade"),
    ("parts = [{ … }]", "/$defs/Part"),
    ("functions = [{ … }]", "/$defs/Function"),
    ("operators = [{ … }]", "/$defs/Operator"),
    ("casts = [{ … }]", "/$defs/Cast"),
];

const CONFIG: [(&str, &str); 16] = [
    ("[systems.NAME]", "/$defs/System"),
    ("[systems.NAME.oauth]", "/$defs/SystemOauth"),
    ("[systems.NAME.tools.TOOL]", "/$defs/Tool"),
    ("effects = [{ … }]", "/$defs/ToolEffect"),
    ("[people.NAME]", "/$defs/Person"),
    ("[lists.NAME]", "/$defs/List"),
    ("[agents.NAME]", "/$defs/Agent"),
    ("[agents.NAME.oauth]", "/$defs/AgentOauth"),
    ("[callers.NAME]", "/$defs/Caller"),
    ("[limits]", "/$defs/Limits"),
    ("[state]", "/$defs/State"),
    ("[http]", "/$defs/Http"),
    ("[http.oauth]", "/$defs/HttpOauth"),
    ("[postgres]", "/$defs/Postgres"),
    ("[digest]", "/$defs/Digest"),
    ("webhook = { … }", "/$defs/Webhook"),
];

/// A table of keys for each table of a document, in the order of the document.
fn keys(schema: &Value, tables: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (title, pointer) in tables {
        let table = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        let required: Vec<&str> =
            table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        out.push_str(&format!("\n### `{title}`\n\n| key | value | meaning |\n|---|---|---|\n"));
        for (key, value) in table["properties"].as_object().unwrap() {
            let must = if required.contains(&key.as_str()) { ", required" } else { "" };
            let default = match &value["default"] {
                Value::Null => String::new(),
                Value::String(text) => format!(", `\"{text}\"` unless said"),
                other if other.is_array() || other.is_object() => String::new(),
                other => format!(", `{other}` unless said"),
            };
            let said = value["description"].as_str().unwrap_or_else(|| panic!("{title} {key} says nothing of itself"));
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
            out.push_str(&format!("| `{key}` | {}{must}{default} | {said} |\n", kind(schema, value)));
        }
    }
    out
}

/// What may stand there, in words.
fn kind(schema: &Value, value: &Value) -> String {
    if let Some(target) = value["$ref"].as_str() {
        return kind(schema, schema.pointer(target.trim_start_matches('#')).unwrap());
    }
    if let Some(branches) = value["anyOf"].as_array().or(value["oneOf"].as_array()) {
        let words: Vec<&str> = branches.iter().filter_map(|branch| branch["const"].as_str()).collect();
        if words.len() == branches.len() {
            return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        }
        let mut kinds: Vec<String> =
            branches.iter().filter(|one| one["type"] != "null").map(|one| kind(schema, one)).collect();
        kinds.dedup();
        return kinds.join(" or ");
    }
    let name = value["type"].as_str().or_else(|| value["type"][0].as_str()).unwrap_or("?");
    match name {
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "array" => format!("list of {}", kind(schema, &value["items"])),
        "object" => "table".to_owned(),
        "integer" => match (value["minimum"].as_i64(), value["maximum"].as_i64()) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            _ => "whole number".to_owned(),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn every_finding_has_a_section_and_a_test() {
    let reference = read("docs/reference/findings.md");
    let sections: BTreeSet<&str> = reference.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let (mut code, mut tests) = (String::new(), String::new());
    let mut rooms: Vec<_> =
        ["config", "lock", "catalog", "snapshot"].map(|room| root().join("crates/ambit/src").join(room)).into();
    while let Some(room) = rooms.pop() {
        for entry in std::fs::read_dir(room).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rooms.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            if path.ends_with("tests.rs") {
                tests.push_str(&text);
            } else {
                let (before, after) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&text, ""));
                code.push_str(before);
                tests.push_str(after);
            }
        }
    }
    // A case of that name is a test: each is run (`config_cases.rs`).
    let cases = std::fs::read_to_string(root().join("cases/config/files.md")).unwrap();
    let names = names_in(&code);
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(sections.contains(name), "docs/reference/findings.md has no section {name}");
        let tested = tests.contains(&format!(" {name}: ")) || tests.contains(&format!("\"{name}\""));
        let tested = tested || cases.lines().any(|line| line.strip_prefix("## ") == Some(name));
        assert!(tested, "no test finds {name}");
    }
}

/// The names that findings are made with: the first literal after whatever makes one.
fn names_in(code: &str) -> BTreeSet<&str> {
    let makers = [
        "Diagnostic::error(",
        "Diagnostic::not_ready(",
        "Diagnostic::note(",
        "self.report(",
        "walk.found.push(",
        "self.error(",
        "self.note(",
        "self.unknown(",
        "self.in_config(",
        "self.in_lock(",
        "Diagnostic::not_ready,",
        "Diagnostic::note,",
    ];
    let mut names = BTreeSet::new();
    for maker in makers {
        for (at, _) in code.match_indices(maker) {
            let rest = code[at + maker.len()..].trim_start();
            if let Some(literal) = rest.strip_prefix('"') {
                names.insert(literal.split('"').next().unwrap());
            }
        }
    }
    // Made in one place for many callers.
    assert!(code.contains("\"unknown-resource-in-config\""));
    names.insert("unknown-resource-in-config");
    names
}
