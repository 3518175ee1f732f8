//! A small company to generate scopes and actions over.

use std::collections::BTreeSet;
use std::sync::Arc;

use ambit_core::catalog::{
    Catalog, Declared, DeclaredEffect, Field, Resource, ResourceId, ResourceKind, Shape, System, SystemKind, Type,
};
use ambit_core::decimal::Decimal;
use ambit_core::effect::{Effect, Extent, FieldSet, Standing, Verb};
use ambit_core::policy::{Policy, Setting};
use ambit_core::reading::Reading;
use ambit_core::returns::{Part, Returned};
use ambit_core::scope::compile::compile;
use ambit_core::scope::diagnostics::Severity;
use ambit_core::scope::*;
use ambit_core::value::Value;
use proptest::prelude::*;

fn tags(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|t| (*t).to_owned()).collect()
}

fn field(name: &str, types: &[Type], tagged: &[&str]) -> Field {
    let items =
        types.contains(&Type::List).then(|| Box::new(Shape { types: [Type::Number].into(), ..Shape::default() }));
    let shape = Shape { types: types.iter().copied().collect(), items, ..Shape::default() };
    Field { name: name.into(), tags: tags(tagged), shape, required: false }
}

/// Two tool servers and a database: `desk.look` (only reads, gives back fields of `db.t` and `db.u`), `desk.reply`, `pay.refund` (declared to delete `db.t`), `db.t`, `db.u`.
pub fn catalog() -> Arc<Catalog> {
    let mut catalog = Catalog::new();
    let desk = catalog.add_system(System { name: "desk".into(), kind: SystemKind::Mcp, tags: tags(&[]) });
    let pay = catalog.add_system(System { name: "pay".into(), kind: SystemKind::Mcp, tags: tags(&["money"]) });
    let db = catalog.add_system(System { name: "db".into(), kind: SystemKind::Postgres, tags: tags(&[]) });
    let mut add = |system, name: &str, kind, fields: Vec<Field>, tagged: &[&str], declared: Declared| {
        let resource =
            Resource { system, name: name.into(), kind, fields, tags: tags(tagged), declared, digest: String::new() };
        catalog.add_resource(resource).unwrap()
    };
    let arguments =
        || vec![field("n", &[Type::Number], &[]), field("s", &[Type::Text], &[]), field("l", &[Type::List], &[])];
    let columns =
        || vec![field("x", &[Type::Number], &[]), field("y", &[Type::Text], &["pii"]), field("z", &[Type::Text], &[])];
    let t = add(db, "t", ResourceKind::Relation, columns(), &[], Declared::default());
    let u = add(db, "u", ResourceKind::Relation, columns(), &["backup"], Declared::default());
    let part = |part: &str, resource, field| Returned { part: Part::parse(part).unwrap(), resource, field };
    let parts = vec![
        part("x", t, Some(0)),
        part("all[].y", t, Some(1)),
        part("all[].z", u, Some(2)),
        part("count", ResourceId(u.0 + 1), None),
    ];
    let looks = Declared { reads_only: true, parts, ..Declared::default() };
    add(desk, "look", ResourceKind::Tool, arguments(), &[], looks);
    add(desk, "reply", ResourceKind::Tool, arguments(), &["external"], Declared::default());
    let mut unlisted = FieldSet::new();
    unlisted.insert_unlisted();
    let deletes = DeclaredEffect { verb: Verb::Delete, resource: t, fields: unlisted };
    add(
        pay,
        "refund",
        ResourceKind::Tool,
        arguments(),
        &[],
        Declared { effects: vec![deletes], ..Declared::default() },
    );
    Arc::new(catalog)
}

pub fn setting() -> Setting {
    Setting { catalog: catalog(), ..Setting::default() }
}

fn number() -> impl Strategy<Value = Decimal> {
    (0u64..4).prop_map(Decimal::from)
}

