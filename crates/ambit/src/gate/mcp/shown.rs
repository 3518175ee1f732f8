//! A tool's definition as an agent is shown it, where the agent does not see all that the tool returns.

use ambit_core::returns::Returns;
use ambit_effects::schema::narrowed;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::gate::rpc::{self, Members};

/// The definition with an output schema that results fit which are cut to those parts; without one, where there is none that
/// clients would take. All else is byte for byte. `None`: the definition cannot be read.
#[must_use]
pub fn shown(definition: &RawValue, returns: &Returns) -> Option<Box<RawValue>> {
    let members = Members::of(definition).ok()?;
    let Some(schema) = members.get("outputSchema") else { return Some(definition.to_owned()) };
    let mut out = rpc::without(&members, "outputSchema");
    let schema: Option<Value> = serde_json::from_str(schema.get()).ok();
    if let Some(schema) = schema.and_then(|schema| narrowed(&schema, returns)) {
        out.pop();
        out.extend_from_slice(format!(",\"outputSchema\":{schema}}}").as_bytes());
    }
    RawValue::from_string(String::from_utf8(out).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use ambit_core::returns::{NamedPart, Part};

    use super::*;

    #[test]
    fn what_is_shown_has_the_kept_parts_alone_and_is_otherwise_as_it_was() {
        let part = Part::parse("id").unwrap();
        let kept = vec![NamedPart { part, resource: "crm.customers".into(), field: Some("id".into()) }];
        let returns = Returns { kept, withheld: vec![] };
        let of = |text: &str| {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            shown(&raw, &returns).unwrap().get().to_owned()
        };
        let before = r#"{"name":"get", "inputSchema": {"type" : "object"},"outputSchema":{"type":"object","required":["ssn"],"properties":{"id":{"type":"string"},"ssn":{}}}}"#;
        assert_eq!(
            of(before),
            r#"{"name":"get","inputSchema":{"type" : "object"},"outputSchema":{"properties":{"id":{"type":"string"}},"type":"object"}}"#
        );
        assert_eq!(of(r#"{"name":"get","outputSchema":{"type":"array"}}"#), r#"{"name":"get"}"#);
        assert_eq!(of(r#"{ "name":"get" }"#), r#"{ "name":"get" }"#);
    }
}
