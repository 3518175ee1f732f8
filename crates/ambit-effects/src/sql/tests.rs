//! Statements, and what they are read to touch.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ambit_core::catalog::{Catalog, Declared, Field, Resource, ResourceKind, Shape, System, SystemId, SystemKind};
use ambit_core::effect::Standing;
use ambit_core::reading::Reading;

use super::asked::{Asked, Bound, Parameter};
use super::database::{Column, Database, ForeignKey, Function, KeyAction, Name, Relation, RelationKind, Trigger, View};
use super::{NotRead, read_asked, split};
use crate::json;

/// A small company: customers with orders, views over them, keys that cascade.
fn company() -> Database {
    let table = |columns: &[(&str, &str)]| Relation {
        columns: columns
            .iter()
            .map(|(name, kind)| Column { name: (*name).into(), type_name: (*kind).into(), default: None })
            .collect(),
        ..Relation::default()
    };
    let key = |columns: &str, references: &str, on_delete| ForeignKey {
        columns: vec![columns.into()],
        references: Name::new("public", references),
        referenced: vec!["id".into()],
        on_delete,
        on_update: KeyAction::Cascade,
    };
    let mut database = Database { search_path: vec!["public".into()], ..Database::default() };
    let mut add = |name: &str, relation: Relation| database.relations.insert(Name::parse(name), relation);
    add(
        "customers",
        table(&[("id", "integer"), ("name", "text"), ("email", "text"), ("status", "text"), ("ssn", "text")]),
    );
    add(
        "orders",
        Relation {
            keys: vec![key("customer_id", "customers", KeyAction::Nothing)],
            ..table(&[("id", "integer"), ("customer_id", "integer"), ("total", "numeric(12,2)"), ("placed", "date")])
        },
    );
    add(
        "order_items",
        Relation {
            keys: vec![key("order_id", "orders", KeyAction::Cascade)],
            ..table(&[("order_id", "integer"), ("sku", "text"), ("count", "integer")])
        },
    );
    add(
        "reviews",
        Relation {
            keys: vec![key("order_id", "orders", KeyAction::SetNull)],
            ..table(&[("id", "integer"), ("order_id", "integer"), ("words", "text")])
        },
    );
    let trigger = Trigger {
        name: "kept".into(),
        on_insert: false,
        on_update: true,
        update_columns: vec!["words".into()],
        on_delete: false,
        on_truncate: false,
        function: Name::new("audit", "keep"),
        definer: true,
    };
    add("notes", Relation { triggers: vec![trigger], ..table(&[("id", "integer"), ("words", "text")]) });
    add("events", table(&[("id", "bigint"), ("at", "timestamp with time zone"), ("words", "text")]));
    let part =
        Relation { parents: vec![Name::new("public", "events")], ..table(&[("id", "bigint"), ("words", "text")]) };
    add("events_2026", part);
    let view = |definition: &str, invoker, columns: &[(&str, &str)]| Relation {
        kind: RelationKind::View,
        view: Some(View { invoker, definition: definition.into() }),
        ..table(columns)
    };
    let people = "SELECT customers.id, customers.name FROM public.customers WHERE customers.ssn IS NOT NULL";
    add("people", view(people, false, &[("id", "integer"), ("name", "text")]));
    add("mine", view(people, true, &[("id", "integer"), ("name", "text")]));
    add("crm.\"odd one\"".replace(['"'], "").as_str(), table(&[("Mixed Case", "text")]));
    database.functions = vec![Function {
        name: Name::new("public", "score"),
        arguments: "integer".into(),
        definer: true,
        immutable: false,
        language: "plpgsql".into(),
        extension: None,
    }];
    database
}

fn catalog(database: &Database) -> (Catalog, SystemId) {
    let mut catalog = Catalog::new();
    let system = catalog.add_system(System { name: "crm".into(), kind: SystemKind::Postgres, tags: BTreeSet::new() });
    for (name, relation) in &database.relations {
        let field = |column: &Column| Field {
            name: column.name.clone(),
            tags: BTreeSet::new(),
            shape: Shape::default(),
            required: false,
        };
        let resource = Resource {
            system,
            name: name.to_string(),
            kind: ResourceKind::Relation,
            fields: relation.columns.iter().map(field).collect(),
            tags: BTreeSet::new(),
            declared: Declared::default(),
            digest: String::new(),
        };
        catalog.add_resource(resource).unwrap();
    }
    (catalog, system)
}

