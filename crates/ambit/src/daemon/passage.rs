//! One agent's session, as its MCP face needs it: the journey of its actions, and what it may see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ambit_core::action::{Action, Digest};
use ambit_core::could::could;
use ambit_core::decide::{Facts, Unused};
use ambit_core::effect::Verb;
use ambit_core::returns;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::systems::{Fleet, LiveSystems};
use crate::confirm::wait;
use crate::gate::Answer;
use crate::gate::errand;
use crate::gate::judge::Judge;
use crate::gate::mcp::held::Held;
use crate::gate::mcp::names::Naming;
use crate::gate::mcp::shown::shown;
use crate::gate::mcp::{Caller, News, Passage, Tool};
use crate::gate::means::{InForce, Means};
use crate::gate::pass::pass;
use crate::gate::session::Session;
use crate::gate::talk::Talk;
use crate::upstream::Listing;
use crate::world::Later;

/// What may be seen, under which release and on which day.
type Seen = (Digest, String, Arc<[Tool]>);

/// The passage of one session.
pub struct AgentPassage {
    means: Arc<Means>,
    live: Arc<LiveSystems>,
    session: Arc<Session>,
    caller: Caller,
    news: watch::Receiver<News>,
    // What may be seen changes with the release alone (and with the day, where a line ends): kept by both.
    tools: Mutex<Option<Seen>>,
}

impl AgentPassage {
    /// The passage of a session that was just opened. `news` is its end of the line.
    #[must_use]
    pub fn new(
        means: Arc<Means>,
        live: Arc<LiveSystems>,
        session: Arc<Session>,
        news: watch::Receiver<News>,
    ) -> AgentPassage {
        let caller = Caller {
            agent: session.agent.clone(),
            session: session.id.clone(),
            task: session.task.as_ref().map(|task| task.id.clone()),
        };
        AgentPassage { means, live, session, caller, news, tools: Mutex::default() }
    }

    fn judge(&self) -> Option<Arc<Judge>> {
        match self.means.judges.in_force(&self.session.agent, self.means.now()) {
            InForce::Judge(judge) => Some(judge),
            InForce::Nothing(_) => None,
        }
    }

    fn fleet(&self) -> Option<(Arc<Judge>, Arc<Fleet>)> {
        let judge = self.judge()?;
        let fleet = self.live.fleet(&self.session.agent, &judge).ok()?;
        Some((judge, fleet))
    }

    fn could_verb(&self, judge: &Judge, system: &str, name: &str, verb: Verb) -> bool {
        let policy = judge.policy();
        let catalog = policy.catalog();
        let task = self.session.task.as_ref().map(|task| judge.task(task));
        let facts = Facts { now: Some(self.means.now()), task: task.as_ref(), usage: &Unused };
        let resource = catalog.system_named(system).and_then(|system| catalog.resource_named(system, name));
        resource.is_some_and(|resource| could(policy, resource, verb, &facts))
    }

    /// The definition of a tool as this agent is shown it.
    fn shown(&self, judge: &Judge, system: &str, name: &str, definition: Box<RawValue>) -> Option<Box<RawValue>> {
        let policy = judge.policy();
        let task = self.session.task.as_ref().map(|task| judge.task(task));
        let facts = Facts { now: Some(self.means.now()), task: task.as_ref(), usage: &Unused };
        let id = policy.catalog().system_named(system).and_then(|id| policy.catalog().resource_named(id, name));
        match id.and_then(|id| returns::cut(policy, id, &facts)) {
            Some(cut) => shown(&definition, &cut.returns),
            None => Some(definition),
        }
    }

    fn list_tools(&self, judge: &Judge, fleet: &Fleet) -> Arc<[Tool]> {
        let mut tools = Vec::new();
        for system in fleet.names() {
            let Some(locked) = fleet.lock.systems.get(system) else { continue };
            for (name, definition) in &locked.tools {
                let Ok(raw) = RawValue::from_string(definition.definition.clone()) else { continue };
                let visible = self.could_verb(judge, system, name, Verb::Call);
                let Some(raw) = self.shown(judge, system, name, raw) else { continue };
                tools.push(Tool { system: system.clone(), name: name.clone(), definition: raw, visible });
            }
        }
        tools.into()
    }
}

