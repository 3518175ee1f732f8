//! Whether a step of weakening makes no difference to any call, because the other lines decide the same without it. No
//! scenario can hold such a step, so none is asked for.
//!
//! It is proved, not sampled: the lines that speak of a tool tell only so many kinds of calls apart, and one call of every
//! kind is decided both ways. Where the kinds cannot be told (patterns, addresses, paths into objects, words of a
//! request), nothing is claimed.

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::catalog::{Resource, ResourceId, ResourceKind, Type};
use ambit_core::decide::{Facts, Usage, decide};
use ambit_core::decimal::Decimal;
use ambit_core::decision::{Decision, LimitId, Verdict};
use ambit_core::policy::{Policy, PolicyLine};
use ambit_core::reading::{Reach, Reading, Unread};
use ambit_core::scope::{Ask, Counted, Fields, Literal, Tasks, Who, Window};
use ambit_core::task::Task;
use ambit_core::time::Timestamp;
use ambit_core::value::Value;
use ambit_core::weaken::{Change, Weakened};
use ambit_effects::attempt::Attempt;

use super::sample::of_shape;
use crate::offline::{Surroundings, trial};

/// At most so many decisions are compared.
const MOST_COMPARED: usize = 20_000;
/// At most so many limits are taken as used up and as not.
const MOST_LIMITS: usize = 4;
/// At most so many tools are looked at.
const MOST_TOOLS: usize = 16;

/// Whether that step makes no difference to any call of any tool.
pub(super) fn is_redundant(policy: &Policy, around: &Surroundings, weakened: &Weakened, now: Timestamp) -> bool {
    let Some(line) = policy.line(weakened.line) else { return false };
    let provable = match weakened.change {
        Change::Drop | Change::ConfirmToCan | Change::DropTest(_) | Change::DropTasks => true,
        Change::DropFields => line.line.section.is_can(),
        Change::DropLimit(_) => false,
    };
    if !provable {
        return false;
    }
    let Some(tools) = tools(policy, line) else { return false };
    let mut left = MOST_COMPARED;
    tools.into_iter().all(|tool| {
        let Some(kinds) = Kinds::of(policy, tool, weakened.change) else { return false };
        kinds.agree(around, policy, &weakened.policy, now, &mut left)
    })
}

/// The tools whose calls the line may matter to. `None`: it matters to something else, or to too many.
fn tools(policy: &Policy, line: &PolicyLine) -> Option<BTreeSet<ResourceId>> {
    let reached: BTreeSet<ResourceId> = line.reaches().map(|(id, _)| id).collect();
    let is_tool = |id: &ResourceId| policy.catalog().resource(*id).is_some_and(|r| r.kind == ResourceKind::Tool);
    if !reached.iter().all(is_tool) {
        return None;
    }
    let touching = policy
        .catalog()
        .resources()
        .filter(|(_, resource)| resource.declared.effects.iter().any(|effect| reached.contains(&effect.resource)));
    let mut tools: BTreeSet<ResourceId> = touching.map(|(id, _)| id).collect();
    tools.extend(&reached);
    (tools.len() <= MOST_TOOLS).then_some(tools)
}

/// The kinds of calls of one tool that the lines tell apart.
struct Kinds<'a> {
    system: String,
    resource: &'a Resource,
    id: ResourceId,
    /// By argument: one value of each kind; `None`: not given.
    arguments: BTreeMap<String, Vec<Option<Value>>>,
    tasks: Vec<Option<Task>>,
    limits: Vec<LimitId>,
}

