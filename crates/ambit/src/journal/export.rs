//! The journal as JSON lines, for whoever must be able to check it without us.
//!
//! The first line is the head: `{"ambit":"journal/1","installation":PUBLIC KEY,"complete":BOOL}`. Each further line is a
//! record: `{"sequence":N,"hash":HEX,"body":{…},"payload":…}`. `body` stands there byte for byte as it was chained, and
//! `hash` is SHA-256 over three parts, each behind its length as eight bytes, big end first: `ambit/record/1`, the hash
//! before (for the first record: the same over `ambit/journal/1` and the public key), and the body. `payload` is
//! `"sealed"`, `"erased"`, or, where it was exported opened, `{"salt":HEX,"text":…}` (`"hex"` where it is no text), and
//! the commitment in the body is the same kind of hash over `ambit/payload/1`, the salt and the payload.

use std::io::{BufRead, Read, Write};

use ambit_core::action::Digest;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::tail::{self, Filter};
use super::{JournalError, Record, canonical};
use crate::keys::{InstallationKeys, PublicKey, hex};
use crate::store::Store;

/// No line of an export is longer, in bytes.
const LONGEST_LINE: u64 = 256 << 20;

/// What the first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The format.
    pub ambit: Format,
    /// Whose journal it is.
    pub installation: PublicKey,
    /// Whether every record is there: only then can it be verified.
    pub complete: bool,
}

/// The one format there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// As described above.
    #[serde(rename = "journal/1")]
    Journal1,
}

/// Writes the records that the filter lets through; with `open`, their payloads opened. Gives back how many.
///
/// # Errors
/// When the journal cannot be read, a payload is not what its record commits to, or `out` fails.
pub fn export(
    store: &dyn Store,
    installation: &PublicKey,
    filter: &Filter,
    open: Option<&InstallationKeys>,
    mut out: impl Write,
) -> Result<u64, JournalError> {
    let failed = |error: std::io::Error| JournalError::Failed(format!("the export could not be written: {error}"));
    let head = Head { ambit: Format::Journal1, installation: *installation, complete: filter.is_open() };
    let mut line = serde_json::to_vec(&head).map_err(|error| failed(error.into()))?;
    line.push(b'\n');
    out.write_all(&line).map_err(failed)?;
    let mut count = 0;
    for row in tail::rows(store, 1) {
        let row = row?;
        let body = row.body.clone();
        let record = Record::read(row)?;
        if !filter.lets(&record) {
            continue;
        }
        let mut line = format!(r#"{{"sequence":{},"hash":"{}","body":"#, record.sequence, record.hash).into_bytes();
        line.extend_from_slice(&body);
        if record.commitment.is_some() {
            line.extend_from_slice(br#","payload":"#);
            payload(&record, open, &mut line)?;
        }
        line.extend_from_slice(b"}\n");
        out.write_all(&line).map_err(failed)?;
        count += 1;
    }
    out.flush().map_err(failed)?;
    Ok(count)
}

fn payload(record: &Record, open: Option<&InstallationKeys>, line: &mut Vec<u8>) -> Result<(), JournalError> {
    let opened = match open {
        Some(keys) => record.open(keys)?,
        None => None,
    };
    let Some(opened) = opened else {
        line.extend_from_slice(if record.erased() { br#""erased""# } else { br#""sealed""# });
        return Ok(());
    };
    line.extend_from_slice(format!(r#"{{"salt":"{}","#, hex::write(&opened.salt)).as_bytes());
    let (name, text) = match opened.payload.expose_text() {
        Some(text) => ("text", text.to_owned()),
        None => ("hex", hex::write(opened.payload.expose())),
    };
    line.extend_from_slice(format!(r#""{name}":"#).as_bytes());
    canonical::text(&text, line)
        .ok_or_else(|| JournalError::Failed("a payload could not be written as text".into()))?;
    line.push(b'}');
    Ok(())
}

/// A line of an export, read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<'a> {
    pub sequence: u64,
    pub hash: Hash,
    #[serde(borrow)]
    pub body: &'a RawValue,
    pub payload: Option<Payload>,
}

pub(super) struct Hash(pub [u8; 32]);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Payload {
    Sealed,
    Erased,
    #[serde(untagged)]
    Opened(OpenedPayload),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenedPayload {
    #[serde(deserialize_with = "salt")]
    pub salt: [u8; 32],
    text: Option<String>,
    hex: Option<String>,
}

impl OpenedPayload {
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.text, &self.hex) {
            (Some(text), None) => Some(text.clone().into_bytes()),
            (None, Some(digits)) => hex::read(digits),
            _ => None,
        }
    }
}

impl<'a> Line<'a> {
    pub fn read(text: &'a str) -> Result<Line<'a>, String> {
        serde_json::from_str(text).map_err(|error| format!("a line of the export is no record: {error}"))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        super::record::digest(deserializer).map(|Digest(bytes)| Hash(bytes))
    }
}

fn salt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
    super::record::digest(deserializer).map(|Digest(bytes)| bytes)
}

/// The lines of an export, one at a time.
pub(super) struct Lines<R> {
    reader: R,
    line: String,
}

impl<R: BufRead> Lines<R> {
    pub fn new(reader: R) -> Lines<R> {
        Lines { reader, line: String::new() }
    }

    pub fn head(&mut self) -> Result<Head, String> {
        let line = self.next_line()?.ok_or("it is empty")?;
        serde_json::from_str(line).map_err(|error| format!("its first line is not the head of an export: {error}"))
    }

    pub fn next_line(&mut self) -> Result<Option<&str>, String> {
        self.line.clear();
        let read =
            (&mut self.reader).take(LONGEST_LINE).read_line(&mut self.line).map_err(|error| error.to_string())?;
        match self.line.strip_suffix('\n') {
            _ if read == 0 => Ok(None),
            Some(line) => Ok(Some(line)),
            None => Err("its last line has no end: the export was cut, or the line is too long".into()),
        }
    }
}
