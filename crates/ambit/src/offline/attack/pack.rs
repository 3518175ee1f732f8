//! The attacks as calls, for whoever plays them on a wire; and the slow reading of what arrives behind it.

use std::collections::BTreeSet;

use ambit_core::decide::Facts;
use ambit_core::decision::Verdict;
use ambit_core::policy::Policy;
use ambit_core::scope::{Ask, Set};
use ambit_core::time::Date;
use ambit_core::usage::Counters;
use ambit_effects::attempt::Attempt;

use super::base::{self, Base};
use super::{Plan, Target, disguise, hidden_plans, pose, shown, split};
use crate::offline::test::{day, noon};
use crate::offline::{GivenTask, Source, Surroundings, Trial};

/// One attack as calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Play {
    /// Its kind.
    pub kind: &'static str,
    /// Where the call comes from that it started from.
    pub from: String,
    /// What was done to the call.
    pub done: String,
    /// The task it is played in, one of [`Pack::tasks`].
    pub task: usize,
    /// The calls, one after another.
    pub calls: Vec<Attempt>,
    /// At most so many of them may arrive behind the gate.
    pub most: usize,
}

impl Play {
    /// The first call in a line, cut where it is long.
    #[must_use]
    pub fn shown(&self) -> String {
        self.calls.first().map(shown).unwrap_or_default()
    }
}

/// Everything that is played on one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pack {
    /// The tasks that calls belong to; the first is none.
    pub tasks: Vec<GivenTask>,
    /// The calls that the page allows by themselves: that some of them arrive shows that the gate is open at all.
    pub allowed: Vec<Play>,
    /// A call for each that the page holds.
    pub held: Vec<Play>,
    /// A call for each that the page refuses.
    pub refused: Vec<Play>,
    /// The attacks.
    pub attacks: Vec<Play>,
}

/// So many calls at once are a flood.
const FLOOD: usize = 48;

/// The pack for a page. The same page, scenarios and day give the same pack.
#[must_use]
pub fn of(policy: &Policy, around: &Surroundings, sources: &[Source], today: Date) -> Pack {
    let target = Target { policy, around, now: noon(day(policy, today)) };
    let mut pack = Pack { tasks: vec![GivenTask::default()], ..Pack::default() };
    pack.attacks.extend(hidden_plans(&target).into_iter().map(|plan| Play {
        kind: plan.kind,
        from: "the catalog".to_owned(),
        done: plan.done,
        task: 0,
        calls: vec![plan.attempt],
        most: 0,
    }));
    let (mut floods, mut splits, mut large) = (Vec::new(), Vec::new(), BTreeSet::new());
    for base in base::of(&target, sources) {
        let task = if is_in_a_task(policy, &base.given) { pack.task(&base.given) } else { 0 };
        let play = |kind, done: String, calls: Vec<Attempt>, most| Play {
            kind,
            from: base.from.clone(),
            done,
            task,
            calls,
            most,
        };
        let plain = base.with(&base.arguments);
        let by_itself = play("plain", "call it as it is".to_owned(), vec![plain.clone()], 1);
        match base.verdict {
            Verdict::Allow => {
                let most = arrive(&target, &base, &vec![plain.clone(); FLOOD]);
                if most < FLOOD {
                    let done = format!("send it {FLOOD} times at once");
                    floods.push(play("flood", done, vec![plain; FLOOD], most));
                }
                pack.allowed.push(by_itself);
            }
            Verdict::Hold => pack.held.push(by_itself),
            Verdict::Refuse => pack.refused.push(by_itself),
        }
        let plans = disguise::plans(&target, &base).into_iter().chain(pose::plans(&target, &base));
        // A megabyte is a megabyte whatever call it stands beside: once a tool.
        let mut is_first = |plan: &Plan| {
            plan.kind != "oversized" || large.insert((base.system.clone(), base.name.clone(), plan.done.clone()))
        };
        let plans = plans.filter(|plan| plan.at_least > Verdict::Allow).filter(|plan| is_first(plan));
        pack.attacks.extend(plans.map(|plan| play(plan.kind, plan.done, vec![plan.attempt], 0)));
        for (done, calls) in split::plays(&target, &base) {
            // All of them would be the whole.
            let most = arrive(&target, &base, &calls).min(calls.len().saturating_sub(1));
            splits.push(play("split", done, calls, most));
        }
    }
    // What uses limits up comes last.
    pack.attacks.extend(splits);
    pack.attacks.extend(floods);
    pack
}

