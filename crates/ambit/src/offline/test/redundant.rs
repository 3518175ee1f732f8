//! Whether a step of weakening makes no difference to any call, because the other lines decide the same without it. No
//! scenario can hold such a step, so none is asked for.
//!
//! It is proved, not sampled: the lines that speak of a tool tell only so many kinds of calls apart, and one call of every
//! kind is decided both ways, whether or not the tool's schema would take it. Where the kinds cannot be told (patterns,
//! several questions about one address, paths into objects, words of a request), nothing is claimed.

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::catalog::{Resource, ResourceId, ResourceKind, Type};
use ambit_core::decide::{Facts, Usage, decide};
use ambit_core::decimal::Decimal;
use ambit_core::decision::{Decision, LimitId, Verdict};
use ambit_core::effect::{Effect, Extent, FieldSet, Standing, Verb};
use ambit_core::policy::{Policy, PolicyLine};
use ambit_core::reading::{Reach, Reading, Unread};
use ambit_core::scope::{Ask, Counted, Fields, Literal, Path, Tasks, Who, Window};
use ambit_core::task::Task;
use ambit_core::time::Timestamp;
use ambit_core::value::Value;
use ambit_core::weaken::{Change, Weakened};
use ambit_effects::schema::filled;

use super::kinds;
use super::sample::of_shape;

/// At most so many decisions are compared.
const MOST_COMPARED: usize = 20_000;
/// At most so many limits are taken as used up and as not.
const MOST_LIMITS: usize = 4;
/// At most so many tools are looked at.
const MOST_TOOLS: usize = 16;

/// Whether that step makes no difference to any call of any tool.
pub(super) fn is_redundant(policy: &Policy, weakened: &Weakened<'_>, now: Timestamp) -> bool {
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
        kinds.agree(policy, weakened.policy, now, &mut left)
    })
}

/// The tools whose calls the line may matter to. `None`: it matters to something else, or to too many.
fn tools(policy: &Policy, line: &PolicyLine) -> Option<BTreeSet<ResourceId>> {
    let catalog = policy.catalog();
    let reached: BTreeSet<ResourceId> = line.reaches().map(|(id, _)| id).collect();
    let is_tool = |id: &ResourceId| catalog.resource(*id).is_some_and(|r| r.kind == ResourceKind::Tool);
    // What only comes back from tools matters to their calls alone.
    let is_returned = |id: &ResourceId| catalog.resource(*id).is_some_and(|r| catalog.only_returned(r));
    if !reached.iter().all(|id| is_tool(id) || is_returned(id)) {
        return None;
    }
    let touching = catalog.resources().filter(|(_, resource)| touched(resource).any(|id| reached.contains(&id)));
    let mut tools: BTreeSet<ResourceId> = touching.map(|(id, _)| id).collect();
    tools.extend(reached.iter().filter(|id| is_tool(id)));
    (tools.len() <= MOST_TOOLS).then_some(tools)
}

/// What calling it touches, and what comes back of.
fn touched(resource: &Resource) -> impl Iterator<Item = ResourceId> + '_ {
    let declared = &resource.declared;
    let effects = declared.effects.iter().map(|effect| effect.resource);
    effects.chain(declared.parts.iter().map(|part| part.resource))
}

/// The kinds of calls of one tool that the lines tell apart.
struct Kinds<'a> {
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
        let touched: BTreeSet<ResourceId> = touched(resource).chain([id]).collect();
        let lines: Vec<&PolicyLine> = policy
            .lines()
            .iter()
            .filter(|line| line.reaches().any(|(reached, _)| touched.contains(&reached)))
            .collect();
        if lines.iter().any(|line| line.line.until.is_some()) {
            return None;
        }
        let mut asked: BTreeMap<&str, Vec<Ask>> = BTreeMap::new();
        for test in lines.iter().flat_map(|line| &line.line.tests) {
            let asks = test.any.iter().map(|predicate| predicate.ask.clone());
            asked.entry(argument(&test.path)?).or_default().extend(asks);
        }
        let mut limits = BTreeSet::new();
        for line in &lines {
            for ((limit, info), said) in line.limits().iter().zip(&line.line.limits) {
                match &said.of {
                    // What is summed finds room or none, and more than the limit allows never does.
                    Counted::Sum(path) => {
                        asked.entry(argument(path)?).or_default().push(Ask::AtMost(Literal::Number(said.most)));
                    }
                    Counted::Times => {}
                    Counted::Rows => return None,
                }
                if info.window != Window::AtOnce {
                    limits.insert(*limit);
                }
            }
        }
        if limits.len() > MOST_LIMITS {
            return None;
        }
        let listed = listed(&lines, resource, change);
        let mut arguments = BTreeMap::new();
        for field in &resource.fields {
            let kinds = match asked.remove(field.name.as_str()) {
                Some(asks) => kinds::of(&asks, &field.shape, &policy.setting().lists)?,
                None => vec![of_shape(&field.shape)],
            };
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
        asked.is_empty().then(|| Kinds {
            resource,
            id,
            arguments,
            tasks: tasks(&lines),
            limits: limits.into_iter().collect(),
        })
    }

    /// Whether both policies decide every kind alike. `left` decisions may still be compared.
    fn agree(&self, one: &Policy, other: &Policy, now: Timestamp, left: &mut usize) -> bool {
        let states: usize = 1 << self.limits.len();
        let calls = self.arguments.values().try_fold(1usize, |product, kinds| product.checked_mul(kinds.len()));
        let count = calls.and_then(|calls| calls.checked_mul(states * self.tasks.len() * 2));
        match count.and_then(|count| left.checked_sub(count)) {
            Some(rest) => *left = rest,
            None => return false,
        }
        let mut call = vec![0; self.arguments.len()];
        loop {
            let reading = self.reading(&call);
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
                        if felt(&decide(one, reading, &facts)) != felt(&decide(other, reading, &facts)) {
                            return false;
                        }
                    }
                }
            }
            if !self.next(&mut call) {
                return true;
            }
        }
    }

    /// What that call does: itself, and what calling the tool is declared to do.
    fn reading(&self, call: &[usize]) -> Reading {
        let members: Vec<(String, Value)> = self
            .arguments
            .iter()
            .zip(call)
            .filter_map(|((name, kinds), at)| Some((name.clone(), kinds.get(*at)?.clone()?)))
            .collect();
        let mut fields = FieldSet::new();
        for (name, _) in members.iter().filter(|(_, value)| *value != Value::Null) {
            match self.resource.field_named(name) {
                Some(place) => fields.insert(place),
                None => fields.insert_unlisted(),
            }
        }
        let effect = |verb, resource, fields, standing, subject| Effect {
            verb,
            resource,
            fields,
            extent: Extent::default(),
            standing,
            subject,
        };
        let own = effect(Verb::Call, self.id, fields, Standing::Own, Some(0));
        let besides = self.resource.declared.effects.iter().map(|declared| {
            let subject = (declared.resource == self.id).then_some(0);
            effect(declared.verb, declared.resource, declared.fields.clone(), Standing::Declared, subject)
        });
        let values = vec![filled(Value::Map(members), &self.resource.fields)];
        Reading { effects: std::iter::once(own).chain(besides).collect(), values, ..Reading::default() }
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

/// The argument that a path is; `None`: it leads into one.
fn argument(path: &Path) -> Option<&str> {
    match path.steps.as_slice() {
        [step] if !step.each => Some(&step.name),
        _ => None,
    }
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

fn felt(decision: &Decision) -> Felt {
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