fn read(asked: &Asked) -> Result<(Reading, Catalog), NotRead> {
    let database = company();
    let (catalog, system) = catalog(&database);
    read_asked(&database, &catalog, system, asked).map(|reading| (reading, catalog))
}

/// The reading in a line.
fn said(asked: &Asked) -> String {
    let (reading, catalog) = match read(asked) {
        Ok(read) => read,
        Err(why) => return format!("refused: {why}"),
    };
    let mut parts: Vec<String> = Vec::new();
    for effect in &reading.effects {
        let resource = catalog.resource(effect.resource).unwrap();
        let name = resource.name.strip_prefix("public.").unwrap_or(&resource.name);
        let mut fields: Vec<&str> = effect.fields.iter().map(|at| resource.fields[at].name.as_str()).collect();
        if effect.fields.has_unlisted() {
            fields.push("?");
        }
        let mut part = format!("{} {name}({})", effect.verb.word(), fields.join(","));
        if effect.standing == Standing::Declared {
            part.insert(0, '+');
        }
        if let Some(rows) = effect.extent.rows {
            let _ = write!(part, " rows {rows}");
        }
        if let Some(row) = effect.subject.and_then(|at| reading.values.get(at)) {
            let known = row.members().iter().filter(|(_, value)| *value != ambit_core::value::Value::Unknown);
            let known: Vec<String> = known.map(|(name, value)| format!("{name}={}", json::write(value))).collect();
            let _ = write!(part, " where {}", known.join(" "));
        }
        parts.push(part);
    }
    parts.extend(reading.unread.iter().map(|unread| format!("unread: {}", unread.what)));
    parts.extend(reading.built_in.iter().map(|one| format!("{one:?}").to_lowercase()));
    parts.join("; ")
}

const CASES: [(&str, &str); 3] = [
    ("queries.md", include_str!("../../../../cases/sql/queries.md")),
    ("changes.md", include_str!("../../../../cases/sql/changes.md")),
    ("never.md", include_str!("../../../../cases/sql/never.md")),
];

/// The cases of `cases/sql/`: in a block, a statement a line, and what it does in the line below, indented. With
/// `AMBIT_WRITE_CASES` set, those lines are written anew.
#[test]
fn statements_are_read_as_their_cases_say() {
    for (file, text) in CASES {
        let mut inside = false;
        let mut now = String::new();
        for line in text.lines() {
            if line.starts_with("```") {
                inside = !inside;
            } else if inside && line.starts_with("    ") {
                continue;
            }
            let _ = writeln!(now, "{line}");
            if inside && !line.starts_with("```") {
                let _ = writeln!(now, "    {}", said(&Asked::plain(line)));
            }
        }
        if std::env::var_os("AMBIT_WRITE_CASES").is_some() {
            std::fs::write(format!("{}/../../cases/sql/{file}", env!("CARGO_MANIFEST_DIR")), &now).unwrap();
        } else {
            agree(file, &now, text);
        }
    }
}

fn agree(file: &str, now: &str, then: &str) {
    for (now, then) in now.lines().zip(then.lines()) {
        assert_eq!(now, then, "{file}");
    }
    assert_eq!(now.lines().count(), then.lines().count(), "{file}");
}

