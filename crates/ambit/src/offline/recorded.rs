//! What the journal has about a decision, by the number of a record or the id of a hold. It is read beside the daemon, and
//! needs no key: what is said here are the open parts of the records, never the arguments.

use std::fmt;

use ambit_core::decision::Verdict;
use serde::Serialize;
use serde_json::Value;

use crate::escape::escape;
use crate::journal::{Kind, Record};
use crate::store::{Store, StoreError};

/// What names something recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    /// A record of the journal, from 1.
    Sequence(u64),
    /// A hold.
    Hold(String),
}

impl Id {
    /// An id, where the text is one: digits, or a word without the `.` or `:` that every action has.
    #[must_use]
    pub fn read(text: &str) -> Option<Id> {
        let text = text.trim();
        if text.is_empty() || text.contains(['.', ':', '{', '"']) || text.contains(char::is_whitespace) {
            return None;
        }
        Some(text.parse().map_or_else(|_| Id::Hold(text.to_lowercase()), Id::Sequence))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Sequence(number) => write!(f, "record {number}"),
            Id::Hold(id) => write!(f, "the hold `{}`", escape(id)),
        }
    }
}

/// What was recorded about one decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recorded {
    /// The record with the decision.
    pub sequence: u64,
    /// Whose action.
    pub agent: Option<String>,
    /// `system.tool`.
    pub called: Option<String>,
    /// The decision; `None`: the record says none.
    pub decision: Option<Verdict>,
    /// The release that was in force.
    pub release: Option<u64>,
    /// The hold that came of it, or that it joined.
    pub hold: Option<String>,
    /// Why it was refused, where no line was the reason.
    pub cause: Option<String>,
    /// Every ground.
    pub grounds: Vec<RecordedGround>,
}

/// One ground, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedGround {
    /// What it made of the action.
    pub verdict: Verdict,
    /// The line of the release's page, from 1.
    pub line: Option<u64>,
    /// What happened, in one word of many parts: `fires-in-doubt`.
    pub why: String,
}

/// Why there is nothing to say.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record cannot be read.
    #[error(transparent)]
    Malformed(#[from] crate::journal::Malformed),
}

/// The decision that the id leads to: the record itself, the decision over the same asking, or over what became the hold.
/// `None`: there is none.
///
/// # Errors
/// When the journal cannot be read.
pub fn decided(store: &dyn Store, id: &Id) -> Result<Option<Recorded>, RecordedError> {
    let asking = match id {
        Id::Hold(hold) => Asking::Hold(hold.clone()),
        Id::Sequence(number) => {
            let found = store.rows(*number, 1)?.into_iter().find(|row| row.sequence == *number);
            let Some(row) = found else { return Ok(None) };
            let record = Record::read(row)?;
            match (ask_of(&record), &record.hold) {
                (Some(ask), _) => Asking::Ask(ask),
                (None, Some(hold)) => Asking::Hold(hold.clone()),
                (None, None) => return Ok(None),
            }
        }
    };
    let (mut from, mut called) = (1, None);
    loop {
        let rows = store.rows(from, ROWS)?;
        let Some(last) = rows.last() else { return Ok(None) };
        from = last.sequence + 1;
        for row in rows {
            let record = Record::read(row)?;
            if !asking.is(&record) {
                continue;
            }
            match record.kind {
                Kind::Asked => called = called_by(&record.details),
                Kind::Decided => return Ok(Some(recorded(record, called))),
                _ => {}
            }
        }
    }
}

/// Rows read at once.
const ROWS: usize = 1_000;

/// What the records of one asking share.
enum Asking {
    Ask(String),
    Hold(String),
}

impl Asking {
    fn is(&self, record: &Record) -> bool {
        match self {
            Asking::Ask(ask) => ask_of(record).as_ref() == Some(ask),
            Asking::Hold(hold) => record.hold.as_ref() == Some(hold),
        }
    }
}

fn ask_of(record: &Record) -> Option<String> {
    text(&record.details, "ask")
}

