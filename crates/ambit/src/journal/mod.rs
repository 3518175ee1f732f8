//! The append-only, chained record. Nothing moves before its record: asked, decided, confirmed, executed and outcome
//! are separate records.

mod canonical;
pub mod chain;
pub mod checkpoints;
pub mod export;
mod flusher;
pub mod ocsf;
mod record;
mod seal;
pub mod tail;
#[cfg(test)]
pub(crate) mod tests;
pub mod verify;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use ambit_core::action::Digest;
use ambit_core::permit::Recorded;
use serde::{Deserialize, Serialize};

pub use self::chain::Checkpoint;
use self::checkpoints::Checkpoints;
use self::flusher::Flusher;
pub use self::flusher::WINDOW;
pub use self::record::{Malformed, Record};
pub use self::seal::Opened;
pub use self::tail::Filter;
pub use self::writer::CHECKPOINT_EVERY;
use self::writer::Writer;
use crate::keys::InstallationKeys;
use crate::store::private::PrivateError;
use crate::store::{Durability, Found, Put, Store, StoreError};
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
    /// A person, or a program for which one answers, opened a task; the payload is its request, who wrote that, and its facts.
    TaskOpened,
    /// A task ended: it was closed, its time was over, its agent was stopped.
    TaskClosed,
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

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 23] = [
        Kind::Asked,
        Kind::Decided,
        Kind::Held,
        Kind::Confirmed,
        Kind::HoldRefused,
        Kind::HoldExpired,
        Kind::HoldWithdrawn,
        Kind::Executing,
        Kind::Outcome,
        Kind::OutcomeUnknown,
        Kind::Released,
        Kind::Stopped,
        Kind::Resumed,
        Kind::Token,
        Kind::TaskOpened,
        Kind::TaskClosed,
        Kind::SessionOpened,
        Kind::SessionClosed,
        Kind::Flagged,
        Kind::Person,
        Kind::Started,
        Kind::Erased,
        Kind::Checkpoint,
    ];

    /// Its name, as it stands in the journal.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Asked => "asked",
            Kind::Decided => "decided",
            Kind::Held => "held",
            Kind::Confirmed => "confirmed",
            Kind::HoldRefused => "hold-refused",
            Kind::HoldExpired => "hold-expired",
            Kind::HoldWithdrawn => "hold-withdrawn",
            Kind::Executing => "executing",
            Kind::Outcome => "outcome",
            Kind::OutcomeUnknown => "outcome-unknown",
            Kind::Released => "released",
            Kind::Stopped => "stopped",
            Kind::Resumed => "resumed",
            Kind::Token => "token",
            Kind::TaskOpened => "task-opened",
            Kind::TaskClosed => "task-closed",
            Kind::SessionOpened => "session-opened",
            Kind::SessionClosed => "session-closed",
            Kind::Flagged => "flagged",
            Kind::Person => "person",
            Kind::Started => "started",
            Kind::Erased => "erased",
            Kind::Checkpoint => "checkpoint",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.word() == word)
    }
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

/// Why the journal could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store did not take it, or cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file beside it is open to others, or cannot be used.
    #[error(transparent)]
    Place(#[from] PrivateError),
    /// What stands in it is not what was written.
    #[error(
        "the journal is broken: {0}\nhelp: `ambit journal verify` says where; nothing goes on over a broken journal"
    )]
    Broken(String),
    /// A record cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// There is no such payload.
    #[error("record {0} has no payload, or it is already erased")]
    NoPayload(u64),
    /// The writer is gone, or could not seal the payload.
    #[error("the journal cannot be written: {0}")]
    Failed(String),
}

/// How the journal waits for the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A thread waits for the disk on behalf of everybody who writes at the time, and keeps the file of checkpoints,
    /// whose path this is (see [`checkpoints::FILE`]).
    Threaded {
        /// The file of checkpoints.
        checkpoints: PathBuf,
    },
    /// Whoever writes waits, in the order of the calls: for simulation. There is no file of checkpoints.
    Inline,
}

/// The journal. It has one writer, which chains the records; whoever must wait for the disk waits together.
pub struct Journal {
    writer: Arc<Writer>,
    flusher: Option<Flusher>,
}

impl Journal {
    /// Opens the journal that stands in `store`, or begins it.
    ///
    /// # Errors
    /// `Broken` when its end does not hold together, when other keys began it, or when it does not reach as far as the
    /// last checkpoint in the file.
    pub fn open(
        store: Arc<dyn Store>,
        world: Arc<dyn World>,
        keys: InstallationKeys,
        mode: Mode,
    ) -> Result<Journal, JournalError> {
        let file = match &mode {
            Mode::Threaded { checkpoints } => Some(Checkpoints(checkpoints.clone())),
            Mode::Inline => None,
        };
        let writer = Arc::new(Writer::open(store, world, keys, file)?);
        let flusher = match mode {
            Mode::Threaded { .. } => Some(Flusher::start(Arc::clone(&writer))?),
            Mode::Inline => None,
        };
        Ok(Journal { writer, flusher })
    }

