//! The append-only, chained record. Nothing moves before its record: asked, decided, confirmed, executed and outcome
//! are separate records.

use std::sync::Arc;

use ambit_core::action::Digest;
use ambit_core::permit::Recorded;
use serde::{Deserialize, Serialize};

use crate::store::{Durability, Put, Store, StoreError};
use crate::world::World;

/// What a record says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An agent asked for an action; the payload is the exact bytes.
    Asked,
    /// The decision over it, with its grounds and charges.
    Decided,
    /// A hold began to wait.
    Held,
    /// A person confirmed a hold (one of several, where several must).
    Confirmed,
    /// A person refused a hold.
    HoldRefused,
    /// A hold ran out of time.
    HoldExpired,
    /// A hold was withdrawn (stop, release, drift).
    HoldWithdrawn,
    /// A confirmed action is about to be sent.
    Executing,
    /// What came of an action that was sent; the payload is the answer.
    Outcome,
    /// An action was in flight when the daemon died or the upstream went away; nobody knows whether it took effect.
    OutcomeUnknown,
    /// A release was put in force, or an earlier one again.
    Released,
    /// An agent was stopped.
    Stopped,
    /// An agent was resumed.
    Resumed,
    /// A token was made or revoked.
    Token,
    /// A session began.
    SessionOpened,
    /// A session ended.
    SessionClosed,
    /// Something to look into: a token used twice at once, a drifted tool, a trip, an upstream's unwanted request.
    Flagged,
    /// A person's key was enrolled.
    Person,
    /// The daemon started (and what it found).
    Started,
    /// A payload was erased.
    Erased,
    /// The chain's state, signed with the installation's key.
    Checkpoint,
}

/// One thing to record.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
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
    /// More about it: never a secret, never an argument's value (those are payload).
    pub details: serde_json::Value,
    /// Bytes kept encrypted beside the record, committed to by a salted hash, erasable.
    pub payload: Option<Vec<u8>>,
}

impl Entry {
    /// An entry with nothing but its kind.
    #[must_use]
    pub fn new(kind: Kind) -> Entry {
        Entry {
            kind,
            agent: None,
            person: None,
            session: None,
            action: None,
            hold: None,
            details: serde_json::Value::Null,
            payload: None,
        }
    }
}

/// Why a record could not be written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The writer is gone, or could not seal the payload.
    #[error("the journal cannot be written: {0}")]
    Failed(String),
}

/// The journal: one writer, which chains, seals and commits in groups.
pub struct Journal {
    store: Arc<dyn Store>,
    world: Arc<dyn World>,
}

impl Journal {
    /// Records entries and changes keyed values, together or not at all. Returns when the commit has the durability
    /// asked for; one [`Recorded`] an entry.
    ///
    /// # Errors
    /// `StoreError::Conflict` when a put lost a race (nothing has happened then), or when the disk failed.
    pub async fn write(
        &self,
        entries: Vec<Entry>,
        puts: Vec<Put>,
        durability: Durability,
    ) -> Result<Vec<Recorded>, JournalError> {
        let _ = (entries, puts, durability, &self.store, &self.world);
        Err(JournalError::Failed("not built".into()))
    }
}
