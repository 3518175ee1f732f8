//! What `pass` needs to do its work: the policy in force, the live systems, the journal, the store, the world.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ambit_core::action::{Action, Digest};
use ambit_core::permit::{Permit, Recorded};
use ambit_core::time::Timestamp;

use super::Sent;
use super::errand::{Errands, Kept};
use super::flight::Flights;
use super::judge::Judge;
use super::sessions::Sessions;
use super::stops::Stops;
use super::talk::Talk;
use super::tasks::{Openings, Tasks};
use crate::confirm::people::{AgentUsers, Enrolled};
use crate::confirm::queue::Queue;
use crate::confirm::refused::Looked;
use crate::confirm::trip::Trips;
use crate::journal::{Entry, Journal, JournalError, Record};
use crate::store::{Durability, Put, Store, StoreError};
use crate::world::{Later, NoChance, World};

/// Everything that the journey of an action touches. One of it in a daemon.
pub struct Means {
    /// Clock and chance.
    pub world: Arc<dyn World>,
    /// State.
    pub store: Arc<dyn Store>,
    /// The record.
    pub journal: Arc<Journal>,
    /// What is in force.
    pub judges: Arc<dyn Judges>,
    /// The live systems.
    pub systems: Arc<dyn Systems>,
    /// What waits for people.
    pub queue: Queue,
    /// What is being sent.
    pub flights: Flights,
    /// What systems work on in their own time.
    pub errands: Errands,
    /// Who is stopped.
    pub stops: Stops,
    /// The tasks that are open.
    pub tasks: Tasks,
    /// How often callers opened them.
    pub openings: Openings,
    /// As which operating-system users agents have come.
    pub users: AgentUsers,
    /// Who is connected.
    pub sessions: Sessions,
    /// How people are known.
    pub enrolled: Arc<dyn Enrolled>,
    /// Who is refused too often.
    pub trips: Trips,
    /// When what people said no to, and is over, was last looked for.
    pub looked: Looked,
    /// How long and how much.
    pub settings: Settings,
    turns: Turns,
}

/// How long and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a call waits for a person before it comes back as pending; at most 50 seconds, because clients give up
    /// at 60.
    pub wait: Duration,
    /// How many holds of one agent may wait at once.
    pub waiting_most: usize,
    /// How many holds one agent may open in 24 hours.
    pub daily_most: usize,
    /// How many refusals and asks outside its scope stop an agent, within [`Settings::trip_window`].
    pub trip_after: usize,
    /// See [`Settings::trip_after`].
    pub trip_window: Duration,
    /// How long the result of a hold can be collected after it ended.
    pub keep: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            wait: Duration::from_secs(50),
            waiting_most: 20,
            daily_most: 100,
            trip_after: 20,
            trip_window: Duration::from_secs(10 * 60),
            keep: Duration::from_secs(3 * 24 * 3600),
        }
    }
}

/// What is in force for an agent.
pub enum InForce {
    /// A release.
    Judge(Arc<Judge>),
    /// Nothing; why, in words for the agent, ending with what to do.
    Nothing(String),
}

/// Where what is in force is found.
pub trait Judges: Send + Sync {
    /// What is in force for that agent at that moment.
    fn in_force(&self, agent: &str, now: Timestamp) -> InForce;

    /// Every agent that ever had a release.
    fn agents(&self) -> Vec<String>;
}

/// The live systems.
pub trait Systems: Send + Sync {
    /// Why what the action calls may not be called now although its line would let it: its live definition is not the
    /// pinned one. `None`: it is as pinned.
    ///
    /// # Errors
    /// When the system cannot be asked; why.
    fn drift<'a>(&'a self, action: &'a Action) -> Later<'a, Result<Option<String>, String>>;

    /// Sends exactly what the permit owns, once. `talk`: what may be said meanwhile.
    fn send<'a>(&'a self, permit: Permit, talk: &'a Talk) -> Later<'a, Sent>;

