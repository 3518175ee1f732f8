//! The two generations of the protocol: the one that shakes hands (up to 2025-11-25), and the one in which every request
//! says its version (2026-07-28). A client may speak both over one connection; a request is of the one it says it is.

use std::borrow::Cow;

use serde_json::json;
use serde_json::value::RawValue;

use crate::gate::rpc::{self, Members, code};
use crate::upstream::mcp::VERSIONS;

/// The version in which every request says its version.
pub const STATELESS: &str = "2026-07-28";

/// Of which generation a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize` came first, or has to.
    Handshake,
    /// The request says everything itself.
    Stateless,
}

/// A request that no generation takes; JSON-RPC's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its code.
    pub code: i32,
    /// In words.
    pub message: String,
    /// What the code's definition adds, as JSON.
    pub data: Option<String>,
}

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(super) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// What a request says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its generation.
    pub era: Era,
    /// The version that it names; only where it is one that is spoken here.
    pub version: Option<&'static str>,
}

impl Said {
    /// Reads it off the parameters.
    ///
    /// # Errors
    /// When it names a version that is not spoken here, or names one and leaves out what has to come with it.
    pub fn of(params: Option<&RawValue>) -> Result<Said, Wrong> {
        let handshake = Said { era: Era::Handshake, version: None };
        let Some(params) = params else { return Ok(handshake) };
        let invalid = |message: String| Wrong { code: code::INVALID_PARAMS, message, data: None };
        let Some(meta) = Members::of(params).map_err(invalid)?.get("_meta") else { return Ok(handshake) };
        // Clients of the older generation may put there what they like.
        if !meta.get().contains(VERSION) {
            return Ok(handshake);
        }
        let meta = Members::of(meta).map_err(invalid)?;
        let Some(version) = meta.get(VERSION) else { return Ok(handshake) };
        let version = rpc::text(version).ok_or_else(|| invalid(format!("`{VERSION}` must be a string")))?;
        if version != STATELESS {
            return Err(unsupported(&version));
        }
        match meta.get(CAPABILITIES) {
            Some(capabilities) if capabilities.get().starts_with('{') => {
                Ok(Said { era: Era::Stateless, version: Some(STATELESS) })
            }
            Some(_) => Err(invalid(format!("`{CAPABILITIES}` must be an object"))),
            None => Err(invalid(format!("`_meta` has no `{CAPABILITIES}`"))),
        }
    }
}

/// The version that the parameters name, spoken here or not.
#[must_use]
pub fn named(params: Option<&RawValue>) -> Option<String> {
    let meta = Members::of(params?).ok()?.get("_meta")?;
    Members::of(meta).ok()?.text(VERSION).map(Cow::into_owned)
}

/// The error for a version that is not spoken here.
#[must_use]
pub fn unsupported(requested: &str) -> Wrong {
    let requested: String = requested.chars().take(40).collect();
    Wrong {
        code: code::UNSUPPORTED_VERSION,
        message: "Unsupported protocol version".to_owned(),
        data: Some(json!({ "supported": supported(), "requested": requested }).to_string()),
    }
}

/// Every version that is spoken here, the newest first.
#[must_use]
pub fn supported() -> Vec<&'static str> {
    std::iter::once(STATELESS).chain(VERSIONS).collect()
}

impl Wrong {
    /// Writes the message that answers with it.
    pub fn write(&self, out: &mut Vec<u8>, id: Option<&str>) {
        match (&self.data, id) {
            (Some(data), Some(id)) => {
                let mut body = format!("{{\"code\":{},\"message\":", self.code).into_bytes();
                rpc::quote(&mut body, &self.message);
                body.extend_from_slice(format!(",\"data\":{data}}}").as_bytes());
                rpc::error_raw(out, id, &body);
            }
            _ => rpc::error(out, id, self.code, &self.message),
        }
    }
}

/// How a result is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub era: Era,
    /// The generation without a handshake wants to be told how long the result may be kept.
    pub cached: bool,
}

// What may be seen can change with the next release, and what is read at any time. Nobody but the agent may keep it.
const CACHE: &str = r#""ttlMs":0,"cacheScope":"private","#;

impl Form {
    /// Writes the message that answers with that result, the JSON of an object.
    pub(super) fn result(self, out: &mut Vec<u8>, id: &str, result: &[u8]) {
        match self.era {
            Era::Handshake => rpc::result(out, id, result),
            Era::Stateless => match self.complete(result) {
                Ok(result) => rpc::result(out, id, &result),
                Err(why) => rpc::error(out, Some(id), code::INTERNAL, why),
            },
        }
    }

