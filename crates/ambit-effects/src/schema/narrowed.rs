//! A tool's output schema, narrowed to the parts of its result that an agent may see.
//!
//! Clients throw away a result that does not fit the schema they were shown. So what is shown demands nothing that may be cut:
//! it names the kept parts with their types, and requires none of them.

use ambit_core::catalog::{Shape, Type};
use ambit_core::returns::{Inward, Part, Returns};
use serde_json::{Map, Value as Json, json};

use super::{bounds, shape};

/// A schema that every result which is cut to these parts fits. `None`: there is none that clients would take, and the tool is
/// to be shown without one.
#[must_use]
pub fn narrowed(output_schema: &Json, returns: &Returns) -> Option<Json> {
    let shape = shape_of(output_schema)?;
    if shape.types.iter().ne([&Type::Map]) {
        return None;
    }
    if returns.kept.iter().any(|kept| kept.part.steps.is_empty()) {
        return Some(output_schema.clone());
    }
    let kept: Vec<&[Inward]> = returns.kept.iter().map(|kept| kept.part.steps.as_slice()).collect();
    let mut root = container(&kept, Some(&shape));
    root.as_object_mut()?.insert("type".into(), "object".into());
    Some(root)
}

/// The declared parts that a result of that schema does not have, as far as can be told.
#[must_use]
pub fn not_promised<'a>(output_schema: &Json, parts: impl Iterator<Item = &'a Part>) -> Vec<&'a Part> {
    let Some(shape) = shape_of(output_schema) else { return Vec::new() };
    parts.filter(|part| !may_have(&shape, &part.steps)).collect()
}

/// The members that it has where that part does not fit it any more, for who looks for the right name.
#[must_use]
pub fn members_near(output_schema: &Json, part: &Part) -> Vec<String> {
    let Some(shape) = shape_of(output_schema) else { return Vec::new() };
    let mut at = &shape;
    for step in &part.steps {
        match within(at, step) {
            Some(inner) => at = inner,
            None => break,
        }
    }
    at.members.iter().map(|(name, _)| name.clone()).collect()
}

fn shape_of(schema: &Json) -> Option<Shape> {
    let bounds = bounds::check(schema).ok()?;
    Some(shape::read(schema, bounds.anchors()).shape)
}

fn within<'a>(shape: &'a Shape, step: &Inward) -> Option<&'a Shape> {
    match step {
        Inward::Member(name) => shape.members.iter().find(|(known, _)| known == name).map(|(_, shape)| shape),
        Inward::Each => shape.items.as_deref(),
    }
}

fn may_have(shape: &Shape, steps: &[Inward]) -> bool {
    let Some((step, rest)) = steps.split_first() else { return true };
    let wanted = if *step == Inward::Each { Type::List } else { Type::Map };
    if !shape.types.is_empty() && !shape.types.contains(&wanted) {
        return false;
    }
    match within(shape, step) {
        Some(inner) => may_have(inner, rest),
        // Nothing is said of what is inside; where members are named, another is a slip.
        None => *step == Inward::Each || shape.members.is_empty(),
    }
}

/// The schema of what holds those parts: an object, an array or null.
fn container(parts: &[&[Inward]], shape: Option<&Shape>) -> Json {
    let mut properties = Map::new();
    let mut each: Vec<&[Inward]> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for part in parts {
        match part.split_first() {
            Some((Inward::Member(name), _)) if !names.contains(&name.as_str()) => names.push(name),
            Some((Inward::Each, rest)) => each.push(rest),
            _ => {}
        }
    }
    for name in names {
        let step = Inward::Member(name.to_owned());
        let inner: Vec<&[Inward]> = parts
            .iter()
            .filter_map(|part| part.split_first().filter(|(first, _)| **first == step))
            .map(|(_, rest)| rest)
            .collect();
        properties.insert(name.to_owned(), place(&inner, shape.and_then(|shape| within(shape, &step))));
    }
    let mut types = Vec::new();
    let mut schema = Map::new();
    if !properties.is_empty() || each.is_empty() {
        types.push("object");
        schema.insert("properties".into(), properties.into());
    }
    if !each.is_empty() {
        types.push("array");
        schema.insert("items".into(), place(&each, shape.and_then(|shape| within(shape, &Inward::Each))));
    }
    types.push("null");
    schema.insert("type".into(), types.into());
    schema.into()
}

/// The schema of one place: a part itself, or what holds parts.
fn place(parts: &[&[Inward]], shape: Option<&Shape>) -> Json {
    if parts.iter().any(|part| part.is_empty()) {
        return shape.map_or_else(|| json!({}), value);
    }
    container(parts, shape)
}

