//! A store in memory that tells what is written from what is durable, loses power when told to, and fails when told to:
//! what simulation runs on.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Batch, Durability, Found, Put, Row, Store, StoreError, Version, is_made_once};

/// How a step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error is given back, and nothing has happened.
    Refused,
    /// An error is given back, and yet it has happened (for a sync: it is on the disk).
    Unanswered,
    /// The power goes before the step: it and everything after it fails, until [`Memory::crash`].
    PowerCut,
}

/// A store in memory. Every commit and every sync that has something to do is a *step*, counted from 0.
#[derive(Debug, Default)]
pub struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What would be found after a power cut, at least.
    durable: State,
    /// Written since, in order: a power cut keeps some first part of it.
    pending: Vec<Batch>,
    /// Both together: what readers see.
    now: State,
    steps: u64,
    faults: BTreeMap<u64, Fault>,
    dark: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    rows: Vec<Row>,
    values: BTreeMap<String, (Version, Vec<u8>)>,
    removed: BTreeMap<String, Version>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Memory {
        Memory::default()
    }

    /// The power goes. What comes back holds all that was durable and, of what was only written, a first part whose
    /// length the seed chooses. This store fails from here on.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Memory {
        let pending = self.pending() as u64;
        // SplitMix64: neighbouring seeds choose independently.
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.crash_keeping(usize::try_from((mixed ^ (mixed >> 31)) % (pending + 1)).unwrap_or(0))
    }

    /// As [`Memory::crash`], with `kept` of the commits that were only written.
    #[must_use]
    pub fn crash_keeping(&self, kept: usize) -> Memory {
        let mut inner = self.lock();
        inner.dark = true;
        let mut state = inner.durable.clone();
        for batch in inner.pending.iter().take(kept) {
            state.apply(batch);
        }
        Memory { inner: Mutex::new(Inner { now: state.clone(), durable: state, ..Inner::default() }) }
    }

    /// How many commits are written and not yet durable.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.lock().pending.len()
    }

    /// How many steps there were.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Lets the step of that number fail.
    pub fn fail_at(&self, step: u64, fault: Fault) {
        self.lock().faults.insert(step, fault);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lit(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let inner = self.lock();
        if inner.dark { Err(dark()) } else { Ok(inner) }
    }
}

impl Inner {
    fn step(&mut self) -> Result<Option<Fault>, StoreError> {
        let fault = self.faults.remove(&self.steps);
        self.steps += 1;
        match fault {
            Some(Fault::PowerCut) => {
                self.dark = true;
                Err(dark())
            }
            Some(Fault::Refused) => Err(StoreError::Failed("refused, as told".into())),
            other => Ok(other),
        }
    }

    fn settle(&mut self) {
        for batch in std::mem::take(&mut self.pending) {
            self.durable.apply(&batch);
        }
    }
}

impl Store for Memory {
    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let mut inner = self.lit()?;
        inner.now.check(batch)?;
        let fault = inner.step()?;
        inner.now.apply(batch);
        inner.pending.push(batch.clone());
        if durability == Durability::Now {
            inner.settle();
        }
        fault.map_or(Ok(()), |_| Err(StoreError::Failed("unanswered, as told".into())))
    }

    fn sync(&self) -> Result<(), StoreError> {
        let mut inner = self.lit()?;
        if inner.pending.is_empty() {
            return Ok(());
        }
        let stepped = inner.step();
        if stepped.is_ok() {
            inner.settle();
        }
        match stepped {
            Ok(None) => Ok(()),
            // As a disk that failed to sync: nothing more is taken.
            Ok(Some(_)) | Err(_) => {
                inner.dark = true;
                stepped.and(Err(StoreError::Failed("unanswered, as told".into())))
            }
        }
    }

    fn get(&self, key: &str) -> Result<Option<Found>, StoreError> {
        let inner = self.lit()?;
        Ok(inner.now.values.get(key).map(|(version, value)| Found {
            key: key.into(),
            version: *version,
            value: value.clone(),
        }))
    }

    fn scan(&self, prefix: &str) -> Result<Vec<Found>, StoreError> {
        let inner = self.lit()?;
        let values = inner
            .now
            .values
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix));
        Ok(values
            .map(|(key, (version, value))| Found { key: key.clone(), version: *version, value: value.clone() })
            .collect())
    }

    fn rows(&self, sequence: u64, most: usize) -> Result<Vec<Row>, StoreError> {
        let before = usize::try_from(sequence.saturating_sub(1)).unwrap_or(usize::MAX);
        Ok(self.lit()?.now.rows.iter().skip(before).take(most).cloned().collect())
    }

    fn last_row(&self) -> Result<Option<Row>, StoreError> {
        Ok(self.lit()?.now.rows.last().cloned())
    }
}

impl State {
    /// Whether the whole batch can happen.
    fn check(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut changed: BTreeMap<&str, (Version, bool)> = BTreeMap::new();
        for Put { key, expect, value } in &batch.puts {
            let (version, present) = changed.get(key.as_str()).copied().unwrap_or_else(|| self.version(key));
            if *expect != if present { version } else { 0 } {
                return Err(StoreError::Conflict { key: key.clone() });
            }
            changed.insert(key, (if value.is_some() { version + 1 } else { version }, value.is_some()));
        }
        let last = self.rows.last().map_or(0, |row| row.sequence);
        if batch.rows.iter().zip(last + 1..).any(|(row, next)| row.sequence != next) {
            return Err(StoreError::Failed("a row of the journal does not follow the one before".into()));
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch) {
        for Put { key, value, .. } in &batch.puts {
            let (version, present) = self.version(key);
            match value {
                Some(value) => {
                    self.values.insert(key.clone(), (version + 1, value.clone()));
                }
                None if present => {
                    self.values.remove(key);
                    if !is_made_once(key) {
                        self.removed.insert(key.clone(), version);
                    }
                }
                None => {}
            }
        }
        self.rows.extend(batch.rows.iter().cloned());
        for row in self.rows.iter_mut().filter(|row| batch.erase.contains(&row.sequence)) {
            row.sealed = None;
        }
    }

    /// The last version that the key had, and whether it has it still.
    fn version(&self, key: &str) -> (Version, bool) {
        match self.values.get(key) {
            Some((version, _)) => (*version, true),
            None => (self.removed.get(key).copied().unwrap_or(0), false),
        }
    }
}

fn dark() -> StoreError {
    StoreError::Failed("the power is gone".into())
}
