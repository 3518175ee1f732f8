//! The live systems of every agent, as its release in force has them: one process an agent and system, started when it
//! is first needed, compared with what was pinned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambit_core::action::{Action, Digest, Gate};
use ambit_core::permit::Permit;
use ambit_core::policy::Policy;
use ambit_core::scope::Section;
use ambit_effects::definition::{Digests, Drift, ToolDefinition};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::releases::{Held, Releases};
use crate::catalog;
use crate::config::{Config, Kind, System};
use crate::gate::Sent;
use crate::gate::Upstream as _;
use crate::gate::errand;
use crate::gate::judge::Judge;
use crate::gate::means::Systems;
use crate::gate::sessions::Sessions;
use crate::gate::talk::Talk;
use crate::lock::{self, Lock};
use crate::upstream::postgres::{self, DatabasePlace};
use crate::upstream::system::Compare;
use crate::upstream::{Event, McpSystem};
use crate::world::Later;

/// Something that an upstream server did unasked.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Whose server.
    pub agent: String,
    /// Which system.
    pub system: String,
    /// What.
    pub event: Event,
}

/// The live systems of every agent.
pub struct LiveSystems {
    releases: Arc<Releases>,
    dir: PathBuf,
    happened: mpsc::UnboundedSender<Happened>,
    fleets: Mutex<BTreeMap<String, Arc<Fleet>>>,
}

/// The systems of one agent under one release.
pub struct Fleet {
    release: Digest,
    /// `ambit.toml` as the release has it.
    pub config: Arc<Config>,
    /// `ambit.lock` as the release has it.
    pub lock: Arc<Lock>,
    systems: BTreeMap<String, Result<Arc<McpSystem>, String>>,
    databases: BTreeMap<String, Result<Arc<DatabasePlace>, String>>,
}

impl LiveSystems {
    /// Live systems as releases have them. `dir`: what paths in `ambit.toml` are relative to. `happened` is told what
    /// servers do unasked.
    #[must_use]
    pub fn new(releases: Arc<Releases>, dir: PathBuf, happened: mpsc::UnboundedSender<Happened>) -> LiveSystems {
        LiveSystems { releases, dir, happened, fleets: Mutex::default() }
    }

    /// The systems of an agent under the release that this judge is of. Those of an earlier release are ended.
    ///
    /// # Errors
    /// When the release cannot be read back; why.
    pub fn fleet(&self, agent: &str, judge: &Judge) -> Result<Arc<Fleet>, String> {
        let release = judge.release_digest();
        if let Some(fleet) = self.fleets().get(agent).filter(|fleet| fleet.release == release) {
            return Ok(Arc::clone(fleet));
        }
        let fleet = Arc::new(self.build(agent, &self.releases.held(agent, judge)?));
        let before = self.fleets().insert(agent.to_owned(), Arc::clone(&fleet));
        if let Some(before) = before {
            tokio::spawn(async move { before.stop().await });
        }
        Ok(fleet)
    }

    /// Ends every server, as Ambit itself ends: what they work on in their own time is asked after at the next start.
    pub async fn end(&self) {
        for fleet in self.taken(None) {
            for system in fleet.systems.values().flatten() {
                system.end().await;
            }
        }
    }

    /// Ends every server of an agent, or of everybody; what they work on in their own time is let go of. They are started again
    /// when they are next needed.
    pub async fn stop(&self, agent: Option<&str>) {
        for fleet in self.taken(agent) {
            fleet.stop().await;
        }
    }

    fn taken(&self, agent: Option<&str>) -> Vec<Arc<Fleet>> {
        let mut all = self.fleets();
        match agent {
            Some(agent) => all.remove(agent).into_iter().collect(),
            None => std::mem::take(&mut *all).into_values().collect(),
        }
    }

    /// Has an agent's servers stop telling of resources of which nobody hears any more.
    pub fn let_go(&self, sessions: &Sessions, agent: &str) {
        let fleet = self.fleets().get(agent).map(Arc::clone);
        for (name, system) in fleet.iter().flat_map(|fleet| &fleet.systems) {
            if let Ok(system) = system {
                system.let_go(|uri| !sessions.anybody_hears_of(agent, name, uri));
            }
        }
    }