impl<'a> Kinds<'a> {
    fn of(policy: &'a Policy, id: ResourceId, change: Change) -> Option<Kinds<'a>> {
        let resource = policy.catalog().resource(id)?;
        let system = policy.catalog().system(resource.system)?.name.clone();
        let touched: BTreeSet<ResourceId> =
            resource.declared.effects.iter().map(|effect| effect.resource).chain([id]).collect();
        let lines: Vec<&PolicyLine> = policy
            .lines()
            .iter()
            .filter(|line| line.reaches().any(|(reached, _)| touched.contains(&reached)))
            .collect();
        if lines.iter().any(|line| line.line.until.is_some()) {
            return None;
        }
        let mut constants: BTreeMap<String, Vec<&Literal>> = BTreeMap::new();
        for line in &lines {
            for test in &line.line.tests {
                let [step] = test.path.steps.as_slice() else { return None };
                if step.each {
                    return None;
                }
                let known = constants.entry(step.name.clone()).or_default();
                for predicate in &test.any {
                    known.extend(told_apart(&predicate.ask)?);
                }
            }
        }
        let mut limits = BTreeSet::new();
        for line in &lines {
            for ((limit, info), said) in line.limits().iter().zip(&line.line.limits) {
                if info.window != Window::AtOnce {
                    limits.insert(*limit);
                } else if !matches!(said.of, Counted::Times) {
                    return None;
                }
            }
        }
        if limits.len() > MOST_LIMITS {
            return None;
        }
        let listed = listed(&lines, resource, change);
        let mut arguments = BTreeMap::new();
        for field in &resource.fields {
            let tested = constants.remove(&field.name);
            let mut kinds = match tested {
                Some(constants) => values(&constants, field.shape.types.clone(), field.shape.only.as_deref())?,
                None => vec![of_shape(&field.shape)],
            };
            kinds.dedup();
            let mut kinds: Vec<Option<Value>> = kinds.into_iter().map(Some).collect();
            let matters = kinds.len() > 1 || listed.contains(field.name.as_str());
            if matters && (field.shape.types.is_empty() || field.shape.types.contains(&Type::Null)) {
                kinds.push(Some(Value::Null));
            }
            if !field.required {
                if matters { kinds.push(None) } else { kinds = vec![None] }
            }
            arguments.insert(field.name.clone(), kinds);
        }
        // Where the schema takes what it does not list, that is a kind of its own; else such a call is refused anyway.
        arguments.insert(unlisted(resource), vec![None, Some(Value::Text(String::new()))]);
        // A test on an argument that the schema does not list: an open schema, of which the kinds are not known.
        constants.is_empty().then(|| Kinds {
            system,
            resource,
            id,
            arguments,
            tasks: tasks(&lines),
            limits: limits.into_iter().collect(),
        })
    }

    /// Whether both policies decide every kind alike. `left` decisions may still be compared.
    fn agree(&self, around: &Surroundings, one: &Policy, other: &Policy, now: Timestamp, left: &mut usize) -> bool {
        let states: usize = 1 << self.limits.len();
        let calls = self.arguments.values().try_fold(1usize, |product, kinds| product.checked_mul(kinds.len()));
        let count = calls.and_then(|calls| calls.checked_mul(states * self.tasks.len() * 2));
        match count.and_then(|count| left.checked_sub(count)) {
            Some(rest) => *left = rest,
            None => return false,
        }
        let mut call = vec![0; self.arguments.len()];
        loop {
            if let Some(reading) = self.read(around, &call) {
                let unread = Reading {
                    unread: [Reach::Resource(self.id), Reach::System(self.resource.system), Reach::Anything]
                        .into_iter()
                        .map(|reach| Unread { what: String::new(), reach })
                        .collect(),
                    ..reading.clone()
                };
                for reading in [&reading, &unread] {
                    for task in &self.tasks {
                        for state in 0..states {
                            let used = Used { full: &self.limits, state, policy: one };
                            let facts = Facts { now: Some(now), task: task.as_ref(), usage: &used };
                            if matters(&decide(one, reading, &facts)) != matters(&decide(other, reading, &facts)) {
                                return false;
                            }
                        }
                    }
                }
            }
            if !self.next(&mut call) {
                return true;
            }
        }
    }

    /// What that call does; `None`: it is refused whatever the page says.
    fn read(&self, around: &Surroundings, call: &[usize]) -> Option<Reading> {
        let members = self.arguments.iter().zip(call).filter_map(|((name, kinds), at)| {
            let value = kinds.get(*at)?.clone()?;
            Some((name.clone(), value))
        });
        let arguments = ambit_effects::json::write(&Value::Map(members.collect()));
        let attempt = Attempt::Call { system: self.system.clone(), name: self.resource.name.clone(), arguments };
        trial::read(around, &attempt, None).ok()
    }

    /// The next call, as a number whose digits are the kinds of the arguments.
    fn next(&self, call: &mut [usize]) -> bool {
        for (digit, kinds) in call.iter_mut().zip(self.arguments.values()) {
            *digit += 1;
            if *digit < kinds.len() {
                return true;
            }
            *digit = 0;
        }
        false
    }
}

/// The constants that a question tells values apart by; `None`: it tells more apart than that.
fn told_apart(ask: &Ask) -> Option<Vec<&Literal>> {
    let constants = match ask {
        Ask::Is(literal) | Ask::AtLeast(literal) | Ask::AtMost(literal) | Ask::Above(literal) | Ask::Below(literal) => {
            vec![literal]
        }
        Ask::In(ambit_core::scope::Set::Values(literals)) => literals.iter().collect(),
        Ask::Given | Ask::True | Ask::False => Vec::new(),
        _ => return None,
    };
    // A date is told from a text that is none, and that in turn from another type.
    (!constants.iter().any(|literal| matches!(literal, Literal::Date(_)))).then_some(constants)
}

/// One value of each kind that the constants tell apart, of every type that may stand there; `None`: two of them are too
/// close to find a value between.
fn values(constants: &[&Literal], types: BTreeSet<Type>, only: Option<&[Value]>) -> Option<Vec<Value>> {
    if let Some(only) = only {
        return Some(only.to_vec());
    }
    let may_be = |one: Type| types.is_empty() || types.contains(&one);
    let mut values = Vec::new();
    if may_be(Type::Text) {
        let mut other = "something else".to_owned();
        for literal in constants {
            if let Literal::Text(text) = literal {
                values.push(Value::Text(text.clone()));
                if other == *text {
                    other.push_str(" again");
                }
            }
        }
        while values.contains(&Value::Text(other.clone())) {
            other.push('x');
        }
        values.push(Value::Text(other));
    }
    if may_be(Type::Number) {
        let numbers =
            constants.iter().filter_map(|literal| if let Literal::Number(n) = literal { Some(*n) } else { None });
        values.extend(numbers_apart(numbers.collect())?.into_iter().map(Value::Number));
    }
    if may_be(Type::Bool) {
        values.extend([Value::Bool(true), Value::Bool(false)]);
    }
    if may_be(Type::List) || may_be(Type::Map) {
        values.push(Value::List(Vec::new()));
        values.push(Value::Map(Vec::new()));
    }
    Some(values)
}

/// Each number, one between each two that follow on one another, one below and one above all.
fn numbers_apart(mut numbers: Vec<Decimal>) -> Option<Vec<Decimal>> {
    numbers.sort();
    numbers.dedup();
    let one = Decimal::from(1);
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Some(vec![one]) };
    let mut apart = vec![first.checked_sub(one)?, last.checked_add(one)?];
    for (low, high) in numbers.iter().zip(numbers.iter().skip(1)) {
        // Whole where that is possible, because many schemas take no fractions; a fraction besides, because others do.
        let steps = ["1", "0.5", "0.01", "0.0001"].iter().filter_map(|step| Decimal::parse(step));
        let between: Vec<Decimal> =
            steps.filter_map(|step| low.checked_add(step)).filter(|number| number < high).take(2).collect();
        if between.is_empty() {
            return None;
        }
        apart.extend(between);
    }
    apart.extend(&numbers);
    Some(apart)
}

