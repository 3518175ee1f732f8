//! What waits: an index in memory of the holds in the store, and the rules that keep an agent from flooding people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambit_core::action::Digest;
use ambit_core::decision::Decision;
use ambit_core::hold::{Binding, Hold, State};
use ambit_core::time::Timestamp;
use serde_json::json;
use tokio::sync::Notify;

use super::{Frame, Kept, change, key, refused, shown};
use crate::gate::entries;
use crate::gate::means::Fault;
use crate::gate::pass::{Case, Draft, Ruling};
use crate::gate::refuse::{Cause, Refusal};
use crate::journal::{Entry, Kind};
use crate::store::{Durability, Put, Store};

/// The index. The store is what counts; this only finds things in it.
#[derive(Default)]
pub struct Queue(Mutex<Index>, Arc<Mutex<BTreeSet<String>>>);

/// A hold that somebody sees to the execution of, until this is dropped.
pub struct Underway {
    all: Arc<Mutex<BTreeSet<String>>>,
    id: String,
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

#[derive(Default)]
struct Index {
    slots: BTreeMap<String, Slot>,
    by_agent: BTreeMap<Arc<str>, BTreeSet<String>>,
}

/// What the index knows of a hold.
struct Slot {
    agent: Arc<str>,
    action: Digest,
    opened: Timestamp,
    expires: Timestamp,
    stage: Stage,
    collected: bool,
    changed: Option<Arc<Notify>>,
}

/// How far a hold is, as far as the queue cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Confirmed,
    Executing,
    /// It ran, or may have run: its answer is there to be collected.
    Ran(Timestamp),
    Ended(Timestamp),
}

/// What is due at a moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Their time to decide is over.
    pub expired: Vec<String>,
    /// Confirmed, and not yet sent.
    pub confirmed: Vec<String>,
    /// Ended so long ago that nobody collects them any more.
    pub forgotten: Vec<String>,
}

impl Queue {
    /// The index of a store's holds.
    ///
    /// # Errors
    /// When the store cannot be read, or what it holds is no hold.
    pub fn open(store: &dyn Store) -> Result<Queue, Fault> {
        let queue = Queue::default();
        for found in store.scan("hold/")? {
            let kept: Kept = serde_json::from_slice(&found.value)
                .map_err(|error| Fault::Damaged { key: found.key, why: error.to_string() })?;
            queue.note(&kept);
        }
        Ok(queue)
    }

    /// Notes where a hold stands, and wakes whoever waits for it.
    pub fn note(&self, kept: &Kept) {
        let stage = match &kept.hold.state {
            State::Waiting => Stage::Waiting,
            State::Confirmed { .. } => Stage::Confirmed,
            State::Executing { .. } => Stage::Executing,
            State::Done { at, .. } | State::OutcomeUnknown { at, .. } => Stage::Ran(*at),
            State::Refused { at, .. } | State::Expired { at } | State::Withdrawn { at, .. } => Stage::Ended(*at),
        };
        let mut index = self.lock();
        let id = &kept.hold.id;
        let agent = match index.by_agent.get_key_value(kept.agent()) {
            Some((agent, _)) => Arc::clone(agent),
            None => Arc::from(kept.agent()),
        };
        index.by_agent.entry(Arc::clone(&agent)).or_default().insert(id.clone());
        let changed = index.slots.get_mut(id).and_then(|slot| slot.changed.clone());
        let slot = Slot {
            agent,
            action: kept.hold.binding.action,
            opened: kept.hold.opened,
            expires: kept.hold.binding.expires,
            stage,
            collected: kept.collected,
            changed: changed.clone(),
        };
        index.slots.insert(id.clone(), slot);
        drop(index);
        if let Some(changed) = changed {
            changed.notify_waiters();
        }
    }

    /// Takes the execution of a hold upon oneself; `None` when somebody has. This saves work; that it runs once is for the
    /// store to see to.
    pub(crate) fn take_up(&self, id: &str) -> Option<Underway> {
        let new = self.1.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        new.then(|| Underway { all: Arc::clone(&self.1), id: id.to_owned() })
    }

    /// Forgets a hold that is in the store no longer.
    pub(crate) fn forget(&self, id: &str) {
        let mut index = self.lock();
        if let Some(slot) = index.slots.remove(id)
            && let Some(ids) = index.by_agent.get_mut(&slot.agent)
        {
            ids.remove(id);
        }
    }

    /// Wakes whoever waits when the hold changes.
    pub(crate) fn changed(&self, id: &str) -> Option<Arc<Notify>> {
        let mut index = self.lock();
        let slot = index.slots.get_mut(id)?;
        Some(Arc::clone(slot.changed.get_or_insert_default()))
    }

