//! What a person said no to: exactly this action is refused for its task, or for a day where there is none.

use std::sync::atomic::{AtomicI64, Ordering};

use ambit_core::action::Digest;
use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gate::means::{Fault, Means};
use crate::gate::tasks;
use crate::store::{Durability, Put};

/// A person's no to exactly one action, kept under `refused/AGENT/DIGEST`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct No {
    /// Until when; `None`: as long as its task, whose name is in the digest.
    pub until: Option<Timestamp>,
    /// That task's id; one that was kept before ids were has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Why, in their words.
    pub because: String,
}

/// When those that are over were last looked for, in milliseconds since 1970.
pub struct Looked(AtomicI64);

const DAY: i64 = 24 * 3600 * 1000;
const HOUR: i64 = 3600 * 1000;

impl No {
    pub(super) fn at(now: Timestamp, task: Option<String>, because: &str) -> No {
        let until = task.is_none().then_some(Timestamp(now.0.saturating_add(DAY)));
        No { until, task, because: because.to_owned() }
    }

    fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now <= until)
    }
}

impl Default for Looked {
    fn default() -> Looked {
        Looked(AtomicI64::new(i64::MIN))
    }
}

impl Looked {
    /// Whether they are to be looked for now: once an hour, and when a process begins.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let due = now.0.saturating_sub(self.0.load(Ordering::Relaxed)) >= HOUR;
        if due {
            self.0.store(now.0, Ordering::Relaxed);
        }
        due
    }
}

/// The no that holds for an action.
///
/// # Errors
/// When it cannot be read.
pub(super) fn before(means: &Means, agent: &str, action: Digest, now: Timestamp) -> Result<Option<No>, Fault> {
    let key = key(agent, action);
    let Some(found) = means.store.get(&key)? else { return Ok(None) };
    let no: No =
        serde_json::from_slice(&found.value).map_err(|error| Fault::Damaged { key, why: error.to_string() })?;
    Ok(Some(no).filter(|no| no.holds(now)))
}

/// Forgets what is over, of one agent or of all: nobody can ask for it again, or may. Its records stay. How many.
///
/// # Errors
/// When the store fails; what was not forgotten is the next time.
pub async fn forget(means: &Means, agent: Option<&str>) -> Result<usize, Fault> {
    let prefix = agent.map_or_else(|| "refused/".to_owned(), |agent| format!("refused/{agent}/"));
    let mut puts = Vec::new();
    for found in means.store.scan(&prefix)? {
        let agent = found.key.strip_prefix("refused/").and_then(|rest| rest.split_once('/')).map(|(agent, _)| agent);
        let (Some(agent), Ok(no)) = (agent, serde_json::from_slice::<No>(&found.value)) else { continue };
        if is_over(means, agent, &no)? {
            puts.push(Put { key: found.key, expect: found.version, value: None });
        }
    }
    let count = puts.len();
    if count > 0 {
        means.record(Vec::new(), move |_| puts, Durability::Soon).await?;
    }
    Ok(count)
}

fn is_over(means: &Means, agent: &str, no: &No) -> Result<bool, Fault> {
    Ok(match &no.task {
        _ if no.until.is_some() => !no.holds(means.now()),
        // A task whose end could not be recorded is open again when the process begins anew.
        Some(task) => means.tasks.get(task).is_none() && means.store.get(&tasks::key(agent, task))?.is_none(),
        None => means.tasks.all(Some(agent)).is_empty() && means.store.scan(&tasks::key(agent, ""))?.is_empty(),
    })
}

pub(super) fn key(agent: &str, action: Digest) -> String {
    format!("refused/{agent}/{action}")
}
