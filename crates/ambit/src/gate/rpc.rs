//! JSON-RPC 2.0, one message a line, on bytes. What passes is never parsed into a tree and written anew: `id`, `params`,
//! `result` and `error` stay the exact bytes that came in.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest line taken from an agent, in bytes.
pub const AGENT_LINE: usize = 16 << 20;
/// The longest line taken from an upstream server, in bytes.
pub const UPSTREAM_LINE: usize = 64 << 20;

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

/// Lines of bounded length from a stream. Dropping a `next` that waits loses nothing.
pub struct Lines<R> {
    from: R,
    most: usize,
    buffer: Vec<u8>,
    // Of `buffer`: where the next line starts, and up to where no newline was found.
    start: usize,
    searched: usize,
    skipping: bool,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is longer than is taken. The rest of it is skipped when the next one is asked for.
    #[error("a line is longer than {most} bytes")]
    TooLong {
        /// The most that is taken.
        most: usize,
    },
    /// The stream failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most `most` bytes each, the newline not counted.
    pub fn new(from: R, most: usize) -> Lines<R> {
        Lines { from, most, buffer: Vec::new(), start: 0, searched: 0, skipping: false }
    }

    /// The next line without its newline; `None` at the end of the stream. A last line without a newline is dropped:
    /// nobody can tell whether it is whole.
    ///
    /// # Errors
    /// When the line is too long (the stream can be read on) or the stream fails.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, LineError> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', rest) {
                let (start, end) = (self.start, self.searched + at);
                self.start = end + 1;
                self.searched = end + 1;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                if end - start > self.most {
                    return Err(LineError::TooLong { most: self.most });
                }
                return Ok(self.buffer.get(start..end));
            }
            self.searched = self.buffer.len();
            if self.skipping {
                self.start = self.searched;
            } else if self.searched - self.start > self.most {
                self.skipping = true;
                self.start = self.searched;
                return Err(LineError::TooLong { most: self.most });
            }
            self.make_room();
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Moves the unfinished line to the front, and lets go of the room that one long line took.
    fn make_room(&mut self) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
        self.buffer.reserve(READ);
    }
}

const READ: usize = 16 << 10;
const KEEP: usize = 256 << 10;

/// Writes a request line.
pub fn request(out: &mut Vec<u8>, id: u64, method: &str, params: Option<&[u8]>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.to_string().as_bytes());
    out.extend_from_slice(b",\"method\":");
    quote(out, method);
    finish(out, params);
}

/// Writes a notification line.
pub fn notification(out: &mut Vec<u8>, method: &str, params: Option<&[u8]>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":");
    quote(out, method);
    finish(out, params);
}

/// Writes the line of an answer, `id` and `result` as raw JSON.
pub fn result(out: &mut Vec<u8>, id: &str, result: &[u8]) {
    answer(out, id, b",\"result\":", result);
}

/// Writes the line of an error, `id` and `error` as raw JSON.
pub fn error_raw(out: &mut Vec<u8>, id: &str, error: &[u8]) {
    answer(out, id, b",\"error\":", error);
}

/// Writes the line of an error of our own. Where no id could be read, it has none: the Model Context Protocol's schema
/// takes that and not `null`.
pub fn error(out: &mut Vec<u8>, id: Option<&str>, code: i32, message: &str) {
    let mut body = format!("{{\"code\":{code},\"message\":").into_bytes();
    quote(&mut body, message);
    body.push(b'}');
    match id {
        Some(id) => error_raw(out, id, &body),
        None => {
            out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"error\":");
            out.extend_from_slice(&body);
            out.extend_from_slice(b"}\n");
        }
    }
}

/// Writes `text` as a JSON string.
pub fn quote(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail, and a string has a JSON form.
    let _ = serde_json::to_writer(out, text);
}

fn answer(out: &mut Vec<u8>, id: &str, member: &[u8], body: &[u8]) {
    out.reserve(32 + id.len() + body.len());
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(member);
    one_line(out, body);
    out.extend_from_slice(b"}\n");
}

fn finish(out: &mut Vec<u8>, params: Option<&[u8]>) {
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        one_line(out, params);
    }
    out.extend_from_slice(b"}\n");
}

/// Valid JSON has line breaks only between its parts; there a space means the same. A line off this wire has none, so
/// this changes something only where the bytes came from elsewhere.
fn one_line(out: &mut Vec<u8>, json: &[u8]) {
    let from = out.len();
    out.extend_from_slice(json);
    if memchr::memchr2(b'\n', b'\r', json).is_some() {
        for byte in out.iter_mut().skip(from).filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
    }
}

/// A key, borrowed where it was written without escapes.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Words)
    }
}

/// The members of one JSON object, raw, in order; a key given twice is an error.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The members of an object.
    ///
    /// # Errors
    /// When it is no object, or a member is given twice; why.
    pub(crate) fn of(object: &'a RawValue) -> Result<Members<'a>, String> {
        serde_json::from_str(object.get()).map_err(|error| plain(&error))
    }

    /// The value of that member.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The text of that member, unescaped; `None` when it is absent or no string.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(text)
    }
}

/// The text of a JSON string, unescaped; `None` when it is none.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(raw.get()).ok().map(|Key(text)| text)
}

/// The bytes of `whole` with those of `part`, which must be a slice of it, replaced by a JSON string. Nothing else is
/// written anew.
pub(crate) fn with_text(whole: &RawValue, part: &RawValue, text: &str) -> Option<Vec<u8>> {
    let (whole, part) = (whole.get(), part.get());
    let from = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let (before, after) = (whole.get(..from)?, whole.get(from.checked_add(part.len())?..)?);
    let mut out = Vec::with_capacity(whole.len() + text.len());
    out.extend_from_slice(before.as_bytes());
    quote(&mut out, text);
    out.extend_from_slice(after.as_bytes());
    Some(out)
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                // A set only once there are many: envelopes have four members, hostile ones a million.
                let mut many: BTreeSet<Cow<'de, str>> = BTreeSet::new();
                while let Some(Key(key)) = map.next_key()? {
                    let twice = if members.len() < FEW {
                        members.iter().any(|(other, _)| *other == key)
                    } else {
                        if many.is_empty() {
                            many.extend(members.iter().map(|(key, _)| key.clone()));
                        }
                        !many.insert(key.clone())
                    };
                    if twice {
                        return Err(serde::de::Error::custom(format_args!("`{}` is given twice", key.escape_debug())));
                    }
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Object)
    }
}

const FEW: usize = 16;

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

/// What serde says, cut short: it may quote a key.
fn plain(error: &serde_json::Error) -> String {
    error.to_string().chars().take(200).collect()
}
