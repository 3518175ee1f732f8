//! Arguments of a tool that a request over HTTP repeats in its headers, because the tool's schema says so (`x-mcp-header`;
//! Model Context Protocol 2026-07-28, streamable HTTP).

use serde_json::Value;
use serde_json::value::RawValue;

use super::headers::{decoded, encoded};
use crate::gate::rpc::Members;

/// One argument that is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The header, in lowercase.
    pub header: String,
    /// Where the argument stands.
    path: Vec<String>,
}

const MARK: &str = "x-mcp-header";
// Deeper than this no schema is looked into; it is bounded long before.
const DEEPEST: usize = 64;

/// The arguments that a tool's definition has repeated.
///
/// # Errors
/// When it says so of one that cannot be, or not as the protocol has it; why.
pub fn mirrored(definition: &RawValue) -> Result<Vec<Mirrored>, String> {
    // Almost none does.
    if !definition.get().contains(MARK) {
        return Ok(Vec::new());
    }
    let definition: Value = serde_json::from_str(definition.get()).map_err(|_| "it cannot be read".to_owned())?;
    let mut all = Vec::new();
    if let Some(schema) = definition.get("inputSchema") {
        find(schema, &mut Vec::new(), true, &mut all)?;
    }
    let mut names: Vec<&str> = all.iter().map(|one| one.header.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair.first() == pair.last()) {
        Some(pair) => Err(format!("two arguments are repeated in `{}`", pair.first().unwrap_or(&""))),
        None => Ok(all),
    }
}

/// Looks into a schema. `reachable`: whether only `properties` lead to it.
fn find(schema: &Value, path: &mut Vec<String>, reachable: bool, all: &mut Vec<Mirrored>) -> Result<(), String> {
    if path.len() > DEEPEST {
        return Err("its schema is too deep".into());
    }
    let Value::Object(members) = schema else {
        if let Value::Array(items) = schema {
            items.iter().try_for_each(|item| find(item, path, false, all))?;
        }
        return Ok(());
    };
    if let Some(name) = members.get(MARK) {
        let name = name.as_str().filter(|name| is_token(name)).ok_or(format!("its `{MARK}` is no name of a header"))?;
        let primitive = members.get("type").and_then(Value::as_str);
        if !reachable || path.is_empty() || !matches!(primitive, Some("string" | "integer" | "boolean")) {
            return Err(format!("`{name}` repeats what is no text, whole number, true or false of its own place"));
        }
        all.push(Mirrored { header: format!("mcp-param-{}", name.to_ascii_lowercase()), path: path.clone() });
    }
    for (key, value) in members {
        match value {
            Value::Object(properties) if key == "properties" => {
                for (name, property) in properties {
                    path.push(name.clone());
                    find(property, path, reachable, all)?;
                    path.pop();
                }
            }
            // An example or a constant is no schema, whatever stands in it.
            _ if ["const", "default", "enum", "examples"].contains(&key.as_str()) => {}
            _ => {
                path.push(String::new());
                find(value, path, false, all)?;
                path.pop();
            }
        }
    }
    Ok(())
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

impl Mirrored {
    /// The argument, where it is given and can be repeated.
    fn of<'a>(&self, arguments: &'a Value) -> Option<&'a Value> {
        self.path.iter().try_fold(arguments, |value, step| value.get(step)).filter(|value| !value.is_null())
    }

    /// What the header says for a call with such parameters; `None` where it is left out.
    #[must_use]
    pub fn said(&self, arguments: &Value) -> Option<String> {
        match self.of(arguments)? {
            Value::String(text) => Some(encoded(text)),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            _ => None,
        }
    }

    /// Whether a header says what the arguments say; neither may say something alone.
    #[must_use]
    pub fn agrees(&self, header: Option<&str>, arguments: &Value) -> bool {
        let (Some(header), Some(value)) = (header, self.of(arguments)) else {
            return header.is_none() && self.of(arguments).is_none();
        };
        let Some(header) = decoded(header) else { return false };
        match value {
            Value::String(text) => header == *text,
            Value::Bool(truth) => header == truth.to_string(),
            // As numbers: `42.0` is 42.
            Value::Number(number) => {
                // A float cannot tell great whole numbers apart.
                let whole = header.split_once('.').map_or(Some(header.as_str()), |(whole, rest)| {
                    rest.bytes().all(|digit| digit == b'0').then_some(whole)
                });
                whole == Some(number.to_string().as_str())
            }
            _ => false,
        }
    }
}

