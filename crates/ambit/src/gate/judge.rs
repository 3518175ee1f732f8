//! One release in force: it reads actions and decides over them, and touches nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ambit_core::action::{Action, Digest};
use ambit_core::catalog::{Catalog, ResourceKind};
use ambit_core::decide::{Facts, Usage, decide};
use ambit_core::decision::{Decision, LimitId, LineId};
use ambit_core::hold::{Ask, Circle};
use ambit_core::policy::Policy;
use ambit_core::reading::Reading;
use ambit_core::release::Release;
use ambit_core::scope::print::print_line;
use ambit_core::scope::{Line, Who, Window};
use ambit_core::task::{Request, Task};
use ambit_core::time::Timestamp;
use ambit_effects::readers::{NotRead, Readers};

use super::session::OpenTask;
use crate::config::Caller;

/// One release in force.
pub struct Judge {
    release: Release,
    digest: Digest,
    policy: Arc<Policy>,
    readers: Arc<Readers>,
    circle: Circle,
    limits: BTreeMap<LimitId, Limit>,
    callers: BTreeMap<String, Caller>,
}

/// A limit, as its uses are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What they are counted under: the same over releases that did not change what the line is about.
    pub name: String,
    /// Its window.
    pub window: Window,
}

impl Judge {
    /// A judge of that release, whose contents were checked against it.
    #[must_use]
    pub fn new(release: Release, policy: Arc<Policy>, readers: Arc<Readers>) -> Judge {
        let digest = release.digest();
        let (circle, limits) = (circle(&policy), limits(&policy));
        Judge { release, digest, policy, readers, circle, limits, callers: BTreeMap::new() }
    }

    /// The same, with the programs that may open tasks of its agent.
    #[must_use]
    pub fn with_callers(self, callers: BTreeMap<String, Caller>) -> Judge {
        Judge { callers, ..self }
    }

    /// The release.
    #[must_use]
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// Its digest.
    #[must_use]
    pub fn release_digest(&self) -> Digest {
        self.digest
    }

    /// The scope, compiled.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What exists, as the release has it.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        self.policy.catalog()
    }

    /// The programs that may open tasks of its agent, by name.
    #[must_use]
    pub fn callers(&self) -> &BTreeMap<String, Caller> {
        &self.callers
    }

    /// Who answers for what.
    #[must_use]
    pub fn circle(&self) -> &Circle {
        &self.circle
    }

    /// A limit, by its place in the policy.
    #[must_use]
    pub fn limit(&self, limit: LimitId) -> Option<&Limit> {
        self.limits.get(&limit)
    }

    /// What an action does.
    ///
    /// # Errors
    /// When the catalog does not have what it names, or it is no valid call of it.
    pub fn read(&self, action: &Action) -> Result<Reading, NotRead> {
        self.readers.read(self.catalog(), action)
    }

    /// The decision, at a moment, with what is used up by then.
    #[must_use]
    pub fn decide(&self, reading: &Reading, now: Timestamp, task: Option<&OpenTask>, usage: &dyn Usage) -> Decision {
        let task = task.map(|task| self.task(task));
        decide(&self.policy, reading, &Facts { now: Some(now), task: task.as_ref(), usage })
    }

    /// The task as the policy knows it. What somebody outside wrote satisfies nothing, and so does what nobody vouches
    /// to have written.
    #[must_use]
    pub fn task(&self, task: &OpenTask) -> Task {
        let by_insider = task.author.as_deref().is_some_and(|author| self.policy.is_insider(author));
        Task {
            name: task.name.clone(),
            request: task.request.as_deref().map(|request| Request::new(request, by_insider)),
            facts: task.facts.iter().map(|(name, fact)| (name.clone(), fact.value())).collect(),
        }
    }

    /// Whose people must confirm, each once. A person is named as `ambit.toml` names them.
    #[must_use]
    pub fn people(&self, decision: &Decision) -> Vec<Ask> {
        let asks: BTreeSet<Ask> = decision
            .confirmers
            .iter()
            .map(|confirmer| Ask {
                line: confirmer.line.map(|LineId(line)| line),
                who: self.named(confirmer.who.clone()),
            })
            .collect();
        asks.into_iter().collect()
    }

    /// The pinned digest of the definition of what an action calls; empty when the catalog has none.
    #[must_use]
    pub fn definition(&self, action: &Action) -> String {
        let name = match action.operation.as_str() {
            "resources/read" => "resource",
            "prompts/get" => "prompt",
            _ => action.name.as_str(),
        };
        let catalog = self.catalog();
        let found = catalog.system_named(&action.system).and_then(|system| catalog.resource_named(system, name));
        found.and_then(|id| catalog.resource(id)).map(|resource| resource.digest.clone()).unwrap_or_default()
    }

    /// Whether a tool of that name is called, as against a resource or a prompt.
    #[must_use]
    pub fn is_tool(&self, action: &Action) -> bool {
        let catalog = self.catalog();
        let found =
            catalog.system_named(&action.system).and_then(|system| catalog.resource_named(system, &action.name));
        found.and_then(|id| catalog.resource(id)).is_some_and(|resource| resource.kind == ResourceKind::Tool)
    }

    fn named(&self, who: Option<Who>) -> Option<Who> {
        let Some(Who::Named(text)) = who else { return who };
        if self.circle.roles.contains_key(&text) {
            return Some(Who::Named(text));
        }
        let person = self.policy.setting().people.iter().find(|person| person.is(&text));
        Some(Who::Named(person.map_or(text, |person| person.name.clone())))
    }
}

fn circle(policy: &Policy) -> Circle {
    let people = &policy.setting().people;
    let front = &policy.document().front;
    let name = |text: &String| people.iter().find(|p| p.is(text)).map_or_else(|| text.clone(), |p| p.name.clone());
    let mut roles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for person in people {
        for role in &person.roles {
            roles.entry(role.clone()).or_default().insert(person.name.clone());
        }
    }
    Circle {
        owner: name(&front.owner),
        backup_owner: front.backup_owner.as_ref().map(name),
        roles,
        people: people.iter().map(|person| person.name.clone()).collect(),
    }
}

/// The limits of a policy, as their uses are kept.
#[must_use]
pub fn limits(policy: &Policy) -> BTreeMap<LimitId, Limit> {
    let mut limits = BTreeMap::new();
    for line in policy.lines() {
        // What the line is about; not how much, by whom, until when, or why.
        let about = print_line(&Line {
            limits: vec![],
            by: None,
            within: None,
            until: None,
            because: None,
            ..line.line.clone()
        });
        for (place, (id, info)) in (0u64..).zip(line.limits()) {
            let counted = line.line.limits.get(usize::try_from(place).unwrap_or(usize::MAX)).map(|limit| &limit.of);
            let section = info.section.title();
            let window = format!("{:?} {counted:?}", info.window);
            let name = Digest::of(
                "ambit/limit/1",
                &[section.as_bytes(), about.as_bytes(), window.as_bytes(), &place.to_be_bytes()],
            );
            let name = name.to_string().chars().take(24).collect();
            limits.insert(*id, Limit { name, window: info.window });
        }
    }
    limits
}
