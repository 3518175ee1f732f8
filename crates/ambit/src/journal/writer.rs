//! The one writer: it gives records their number and their place in the chain.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambit_core::action::Digest;
use ambit_core::permit::Recorded;

use super::chain::{self, Checkpoint};
use super::checkpoints::Checkpoints;
use super::seal::{self, Sealed};
use super::{Entry, JournalError, Kind, record};
use crate::keys::InstallationKeys;
use crate::store::{Batch, Durability, Put, Row, Store, StoreError};
use crate::world::World;

/// A checkpoint is signed after so many records.
pub const CHECKPOINT_EVERY: u64 = 1000;

pub(super) struct Writer {
    pub store: Arc<dyn Store>,
    pub world: Arc<dyn World>,
    pub keys: InstallationKeys,
    checkpoints: Option<Checkpoints>,
    head: Mutex<Head>,
}

/// An entry whose payload is sealed, which needs no place in the chain and so is done before the queue for one.
pub(super) struct Prepared {
    entry: Entry,
    sealed: Option<Sealed>,
}

/// Where the chain stands.
struct Head {
    sequence: u64,
    hash: Digest,
    /// A commit failed with nobody knowing whether it happened: look before the next one.
    in_doubt: bool,
    /// The last record that a checkpoint covers, and the checkpoint where it is known.
    covered: u64,
    checkpoint: Option<Checkpoint>,
}

impl Writer {
    pub fn open(
        store: Arc<dyn Store>,
        world: Arc<dyn World>,
        keys: InstallationKeys,
        checkpoints: Option<Checkpoints>,
    ) -> Result<Writer, JournalError> {
        let (sequence, hash) = end(&*store, &keys)?;
        let checkpoint = match &checkpoints {
            Some(file) => file.last()?,
            None => None,
        };
        if let Some(checkpoint) = &checkpoint {
            reaches(&*store, &keys, checkpoint)?;
        }
        let covered = checkpoint.map_or(0, |checkpoint| checkpoint.sequence);
        let head = Mutex::new(Head { sequence, hash, in_doubt: false, covered, checkpoint });
        Ok(Writer { store, world, keys, checkpoints, head })
    }

    /// Seals what is to be sealed.
    pub fn seal(&self, entries: Vec<Entry>) -> Result<Vec<Prepared>, JournalError> {
        let prepare = |mut entry: Entry| {
            let payload = entry.payload.take();
            let sealed =
                payload.map(|payload| seal::seal(&self.keys, &*self.world, entry.kind, &payload)).transpose()?;
            Ok(Prepared { entry, sealed })
        };
        entries.into_iter().map(prepare).collect()
    }

    /// Chains the entries and commits them with the changes, which may name their numbers: all or nothing.
    pub fn append(
        &self,
        entries: Vec<Prepared>,
        puts: impl FnOnce(&[u64]) -> Vec<Put>,
        erase: Vec<u64>,
        durability: Durability,
    ) -> Result<Vec<Recorded>, JournalError> {
        self.append_at(&mut self.head(), entries, puts, erase, durability)
    }

    fn append_at(
        &self,
        head: &mut Head,
        entries: Vec<Prepared>,
        puts: impl FnOnce(&[u64]) -> Vec<Put>,
        erase: Vec<u64>,
        durability: Durability,
    ) -> Result<Vec<Recorded>, JournalError> {
        if head.in_doubt {
            (head.sequence, head.hash) = end(&*self.store, &self.keys)?;
            head.in_doubt = false;
        }
        let (mut sequence, mut hash) = (head.sequence, head.hash);
        let mut rows = Vec::with_capacity(entries.len());
        for Prepared { entry, sealed } in entries {
            sequence += 1;
            let (commitment, sealed) = sealed.map(|sealed| (sealed.commitment, sealed.bytes)).unzip();
            let body = record::body(entry, sequence, self.world.now(), commitment)
                .ok_or_else(|| JournalError::Failed("the details of a record are nested too deeply".into()))?;
            hash = chain::link(&hash, &body);
            rows.push(Row { sequence, body, hash: hash.0, sealed });
        }
        let numbers: Vec<u64> = rows.iter().map(|row: &Row| row.sequence).collect();
        let batch = Batch { rows, puts: puts(&numbers), erase };
        match self.store.commit(&batch, durability) {
            Ok(()) => {
                (head.sequence, head.hash) = (sequence, hash);
                Ok(batch.rows.iter().map(|row| Recorded { sequence: row.sequence, hash: Digest(row.hash) }).collect())
            }
            Err(conflict @ StoreError::Conflict { .. }) => Err(conflict.into()),
            Err(error) => {
                head.in_doubt = true;
                Err(error.into())
            }
        }
    }

