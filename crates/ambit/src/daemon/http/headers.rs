//! What the headers of a request say beside its body. Whoever is between may act on the headers, so a request whose two
//! halves disagree is taken by nobody (Model Context Protocol 2026-07-28, streamable HTTP).

use hyper::HeaderMap;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::gate::mcp::era::{self, Era, STATELESS, Said, Wrong, supported, unsupported};
use crate::gate::mcp::headers::{METHOD, NAME, VERSION, decoded, named, said_in};
use crate::gate::mcp::mirrored::Mirrored;
use crate::gate::rpc::code;

/// Compares the headers of a request with what its body says.
///
/// # Errors
/// When they disagree, one is missing, or a version is named that is not spoken here.
pub(super) fn agree(headers: &HeaderMap, method: &str, params: Option<&RawValue>) -> Result<Era, Wrong> {
    let version = one(headers, VERSION)?;
    // Before whether either is spoken here.
    if let (Some(version), Some(body)) = (version.as_deref(), era::named(params))
        && body != version
    {
        let why = format!("`MCP-Protocol-Version` is `{}`, and the body says another", short(version));
        return Err(mismatch(&why));
    }
    let said = Said::of(params)?;
    if said.era == Era::Handshake {
        // Its clients need not repeat anything; what they repeat must be so.
        repeated(headers, method, params, false)?;
        return match version.as_deref() {
            // Clients of before 2025-06-18 send none.
            None => Ok(Era::Handshake),
            Some(STATELESS) => Err(Wrong { code: code::INVALID_PARAMS, message: missing_meta(), data: None }),
            Some(version) if supported().contains(&version) => Ok(Era::Handshake),
            Some(version) => Err(unsupported(version)),
        };
    }
    if version.is_none() {
        return Err(mismatch("`MCP-Protocol-Version` is missing"));
    }
    repeated(headers, method, params, true)?;
    Ok(Era::Stateless)
}

/// Compares what the headers repeat of the body; `must`: whether they have to.
fn repeated(headers: &HeaderMap, method: &str, params: Option<&RawValue>, must: bool) -> Result<(), Wrong> {
    match one(headers, METHOD)?.as_deref() {
        Some(said) if said == method => {}
        Some(said) => return Err(mismatch(&format!("`Mcp-Method` is `{}`, and the body says another", short(said)))),
        None if must => return Err(mismatch("`Mcp-Method` is missing")),
        None => {}
    }
    let Some(named) = named(method) else { return Ok(()) };
    let header = match one(headers, NAME)? {
        None if must => return Err(mismatch("`Mcp-Name` is missing")),
        None => return Ok(()),
        Some(header) => decoded(&header).ok_or_else(|| mismatch("`Mcp-Name` cannot be decoded"))?,
    };
    let body = said_in(params, named);
    if body.as_deref() == Some(header.as_str()) {
        return Ok(());
    }
    Err(mismatch(&format!("`Mcp-Name` is `{}`, and the body says another", short(&header))))
}

/// Compares what the headers repeat of a tool's arguments, because its definition says so.
///
/// # Errors
/// When they disagree, or one says something alone.
pub(super) fn repeats(headers: &HeaderMap, all: &[Mirrored], arguments: &Value) -> Result<(), Wrong> {
    for mirrored in all {
        let header = one(headers, &mirrored.header)?;
        if !mirrored.agrees(header.as_deref(), arguments) {
            return Err(mismatch(&format!("`{}` is not what the arguments say", short(&mirrored.header))));
        }
    }
    Ok(())
}

/// A header that may stand once.
pub(super) fn one(headers: &HeaderMap, name: &str) -> Result<Option<String>, Wrong> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(_) => Err(mismatch(&format!("`{name}` has characters that no header may have"))),
        },
        (Some(_), Some(_)) => Err(mismatch(&format!("`{name}` stands twice"))),
    }
}

fn mismatch(why: &str) -> Wrong {
    Wrong { code: code::HEADER_MISMATCH, message: format!("header mismatch: {why}"), data: None }
}

fn missing_meta() -> String {
    "`_meta` has no `io.modelcontextprotocol/protocolVersion`".to_owned()
}

