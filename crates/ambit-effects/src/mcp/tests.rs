use std::collections::BTreeSet;

use ambit_core::action::Gate;
use ambit_core::catalog::{Declared, DeclaredEffect, Field, Shape, System, SystemKind};
use serde_json::json;

use super::*;
use crate::json::write;
use crate::schema::arguments;

/// A company with a tool that pays, one that takes anything, a relation that the first one touches, documents and prompts.
struct Company {
    catalog: Catalog,
    readers: Readers,
}

impl Company {
    fn new() -> Company {
        let mut catalog = Catalog::new();
        let mut readers = Readers::new();
        let none = BTreeSet::new();
        let system = catalog.add_system(System { name: "payments".into(), kind: SystemKind::Mcp, tags: none.clone() });
        let crm = catalog.add_system(System { name: "crm".into(), kind: SystemKind::Postgres, tags: none.clone() });
        let field =
            |name: &str| Field { name: name.into(), tags: none.clone(), shape: Shape::default(), required: false };
        let mut add = |system, name: &str, kind, fields, declared| {
            let digest = String::new();
            catalog
                .add_resource(Resource {
                    system,
                    name: name.into(),
                    kind,
                    fields,
                    tags: none.clone(),
                    declared,
                    digest,
                })
                .unwrap()
        };
        let orders = add(crm, "orders", ResourceKind::Relation, vec![field("id")], Declared::default());
        let schema = json!({"type": "object", "required": ["amount"], "additionalProperties": false, "properties": {
            "amount": {"type": "number"}, "currency": {"type": "string", "default": "EUR"}, "note": {"type": ["string", "null"]},
            "order": {"type": "object", "properties": {"id": {"type": "integer"}, "express": {"default": false}}}}});
        let fields = arguments(&schema).unwrap().fields;
        let pay = add(system, "pay", ResourceKind::Tool, fields, Declared::default());
        readers.add(pay, schema);
        let open = add(system, "open", ResourceKind::Tool, vec![field("force")], Declared::default());
        readers.add(open, json!({"type": "object", "properties": {"force": {"type": "boolean"}}}));
        let odd = add(system, "odd", ResourceKind::Tool, vec![], Declared::default());
        readers.add(odd, json!({"$ref": "https://evil.example/schema"}));
        add(system, "unpinned", ResourceKind::Tool, vec![], Declared::default());
        add(system, "resource", ResourceKind::Document, vec![field("uri")], Declared::default());
        add(system, "prompt", ResourceKind::Prompt, vec![field("name"), field("arguments")], Declared::default());
        let mut touched = FieldSet::new();
        touched.insert_unlisted();
        catalog.resource_mut(pay).unwrap().declared = Declared {
            effects: vec![
                DeclaredEffect { verb: Verb::Update, resource: orders, fields: touched.clone() },
                DeclaredEffect { verb: Verb::Create, resource: pay, fields: FieldSet::new() },
            ],
            amount: Some("amount".into()),
            reversible: Some(true),
            ..Declared::default()
        };
        Company { catalog, readers }
    }

    fn asked(&self, operation: &str, name: &str, payload: &str) -> Result<Reading, NotRead> {
        let action = Action {
            agent: "a".into(),
            gate: Gate::Mcp,
            session: "s".into(),
            task: None,
            system: "payments".into(),
            operation: operation.into(),
            name: name.into(),
            payload: payload.into(),
        };
        self.readers.read(&self.catalog, &action)
    }

    fn called(&self, tool: &str, arguments: &str) -> Result<Reading, NotRead> {
        self.asked("tools/call", tool, &format!("{{\"name\":\"{tool}\",\"arguments\":{arguments}}}"))
    }

    /// The reading in lines: effects, unread parts, values.
    fn shown(&self, reading: &Result<Reading, NotRead>) -> String {
        let reading = match reading {
            Err(NotRead::Invalid(invalid)) => return format!("{} {invalid}", invalid.code()),
            Err(error) => return error.to_string(),
            Ok(reading) => reading,
        };
        let mut out = Vec::new();
        for effect in &reading.effects {
            let names = self.catalog.resource(effect.resource).unwrap();
            let mut fields: Vec<&str> = effect.fields.iter().map(|i| names.fields[i].name.as_str()).collect();
            fields.extend(effect.fields.has_unlisted().then_some("?"));
            let extent = &effect.extent;
            out.push(format!(
                "{:?} {} {}({}) amount {} reversible {:?} on {:?}",
                effect.standing,
                effect.verb.word(),
                self.catalog.path(effect.resource),
                fields.join(", "),
                extent.amount.map_or("?".into(), |a| a.to_string()),
                extent.reversible,
                effect.subject
            ));
        }
        out.extend(reading.unread.iter().map(|unread| format!("unread {:?} {}", unread.reach, unread.what)));
        out.extend(reading.values.iter().map(write));
        out.join("\n")
    }
}

#[track_caller]
fn check(reading: impl FnOnce(&Company) -> Result<Reading, NotRead>, expected: &[&str]) {
    let company = Company::new();
    assert_eq!(company.shown(&reading(&company)), expected.join("\n"));
}

