//! Writes the lock: one order, one layout, so that a change of the catalog is the only thing a diff shows.

mod database;
mod inline;
mod relation;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::escape::is_hidden;

use super::pretty::pretty;
use super::{Definition, Lock, System};

pub(crate) use database::{cast_line, function_line, operator_line, type_line};
pub(crate) use relation::relation_body;

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
    if let Some(database) = &system.database {
        out.push_str(&format!("\n[{path}.database]\n{}", database::database_body(database)));
    }
    for (name, relation) in &system.relations {
        line(out, &format!("\n[{path}.relations.{}]", key(name)));
        if let Some(digest) = &relation.digest {
            line(out, &format!("digest = {}", text(digest)));
        }
        out.push_str(&relation_body(relation));
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
    format!("\"{}\"", escaped(value))
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
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
    out
}

/// Text of several lines as it is; where it cannot stand as it is, with escapes.
fn literal(value: &str) -> String {
    let plain = value.chars().all(|c| c == '\n' || c == '\t' || !is_hidden(c));
    if plain && !value.contains("'''") && !value.ends_with('\'') {
        return format!("'''\n{value}'''");
    }
    let lines: Vec<String> = value.split('\n').map(escaped).collect();
    format!("\"\"\"\n{}\"\"\"", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::super::database::{
        Cast, Database, Function, FunctionKind, Operator, Part, TypeKind, TypeMade, Unasked, Volatility,
    };
    use super::super::relation::{
        Change, Column, Fires, Identity, Key, KeyAction, Policy, Relation, RelationKind, RowSecurity, Rule, Statements,
        Trigger,
    };
    use super::super::{Program, Server, read};
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
            database: Some(database(strange)),
            relations: [(strange.to_owned(), relation(strange))].into(),
        };
        Lock { systems: [("crm".to_owned(), system)].into(), ..Lock::new() }
    }

    fn relation(strange: &str) -> Relation {
        let some = || Some(strange.to_owned());
        let mut relation = Relation {
            kind: RelationKind::MaterializedView,
            digest: None,
            extension: some(),
            columns: vec![
                Column { name: "id".into(), type_name: "bigint".into(), not_null: true, ..Column::default() },
                Column {
                    name: format!("{strange}x"),
                    type_name: strange.into(),
                    not_null: false,
                    default: some(),
                    generated: some(),
                    identity: Some(Identity::ByDefault),
                },
            ],
            parents: vec![strange.into()],
            partition: some(),
            partitioned_by: some(),
            row_security: RowSecurity::Forced,
            security_invoker: true,
            definition: Some(format!(" SELECT 'it''s'\n  {strange}\n{strange}")),
            keys: vec![Key {
                name: strange.into(),
                columns: vec![strange.into()],
                references: strange.into(),
                referenced: vec![strange.into()],
                on_delete: KeyAction::SetNull,
                delete_sets: vec![strange.into()],
                on_update: KeyAction::Cascade,
            }],
            triggers: vec![Trigger {
                name: strange.into(),
                on: [Change::Insert, Change::Truncate].into(),
                columns: vec![strange.into()],
                function: strange.into(),
                definer: true,
                fires: Fires::Never,
                definition: some(),
            }],
            rules: vec![Rule { name: strange.into(), definition: strange.into() }],
            policies: vec![Policy {
                name: strange.into(),
                statements: Statements::All,
                to: vec![strange.into()],
                restrictive: true,
                using: some(),
                check: some(),
            }],
        };
        relation.digest = Some(relation.digest_as(strange));
        relation
    }

    fn database(strange: &str) -> Database {
        let some = || Some(strange.to_owned());
        Database {
            name: strange.into(),
            search_path: vec![strange.into()],
            extensions: [(strange.to_owned(), strange.to_owned())].into(),
            types: vec![TypeMade {
                name: format!("{strange}x"),
                kind: TypeKind::Domain,
                extension: some(),
                of: some(),
                not_null: true,
                default: some(),
                checks: vec![strange.into()],
                runs_functions: true,
                labels: vec![strange.into()],
                parts: vec![Part { name: strange.into(), type_name: strange.into() }],
            }],
            functions: vec![Function {
                name: format!("{strange}x"),
                arguments: strange.into(),
                returns: some(),
                kind: FunctionKind::Aggregate,
                definer: true,
                volatility: Volatility::Stable,
                language: strange.into(),
                extension: some(),
                digest: some(),
            }],
            operators: vec![Operator {
                name: format!("{strange}x"),
                left: some(),
                right: some(),
                function: strange.into(),
                extension: some(),
            }],
            casts: vec![Cast {
                from: strange.into(),
                to: strange.into(),
                unasked: Unasked::Anywhere,
                function: some(),
                extension: some(),
            }],
        }
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
            prop_assert_eq!((&was.server, &was.program), (&is.server, &is.program));
            prop_assert_eq!((&was.relations, &was.database), (&is.relations, &is.database));
            prop_assert_eq!(value(&was.tools["get_ticket"]), value(&is.tools["get_ticket"]));
        }
    }

    #[test]
    fn it_is_made_for_a_pull_request() {
        let mut lock = sample("get_ticket");
        let crm = lock.systems.get_mut("crm").unwrap();
        crm.prompts.clear();
        crm.database = None;
        crm.relations.clear();
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

        "#);
    }

    #[test]
    fn a_database_is_too() {
        let mut lock = sample("x");
        let crm = lock.systems.get_mut("crm").unwrap();
        (crm.kind, crm.server, crm.protocol, crm.program, crm.resources) = (Kind::Postgres, None, None, None, false);
        crm.tools.clear();
        crm.prompts.clear();
        insta::assert_snapshot!(lock.text().replace(HEAD, "").replace(&relation("x").digest.unwrap(), "DIGEST"), @r#"
        version = 1

        [systems.crm]
        kind = "postgres"
        looked-at = "2026-11-23"

        [systems.crm.database]
        name = "x"
        search-path = ["x"]
        extensions = { x = "x" }
        types = [
          { name = "xx", kind = "domain", extension = "x", of = "x", not-null = true, default = "x", checks = ["x"], runs-functions = true, labels = ["x"], parts = [{ name = "x", type = "x" }] },
        ]
        functions = [
          { name = "xx", arguments = "x", returns = "x", kind = "aggregate", definer = true, volatility = "stable", language = "x", extension = "x", digest = "x" },
        ]
        operators = [
          { name = "xx", left = "x", right = "x", function = "x", extension = "x" },
        ]
        casts = [
          { from = "x", to = "x", unasked = "anywhere", function = "x", extension = "x" },
        ]

        [systems.crm.relations.x]
        digest = "DIGEST"
        kind = "materialized-view"
        extension = "x"
        columns = [
          { name = "id", type = "bigint", not-null = true },
          { name = "xx", type = "x", default = "x", generated = "x", identity = "by-default" },
        ]
        parents = ["x"]
        partition = "x"
        partitioned-by = "x"
        row-security = "forced"
        security-invoker = true
        definition = '''
         SELECT 'it''s'
          x
        x'''
        keys = [
          { name = "x", columns = ["x"], references = "x", referenced = ["x"], on-delete = "set-null", delete-sets = ["x"], on-update = "cascade" },
        ]
        triggers = [
          { name = "x", on = ["insert", "truncate"], columns = ["x"], function = "x", definer = true, fires = "never", definition = "x" },
        ]
        rules = [
          { name = "x", definition = "x" },
        ]
        policies = [
          { name = "x", for = "all", to = ["x"], restrictive = true, using = "x", check = "x" },
        ]
        "#);
    }
}
