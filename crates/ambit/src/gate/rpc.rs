//! JSON-RPC 2.0, one message a line, on bytes. What passes is never parsed into a tree and written anew: `id`, `params`,
//! `result` and `error` stay the exact bytes that came in.

mod lines;
mod raw;
mod write;

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub use lines::{AGENT_LINE, LineError, Lines, UPSTREAM_LINE};
use raw::{Key, plain};
pub(crate) use raw::{Members, around, text, with_text, without};
pub(crate) use write::error_code;
pub use write::{error, error_raw, notification, quote, request, request_raw, result};
/// JSON-RPC's codes, and the one that MCP adds for a resource that is not there.
pub mod code {
    /// It is not JSON.
    pub const PARSE: i32 = -32700;
    /// It is JSON, but no JSON-RPC message.
    pub const INVALID_REQUEST: i32 = -32600;
    /// There is no such method here.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// The method does not take these parameters.
    pub const INVALID_PARAMS: i32 = -32602;
    /// The work could not be done.
    pub const INTERNAL: i32 = -32603;
    /// More is asked at once than is taken.
    pub const BUSY: i32 = -32000;
    /// The scope refuses it; for methods whose result has no place for a refusal.
    pub const REFUSED: i32 = -32001;
    /// There is no such resource (Model Context Protocol, server/resources).
    pub const RESOURCE_NOT_FOUND: i32 = -32002;
    /// The headers of a request and its body say different things (Model Context Protocol, 2026-07-28).
    pub const HEADER_MISMATCH: i32 = -32020;
    /// The request's client does not say that it can do what its answer needs (Model Context Protocol, 2026-07-28).
    pub const MISSING_CAPABILITY: i32 = -32021;
    /// The request says a version that is not spoken here (Model Context Protocol, 2026-07-28).
    pub const UNSUPPORTED_VERSION: i32 = -32022;
    /// It waits for a person; for methods whose result has no place to say so.
    pub const PENDING: i32 = -32003;
}

/// One message. Everything raw is the bytes as they came, without the white space around them.
#[derive(Debug)]
pub enum Message<'a> {
    /// A call that wants an answer.
    Request {
        /// The id: a JSON string or integer, to be echoed as it is.
        id: &'a str,
        /// What to do.
        method: Cow<'a, str>,
        /// An object, or absent.
        params: Option<&'a RawValue>,
    },
    /// A call that wants none.
    Notification {
        /// What happened.
        method: Cow<'a, str>,
        /// An object, or absent.
        params: Option<&'a RawValue>,
    },
    /// An answer.
    Response {
        /// The id of the request that it answers; `null` when the other side could not read one.
        id: &'a str,
        /// `result`, or else `error`.
        outcome: Result<&'a RawValue, &'a RawValue>,
    },
}

/// Why a line is no message, ready to be said back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    /// JSON-RPC's code for it.
    pub code: i32,
    /// What is wrong.
    pub message: String,
    /// The id, where one could be read: the raw bytes.
    pub id: Option<String>,
}

impl<'a> Message<'a> {
    /// Reads one line.
    ///
    /// # Errors
    /// When it is not exactly one message: no JSON, a batch, a member of the envelope given twice, a wrong `jsonrpc`,
    /// an `id` that is neither string nor integer, `params` that is no object, both `result` and `error`, …
    pub fn read(line: &'a [u8]) -> Result<Message<'a>, Malformed> {
        let text = std::str::from_utf8(line).map_err(|_| Malformed::new(code::PARSE, "the message is not UTF-8"))?;
        match text.trim_start().as_bytes().first() {
            Some(b'{') => {}
            Some(b'[') => {
                return Err(Malformed::new(code::INVALID_REQUEST, "batches are not taken; send one message a line"));
            }
            _ => return Err(Malformed::new(code::PARSE, "the message is not a JSON object")),
        }
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Malformed::new(code::INVALID_REQUEST, plain(&error)),
            _ => Malformed::new(code::PARSE, format!("the message is not JSON: {}", plain(&error))),
        })?;
        envelope.message()
    }
}

impl Malformed {
    fn new(code: i32, message: impl Into<String>) -> Malformed {
        Malformed { code, message: message.into(), id: None }
    }
}

/// A JSON-RPC error that another side sent, as far as a person wants to read it.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct ErrorWords {
    /// Its code.
    pub code: i64,
    /// Its message, unescaped and unchecked: escape it before it reaches a terminal.
    pub message: String,
}
struct Envelope<'a>(Members<'a>);

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Members::deserialize(from).map(Envelope)
    }
}

impl<'a> Envelope<'a> {
    fn message(&self) -> Result<Message<'a>, Malformed> {
        let id = self.0.get("id").map(RawValue::get);
        let wrong = |message: &str| Malformed {
            code: code::INVALID_REQUEST,
            message: message.to_owned(),
            id: id.filter(|id| is_id(id)).map(str::to_owned),
        };
        if self.0.get("jsonrpc").is_none_or(|version| version.get() != "\"2.0\"") {
            return Err(wrong("`jsonrpc` must be \"2.0\""));
        }
        let outcome = match (self.0.get("result"), self.0.get("error")) {
            (Some(_), Some(_)) => return Err(wrong("an answer has `result` or `error`, not both")),
            (Some(result), None) => Some(Ok(result)),
            (None, Some(error)) => Some(Err(error)),
            (None, None) => None,
        };
        if let Some(outcome) = outcome {
            return match (id, self.0.get("method")) {
                (Some(id), None) if is_id(id) || (id == "null" && outcome.is_err()) => {
                    Ok(Message::Response { id, outcome })
                }
                (_, None) => Err(wrong("an answer has the `id` of its request")),
                (_, Some(_)) => Err(wrong("a message has `method`, or `result` or `error`, not both")),
            };
        }
        let method = self.0.get("method").ok_or_else(|| wrong("`method` is missing"))?;
        let Key(method) = serde_json::from_str(method.get()).map_err(|_| wrong("`method` must be a string"))?;
        let params = self.0.get("params");
        if params.is_some_and(|params| !params.get().starts_with('{')) {
            return Err(wrong("`params` must be an object"));
        }
        match id {
            None => Ok(Message::Notification { method, params }),
            Some(id) if is_id(id) => Ok(Message::Request { id, method, params }),
            Some(_) => Err(wrong("`id` must be a string or an integer")),
        }
    }
}

/// The Model Context Protocol takes strings and integers as ids, and no null.
fn is_id(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    raw.starts_with('"') || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
