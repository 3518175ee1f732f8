//! Writes the lock: one order, one layout, so that a change of the catalog is the only thing a diff shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::escape::is_hidden;

use super::pretty::pretty;
use super::{Definition, Lock, System};

const HEAD: &str = "\
# The catalog as last looked at. `ambit inventory` writes this file and shows what changed; it belongs in version
# control beside `ambit.toml`.
";

pub(super) fn write(lock: &Lock) -> String {
    let mut out = format!("{HEAD}version = {}\n", lock.version);
    for (name, system) in &lock.systems {
        write_system(&mut out, name, system);
    }
    out
}

fn write_system(out: &mut String, name: &str, system: &System) {
    let path = format!("systems.{}", key(name));
    line(out, &format!("\n[{path}]"));
    line(out, &format!("kind = {}", text(word(system))));
    line(out, &format!("looked-at = {}", text(&system.looked_at)));
    if let Some(server) = &system.server {
        line(out, &format!("server = {{ name = {}, version = {} }}", text(&server.name), text(&server.version)));
    }
    if let Some(protocol) = &system.protocol {
        line(out, &format!("protocol = {}", text(protocol)));
    }
    if system.resources {
        line(out, "resources = true");
    }
    if let Some(program) = &system.program {
        let words: Vec<String> = program.command.iter().map(|word| text(word)).collect();
        line(out, &format!("\n[{path}.program]\ncommand = [{}]", words.join(", ")));
        if !program.files.is_empty() {
            let files: Vec<String> =
                program.files.iter().map(|(word, digest)| format!("{} = {}", key(word), text(digest))).collect();
            line(out, &format!("files = {{ {} }}", files.join(", ")));
        }
    }
    write_definitions(out, &format!("{path}.tools"), &system.tools);
    write_definitions(out, &format!("{path}.prompts"), &system.prompts);
    for (relation, definition) in &system.relations {
        line(out, &format!("\n[{path}.relations.{}]\ncolumns = [", key(relation)));
        for column in &definition.columns {
            line(out, &format!("  {{ name = {}, type = {} }},", text(&column.name), text(&column.type_name)));
        }
        line(out, "]");
    }
}

fn write_definitions(out: &mut String, path: &str, definitions: &BTreeMap<String, Definition>) {
    for (name, definition) in definitions {
        line(out, &format!("\n[{path}.{}]", key(name)));
        if let Some(digest) = &definition.digest {
            line(out, &format!("digest = {}", text(digest)));
        }
        // Apostrophes stand only in strings there, so spelling three of them out keeps the value and the literal text whole.
        let json = pretty(&definition.definition).replace("'''", r"\u0027\u0027\u0027");
        line(out, &format!("definition = '''\n{json}'''"));
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn word(system: &System) -> &'static str {
    ambit_core::catalog::SystemKind::from(system.kind).word()
}

/// A key, bare where TOML allows it.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare { name.to_owned() } else { text(name) }
}

/// Text as TOML's basic string; what a reader would not see is escaped.
fn text(value: &str) -> String {
    let mut out = String::from('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::{Column, Program, Relation, Server, read};
    use super::*;
    use crate::config::Kind;
    use proptest::prelude::*;

    fn sample(strange: &str) -> Lock {
        let definition = serde_json::json!({"name": "get_ticket", "description": format!("{strange} '''' {strange}"), "inputSchema": {"type": "object"}});
        let definition = Definition { digest: None, definition: definition.to_string() };
        let system = System {
            kind: Kind::Mcp,
            looked_at: "2026-11-23".into(),
            server: Some(Server { name: strange.into(), version: "1".into() }),
            protocol: Some("2025-11-25".into()),
            program: Some(Program {
                command: vec![strange.into()],
                files: [(strange.to_owned(), "00".to_owned())].into(),
            }),
            resources: true,
            tools: [("get_ticket".to_owned(), definition.clone())].into(),
            prompts: [("get_ticket".to_owned(), definition)].into(),
            relations: [(
                strange.to_owned(),
                Relation { columns: vec![Column { name: strange.into(), type_name: "text".into() }] },
            )]
            .into(),
        };
        Lock { systems: [("crm".to_owned(), system)].into(), ..Lock::new() }
    }

    fn value(definition: &Definition) -> serde_json::Value {
        serde_json::from_str(&definition.definition).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn what_is_written_is_read_back_and_written_alike(strange in "\\PC{1,12}|[a'\"\\\\\n\u{202e}\u{0}]{1,12}|.{1,12}") {
            let lock = sample(&strange);
            let text = lock.text();
            let (read, found) = read(&text);
            prop_assert!(found.is_empty(), "{:?}\n{}", found, text);
            let read = read.unwrap();
            prop_assert_eq!(read.text(), text);
            let (was, is) = (&lock.systems["crm"], &read.systems["crm"]);
            prop_assert_eq!((&was.server, &was.program, &was.relations), (&is.server, &is.program, &is.relations));
            prop_assert_eq!(value(&was.tools["get_ticket"]), value(&is.tools["get_ticket"]));
        }
    }

    #[test]
    fn it_is_made_for_a_pull_request() {
        let mut lock = sample("get_ticket");
        lock.systems.get_mut("crm").unwrap().prompts.clear();
        insta::assert_snapshot!(lock.text(), @r#"
        # The catalog as last looked at. `ambit inventory` writes this file and shows what changed; it belongs in version
        # control beside `ambit.toml`.
        version = 1

        [systems.crm]
        kind = "mcp"
        looked-at = "2026-11-23"
        server = { name = "get_ticket", version = "1" }
        protocol = "2025-11-25"
        resources = true

        [systems.crm.program]
        command = ["get_ticket"]
        files = { get_ticket = "00" }

        [systems.crm.tools.get_ticket]
        definition = '''
        {
          "description": "get_ticket \u0027\u0027\u0027' get_ticket",
          "inputSchema": {"type": "object"},
          "name": "get_ticket"
        }'''

        [systems.crm.relations.get_ticket]
        columns = [
          { name = "get_ticket", type = "text" },
        ]
        "#);
    }
}
