//! The digest that is sent by itself: when it is due, what became of the last, and trying again.
//!
//! What is known of it stands in the store (`digest/state`), before and after every attempt. So a restart neither sends
//! twice what was taken, nor forgets what was not. Only where the power goes between a webhook's yes and its being
//! written down is a digest sent once more, under the id that it had: whoever takes it can tell.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::config::{self, Every};
use crate::confirm::notice;
use crate::digest::webhook::{NotDelivered, Webhook, body};
use crate::digest::{Period, account};
use crate::escape::escape;
use crate::gate::means::{Fault, Means};
use crate::journal::{Entry, Kind};
use crate::store::{Durability, Put};

/// What sends digests.
pub struct Digests {
    means: Arc<Means>,
    settings: config::Digest,
    // What secrets' paths are relative to.
    dir: PathBuf,
    // One at a time changes the state.
    turn: Mutex<()>,
}

/// How it stands with digests, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct State {
    /// The moment at which the last one was due that was sent or given up.
    pub done: Timestamp,
    /// Until when the last one that was taken tells.
    pub told_until: Timestamp,
    /// The last record that it tells of.
    pub told_record: u64,
    /// When it was taken.
    pub taken: Option<Timestamp>,
    /// The one that is being sent.
    pub pending: Option<Pending>,
    /// The last one that was given up, until a later one is taken.
    pub failed: Option<Failed>,
}

/// A digest that is being sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pending {
    /// Its id, the same for every attempt.
    pub id: String,
    /// When it was due.
    pub due: Timestamp,
    /// Until when it tells.
    pub until: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next: Timestamp,
    /// Why it was not taken the last time.
    pub why: Option<String>,
}

