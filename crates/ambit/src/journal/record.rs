//! A record as it is chained, and as it is read back.

use ambit_core::action::Digest;
use ambit_core::time::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::{Entry, JournalError, Kind, Opened, canonical, seal};
use crate::keys::{InstallationKeys, hex};
use crate::store::Row;

/// One record of the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number, from 1.
    pub sequence: u64,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// To which agent.
    pub agent: Option<String>,
    /// By which person.
    pub person: Option<String>,
    /// In which session.
    pub session: Option<String>,
    /// About which action.
    pub action: Option<Digest>,
    /// About which hold.
    pub hold: Option<String>,
    /// More about it.
    pub details: Value,
    /// The salted commitment to its payload, where it has or had one.
    pub commitment: Option<Digest>,
    /// Its chain hash.
    pub hash: Digest,
    /// The sealed payload, unless there is none or it was erased.
    pub sealed: Option<Vec<u8>>,
}

/// A row's body is not a record.
#[derive(Debug, thiserror::Error)]
#[error("record {sequence} cannot be read: {why}")]
pub struct Malformed {
    /// Which.
    pub sequence: u64,
    /// Why.
    pub why: String,
}

impl Record {
    /// Reads a row.
    ///
    /// # Errors
    /// When its body is not a record's, or of another number.
    pub fn read(row: Row) -> Result<Record, Malformed> {
        let malformed = |why: String| Malformed { sequence: row.sequence, why };
        let body: Body = serde_json::from_slice(&row.body).map_err(|error| malformed(error.to_string()))?;
        if body.sequence != row.sequence {
            return Err(malformed(format!("its body says {}", body.sequence)));
        }
        Ok(Record {
            sequence: body.sequence,
            time: Timestamp(body.time),
            kind: body.kind,
            agent: body.agent,
            person: body.person,
            session: body.session,
            action: body.action.map(|hash| hash.0),
            hold: body.hold,
            details: body.details,
            commitment: body.payload.map(|payload| payload.commitment.0),
            hash: Digest(row.hash),
            sealed: row.sealed,
        })
    }

    /// Its payload, opened; `None` when it has none or it was erased.
    ///
    /// # Errors
    /// `Broken` when the sealed payload is not what the record commits to.
    pub fn open(&self, keys: &InstallationKeys) -> Result<Option<Opened>, JournalError> {
        let (Some(commitment), Some(sealed)) = (self.commitment, &self.sealed) else { return Ok(None) };
        let opened = seal::open(keys, commitment, self.kind, sealed);
        opened.map(Some).ok_or_else(|| {
            JournalError::Broken(format!("the payload of record {} is not the one it commits to", self.sequence))
        })
    }

    /// Whether it had a payload that is no longer there.
    #[must_use]
    pub fn erased(&self) -> bool {
        self.commitment.is_some() && self.sealed.is_none()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    sequence: u64,
    time: i64,
    kind: Kind,
    agent: Option<String>,
    person: Option<String>,
    session: Option<String>,
    action: Option<Hash>,
    hold: Option<String>,
    #[serde(default)]
    details: Value,
    payload: Option<Payload>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    commitment: Hash,
}

#[derive(Deserialize)]
struct Hash(#[serde(deserialize_with = "digest")] Digest);

/// The canonical body of an entry; `None` when its details are nested too deeply. What is absent is left out.
pub(super) fn body(entry: Entry, sequence: u64, time: Timestamp, commitment: Option<Digest>) -> Option<Vec<u8>> {
    let mut members = Map::new();
    let texts = [("agent", entry.agent), ("person", entry.person), ("session", entry.session), ("hold", entry.hold)];
    for (name, text) in texts {
        if let Some(text) = text {
            members.insert(name.into(), text.into());
        }
    }
    if let Some(action) = entry.action {
        members.insert("action".into(), action.to_string().into());
    }
    if !entry.details.is_null() {
        members.insert("details".into(), entry.details);
    }
    if let Some(commitment) = commitment {
        members.insert("payload".into(), json!({"commitment": commitment}));
    }
    members.insert("kind".into(), serde_json::to_value(entry.kind).ok()?);
    members.insert("sequence".into(), sequence.into());
    members.insert("time".into(), time.0.into());
    canonical::bytes(&Value::Object(members))
}

pub(super) fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    // Stricter than `Digest::from_hex`: one way to write it.
    hex::read_exactly(&text).map(Digest).ok_or_else(|| D::Error::custom("not a digest of 64 hex digits"))
}

pub(super) fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    i64::deserialize(deserializer).map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_canonical_and_reads_back() {
        let entry = Entry {
            agent: Some("refund-helper".into()),
            action: Some(Digest([0xab; 32])),
            details: json!({"line": 3, "at": "x"}),
            ..Entry::new(Kind::HoldRefused)
        };
        let bytes = body(entry, 7, Timestamp(1_700_000_000_000), Some(Digest([1; 32]))).unwrap();
        let hex = "ab".repeat(32);
        let commitment = "01".repeat(32);
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            format!(
                r#"{{"action":"{hex}","agent":"refund-helper","details":{{"at":"x","line":3}},"kind":"hold-refused","payload":{{"commitment":"{commitment}"}},"sequence":7,"time":1700000000000}}"#
            )
        );
        let row = Row { sequence: 7, body: bytes, hash: [2; 32], sealed: None };
        let record = Record::read(row.clone()).unwrap();
        assert_eq!(
            (record.kind, record.action, record.commitment),
            (Kind::HoldRefused, Some(Digest([0xab; 32])), Some(Digest([1; 32])))
        );
        assert!(record.erased());
        assert!(Record::read(Row { sequence: 8, ..row }).is_err());
    }
}
