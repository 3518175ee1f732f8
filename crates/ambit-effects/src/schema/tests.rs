use ambit_core::catalog::Shape;
use ambit_core::value::Value;
use serde_json::{Value as Json, json};

use super::*;
use crate::json::{read, write};

/// The shape as one line: `types{members}[items]=default|only`, `!` for closed.
fn shown(shape: &Shape) -> String {
    let types: Vec<String> = shape.types.iter().map(|t| format!("{t:?}").to_lowercase()).collect();
    let mut out = if types.is_empty() { "any".to_owned() } else { types.join("+") };
    if !shape.members.is_empty() {
        let members: Vec<String> =
            shape.members.iter().map(|(name, shape)| format!("{name}: {}", shown(shape))).collect();
        out += &format!("{{{}}}", members.join(", "));
    }
    if !shape.open {
        out += "!";
    }
    if let Some(items) = &shape.items {
        out += &format!("[{}]", shown(items));
    }
    if let Some(default) = &shape.default {
        out += &format!("={}", write(default));
    }
    if let Some(only) = &shape.only {
        out += &format!("|{}", only.iter().map(write).collect::<Vec<_>>().join("|"));
    }
    out
}

fn fields(schema: &Json) -> Vec<String> {
    let arguments = arguments(schema).unwrap();
    arguments
        .fields
        .iter()
        .map(|field| format!("{}{}: {}", field.name, if field.required { "*" } else { "" }, shown(&field.shape)))
        .collect()
}

#[test]
fn a_plain_tool() {
    let schema = json!({"type": "object", "required": ["amount"], "additionalProperties": false, "properties": {
        "amount": {"type": "number"},
        "currency": {"enum": ["EUR", "USD"], "default": "EUR"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}, "additionalProperties": false}},
        "note": {"type": ["string", "null"], "default": null}}});
    assert_eq!(
        fields(&schema),
        [
            "amount*: number",
            "currency: text=\"EUR\"|\"EUR\"|\"USD\"",
            "lines: list[map{sku: text}!]",
            "note: null+text"
        ]
    );
    assert!(!arguments(&schema).unwrap().open);
}

#[test]
fn what_is_combined_is_merged() {
    let schema = json!({
        "type": "object",
        "$defs": {"Mode": {"enum": ["fast", "slow"]}, "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        "allOf": [{"properties": {"mode": {"$ref": "#/$defs/Mode", "default": "fast"}}, "required": ["mode"]}],
        "properties": {
            "who": {"anyOf": [{"type": "string", "format": "email"}, {"type": "null"}]},
            "size": {"oneOf": [{"type": "integer", "default": 1}, {"type": "string"}]},
            "to": {"anyOf": [
                {"type": "object", "properties": {"kind": {"const": "user"}, "id": {"type": "string"}}, "additionalProperties": false},
                {"type": "object", "properties": {"kind": {"const": "group"}, "cc": {"type": "boolean", "default": true}}, "additionalProperties": false}]},
            "tree": {"$ref": "#/$defs/Node"},
            "odd": {"type": "color"},
            "pair": {"prefixItems": [{"type": "string"}, {"type": "number"}], "items": false},
            "both": {"allOf": [{"default": 1}, {"default": 2}]},
        },
        "if": {"properties": {"who": {"const": "x"}}}, "then": {"properties": {"extra": {"type": "number", "default": 3}}}});
    let fields = fields(&schema);
    assert_eq!(fields[0], "both: any");
    assert_eq!(fields[1], "extra: any");
    assert_eq!(fields[2], "mode*: text=\"fast\"|\"fast\"|\"slow\"");
    assert_eq!(fields[3], "odd: any");
    assert_eq!(fields[4], "pair: any[number+text]");
    assert_eq!(fields[5], "size: number+text");
    assert_eq!(fields[6], "to: map{cc: bool, id: text, kind: text|\"user\"|\"group\"}!");
    assert!(fields[7].starts_with("tree: map{next: map{next: "), "{}", fields[7]);
    assert_eq!(fields[8], "who: null+text");
}

#[test]
fn an_alternative_that_allows_anything_wins() {
    let schema = json!({"anyOf": [{"properties": {"a": {"type": "string", "default": "x"}}, "required": ["a"]}, {"type": "object"}]});
    assert_eq!(fields(&schema), ["a: any"]);
    assert!(arguments(&json!(true)).unwrap().open);
    // Before 2019-09, what stands beside a reference is ignored.
    let schema = json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"type": "string"}},
        "properties": {"x": {"$ref": "#/definitions/a", "type": "number"}}});
    assert_eq!(fields(&schema), ["x: text"]);
}