fn target() -> impl Strategy<Value = Target> {
    let named =
        prop::sample::select(vec![("desk", "look"), ("desk", "reply"), ("pay", "refund"), ("db", "t"), ("db", "u")])
            .prop_map(|(system, name)| Target::Named { system: system.into(), name: name.into() });
    prop_oneof![
        6 => named,
        1 => Just(Target::EveryReadingTool("desk".into())),
        1 => prop::sample::select(vec!["desk", "pay", "db"]).prop_map(|s| Target::AnythingIn(s.into())),
        1 => prop::sample::select(vec!["money", "backup", "pii", "external"]).prop_map(|t| Target::Tagged(t.into())),
        1 => Just(Target::Anything),
    ]
}

fn test() -> impl Strategy<Value = Test> {
    let path = |name: &str, each| Path { steps: vec![Step { name: name.into(), each }] };
    let on_number = prop_oneof![
        number().prop_map(|n| Ask::AtMost(Literal::Number(n))),
        number().prop_map(|n| Ask::Above(Literal::Number(n))),
        number().prop_map(|n| Ask::Is(Literal::Number(n))),
        Just(Ask::Given),
    ];
    let on_text =
        prop_oneof![Just(Ask::Is(Literal::Text("a".into()))), Just(Ask::StartsWith("b".into())), Just(Ask::Given)];
    let predicate = |ask: BoxedStrategy<Ask>| {
        prop::collection::vec((any::<bool>(), ask).prop_map(|(negated, ask)| Predicate { negated, ask }), 1..3)
    };
    prop_oneof![
        predicate(on_number.clone().boxed()).prop_map(move |any| Test { path: path("n", false), any }),
        predicate(on_text.boxed()).prop_map(move |any| Test { path: path("s", false), any }),
        predicate(on_number.boxed()).prop_map(move |any| Test { path: path("l", true), any }),
    ]
}

fn limit() -> impl Strategy<Value = Limit> {
    let sum = Counted::Sum(Path { steps: vec![Step { name: "n".into(), each: false }] });
    (
        number(),
        prop::sample::select(vec![Counted::Times, sum]),
        prop::sample::select(vec![Window::AtOnce, Window::Hour]),
    )
        .prop_map(|(most, of, per)| Limit { most, of, per })
}

pub fn line() -> impl Strategy<Value = Line> {
    let verbs = prop::collection::vec(prop::sample::select(Verb::ALL.to_vec()), 0..3);
    let fields = prop::option::weighted(
        0.3,
        (any::<bool>(), prop::sample::subsequence(vec!["n", "s", "l", "x", "y", "z"], 1..3)).prop_map(
            |(but, names)| {
                let names = names.into_iter().map(str::to_owned).collect();
                if but { Fields::AllBut(names) } else { Fields::Only(names) }
            },
        ),
    );
    let tasks = prop::option::weighted(
        0.2,
        prop_oneof![Just(Tasks::Only(vec!["a".into()])), Just(Tasks::AnyBut(vec!["a".into()]))],
    );
    (
        prop::sample::select(Section::ALL.to_vec()),
        verbs,
        prop::collection::vec(target(), 1..3),
        fields,
        prop::collection::vec(test(), 0..3),
        prop::collection::vec(limit(), 0..2),
        tasks,
        any::<bool>(),
    )
        .prop_map(|(section, verbs, targets, fields, tests, limits, tasks, otherwise_human)| Line {
            verbs,
            targets,
            fields,
            tests,
            limits,
            tasks,
            otherwise_human,
            ..Line::new(section)
        })
}

/// A policy of those lines that can stand together.
pub fn policy(lines: Vec<Line>, outside: Outside) -> Policy {
    let setting = setting();
    let mut lines: Vec<Line> = lines;
    loop {
        for (at, line) in lines.iter_mut().enumerate() {
            line.at = Span { bytes: at..at, line: at + 1 };
        }
        let front = Front { agent: "a".into(), owner: "o".into(), outside, ..Front::default() };
        let document =
            Document { front, title: "T".into(), purpose: "P".into(), lines: lines.clone(), ..Document::default() };
        let compiled = compile(&document, &setting);
        if let Some(policy) = compiled.policy {
            return policy;
        }
        let broken: Vec<usize> =
            compiled.diagnostics.iter().filter(|d| d.severity == Severity::Error).map(|d| d.at.line).collect();
        // A clause that may not stand there is taken off first, the line itself only if that does not help.
        let mut at = 0;
        lines.retain_mut(|line| {
            at += 1;
            if !broken.contains(&at) {
                return true;
            }
            let changed = line.otherwise_human || !line.limits.is_empty();
            line.otherwise_human = false;
            line.limits.clear();
            changed
        });
    }
}

