//! The calls that attacks start from: those of the page's scenarios, some made up for its lines, and one of each tool that
//! neither led to.

use std::collections::BTreeSet;

use ambit_core::catalog::{Resource, ResourceKind};
use ambit_core::decision::Verdict;
use ambit_core::scope::parse::parse_in_task;
use ambit_core::scope::{InTask, Scenario};
use ambit_core::task::Task;
use ambit_core::value::Value;
use ambit_core::weaken::Change;
use ambit_effects::attempt::Attempt;
use ambit_effects::json;

use super::Target;
use crate::offline::test::sample;
use crate::offline::{GivenTask, Source, Trial, task};

/// A call that attacks start from.
pub(super) struct Base {
    /// Where it comes from.
    pub(super) from: String,
    pub(super) system: String,
    pub(super) name: String,
    pub(super) arguments: Value,
    pub(super) task: Task,
    /// The task, as it was given.
    pub(super) given: GivenTask,
    /// What the page makes of it.
    pub(super) verdict: Verdict,
}

impl Base {
    /// No call at all: for attacks that start from nothing.
    pub(super) fn nowhere() -> Base {
        let task = Task { name: String::new(), request: None, facts: Vec::new() };
        let (from, system, name) = ("the catalog".to_owned(), String::new(), String::new());
        let (arguments, given) = (Value::Map(Vec::new()), GivenTask::default());
        Base { from, system, name, arguments, task, given, verdict: Verdict::Refuse }
    }

    /// The same call with other arguments.
    pub(super) fn with(&self, arguments: &Value) -> Attempt {
        self.raw(json::write(arguments))
    }

    /// The same call with these bytes as its arguments.
    pub(super) fn raw(&self, arguments: String) -> Attempt {
        Attempt::Call { system: self.system.clone(), name: self.name.clone(), arguments }
    }
}

/// Calls made up for one line are taken up to so many.
const MOST_OF_A_LINE: usize = 2;

/// The calls to start from, each once.
pub(super) fn of(target: &Target<'_>, sources: &[Source]) -> Vec<Base> {
    let mut seen = BTreeSet::new();
    let mut bases = Vec::new();
    let mut add = |from: String, scenario: &Scenario, wanted: Option<usize>| {
        let Some((base, trial)) = read(target, from, scenario) else { return false };
        let speaks = |line: usize| trial.answer(target.policy).grounds.iter().any(|said| said.line == Some(line));
        if wanted.is_some_and(|line| !speaks(line)) {
            return false;
        }
        let key = (scenario.in_task.clone(), base.system.clone(), base.name.clone(), json::write(&base.arguments));
        let new = seen.insert(key);
        if new {
            bases.push(base);
        }
        new
    };
    for source in sources {
        for scenario in &source.scenarios {
            add(format!("{}:{}", source.file, scenario.at.line), scenario, None);
        }
    }
    for line in target.policy.lines() {
        let at = line.line.at.line;
        let made = sample::candidates(target.policy, line, Change::Drop, std::iter::empty());
        let fitting = made.iter().filter(|scenario| add(format!("line {at}"), scenario, Some(at)));
        fitting.take(MOST_OF_A_LINE).for_each(drop);
    }
    for (_, resource) in target.policy.catalog().resources().filter(|(_, r)| r.kind == ResourceKind::Tool) {
        let Some(system) = target.policy.catalog().system(resource.system) else { continue };
        let known = bases.iter().any(|base| base.system == system.name && base.name == resource.name);
        if !known {
            bases.push(unmentioned(target, system.name.clone(), resource));
        }
    }
    bases
}

/// A call of a tool that neither a scenario nor a line led to.
fn unmentioned(target: &Target<'_>, system: String, resource: &Resource) -> Base {
    let arguments = sample::made_up(resource);
    let mut base = Base { system, name: resource.name.clone(), arguments, ..Base::nowhere() };
    base.verdict = target.trial(&base.with(&base.arguments), &base).verdict();
    base
}

fn read(target: &Target<'_>, from: String, scenario: &Scenario) -> Option<(Base, Trial)> {
    let Ok(Attempt::Call { system, name, arguments }) = Attempt::parse(&scenario.tries) else { return None };
    let (task, facts) = match &scenario.in_task {
        Some(cell) => {
            let InTask { name, facts } = parse_in_task(cell).ok()?;
            (name, facts.iter().map(|(fact, value)| (fact.clone(), task::value_of(value))).collect())
        }
        None => (String::new(), Vec::new()),
    };
    let request = Some(scenario.told.clone());
    let given = GivenTask { name: task, request, author: scenario.author.clone(), facts };
    let task = given.clone().open(target.policy);
    let arguments = json::read(arguments.as_bytes()).ok()?;
    let mut base = Base { from, system, name, arguments, task, given, verdict: Verdict::Refuse };
    let trial = target.trial(&base.with(&base.arguments), &base);
    base.verdict = trial.verdict();
    Some((base, trial))
}
