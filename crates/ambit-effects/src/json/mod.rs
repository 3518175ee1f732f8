//! JSON bytes, read strictly.
//!
//! Two readers of the same bytes must not see different things, or what was decided is not what runs. So whatever readers
//! are known to disagree about is an error here: duplicate keys, lone surrogates, invalid UTF-8, trailing bytes, and
//! numbers that binary floating point would change.

mod parser;
mod placed;
mod write;

use ambit_core::decimal::Decimal;
use ambit_core::value::Value;
use thiserror::Error;

use parser::{Parser, Tree};

pub(crate) use placed::{Kind, Placed};
pub(crate) use write::deceives;
pub use write::{canonical, escape, write};

/// How much is read at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole text.
    pub bytes: usize,
    /// Arrays and objects within one another.
    pub depth: usize,
    /// Values of all kinds, counted together.
    pub values: usize,
}

impl Limits {
    /// For what an agent sends: 4 MiB, 64 deep, 200,000 values.
    pub const CALL: Limits = Limits { bytes: 4 << 20, depth: 64, values: 200_000 };
    /// For what a server gives back, where it has to be looked into: 16 MiB, 64 deep, 200,000 values.
    pub const RESULT: Limits = Limits { bytes: 16 << 20, depth: 64, values: 200_000 };
    /// For the definition of one tool, prompt or resource: 256 KiB, 64 deep, 20,000 values.
    pub const DEFINITION: Limits = Limits { bytes: 256 << 10, depth: 64, values: 20_000 };
}

/// Why bytes are not JSON that every reader reads alike.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem} at byte {at}")]
pub struct JsonError {
    /// Offset into the bytes.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with JSON bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// More bytes than [`Limits::bytes`].
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// Deeper than [`Limits::depth`].
    #[error("more than {0} arrays and objects within one another")]
    TooDeep(usize),
    /// More values than [`Limits::values`].
    #[error("more than {0} values")]
    TooMany(usize),
    /// Not UTF-8.
    #[error("not UTF-8")]
    Encoding,
    /// Not the grammar of JSON.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A control character inside a string.
    #[error("a control character in a string must be escaped")]
    Control,
    /// Half of a surrogate pair.
    #[error("half of a surrogate pair stands for no character")]
    Surrogate,
    /// The same key twice in one object; the key, escaped.
    #[error("the key `{0}` stands twice in one object")]
    Duplicate(String),
    /// A number that not every reader reads alike; the number, as written.
    #[error("the number `{0}` cannot be read exactly by everyone: write it with at most 15 digits, or as a string")]
    Inexact(String),
}

/// Reads one JSON value as the arguments of an action, within [`Limits::CALL`].
///
/// # Errors
/// When the bytes are not JSON that every reader reads alike, or go beyond the limits.
pub fn read(bytes: &[u8]) -> Result<Value, JsonError> {
    read_within(bytes, Limits::CALL)
}

/// Reads one JSON value as the arguments of an action.
///
/// # Errors
/// When the bytes are not JSON that every reader reads alike, or go beyond the limits.
pub fn read_within(bytes: &[u8], limits: Limits) -> Result<Value, JsonError> {
    Parser::read(bytes, limits)
}

/// Reads one JSON document that a server wrote: a definition, a schema. As strict as [`read`], but numbers may be of any size,
/// because a schema's bounds often are (`"maximum": 9223372036854775807`).
///
/// # Errors
/// When the bytes are not JSON that every reader reads alike, or go beyond the limits.
pub fn document(bytes: &[u8], limits: Limits) -> Result<serde_json::Value, JsonError> {
    Parser::read(bytes, limits)
}

/// The value that a part of a document stands for; `None` when a number in it cannot be held exactly.
#[must_use]
pub fn value_of(document: &serde_json::Value) -> Option<Value> {
    use serde_json::Value as Json;
    Some(match document {
        Json::Null => Value::Null,
        Json::Bool(known) => Value::Bool(*known),
        Json::Number(number) => Value::Number(exact(&number.to_string())?),
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(value_of).collect::<Option<_>>()?),
        Json::Object(members) => {
            Value::Map(members.iter().map(|(key, value)| Some((key.clone(), value_of(value)?))).collect::<Option<_>>()?)
        }
    })
}