impl Passage for AgentPassage {
    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn pass<'a>(&'a self, action: Action, talk: &'a Talk) -> Later<'a, Answer> {
        let (means, session) = (Arc::clone(&self.means), Arc::clone(&self.session));
        let (talk, mut early) = talk.with_early();
        Box::pin(async move {
            // In a task of its own: what has begun is driven to its end, whoever stops waiting for it.
            let mut journey = tokio::spawn(async move { pass(&means, &session, action, &talk).await });
            tokio::select! {
                biased;
                answer = &mut journey => answer.unwrap_or_else(|_| {
                    Answer::OutcomeUnknown("Ambit failed while it worked on this; its journal says how far it came".into())
                }),
                // It takes longer than anybody waits; what comes of it is on record, and collected.
                Some(answer) = early.recv() => answer,
            }
        })
    }

    fn pending<'a>(&'a self, hold: &'a str) -> Later<'a, Answer> {
        Box::pin(async move {
            let answer = match errand::wait(&self.means, &self.session, hold).await {
                Ok(None) => wait::wait(&self.means, &self.session, hold).await,
                Ok(Some(answer)) => Ok(answer),
                Err(fault) => Err(fault),
            };
            answer.unwrap_or_else(|fault| Answer::Fault(fault.to_string()))
        })
    }

    fn held<'a>(&'a self, hold: &'a str) -> Later<'a, Option<Held>> {
        Box::pin(async move {
            let seen = match errand::seen(&self.means, &self.session, hold) {
                Ok(None) => wait::seen(&self.means, &self.session, hold).await,
                seen => seen,
            };
            seen.unwrap_or_else(|error| {
                tracing::error!(%error, "a hold could not be looked at");
                None
            })
        })
    }

    fn withdraw<'a>(&'a self, hold: &'a str) -> Later<'a, bool> {
        Box::pin(async move {
            let withdrawn = match errand::let_go(&self.means, &self.session, hold) {
                Ok(false) => wait::withdraw(&self.means, &self.session, hold).await,
                let_go => let_go,
            };
            withdrawn.unwrap_or_else(|error| {
                tracing::error!(%error, "a hold could not be withdrawn");
                false
            })
        })
    }

    fn systems(&self) -> Vec<String> {
        self.fleet().map(|(_, fleet)| fleet.names().cloned().collect()).unwrap_or_default()
    }

    fn naming(&self) -> Naming {
        let Some((_, fleet)) = self.fleet() else { return Naming::default() };
        Naming::of(&fleet.config, &self.session.agent)
    }

    fn tools(&self) -> Arc<[Tool]> {
        let Some((judge, fleet)) = self.fleet() else { return Arc::new([]) };
        let (release, day) = (judge.release_digest(), self.means.now().date().to_string());
        let mut kept = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, on, tools)) = kept.as_ref()
            && (of, on) == (&release, &day)
        {
            return Arc::clone(tools);
        }
        let tools = self.list_tools(&judge, &fleet);
        *kept = Some((release, day, Arc::clone(&tools)));
        tools
    }

    fn could(&self, system: &str, operation: &str, _name: &str) -> bool {
        let known: BTreeMap<&str, &str> = [("resources/read", "resource"), ("prompts/get", "prompt")].into();
        let (Some(judge), Some(resource)) = (self.judge(), known.get(operation)) else { return false };
        self.could_verb(&judge, system, resource, Verb::Read)
    }

    fn list<'a>(&'a self, system: &'a str, listing: Listing) -> Later<'a, Result<Vec<Box<RawValue>>, String>> {
        Box::pin(async move {
            let (judge, fleet) = self.fleet().ok_or("nothing is in force")?;
            if self.means.stops.of(&self.session.agent).is_some() {
                return Err("the agent is stopped".into());
            }
            // No server is started for a list of which the agent may see nothing.
            let seen = match listing {
                Listing::Prompts => self.could_verb(&judge, system, "prompt", Verb::Read),
                Listing::Resources | Listing::ResourceTemplates => {
                    self.could_verb(&judge, system, "resource", Verb::Read)
                }
                Listing::Tools => true,
            };
            if !seen {
                return Ok(Vec::new());
            }
            fleet.system(system)?.list(listing).await.map_err(|error| error.to_string())
        })
    }

    fn watch(&self, system: &str, uri: &str) -> bool {
        self.means.sessions.hear_of(&self.session.id, system, uri)
    }

    fn hears(&self, system: &str, uri: &str) {
        self.means.sessions.hears(&self.session.id, system, uri);
    }

    fn unwatch(&self, system: &str, uri: &str) {
        self.means.sessions.hear_no_more(&self.session.id, system, uri);
        self.live.let_go(&self.means.sessions, &self.session.agent);
    }

    fn chance(&self) -> Option<String> {
        self.means.chance().ok().map(|chance| chance.to_string())
    }

    fn news(&self) -> watch::Receiver<News> {
        self.news.clone()
    }
}