#[test]
fn references_stay_within_the_document() {
    for reference in [
        "https://example.com/a.json",
        "other.json",
        "file:///etc/passwd",
        "#/$defs/missing",
        "#missing",
        "#/properties",
        "#%zz",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let schema = json!({"properties": {"a": {"$ref": reference}}, "required": []});
        let error = if reference == "#/properties" { continue } else { arguments(&schema).unwrap_err() };
        assert_eq!(error, SchemaError::Reference(reference.into()));
        assert_eq!(Validator::of(&schema).unwrap_err(), error, "{reference}");
    }
    for schema in [
        json!({"$id": "https://x.example/tool", "$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "https://x.example/tool#/$defs/a"}}}),
        json!({"$defs": {"a": {"$anchor": "name", "type": "string"}}, "properties": {"a": {"$ref": "#name"}}}),
        json!({"$defs": {"a b/c": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a%20b~1c"}}}),
        json!({"components": {"schemas": {"a": {"type": "string"}}}, "properties": {"a": {"$ref": "#/components/schemas/a"}}}),
    ] {
        assert_eq!(fields(&schema), ["a: text"], "{schema}");
        let validator = Validator::of(&schema).unwrap();
        assert!(
            validator.fits(&read(b"{\"a\":\"x\"}").unwrap()).is_ok()
                && validator.fits(&read(b"{\"a\":1}").unwrap()).is_err(),
            "{schema}"
        );
    }
    for (schema, error) in [
        (json!({"properties": {"a": {"$id": "https://x.example/b", "$ref": "#/x"}}}), SchemaError::Keyword("$id")),
        (json!({"$dynamicRef": "#x"}), SchemaError::Keyword("$dynamicRef")),
        (
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}),
            SchemaError::Circular,
        ),
        (json!([]), SchemaError::NotAnObject),
        (json!(false), SchemaError::NotAnObject),
    ] {
        assert_eq!(Validator::of(&schema).unwrap_err(), error, "{schema}");
        assert!(arguments(&schema).is_err());
    }
}

#[test]
fn schemas_that_would_take_long_are_refused() {
    // Each definition applies the next one twice to the same value: 2^40 steps.
    let mut definitions = serde_json::Map::new();
    for i in 0..40 {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        definitions.insert(format!("d{i}"), json!({"anyOf": [next, next]}));
    }
    definitions.insert("d40".into(), json!({"type": "string"}));
    let schema = json!({"$defs": definitions, "properties": {"a": {"$ref": "#/$defs/d0"}}});
    assert!(matches!(Validator::of(&schema), Err(SchemaError::TooDeep(_) | SchemaError::TooCostly(_))));
    assert!(arguments(&schema).is_err());

    let mut deep = json!({"type": "string"});
    for _ in 0..40 {
        deep = json!({"not": deep});
    }
    assert!(matches!(Validator::of(&deep), Err(SchemaError::TooDeep(_))));
}

#[test]
fn the_deepest_that_is_allowed_fits_on_a_small_stack() {
    let mut node = json!({"properties": {"a": {"$ref": "#/$defs/n"}}});
    for _ in 0..15 {
        node = json!({"anyOf": [false, {"allOf": [node, {"minProperties": 0}]}]});
    }
    let schema = json!({"$defs": {"n": node}, "properties": {"a": {"$ref": "#/$defs/n"}}});
    let deep = format!("{}1{}", "{\"a\":".repeat(63), "}".repeat(63));
    // What a thread of the runtime has.
    let checked = std::thread::Builder::new().stack_size(2 << 20).spawn(move || misfit(&schema, &deep)).unwrap().join();
    assert_eq!(checked.unwrap(), "fits");
}

fn misfit(schema: &Json, arguments: &str) -> String {
    match Validator::of(schema).unwrap().fits(&read(arguments.as_bytes()).unwrap()) {
        Ok(()) => "fits".to_owned(),
        Err(misfit) => misfit.to_string(),
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let schema = json!({"type": "object", "required": ["amount"], "additionalProperties": false, "properties": {
        "amount": {"type": "number", "multipleOf": 0.01, "exclusiveMinimum": 0},
        "count": {"type": "integer"},
        "currency": {"enum": ["EUR", "USD"]},
        "to": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5}}});
    for (arguments, told) in [
        (r#"{"amount": 19.99, "count": 2.0, "currency": "EUR", "to": "abc"}"#, "fits"),
        (r#"{"amount": 0.1}"#, "fits"),
        (r#"{}"#, "\"amount\" is a required property"),
        (r#"{"amount": "5"}"#, "`/amount`: value is not of type \"number\""),
        (r#"{"amount": null}"#, "`/amount`: value is not of type \"number\""),
        (r#"{"amount": 0.001}"#, "`/amount`: value is not a multiple of 0.01"),
        (r#"{"amount": 1, "count": 2.5}"#, "`/count`: value is not of type \"integer\""),
        (r#"{"amount": 1, "currency": "GBP"}"#, "`/currency`: value is not one of \"EUR\" or \"USD\""),
        (r#"{"amount": 1, "to": "A"}"#, "`/to`: value does not match \"^[a-z]+$\""),
        (r#"{"amount": 1, "\u202eevil": 1}"#, "Additional properties are not allowed ('\\u{202e}evil' was unexpected)"),
        ("[]", "value is not of type \"object\""),
    ] {
        assert_eq!(misfit(&schema, arguments), told, "{arguments}");
    }
}

#[test]
fn patterns_do_not_stall() {
    // Exponential for a matcher that steps back, and only such a one takes it.
    let schema = json!({"properties": {"a": {"type": "string", "pattern": "^(?=(a+)+$)(a|a)*b\\1$"}}});
    assert_eq!(misfit(&schema, "{\"a\":\"b\"}"), "`/a`: value does not match \"^(?=(a+)+$)(a|a)*b\\1$\"");
    let hostile = format!("{{\"a\":\"{}!\"}}", "a".repeat(10_000));
    assert_ne!(misfit(&schema, &hostile), "fits");
    // What could not be decided does not fit, whichever way round it is asked.
    let negated = json!({"properties": {"a": {"not": {"pattern": "^(?=(a+)+$)(a|a)*b\\1$"}}}});
    assert_ne!(misfit(&negated, &format!("{{\"a\":\"{}\"}}", "a".repeat(10_000))), "fits");
    // The pattern that Zod writes for an address of mail.
    let zod = json!({"properties": {"a": {"pattern": "^(?!\\.)(?!.*\\.\\.)([A-Za-z0-9_'+\\-\\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"}}});
    assert_eq!(misfit(&zod, "{\"a\":\"dana@acme.example\"}"), "fits");
    assert_ne!(misfit(&zod, "{\"a\":\"dana..ortiz@acme.example\"}"), "fits");
    assert_eq!(
        misfit(&zod, &format!("{{\"b\":\"{}\"}}", "x".repeat(300 << 10))),
        "they are too large to check against the patterns of its schema"
    );
    // Linear patterns take anything within the limits of a call.
    let linear = json!({"properties": {"a": {"pattern": "^(a+)+$"}}});
    assert_ne!(misfit(&linear, &format!("{{\"a\":\"{}!\"}}", "a".repeat(1 << 20))), "fits");
    assert!(matches!(Validator::of(&json!({"pattern": "((a{1000}){1000}){1000}"})), Err(SchemaError::Invalid(_))));
}

#[test]
fn a_recursive_schema_is_checked_without_detail() {
    let schema = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "additionalProperties": false,
        "properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}, "v": {"type": "number"}}}}});
    assert_eq!(misfit(&schema, r#"{"left":{"right":{"v":1}},"v":2}"#), "fits");
    assert_eq!(misfit(&schema, r#"{"left":{"right":{"v":"1"}},"v":2}"#), "they do not fit its schema");
    // Twice the same part, 60 deep: what was checked once is not checked again.
    let twice = json!({"$ref": "#/$defs/n", "$defs": {"n": {"anyOf": [
        {"properties": {"a": {"$ref": "#/$defs/n"}, "z": {"const": 1}}, "required": ["z"]},
        {"properties": {"a": {"$ref": "#/$defs/n"}, "z": {"const": 2}}, "required": ["z"]}]}}});
    let deep = format!("{}{{\"z\":3}}{}", "{\"a\":".repeat(60), ",\"z\":2}".repeat(60));
    assert_eq!(misfit(&twice, &deep), "they do not fit its schema");
}

#[test]
fn defaults_are_filled_in_for_testing() {
    let schema = json!({"properties": {
        "currency": {"default": "EUR"},
        "options": {"type": "object", "properties": {"force": {"type": "boolean", "default": false}, "note": {"type": "string"}}},
        "made": {"type": "object", "default": {}, "properties": {"a": {"default": 1}}},
        "lines": {"type": "array", "items": {"properties": {"quantity": {"default": 1}}}}}});
    let fields = arguments(&schema).unwrap().fields;
    let fill = |text: &str| write(&filled(read(text.as_bytes()).unwrap(), &fields));
    assert_eq!(fill("{}"), r#"{"currency":"EUR","made":{"a":1}}"#);
    assert_eq!(fill(r#"{"currency":null,"made":null}"#), r#"{"currency":null,"made":null}"#);
    assert_eq!(
        fill(r#"{"currency":"USD","options":{"note":"x"},"lines":[{"sku":1},{"quantity":2},5],"made":{"b":1}}"#),
        r#"{"currency":"USD","options":{"note":"x","force":false},"lines":[{"sku":1,"quantity":1},{"quantity":2},5],"made":{"b":1,"a":1}}"#
    );
    assert_eq!(filled(Value::Null, &fields), Value::Null);
}
