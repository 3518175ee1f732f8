//! An errand: an action that was sent, and on which its system works in its own time (a *task* of the protocol's). While its
//! agent waits nothing is different. Where it takes longer, it is kept under an id of its own, and its agent collects what
//! came of it; what the system calls it is nobody's business but the system's.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ambit_core::action::Digest;
use ambit_core::decision::Bound;
use ambit_core::hold::Outcome;
use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::Answer;
use super::mcp::held::Held;
use super::means::{Fault, Means};
use super::session::Session;
use super::talk::Cancel;
use crate::confirm::queue;
use crate::escape::escape;
use crate::store::{Durability, Put, Store};

/// What a system says of an errand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It works on it in its own time.
    Began {
        /// What the system calls it, as it wrote it.
        id: String,
    },
    /// How it stands, escaped and short.
    Says(String),
}

/// An errand that its agent collects, as the store keeps it under `errand/ID`. What came of it is a payload of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What its agent asks after.
    pub id: String,
    /// Whose it is.
    pub agent: String,
    /// Of which session.
    pub session: String,
    /// Of which task.
    pub task: Option<String>,
    /// Of which asking.
    pub ask: String,
    /// Of which action.
    pub action: Digest,
    /// The system that works on it.
    pub system: String,
    /// What was called.
    pub name: String,
    /// What the system calls it: for asking that system, and for nobody else.
    pub called: String,
    /// Whether it may have changed something.
    pub changes: bool,
    /// What must be proved of what comes of it.
    pub bounds: Vec<Bound>,
    /// Under which release it was sent.
    pub release: Option<Digest>,
    /// Since when it is kept.
    pub opened: Timestamp,
    /// Where it stands.
    pub state: State,
}

/// Where an errand stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Its system works on it.
    UnderWay,
    /// It ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// The record whose payload is what came of it.
        record: u64,
        /// When.
        at: Timestamp,
    },
    /// Nobody knows what came of it.
    Lost {
        /// Why.
        because: String,
        /// When.
        at: Timestamp,
        /// Whether its agent had let go of it.
        let_go: bool,
    },
}

impl Kept {
    /// The session that it is of, as far as it is needed once that is over.
    pub(crate) fn session(&self) -> Session {
        Session {
            id: self.session.clone(),
            agent: self.agent.clone(),
            askers: BTreeSet::new(),
            task: None,
            peer_user: None,
        }
    }
}

impl State {
    /// When it ended; `None` while it is under way.
    #[must_use]
    pub fn ended(&self) -> Option<Timestamp> {
        match self {
            State::UnderWay => None,
            State::Ended { at, .. } | State::Lost { at, .. } => Some(*at),
        }
    }
}

/// The errands of every agent: those under way, and when those that are kept ended.
#[derive(Default)]
pub struct Errands(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    // By asking or hold, and once it is kept by its own id as well.
    under_way: BTreeMap<String, UnderWay>,
    // By id, whose it is and when it ended.
    ended: BTreeMap<String, (String, Timestamp)>,
    // Whether Ambit ends, so that what is not known now is asked after at the next start.
    suspended: bool,
}

struct UnderWay {
    agent: String,
    cancel: Cancel,
    // Its own id, once it is kept.
    kept: Option<String>,
    says: Option<String>,
    let_go: bool,
    changed: Arc<Notify>,
}

/// An errand under way, until this is dropped.
pub(crate) struct Place {
    table: Arc<Mutex<Table>>,
    key: String,
}