    /// The holds that wait for people, by id; of one agent, or of all.
    #[must_use]
    pub fn waiting(&self, agent: Option<&str>) -> Vec<String> {
        let index = self.lock();
        let mine = |slot: &Slot| agent.is_none_or(|agent| *slot.agent == *agent);
        index.slots.iter().filter(|(_, s)| s.stage == Stage::Waiting && mine(s)).map(|(id, _)| id.clone()).collect()
    }

    /// The holds that have not begun and can still be withdrawn, by id.
    #[must_use]
    pub fn withdrawable(&self, agent: Option<&str>) -> Vec<String> {
        let index = self.lock();
        let open = |slot: &Slot| matches!(slot.stage, Stage::Waiting | Stage::Confirmed);
        let mine = |slot: &Slot| agent.is_none_or(|agent| *slot.agent == *agent);
        index.slots.iter().filter(|(_, s)| open(s) && mine(s)).map(|(id, _)| id.clone()).collect()
    }

    /// The holds that were being sent when the store was last written; at a start: what was in flight.
    #[must_use]
    pub fn executing(&self) -> Vec<String> {
        self.lock().slots.iter().filter(|(_, s)| s.stage == Stage::Executing).map(|(id, _)| id.clone()).collect()
    }

    /// The ids that start like that: people need not type the whole.
    #[must_use]
    pub fn like(&self, start: &str) -> Vec<String> {
        let index = self.lock();
        index
            .slots
            .range(start.to_owned()..)
            .map(|(id, _)| id)
            .take_while(|id| id.starts_with(start))
            .take(8)
            .cloned()
            .collect()
    }

    /// What is due.
    #[must_use]
    pub fn due(&self, now: Timestamp, keep: std::time::Duration) -> Due {
        let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let mut due = Due::default();
        for (id, slot) in &self.lock().slots {
            match slot.stage {
                Stage::Waiting | Stage::Confirmed if now > slot.expires => due.expired.push(id.clone()),
                Stage::Confirmed => due.confirmed.push(id.clone()),
                // A day at least, because the holds of a day are counted.
                Stage::Ran(at) | Stage::Ended(at) if now.0.saturating_sub(at.0) > keep.max(DAY) => {
                    due.forgotten.push(id.clone())
                }
                _ => {}
            }
        }
        due
    }

    /// The holds that an identical asking may join: those that have not ended, or whose answer was never collected.
    fn twins(&self, agent: &str, action: Digest) -> Vec<String> {
        let index = self.lock();
        let joins = |slot: &Slot| {
            slot.action == action
                && match slot.stage {
                    Stage::Waiting | Stage::Confirmed | Stage::Executing => true,
                    Stage::Ran(_) => !slot.collected,
                    Stage::Ended(_) => false,
                }
        };
        let ids = index.by_agent.get(agent).into_iter().flatten();
        ids.filter(|id| index.slots.get(*id).is_some_and(joins)).cloned().collect()
    }

