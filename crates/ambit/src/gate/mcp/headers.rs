//! The headers in which a request over HTTP repeats what its body says, as both sides write and read them (Model Context
//! Protocol 2026-07-28, streamable HTTP).

use std::borrow::Cow;

use base64ct::{Base64, Encoding as _};
use serde_json::value::RawValue;

use crate::gate::rpc::Members;

/// The session, for the generation that shakes hands.
pub const SESSION: &str = "mcp-session-id";
/// The version of the protocol.
pub const VERSION: &str = "mcp-protocol-version";
/// The method.
pub const METHOD: &str = "mcp-method";
/// What the method is asked of.
pub const NAME: &str = "mcp-name";

/// The member of a method's parameters that [`NAME`] repeats; `None` where there is none.
#[must_use]
pub fn named(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => Some("taskId"),
        _ => None,
    }
}

/// What that member says.
#[must_use]
pub fn said_in<'a>(params: Option<&'a RawValue>, member: &str) -> Option<Cow<'a, str>> {
    Members::of(params?).ok()?.text(member)
}

/// A value as it is where a header can hold it, else in Base64: `=?base64?…?=`.
#[must_use]
pub fn encoded(value: &str) -> String {
    let plain = value.bytes().all(|b| matches!(b, b' '..=b'~')) && value.trim() == value && !value.starts_with("=?");
    if plain { value.to_owned() } else { format!("=?base64?{}?=", Base64::encode_string(value.as_bytes())) }
}

/// The value that [`encoded`] wrote; `None` where its Base64 is none, or no text.
#[must_use]
pub fn decoded(value: &str) -> Option<String> {
    match value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(Base64::decode_vec(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn what_no_header_holds_is_encoded_and_comes_back() {
        assert_eq!(encoded("get_weather"), "get_weather");
        assert_eq!(encoded("é"), "=?base64?w6k=?=");
        for odd in ["a\nb", " a", "=?base64?YQ==?=", "\u{7f}"] {
            let said = encoded(odd);
            assert!(said.starts_with("=?base64?") && HeaderValue::from_str(&said).is_ok(), "{odd}");
            assert_eq!(decoded(&said).as_deref(), Some(odd));
        }
        assert_eq!(decoded("=?base64?!?="), None);
    }
}
