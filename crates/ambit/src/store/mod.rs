//! State behind one small trait: append records, compare-and-set keyed values, watch a prefix. The embedded default is
//! SQLite (`sqlite.rs`); `memory.rs` is the one that simulation crashes.
//!
//! Keys are paths: `hold/ID`, `release/AGENT/NUMBER`, `person/NAME`, `token/AGENT/ID`, `stop/AGENT`, …

/// A keyed value's version: goes up by one with each change; 0 is "absent".
pub type Version = u64;

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
    /// Changed, each only if its version is the one expected.
    pub puts: Vec<Put>,
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
    /// The disk or the database failed.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Where state and journal are kept. Calls block; the journal's writer thread makes them.
pub trait Store: Send + Sync + 'static {
    /// Makes the batch happen, whole or not at all.
    ///
    /// # Errors
    /// `Conflict` when a put's version is not the expected one; nothing of the batch has happened then.
    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError>;

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

    /// Removes the sealed payload of a row for good; the row and its place in the chain stay.
    ///
    /// # Errors
    /// When the store fails.
    fn erase(&self, sequence: u64) -> Result<(), StoreError>;
}
