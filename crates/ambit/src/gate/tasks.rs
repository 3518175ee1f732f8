//! The tasks that are open. Kept in the store (`task/AGENT/ID`) and in memory, so that every action can be held against
//! them. What a task says (its request, who wrote that, its facts) is a payload of the journal, sealed and erasable.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::means::{Fault, Means};
use super::session::{Fact, OpenTask};
use crate::store::Store;

/// An open task, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptTask {
    /// Its id.
    pub id: String,
    /// Whose.
    pub agent: String,
    /// The name that `for` uses; empty: it has none.
    pub name: String,
    /// Who opened it, or answers for the program that did.
    pub opened_by: String,
    /// The program that opened it, where it was none of the person's own doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// For whom it runs.
    pub on_behalf_of: String,
    /// Since when.
    pub opened: Timestamp,
    /// Until when, unless it is closed before.
    pub until: Timestamp,
    /// The id of its token.
    pub token: String,
    /// The record whose payload is what it says.
    pub record: u64,
}

/// What a task says: the payload of the record that it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The request in its own words.
    pub request: Option<String>,
    /// Who wrote that request.
    pub author: Option<String>,
    /// What the caller vouches for.
    pub facts: Vec<(String, Fact)>,
}

/// The tasks that are open.
pub struct Tasks(Mutex<BTreeMap<String, Arc<KeptTask>>>);

impl Tasks {
    /// Those that the store knows.
    ///
    /// # Errors
    /// When the store cannot be read, or what it holds is no task.
    pub fn open(store: &dyn Store) -> Result<Tasks, Fault> {
        let mut tasks = BTreeMap::new();
        for found in store.scan("task/")? {
            let kept: KeptTask = serde_json::from_slice(&found.value)
                .map_err(|error| Fault::Damaged { key: found.key.clone(), why: error.to_string() })?;
            if key(&kept.agent, &kept.id) != found.key {
                return Err(Fault::Damaged { key: found.key, why: "it is another task".to_owned() });
            }
            tasks.insert(kept.id.clone(), Arc::new(kept));
        }
        Ok(Tasks(Mutex::new(tasks)))
    }

    /// The task of that agent and id, if it is open at that moment.
    #[must_use]
    pub fn open_now(&self, agent: &str, id: &str, now: Timestamp) -> Option<Arc<KeptTask>> {
        self.get(id).filter(|task| task.agent == agent && now <= task.until)
    }

    /// The task of that id, also when its time is over and nobody has swept yet.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<KeptTask>> {
        self.lock().get(id).cloned()
    }

    /// Every open task, of one agent or of all, by id.
    #[must_use]
    pub fn all(&self, agent: Option<&str>) -> Vec<Arc<KeptTask>> {
        self.lock().values().filter(|task| agent.is_none_or(|agent| task.agent == agent)).cloned().collect()
    }

    /// The ids that start like that: people need not type the whole.
    #[must_use]
    pub fn like(&self, start: &str) -> Vec<String> {
        self.lock().keys().filter(|id| id.starts_with(start)).take(8).cloned().collect()
    }

    /// The ids of those whose time is over.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<String> {
        self.lock().values().filter(|task| now > task.until).map(|task| task.id.clone()).collect()
    }

    pub(crate) fn note(&self, task: KeptTask) {
        self.lock().insert(task.id.clone(), Arc::new(task));
    }

    pub(crate) fn forget(&self, id: &str) -> Option<Arc<KeptTask>> {
        self.lock().remove(id)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<KeptTask>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When each caller opened tasks of each agent, within the last hour. In memory alone.
#[derive(Default)]
pub struct Openings(Mutex<BTreeMap<(String, String), VecDeque<Timestamp>>>);

const HOUR_MS: i64 = 3_600_000;

impl Openings {
    /// How many seconds a caller that may open so many an hour has to wait for the next; `None`: none at all.
    #[must_use]
    pub fn wait(&self, caller: &str, agent: &str, most: u64, now: Timestamp) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = all.get_mut(&(caller.to_owned(), agent.to_owned()))?;
        // Those that a clock which was set back has still to come are none of the last hour.
        times.retain(|at| (0..HOUR_MS).contains(&now.0.saturating_sub(at.0)));
        let too_many = times.len().checked_sub(usize::try_from(most).unwrap_or(usize::MAX))?;
        let first = times.get(too_many)?;
        let left = HOUR_MS.saturating_sub(now.0.saturating_sub(first.0));
        Some(u64::try_from(left).unwrap_or(0).div_ceil(1000))
    }

    pub(crate) fn note(&self, caller: &str, agent: &str, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((caller.to_owned(), agent.to_owned())).or_default().push_back(now);
    }
}

/// The task as sessions and decisions have it; `None`: it is not open, or what it says was erased.
///
/// # Errors
/// When what it says cannot be read.
pub fn open_task(means: &Means, agent: &str, id: &str) -> Result<Option<OpenTask>, Fault> {
    let Some(kept) = means.tasks.open_now(agent, id, means.now()) else { return Ok(None) };
    let Some(Said { request, author, facts }) = said(means, &kept)? else { return Ok(None) };
    Ok(Some(OpenTask {
        id: kept.id.clone(),
        agent: kept.agent.clone(),
        name: kept.name.clone(),
        request,
        author,
        facts,
        opened_by: kept.opened_by.clone(),
        on_behalf_of: Some(kept.on_behalf_of.clone()),
    }))
}

/// What a task says; `None`: it was erased.
///
/// # Errors
/// When it cannot be read.
pub fn said(means: &Means, kept: &KeptTask) -> Result<Option<Said>, Fault> {
    let Some(bytes) = means.payload(kept.record)? else { return Ok(None) };
    let damaged = |error: serde_json::Error| Fault::Damaged { key: key(&kept.agent, &kept.id), why: error.to_string() };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// The key of a task in the store.
#[must_use]
pub fn key(agent: &str, id: &str) -> String {
    format!("task/{agent}/{id}")
}
