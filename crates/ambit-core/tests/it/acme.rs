//! The sample company of the findings' tests, and scopes written over it in a few lines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ambit_core::catalog::{
    Catalog, Declared, DeclaredEffect, Field, Resource, ResourceId, ResourceKind, Shape, System, SystemKind, Type,
};
use ambit_core::effect::{FieldSet, Verb};
use ambit_core::policy::{List, ListKind, Person, Policy, Setting};
use ambit_core::ready;
use ambit_core::returns::{Part, Returned};
use ambit_core::scope::Literal;
use ambit_core::scope::compile::compile;
use ambit_core::scope::diagnostics::{Diagnostic, Severity};
use ambit_core::scope::parse::parse;
use ambit_core::time::Date;

fn field(name: &str, t: Type) -> Field {
    let items = (t == Type::List).then(|| Box::new(Shape { types: [Type::Text].into(), ..Shape::default() }));
    let shape = Shape { types: [t].into(), items, ..Shape::default() };
    Field { name: name.into(), tags: BTreeSet::new(), shape, required: false }
}

fn fields(text: &[&str]) -> Vec<Field> {
    text.iter().map(|name| field(name, Type::Text)).collect()
}

pub fn setting() -> Setting {
    let mut catalog = Catalog::new();
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
    let mut system =
        |name: &str, kind, tags: &[&str]| catalog.add_system(System { name: name.into(), kind, tags: set(tags) });
    let (crm, helpdesk, payments) = (
        system("crm", SystemKind::Postgres, &[]),
        system("helpdesk", SystemKind::Mcp, &[]),
        system("payments", SystemKind::Mcp, &["money"]),
    );
    let (files, gateway, shell) = (
        system("files", SystemKind::Mcp, &[]),
        system("gateway", SystemKind::Mcp, &["infrastructure"]),
        system("shell", SystemKind::Shell, &[]),
    );
    system("empty", SystemKind::Mcp, &[]);
    let register = system("register", SystemKind::Mcp, &[]);
    let mut add = |system, name: &str, kind, fields: Vec<Field>, tags: &[&str], declared: Declared| {
        catalog
            .add_resource(Resource {
                system,
                name: name.into(),
                kind,
                fields,
                tags: set(tags),
                declared,
                digest: "d".into(),
            })
            .unwrap()
    };
    let mut customers = fields(&["id", "name", "email", "status", "ssn"]);
    customers[4].tags = set(&["pii"]);
    let customers = add(crm, "customers", ResourceKind::Relation, customers, &[], Declared::default());
    add(crm, "notes", ResourceKind::Relation, fields(&["id", "body"]), &[], Declared::default());
    add(crm, "backup_2026", ResourceKind::Relation, fields(&["id"]), &["backup"], Declared::default());
    add(crm, "public.orders", ResourceKind::Relation, fields(&["id"]), &[], Declared::default());
    let reads = || Declared { reads_only: true, ..Declared::default() };
    let people = fields(&["id", "name", "email", "phone"]);
    let people = add(register, "people", ResourceKind::Relation, people, &[], Declared::default());
    let part = |part: &str, resource, field| Returned { part: Part::parse(part).unwrap(), resource, field };
    let parts = vec![
        part("people[].id", people, Some(0)),
        part("people[].name", people, Some(1)),
        part("people[].email", people, Some(2)),
        part("first.email", people, Some(2)),
        part("customer.ssn", customers, Some(4)),
        // The tool itself, which stands next.
        part("total", ResourceId(people.0 + 1), None),
    ];
    add(register, "find", ResourceKind::Tool, fields(&["name"]), &[], Declared { parts, ..reads() });
    let mut get = fields(&["id"]);
    get[0].required = true;
    add(helpdesk, "get_ticket", ResourceKind::Tool, get, &[], reads());
    let mut reply = fields(&["recipient", "body"]);
    reply.push(field("cc", Type::List));
    reply.push(field("urgent", Type::Bool));
    add(helpdesk, "reply", ResourceKind::Tool, reply, &["external"], Declared::default());
    let mut refund = vec![field("amount", Type::Number), field("currency", Type::Text)];
    refund.iter_mut().for_each(|f| f.required = true);
    add(
        payments,
        "create_refund",
        ResourceKind::Tool,
        refund,
        &[],
        Declared { amount: Some("amount".into()), ..Declared::default() },
    );
    let mut whole = FieldSet::new();
    whole.insert_unlisted();
    let deletes = DeclaredEffect { verb: Verb::Delete, resource: customers, fields: whole };
    add(
        files,
        "purge",
        ResourceKind::Tool,
        fields(&["path"]),
        &[],
        Declared { effects: vec![deletes], ..Declared::default() },
    );
    add(files, "write_file", ResourceKind::Tool, fields(&["path", "text"]), &[], Declared::default());
    add(
        gateway,
        "set_rate_limit",
        ResourceKind::Tool,
        vec![field("per_minute", Type::Number)],
        &[],
        Declared::default(),
    );
    add(shell, "git", ResourceKind::Command, fields(&["argv"]), &[], Declared::default());
    let list = |kind, members: &[&str], outsiders_can_extend| List {
        kind,
        members: members.iter().map(|m| Literal::Text((*m).into())).collect(),
        add: None,
        outsiders_can_extend,
    };
    let person = |name: &str, email: &str, roles: &[&str]| Person {
        name: name.into(),
        email: Some(email.into()),
        roles: set(roles),
    };
    Setting {
        catalog: Arc::new(catalog),
        lists: BTreeMap::from([
            ("partners".into(), list(ListKind::Domain, &["acme.example"], false)),
            ("seen-before".into(), list(ListKind::Value, &["GB29"], true)),
            ("folders".into(), list(ListKind::Path, &["/srv"], false)),
        ]),
        people: vec![person("dana", "dana@acme.example", &["support-lead"]), person("kim", "kim@acme.example", &[])],
    }
}

