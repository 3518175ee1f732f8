//! The releases that the store keeps, and which of them is in force. What is in force is read back from the bytes that a
//! person signed; a file edited on the disk changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambit_core::release::{self, Release};
use ambit_core::scope::diagnostics::Severity;
use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::callers;
use crate::config::Config;
use crate::confirm::change;
use crate::confirm::wait::clock;
use crate::gate::judge::Judge;
use crate::gate::means::{Fault, InForce, Judges, Means};
use crate::journal::{Entry, Kind};
use crate::keys::{PublicKey, Signature};
use crate::lock::Lock;
use crate::snapshot::{Shared, Snapshot};
use crate::store::{Durability, Put, Store};

/// A release with its contents, as the store keeps it under `release/AGENT/NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRelease {
    /// The release.
    pub release: Release,
    /// The key of the person who signed it, as it was enrolled then.
    pub key: PublicKey,
    /// Their signature over its digest.
    pub signature: Signature,
    /// The bytes of the snapshot that it covers.
    pub snapshot: String,
}

/// The name of the one part that a release has: the snapshot's bytes.
pub const PART: &str = "snapshot";

/// The domain of what a person signs to put a release in force; its one part is the release's digest.
pub const DOMAIN: &str = "ambit/release/1";

/// Why a release cannot be in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is not what a person signed.
    #[error("release {0} is not what was signed")]
    NotSigned(u64),
    /// Its contents do not make a policy with this version of Ambit.
    #[error("release {number} does not compile: {why}")]
    NoPolicy {
        /// Which.
        number: u64,
        /// The first reason.
        why: String,
    },
}

/// What a release makes, out of its own bytes alone.
#[derive(Clone)]
pub struct Held {
    /// Its judge.
    pub judge: Arc<Judge>,
    /// `ambit.toml` as it has it.
    pub config: Arc<Config>,
    /// `ambit.lock` as it has it.
    pub lock: Arc<Lock>,
}

impl KeptRelease {
    /// The judge that it makes: checked against its signature, then read from its own bytes alone.
    ///
    /// # Errors
    /// When it is not what was signed, or makes no policy.
    pub fn judge(&self) -> Result<Arc<Judge>, Unusable> {
        self.read(&Shared::default()).map(|held| held.judge)
    }

    /// All that it makes, with what it has in common with others.
    ///
    /// # Errors
    /// As [`KeptRelease::judge`].
    pub fn read(&self, shared: &Shared) -> Result<Held, Unusable> {
        let (release, bytes) = (&self.release, self.snapshot.as_bytes());
        let signed = self.key.verify(DOMAIN, &[&release.digest().0], &self.signature);
        if !signed || !release.covers([(PART, bytes)]) {
            return Err(Unusable::NotSigned(release.number));
        }
        let no_policy = |why: String| Unusable::NoPolicy { number: release.number, why };
        let snapshot = Snapshot::from_bytes(bytes).map_err(|error| no_policy(error.to_string()))?;
        if snapshot.agent() != release.agent {
            return Err(Unusable::NotSigned(release.number));
        }
        held(&snapshot, release.clone(), shared).map_err(no_policy)
    }
}

/// The judge that a snapshot makes under a release.
///
/// # Errors
/// The first reason why it makes none.
pub fn judge(snapshot: &Snapshot, release: Release) -> Result<Arc<Judge>, String> {
    held(snapshot, release, &Shared::default()).map(|held| held.judge)
}

fn held(snapshot: &Snapshot, release: Release, shared: &Shared) -> Result<Held, String> {
    let mut resolved = snapshot.resolve_sharing(shared);
    match resolved.policy.take() {
        Some(policy) => {
            let readers = shared.readers(&resolved.setting.catalog, || resolved.readers());
            let callers = callers::of(&resolved.config, &resolved.agent);
            let judge = Judge::new(release, Arc::new(policy), readers).with_callers(callers);
            Ok(Held { judge: Arc::new(judge), config: resolved.config, lock: resolved.lock })
        }
        None => {
            let mut found = resolved.findings.iter().flat_map(|found| &found.diagnostics);
            let first = found.find(|one| one.severity == Severity::Error);
            Err(first.map_or_else(|| "it makes no policy".to_owned(), |one| one.message.clone()))
        }
    }
}