impl Pack {
    /// The place of a task; a new one where it is not known yet.
    fn task(&mut self, given: &GivenTask) -> usize {
        match self.tasks.iter().position(|known| known == given) {
            Some(at) => at,
            None => {
                self.tasks.push(given.clone());
                self.tasks.len() - 1
            }
        }
    }
}

/// Whether a call has to be made in its task to be decided as it is in a scenario. A request that no line asks about needs
/// none.
fn is_in_a_task(policy: &Policy, given: &GivenTask) -> bool {
    let of_request = |ask: &Ask| match ask {
        Ask::QuotedInRequest => true,
        Ask::In(set) | Ask::AddressAt(set) | Ask::UrlAt(set) | Ask::Under(set) => *set == Set::Request,
        _ => false,
    };
    let tests = || policy.lines().iter().flat_map(|line| &line.line.tests);
    let asks_about_it = || tests().any(|test| test.any.iter().any(|predicate| of_request(&predicate.ask)));
    !given.name.is_empty() || !given.facts.is_empty() || (given.request.is_some() && asks_about_it())
}

/// How many of these calls, one after another and with no limit used up before, the page lets through by itself.
fn arrive(target: &Target<'_>, base: &Base, calls: &[Attempt]) -> usize {
    let mut counters = Counters::new();
    let task = Some(base.task.name.as_str());
    let mut arrive = 0;
    for call in calls {
        let usage = counters.at(target.policy.limits(), Some(target.now), task);
        let facts = Facts { now: Some(target.now), task: Some(&base.task), usage: &usage };
        let trial = Trial::of(target.policy, target.around, call, &facts);
        let Trial::Decided { decision, .. } = &trial else { continue };
        if decision.verdict == Verdict::Allow {
            arrive += 1;
            counters.charge(target.policy.limits(), &decision.charges, target.now, task);
        }
    }
    arrive
}

/// The slow reading of what arrives: what the page makes of it by itself, in its task.
pub struct Slow<'a> {
    /// The page.
    pub policy: &'a Policy,
    /// What stands around it.
    pub around: &'a Surroundings,
    /// The day.
    pub today: Date,
}

impl Slow<'_> {
    /// Whether the page lets that by without a person. `params`: the bytes of the call's parameters, as they arrived.
    #[must_use]
    pub fn lets_by(&self, task: &GivenTask, system: &str, operation: &str, params: &str) -> bool {
        let target = Target { policy: self.policy, around: self.around, now: noon(day(self.policy, self.today)) };
        let Some(attempt) = attempt(system, operation, params) else { return false };
        let counters = Counters::new();
        let task = task.clone().open(self.policy);
        let usage = counters.at(self.policy.limits(), Some(target.now), Some(&task.name));
        let facts = Facts { now: Some(target.now), task: Some(&task), usage: &usage };
        Trial::of(self.policy, self.around, &attempt, &facts).verdict() == Verdict::Allow
    }
}

/// The call that these bytes are, read strictly; `None` where they are none.
fn attempt(system: &str, operation: &str, params: &str) -> Option<Attempt> {
    // Read whole first: what two readers would read differently is nothing that may arrive.
    let read = ambit_effects::json::read(params.as_bytes()).ok()?;
    let system = system.to_owned();
    match operation {
        "tools/call" => {
            let ambit_core::value::Value::Text(name) = read.get("name")? else { return None };
            let arguments = read.get("arguments").map_or_else(|| "{}".to_owned(), ambit_effects::json::write);
            Some(Attempt::Call { system, name: name.clone(), arguments })
        }
        "resources/read" => Some(Attempt::Call { system, name: "resource".to_owned(), arguments: params.to_owned() }),
        "prompts/get" => Some(Attempt::Call { system, name: "prompt".to_owned(), arguments: params.to_owned() }),
        _ => None,
    }
}
