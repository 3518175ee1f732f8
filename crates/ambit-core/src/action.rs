//! An action: exactly which bytes which agent sent at which gate, in which task.

use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest. Prints as lowercase hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a list of parts, each length-prefixed (so that no two lists run together), under a name that
    /// keeps one kind of digest from standing in for another.
    #[must_use]
    pub fn of(domain: &str, parts: &[&[u8]]) -> Digest {
        let mut hash = Sha256::new();
        for part in [domain.as_bytes()].iter().chain(parts) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Digest(hash.finalize().into())
    }

    /// Reads 64 lowercase hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Digest> {
        if text.len() != 64 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None; // one digest, one spelling
        }
        let mut bytes = [0u8; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(Digest(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece: a record holds several, and the formatter takes a byte at a time.
        let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
        let mut text = [0; 64];
        for (place, byte) in text.chunks_exact_mut(2).zip(self.0) {
            place.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Digest::from_hex(&text).ok_or_else(|| serde::de::Error::custom("not a digest of 64 hex digits"))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a protocol comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// The Model Context Protocol.
    Mcp,
    /// The PostgreSQL wire protocol.
    Postgres,
    /// HTTP.
    Http,
    /// Commands.
    Shell,
}

impl Gate {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Gate::Mcp => "mcp",
            Gate::Postgres => "postgres",
            Gate::Http => "http",
            Gate::Shell => "shell",
        }
    }
}

/// One action as it came in. It has no meaning yet; its digest binds the exact bytes to their context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Whose.
    pub agent: String,
    /// Where it came in.
    pub gate: Gate,
    /// The session it belongs to.
    pub session: String,
    /// The task its session is bound to.
    pub task: Option<String>,
    /// The system it is meant for.
    pub system: String,
    /// The operation asked for: MCP's method (`tools/call`, `resources/read`, `prompts/get`).
    pub operation: String,
    /// What it names there: the tool, the prompt, the resource's URI.
    pub name: String,
    /// The exact bytes that would be sent on: for MCP the `params` of the request, as the agent wrote them but for the name of the tool.
    pub payload: Vec<u8>,
}

impl Action {
    /// SHA-256 over everything but the session, so that the same action asked again is the same action.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(
            "ambit/action/1",
            &[
                self.agent.as_bytes(),
                self.gate.word().as_bytes(),
                &[u8::from(self.task.is_some())],
                self.task.as_deref().unwrap_or("").as_bytes(),
                self.system.as_bytes(),
                self.operation.as_bytes(),
                self.name.as_bytes(),
                &self.payload,
            ],
        )
    }
}