    fn build(&self, agent: &str, held: &Held) -> Fleet {
        let Held { judge, config, lock } = held;
        let (mut systems, mut databases) = (BTreeMap::new(), BTreeMap::new());
        for name in config.agents.get(agent).into_iter().flat_map(|agent| &agent.systems) {
            let Some(system) = config.systems.get(name) else { continue };
            match system.kind {
                Kind::Mcp => {
                    let made = self.system(agent, name, system, lock, judge.policy()).map(Arc::new);
                    systems.insert(name.clone(), made);
                }
                Kind::Postgres => {
                    databases.insert(name.clone(), database(name, system, lock, &self.dir).map(Arc::new));
                }
                Kind::Http | Kind::Shell => {}
            }
        }
        Fleet {
            release: judge.release_digest(),
            config: Arc::clone(config),
            lock: Arc::clone(lock),
            systems,
            databases,
        }
    }

    fn system(
        &self,
        agent: &str,
        name: &str,
        system: &System,
        lock: &Lock,
        policy: &Policy,
    ) -> Result<McpSystem, String> {
        if system.command.is_empty() && system.url.is_none() {
            return Err(format!("`{name}` has no command and no URL"));
        }
        // As `ambit inventory` starts it: what runs must be the program that was looked at.
        let reach = system.reach(&self.dir).map_err(|error| format!("`{name}`: {error}"))?;
        let limits = system.limits();
        let pinned = lock.systems.get(name);
        if let Some(why) = pinned.and_then(|pinned| changed(pinned.program.as_ref()?, system, &self.dir)) {
            return Err(format!(
                "`{name}`: {why} since it was looked at, so it is not started\nhelp: a person looks at it with `ambit inventory {name}`, and releases again"
            ));
        }
        let compare = compare(name, pinned, policy);
        let (happened, agent, told) = (self.happened.clone(), agent.to_owned(), name.to_owned());
        let watch = Arc::new(move |event| {
            // Where the daemon is ending there is nobody to tell.
            let _ = happened.send(Happened { agent: agent.clone(), system: told.clone(), event });
        });
        Ok(McpSystem::new(name.to_owned(), reach, limits, compare, watch))
    }

    fn of(&self, action: &Action) -> Result<Arc<McpSystem>, String> {
        let fleets = self.fleets();
        let fleet = fleets.get(&action.agent).ok_or("nothing is in force for the agent")?;
        fleet.system(&action.system)
    }

    /// Makes sure that the systems are those of what is in force.
    fn current(&self, agent: &str) -> Result<Arc<Fleet>, String> {
        use crate::gate::means::{InForce, Judges as _};
        use crate::world::{Real, World as _};
        match self.releases.in_force(agent, Real.now()) {
            InForce::Judge(judge) => self.fleet(agent, &judge),
            InForce::Nothing(why) => Err(why),
        }
    }

    fn fleets(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Fleet>>> {
        self.fleets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fleet {
    /// One system.
    ///
    /// # Errors
    /// When the agent has none of that name, or what it needs to start is not there; why.
    pub fn system(&self, name: &str) -> Result<Arc<McpSystem>, String> {
        self.systems.get(name).cloned().unwrap_or_else(|| Err(format!("the agent has no MCP system `{name}`")))
    }

    /// Where one of the agent's databases is.
    ///
    /// # Errors
    /// When the agent has none of that name, or where it is cannot be looked up; why.
    pub fn database(&self, name: &str) -> Result<Arc<DatabasePlace>, String> {
        self.databases.get(name).cloned().unwrap_or_else(|| Err(format!("the agent has no database `{name}`")))
    }

    /// Whether the agent has a database of that name.
    #[must_use]
    pub fn has_database(&self, name: &str) -> bool {
        self.databases.contains_key(name)
    }

    /// The names of the agent's MCP systems, in order.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.systems.keys()
    }

    async fn stop(&self) {
        for system in self.systems.values().flatten() {
            system.stop().await;
        }
    }
}

impl Systems for LiveSystems {
    fn drift<'a>(&'a self, action: &'a Action) -> Later<'a, Result<Option<String>, String>> {
        Box::pin(async move {
            let fleet = self.current(&action.agent)?;
            if action.gate == Gate::Postgres {
                return fleet.database(&action.system).map(|_| None);
            }
            let system = fleet.system(&action.system)?;
            let drift = system.drift().await.map_err(|error| error.to_string())?;
            Ok((action.operation == "tools/call").then(|| drift.get(&action.name).cloned()).flatten())
        })
    }

    fn send<'a>(&'a self, permit: Permit, talk: &'a Talk) -> Later<'a, Sent> {
        Box::pin(async move {
            if permit.action().gate == Gate::Postgres {
                let fleet = self.current(&permit.action().agent);
                return match fleet.and_then(|fleet| fleet.database(&permit.action().system)) {
                    Ok(place) => postgres::send(permit, talk, place).await,
                    Err(why) => Sent::NotSent(why),
                };
            }
            match self.of(permit.action()) {
                Ok(system) => system.send(permit, talk).await,
                Err(why) => Sent::NotSent(why),
            }
        })
    }

    fn go_on_with<'a>(&'a self, errand: &'a errand::Kept, talk: &'a Talk) -> Later<'a, Sent> {
        Box::pin(async move {
            match self.current(&errand.agent).and_then(|fleet| fleet.system(&errand.system)) {
                Ok(system) => system.go_on_with(&errand.name, &errand.called, talk).await,
                Err(why) => Sent::Unknown(why),
            }
        })
    }
}

