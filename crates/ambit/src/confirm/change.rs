//! Every change of a hold goes through [`change`]: read, step, and write with its records only if nobody was faster.

use ambit_core::hold::{Denial, Outcome, State};
use ambit_core::permit::Recorded;
use ambit_core::time::Timestamp;
use serde_json::json;

use super::{Kept, key, notice};
use crate::gate::Sent;
use crate::gate::execute::outcome;
use crate::gate::means::{Fault, Means};
use crate::gate::prove::Proved;
use crate::journal::{Entry, JournalError, Kind};
use crate::store::{Durability, Put, StoreError};

/// What a step of a hold writes beside the hold itself.
#[derive(Default)]
pub struct Step<T = ()> {
    /// What came of it.
    pub said: T,
    /// Its records.
    pub entries: Vec<Entry>,
    /// Other state that changes with it.
    pub puts: Vec<Put>,
}

/// A hold after a step.
pub struct Changed<T = ()> {
    /// The hold.
    pub kept: Kept,
    /// What came of the step.
    pub said: T,
    /// The last of its records.
    pub recorded: Option<Recorded>,
}

/// Why a hold was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Where it stands does not let it.
    #[error("{0}")]
    Denied(Denial),
    /// There is none of that id.
    #[error("there is no hold `{0}`\nhelp: `ambit inbox` lists those that wait")]
    NoSuchHold(String),
    /// Ambit could not do its work.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Denial> for ChangeError {
    fn from(denial: Denial) -> ChangeError {
        ChangeError::Denied(denial)
    }
}

const ATTEMPTS: usize = 16;

/// The hold of that id.
///
/// # Errors
/// When the store cannot be read, or what it holds is no hold.
pub fn kept(means: &Means, id: &str) -> Result<Option<Kept>, Fault> {
    Ok(found(means, id)?.map(|(kept, _)| kept))
}

fn found(means: &Means, id: &str) -> Result<Option<(Kept, u64)>, Fault> {
    let key = key(id);
    let Some(found) = means.store.get(&key)? else { return Ok(None) };
    let kept = serde_json::from_slice(&found.value).map_err(|error| Fault::Damaged { key, why: error.to_string() })?;
    Ok(Some((kept, found.version)))
}

/// Takes a step of a hold: as it stands in the store, and only if it still stands so when the step is written.
///
/// # Errors
/// When the step was denied (nothing changed), or could not be written (then it may yet have happened).
pub async fn change<T>(
    means: &Means,
    id: &str,
    durability: Durability,
    step: impl Fn(&mut Kept) -> Result<Step<T>, Denial>,
) -> Result<Changed<T>, ChangeError> {
    for _ in 0..ATTEMPTS {
        let Some((mut kept, version)) = found(means, id)? else { return Err(ChangeError::NoSuchHold(id.to_owned())) };
        let before = kept.clone();
        let Step { said, entries, mut puts } = step(&mut kept)?;
        if kept == before && entries.is_empty() && puts.is_empty() {
            return Ok(Changed { kept, said, recorded: None });
        }
        let (key, mut written) = (key(id), kept.clone());
        let all = move |numbers: &[u64]| {
            name_record(&mut written, numbers);
            // A hold of strings, numbers and digests always serialises; were it not to, the empty value fails closed.
            let value = serde_json::to_vec(&written).unwrap_or_default();
            puts.push(Put { key, expect: version, value: Some(value) });
            puts
        };
        match means.record(entries, all, durability).await {
            Ok(recorded) => {
                name_record(&mut kept, &recorded.iter().map(|r| r.sequence).collect::<Vec<_>>());
                means.queue.note(&kept);
                return Ok(Changed { kept, said, recorded: recorded.last().copied() });
            }
            Err(JournalError::Store(StoreError::Conflict { .. })) => {}
            Err(error) => return Err(Fault::from(error).into()),
        }
    }
    Err(Fault::Busy.into())
}

