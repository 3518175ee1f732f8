//! A JSON Schema as a shape: the types, members and defaults that somebody who writes a line needs to know.
//!
//! A shape is never narrower than the schema, except where the schema itself contradicts itself: what is not understood
//! counts as any type and any member.

use std::collections::BTreeSet;

use ambit_core::catalog::{Shape, Type};
use ambit_core::value::Value;
use serde_json::Value as Json;

use super::positions::{Anchors, Place, within};
use crate::json::value_of;

/// How far members and elements are followed; further in, anything.
const DEEP: usize = 12;
/// How much is read, references followed each time; after that, anything. A schema costs one, and so do 64 bytes that are kept.
const READ: usize = 4_000;
/// The longest list of the only values allowed that is kept.
const LISTED: usize = 256;

/// A shape, and the members that must be there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Read {
    pub(super) shape: Shape,
    pub(super) required: BTreeSet<String>,
}

/// Reads a schema whose bounds were checked.
pub(super) fn read(schema: &Json, anchors: &Anchors<'_>) -> Read {
    Reader { anchors, left: READ }.schema(schema, 0)
}

struct Reader<'a, 'b> {
    anchors: &'a Anchors<'b>,
    left: usize,
}

impl Reader<'_, '_> {
    fn schema(&mut self, schema: &Json, deep: usize) -> Read {
        if deep > DEEP || self.left == 0 {
            return anything();
        }
        self.left -= 1;
        let mut read = self.own(schema, deep);
        match self.anchors.referred(schema) {
            Ok(Some(target)) if self.anchors.references_stand_alone() => {
                let target = self.schema(target, deep);
                let default = one_default(read.shape.default, target.shape.default);
                return Read { shape: Shape { default, ..target.shape }, required: target.required };
            }
            Ok(Some(target)) => read = both(read, self.schema(target, deep)),
            Ok(None) => {}
            Err(_) => return anything(),
        }
        for part in schemas(schema, "allOf") {
            read = both(read, self.schema(part, deep));
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches: Vec<Read> = schemas(schema, keyword).iter().map(|branch| self.schema(branch, deep)).collect();
            if let Some(union) = either(branches) {
                read = both(read, union);
            }
        }
        self.conditional(schema, deep, &mut read);
        read
    }

    /// What the schema says itself, without what it combines.
    fn own(&mut self, schema: &Json, deep: usize) -> Read {
        let mut read = anything();
        let shape = &mut read.shape;
        shape.only = self.only(schema);
        shape.types = match schema.get("type") {
            Some(types) => types_of(types),
            None => shape.only.iter().flatten().map(type_of).collect(),
        };
        if let Some(Json::Object(members)) = schema.get("properties") {
            for (name, member) in members {
                if self.spend(name.len() / 64) {
                    shape.members.push((name.clone(), self.schema(member, deep + 1).shape));
                }
            }
        }
        shape.open = !closed(schema) || shape.members.len() < named(schema);
        shape.items = self.items(schema, deep).map(Box::new);
        // A default of null is no default: null counts as not given.
        shape.default =
            schema.get("default").and_then(|default| self.kept(default)).filter(|value| *value != Value::Null);
        shape.format =
            schema.get("format").and_then(Json::as_str).filter(|format| format.len() <= 64).map(str::to_owned);
        if let Some(Json::Array(names)) = schema.get("required") {
            read.required = names.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        }
        read
    }

    fn only(&mut self, schema: &Json) -> Option<Vec<Value>> {
        let listed = schema.get("enum").and_then(Json::as_array).filter(|all| all.len() <= LISTED);
        let listed = listed.and_then(|all| all.iter().map(|value| self.kept(value)).collect::<Option<Vec<_>>>());
        let constant = schema.get("const").and_then(|value| self.kept(value)).map(|value| vec![value]);
        intersection(listed, constant)
    }

    /// A value of the schema that is kept in the shape; `None` when that would be too much, or it cannot be held exactly.
    fn kept(&mut self, value: &Json) -> Option<Value> {
        if self.spend(weight(value) / 64) { value_of(value) } else { None }
    }

