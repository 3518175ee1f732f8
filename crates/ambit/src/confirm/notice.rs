//! What people must hear though they asked for nothing: kept until somebody says that they have seen it.

use ambit_core::action::Digest;
use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::gate::means::{Fault, Means};
use crate::store::{Durability, Put};

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When it came up.
    pub at: Timestamp,
    /// About which agent.
    pub agent: String,
    /// What; escaped where an agent or an upstream wrote it.
    pub text: String,
}

/// The change that leaves a notice; to be committed with the record of what it is about.
#[must_use]
pub fn put(at: Timestamp, chance: Digest, agent: &str, text: String) -> Put {
    let notice = Notice { at, agent: agent.to_owned(), text };
    let unique: String = chance.to_string().chars().take(12).collect();
    Put { key: format!("notice/{:015}-{unique}", at.0), expect: 0, value: serde_json::to_vec(&notice).ok() }
}

/// Every notice that nobody has seen yet, the oldest first.
///
/// # Errors
/// When the store cannot be read.
pub fn unseen(means: &Means) -> Result<Vec<Notice>, Fault> {
    let found = means.store.scan("notice/")?;
    Ok(found.iter().filter_map(|found| serde_json::from_slice(&found.value).ok()).collect())
}

/// Notes that a person has seen every notice up to a moment. How many.
///
/// # Errors
/// When it could not be written.
pub async fn seen(means: &Means, until: Timestamp) -> Result<usize, Fault> {
    let old = |at: &str| at.split('-').next().and_then(|at| at.parse::<i64>().ok()).is_some_and(|at| at <= until.0);
    let puts: Vec<Put> = means
        .store
        .scan("notice/")?
        .into_iter()
        .filter(|found| found.key.strip_prefix("notice/").is_some_and(old))
        .map(|found| Put { key: found.key, expect: found.version, value: None })
        .collect();
    let count = puts.len();
    if count > 0 {
        means.record(Vec::new(), move |_| puts, Durability::Now).await?;
    }
    Ok(count)
}