/// The number of its answer's record is known only when it is written: it is the first of the step's records.
fn name_record(kept: &mut Kept, numbers: &[u64]) {
    if let (State::Done { record, .. }, Some(first)) = (&mut kept.hold.state, numbers.first())
        && *record == TO_COME
    {
        *record = *first;
    }
}

const TO_COME: u64 = u64::MAX;

/// Withdraws a hold that may no longer run, and tells the people. Where it stands afterwards; `None`: there is none.
///
/// # Errors
/// When Ambit could not do its work.
pub async fn withdraw(means: &Means, id: &str, because: &str) -> Result<Option<State>, Fault> {
    let at = means.now();
    settled(
        change(means, id, Durability::Now, |kept| {
            kept.hold.withdraw(because, at)?;
            Ok(Step {
                entries: vec![kept.entry(Kind::HoldWithdrawn, json!({ "because": because }))],
                ..Step::default()
            })
        })
        .await,
        means,
        id,
    )
}

/// Notes that nobody knows what came of a hold, and tells the people.
///
/// # Errors
/// When Ambit could not do its work.
pub async fn lose(means: &Means, id: &str, because: &str) -> Result<Option<State>, Fault> {
    let (at, chance) = (means.now(), means.chance()?);
    settled(
        change(means, id, Durability::Now, |kept| {
            kept.hold.lose(because, at)?;
            let text = format!("nobody knows what came of {} ({}): {because}", kept.hold.id, called(kept));
            Ok(Step {
                said: (),
                entries: vec![kept.entry(Kind::OutcomeUnknown, json!({ "why": because }))],
                puts: vec![notice::put(at, chance, kept.agent(), text)],
            })
        })
        .await,
        means,
        id,
    )
}

/// Records what came of a hold that was sent.
///
/// # Errors
/// When Ambit could not do its work; the hold then stands as executing, and the next start tells it as unknown.
pub async fn finish(means: &Means, id: &str, proved: Proved) -> Result<Option<State>, Fault> {
    let said = match &proved.sent {
        Sent::Result(_) => Outcome::Result,
        Sent::Error(_) => Outcome::Error,
        Sent::NotSent(_) => Outcome::NotSent,
        Sent::Unknown(because) => return lose(means, id, because).await,
    };
    let at = means.now();
    settled(
        change(means, id, Durability::Now, |kept| {
            kept.hold.finish(said, TO_COME, at)?;
            let entry = outcome(&proved, kept.agent(), kept.hold.binding.action);
            let about = kept.entry(entry.kind, entry.details.clone());
            Ok(Step { entries: vec![Entry { payload: entry.payload, ..about }], ..Step::default() })
        })
        .await,
        means,
        id,
    )
}

/// Ends a hold whose time is over.
///
/// # Errors
/// When Ambit could not do its work.
pub async fn expire(means: &Means, id: &str, now: Timestamp) -> Result<Option<State>, Fault> {
    settled(
        change(means, id, Durability::Now, |kept| {
            let entries = if kept.hold.expire(now) { vec![kept.entry(Kind::HoldExpired, json!({}))] } else { vec![] };
            Ok(Step { entries, ..Step::default() })
        })
        .await,
        means,
        id,
    )
}

/// What it calls, for people.
#[must_use]
pub fn called(kept: &Kept) -> String {
    format!("{}.{}", crate::escape::escape(&kept.frame.system), crate::escape::escape(&kept.frame.name))
}

fn settled(change: Result<Changed, ChangeError>, means: &Means, id: &str) -> Result<Option<State>, Fault> {
    match change {
        Ok(Changed { kept, .. }) => Ok(Some(kept.hold.state)),
        // Somebody was faster; where it stands is what they made of it.
        Err(ChangeError::Denied(_)) => Ok(kept(means, id)?.map(|kept| kept.hold.state)),
        Err(ChangeError::NoSuchHold(_)) => Ok(None),
        Err(ChangeError::Fault(fault)) => Err(fault),
    }
}