/// The releases of a store.
pub struct Releases {
    store: Arc<dyn Store>,
    known: Mutex<BTreeMap<String, Known>>,
    shared: Shared,
}

/// What is known of one agent's releases.
#[derive(Default)]
struct Known {
    releases: Vec<Release>,
    gap: bool,
    held: Option<(u64, Result<Held, Unusable>)>,
}

impl Releases {
    /// The releases of that store; nothing is read before it is asked for.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Releases {
        Releases { store, known: Mutex::default(), shared: Shared::default() }
    }

    /// An agent's releases, the oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(&self, agent: &str) -> Result<Vec<KeptRelease>, Fault> {
        let mut all = Vec::new();
        for found in self.store.scan(&format!("release/{agent}/"))? {
            let kept = serde_json::from_slice::<KeptRelease>(&found.value)
                .map_err(|error| Fault::Damaged { key: found.key.clone(), why: error.to_string() })?;
            if key(agent, kept.release.number) != found.key || kept.release.agent != agent {
                return Err(Fault::Damaged { key: found.key, why: "it is another release".to_owned() });
            }
            all.push(kept);
        }
        all.sort_by_key(|kept| kept.release.number);
        Ok(all)
    }

    /// The operating-system user that the release of this judge names for a person.
    #[must_use]
    pub fn os_user(&self, agent: &str, judge: &Judge, person: &str) -> Option<String> {
        self.config(agent, judge)?.people.get(person)?.os_user.clone()
    }

    /// `ambit.toml` as the release of this judge has it.
    #[must_use]
    pub fn config(&self, agent: &str, judge: &Judge) -> Option<Arc<Config>> {
        self.held(agent, judge).ok().map(|held| held.config)
    }

    /// What the release of this judge makes; read anew where another is in force meanwhile.
    ///
    /// # Errors
    /// When it cannot be read back; why.
    pub fn held(&self, agent: &str, judge: &Judge) -> Result<Held, String> {
        let (number, digest) = (judge.release().number, judge.release_digest());
        if let Some(Known { held: Some((_, Ok(held))), .. }) = self.lock().get(agent)
            && held.judge.release_digest() == digest
        {
            return Ok(held.clone());
        }
        let kept = self.of(agent).map_err(|fault| fault.to_string())?;
        let kept = kept.into_iter().find(|kept| kept.release.number == number).ok_or("the release is missing")?;
        kept.read(&self.shared).map_err(|why| why.to_string())
    }

    /// Reads an agent's releases anew the next time.
    pub fn forget(&self, agent: &str) {
        self.lock().remove(agent);
    }

    fn find(&self, known: &mut Known, agent: &str, now: Timestamp) -> Result<InForce, Fault> {
        if known.gap {
            return Ok(InForce::Nothing("one of its releases is missing from the store".to_owned()));
        }
        let release = match release::in_force(&known.releases, now) {
            release::InForce::Release(release) => release,
            release::InForce::Never => {
                return Ok(InForce::Nothing(format!(
                    "none was ever released\nhelp: a person runs `ambit release {agent}`"
                )));
            }
            release::InForce::Ended(release) => {
                let ended = release.until.map(clock).unwrap_or_default();
                let number = release.number;
                return Ok(InForce::Nothing(format!(
                    "release {number} ended at {ended}, and no earlier one may take its place without a person\nhelp: a person runs `ambit release {agent}`"
                )));
            }
        };
        let number = release.number;
        let current = known.held.as_ref().filter(|(of, _)| *of == number);
        let held = match current {
            Some((_, held)) => held.clone(),
            None => {
                let key = key(agent, number);
                let Some(found) = self.store.get(&key)? else {
                    return Ok(InForce::Nothing(format!("release {number} is missing from the store")));
                };
                let kept = serde_json::from_slice::<KeptRelease>(&found.value)
                    .map_err(|error| Fault::Damaged { key, why: error.to_string() })?;
                let held = kept.read(&self.shared);
                known.held = Some((number, held.clone()));
                held
            }
        };
        Ok(held.map_or_else(
            |why| InForce::Nothing(format!("{why}\nhelp: a person runs `ambit release {agent}`")),
            |held| InForce::Judge(held.judge),
        ))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judges for Releases {
    fn in_force(&self, agent: &str, now: Timestamp) -> InForce {
        let mut all = self.lock();
        let mut nothing = Known::default();
        let known = match all.get_mut(agent) {
            Some(known) => known,
            None => match self.of(agent) {
                // It may be a name that a stranger made up: nothing is kept of it.
                Ok(kept) if kept.is_empty() => &mut nothing,
                Ok(kept) => {
                    let releases: Vec<Release> = kept.into_iter().map(|kept| kept.release).collect();
                    let gap = !(1..).zip(&releases).all(|(number, release)| release.number == number);
                    all.entry(agent.to_owned()).or_insert(Known { releases, gap, held: None })
                }
                Err(fault) => return InForce::Nothing(fault.to_string()),
            },
        };
        self.find(known, agent, now).unwrap_or_else(|fault| InForce::Nothing(fault.to_string()))
    }

    fn agents(&self) -> Vec<String> {
        // Their keys alone: each release has everything that it is about in it.
        let keys = self.store.keys("release/").unwrap_or_default();
        let agent = |key: &String| {
            key.strip_prefix("release/").and_then(|rest| rest.rsplit_once('/')).map(|(a, _)| a.to_owned())
        };
        let mut agents: Vec<String> = keys.iter().filter_map(agent).collect();
        agents.dedup();
        agents
    }
}

/// Puts a release in force: records it, and withdraws what waits under the one before. The holds that were withdrawn.
///
/// # Errors
/// When it could not be recorded (it is not in force then), or another release was faster.
pub async fn put_in_force(means: &Means, releases: &Releases, kept: KeptRelease) -> Result<Vec<String>, Fault> {
    let release = &kept.release;
    let (agent, number) = (release.agent.clone(), release.number);
    let entry = Entry {
        agent: Some(agent.clone()),
        person: Some(release.by.clone()),
        details: json!({
            "release": number, "digest": release.digest(), "because": release.because, "key": kept.key,
            "narrows": release.narrows, "widens": release.widens, "overrides": release.overrides,
            "until": release.until, "reverts-to": release.reverts_to,
        }),
        payload: Some(kept.snapshot.clone().into_bytes()),
        ..Entry::new(Kind::Released)
    };
    let key = key(&agent, number);
    let value =
        serde_json::to_vec(&kept).map_err(|error| Fault::Damaged { key: key.clone(), why: error.to_string() })?;
    let put = Put { key, expect: 0, value: Some(value) };
    means.record(vec![entry], move |_| vec![put], Durability::Now).await?;
    releases.forget(&agent);
    // What systems still work on was begun under what is over, whether or not its agent ever asks for anything again.
    means.errands.let_go_of_all(Some(&agent));
    let mut withdrawn = Vec::new();
    for id in means.queue.withdrawable(Some(&agent)) {
        let because = format!("release {number} of the scope is in force now");
        if let Some(ambit_core::hold::State::Withdrawn { .. }) = change::withdraw(means, &id, &because).await? {
            withdrawn.push(id);
        }
    }
    means.sessions.permit_nothing(&agent);
    means.sessions.tell(&agent, |news| {
        news.tools += 1;
        news.resources += 1;
        news.prompts += 1;
    });
    Ok(withdrawn)
}

// Numbers are padded so that the store lists them in order.
fn key(agent: &str, number: u64) -> String {
    format!("release/{agent}/{number:010}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;

    #[test]
    fn nothing_is_kept_of_a_name_that_has_no_release() {
        let releases = Releases::new(Arc::new(Memory::new()));
        for number in 0..100 {
            let InForce::Nothing(why) = releases.in_force(&format!("made-up-{number}"), Timestamp(0)) else { panic!() };
            assert!(why.contains("none was ever released"), "{why}");
        }
        assert_eq!(releases.lock().len(), 0);
    }
}