/// A digest that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Failed {
    /// When it was due.
    pub due: Timestamp,
    /// When it was given up.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// Why none could be sent.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The webhook did not take it.
    #[error("{0}\nhelp: `[digest]` of `ambit.toml` says where it goes and what signs it")]
    NotDelivered(#[from] NotDelivered),
    /// The secret cannot be looked up.
    #[error("{0}\nhelp: `[digest]` of `ambit.toml` says where the secret is")]
    Secret(String),
    /// Ambit could not do its work.
    #[error(transparent)]
    Fault(#[from] Fault),
}

const KEY: &str = "digest/state";
// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(1);
// After each attempt that failed so long until the next; after the last it is given up.
const AGAIN_SECONDS: [i64; 7] = [10, 60, 300, 900, 3_600, 7_200, 14_400];
const DAY_MS: i64 = 86_400_000;
// 1970-01-05 was the first Monday.
const FIRST_MONDAY_MS: i64 = 4 * DAY_MS;

impl Digests {
    /// Digests as `ambit.toml` has them. `dir`: what paths in it are relative to.
    #[must_use]
    pub fn new(means: Arc<Means>, settings: config::Digest, dir: PathBuf) -> Digests {
        Digests { means, settings, dir, turn: Mutex::default() }
    }

    /// Sends what is due, for as long as it is polled.
    pub async fn send_often(&self) {
        loop {
            if let Err(error) = self.look().await {
                tracing::error!(%error, "the digest could not be looked after");
            }
            self.means.world.sleep(LOOK).await;
        }
    }

    /// Looks once whether one is due, and tries to send it.
    ///
    /// # Errors
    /// When the state cannot be read or written; that one was not taken is none.
    pub async fn look(&self) -> Result<(), Fault> {
        let _turn = self.turn.lock().await;
        let now = self.means.now();
        let due = self.due(now);
        let Some((mut state, version)) = self.state()? else {
            // Begins here: the first digest tells of what happens from now on.
            let record = self.means.store.last_row()?.map_or(0, |row| row.sequence);
            let begun =
                State { done: due, told_until: now, told_record: record, taken: None, pending: None, failed: None };
            return self.keep(&begun, 0, Vec::new(), Vec::new()).await.map(drop);
        };
        if state.pending.is_none() && state.done < due {
            let id: String = self.means.chance()?.to_string().chars().take(32).collect();
            let id = format!("msg_{id}");
            state.pending = Some(Pending { id, due, until: now, attempts: 0, next: now, why: None });
        }
        let Some(pending) = state.pending.clone().filter(|pending| pending.next <= now) else { return Ok(()) };
        self.attempt(state, version, pending).await
    }

    async fn attempt(&self, mut state: State, version: u64, mut pending: Pending) -> Result<(), Fault> {
        let now = self.means.now();
        let wait = AGAIN_SECONDS.get(usize::try_from(pending.attempts).unwrap_or(usize::MAX));
        pending.attempts = pending.attempts.saturating_add(1);
        // Written down before it goes: a start in between waits as well, and does not begin to count anew.
        pending.next = Timestamp(now.0.saturating_add(wait.map_or(0, |seconds| seconds * 1000)));
        state.pending = Some(pending.clone());
        let version = self.keep(&state, version, Vec::new(), Vec::new()).await?;
        match self.send(&pending.id, &state, pending.until).await {
            Ok((_, _, last_record)) => {
                let taken = State {
                    done: pending.due,
                    told_until: pending.until,
                    told_record: last_record,
                    taken: Some(self.means.now()),
                    pending: None,
                    failed: None,
                };
                self.keep(&taken, version, Vec::new(), Vec::new()).await?;
            }
            Err(DigestError::Fault(fault)) => return Err(fault),
            Err(error) => {
                let may_pass = match &error {
                    DigestError::NotDelivered(not) => not.may_pass(),
                    DigestError::Secret(_) | DigestError::Fault(_) => true,
                };
                let why = error.to_string().split("\nhelp: ").next().unwrap_or_default().to_owned();
                if may_pass && wait.is_some() {
                    state.pending = Some(Pending { why: Some(why), ..pending });
                    self.keep(&state, version, Vec::new(), Vec::new()).await?;
                } else {
                    self.give_up(state, version, &pending, why).await?;
                }
            }
        }
        Ok(())
    }

    /// Notes that one is not tried any more. The next tells of its time as well.
    async fn give_up(&self, mut state: State, version: u64, pending: &Pending, why: String) -> Result<(), Fault> {
        let now = self.means.now();
        let entry = Entry {
            details: json!({ "flag": "a digest could not be delivered", "due": pending.due, "attempts": pending.attempts, "why": why }),
            ..Entry::new(Kind::Flagged)
        };
        let told = notice::put(now, self.means.chance()?, "", format!("a digest could not be delivered: {why}"));
        state.done = pending.due;
        state.pending = None;
        state.failed = Some(Failed { due: pending.due, at: now, why });
        self.keep(&state, version, vec![entry], vec![told]).await.map(drop)
    }

    /// Sends one now, that tells what happened since the last; when the next is due stays as it is.
    ///
    /// # Errors
    /// When it was not taken.
    pub async fn send_now(&self) -> Result<(u16, String), DigestError> {
        let _turn = self.turn.lock().await;
        let now = self.means.now();
        let state = match self.state()? {
            Some((state, _)) => state,
            None => {
                let day = Timestamp(now.0.saturating_sub(DAY_MS));
                State { done: now, told_until: day, told_record: 0, taken: None, pending: None, failed: None }
            }
        };
        let id: String = self.means.chance().map_err(Fault::from)?.to_string().chars().take(32).collect();
        let (status, host, _) = self.send(&format!("msg_{id}"), &state, now).await?;
        Ok((status, host))
    }

    /// Makes a digest of what was not told yet, and sends it: the status, the host, and the last record that it tells of.
    async fn send(&self, id: &str, state: &State, until: Timestamp) -> Result<(u16, String, u64), DigestError> {
        let webhook = self.webhook().await?;
        let store = Arc::clone(&self.means.store);
        let after = (state.told_record > 0).then_some(state.told_record);
        let period = Period { from: state.told_until, until, after };
        let told = tokio::task::spawn_blocking(move || account(store.as_ref(), None, period)).await;
        let mut told = told.map_err(|_| Fault::Busy)?.map_err(Fault::from)?;
        if let Some(failed) = &state.failed {
            told.undelivered(format!("{}, due {}", failed.why, crate::confirm::wait::clock(failed.due)));
        }
        let at = self.means.now();
        let status = webhook.send(id, at, body(&told, at)).await?;
        Ok((status, webhook.host(), told.last_record))
    }

    /// The webhook, with its secret looked up now: whoever changes one need not start Ambit again.
    async fn webhook(&self) -> Result<Webhook, DigestError> {
        let (settings, dir) = (self.settings.webhook.clone(), self.dir.clone());
        let revealed = tokio::task::spawn_blocking(move || {
            let url = settings.url.reveal(&dir)?;
            Ok::<_, config::SecretError>((url, settings.secret.reveal(&dir)?))
        });
        let (url, secret) = revealed
            .await
            .map_err(|_| Fault::Busy)?
            .map_err(|error| DigestError::Secret(escape(&error.to_string())))?;
        Ok(Webhook::new(url.reveal(), secret.reveal())?)
    }

    /// The last moment at which one was due.
    fn due(&self, now: Timestamp) -> Timestamp {
        let (length, start) = match self.settings.every {
            Every::Day => (DAY_MS, 0),
            Every::Week => (7 * DAY_MS, FIRST_MONDAY_MS),
        };
        let start = start + self.settings.minutes().unwrap_or(0) * 60_000;
        Timestamp(now.0.saturating_sub((now.0 - start).rem_euclid(length)))
    }

    /// How it stands, and the version of that.
    fn state(&self) -> Result<Option<(State, u64)>, Fault> {
        let Some(found) = self.means.store.get(KEY)? else { return Ok(None) };
        let state = serde_json::from_slice(&found.value)
            .map_err(|error| Fault::Damaged { key: KEY.to_owned(), why: error.to_string() })?;
        Ok(Some((state, found.version)))
    }

    /// Keeps how it stands, on the disk; the version it then has.
    async fn keep(&self, state: &State, expect: u64, entries: Vec<Entry>, more: Vec<Put>) -> Result<u64, Fault> {
        let value = serde_json::to_vec(state)
            .map_err(|error| Fault::Damaged { key: KEY.to_owned(), why: error.to_string() })?;
        let puts = [vec![Put { key: KEY.to_owned(), expect, value: Some(value) }], more].concat();
        self.means.record(entries, move |_| puts, Durability::Now).await?;
        Ok(self.means.store.get(KEY)?.map_or(0, |found| found.version))
    }

    /// How it stands, for people.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn status(&self) -> Result<Value, Fault> {
        let now = self.means.now();
        let length = match self.settings.every {
            Every::Day => DAY_MS,
            Every::Week => 7 * DAY_MS,
        };
        let next = Timestamp(self.due(now).0.saturating_add(length));
        let state = self.state()?.map(|(state, _)| state);
        Ok(json!({
            "next": next,
            "last": state.as_ref().and_then(|state| state.taken),
            "trying": state.as_ref().and_then(|state| state.pending.clone()),
            "failed": state.as_ref().and_then(|state| state.failed.clone()),
        }))
    }
}