/// Where a database is, as its system says.
fn database(name: &str, system: &System, lock: &Lock, dir: &Path) -> Result<DatabasePlace, String> {
    let url = system.url.as_ref().ok_or_else(|| format!("`{name}` has no URL"))?;
    let url = url.reveal(dir).map_err(|error| format!("`{name}`: {error}"))?;
    let place = DatabasePlace::read(&url, dir, system.limits().call).map_err(|error| format!("`{name}`: {error}"))?;
    // Names are looked for where the reading looks for them.
    let locked = lock.systems.get(name).ok_or_else(|| format!("`{name}` was not looked at"))?;
    Ok(DatabasePlace { search_path: catalog::database(locked).search_path, ..place })
}

/// How the program that would be started is not the one that was looked at; `None` when it is, as far as was pinned.
fn changed(pinned: &lock::Program, system: &System, dir: &Path) -> Option<String> {
    if pinned.command != system.command {
        return Some("its command is another one".to_owned());
    }
    let now = match lock::Program::of(system, dir) {
        Ok(now) => now,
        Err(error) => return Some(format!("its program cannot be read ({error}); it could be another one")),
    };
    let other = pinned.files.iter().find(|(word, digest)| now.files.get(*word) != Some(*digest))?;
    Some(format!("the file `{}` is another one", other.0))
}

/// Compares what a server lists with what is pinned. A changed schema stops the tool; changed words alone stop it only
/// where a line asks for a human or forbids it, because those lines were written about what the words said.
fn compare(system: &str, pinned: Option<&lock::System>, policy: &Policy) -> Compare {
    let catalog = policy.catalog();
    let mut known: BTreeMap<String, (Option<Digests>, bool)> = BTreeMap::new();
    for (name, definition) in pinned.into_iter().flat_map(|system| &system.tools) {
        let digests = definition.read_tool().ok().map(|tool| tool.digests);
        let id = catalog.system_named(system).and_then(|id| catalog.resource_named(id, name));
        let strict =
            policy.lines().iter().filter(|l| matches!(l.line.section, Section::MustConfirm | Section::CannotTouch));
        let watched =
            id.is_some_and(|id| strict.into_iter().any(|line| line.reaches().any(|(resource, _)| resource == id)));
        known.insert(name.clone(), (digests, watched));
    }
    Arc::new(move |listed: &[Box<RawValue>]| {
        let live: BTreeMap<String, Digests> = listed
            .iter()
            .filter_map(|raw| ToolDefinition::read(raw.get().as_bytes()).ok())
            .map(|tool| (tool.name, tool.digests))
            .collect();
        let mut drift = BTreeMap::new();
        for (name, (pinned, watched)) in &known {
            let why = match (pinned, live.get(name)) {
                (None, _) => Some("its pinned definition cannot be read"),
                (_, None) => Some("the server no longer offers it"),
                (Some(pinned), Some(live)) => match live.drift_from(pinned) {
                    Drift::None => None,
                    Drift::Words if *watched => Some("its description is no longer the one that was looked at"),
                    Drift::Words => None,
                    Drift::Schema => Some("its schema is no longer the one that was looked at"),
                },
            };
            if let Some(why) = why {
                drift.insert(name.clone(), why.to_owned());
            }
        }
        drift
    })
}