// So many of one agent are under way at once.
const MOST: usize = 64;
// So many of one agent are kept after they ended.
const MOST_KEPT: usize = 1_000;
/// The longest that a system may work on one.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Errands {
    /// Those that the store knows.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: &dyn Store) -> Result<Errands, Fault> {
        let mut table = Table::default();
        for found in store.scan("errand/")? {
            // One that cannot be read stays, and is told to whoever asks after it.
            let Ok(kept) = serde_json::from_slice::<Kept>(&found.value) else { continue };
            // What its system works on yet has no end, however long ago it began.
            if let Some(at) = kept.state.ended() {
                table.ended.insert(kept.id, (kept.agent, at));
            }
        }
        Ok(Errands(Arc::new(Mutex::new(table))))
    }

    /// Whether a system may begin another one for that agent.
    #[must_use]
    pub fn has_room(&self, agent: &str) -> bool {
        lock(&self.0).under_way.values().filter(|one| one.agent == agent).count() < MOST
    }

    /// Has a place for one. `key`: its asking, or its hold; `cancel`: what lets go of it.
    pub(crate) fn begin(&self, agent: &str, key: &str, cancel: Cancel) -> Place {
        let one = UnderWay {
            agent: agent.to_owned(),
            cancel,
            kept: None,
            says: None,
            let_go: false,
            changed: Arc::default(),
        };
        lock(&self.0).under_way.insert(key.to_owned(), one);
        Place { table: Arc::clone(&self.0), key: key.to_owned() }
    }

    /// From here on what is not known yet is left for the next start.
    pub fn suspend(&self) {
        lock(&self.0).suspended = true;
    }

    /// Whether it is.
    #[must_use]
    pub(crate) fn is_suspended(&self) -> bool {
        lock(&self.0).suspended
    }

    /// How many are under way of which the next start will ask.
    #[must_use]
    pub fn kept_under_way(&self) -> usize {
        lock(&self.0).under_way.values().filter(|one| one.kept.is_some()).count()
    }

    /// Lets go of all of an agent's, or of everybody's; how many there were.
    pub fn let_go_of_all(&self, agent: Option<&str>) -> usize {
        let table = lock(&self.0);
        let those = table.under_way.values().filter(|one| agent.is_none_or(|agent| one.agent == agent));
        those.inspect(|one| one.cancel.now()).count()
    }

    /// Lets go of the one of a hold, where it is under way.
    pub(crate) fn let_go_of_hold(&self, hold: &str) {
        if let Some(one) = lock(&self.0).under_way.get_mut(hold) {
            one.let_go = true;
            one.cancel.now();
        }
    }

    fn let_go(&self, id: &str) {
        let mut table = lock(&self.0);
        if let Some(one) = table.under_way.values_mut().find(|one| one.kept.as_deref() == Some(id)) {
            one.let_go = true;
            one.cancel.now();
        }
    }

    /// What is told once something about it changes, and how its system says that it stands; `None` where it is not under way.
    fn stands(&self, id: &str) -> Option<(Arc<Notify>, Option<String>)> {
        let table = lock(&self.0);
        let one = table.under_way.values().find(|one| one.kept.as_deref() == Some(id))?;
        Some((Arc::clone(&one.changed), one.says.clone()))
    }

    /// The kept ones that nobody needs any more: `keep` after they ended, and of each agent the oldest beyond what is kept.
    #[must_use]
    pub fn due(&self, now: Timestamp, keep: Duration) -> Vec<String> {
        let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let table = lock(&self.0);
        let mut by_agent: BTreeMap<&str, Vec<(Timestamp, &String)>> = BTreeMap::new();
        for (id, (agent, at)) in &table.ended {
            by_agent.entry(agent).or_default().push((*at, id));
        }
        let mut due = Vec::new();
        for mut of in by_agent.into_values() {
            of.sort_unstable_by(|one, other| other.cmp(one));
            let old = |(place, (at, _)): &(usize, &(Timestamp, &String))| {
                *place >= MOST_KEPT || now.0.saturating_sub(at.0) > keep
            };
            due.extend(of.iter().enumerate().filter(old).map(|(_, (_, id))| (*id).clone()));
        }
        due
    }

    /// Forgets one that nobody needs any more.
    pub fn forget(&self, id: &str) {
        lock(&self.0).ended.remove(id);
    }
}

impl Place {
    /// Notes how its system says that it stands.
    pub(crate) fn says(&self, text: String) {
        if let Some(one) = lock(&self.table).under_way.get_mut(&self.key) {
            one.says = Some(text);
        }
    }

    /// Whether its agent let go of it.
    pub(crate) fn is_let_go(&self) -> bool {
        lock(&self.table).under_way.get(&self.key).is_some_and(|one| one.let_go)
    }

    /// From here on it is asked after by that id.
    pub(crate) fn is_kept(&self, id: &str) {
        if let Some(one) = lock(&self.table).under_way.get_mut(&self.key) {
            one.kept = Some(id.to_owned());
        }
    }