fn short(text: &str) -> String {
    crate::escape::escape(&text.chars().take(80).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &str)], method: &str, params: &str) -> Result<Era, i32> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(*name, value.parse().unwrap());
        }
        let raw = RawValue::from_string(params.to_owned()).unwrap();
        agree(&all, method, Some(&raw)).map_err(|wrong| wrong.code)
    }

    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

    #[test]
    fn a_request_whose_halves_disagree_is_nobodys() {
        let call = format!(r#"{{{META},"name":"a__b","arguments":{{}}}}"#);
        let right = [(VERSION, STATELESS), (METHOD, "tools/call"), (NAME, "a__b")];
        assert_eq!(asked(&right, "tools/call", &call), Ok(Era::Stateless));
        let encoded = [(VERSION, STATELESS), (METHOD, "tools/call"), (NAME, "=?base64?YV9fYg==?=")];
        assert_eq!(asked(&encoded, "tools/call", &call), Ok(Era::Stateless));
        for (at, other) in [(0, "2025-11-25"), (1, "tools/list"), (2, "a__c"), (2, "=?base64?!?="), (2, "A__b")] {
            let mut wrong = right;
            wrong[at].1 = other;
            assert_eq!(asked(&wrong, "tools/call", &call), Err(code::HEADER_MISMATCH), "{at} {other}");
        }
        for at in 0..3 {
            let mut fewer = right.to_vec();
            fewer.remove(at);
            assert_eq!(asked(&fewer, "tools/call", &call), Err(code::HEADER_MISMATCH), "without {at}");
            let mut twice = right.to_vec();
            twice.push(right[at]);
            assert_eq!(asked(&twice, "tools/call", &call), Err(code::HEADER_MISMATCH), "{at} twice");
        }
        // Also where the one that the body says is not spoken here.
        let unknown = call.replace(STATELESS, "1900-01-01");
        assert_eq!(asked(&right, "tools/call", &unknown), Err(code::HEADER_MISMATCH));
        let both = [(VERSION, "1900-01-01"), (METHOD, "tools/call"), (NAME, "a__b")];
        assert_eq!(asked(&both, "tools/call", &unknown), Err(code::UNSUPPORTED_VERSION));
        let list = format!("{{{META}}}");
        assert_eq!(asked(&[(VERSION, STATELESS), (METHOD, "tools/list")], "tools/list", &list), Ok(Era::Stateless));
    }

    #[test]
    fn arguments_are_repeated_as_their_tool_has_it_or_the_call_is_nobodys() {
        let definition = serde_json::json!({ "name": "t", "inputSchema": { "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" } } } });
        let definition = RawValue::from_string(definition.to_string()).unwrap();
        let all = crate::gate::mcp::mirrored::mirrored(&definition).unwrap();
        let said = |headers: &[&str], arguments: Value| {
            let mut map = HeaderMap::new();
            for value in headers {
                map.append("Mcp-Param-Region", value.parse().unwrap());
            }
            repeats(&map, &all, &arguments).map_err(|wrong| wrong.code)
        };
        let eu = || serde_json::json!({ "region": "eu" });
        assert_eq!(said(&["eu"], eu()), Ok(()));
        assert_eq!(said(&[], Value::Null), Ok(()));
        for (headers, arguments) in
            [(vec!["us"], eu()), (vec![], eu()), (vec!["eu", "eu"], eu()), (vec!["eu"], Value::Null)]
        {
            assert_eq!(said(&headers, arguments), Err(code::HEADER_MISMATCH), "{headers:?}");
        }
    }

    #[test]
    fn the_generation_that_shakes_hands_says_its_version_or_nothing() {
        assert_eq!(asked(&[], "tools/list", "{}"), Ok(Era::Handshake));
        assert_eq!(asked(&[(VERSION, "2025-06-18")], "tools/list", "{}"), Ok(Era::Handshake));
        assert_eq!(asked(&[(VERSION, "1900-01-01")], "tools/list", "{}"), Err(code::UNSUPPORTED_VERSION));
        assert_eq!(asked(&[(VERSION, STATELESS)], "tools/list", "{}"), Err(code::INVALID_PARAMS));
        assert_eq!(asked(&[(METHOD, "tools/list")], "tools/call", r#"{"name":"a"}"#), Err(code::HEADER_MISMATCH));
        assert_eq!(asked(&[(NAME, "b")], "tools/call", r#"{"name":"a"}"#), Err(code::HEADER_MISMATCH));
        assert_eq!(asked(&[(NAME, "a")], "tools/call", r#"{"name":"a"}"#), Ok(Era::Handshake));
    }
}
