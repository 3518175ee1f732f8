//! Resources that a session hears of: each was permitted like a read of it, and is let go of when this is dropped.

use std::sync::Arc;

use super::Passage;

/// What a session hears of.
pub(crate) struct Subscribed {
    passage: Arc<dyn Passage>,
    of: Vec<(String, String)>,
}

impl Subscribed {
    pub(super) fn new(passage: &Arc<dyn Passage>) -> Subscribed {
        Subscribed { passage: Arc::clone(passage), of: Vec::new() }
    }

    /// Has the session hear of one more; whether it may hear of so many.
    pub(super) fn add(&mut self, system: &str, uri: &str) -> bool {
        let added = self.passage.watch(system, uri);
        if added {
            self.of.push((system.to_owned(), uri.to_owned()));
        }
        added
    }

    /// Lets go of the last one.
    pub(super) fn take_back(&mut self) {
        if let Some((system, uri)) = self.of.pop() {
            self.passage.unwatch(&system, &uri);
        }
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        while !self.of.is_empty() {
            self.take_back();
        }
    }
}