    /// Notes that the kept one ended.
    pub(crate) fn ended(&self, id: &str, agent: &str, at: Timestamp) {
        lock(&self.table).ended.insert(id.to_owned(), (agent.to_owned(), at));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let one = lock(&self.table).under_way.remove(&self.key);
        if let Some(one) = one {
            one.changed.notify_waiters();
        }
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The key of an errand in the store.
#[must_use]
pub fn key(id: &str) -> String {
    format!("errand/{id}")
}

/// An asking whose errand is to be kept.
pub(crate) struct Asking<'a> {
    pub session: &'a Session,
    pub ask: &'a str,
    pub action: Digest,
    pub system: &'a str,
    pub name: &'a str,
    pub changes: bool,
    pub bounds: &'a [Bound],
    pub release: Option<Digest>,
    /// What the system calls it.
    pub called: &'a str,
}

/// Keeps an errand, before its agent is told that it takes longer.
///
/// # Errors
/// When it could not be recorded; then it is not kept.
pub(crate) async fn keep(means: &Means, place: &Place, asking: &Asking<'_>) -> Result<Kept, Fault> {
    let session = asking.session;
    let kept = Kept {
        id: queue::id(means.chance()?),
        agent: session.agent.clone(),
        session: session.id.clone(),
        task: session.task.as_ref().map(|task| task.id.clone()),
        ask: asking.ask.to_owned(),
        action: asking.action,
        system: asking.system.to_owned(),
        name: asking.name.to_owned(),
        called: asking.called.to_owned(),
        changes: asking.changes,
        bounds: asking.bounds.to_vec(),
        release: asking.release,
        opened: means.now(),
        state: State::UnderWay,
    };
    // Nothing that anybody has to look into: its outcome has a record, and names it.
    let put = Put { key: key(&kept.id), expect: 0, value: serde_json::to_vec(&kept).ok() };
    means.record(Vec::new(), move |_| vec![put], Durability::Now).await?;
    place.is_kept(&kept.id);
    Ok(kept)
}

/// The change by which a kept errand ends; it was made once, and nothing but its end changes it.
pub(crate) fn end(kept: Kept, state: State) -> Put {
    let key = key(&kept.id);
    Put { key, expect: 1, value: serde_json::to_vec(&Kept { state, ..kept }).ok() }
}

/// Waits for an errand to end, no longer than the settings say, and answers for it; `None` when its agent has none of that
/// id, or has it in another task.
///
/// # Errors
/// When Ambit could not do its work.
pub async fn wait(means: &Means, session: &Session, id: &str) -> Result<Option<Answer>, Fault> {
    let mut timer = means.world.sleep(means.settings.wait);
    loop {
        let stands = means.errands.stands(id);
        let changed = stands.as_ref().map(|(changed, _)| Arc::clone(changed)).unwrap_or_default();
        let mut notified = pin!(changed.notified());
        // From here on no change is missed.
        notified.as_mut().enable();
        let Some(kept) = found(means, session, id)? else { return Ok(None) };
        let Some((_, says)) = stands.filter(|_| kept.state.ended().is_none()) else {
            return answer(means, &kept, None).map(Some);
        };
        tokio::select! {
            biased;
            () = notified => {}
            () = &mut timer => return Ok(Some(pending(&kept, says.as_deref()))),
        }
    }
}

/// That errand as its agent may see it, without waiting; `None` as with [`wait`].
///
/// # Errors
/// When Ambit could not do its work.
pub fn seen(means: &Means, session: &Session, id: &str) -> Result<Option<Held>, Fault> {
    let stands = means.errands.stands(id);
    let Some(kept) = found(means, session, id)? else { return Ok(None) };
    let moment = |at: Timestamp| jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_string()).unwrap_or_default();
    let keep = LONGEST.saturating_add(means.settings.keep);
    Ok(Some(Held {
        id: kept.id.clone(),
        opened: moment(kept.opened),
        changed: moment(kept.state.ended().unwrap_or(kept.opened)),
        keep_ms: u64::try_from(keep.as_millis()).unwrap_or(u64::MAX),
        withdrawn: matches!(kept.state, State::Lost { let_go: true, .. }),
        answer: answer(means, &kept, stands.map(|(_, says)| says))?,
    }))
}

