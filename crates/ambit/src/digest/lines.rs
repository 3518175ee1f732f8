//! The words of the lines that decisions point at, from the releases that were in force then.

use std::collections::BTreeMap;

use ambit_core::scope::print::print_line;

use crate::daemon::releases::KeptRelease;
use crate::escape::escape;
use crate::snapshot::Snapshot;
use crate::store::Store;

/// Lines by release, read once each.
pub(super) struct Lines<'a> {
    store: &'a dyn Store,
    read: BTreeMap<(String, u64), BTreeMap<u64, String>>,
}

// Releases whose pages are in memory at once; of further ones the lines are told by number.
const RELEASES: usize = 64;
const LONGEST: usize = 400;

impl<'a> Lines<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Lines<'a> {
        Lines { store, read: BTreeMap::new() }
    }

    /// The line in canonical words; nothing where the release is not there, or cannot be read any more.
    pub(super) fn text(&mut self, agent: &str, release: u64, line: u64) -> Option<String> {
        let key = (agent.to_owned(), release);
        if !self.read.contains_key(&key) {
            if self.read.len() >= RELEASES {
                return None;
            }
            let lines = self.page(agent, release).unwrap_or_default();
            self.read.insert(key.clone(), lines);
        }
        self.read.get(&key)?.get(&line).cloned()
    }

    fn page(&self, agent: &str, release: u64) -> Option<BTreeMap<u64, String>> {
        let found = self.store.get(&format!("release/{agent}/{release:010}")).ok()??;
        let kept: KeptRelease = serde_json::from_slice(&found.value).ok()?;
        let policy = Snapshot::from_bytes(kept.snapshot.as_bytes()).ok()?.resolve().policy?;
        let lines = policy.lines().iter().map(|line| {
            let number = u64::try_from(line.line.at.line).unwrap_or(u64::MAX);
            (number, short(&print_line(&line.line)))
        });
        Some(lines.collect())
    }
}

/// A text at a length that a digest has room for; escaped, because an agent or a server may have written it.
pub(super) fn short(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(LONGEST).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("{}{rest}", escape(&start))
}
