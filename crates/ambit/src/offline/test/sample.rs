//! Calls made up for a line: one that it speaks of, and ones just beyond its tests, its fields, its limits and its tasks.
//! They need not be right; whoever uses one tries it first.

use std::collections::BTreeSet;

use ambit_core::catalog::{Resource, ResourceId, ResourceKind, Shape, SystemKind, Type};
use ambit_core::decimal::Decimal;
use ambit_core::policy::{Policy, PolicyLine};
use ambit_core::scope::print::{print_name, print_target, print_value};
use ambit_core::scope::{
    Ask, Counted, Fields, Limit, Line, Literal, Path, Predicate, Scenario, Section, Set, Span, Target, Tasks, Test,
    Then, Window,
};
use ambit_core::value::Value;
use ambit_core::weaken::Change;
use ambit_effects::json;

use crate::offline::task::value_of;

/// A step is suggested to be taken up to so many times.
pub(super) const MOST_STEPS: u64 = 1_000;
/// What a person replaces by what the agent would be told.
pub(super) const TOLD: &str = "…";

/// Whether the line speaks of something whose actions are read: what is called through a gate, or a relation of a database.
pub(super) fn is_readable(policy: &Policy, line: &PolicyLine) -> bool {
    let catalog = policy.catalog();
    let in_database = |id: ResourceId| {
        let system = catalog.resource(id).and_then(|resource| catalog.system(resource.system));
        system.is_some_and(|system| system.kind == SystemKind::Postgres)
    };
    !calls_of(policy, line).is_empty() || line.reaches().any(|(id, _)| in_database(id))
}

/// What can be called that the line speaks of: itself, or through what calling it is declared to do or to give back.
fn calls_of<'a>(policy: &'a Policy, line: &PolicyLine) -> Vec<(ResourceId, &'a Resource)> {
    let reached: BTreeSet<ResourceId> = line.reaches().map(|(id, _)| id).collect();
    let touches = |id: ResourceId, resource: &Resource| {
        reached.contains(&id)
            || resource.declared.effects.iter().any(|effect| reached.contains(&effect.resource))
            || gives_back(resource, &reached)
    };
    policy.catalog().resources().filter(|(id, resource)| is_call(resource) && touches(*id, resource)).take(4).collect()
}

fn gives_back(resource: &Resource, reached: &BTreeSet<ResourceId>) -> bool {
    resource.declared.parts.iter().any(|part| part.field.is_some() && reached.contains(&part.resource))
}

fn is_call(resource: &Resource) -> bool {
    matches!(resource.kind, ResourceKind::Tool | ResourceKind::Document | ResourceKind::Prompt)
}

/// Scenarios that may come out differently with that change, the likeliest first. `known` are calls that the page's own
/// scenarios make.
pub(in crate::offline) fn candidates<'a>(
    policy: &Policy,
    line: &PolicyLine,
    change: Change,
    known: impl Iterator<Item = (ResourceId, &'a Value)>,
) -> Vec<Scenario> {
    let known: Vec<(ResourceId, &Value)> = known.collect();
    let reached: BTreeSet<ResourceId> = line.reaches().map(|(id, _)| id).collect();
    let mut rows = Vec::new();
    for (id, resource) in calls_of(policy, line) {
        let own = known.iter().filter(|(of, _)| *of == id).map(|(_, arguments)| (*arguments).clone()).take(2);
        let bases: Vec<Value> = own.chain([made_up(resource)]).collect();
        // A stricter line shows where another line would let the call through: what that one wants must hold as well.
        let beside = policy.lines().iter().map(|line| &line.line).filter(|other| {
            other.at != line.line.at && names(policy, other, id) && other.section != Section::CannotTouch
        });
        for beside in std::iter::once(None).chain(beside.take(MOST_BESIDE).map(Some)) {
            let made = Made { policy, resource, line: &line.line, beside, change };
            rows.extend(bases.iter().flat_map(|base| made.rows(base)));
            if gives_back(resource, &reached) {
                // Any call shows what comes back.
                rows.extend(bases.iter().filter_map(|base| made.row(&made.within(base))));
            }
        }
    }
    rows
}

/// Other lines are considered up to so many.
const MOST_BESIDE: usize = 6;

fn names(policy: &Policy, line: &Line, id: ResourceId) -> bool {
    policy.lines().iter().any(|known| known.line.at == line.at && known.reaches().any(|(reached, _)| reached == id))
}