    fn spend(&mut self, cost: usize) -> bool {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    fn items(&mut self, schema: &Json, deep: usize) -> Option<Shape> {
        let mut first: Vec<&Json> = schemas(schema, "prefixItems").iter().collect();
        let rest = match schema.get("items") {
            Some(Json::Array(items)) => {
                first.extend(items);
                schema.get("additionalItems")
            }
            other => other,
        };
        if first.is_empty() && rest.is_none() {
            return None;
        }
        let mut all: Vec<Read> = first.into_iter().map(|item| self.schema(item, deep + 1)).collect();
        match rest {
            Some(Json::Bool(false)) => {}
            Some(rest) => all.push(self.schema(rest, deep + 1)),
            None => all.push(anything()),
        }
        either(all).map(|read| read.shape)
    }

    /// Members that only stand under a condition are named, and nothing more is said of them.
    fn conditional(&mut self, schema: &Json, deep: usize, read: &mut Read) {
        let mut branches: Vec<&Json> =
            ["if", "then", "else", "not"].iter().filter_map(|keyword| schema.get(*keyword)).collect();
        for keyword in ["dependentSchemas", "dependencies"] {
            branches
                .extend(schema.get(keyword).and_then(Json::as_object).into_iter().flat_map(serde_json::Map::values));
        }
        if branches.is_empty() {
            return;
        }
        read.shape.open = true;
        for branch in branches {
            for (name, _) in self.schema(branch, deep).shape.members {
                if !read.shape.members.iter().any(|(known, _)| *known == name) {
                    read.shape.members.push((name, anything().shape));
                }
            }
        }
        read.shape.members.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
}

fn schemas<'a>(schema: &'a Json, keyword: &str) -> &'a [Json] {
    schema.get(keyword).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn anything() -> Read {
    Read { shape: Shape { open: true, ..Shape::default() }, required: BTreeSet::new() }
}

fn types_of(types: &Json) -> BTreeSet<Type> {
    let names: Vec<Option<&str>> = match types {
        Json::Array(names) => names.iter().map(Json::as_str).collect(),
        one => vec![one.as_str()],
    };
    let types: Option<BTreeSet<Type>> = names
        .into_iter()
        .map(|name| {
            Some(match name? {
                "null" => Type::Null,
                "boolean" => Type::Bool,
                "number" | "integer" => Type::Number,
                "string" => Type::Text,
                "array" => Type::List,
                "object" => Type::Map,
                _ => return None,
            })
        })
        .collect();
    types.unwrap_or_default()
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Null | Value::Unknown => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        Value::Text(_) => Type::Text,
        Value::List(_) => Type::List,
        Value::Map(_) => Type::Map,
    }
}

/// Whether an object may have no members but those that the schema itself names.
fn closed(schema: &Json) -> bool {
    let is_false = |keyword: &str| schema.get(keyword) == Some(&Json::Bool(false));
    let patterns =
        schema.get("patternProperties").is_some_and(|patterns| patterns.as_object().is_none_or(|all| !all.is_empty()));
    let mut combines = schema.get("$ref").is_some();
    within(schema, |_, place, _| combines |= place == Place::Same);
    !patterns && (is_false("additionalProperties") || (is_false("unevaluatedProperties") && !combines))
}

fn named(schema: &Json) -> usize {
    schema.get("properties").and_then(Json::as_object).map_or(0, serde_json::Map::len)
}

/// Roughly the bytes that a value takes.
fn weight(value: &Json) -> usize {
    64 + match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(weight).sum(),
        Json::Object(members) => members.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        _ => 0,
    }
}

fn intersection(a: Option<Vec<Value>>, b: Option<Vec<Value>>) -> Option<Vec<Value>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.into_iter().filter(|value| b.contains(value)).collect()),
        (one, other) => one.or(other),
    }
}

/// What fits both.
fn both(a: Read, b: Read) -> Read {
    let required = &a.required | &b.required;
    Read { shape: both_shapes(a.shape, b.shape), required }
}