/// A page from bullets: `read: …`, `write: …`, `confirm: …`, `cannot: …`; a section without any says `- nothing`.
pub fn page(bullets: &str) -> String {
    let mut sections = [
        ("read", "It can read"),
        ("write", "It can write"),
        ("confirm", "A human must confirm"),
        ("cannot", "It cannot touch"),
    ]
    .map(|(key, title)| (key, title, String::new()));
    for bullet in bullets.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (key, rest) = bullet.split_once(": ").unwrap();
        let section = sections.iter_mut().find(|(k, ..)| *k == key).unwrap();
        section.2.push_str(&format!("- {rest}\n"));
    }
    let body: String = sections
        .iter()
        .map(|(_, title, lines)| format!("\n## {title}\n\n{}", if lines.is_empty() { "- nothing\n" } else { lines }))
        .collect();
    format!(
        "---\nagent: helper\nowner: dana@acme.example\nreview-by: 2027-02-28\n---\n\n# Helper\n\nHelps.\n{body}\n## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Look | `helpdesk.get_ticket {{\"id\": \"7\"}}` | allow |\n"
    )
}

/// Everything found in a page: by reading, by compiling, and by asking whether it is ready.
pub fn findings(page: &str) -> (Option<Policy>, Vec<Diagnostic>) {
    let read = parse(page);
    let mut found = read.diagnostics;
    if found.iter().any(|d| d.severity == Severity::Error) {
        return (None, found);
    }
    let compiled = compile(&read.document, &setting());
    found.extend(compiled.diagnostics);
    if let Some(policy) = &compiled.policy {
        found.extend(ready::findings(policy, Date::parse("2026-11-23")));
    }
    (compiled.policy, found)
}

/// The policy of a page of those bullets; it must have one.
pub fn policy(bullets: &str) -> Policy {
    let (policy, found) = findings(&page(bullets));
    policy.unwrap_or_else(|| panic!("{found:#?}"))
}