/// Calls made up for one change of a line.
struct Made<'a> {
    policy: &'a Policy,
    resource: &'a Resource,
    line: &'a Line,
    /// Another line that is to apply too.
    beside: Option<&'a Line>,
    change: Change,
}

impl Made<'_> {
    fn rows(&self, base: &Value) -> Vec<Scenario> {
        let (line, resource) = (self.line, self.resource);
        let within = self.within(base);
        let calls = match self.change {
            Change::DropTest(at) => line.tests.get(at).map_or_else(Vec::new, |test| beyond(&within, test, resource)),
            Change::DropFields => beyond_fields(&within, line, resource),
            Change::DropLimit(at) => line.limits.get(at).map_or_else(Vec::new, |limit| filling(&within, limit)),
            Change::Drop | Change::ConfirmToCan | Change::DropTasks if !line.section.is_can() => {
                within_fields(&within, line, resource)
            }
            Change::Drop | Change::ConfirmToCan | Change::DropTasks => vec![within.clone(), base.clone()],
        };
        calls.iter().filter_map(|call| self.row(call)).collect()
    }

    /// The call with what the tests want.
    fn within(&self, base: &Value) -> Value {
        let tests = self.beside.into_iter().flat_map(|line| &line.tests).chain(&self.line.tests);
        tests.fold(base.clone(), |call, test| set(call, &test.path, fitting(test, self.resource)))
    }

    /// A scenario that makes the call, in the task and after the words that the tests want.
    fn row(&self, call: &Value) -> Option<Scenario> {
        let system = self.policy.catalog().system(self.resource.system)?.name.clone();
        let target = print_target(&Target::Named { system, name: self.resource.name.clone() });
        let tries = format!("{target} {}", json::write(call));
        let steps = match self.change {
            Change::DropLimit(at) => self.line.limits.get(at).map_or(0, |limit| earlier(limit, call)),
            _ => 0,
        };
        let (name, facts) = (self.task(), self.facts(call));
        let in_task = match (name, facts.is_empty()) {
            (name, true) => name,
            (name, false) => Some(format!("{} ({})", name.unwrap_or_else(|| "a-task".to_owned()), facts.join(", "))),
        };
        Some(Scenario {
            told: self.told(call),
            after: taken(steps, &tries),
            tries,
            then: Then::Refuse,
            in_task,
            author: None,
            at: Span::default(),
        })
    }

    fn task(&self) -> Option<String> {
        let leave = self.change == Change::DropTasks;
        let said = self.line.tasks.as_ref().or_else(|| self.beside.and_then(|line| line.tasks.as_ref()))?;
        match said {
            Tasks::Only(names) if leave => {
                let wanted = self.beside.and_then(|line| line.tasks.as_ref());
                match wanted {
                    Some(Tasks::Only(others)) => others.iter().find(|name| !names.contains(name)).cloned(),
                    _ => Some(other_than(names)),
                }
            }
            Tasks::AnyBut(names) if !leave => Some(other_than(names)),
            Tasks::Only(names) | Tasks::AnyBut(names) => names.first().cloned(),
        }
    }

    /// The tests that are to hold, those of the line beside among them; the one that is dropped is not.
    fn wanted(&self) -> impl Iterator<Item = &Test> {
        let own = self.line.tests.iter().enumerate().filter(|(at, _)| self.change != Change::DropTest(*at));
        own.map(|(_, test)| test).chain(self.beside.into_iter().flat_map(|line| &line.tests))
    }

    /// The words that name what the tests want the request to name.
    fn told(&self, call: &Value) -> String {
        let mut words = Vec::new();
        for test in self.wanted() {
            for ask in test.any.iter().filter(|p| !p.negated).map(|p| &p.ask) {
                let Some(value) = get(call, &test.path) else { continue };
                match ask {
                    Ask::In(Set::Request) | Ask::AddressAt(Set::Request) | Ask::UrlAt(Set::Request) => {
                        words.push(plain(value));
                    }
                    Ask::QuotedInRequest => words.push(format!("\"{}\"", plain(value))),
                    _ => {}
                }
            }
        }
        words.dedup();
        if words.is_empty() { TOLD.to_owned() } else { format!("{TOLD} {}", words.join(" ")) }
    }

    /// The facts that the tests want: of the test that is dropped, another than is given.
    fn facts(&self, call: &Value) -> Vec<String> {
        let own = self.line.tests.iter().enumerate().map(|(at, test)| (self.change == Change::DropTest(at), test));
        let beside = self.beside.into_iter().flat_map(|line| &line.tests).map(|test| (false, test));
        let mut facts: Vec<(String, String)> = Vec::new();
        for (dropped, test) in own.chain(beside) {
            for ask in test.any.iter().filter(|p| !p.negated).map(|p| &p.ask) {
                if let (Ask::TaskFact(name), Some(value)) = (ask, get(call, &test.path))
                    && !facts.iter().any(|(known, _)| known == name)
                    && let Some(literal) = if dropped { other(value) } else { literal(value) }
                {
                    facts.push((name.clone(), print_value(&literal)));
                }
            }
        }
        facts.into_iter().map(|(name, value)| format!("{name} = {value}")).collect()
    }
}

