//! One scenario, read once, to be decided over one policy after another.

use std::collections::BTreeSet;

use ambit_core::catalog::{Catalog, ResourceId};
use ambit_core::decide::{Facts, decide};
use ambit_core::decision::{Bound, Decision, Verdict};
use ambit_core::effect::Standing;
use ambit_core::explain::Said;
use ambit_core::policy::Policy;
use ambit_core::reading::Reading;
use ambit_core::returns::Returns;
use ambit_core::scope::parse::parse_in_task;
use ambit_core::scope::{InTask, Scenario, Then, Who};
use ambit_core::task::Task;
use ambit_core::time::Timestamp;
use ambit_core::usage::Counters;
use ambit_core::value::Value;
use ambit_effects::attempt::Attempt;

use super::redundant::asked;
use super::{Came, Played};
use crate::escape::escape;
use crate::offline::{GivenTask, Surroundings, Trial, task, trial};

/// A scenario that was read.
pub(super) struct Play<'a> {
    file: &'a str,
    pub(super) scenario: &'a Scenario,
    read: Result<Read, String>,
    start: Timestamp,
}

/// What a scenario sees of a decision. Where it waits for people, it is expected to wait for the same ones; where something
/// comes back, to see as much of it; where rows are bounded, by as many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) verdict: Verdict,
    asked: BTreeSet<(Option<Who>, u64)>,
    returns: Option<Returns>,
    rows: Option<u64>,
}

/// What a scenario says that its agent does.
struct Read {
    task: Task,
    /// The earlier steps and, last, what it tries, each with how often it is taken. `Err`: refused whatever the page
    /// says, and why.
    steps: Vec<(u32, Result<Reading, String>)>,
}

impl<'a> Play<'a> {
    /// Reads a scenario. Its first step is taken at `start`, each other a millisecond later.
    pub(super) fn read(
        file: &'a str,
        scenario: &'a Scenario,
        policy: &Policy,
        around: &Surroundings,
        start: Timestamp,
    ) -> Play<'a> {
        Play { file, scenario, read: read(scenario, policy, around), start }
    }

    /// What came of it.
    pub(super) fn played(&self, policy: &Policy) -> Played {
        let (came, grounds, note) = match &self.read {
            Err(why) => (Came::NotReadable, vec![only(why.clone())], None),
            Ok(read) => match read.steps.last().map(|(_, reading)| reading) {
                Some(Err(why)) => {
                    let note = "it is refused whatever the page says, so it holds no line";
                    (Came::Refuse, vec![only(why.clone())], Some(note.to_owned()))
                }
                Some(Ok(reading)) => match read.decide(policy, self.start) {
                    Some(decision) => {
                        let answer = Trial::Decided { reading: reading.clone(), decision }.answer(policy);
                        (answer.decision.into(), answer.grounds, None)
                    }
                    None => (Came::NotReadable, Vec::new(), None),
                },
                None => (Came::NotReadable, Vec::new(), None),
            },
        };
        let scenario = self.scenario;
        Played {
            file: self.file.to_owned(),
            line: scenario.at.line,
            told: scenario.told.clone(),
            tries: scenario.tries.clone(),
            expected: scenario.then,
            came,
            passed: came == expected(scenario.then),
            grounds,
            note,
        }
    }

    /// What that policy makes of it; `None`: it cannot be read.
    pub(super) fn seen(&self, policy: &Policy) -> Option<Seen> {
        let read = self.read.as_ref().ok()?;
        match &read.steps.last()?.1 {
            Ok(_) => read.decide(policy, self.start).map(|decision| Seen {
                verdict: decision.verdict,
                asked: asked(&decision),
                returns: Bound::returns(&decision.bounds).cloned(),
                rows: Bound::rows(&decision.bounds),
            }),
            Err(_) => Some(Seen { verdict: Verdict::Refuse, asked: BTreeSet::new(), returns: None, rows: None }),
        }
    }

    /// What its last step calls, with the arguments.
    pub(super) fn calls(&self) -> Option<(ResourceId, &Value)> {
        let reading = self.read.as_ref().ok()?.steps.last()?.1.as_ref().ok()?;
        let own = reading.effects.iter().find(|effect| effect.standing == Standing::Own)?;
        Some((own.resource, reading.values.get(own.subject?)?))
    }

    /// The resources that its steps touch, and those of which something comes back. `None`: parts of it are unread, so that any line may matter to it.
    pub(super) fn touches(&self, catalog: &Catalog) -> Option<BTreeSet<ResourceId>> {
        let Ok(read) = &self.read else { return Some(BTreeSet::new()) };
        let mut touched = BTreeSet::new();
        for reading in read.steps.iter().flat_map(|(_, reading)| reading) {
            if !reading.unread.is_empty() || reading.effects.is_empty() {
                return None;
            }
            touched.extend(reading.effects.iter().map(|effect| effect.resource));
            let called = reading.effects.iter().filter_map(|effect| catalog.resource(effect.resource));
            touched.extend(called.flat_map(|resource| &resource.declared.parts).map(|part| part.resource));
        }
        Some(touched)
    }
}

