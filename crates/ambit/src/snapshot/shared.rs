//! What many snapshots have in common, read once and kept once for as long as somebody holds it: an `ambit.toml`, an
//! `ambit.lock`, what exists by the two, and what reads its actions. Each release has all of it in its own text; a
//! thousand agents of one installation have it in the same text.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ambit_core::action::Digest;
use ambit_core::catalog::Catalog;
use ambit_core::scope::diagnostics::Diagnostic;
use ambit_effects::readers::Readers;

use crate::config::{self, Config};
use crate::lock::{self, Lock};

/// What was read, and is still held by somebody.
#[derive(Default)]
pub struct Shared(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    // By the digest of their text.
    configs: BTreeMap<Digest, Seen<Config>>,
    locks: BTreeMap<Digest, Seen<Lock>>,
    // By the digest of all that they come of.
    catalogs: BTreeMap<Digest, Weak<Catalog>>,
    // With the catalog that they are of.
    readers: Vec<(Weak<Catalog>, Weak<Readers>)>,
}

/// A text that was read once.
struct Seen<T> {
    value: Weak<T>,
    is_sound: bool,
    found: Vec<Diagnostic>,
}

/// What a text says, whether it is sound, and what was found in it.
pub(super) type Said<T> = (Arc<T>, bool, Vec<Diagnostic>);

impl Shared {
    /// What that `ambit.toml` says; nothing where it has errors.
    pub(super) fn config(&self, text: &str) -> Said<Config> {
        read(&mut self.lock().configs, text, config::read)
    }

    /// What that `ambit.lock` says; nothing where it has errors, or there is none.
    pub(super) fn lock_of(&self, text: &str) -> Said<Lock> {
        let reader = |text: &str| match text {
            "" => (Some(Lock::new()), Vec::new()),
            text => lock::read(text),
        };
        read(&mut self.lock().locks, text, reader)
    }

    /// That catalog, as it is kept already where the same was made of the same. `of`: the texts and names it comes of.
    pub(super) fn catalog(&self, of: &[&[u8]], catalog: Catalog) -> Arc<Catalog> {
        let mut kept = self.lock();
        let digest = Digest::of("ambit/shared-catalog/1", of);
        if let Some(same) = kept.catalogs.get(&digest).and_then(Weak::upgrade).filter(|same| **same == catalog) {
            return same;
        }
        kept.catalogs.retain(|_, catalog| catalog.strong_count() > 0);
        let catalog = Arc::new(catalog);
        kept.catalogs.insert(digest, Arc::downgrade(&catalog));
        catalog
    }

    /// What reads the calls of the tools of that catalog.
    pub fn readers(&self, catalog: &Arc<Catalog>, make: impl FnOnce() -> Readers) -> Arc<Readers> {
        let mut kept = self.lock();
        let same = |(of, readers): &(Weak<Catalog>, Weak<Readers>)| {
            of.upgrade().filter(|of| Arc::ptr_eq(of, catalog)).and_then(|_| readers.upgrade())
        };
        if let Some(readers) = kept.readers.iter().find_map(same) {
            return readers;
        }
        kept.readers.retain(|(_, readers)| readers.strong_count() > 0);
        let readers = Arc::new(make());
        kept.readers.push((Arc::downgrade(catalog), Arc::downgrade(&readers)));
        readers
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read<T: Default>(
    seen: &mut BTreeMap<Digest, Seen<T>>,
    text: &str,
    reader: impl FnOnce(&str) -> (Option<T>, Vec<Diagnostic>),
) -> Said<T> {
    let digest = Digest::of("ambit/shared-text/1", &[text.as_bytes()]);
    if let Some(seen) = seen.get(&digest)
        && let Some(value) = seen.value.upgrade()
    {
        return (value, seen.is_sound, seen.found.clone());
    }
    seen.retain(|_, seen| seen.value.strong_count() > 0);
    let (value, found) = reader(text);
    let (is_sound, value) = (value.is_some(), Arc::new(value.unwrap_or_default()));
    seen.insert(digest, Seen { value: Arc::downgrade(&value), is_sound, found: found.clone() });
    (value, is_sound, found)
}