/// The arguments that field lists tell apart: those that stand in one, and one that stands in none.
fn listed<'a>(lines: &[&'a PolicyLine], resource: &'a Resource, change: Change) -> BTreeSet<&'a str> {
    let lists = lines.iter().filter_map(|line| line.line.fields.as_ref());
    let mut listed: BTreeSet<&str> = BTreeSet::new();
    for Fields::Only(names) | Fields::AllBut(names) in lists {
        listed.extend(names.iter().map(String::as_str));
    }
    if listed.is_empty() {
        return listed;
    }
    let others = resource.fields.iter().filter(|field| !field.required).map(|field| field.name.as_str());
    let mut others = others.filter(|name| !listed.contains(name)).collect::<Vec<_>>();
    if change != Change::DropFields {
        others.truncate(1);
    }
    listed.extend(others);
    listed
}

/// A name that no argument of the tool has.
fn unlisted(resource: &Resource) -> String {
    let mut name = "unlisted".to_owned();
    while resource.field_named(&name).is_some() {
        name.push('x');
    }
    name
}

fn tasks(lines: &[&PolicyLine]) -> Vec<Option<Task>> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for tasks in lines.iter().filter_map(|line| line.line.tasks.as_ref()) {
        let (Tasks::Only(said) | Tasks::AnyBut(said)) = tasks;
        names.extend(said.iter().map(String::as_str));
    }
    let mut other = "another-task".to_owned();
    while names.contains(other.as_str()) {
        other.push('x');
    }
    let task = |name: &str| Some(Task { name: name.to_owned(), request: None, facts: Vec::new() });
    names.iter().map(|name| task(name)).chain([task(&other), None]).collect()
}

/// Each limit used up, or not at all, as the bits of a number say: whatever was used, a call finds room or none.
struct Used<'a> {
    full: &'a [LimitId],
    state: usize,
    policy: &'a Policy,
}

impl Usage for Used<'_> {
    fn used(&self, limit: LimitId) -> Option<Decimal> {
        let full = self.full.iter().position(|known| *known == limit).is_some_and(|at| self.state & (1 << at) != 0);
        if full { self.policy.limits().get(limit.0 as usize).map(|info| info.most) } else { Some(Decimal::ZERO) }
    }
}

/// What of a decision is felt: everything but which line says it.
#[derive(PartialEq)]
struct Felt {
    verdict: Verdict,
    asked: BTreeSet<(Option<Who>, u64)>,
    charges: Vec<(LimitId, Decimal)>,
    bounds: String,
}

fn matters(decision: &Decision) -> Felt {
    Felt {
        verdict: decision.verdict,
        asked: asked(decision),
        charges: decision.charges.iter().map(|charge| (charge.limit, charge.amount)).collect(),
        bounds: format!("{:?}", decision.bounds),
    }
}

/// Who would be asked, and how long they have.
pub(super) fn asked(decision: &Decision) -> BTreeSet<(Option<Who>, u64)> {
    decision.confirmers.iter().map(|confirmer| (confirmer.who.clone(), confirmer.within_seconds)).collect()
}