    /// Asks what came of something that was sent before the last process ended, and on which its system worked in its own time;
    /// never sends it again.
    fn go_on_with<'a>(&'a self, errand: &'a Kept, talk: &'a Talk) -> Later<'a, Sent> {
        let _ = (errand, talk);
        Box::pin(async { Sent::Unknown("its system cannot be asked".into()) })
    }
}

/// Why Ambit could not do its work. Nothing was allowed on that account.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The journal did not take the record.
    #[error(
        "the record could not be written, so nothing was done: {0}\nhelp: the person who runs Ambit must look at its disk and its log"
    )]
    Journal(#[from] JournalError),
    /// The store could not be read.
    #[error(
        "the state could not be read, so nothing was done: {0}\nhelp: the person who runs Ambit must look at its disk and its log"
    )]
    Store(#[from] StoreError),
    /// There was no randomness.
    #[error(
        "{0}, so nothing was done\nhelp: try again; if it lasts, the person who runs Ambit must look at the machine"
    )]
    Chance(#[from] NoChance),
    /// What is stored cannot be read.
    #[error(
        "what is stored under `{key}` cannot be read, so nothing was done: {why}\nhelp: `ambit journal verify` says whether the state is whole"
    )]
    Damaged {
        /// The key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
    /// Others were always faster.
    #[error("too much happened at once, so nothing was done\nhelp: try again")]
    Busy,
}

impl Means {
    /// Means over a store that was just opened: finds what waits and who is stopped.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(
        world: Arc<dyn World>,
        store: Arc<dyn Store>,
        journal: Arc<Journal>,
        judges: Arc<dyn Judges>,
        systems: Arc<dyn Systems>,
        enrolled: Arc<dyn Enrolled>,
        settings: Settings,
    ) -> Result<Means, Fault> {
        Ok(Means {
            queue: Queue::open(store.as_ref())?,
            errands: Errands::open(store.as_ref())?,
            stops: Stops::open(store.as_ref())?,
            tasks: Tasks::open(store.as_ref())?,
            openings: Openings::default(),
            users: AgentUsers::open(store.as_ref())?,
            flights: Flights::default(),
            sessions: Sessions::default(),
            enrolled,
            trips: Trips::default(),
            looked: Looked::default(),
            turns: Turns::default(),
            world,
            store,
            journal,
            judges,
            systems,
            settings: Settings { wait: settings.wait.min(Duration::from_secs(50)), ..settings },
        })
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// Randomness as lowercase hex, of that many bytes (at most 32).
    ///
    /// # Errors
    /// When there is none.
    pub fn chance(&self) -> Result<Digest, NoChance> {
        let mut bytes = [0u8; 32];
        self.world.random(&mut bytes)?;
        Ok(Digest(bytes))
    }

    /// Records, and changes state in the same commit; the changes may name the records' numbers.
    ///
    /// # Errors
    /// As [`Journal::write`].
    pub async fn record(
        &self,
        entries: Vec<Entry>,
        puts: impl FnOnce(&[u64]) -> Vec<Put> + Send + 'static,
        durability: Durability,
    ) -> Result<Vec<Recorded>, JournalError> {
        self.journal.write_with(entries, puts, durability).await
    }

    /// The payload of a record; `None` when it has none, or it was erased.
    ///
    /// # Errors
    /// When it cannot be read, or is not what the record commits to.
    pub fn payload(&self, sequence: u64) -> Result<Option<Vec<u8>>, Fault> {
        let row = self.store.rows(sequence, 1)?.into_iter().next().filter(|row| row.sequence == sequence);
        let Some(row) = row else { return Ok(None) };
        let record = Record::read(row).map_err(JournalError::from)?;
        Ok(self.journal.payload(&record)?.map(|opened| opened.payload.expose().to_vec()))
    }

    /// The lock under which limits of that agent are checked and charged, and its holds counted.
    pub(crate) fn turn(&self, agent: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.of(agent)
    }
}

/// One lock an agent.
#[derive(Default)]
struct Turns(Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    fn of(&self, agent: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = all.get(agent) {
            return Arc::clone(lock);
        }
        let lock = Arc::<tokio::sync::Mutex<()>>::default();
        all.insert(agent.to_owned(), Arc::clone(&lock));
        lock
    }
}