/// The arguments of a call, out of its parameters.
#[must_use]
pub fn arguments(params: Option<&RawValue>) -> Value {
    let given = || serde_json::from_str(Members::of(params?).ok()?.get("arguments")?.get()).ok();
    given().unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(schema: Value) -> Result<Vec<Mirrored>, String> {
        let definition = json!({ "name": "t", "inputSchema": schema });
        mirrored(&RawValue::from_string(definition.to_string()).unwrap())
    }

    #[test]
    fn what_a_schema_marks_is_repeated() {
        let all = of(json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "deep": { "type": "object", "properties": { "n": { "type": "integer", "x-mcp-header": "N" } } },
            "x-mcp-header": { "type": "string" },
            "plain": { "type": "string", "default": { "x-mcp-header": 5 } },
        } }))
        .unwrap();
        let arguments = json!({ "region": "é", "deep": { "n": 42 } });
        let said = |header: &str| all.iter().find(|one| one.header == header).unwrap().said(&arguments);
        assert_eq!(all.len(), 2);
        assert_eq!(said("mcp-param-region").as_deref(), Some("=?base64?w6k=?="));
        assert_eq!(said("mcp-param-n").as_deref(), Some("42"));
        for (header, arguments, agrees) in [
            (Some("42"), json!({ "deep": { "n": 42 } }), true),
            (Some("42.0"), json!({ "deep": { "n": 42 } }), true),
            (Some("43"), json!({ "deep": { "n": 42 } }), false),
            (Some("42.5"), json!({ "deep": { "n": 42 } }), false),
            (Some("9007199254740992"), json!({ "deep": { "n": 9_007_199_254_740_993_i64 } }), false),
            (None, json!({ "deep": { "n": 42 } }), false),
            (None, json!({ "deep": { "n": null } }), true),
            (None, json!({}), true),
            (Some("42"), json!({}), false),
            (Some("=?base64?NDI=?="), json!({ "deep": { "n": 42 } }), true),
            (Some("=?base64?!?="), json!({ "deep": { "n": 42 } }), false),
        ] {
            let n = all.iter().find(|one| one.header == "mcp-param-n").unwrap();
            assert_eq!(n.agrees(header, &arguments), agrees, "{header:?} {arguments}");
        }
    }

    #[test]
    fn a_mark_that_cannot_be_is_an_error() {
        let marked = |property: Value| of(json!({ "type": "object", "properties": { "a": property } }));
        for odd in [
            json!({ "type": "string", "x-mcp-header": "" }),
            json!({ "type": "string", "x-mcp-header": "a b" }),
            json!({ "type": "string", "x-mcp-header": "a\r\nHost: b" }),
            json!({ "type": "string", "x-mcp-header": 5 }),
            json!({ "type": "number", "x-mcp-header": "N" }),
            json!({ "type": "object", "x-mcp-header": "O" }),
            json!({ "type": ["string", "null"], "x-mcp-header": "U" }),
            json!({ "type": "array", "items": { "type": "string", "x-mcp-header": "I" } }),
            json!({ "anyOf": [{ "type": "string", "x-mcp-header": "A" }] }),
        ] {
            assert!(marked(odd.clone()).is_err(), "{odd}");
        }
        assert!(of(json!({ "type": "string", "x-mcp-header": "Root" })).is_err());
        let twice = json!({ "type": "object", "properties": {
            "a": { "type": "string", "x-mcp-header": "Same" }, "b": { "type": "string", "x-mcp-header": "sAME" } } });
        assert!(of(twice).is_err());
    }
}