    /// Records entries and changes keyed values, together or not at all. Returns when the commit has the durability
    /// asked for; one [`Recorded`] an entry. What it writes is written at the first poll: a future dropped after that
    /// leaves its records behind.
    ///
    /// # Errors
    /// `StoreError::Conflict` when a put lost a race; nothing has happened then. After any other error it is open whether
    /// the records stand: nothing may move on their account.
    pub async fn write(
        &self,
        entries: Vec<Entry>,
        puts: Vec<Put>,
        durability: Durability,
    ) -> Result<Vec<Recorded>, JournalError> {
        self.write_with(entries, |_| puts, durability).await
    }

    /// As [`Journal::write`], with changes that name the numbers of the records: one number an entry.
    ///
    /// # Errors
    /// As [`Journal::write`].
    pub async fn write_with(
        &self,
        entries: Vec<Entry>,
        puts: impl FnOnce(&[u64]) -> Vec<Put> + Send,
        durability: Durability,
    ) -> Result<Vec<Recorded>, JournalError> {
        let entries = self.writer.seal(entries)?;
        let Some(flusher) = &self.flusher else {
            let recorded = self.writer.append(entries, puts, Vec::new(), durability)?;
            self.writer.checkpoint_if_due()?;
            return Ok(recorded);
        };
        let recorded = self.writer.append(entries, puts, Vec::new(), Durability::Soon)?;
        match durability {
            Durability::Soon => flusher.written(),
            Durability::Now => flusher.synced().await?,
        }
        Ok(recorded)
    }

    /// Returns when everything written before the call is on the disk. Callers that wait at the same time share the waiting.
    ///
    /// # Errors
    /// When the disk fails: nothing may move on account of what was written then.
    pub async fn synced(&self) -> Result<(), JournalError> {
        match &self.flusher {
            Some(flusher) => flusher.synced().await,
            None => Ok(self.writer.store.sync()?),
        }
    }

    /// Signs how far the chain has come, as a record and as a line in the file of checkpoints. Happens by itself every
    /// [`CHECKPOINT_EVERY`] records and when the journal is dropped.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn checkpoint(&self) -> Result<Checkpoint, JournalError> {
        match &self.flusher {
            Some(flusher) => flusher.checkpoint().await,
            None => self.writer.checkpoint(),
        }
    }

    /// Erases the payload of a record for good, and records that. The chain still verifies.
    ///
    /// # Errors
    /// `NoPayload` when there is none; otherwise as [`Journal::write`].
    pub async fn erase(&self, sequence: u64, person: Option<String>, because: &str) -> Result<Recorded, JournalError> {
        let found =
            self.writer.store.rows(sequence, 1)?.pop().filter(|row| row.sequence == sequence && row.sealed.is_some());
        if found.is_none() {
            return Err(JournalError::NoPayload(sequence));
        }
        let details = serde_json::json!({"sequence": sequence, "because": because});
        let entries = self.writer.seal(vec![Entry { person, details, ..Entry::new(Kind::Erased) }])?;
        let recorded = self.writer.append(entries, |_| Vec::new(), vec![sequence], Durability::Soon)?;
        match &self.flusher {
            Some(flusher) => flusher.scrubbed().await?,
            None => self.writer.scrub()?,
        }
        recorded.into_iter().next().ok_or_else(|| JournalError::Failed("nothing was recorded".into()))
    }

    /// The payload of a record, opened; `None` when it has none or it was erased.
    ///
    /// # Errors
    /// `Broken` when the sealed payload is not what the record commits to.
    pub fn payload(&self, record: &Record) -> Result<Option<Opened>, JournalError> {
        record.open(&self.writer.keys)
    }

    /// The keyed value.
    ///
    /// # Errors
    /// When the store fails.
    pub fn get(&self, key: &str) -> Result<Option<Found>, StoreError> {
        self.writer.store.get(key)
    }

    /// Every keyed value whose key starts with `prefix`, by key.
    ///
    /// # Errors
    /// When the store fails.
    pub fn scan(&self, prefix: &str) -> Result<Vec<Found>, StoreError> {
        self.writer.store.scan(prefix)
    }

    /// Where it is kept.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.writer.store
    }

    /// Its clock and chance.
    #[must_use]
    pub fn world(&self) -> &Arc<dyn World> {
        &self.writer.world
    }

    /// The keys it is written with.
    #[must_use]
    pub fn keys(&self) -> &InstallationKeys {
        &self.writer.keys
    }
}