fn other_than(names: &[String]) -> String {
    let mut name = "another-task".to_owned();
    while names.contains(&name) {
        name.push('x');
    }
    print_name(&name)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => json::write(other),
    }
}

pub(super) fn literal(value: &Value) -> Option<Literal> {
    match value {
        Value::Text(text) => Some(Literal::Text(text.clone())),
        Value::Number(number) => Some(Literal::Number(*number)),
        Value::Bool(known) => Some(Literal::Bool(*known)),
        Value::Null | Value::Unknown | Value::List(_) | Value::Map(_) => None,
    }
}

/// Another of the same type.
fn other(value: &Value) -> Option<Literal> {
    match value {
        Value::Text(text) => Some(Literal::Text(format!("not {text}"))),
        Value::Number(number) => number.checked_add(Decimal::from(1)).map(Literal::Number),
        Value::Bool(known) => Some(Literal::Bool(!known)),
        Value::Null | Value::Unknown | Value::List(_) | Value::Map(_) => None,
    }
}

/// A call with what its schema requires.
pub(in crate::offline) fn made_up(resource: &Resource) -> Value {
    let required = resource.fields.iter().filter(|field| field.required);
    Value::Map(required.map(|field| (field.name.clone(), of_shape(&field.shape))).collect())
}

/// Some value of that shape.
pub(super) fn of_shape(shape: &Shape) -> Value {
    if let Some(default) = &shape.default {
        return default.clone();
    }
    if let Some(only) = shape.only.as_ref().and_then(|only| only.first()) {
        return only.clone();
    }
    let wanted =
        [Type::Text, Type::Number, Type::Bool, Type::Map, Type::List].into_iter().find(|t| shape.types.contains(t));
    match wanted {
        None | Some(Type::Text) => Value::Text(match shape.format.as_deref() {
            Some("email") => "somebody@example.com".to_owned(),
            Some("uri" | "url") => "https://example.com/".to_owned(),
            Some("date") => "2026-01-01".to_owned(),
            Some("date-time") => "2026-01-01T00:00:00Z".to_owned(),
            _ => "something".to_owned(),
        }),
        Some(Type::Number) => Value::Number(Decimal::from(1)),
        Some(Type::Bool) => Value::Bool(true),
        Some(Type::Map) => {
            Value::Map(shape.members.iter().map(|(name, shape)| (name.clone(), of_shape(shape))).collect())
        }
        Some(Type::List) => Value::List(shape.items.iter().map(|items| of_shape(items)).collect()),
        Some(Type::Null) => Value::Null,
    }
}

/// A value for which the test holds, as far as that can be told; `None`: what stands there may stay.
fn fitting(test: &Test, resource: &Resource) -> Option<Value> {
    test.any
        .iter()
        .find_map(|predicate| values(predicate, !predicate.negated, shape_at(resource, &test.path)).into_iter().next())
}

/// The call with values for which the test does not hold, and without any.
fn beyond(call: &Value, test: &Test, resource: &Resource) -> Vec<Value> {
    let shape = shape_at(resource, &test.path);
    let values = test.any.iter().flat_map(|predicate| values(predicate, predicate.negated, shape));
    let mut calls: Vec<Value> = values.map(|value| set(call.clone(), &test.path, Some(value))).collect();
    calls.push(call.clone());
    calls.push(without(call.clone(), &test.path));
    calls
}

fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// Values for which the question (without its *not*) is answered yes, or no.
pub(super) fn values(predicate: &Predicate, yes: bool, shape: Option<&Shape>) -> Vec<Value> {
    let step = |from: &Literal, by: i64| match from {
        Literal::Number(number) if by < 0 => number.checked_sub(Decimal::from(1)).map(Value::Number),
        Literal::Number(number) if by > 0 => number.checked_add(Decimal::from(1)).map(Value::Number),
        Literal::Date(_) if by < 0 => Some(text("1999-01-01")),
        Literal::Date(_) if by > 0 => Some(text("2999-01-01")),
        same => Some(value_of(same)),
    };
    let one_of = |known: Vec<Value>, others: Value| if yes { known } else { alternatives(shape, &known, others) };
    match &predicate.ask {
        Ask::Is(literal) => one_of(vec![value_of(literal)], text("something else")),
        Ask::In(Set::Values(literals)) => one_of(literals.iter().map(value_of).collect(), text("something else")),
        Ask::In(_) | Ask::QuotedInRequest | Ask::TaskFact(_) => Vec::new(),
        Ask::AtLeast(from) => step(from, if yes { 0 } else { -1 }).into_iter().collect(),
        Ask::AtMost(to) => step(to, if yes { 0 } else { 1 }).into_iter().collect(),
        Ask::Above(from) => step(from, if yes { 1 } else { 0 }).into_iter().collect(),
        Ask::Below(to) => step(to, if yes { -1 } else { 0 }).into_iter().collect(),
        Ask::StartsWith(part) | Ask::EndsWith(part) | Ask::Contains(part) => {
            vec![text(if yes { part.as_str() } else { "something else" })]
        }
        Ask::Matches(_) => {
            if yes {
                Vec::new()
            } else {
                vec![text("something else"), text("")]
            }
        }
        Ask::AddressAt(set) => addresses(set, yes),
        Ask::UrlAt(set) => hosts(set, yes).into_iter().map(|host| text(format!("https://{host}/"))).collect(),
        Ask::Under(Set::Values(roots)) if yes => roots.iter().map(value_of).collect(),
        Ask::Under(_) => {
            if yes {
                Vec::new()
            } else {
                vec![text("/somewhere/else"), text("file:///somewhere/else")]
            }
        }
        Ask::Given => Vec::new(),
        Ask::True => vec![Value::Bool(yes)],
        Ask::False => vec![Value::Bool(!yes)],
    }
}

/// Values that are none of the known ones.
fn alternatives(shape: Option<&Shape>, known: &[Value], others: Value) -> Vec<Value> {
    let listed =
        shape.and_then(|shape| shape.only.as_ref()).into_iter().flatten().filter(|value| !known.contains(value));
    let mut all: Vec<Value> = listed.cloned().collect();
    all.extend(known.iter().filter_map(other).map(|literal| value_of(&literal)));
    all.push(others);
    all
}

fn addresses(set: &Set, yes: bool) -> Vec<Value> {
    hosts(set, yes).into_iter().map(|host| text(format!("somebody@{host}"))).collect()
}

fn hosts(set: &Set, yes: bool) -> Vec<String> {
    match set {
        Set::Values(values) if yes => values.iter().map(|value| plain(&value_of(value)).replace("*.", "a.")).collect(),
        _ => vec!["elsewhere.example".to_owned()],
    }
}

/// The call as it is, and with each field that the line speaks of.
fn within_fields(call: &Value, line: &Line, resource: &Resource) -> Vec<Value> {
    let spoken_of = resource.fields.iter().filter(|field| line.fields.is_some() && is_inside(line, &field.name));
    let with = spoken_of.take(4).map(|field| with_member(call.clone(), &field.name, of_shape(&field.shape)));
    std::iter::once(call.clone()).chain(with).collect()
}

/// The call with a field that the list leaves out: under a *can* one that it may not give, under the rest one that the
/// line does not speak of.
fn beyond_fields(call: &Value, line: &Line, resource: &Resource) -> Vec<Value> {
    let outside = resource.fields.iter().filter(|field| !is_inside(line, &field.name));
    let with = outside.take(4).map(|field| with_member(call.clone(), &field.name, of_shape(&field.shape)));
    let without = call.members().iter().filter(|(name, _)| !is_inside(line, name)).cloned().collect();
    with.chain([Value::Map(without)]).collect()
}

