//! What an agent asks of a database: one statement and the values bound to it, as the payload of an action.

use ambit_core::value::Value;
use thiserror::Error;

use crate::json::{self, JsonError, Limits};

/// The most bytes of a statement's text.
pub const MOST_STATEMENT: usize = 1 << 20;

/// The most values that a statement is bound to; the protocol has no more.
pub const MOST_PARAMETERS: usize = 65_535;

/// The operation of an action that is a statement.
pub const OPERATION: &str = "statement";

/// What an action that is a statement names; a database has no tools.
pub const NAME: &str = "sql";

/// One statement, and what is bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The statement, byte for byte.
    pub statement: String,
    /// The values of `$1`, `$2`, ….
    pub parameters: Vec<Parameter>,
}

/// A bound value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The number of its type, as the agent gave it or the database inferred it; 0: not known.
    pub type_number: u32,
    /// The value.
    pub value: Bound,
}

/// A value, in the form that it was sent in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// Null.
    Null,
    /// In the type's text form.
    Text(String),
    /// In the type's binary form.
    Binary(Vec<u8>),
}

/// Why a payload is no statement.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AskedError {
    /// It is not JSON that every reader reads alike.
    #[error("the payload cannot be read: {0}")]
    Json(#[from] JsonError),
    /// It is not of this form.
    #[error("the payload is not a statement")]
    Form,
}

impl Asked {
    /// A statement to which nothing is bound.
    #[must_use]
    pub fn plain(statement: &str) -> Asked {
        Asked { statement: statement.to_owned(), parameters: Vec::new() }
    }

    /// The payload of the action: one form for one asking, which people can read in a record.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let mut members = vec![("statement".to_owned(), Value::Text(self.statement.clone()))];
        if !self.parameters.is_empty() {
            let parameters = self.parameters.iter().map(Parameter::value).collect();
            members.push(("parameters".to_owned(), Value::List(parameters)));
        }
        json::write(&Value::Map(members)).into_bytes()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// When it is not what [`Asked::payload`] writes.
    pub fn read(payload: &[u8]) -> Result<Asked, AskedError> {
        let value = json::read_within(payload, LIMITS)?;
        let asked = Asked::of(&value).ok_or(AskedError::Form)?;
        // One asking, one payload: what is decided over is what was framed.
        if asked.payload() == payload { Ok(asked) } else { Err(AskedError::Form) }
    }

    fn of(value: &Value) -> Option<Asked> {
        let Value::Text(statement) = value.get("statement")? else { return None };
        let parameters = match value.get("parameters") {
            None => Vec::new(),
            Some(Value::List(parameters)) => parameters.iter().map(Parameter::of).collect::<Option<_>>()?,
            Some(_) => return None,
        };
        Some(Asked { statement: statement.clone(), parameters })
    }
}

/// A statement of [`MOST_STATEMENT`] bytes and the most parameters; what is bound may be as large as a row.
const LIMITS: Limits = Limits { bytes: 64 << 20, depth: 4, values: 3 * MOST_PARAMETERS + 8 };

impl Parameter {
    fn value(&self) -> Value {
        let kind = ("type".to_owned(), Value::Number(u64::from(self.type_number).into()));
        let bound = match &self.value {
            Bound::Null => ("null".to_owned(), Value::Bool(true)),
            Bound::Text(text) => ("text".to_owned(), Value::Text(text.clone())),
            Bound::Binary(bytes) => ("binary".to_owned(), Value::Text(hex(bytes))),
        };
        Value::Map(vec![kind, bound])
    }

    fn of(value: &Value) -> Option<Parameter> {
        let [(first, Value::Number(number)), (second, bound)] = value.members() else { return None };
        if first != "type" {
            return None;
        }
        let value = match (second.as_str(), bound) {
            ("null", Value::Bool(true)) => Bound::Null,
            ("text", Value::Text(text)) => Bound::Text(text.clone()),
            ("binary", Value::Text(digits)) => Bound::Binary(unhex(digits)?),
            _ => return None,
        };
        Some(Parameter { type_number: u32::try_from(number.to_u64()?).ok()?, value })
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asking_has_one_payload_and_a_payload_one_asking() {
        let one = |type_number, value| Parameter { type_number, value };
        let asked = Asked {
            statement: "UPDATE customers SET status = $1 WHERE id = $2 -- \u{202e}\n".into(),
            parameters: vec![
                one(25, Bound::Text("vip\u{0}\u{200b}".into())),
                one(23, Bound::Binary(vec![0, 0, 34, 108])),
                one(0, Bound::Null),
            ],
        };
        let payload = asked.payload();
        assert_eq!(Asked::read(&payload), Ok(asked));
        assert_eq!(
            String::from_utf8(payload).unwrap(),
            "{\"statement\":\"UPDATE customers SET status = $1 WHERE id = $2 -- \\u202e\\n\",\"parameters\":[\
             {\"type\":25,\"text\":\"vip\\u0000\\u200b\"},{\"type\":23,\"binary\":\"0000226c\"},{\"type\":0,\"null\":true}]}"
        );
        assert_eq!(Asked::plain("SELECT 1").payload(), b"{\"statement\":\"SELECT 1\"}");
    }

    #[test]
    fn what_is_not_the_one_form_is_none() {
        for payload in [
            "{}",
            "{\"statement\":1}",
            "{\"statement\":\"a\" }",
            "{\"statement\":\"a\",\"parameters\":[]}",
            "{\"statement\":\"a\",\"more\":1}",
            "{\"statement\":\"a\",\"parameters\":[{\"type\":1}]}",
            "{\"statement\":\"a\",\"parameters\":[{\"type\":4294967296,\"null\":true}]}",
            "{\"statement\":\"a\",\"parameters\":[{\"type\":1,\"binary\":\"0\"}]}",
            "{\"statement\":\"a\",\"parameters\":[{\"type\":1,\"binary\":\"AA\"}]}",
            "{\"statement\":\"a\",\"parameters\":[{\"type\":1,\"null\":false}]}",
        ] {
            assert_eq!(Asked::read(payload.as_bytes()), Err(AskedError::Form), "{payload}");
        }
        assert!(matches!(Asked::read(b"{\"statement\":\"a\",\"statement\":\"b\"}"), Err(AskedError::Json(_))));
    }
}