    /// Signs how far the chain has come, unless nothing came since the last time.
    pub fn checkpoint(&self) -> Result<Checkpoint, JournalError> {
        let checkpoint = {
            let mut head = self.head();
            let fresh =
                head.checkpoint.filter(|last| last.sequence + 1 == head.sequence && head.covered == last.sequence);
            if let Some(last) = fresh {
                return Ok(last);
            }
            if head.in_doubt {
                (head.sequence, head.hash) = end(&*self.store, &self.keys)?;
                head.in_doubt = false;
            }
            let checkpoint = Checkpoint::sign(&self.keys, head.sequence, head.hash, self.world.now());
            let details = serde_json::to_value(checkpoint).map_err(|error| JournalError::Failed(error.to_string()))?;
            let entry = Prepared { entry: Entry { details, ..Entry::new(Kind::Checkpoint) }, sealed: None };
            self.append_at(&mut head, vec![entry], |_| Vec::new(), Vec::new(), Durability::Soon)?;
            (head.covered, head.checkpoint) = (checkpoint.sequence, Some(checkpoint));
            checkpoint
        };
        // Only what is on the disk may be claimed outside.
        self.store.sync()?;
        if let Some(file) = &self.checkpoints {
            file.append(&checkpoint)?;
        }
        Ok(checkpoint)
    }

    /// As [`Writer::checkpoint`], when enough has come.
    pub fn checkpoint_if_due(&self) -> Result<(), JournalError> {
        let due = {
            let head = self.head();
            head.sequence.saturating_sub(head.covered) >= CHECKPOINT_EVERY
        };
        if due { self.checkpoint().map(drop) } else { Ok(()) }
    }

    /// Makes the last erasure final.
    pub fn scrub(&self) -> Result<(), JournalError> {
        self.store.sync()?;
        Ok(self.store.scrub()?)
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        // The head moves only after a commit, in one step: a panic elsewhere leaves it right.
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of the chain: its number and hash, checked against the row before, and the first row against the keys.
fn end(store: &dyn Store, keys: &InstallationKeys) -> Result<(u64, Digest), JournalError> {
    let genesis = chain::genesis(&keys.public());
    let Some(last) = store.last_row()? else { return Ok((0, genesis)) };
    let broken = |why: &str| Err(JournalError::Broken(why.into()));
    match store.rows(1, 1)?.first() {
        Some(first) if first.sequence == 1 && chain::link(&genesis, &first.body).0 == first.hash => {}
        _ => return broken("its first record was not written with this installation's key"),
    }
    if let Some(before) = last.sequence.checked_sub(1).filter(|before| *before > 0) {
        match &*store.rows(before, 2)? {
            [before, last] if chain::link(&Digest(before.hash), &last.body).0 == last.hash => {}
            _ => return broken("its last record does not follow the one before"),
        }
    }
    Ok((last.sequence, Digest(last.hash)))
}

/// Does the journal hold what the checkpoint says?
fn reaches(store: &dyn Store, keys: &InstallationKeys, checkpoint: &Checkpoint) -> Result<(), JournalError> {
    let n = checkpoint.sequence;
    let broken = |why: String| Err(JournalError::Broken(why));
    if !checkpoint.holds(&keys.public()) {
        return broken(format!("the checkpoint over record {n} was not signed with this installation's key"));
    }
    if n == 0 {
        return Ok(());
    }
    match store.rows(n, 1)?.first() {
        Some(row) if row.sequence == n && row.hash == checkpoint.hash.0 => Ok(()),
        Some(row) if row.sequence == n => {
            broken(format!("record {n} is not the one that a checkpoint was signed over"))
        }
        _ => broken(format!("it was cut: a checkpoint was signed over record {n}, which is not there")),
    }
}