#[test]
fn what_is_bound_is_known() {
    let asked = |statement: &str, parameters: Vec<(u32, Bound)>| {
        let parameters = parameters.into_iter().map(|(type_number, value)| Parameter { type_number, value }).collect();
        said(&Asked { statement: statement.into(), parameters })
    };
    insta::assert_snapshot!(asked("SELECT name FROM customers WHERE id = $1", vec![(23, Bound::Binary(vec![0, 0, 34, 108]))]), @"read customers(id,name) where id=8812");
    insta::assert_snapshot!(asked("SELECT name FROM customers WHERE $1 = id", vec![(0, Bound::Text("8812".into()))]), @"read customers(id,name) where id=8812");
    insta::assert_snapshot!(asked("SELECT name FROM customers WHERE id = $1 OR true", vec![(0, Bound::Text("8812".into()))]), @"read customers(id,name)");
    insta::assert_snapshot!(asked("SELECT name FROM customers WHERE id = $2", vec![(0, Bound::Text("8812".into()))]), @"read customers(id,name)");
    // A `char(3)` is padded, a `float8` rounded, and a value of a scale is stored with no more digits than that.
    insta::assert_snapshot!(asked("SELECT name FROM customers WHERE name = $1", vec![(1042, Bound::Text("a ".into()))]), @"read customers(name)");
    insta::assert_snapshot!(asked("SELECT name FROM customers WHERE id = $1", vec![(701, Bound::Text("1".into()))]), @"read customers(id,name)");
    insta::assert_snapshot!(asked("INSERT INTO orders (id, total) VALUES (1, 99.999)", vec![]), @"create orders(id,total) rows 1 where id=1");
    insta::assert_snapshot!(asked("INSERT INTO orders (id, total) VALUES ($1, $2::numeric)", vec![(20, Bound::Binary(vec![0; 8])), (0, Bound::Text("80.50".into()))]), @"create orders(id,total) rows 1 where id=0 total=80.5");
}

#[test]
fn a_text_of_several_is_split() {
    let said = |text: &'static str| split(text).map_err(|why| why.to_string());
    assert_eq!(said("SELECT 1;; SELECT ';' -- ;\n; /* ; */ BEGIN; "), Ok(vec!["SELECT 1", "SELECT ';' -- ;", "BEGIN"]));
    assert_eq!(said(" ; -- nothing\n"), Ok(vec![]));
    assert_eq!(said("SELECT $tag$ ; $tag$ ; SELECT U&'\\0061'"), Ok(vec!["SELECT $tag$ ; $tag$", "SELECT U&'\\0061'"]));
    assert!(said("SELECT 'a").is_err());
    assert!(said("SELECT \0 1").is_err());
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = |open: &str, core: &str, close: &str, times| {
        format!("SELECT {}{core}{}", open.repeat(times), close.repeat(times))
    };
    for text in [
        deep("(SELECT ", "1", ")", 2_000),
        deep("NOT ", "true", "", 20_000),
        deep("abs(", "1", ")", 5_000),
        deep("ARRAY[", "1", "]", 5_000),
        deep("CASE WHEN true THEN ", "1", " END", 3_000),
        format!("SELECT {}1", "1 + (".repeat(3_000)) + &")".repeat(3_000),
        "SELECT 1 FROM ".to_owned() + &"(".repeat(2_000) + "customers" + &" JOIN customers USING (id))".repeat(2_000),
    ] {
        // In a thread with a small stack: what overflows it takes the daemon along.
        let read = std::thread::Builder::new().stack_size(1 << 20).spawn(move || said(&Asked::plain(&text)));
        let said = read.unwrap().join().unwrap();
        assert!(said.starts_with("refused"), "{said}");
    }
    // What only leans to one side is no deeper for being long.
    let long = |text: String| std::thread::Builder::new().stack_size(1 << 20).spawn(move || said(&Asked::plain(&text)));
    let sum = format!("SELECT 1{}", " + 1".repeat(9_000));
    assert_eq!(long(sum).unwrap().join().unwrap(), "computes");
    let union = format!("SELECT id FROM orders{}", " UNION ALL SELECT id FROM orders".repeat(2_000));
    assert_eq!(long(union).unwrap().join().unwrap(), "read orders(id)");
    // Nor slow: each would take minutes, or all memory, if it were read name by name against all that stands beside it.
    for text in [
        format!("DROP TABLE notes{}", ", events".repeat(20_000)),
        format!("SELECT 1 FROM abs(1){}", ", abs(1)".repeat(20_000)),
        format!("SELECT c.*{} FROM customers c", ", c.*".repeat(20_000)),
        // Each name of a join stands for all that is in it, which is a join with such names itself.
        format!("SELECT 1 FROM {}customers{}", "(".repeat(50), " CROSS JOIN notes) AS j(a, b, c, d)".repeat(50)),
    ] {
        let began = std::time::Instant::now();
        long(text).unwrap().join().unwrap();
        assert!(began.elapsed() < std::time::Duration::from_secs(30));
    }
    let too_long = format!("SELECT '{}'", "x".repeat(2 << 20));
    assert!(long(too_long).unwrap().join().unwrap().starts_with("refused: the statement is longer"));
}