fn both_shapes(a: Shape, mut b: Shape) -> Shape {
    let types = if a.types.is_empty() {
        b.types
    } else if b.types.is_empty() {
        a.types
    } else {
        &a.types & &b.types
    };
    let mut members: Vec<(String, Shape)> = Vec::with_capacity(a.members.len() + b.members.len());
    for (name, shape) in a.members {
        match b.members.iter().position(|(other, _)| *other == name) {
            Some(at) => members.push((name, both_shapes(shape, b.members.swap_remove(at).1))),
            None => members.push((name, shape)),
        }
    }
    members.append(&mut b.members);
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    let items = match (a.items, b.items) {
        (Some(a), Some(b)) => Some(Box::new(both_shapes(*a, *b))),
        (one, other) => one.or(other),
    };
    let default = one_default(a.default, b.default);
    Shape {
        types,
        members,
        open: a.open && b.open,
        items,
        default,
        only: intersection(a.only, b.only),
        format: a.format.or(b.format),
    }
}

/// Two defaults that differ are none: which of them is filled in is not known.
fn one_default(a: Option<Value>, b: Option<Value>) -> Option<Value> {
    match (a, b) {
        (Some(a), Some(b)) => (a == b).then_some(a),
        (one, other) => one.or(other),
    }
}

/// What fits any of them; `None` for none.
fn either(branches: Vec<Read>) -> Option<Read> {
    let required = branches
        .iter()
        .filter(|branch| may_be(&branch.shape, Type::Map))
        .map(|branch| branch.required.clone())
        .reduce(|a, b| &a & &b)
        .unwrap_or_default();
    let shape = branches.into_iter().map(|branch| branch.shape).reduce(either_shape)?;
    Some(Read { shape, required })
}

fn either_shape(a: Shape, b: Shape) -> Shape {
    let types = if a.types.is_empty() || b.types.is_empty() { BTreeSet::new() } else { &a.types | &b.types };
    let format = if a.format == b.format { a.format.clone() } else { None };
    let default = if a.default == b.default { a.default.clone() } else { None };
    let only = match (a.only.clone(), b.only.clone()) {
        (Some(mut a), Some(b)) => {
            a.extend(b.into_iter().filter(|value| !a.contains(value)).collect::<Vec<_>>());
            Some(a)
        }
        _ => None,
    };
    let items = match (may_be(&a, Type::List), may_be(&b, Type::List)) {
        (true, true) => match (a.items.clone(), b.items.clone()) {
            (Some(a), Some(b)) => Some(Box::new(either_shape(*a, *b))),
            _ => None,
        },
        (true, false) => a.items.clone(),
        (false, _) => b.items.clone(),
    };
    let (members, open) = match (may_be(&a, Type::Map), may_be(&b, Type::Map)) {
        (true, true) => (either_members(&a, &b), a.open || b.open),
        (true, false) => (a.members, a.open),
        (false, true) => (b.members, b.open),
        (false, false) => (Vec::new(), true),
    };
    Shape { types, members, open, items, default, only, format }
}

fn either_members(a: &Shape, b: &Shape) -> Vec<(String, Shape)> {
    let names: BTreeSet<&String> = a.members.iter().chain(&b.members).map(|(name, _)| name).collect();
    let find = |shape: &Shape, name: &String| {
        shape.members.iter().find(|(known, _)| known == name).map(|(_, member)| member.clone())
    };
    names
        .into_iter()
        .map(|name| {
            let member = match (find(a, name), find(b, name)) {
                (Some(a), Some(b)) => either_shape(a, b),
                (Some(member), None) => alone(member, b.open),
                (None, Some(member)) => alone(member, a.open),
                (None, None) => anything().shape,
            };
            (name.clone(), member)
        })
        .collect()
}

/// A member that only one of two alternatives names: where the other allows any member, it may be anything; and it has no
/// default, because it may be absent.
fn alone(member: Shape, other_open: bool) -> Shape {
    if other_open { anything().shape } else { Shape { default: None, ..member } }
}

fn may_be(shape: &Shape, kind: Type) -> bool {
    shape.types.is_empty() || shape.types.contains(&kind)
}