#[test]
fn a_call_is_itself_and_what_is_declared() {
    check(
        |c| c.called("pay", r#"{"amount": 80.50, "note": null, "order": {"id": 7}}"#),
        &[
            "Own call payments.pay(amount, order) amount 80.5 reversible Some(true) on Some(0)",
            "Declared update crm.orders(?) amount 80.5 reversible Some(true) on None",
            "Declared create payments.pay() amount 80.5 reversible Some(true) on Some(0)",
            r#"{"amount":80.5,"note":null,"order":{"id":7,"express":false},"currency":"EUR"}"#,
        ],
    );
}

#[test]
fn a_hint_that_it_destroys_outweighs_the_declaration() {
    let mut company = Company::new();
    let system = company.catalog.system_named("payments").unwrap();
    let pay = company.catalog.resource_named(system, "pay").unwrap();
    company.catalog.resource_mut(pay).unwrap().declared.destructive_hint = true;
    let reading = company.called("pay", r#"{"amount": -1}"#).unwrap();
    assert_eq!(reading.effects[0].extent, Extent { rows: None, amount: None, reversible: Some(false) });
}

#[test]
fn arguments_outside_the_schema_are_unlisted() {
    check(
        |c| c.called("open", r#"{"force": true, "zone": 1, "absent": null}"#),
        &[
            "Own call payments.open(force, ?) amount ? reversible None on Some(0)",
            r#"{"force":true,"zone":1,"absent":null}"#,
        ],
    );
    for params in [
        r#"{"name":"open"}"#,
        r#"{"name":"open","arguments":null}"#,
        r#"{"arguments":{},"name":"open","_meta":{"progressToken":1},"task":{}}"#,
    ] {
        check(
            |c| c.asked("tools/call", "open", params),
            &["Own call payments.open() amount ? reversible None on Some(0)", "{}"],
        );
    }
}

#[test]
fn what_nobody_here_knows_is_unread() {
    check(
        |c| c.asked("tools/call", "open", r#"{"name":"open","inputResponses":{},"as\u202e":"root"}"#),
        &[
            "Own call payments.open() amount ? reversible None on Some(0)",
            "unread Resource(ResourceId(2)) `inputResponses`: answers to questions that the server asked",
            "unread Resource(ResourceId(2)) `as\\u{202e}`: a parameter that is not known here",
            "{}",
        ],
    );
}

#[test]
fn keys_that_differ_only_in_case_are_unread() {
    let told = |arguments: &str| -> Vec<String> {
        let company = Company::new();
        let tool = if arguments.contains("amount") { "pay" } else { "open" };
        let reading = company.called(tool, arguments).unwrap();
        reading.unread.into_iter().map(|unread| format!("{:?} {}", unread.reach, unread.what)).collect()
    };
    assert_eq!(
        told(r#"{"Force": true}"#),
        ["Field(ResourceId(2), 0) `Force`: a key that differs from another only in case"]
    );
    assert_eq!(
        told(r#"{"x": [{"a": 1, "b": {"c": 1, "C": 2}}]}"#),
        ["Resource(ResourceId(2)) `C` in `x`: a key that differs from another only in case"]
    );
    // The one that the schema names has a default, and another reader would see this one.
    assert_eq!(
        told(r#"{"amount": 1, "order": {"Expre\u017f\u017f": true}}"#),
        ["Field(ResourceId(1), 3) `Expreſſ` in `order`: a key that differs from another only in case"]
    );
    assert_eq!(told(r#"{"force": true, "x": {"a": {"k": 1}, "b": {"K": 1}}}"#), Vec::<String>::new());
}

#[test]
fn what_does_not_fit_is_invalid_and_never_held() {
    for (params, told) in [
        (
            r#"{"name":"pay","arguments":{}}"#,
            r#"-32602 the arguments do not fit `payments.pay`: "amount" is a required property"#,
        ),
        (
            r#"{"name":"pay","arguments":{"amount":"5"}}"#,
            r#"-32602 the arguments do not fit `payments.pay`: `/amount`: value is not of type "number""#,
        ),
        (
            r#"{"name":"pay","arguments":{"amount":5,"amount":6}}"#,
            "-32602 the parameters cannot be read: the key `amount` stands twice in one object at byte 38",
        ),
        (
            r#"{"name":"pay","name":"open"}"#,
            "-32602 the parameters cannot be read: the key `name` stands twice in one object at byte 14",
        ),
        (
            r#"{"name":"pay","arguments":{"amount":9007199254740993}}"#,
            "-32602 the parameters cannot be read: the number `9007199254740993` cannot be read exactly by everyone: write it with at most 15 digits, or as a string at byte 36",
        ),
        (r#"{"name":"open","arguments":{}}"#, "-32602 the parameters name `open`, which is not what was asked for"),
        (r#"{"arguments":{}}"#, "-32602 `name` of the parameters is not a string"),
        (r#"{"name":"pay","arguments":[]}"#, "-32602 `arguments` of the parameters is not an object"),
        (r#"{"name":"pay","arguments":{"amount":1},"_meta":5}"#, "-32602 `_meta` of the parameters is not an object"),
        ("[]", "-32602 the parameters are not an object"),
        ("", "-32602 the parameters cannot be read: expected a value at byte 0"),
    ] {
        check(|c| c.asked("tools/call", "pay", params), &[told]);
    }
    check(
        |c| c.asked("sampling/createMessage", "pay", "{}"),
        &["-32601 the method `sampling/createMessage` is not supported"],
    );
}

#[test]
fn what_is_unknown_or_unusable_says_so() {
    for (tool, told) in [
        ("payd", "`payments.payd` is not in the catalog"),
        // The documents of a server are no tool, whatever it calls its tools.
        ("resource", "`payments.resource` is not in the catalog"),
        (
            "odd",
            "the schema of `payments.odd` cannot be used: the reference `https://evil.example/schema` does not lead to a place in the schema itself",
        ),
        ("unpinned", "the schema of `payments.unpinned` cannot be used: no schema was pinned"),
    ] {
        check(|c| c.called(tool, "{}"), &[told]);
    }
    let company = Company::new();
    let system = company.catalog.system_named("payments").unwrap();
    assert!(company.readers.problem(company.catalog.resource_named(system, "odd").unwrap()).is_some());
    assert!(company.readers.problem(company.catalog.resource_named(system, "pay").unwrap()).is_none());
}

#[test]
fn documents_and_prompts_are_read() {
    check(
        |c| c.asked("resources/read", "file:///a", r#"{"uri":"file:///a","_meta":{}}"#),
        &["Own read payments.resource(uri) amount ? reversible None on Some(0)", r#"{"uri":"file:///a"}"#],
    );
    check(
        |c| c.asked("prompts/get", "triage", r#"{"name":"triage","arguments":{"id":"7"}}"#),
        &[
            "Own read payments.prompt(name, arguments) amount ? reversible None on Some(0)",
            r#"{"name":"triage","arguments":{"id":"7"}}"#,
        ],
    );
    check(
        |c| c.asked("resources/read", "file:///a", r#"{"uri":"file:///b"}"#),
        &["-32602 the parameters name `file:///b`, which is not what was asked for"],
    );
    check(
        |c| c.asked("prompts/get", "triage", r#"{"name":"triage","arguments":{"id":7}}"#),
        &["-32602 `arguments` of the parameters is not an object of strings"],
    );
}

#[test]
fn an_amount_may_stand_in_arrays() {
    let declared = |path: &str| Declared { amount: Some(path.into()), ..Declared::default() };
    let values = crate::json::read(br#"{"amount": 5, "order": {"lines": [{"price": 1.5}, {"price": 2}], "none": [], "odd": [{"price": -1}, {"price": 9}]}}"#);
    let values = values.unwrap();
    let told = |path: &str| amount(&declared(path), &values).map(|amount| amount.to_string());
    assert_eq!(told("amount").as_deref(), Some("5"));
    assert_eq!(told("order.lines[].price").as_deref(), Some("3.5"));
    for path in [
        "order",
        "order.lines",
        "order.lines.price",
        "order.none[].price",
        "order.odd[].price",
        "amount[]",
        "amount.x",
        "",
    ] {
        assert_eq!(told(path), None, "{path}");
    }
}

#[test]
fn to_hear_of_a_resource_is_to_read_it() {
    check(
        |c| c.asked("resources/subscribe", "file:///a", r#"{"uri":"file:///a"}"#),
        &["Own read payments.resource(uri) amount ? reversible None on Some(0)", r#"{"uri":"file:///a"}"#],
    );
}

#[test]
fn a_completion_reads_what_it_is_for_and_says_nothing_of_what_that_would_be_given() {
    check(
        |c| {
            let params = r#"{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"who","value":"L"}}"#;
            c.asked("completion/complete", "greet", params)
        },
        &["Own read payments.prompt(name, arguments) amount ? reversible None on Some(0)", r#"{"name":"greet"}"#],
    );
    check(
        |c| {
            let params = r#"{"ref":{"type":"ref/resource","uri":"f:///{n}"},"argument":{"name":"n","value":""},"x":1}"#;
            c.asked("completion/complete", "f:///{n}", params)
        },
        &[
            "Own read payments.resource(uri) amount ? reversible None on Some(0)",
            "unread Resource(ResourceId(5)) `x`: a parameter that is not known here",
            "{}",
        ],
    );
    for (wrong, why) in [
        (
            r#"{"argument":{"name":"n","value":""}}"#,
            "-32602 `ref` of the parameters is not a reference to a prompt or a resource",
        ),
        (
            r#"{"ref":{"type":"ref/prompt","name":"other"},"argument":{"name":"n","value":""}}"#,
            "-32602 the parameters name `other`, which is not what was asked for",
        ),
        (
            r#"{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"n"}}"#,
            "-32602 `argument` of the parameters is not an object with a `name` and a `value`",
        ),
    ] {
        check(|c| c.asked("completion/complete", "greet", wrong), &[why]);
    }
}
