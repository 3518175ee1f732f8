//! Keys that differ only in case. Some readers (Go's `encoding/json`) take either for the same member, and which of the two
//! they keep is theirs to know: what stands there is not read.

use std::collections::BTreeSet;

use ambit_core::catalog::Shape;
use ambit_core::reading::{Reach, Unread};
use ambit_core::value::Value;

use super::Target;
use crate::json::escape;

/// Adds an unread part for each top-level argument with a key, itself or within, that the schema does not name there and
/// that differs only in case from one that it names or that is given too.
pub(super) fn find(arguments: &Value, target: &Target<'_>, unread: &mut Vec<Unread>) {
    let fields = &target.resource.fields;
    let top = odd(arguments.members(), || fields.iter().map(|field| field.name.as_str()));
    if let Some(key) = top {
        let place = fields.iter().position(|field| folded(&field.name) == folded(key));
        unread.push(told(key, None, reach(target, place)));
    }
    for (name, value) in arguments.members() {
        let place = target.resource.field_named(name);
        let shape = place.and_then(|place| fields.get(place)).map(|field| &field.shape);
        if let Some(key) = within(value, shape) {
            unread.push(told(key, Some(name), reach(target, place)));
        }
    }
}

fn reach(target: &Target<'_>, place: Option<usize>) -> Reach {
    place.map_or(Reach::Resource(target.id), |place| Reach::Field(target.id, place))
}

fn told(key: &str, within: Option<&str>, reach: Reach) -> Unread {
    let within = within.map(|name| format!(" in `{}`", escape(name))).unwrap_or_default();
    Unread { what: format!("`{}`{within}: a key that differs from another only in case", escape(key)), reach }
}

fn within<'v>(value: &'v Value, shape: Option<&Shape>) -> Option<&'v str> {
    match value {
        Value::List(items) => {
            let shape = shape.and_then(|shape| shape.items.as_deref());
            items.iter().find_map(|item| within(item, shape))
        }
        Value::Map(members) => {
            let named = shape.map_or(&[][..], |shape| shape.members.as_slice());
            odd(members, || named.iter().map(|(name, _)| name.as_str())).or_else(|| {
                members.iter().find_map(|(key, value)| {
                    let shape = named.iter().find(|(name, _)| name == key).map(|(_, shape)| shape);
                    within(value, shape)
                })
            })
        }
        _ => None,
    }
}

/// A key among the members that is not named and has a twin. Two names of the schema that differ only in case are told apart
/// by whoever wrote it.
fn odd<'v, 'n, N: Iterator<Item = &'n str>>(members: &'v [(String, Value)], named: impl Fn() -> N) -> Option<&'v str> {
    let mut strange =
        members.iter().map(|(key, _)| key.as_str()).filter(|key| !named().any(|name| name == *key)).peekable();
    strange.peek()?;
    let mut seen: BTreeSet<String> = named().map(folded).collect();
    strange.find(|key| !seen.insert(folded(key)))
}

/// As Unicode folds case, or more: the long s is an s, and the sign of the kelvin a k.
fn folded(key: &str) -> String {
    key.to_uppercase().to_lowercase()
}