pub(super) fn is_inside(line: &Line, field: &str) -> bool {
    match &line.fields {
        Some(Fields::Only(names)) => names.iter().any(|name| name == field),
        Some(Fields::AllBut(names)) => !names.iter().any(|name| name == field),
        None => true,
    }
}

/// Calls that use a limit up, or go beyond it at once.
fn filling(call: &Value, limit: &Limit) -> Vec<Value> {
    let Counted::Sum(path) = &limit.of else { return vec![call.clone()] };
    let over = limit.most.checked_add(Decimal::from(1));
    let much = if limit.per == Window::AtOnce { over } else { Some(limit.most) };
    // Half of it, and a little: as much as other tests of the line may let pass.
    let mut calls: Vec<Value> =
        much.map(|much| set(call.clone(), path, Some(Value::Number(much)))).into_iter().collect();
    calls.push(call.clone());
    calls
}

/// One step, taken so often before.
pub(super) fn taken(steps: u64, step: &str) -> Vec<String> {
    match steps {
        0 => Vec::new(),
        1 => vec![step.to_owned()],
        many => vec![format!("{many} times {step}")],
    }
}

/// How many steps use the limit up.
fn earlier(limit: &Limit, call: &Value) -> u64 {
    let most = match (&limit.of, limit.per) {
        (_, Window::AtOnce) => 0,
        (Counted::Times, _) => limit.most.to_u64().unwrap_or(u64::MAX),
        (Counted::Sum(path), _) => match (get(call, path), limit.most.to_u64()) {
            (Some(Value::Number(each)), Some(most)) => match each.to_u64() {
                Some(each) if each > 0 => most / each,
                _ => 1,
            },
            _ => 1,
        },
        (Counted::Rows, _) => 1,
    };
    if most > MOST_STEPS { 0 } else { most }
}

fn shape_at<'a>(resource: &'a Resource, path: &Path) -> Option<&'a Shape> {
    let mut steps = path.steps.iter();
    let first = steps.next()?;
    let mut shape = &resource.fields.get(resource.field_named(&first.name)?)?.shape;
    if first.each {
        shape = shape.items.as_deref()?;
    }
    for step in steps {
        shape = shape.members.iter().find(|(name, _)| *name == step.name).map(|(_, shape)| shape)?;
        if step.each {
            shape = shape.items.as_deref()?;
        }
    }
    Some(shape)
}

/// The first value that stands at the path.
pub(in crate::offline) fn get<'a>(call: &'a Value, path: &Path) -> Option<&'a Value> {
    let mut here = call;
    for step in &path.steps {
        here = here.get(&step.name)?;
        if step.each {
            let Value::List(items) = here else { return None };
            here = items.first()?;
        }
    }
    Some(here)
}

/// The call with that value at the path, in one element of each list on the way; `None`: as it is.
pub(in crate::offline) fn set(call: Value, path: &Path, value: Option<Value>) -> Value {
    match value {
        Some(value) => put(call, &path.steps.iter().map(|s| (s.name.as_str(), s.each)).collect::<Vec<_>>(), value),
        None => call,
    }
}

fn put(here: Value, steps: &[(&str, bool)], value: Value) -> Value {
    let Some(((name, each), rest)) = steps.split_first() else { return value };
    let below = here.get(name).cloned();
    let below = if *each {
        let first = match below {
            Some(Value::List(items)) => items.into_iter().next(),
            _ => None,
        };
        Value::List(vec![put(first.unwrap_or(Value::Map(Vec::new())), rest, value)])
    } else {
        put(below.unwrap_or(Value::Map(Vec::new())), rest, value)
    };
    with_member(here, name, below)
}

pub(in crate::offline) fn with_member(here: Value, name: &str, value: Value) -> Value {
    let mut members = match here {
        Value::Map(members) => members,
        _ => Vec::new(),
    };
    match members.iter_mut().find(|(known, _)| known == name) {
        Some((_, place)) => *place = value,
        None => members.push((name.to_owned(), value)),
    }
    Value::Map(members)
}

/// The call without what the path starts with.
fn without(call: Value, path: &Path) -> Value {
    match call {
        Value::Map(mut members) => {
            members.retain(|(name, _)| path.steps.first().is_none_or(|step| step.name != *name));
            Value::Map(members)
        }
        other => other,
    }
}