    /// How many of an agent's wait, and how many were opened within a day.
    fn counts(&self, agent: &str, now: Timestamp) -> (usize, usize) {
        let index = self.lock();
        let Some(ids) = index.by_agent.get(agent) else { return (0, 0) };
        let slots = || ids.iter().filter_map(|id| index.slots.get(id));
        let waiting = slots().filter(|slot| matches!(slot.stage, Stage::Waiting | Stage::Confirmed)).count();
        let today = slots().filter(|slot| now.0.saturating_sub(slot.opened.0) < DAY).count();
        (waiting, today)
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const DAY: i64 = 24 * 3600 * 1000;

/// Rules over an asking that must wait: it joins a hold, begins one, or is refused because people said no to exactly this
/// or have enough before them. Called under the agent's turn.
pub(crate) fn rule(case: &Case<'_>, decision: Decision) -> Result<Draft, Fault> {
    let (means, action, now) = (case.means, case.ask.action, case.means.now());
    let digest = case.ask.digest;
    if let Some(said) = refused::before(means, &action.agent, digest, now)? {
        let text = format!(
            "refused: a person refused exactly this ({})\nhelp: do not ask for it again; ask the person you work for, or do something else",
            crate::escape::escape(&said.because)
        );
        return Ok(entries::refused(case, &decision, Refusal { cause: Cause::RefusedBefore, text }));
    }
    let outside = decision.confirmers.iter().any(|confirmer| confirmer.line.is_none());
    for id in means.queue.twins(&action.agent, digest) {
        if let Some(kept) = change::kept(means, &id)?.filter(|kept| is_current(case, kept)) {
            return join(case, &decision, kept, outside);
        }
    }
    let (waiting, today) = means.queue.counts(&action.agent, now);
    if waiting >= means.settings.waiting_most || today >= means.settings.daily_most {
        let text = format!(
            "refused: people have enough of your actions before them ({waiting} wait, {today} since this time yesterday)\nhelp: wait until they have decided; ask for less at once"
        );
        return Ok(entries::refused(case, &decision, Refusal { cause: Cause::TooMany, text }));
    }
    begin(case, decision, outside)
}

/// Whether what a hold was bound to is still so; otherwise it will be withdrawn, and nobody joins it.
fn is_current(case: &Case<'_>, kept: &Kept) -> bool {
    let binding = &kept.hold.binding;
    kept.hold.state.ended().is_some()
        || (binding.release == case.judge.release_digest()
            && binding.effects == shown::effects_digest(case.judge, case.reading)
            && binding.definition == case.judge.definition(case.ask.action)
            && case.means.now() <= binding.expires)
}

fn join(case: &Case<'_>, decision: &Decision, mut kept: Kept, outside: bool) -> Result<Draft, Fault> {
    let id = kept.hold.id.clone();
    let before = kept.hold.askers.len();
    // Whoever asks for the same is an asker of it too.
    kept.hold.askers.extend(case.ask.session.askers.iter().cloned());
    let changed = kept.hold.askers.len() != before && kept.hold.state.ended().is_none();
    let puts = if changed {
        let found = case.means.store.get(&key(&id))?;
        let value = serde_json::to_vec(&kept).map_err(|error| damaged(&id, &error))?;
        found.map(|found| Put { key: key(&id), expect: found.version, value: Some(value) }).into_iter().collect()
    } else {
        Vec::new()
    };
    Ok(Draft {
        entries: entries::held(case, decision, &id),
        ruling: Ruling::Hold { id, outside },
        puts: Box::new(move |_| puts),
        durability: Durability::Now,
        noted: None,
    })
}

fn begin(case: &Case<'_>, decision: Decision, outside: bool) -> Result<Draft, Fault> {
    let (means, action, session, now) = (case.means, case.ask.action, case.ask.session, case.means.now());
    let within = decision.confirmers.iter().map(|confirmer| confirmer.within_seconds).min();
    let within = i64::try_from(within.unwrap_or(0)).unwrap_or(i64::MAX).saturating_mul(1000);
    let mut hold = Hold {
        id: id(means.chance()?),
        binding: Binding {
            agent: action.agent.clone(),
            action: case.ask.digest,
            effects: shown::effects_digest(case.judge, case.reading),
            release: case.judge.release_digest(),
            definition: case.judge.definition(action),
            shown: Digest([0; 32]),
            expires: Timestamp(now.0.saturating_add(within)),
            nonce: means.chance()?,
        },
        asks: case.judge.people(&decision),
        askers: session.askers.clone(),
        on_behalf_of: session.task.as_ref().and_then(|task| task.on_behalf_of.clone()),
        opened: now,
        votes: Vec::new(),
        state: State::Waiting,
    };
    let what = shown::Shown::of(case, &decision, &hold);
    let what = what.to_bytes().map_err(|error| damaged(&hold.id, &error))?;
    hold.binding.shown = shown::digest(&what);
    let id = hold.id.clone();
    let mut kept = Kept {
        hold,
        frame: Frame {
            gate: action.gate,
            session: session.id.clone(),
            task: action.task.clone(),
            system: action.system.clone(),
            operation: action.operation.clone(),
            name: action.name.clone(),
        },
        asked: 0,
        held: 0,
        bounds: decision.bounds.to_vec(),
        collected: false,
    };
    let mut all = entries::held(case, &decision, &id);
    let details = json!({
        "binding": kept.hold.binding.digest(), "shown": kept.hold.binding.shown, "expires": kept.hold.binding.expires,
        "asks": kept.hold.asks,
    });
    all.push(Entry { payload: Some(what), ..kept.entry(Kind::Held, details) });
    let noted = kept.clone();
    let puts = move |numbers: &[u64]| {
        kept.asked = numbers.first().copied().unwrap_or(0);
        kept.held = numbers.last().copied().unwrap_or(0);
        // A hold always serialises; were it not to, the empty value is no hold and fails closed.
        vec![Put { key: key(&kept.hold.id), expect: 0, value: Some(serde_json::to_vec(&kept).unwrap_or_default()) }]
    };
    Ok(Draft {
        ruling: Ruling::Hold { id, outside },
        entries: all,
        puts: Box::new(puts),
        durability: Durability::Now,
        noted: Some(Box::new(noted)),
    })
}

/// An id that people can read out and type: twelve letters and digits without look-alikes, in threes of four.
pub(crate) fn id(chance: Digest) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let letters: Vec<char> = chance
        .0
        .iter()
        .take(12)
        .map(|byte| char::from(ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0')))
        .collect();
    letters.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

fn damaged(id: &str, error: &serde_json::Error) -> Fault {
    Fault::Damaged { key: key(id), why: error.to_string() }
}