/// The document that stands for a value, for the validator. Numbers become what binary floating point makes of them, which
/// is what every reader makes of them: see [`exact`].
pub(crate) fn document_of(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null | Value::Unknown => Json::Null,
        Value::Bool(known) => Json::Bool(*known),
        Value::Number(number) => number_of(*number),
        Value::Text(text) => Json::String(text.clone()),
        Value::List(items) => Json::Array(items.iter().map(document_of).collect()),
        Value::Map(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), document_of(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

fn number_of(number: Decimal) -> serde_json::Value {
    let text = number.to_string();
    if let Ok(integer) = text.parse::<i64>() {
        return integer.into();
    }
    text.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map_or(serde_json::Value::Null, Into::into)
}

/// The number written there, where a reader with binary floating point (JavaScript, most of JSON's readers) sees the same:
/// an integer within ±(2^53−1), or a fraction that survives the way there and back.
fn exact(text: &str) -> Option<Decimal> {
    const SAFE: u64 = (1 << 53) - 1;
    let number = Decimal::parse(text)?;
    let magnitude = if number.is_negative() { Decimal::ZERO.checked_sub(number)? } else { number };
    if magnitude > Decimal::from(SAFE) {
        return None;
    }
    // Any decimal of at most 15 significant digits survives; so does every integer that is left.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits <= 15 || number.is_integer() {
        return Some(number);
    }
    let float: f64 = text.parse().ok()?;
    (Decimal::parse(&float.to_string()) == Some(number)).then_some(number)
}

impl Tree for Value {
    fn null() -> Value {
        Value::Null
    }
    fn bool(known: bool) -> Value {
        Value::Bool(known)
    }
    fn number(text: &str) -> Option<Value> {
        exact(text).map(Value::Number)
    }
    fn text(text: String) -> Value {
        Value::Text(text)
    }
    fn list(items: Vec<Value>) -> Value {
        Value::List(items)
    }
    fn map(members: Vec<(String, Value)>) -> Value {
        Value::Map(members)
    }
}

impl Tree for serde_json::Value {
    fn null() -> Self {
        serde_json::Value::Null
    }
    fn bool(known: bool) -> Self {
        serde_json::Value::Bool(known)
    }
    fn number(text: &str) -> Option<Self> {
        // Not `serde_json`'s own reading, which may be off in the last place unless one of its global features is on.
        if let Ok(integer) = text.parse::<i64>() {
            return Some(integer.into());
        }
        if let Ok(integer) = text.parse::<u64>() {
            return Some(integer.into());
        }
        serde_json::Number::from_f64(text.parse().ok()?).map(serde_json::Value::Number)
    }
    fn text(text: String) -> Self {
        serde_json::Value::String(text)
    }
    fn list(items: Vec<Self>) -> Self {
        serde_json::Value::Array(items)
    }
    fn map(members: Vec<(String, Self)>) -> Self {
        serde_json::Value::Object(members.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    fn number(text: &str) -> Value {
        Value::Number(Decimal::parse(text).unwrap())
    }

    #[test]
    fn what_is_read_is_what_is_written() {
        let value = read(br#" {"a": [1, -2.50, 1e2, true, null], "\u00e9\n": "\ud83d\ude00 \/", "": {}} "#).unwrap();
        assert_eq!(
            value,
            Value::Map(vec![
                (
                    "a".into(),
                    Value::List(vec![number("1"), number("-2.5"), number("100"), Value::Bool(true), Value::Null])
                ),
                ("é\n".into(), Value::Text("😀 /".into())),
                (String::new(), Value::Map(vec![])),
            ])
        );
        assert_ne!(read(b"5"), read(b"\"5\""));
        assert_ne!(read(b"{}"), read(b"{\"a\":null}"));
    }

    #[test]
    fn what_readers_disagree_about_is_an_error() {
        for (text, expected) in [
            (r#"{"a":1,"a":2}"#, "the key `a` stands twice in one object at byte 7"),
            (r#"{"a":1,"\u0061":2}"#, "the key `a` stands twice in one object at byte 7"),
            (r#"{"x":{"a\u202e":1,"a\u202e":2}}"#, r"the key `a\u{202e}` stands twice in one object at byte 18"),
            (r#""\ud83d""#, "half of a surrogate pair stands for no character at byte 1"),
            (r#""\ud83d\u0041""#, "half of a surrogate pair stands for no character at byte 1"),
            (r#""\ude00""#, "half of a surrogate pair stands for no character at byte 1"),
            ("\"a\u{1}\"", "a control character in a string must be escaped at byte 2"),
            ("{} x", "expected the end at byte 3"),
            ("", "expected a value at byte 0"),
            ("[1,]", "expected a value at byte 3"),
            ("{\"a\":1,}", "expected a key at byte 7"),
            ("{'a':1}", "expected a key at byte 1"),
            ("[1 2]", "expected `,` or `]` at byte 3"),
            ("{\"a\" 1}", "expected `:` at byte 5"),
            ("\u{feff}{}", "expected a value at byte 0"),
            ("\"a", "expected the end of the string at byte 2"),
            (r#""\x""#, "expected an escape at byte 2"),
            (r#""\u12G4""#, "expected four hexadecimal digits at byte 3"),
            ("nul", "expected a value at byte 0"),
            ("NaN", "expected a value at byte 0"),
            ("01", "expected the end at byte 1"),
            ("-", "expected a number at byte 0"),
            ("1.", "expected a number at byte 0"),
            ("\u{a0}1", "expected a value at byte 0"),
        ] {
            assert_eq!(problem(text), expected, "{text}");
        }
        assert_eq!(read(b"\"\xff\"").unwrap_err(), JsonError { at: 1, problem: Problem::Encoding });
        // An encoded surrogate is not UTF-8.
        assert_eq!(read(b"\"\xed\xa0\xbd\"").unwrap_err().problem, Problem::Encoding);
    }

    #[test]
    fn a_duplicate_among_many_keys_is_found() {
        let many: Vec<String> = (0..500).map(|i| format!("\"k{i}\":{i}")).collect();
        assert!(read(format!("{{{}}}", many.join(",")).as_bytes()).is_ok());
        assert!(
            problem(&format!("{{{},\"k77\":1}}", many.join(",")))
                .starts_with("the key `k77` stands twice in one object")
        );
    }

    #[test]
    fn numbers_that_floats_change_are_an_error() {
        for text in [
            "0",
            "-0",
            "9007199254740991",
            "-9007199254740991",
            "0.1",
            "19.99",
            "0.30000000000000004",
            "1e15",
            "1234567890.12345",
            "900719925474.0991e4",
            "1e-36",
            "100000000000000000000e-10",
        ] {
            assert_eq!(read(text.as_bytes()), Ok(number(text)), "{text}");
        }
        for text in [
            "9007199254740992",
            "9007199254740993.0",
            "-9007199254740993",
            "1e20",
            "1e999",
            "1e-999",
            "1E400",
            "199.99999999999999999",
            "0.1234567890123456789",
            "9007199254740991.5",
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err().problem, Problem::Inexact(text.into()), "{text}");
        }
        assert!(document(b"9223372036854775807", Limits::CALL).is_ok());
        assert!(document(b"{\"a\":1,\"a\":1}", Limits::CALL).is_err());
        // A very long number is shown cut.
        assert!(problem(&"1".repeat(100_000)).len() < 300);
    }

    #[test]
    fn bounds_hold() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(read(nested(64).as_bytes()).is_ok());
        assert_eq!(read(nested(65).as_bytes()).unwrap_err(), JsonError { at: 64, problem: Problem::TooDeep(64) });
        assert!(matches!(read("[".repeat(1_000_000).as_bytes()).unwrap_err().problem, Problem::TooDeep(_)));
        let limits = Limits { bytes: 12, depth: 64, values: 3 };
        assert!(read_within(b"[1,2]", limits).is_ok());
        assert_eq!(read_within(b"[1,2,3]", limits).unwrap_err().problem, Problem::TooMany(3));
        assert_eq!(read_within(b"\"0123456789a\"", limits).unwrap_err().problem, Problem::TooLarge(12));
    }

    #[test]
    fn documents_and_values_stand_for_one_another() {
        let text = br#"{"a":[1,2.5,"x",null,true],"b":{"c":-9007199254740991}}"#;
        let value = read(text).unwrap();
        assert_eq!(value_of(&document(text, Limits::CALL).unwrap()), Some(value.clone()));
        assert_eq!(document_of(&value), document(text, Limits::CALL).unwrap());
        assert_eq!(value_of(&document(b"[1e300]", Limits::CALL).unwrap()), None);
    }
}
