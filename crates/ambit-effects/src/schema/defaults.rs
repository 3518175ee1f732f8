//! Filling in what a schema says of absent values. For testing lines only: the bytes that are sent stay as they are.

use ambit_core::catalog::{Field, Shape};
use ambit_core::value::Value;

/// The arguments with the defaults of the schema in the place of what is absent: top-level arguments, and members of objects
/// that are there, in arrays too. `null` was given, so it stays; no object is made up only to hold defaults.
#[must_use]
pub fn filled(arguments: Value, fields: &[Field]) -> Value {
    let Value::Map(members) = arguments else { return arguments };
    Value::Map(fill_members(members, fields.iter().map(|field| (field.name.as_str(), &field.shape))))
}

fn fill_members<'a>(
    mut members: Vec<(String, Value)>,
    shapes: impl Iterator<Item = (&'a str, &'a Shape)>,
) -> Vec<(String, Value)> {
    for (name, shape) in shapes {
        match members.iter_mut().find(|(given, _)| given == name) {
            Some((_, value)) => fill(value, shape),
            None => {
                if let Some(default) = &shape.default {
                    let mut value = default.clone();
                    fill(&mut value, shape);
                    members.push((name.to_owned(), value));
                }
            }
        }
    }
    members
}

fn fill(value: &mut Value, shape: &Shape) {
    match value {
        Value::Map(members) if !shape.members.is_empty() => {
            let shapes = shape.members.iter().map(|(name, shape)| (name.as_str(), shape));
            *members = fill_members(std::mem::take(members), shapes);
        }
        Value::List(items) => {
            if let Some(shape) = &shape.items {
                items.iter_mut().for_each(|item| fill(item, shape));
            }
        }
        _ => {}
    }
}