impl Read {
    /// The decision over the last step, after the earlier ones were decided and charged: what is allowed runs, what is
    /// held is confirmed and runs, what is refused does not run.
    fn decide(&self, policy: &Policy, start: Timestamp) -> Option<Decision> {
        let ((_, last), earlier) = self.steps.split_last()?;
        let last = last.as_ref().ok()?;
        let mut counters = Counters::new();
        let of_task = Some(self.task.name.as_str());
        let mut now = start;
        for (times, reading) in earlier {
            for _ in 0..*times {
                if let Ok(reading) = reading {
                    let decision = self.at(policy, reading, &counters, now);
                    counters.charge(policy.limits(), &decision.charges, now, of_task);
                }
            }
            now = Timestamp(now.0 + 1);
        }
        Some(self.at(policy, last, &counters, now))
    }

    fn at(&self, policy: &Policy, reading: &Reading, counters: &Counters, now: Timestamp) -> Decision {
        let usage = counters.at(policy.limits(), Some(now), Some(self.task.name.as_str()));
        decide(policy, reading, &Facts { now: Some(now), task: Some(&self.task), usage: &usage })
    }
}

fn read(scenario: &Scenario, policy: &Policy, around: &Surroundings) -> Result<Read, String> {
    let (name, facts) = match &scenario.in_task {
        Some(cell) => {
            let InTask { name, facts } = parse_in_task(cell).map_err(|found| {
                let first = found.first().map_or("it is no task", |first| first.message.as_str());
                format!("`{}`: {}", escape(cell), escape(first))
            })?;
            (name, facts.iter().map(|(fact, value)| (fact.clone(), task::value_of(value))).collect())
        }
        // What it is told is a request all the same; the lines that are `for` a task do not apply.
        None => (String::new(), Vec::new()),
    };
    let given = GivenTask { name, request: Some(scenario.told.clone()), author: scenario.author.clone(), facts };
    let task = given.open(policy);
    let mut steps = Vec::new();
    for step in &scenario.after {
        let (times, step) = times(step)?;
        steps.push((times, step_of(step, around, &task)?));
    }
    steps.push((1, step_of(&scenario.tries, around, &task)?));
    Ok(Read { task, steps })
}

/// At most so many times is one step taken.
const MOST_TIMES: u32 = 10_000;

/// How often an earlier step is taken: `30 times crm.add_note {…}`, so that using up a limit is one line; or once.
fn times(step: &str) -> Result<(u32, &str), String> {
    let Some((count, rest)) = step.trim().split_once(" times ") else { return Ok((1, step)) };
    if count.is_empty() || !count.bytes().all(|b| b.is_ascii_digit()) {
        return Ok((1, step));
    }
    match count.parse() {
        Ok(times) if (1..=MOST_TIMES).contains(&times) => Ok((times, rest)),
        _ => Err(format!("`{}`: a step is taken from 1 to {MOST_TIMES} times", escape(step))),
    }
}

fn step_of(step: &str, around: &Surroundings, task: &Task) -> Result<Result<Reading, String>, String> {
    match Attempt::parse(step) {
        Ok(attempt) => Ok(trial::read(around, &attempt, Some(&task.name))),
        Err(error) => trial::invalid(&error).map(Err).ok_or_else(|| format!("`{}`: {error}", escape(step))),
    }
}

fn expected(then: Then) -> Came {
    match then {
        Then::Allow => Came::Allow,
        Then::Confirm => Came::Confirm,
        Then::Refuse => Came::Refuse,
    }
}

fn only(why: String) -> Said {
    Said { line: None, section: None, text: None, why }
}