    /// The result with what this generation adds, otherwise byte for byte.
    fn complete(self, result: &[u8]) -> Result<Cow<'_, [u8]>, &'static str> {
        let raw: &RawValue = serde_json::from_slice(result).map_err(|_| "the live system answered with no JSON")?;
        let members = Members::of(raw).map_err(|_| "the live system gave a member of its result twice")?;
        let rest = raw.get().strip_prefix('{').ok_or("the live system answered with no JSON object")?;
        let kind = members.get("resultType").map(RawValue::get);
        if kind.is_some_and(|kind| kind != "\"complete\"") {
            return Err("the live system asks for something before it answers, which Ambit does not pass on");
        }
        // For how long something may be kept, and by whom, is ours to say: an upstream knows nothing of other agents.
        let theirs = ["ttlMs", "cacheScope"].into_iter().any(|name| members.get(name).is_some());
        if self.cached && theirs {
            let kept = rpc::without(&members, "ttlMs");
            let raw: &RawValue = serde_json::from_slice(&kept).map_err(|_| "the result cannot be read")?;
            let kept = rpc::without(&Members::of(raw).map_err(|_| "the result cannot be read")?, "cacheScope");
            return self.complete(&kept).map(|result| result.into_owned().into());
        }
        let mut out = b"{".to_vec();
        if kind.is_none() {
            out.extend_from_slice(br#""resultType":"complete","#);
        }
        if self.cached {
            out.extend_from_slice(CACHE.as_bytes());
        }
        if members.0.is_empty() && out.ends_with(b",") {
            out.pop();
        }
        out.extend_from_slice(rest.as_bytes());
        Ok(out.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(params: &str) -> Result<Era, i32> {
        let raw = RawValue::from_string(params.to_owned()).unwrap();
        Said::of(Some(&raw)).map(|said| said.era).map_err(|wrong| wrong.code)
    }

    #[test]
    fn a_request_is_of_the_generation_that_it_says() {
        let meta = |inner: &str| format!(r#"{{"_meta":{{{inner}}}}}"#);
        let version = |version: &str| format!(r#""{VERSION}":"{version}""#);
        assert_eq!(Said::of(None).unwrap().era, Era::Handshake);
        assert_eq!(said("{}"), Ok(Era::Handshake));
        assert_eq!(said(&meta(r#""progressToken":1"#)), Ok(Era::Handshake));
        assert_eq!(said(&meta(&format!(r#"{},"{CAPABILITIES}":{{}}"#, version(STATELESS)))), Ok(Era::Stateless));
        assert_eq!(said(&meta(&version(STATELESS))), Err(code::INVALID_PARAMS));
        assert_eq!(said(&meta(&format!(r#"{},"{CAPABILITIES}":1"#, version(STATELESS)))), Err(code::INVALID_PARAMS));
        assert_eq!(said(&meta(&version("1900-01-01"))), Err(code::UNSUPPORTED_VERSION));
        assert_eq!(said(&meta(&format!(r#""{VERSION}":5"#))), Err(code::INVALID_PARAMS));
        let twice = format!("{},{}", version(STATELESS), version("2025-11-25"));
        assert_eq!(said(&meta(&twice)), Err(code::INVALID_PARAMS));
    }

    #[test]
    fn a_result_gets_what_its_generation_adds_and_is_otherwise_byte_for_byte() {
        let of = |era, cached, result: &str| {
            let mut out = Vec::new();
            Form { era, cached }.result(&mut out, "1", result.as_bytes());
            String::from_utf8(out).unwrap().trim_end().replace(r#"{"jsonrpc":"2.0","id":1,"#, "")
        };
        assert_eq!(of(Era::Handshake, true, r#"{ "n":1.0e0 }"#), r#""result":{ "n":1.0e0 }}"#);
        assert_eq!(of(Era::Stateless, false, r#"{ "n":1.0e0 }"#), r#""result":{"resultType":"complete", "n":1.0e0 }}"#);
        assert_eq!(of(Era::Stateless, false, "{}"), r#""result":{"resultType":"complete"}}"#);
        assert_eq!(
            of(Era::Stateless, true, r#"{"n":1}"#),
            r#""result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","n":1}}"#
        );
        let theirs = r#"{"resultType":"complete","ttlMs":5,"cacheScope":"public","n":1}"#;
        let ours = r#""result":{"ttlMs":0,"cacheScope":"private","resultType":"complete","n":1}}"#;
        assert_eq!(of(Era::Stateless, true, theirs), ours, "how long it may be kept is ours to say");
        assert!(of(Era::Stateless, false, r#"{"resultType":"input_required"}"#).contains("-32603"));
        assert!(of(Era::Stateless, false, r#"{"a":1,"a":2}"#).contains("-32603"));
    }
}
