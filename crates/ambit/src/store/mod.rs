//! State behind one small trait: append records, compare-and-set keyed values, watch a prefix. The embedded default is
//! SQLite (`sqlite.rs`); `memory.rs` is the one that simulation crashes.
//!
//! Keys are paths: `hold/ID`, `release/AGENT/NUMBER`, `person/NAME`, `token/AGENT/ID`, `stop/AGENT`, …

#[cfg(test)]
mod compliance;
pub mod memory;
pub mod private;
pub mod replace;
pub mod sqlite;

use std::path::PathBuf;

/// A keyed value's version: goes up by one with each change; 0 is "absent". A key that was removed and made again goes
/// on where it left off, so that a version never comes back with another value.
pub type Version = u64;

/// Whether a key stands for one thing alone, under an id that nothing else ever has: removed, it is not made again, and
/// its last version need not be kept. What every change of a live system makes and removes must leave nothing behind.
fn is_made_once(key: &str) -> bool {
    ["flight/", "errand/", "token-id/", "caller-token-id/"].iter().any(|made_once| key.starts_with(made_once))
}

/// A change to one keyed value, made only if it still has the version expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Which.
    pub key: String,
    /// The version it must have now.
    pub expect: Version,
    /// The new value; `None` removes it.
    pub value: Option<Vec<u8>>,
}

/// One row to append to the journal: what is chained, and beside it what is encrypted and can be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number; one more than the row before.
    pub sequence: u64,
    /// The canonical bytes of the record that the chain hash covers.
    pub body: Vec<u8>,
    /// The chain hash.
    pub hash: [u8; 32],
    /// The encrypted payload, with its wrapped key; `None` when there is none or it was erased.
    pub sealed: Option<Vec<u8>>,
}

/// What is to happen together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Appended, in order.
    pub rows: Vec<Row>,
    /// Changed in order, each only if its version is the one expected.
    pub puts: Vec<Put>,
    /// Rows whose sealed payload goes for good; the row and its place in the chain stay.
    pub erase: Vec<u64>,
}

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Written; on the disk with the next durable commit or within the window stated in the docs.
    Soon,
    /// On the disk before the commit returns.
    Now,
}

/// A keyed value as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: String,
    /// Its version.
    pub version: Version,
    /// Its value.
    pub value: Vec<u8>,
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A keyed value had another version than expected: somebody else was first.
    #[error("`{key}` was changed by somebody else")]
    Conflict {
        /// Which.
        key: String,
    },
    /// What is stored is damaged.
    #[error("`{path}` is damaged: {why}\nhelp: nothing was changed; put a backup in its place, and `ambit journal verify` will say how far it reaches", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// How it shows.
        why: String,
    },
    /// A newer Ambit wrote it.
    #[error("`{path}` is a store of version {found}; this ambit knows up to {known}\nhelp: use the ambit that wrote it, or a newer one", path = path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest known here.
        known: i64,
    },
    /// Another process writes to it.
    #[error("`{path}` is in use by another ambit\nhelp: one process owns the state; ask it, or stop it first", path = path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The place where it is kept is open to others, or cannot be used.
    #[error(transparent)]
    Place(#[from] private::PrivateError),
    /// The disk or the database failed. A change may or may not have happened.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Where state and journal are kept. Calls block: for microseconds, but for `commit(…, Now)`, `sync`, `tend` and
/// `scrub`, which wait for the disk.
///
/// Commits become durable in the order they were made: when one is on the disk, so are all before it. What was
/// committed is seen by every later read, durable or not.
pub trait Store: Send + Sync + 'static {
    /// Makes the batch happen, whole or not at all.
    ///
    /// # Errors
    /// `Conflict` when a put's version is not the expected one; nothing of the batch has happened then. `Failed` leaves
    /// it open whether the batch happened.
    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError>;

    /// Returns when everything committed before the call is on the disk. Callers that wait at the same time share
    /// the waiting.
    ///
    /// # Errors
    /// When the disk fails; the store then takes no further commits until it is opened again, because what the disk
    /// holds is no longer known.
    fn sync(&self) -> Result<(), StoreError>;

    /// Housekeeping that may wait for the disk but does not keep others from committing.
    ///
    /// # Errors
    /// When the store fails.
    fn tend(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns when no copy of an erased payload is left in the store's own files.
    ///
    /// # Errors
    /// When the store fails.
    fn scrub(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// The keyed value.
    ///
    /// # Errors
    /// When the store fails.
    fn get(&self, key: &str) -> Result<Option<Found>, StoreError>;

    /// Every keyed value whose key starts with `prefix`, by key.
    ///
    /// # Errors
    /// When the store fails.
    fn scan(&self, prefix: &str) -> Result<Vec<Found>, StoreError>;

    /// Every key that starts with `prefix`, in order; their values are not read.
    ///
    /// # Errors
    /// When the store fails.
    fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.scan(prefix)?.into_iter().map(|found| found.key).collect())
    }

    /// Rows of the journal from `sequence` on, at most `most`.
    ///
    /// # Errors
    /// When the store fails.
    fn rows(&self, sequence: u64, most: usize) -> Result<Vec<Row>, StoreError>;

    /// The last row of the journal.
    ///
    /// # Errors
    /// When the store fails.
    fn last_row(&self) -> Result<Option<Row>, StoreError>;
}
