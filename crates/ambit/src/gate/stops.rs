//! Who is stopped. Kept in the store (`stop/AGENT`, and `stop/` for everybody) and in memory, so that a stop takes hold
//! before the disk answers and outlives a restart.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::means::Fault;
use crate::store::Store;

/// Why an agent, or every agent, is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Since when.
    pub at: Timestamp,
    /// The person who stopped it; `None`: Ambit itself did (a trip).
    pub by: Option<String>,
    /// Why.
    pub because: String,
}

/// Who is stopped.
pub struct Stops(Mutex<BTreeMap<String, Stop>>);

/// The name under which everybody is stopped; no agent can have it.
pub const EVERYBODY: &str = "";

impl Stops {
    /// Those that the store knows.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: &dyn Store) -> Result<Stops, Fault> {
        let mut stops = BTreeMap::new();
        for found in store.scan("stop/")? {
            let agent = found.key.trim_start_matches("stop/").to_owned();
            // A stop that cannot be read is a stop.
            let stop = serde_json::from_slice(&found.value).unwrap_or_else(|_| Stop {
                at: Timestamp(0),
                by: None,
                because: "the record of why it was stopped cannot be read".to_owned(),
            });
            stops.insert(agent, stop);
        }
        Ok(Stops(Mutex::new(stops)))
    }

    /// The stop that holds for that agent.
    #[must_use]
    pub fn of(&self, agent: &str) -> Option<Stop> {
        let stops = self.lock();
        stops.get(EVERYBODY).or_else(|| stops.get(agent)).cloned()
    }

    /// Every stop, by agent; [`EVERYBODY`] stands for all.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Stop> {
        self.lock().clone()
    }

    pub(crate) fn set(&self, agent: &str, stop: Stop) {
        self.lock().insert(agent.to_owned(), stop);
    }

    pub(crate) fn clear(&self, agent: &str) {
        self.lock().remove(agent);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Stop>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key of an agent's stop in the store.
#[must_use]
pub fn key(agent: &str) -> String {
    format!("stop/{agent}")
}
