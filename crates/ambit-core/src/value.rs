//! The arguments of an action, as read: JSON's shapes with exact numbers.

use crate::decimal::Decimal;

/// One value. Whoever builds it has already refused duplicate keys and bounded its depth and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// JSON's `null`: counts as not given.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An exact number.
    Number(Decimal),
    /// Text, unescaped.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object, in the order it was written; keys are unique.
    Map(Vec<(String, Value)>),
    /// Something that nobody knows yet: a column of a row that only the database sees. No JSON is read as this.
    Unknown,
}

/// The value of "nothing was given".
pub static NULL: Value = Value::Null;

impl Value {
    /// The member of that name; `None` when this is no object or has no such member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// An object's members, or nothing.
    #[must_use]
    pub fn members(&self) -> &[(String, Value)] {
        match self {
            Value::Map(members) => members,
            _ => &[],
        }
    }
}