/// Lets go of an errand that its agent does not want any more; whether it is one of this agent's. Its system is told, and
/// what it says then is what came of it.
///
/// # Errors
/// When Ambit could not do its work.
pub fn let_go(means: &Means, session: &Session, id: &str) -> Result<bool, Fault> {
    let found = found(means, session, id)?.is_some();
    if found {
        means.errands.let_go(id);
    }
    Ok(found)
}

fn found(means: &Means, session: &Session, id: &str) -> Result<Option<Kept>, Fault> {
    let Some(kept) = kept(means, id)? else { return Ok(None) };
    let task = session.task.as_ref().map(|task| &task.id);
    Ok(Some(kept).filter(|kept| kept.agent == session.agent && kept.task.as_ref() == task))
}

/// The errand of that id.
///
/// # Errors
/// When the store cannot be read, or what it holds is no errand.
pub fn kept(means: &Means, id: &str) -> Result<Option<Kept>, Fault> {
    let key = key(id);
    let Some(found) = means.store.get(&key)? else { return Ok(None) };
    serde_json::from_slice(&found.value).map(Some).map_err(|error| Fault::Damaged { key, why: error.to_string() })
}

/// What is to be said of it. `under_way`: how its system says that it stands, while that works on it.
fn answer(means: &Means, kept: &Kept, under_way: Option<Option<String>>) -> Result<Answer, Fault> {
    let (id, called) = (&kept.id, called(kept));
    Ok(match (&kept.state, under_way) {
        (State::UnderWay, Some(says)) => pending(kept, says.as_deref()),
        (State::UnderWay, None) => Answer::OutcomeUnknown(format!(
            "`{called}` was sent, but what came of it could not be recorded, as `{id}`\nhelp: do not ask for it again before somebody has looked at `{}`",
            escape(&kept.system)
        )),
        (State::Ended { outcome, record, .. }, _) => match (means.payload(*record)?, outcome) {
            (Some(bytes), Outcome::Error) => Answer::Error(bytes),
            (Some(bytes), _) => Answer::Result(bytes),
            (None, _) => Answer::Fault(format!(
                "`{called}` was done, but its result was erased since\nhelp: do not ask for it again; it has happened"
            )),
        },
        (State::Lost { because, .. }, _) => Answer::OutcomeUnknown(format!(
            "`{called}` was sent, and nobody knows what came of it: {}\nhelp: do not ask for it again before somebody has looked at `{}`",
            escape(because),
            escape(&kept.system)
        )),
    })
}

/// What the agent reads while its system works on it.
pub(crate) fn pending(kept: &Kept, says: Option<&str>) -> Answer {
    let (id, called) = (&kept.id, called(kept));
    let says = says.map(|says| format!(", and says: {says}")).unwrap_or_default();
    let text = format!(
        "pending: `{called}` was sent, as `{id}`; `{}` works on it in its own time{says}\nhelp: do not call it again; ask `ambit_pending` with the id `{id}` later, and go on with other work until then",
        escape(&kept.system)
    );
    Answer::Pending { id: id.clone(), text }
}

fn called(kept: &Kept) -> String {
    format!("{}.{}", escape(&kept.system), escape(&kept.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Batch;
    use crate::store::memory::Memory;

    #[test]
    fn what_is_under_way_is_not_forgotten_however_long_ago_it_began() {
        let store = Memory::new();
        let at = Timestamp(1_000);
        let outcome = Outcome::Result;
        for (id, state) in [("a", State::UnderWay), ("b", State::Ended { outcome, record: 1, at })] {
            let kept = Kept {
                id: id.into(),
                agent: "helper".into(),
                session: "s".into(),
                task: None,
                ask: id.into(),
                action: Digest::of("test/1", &[]),
                system: "slow".into(),
                name: "wait".into(),
                called: "its".into(),
                changes: true,
                bounds: Vec::new(),
                release: None,
                opened: at,
                state,
            };
            let put = Put { key: key(id), expect: 0, value: serde_json::to_vec(&kept).ok() };
            store.commit(&Batch { puts: vec![put], ..Batch::default() }, Durability::Now).unwrap();
        }
        let errands = Errands::open(&store).unwrap();
        assert_eq!(errands.due(Timestamp(i64::MAX), Duration::from_secs(3 * 24 * 3600)), ["b"]);
    }
}