fn text(details: &Value, name: &str) -> Option<String> {
    details.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn called_by(details: &Value) -> Option<String> {
    Some(format!("{}.{}", text(details, "system")?, text(details, "name")?))
}

fn recorded(record: Record, called: Option<String>) -> Recorded {
    let details = &record.details;
    let grounds = details.get("grounds").and_then(Value::as_array).into_iter().flatten();
    Recorded {
        sequence: record.sequence,
        called,
        decision: verdict(details),
        release: details.get("release").and_then(Value::as_u64),
        cause: text(details, "cause"),
        grounds: grounds
            .filter_map(|ground| {
                let line = ground.get("line").and_then(Value::as_u64);
                Some(RecordedGround { verdict: verdict(ground)?, line, why: text(ground, "why")? })
            })
            .collect(),
        hold: record.hold,
        agent: record.agent,
    }
}

fn verdict(details: &Value) -> Option<Verdict> {
    match details.get("verdict")?.as_str()? {
        "allow" => Some(Verdict::Allow),
        "hold" => Some(Verdict::Hold),
        "refuse" => Some(Verdict::Refuse),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::memory::Memory;
    use crate::store::{Batch, Durability, Row};

    fn store(bodies: &[Value]) -> Memory {
        let store = Memory::default();
        let rows = (1u64..).zip(bodies).map(|(sequence, body)| {
            let mut body = body.clone();
            body["sequence"] = sequence.into();
            body["time"] = 0.into();
            Row { sequence, body: body.to_string().into_bytes(), hash: [0; 32], sealed: None }
        });
        let batch = Batch { rows: rows.collect(), ..Batch::default() };
        store.commit(&batch, Durability::Now).unwrap();
        store
    }

    #[test]
    fn a_decision_is_found_by_its_record_by_its_asking_and_by_its_hold() {
        let hold = "7f3k-2m9q-x1zt";
        let grounds = json!([{"verdict": "hold", "line": 25, "effect": 0, "unread": null, "why": "matches"}]);
        let store = store(&[
            json!({"kind": "started"}),
            json!({"kind": "asked", "agent": "a", "hold": hold, "details": {"ask": "q", "system": "crm", "name": "pay"}}),
            json!({"kind": "asked", "agent": "b", "details": {"ask": "r", "system": "crm", "name": "look"}}),
            json!({"kind": "decided", "agent": "a", "hold": hold, "details": {"ask": "q", "verdict": "hold", "release": 3, "grounds": grounds}}),
            json!({"kind": "decided", "agent": "b", "details": {"ask": "r", "verdict": "refuse", "cause": "unknown"}}),
        ]);
        for id in [Id::Sequence(2), Id::Sequence(4), Id::Hold(hold.into())] {
            let found = decided(&store, &id).unwrap().unwrap();
            assert_eq!((found.sequence, found.decision, found.release), (4, Some(Verdict::Hold), Some(3)), "{id}");
            assert_eq!((found.agent.as_deref(), found.called.as_deref()), (Some("a"), Some("crm.pay")));
            assert_eq!((found.grounds[0].line, found.grounds[0].why.as_str()), (Some(25), "matches"));
        }
        let other = decided(&store, &Id::Sequence(5)).unwrap().unwrap();
        assert_eq!((other.called.as_deref(), other.cause.as_deref()), (Some("crm.look"), Some("unknown")));
        for id in [Id::Sequence(1), Id::Sequence(9), Id::Hold("nothing".into())] {
            assert_eq!(decided(&store, &id).unwrap(), None, "{id}");
        }
    }

    #[test]
    fn an_action_is_no_id() {
        for action in ["crm.pay {}", "crm.pay", "crm: SELECT 1", ""] {
            assert_eq!(Id::read(action), None, "{action}");
        }
        assert_eq!(Id::read("17"), Some(Id::Sequence(17)));
        assert_eq!(Id::read(" 7F3K-2m9q-x1zt "), Some(Id::Hold("7f3k-2m9q-x1zt".into())));
    }
}