/// The arguments of a call: each may be there, be null, be of the wrong type, or be absent.
pub fn arguments() -> impl Strategy<Value = Value> {
    let n =
        prop_oneof![4 => number().prop_map(Value::Number), 1 => Just(Value::Null), 1 => Just(Value::Text("1".into()))];
    let s = prop_oneof![3 => prop::sample::select(vec!["a", "b", "bc"]).prop_map(|t| Value::Text(t.into())), 1 => Just(Value::Bool(true))];
    let l = prop_oneof![4 => prop::collection::vec(n.clone(), 0..3).prop_map(Value::List), 1 => Just(Value::Text("no".into()))];
    (prop::option::of(n), prop::option::of(s), prop::option::of(l), prop::bool::weighted(0.1)).prop_map(
        |(n, s, l, other)| {
            let mut members = Vec::new();
            members.extend(n.map(|n| ("n".to_owned(), n)));
            members.extend(s.map(|s| ("s".to_owned(), s)));
            members.extend(l.map(|l| ("l".to_owned(), l)));
            if other {
                members.push(("other".into(), Value::Bool(true)));
            }
            Value::Map(members)
        },
    )
}

/// A reading of one call, or of one thing done to a relation.
pub fn reading() -> impl Strategy<Value = Reading> {
    let call = (prop::sample::select(vec!["look", "reply", "refund"]), arguments())
        .prop_map(|(name, arguments)| call(name, arguments));
    let done = (
        prop::sample::select(vec![Verb::Read, Verb::Create, Verb::Update, Verb::Delete, Verb::Define]),
        any::<bool>(),
        prop::sample::subsequence(vec![0usize, 1, 2], 0..3),
    )
        .prop_map(|(verb, first, fields)| {
            let resource = ResourceId(u32::from(!first));
            let effect = Effect {
                verb,
                resource,
                fields: fields.into_iter().collect(),
                extent: Extent::default(),
                standing: Standing::Own,
                subject: None,
            };
            Reading { effects: [effect].into_iter().collect(), ..Reading::default() }
        });
    prop_oneof![2 => call, 1 => done]
}

pub fn call(name: &str, arguments: Value) -> Reading {
    let catalog = catalog();
    let (id, _) = catalog.resources().find(|(_, r)| r.name == name).unwrap();
    call_of(&catalog, id, arguments)
}

/// The reading of a call of that tool, without the schema: null is not given.
pub fn call_of(catalog: &Catalog, id: ResourceId, arguments: Value) -> Reading {
    let tool = catalog.resource(id).unwrap();
    assert_eq!(tool.kind, ResourceKind::Tool);
    let mut fields = FieldSet::new();
    for (name, _) in arguments.members().iter().filter(|(_, value)| *value != Value::Null) {
        match tool.field_named(name) {
            Some(at) => fields.insert(at),
            None => fields.insert_unlisted(),
        }
    }
    let own = Effect {
        verb: Verb::Call,
        resource: id,
        fields,
        extent: Extent::default(),
        standing: Standing::Own,
        subject: Some(0),
    };
    let declared = tool.declared.effects.iter().map(|e| Effect {
        verb: e.verb,
        resource: e.resource,
        fields: e.fields.clone(),
        extent: Extent::default(),
        standing: Standing::Declared,
        subject: None,
    });
    Reading { effects: std::iter::once(own).chain(declared).collect(), values: vec![arguments], ..Reading::default() }
}