/// A schema of everything that the shape lets be, and of little more.
fn value(shape: &Shape) -> Json {
    let mut schema = Map::new();
    if !shape.types.is_empty() {
        let types: Vec<&str> = shape.types.iter().map(|t| word(*t)).collect();
        schema.insert("type".into(), if let [only] = types.as_slice() { (*only).into() } else { types.into() });
    }
    if !shape.members.is_empty() {
        let members = shape.members.iter().map(|(name, shape)| (name.clone(), value(shape)));
        schema.insert("properties".into(), Json::Object(members.collect()));
    }
    if let Some(items) = &shape.items {
        schema.insert("items".into(), value(items));
    }
    schema.into()
}

fn word(t: Type) -> &'static str {
    match t {
        Type::Null => "null",
        Type::Bool => "boolean",
        Type::Number => "number",
        Type::Text => "string",
        Type::List => "array",
        Type::Map => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Validator;
    use ambit_core::returns::NamedPart;

    fn parts(parts: &[&str]) -> Vec<NamedPart> {
        let named = |part: &&str| NamedPart {
            part: Part::parse(part).unwrap(),
            resource: "crm.customers".into(),
            field: Some("x".into()),
        };
        parts.iter().map(named).collect()
    }

    fn schema() -> Json {
        json!({
            "$defs": {"Customer": {"type": "object", "required": ["id", "ssn"], "additionalProperties": false, "properties": {
                "id": {"type": "integer"}, "ssn": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}}}},
            "type": "object", "required": ["customers", "total"],
            "properties": {
                "customers": {"type": "array", "items": {"$ref": "#/$defs/Customer"}},
                "first": {"anyOf": [{"$ref": "#/$defs/Customer"}, {"type": "null"}]},
                "total": {"type": "integer"}}})
    }

    #[test]
    fn what_is_shown_demands_nothing_that_may_be_cut() {
        let kept = parts(&["customers[].id", "first.tags"]);
        let shown = narrowed(&schema(), &Returns { kept, withheld: vec![] }).unwrap();
        assert_eq!(
            shown,
            json!({"type": "object", "properties": {
                "customers": {"type": ["array", "null"], "items": {"type": ["object", "null"], "properties": {"id": {"type": "number"}}}},
                "first": {"type": ["object", "null"], "properties": {"tags": {"type": "array", "items": {"type": "string"}}}}}})
        );
        let none = narrowed(&schema(), &Returns::default()).unwrap();
        assert_eq!(none, json!({"type": "object", "properties": {}}));
        let whole = narrowed(&schema(), &Returns { kept: parts(&["."]), withheld: vec![] });
        assert_eq!(whole, Some(schema()));
        // Clients take an object at the top and nothing else.
        for other in [
            json!({}),
            json!(true),
            json!({"type": ["object", "null"]}),
            json!({"type": "array"}),
            json!({"$ref": "x:y"}),
        ] {
            assert_eq!(narrowed(&other, &Returns::default()), None, "{other}");
        }
    }

    #[test]
    fn every_cut_result_fits_what_is_shown() {
        let returns = Returns { kept: parts(&["customers[].id", "first.tags"]), withheld: parts(&["customers[].ssn"]) };
        let shown = Validator::of(&narrowed(&schema(), &returns).unwrap()).unwrap();
        for result in [
            json!({"customers": [{"id": 1, "ssn": "x"}, null], "total": 2}),
            json!({"customers": null, "first": null}),
            json!({"first": {"tags": ["a"], "ssn": "x"}}),
            json!({}),
        ] {
            let sent = json!({ "content": [], "structuredContent": result }).to_string();
            let cut = crate::mcp::cut::cut(sent.as_bytes(), &returns);
            let cut: Json = serde_json::from_slice(&cut.bytes).unwrap();
            let cut = crate::json::read(cut["structuredContent"].to_string().as_bytes()).unwrap();
            assert_eq!(shown.fits(&cut), Ok(()), "{result}");
        }
    }

    #[test]
    fn parts_that_are_not_promised_are_told() {
        let all = parts(&["customers[].id", "customers.id", "customer[].id", "first.ssn", "total", "total.x", "[]"]);
        let missing = not_promised(&schema(), all.iter().map(|named| &named.part));
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        assert_eq!(missing, ["customers.id", "customer[].id", "total.x", "[]"]);
        assert_eq!(members_near(&schema(), &Part::parse("customers[].idd").unwrap()), ["id", "ssn", "tags"]);
        assert!(not_promised(&json!({"type": "object"}), all.iter().take(1).map(|named| &named.part)).is_empty());
    }
}
