//! What time alone brings about: holds lapse, tasks end, what was confirmed and interrupted goes on, and what nobody collects any
//! more, or may ask for again, is forgotten (its records stay).

use super::{change, key, refused};
use crate::daemon::tasks;
use crate::gate::errand;
use crate::gate::means::{Fault, Means};
use crate::store::{Durability, Put};

/// What a sweep did, and what it leaves to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// So many lapsed.
    pub expired: usize,
    /// So many tasks came to the end of their time.
    pub tasks: usize,
    /// So many were forgotten.
    pub forgotten: usize,
    /// Confirmed and not yet sent: to be executed (`gate::execute::begin`), because whoever had begun to was interrupted.
    pub confirmed: Vec<String>,
}

/// Sweeps once.
///
/// # Errors
/// When Ambit could not do its work; what was not done is due the next time.
pub async fn sweep(means: &Means) -> Result<Swept, Fault> {
    let due = means.queue.due(means.now(), means.settings.keep);
    let mut swept = Swept { confirmed: due.confirmed, ..Swept::default() };
    for id in due.expired {
        change::expire(means, &id, means.now()).await?;
        swept.expired += 1;
    }
    for id in means.tasks.due(means.now()) {
        tasks::close(means, &id, None, "its time is over").await?;
        swept.tasks += 1;
    }
    for id in due.forgotten {
        let key = key(&id);
        if let Some(found) = means.store.get(&key)? {
            let put = Put { key, expect: found.version, value: None };
            means.record(Vec::new(), move |_| vec![put], Durability::Soon).await?;
        }
        means.queue.forget(&id);
        swept.forgotten += 1;
    }
    if means.looked.is_due(means.now()) {
        refused::forget(means, None).await?;
    }
    for id in means.errands.due(means.now(), means.settings.keep) {
        let key = errand::key(&id);
        if let Some(found) = means.store.get(&key)? {
            let put = Put { key, expect: found.version, value: None };
            means.record(Vec::new(), move |_| vec![put], Durability::Soon).await?;
        }
        means.errands.forget(&id);
        swept.forgotten += 1;
    }
    Ok(swept)
}
