//! The people this installation knows: their public keys, kept under `person/NAME`.

use ambit_core::permit::Recorded;
use serde::{Deserialize, Serialize};

use super::PublicKey;
use super::names::{NotAName, name};
use crate::journal::{Entry, Journal, JournalError, Kind};
use crate::store::{Durability, Found, Put, Store, StoreError};

/// A person whose key is enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// Who.
    pub name: String,
    /// What their signatures are verified with.
    pub public_key: PublicKey,
    /// When it was enrolled, in milliseconds since 1970.
    pub enrolled_at: i64,
    /// The person who vouched for it; nobody for the first one, at setup.
    pub vouched_by: Option<String>,
}

/// Why somebody could not be enrolled, withdrawn or found.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// They have a key enrolled already.
    #[error(
        "`{0}` is enrolled already\nhelp: withdraw the old key first; what was signed with it stays verifiable from the journal"
    )]
    Enrolled(String),
    /// Nobody of that name is enrolled.
    #[error(
        "`{0}` is not enrolled\nhelp: `ambit setup` enrols the first person, and each person can vouch for the next"
    )]
    Unknown(String),
    /// What is kept under the name is not a person.
    #[error("what is kept under `{0}` is not a person")]
    Malformed(String),
    /// The journal did not take it.
    #[error(transparent)]
    Journal(JournalError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The person of that name.
///
/// # Errors
/// When the store fails; `Malformed` rather than `None` when something else stands there.
pub fn find(store: &dyn Store, person: &str) -> Result<Option<Enrolled>, PeopleError> {
    store.get(&key(person)?)?.map(|found| read(&found)).transpose()
}

/// Everybody enrolled, by name.
///
/// # Errors
/// When the store fails or holds something else.
pub fn all(store: &dyn Store) -> Result<Vec<Enrolled>, PeopleError> {
    store.scan("person/")?.iter().map(read).collect()
}

/// Enrols a key, recorded and durable.
///
/// # Errors
/// `Enrolled` when the person has one.
pub async fn enrol(
    journal: &Journal,
    person: &str,
    public_key: PublicKey,
    vouched_by: Option<&str>,
) -> Result<(Enrolled, Recorded), PeopleError> {
    let key = key(person)?;
    let enrolled_at = journal.world().now().0;
    let enrolled = Enrolled { name: person.into(), public_key, enrolled_at, vouched_by: vouched_by.map(Into::into) };
    let value = serde_json::to_vec(&enrolled).map_err(|_| PeopleError::Malformed(key.clone()))?;
    let details = serde_json::json!({"change": "enrolled", "public_key": public_key, "vouched_by": vouched_by});
    let recorded = record(journal, person, details, Put { key, expect: 0, value: Some(value) }).await;
    match recorded {
        Err(PeopleError::Journal(JournalError::Store(StoreError::Conflict { .. }))) => {
            Err(PeopleError::Enrolled(person.into()))
        }
        recorded => Ok((enrolled, recorded?)),
    }
}

/// Withdraws a person's key, recorded and durable: from here on nothing is signed with it.
///
/// # Errors
/// `Unknown` when nobody of that name is enrolled.
pub async fn withdraw(journal: &Journal, person: &str, by: Option<&str>) -> Result<Recorded, PeopleError> {
    let key = key(person)?;
    let found = journal.get(&key)?.ok_or_else(|| PeopleError::Unknown(person.into()))?;
    let details = serde_json::json!({"change": "withdrawn", "public_key": read(&found)?.public_key, "by": by});
    record(journal, person, details, Put { key, expect: found.version, value: None }).await
}

async fn record(
    journal: &Journal,
    person: &str,
    details: serde_json::Value,
    put: Put,
) -> Result<Recorded, PeopleError> {
    let entry = Entry { person: Some(person.into()), details, ..Entry::new(Kind::Person) };
    let recorded = journal.write(vec![entry], vec![put], Durability::Now).await.map_err(PeopleError::Journal)?;
    recorded.into_iter().next().ok_or_else(|| PeopleError::Journal(JournalError::Failed("nothing was recorded".into())))
}

fn key(person: &str) -> Result<String, NotAName> {
    Ok(format!("person/{}", name(person)?))
}

fn read(found: &Found) -> Result<Enrolled, PeopleError> {
    serde_json::from_slice(&found.value)
        .ok()
        .filter(|person: &Enrolled| found.key.strip_prefix("person/") == Some(&person.name))
        .ok_or_else(|| PeopleError::Malformed(found.key.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::{inline, keys, wait};
    use crate::store::memory::Memory;
    use std::sync::Arc;

    #[test]
    fn a_person_is_enrolled_once_and_withdrawn() {
        let store = Arc::new(Memory::new());
        let journal = inline(&store).unwrap();
        let public = keys().public();
        let (dana, _) = wait(enrol(&journal, "dana", public, None)).unwrap();
        assert_eq!(find(&*store, "dana").unwrap(), Some(dana.clone()));
        assert!(matches!(wait(enrol(&journal, "dana", public, None)), Err(PeopleError::Enrolled(_))));
        wait(enrol(&journal, "sam", public, Some("dana"))).unwrap();
        assert_eq!(all(&*store).unwrap().iter().map(|one| &*one.name).collect::<Vec<_>>(), ["dana", "sam"]);
        wait(withdraw(&journal, "dana", Some("sam"))).unwrap();
        assert_eq!(find(&*store, "dana").unwrap(), None);
        assert!(matches!(wait(withdraw(&journal, "dana", None)), Err(PeopleError::Unknown(_))));
        wait(enrol(&journal, "dana", public, Some("sam"))).unwrap();
        assert_eq!(store.rows(1, 99).unwrap().len(), 4);
        assert!(find(&*store, "a/b").is_err());
    }

    #[test]
    fn what_is_no_person_is_not_taken_for_nobody() {
        let store = Arc::new(Memory::new());
        let journal = inline(&store).unwrap();
        let (sam, _) = wait(enrol(&journal, "sam", keys().public(), None)).unwrap();
        for value in [b"{}".to_vec(), serde_json::to_vec(&sam).unwrap()] {
            let version = store.get("person/dana").unwrap().map_or(0, |found| found.version);
            let put = Put { key: "person/dana".into(), expect: version, value: Some(value) };
            wait(journal.write(vec![], vec![put], Durability::Now)).unwrap();
            assert!(matches!(find(&*store, "dana"), Err(PeopleError::Malformed(_))));
        }
    }
}
