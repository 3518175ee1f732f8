//! The meaning of a scope, written once and slowly, and the fast decision tested against it.

use ambit_core::catalog::{Resource, ResourceId, ResourceKind};
use ambit_core::could::could;
use ambit_core::decide::{Facts, Unused, decide};
use ambit_core::decimal::Decimal;
use ambit_core::decision::{Bound, Decision, Verdict};
use ambit_core::effect::{Effect, Extent, Standing, Verb};
use ambit_core::policy::Policy;
use ambit_core::reading::Reading;
use ambit_core::scope::*;
use ambit_core::task::Task;
use ambit_core::truth::Truth;
use ambit_core::value::Value;
use proptest::prelude::*;

use crate::small_world::{line, policy, reading};

/// The reference. Each effect takes the strictest line that reaches it; what no line reaches is outside; the action takes the strictest effect.
fn slow(policy: &Policy, reading: &Reading, task: Option<&Task>) -> Verdict {
    let outside = if policy.document().front.outside == Outside::Refuse { Verdict::Refuse } else { Verdict::Hold };
    let each = reading.effects.iter().map(|effect| {
        let subject = effect.subject.map(|s| &reading.values[s]);
        let resource = policy.catalog().resource(effect.resource).unwrap();
        let lines: Vec<&Line> = policy.document().lines.iter().filter(|l| speaks_of(policy, l, effect)).collect();
        let fires =
            |l: &&&Line| in_task(l, task) && touches(l, effect, resource) && all(&l.tests, subject, false).fires();
        if lines.iter().any(|l| l.section == Section::CannotTouch && fires(&l)) {
            return Verdict::Refuse;
        }
        let confirms: Vec<&&Line> = lines.iter().filter(|l| l.section == Section::MustConfirm && fires(l)).collect();
        if !confirms.is_empty() {
            return if confirms.iter().all(|l| has_room(l, subject)) { Verdict::Hold } else { Verdict::Refuse };
        }
        if effect.standing == Standing::Declared {
            return Verdict::Allow;
        }
        let cans = || lines.iter().filter(|l| l.section.is_can() && in_task(l, task));
        let passes = |l: &&&Line| all(&l.tests, subject, true) == Truth::Yes && has_room(l, subject);
        let granted: Vec<usize> = cans().filter(passes).flat_map(|l| fields(l, resource)).collect();
        let allowed = if resource.kind == ResourceKind::Relation {
            cans().any(|l| passes(&l)) && effect.fields.iter().all(|f| granted.contains(&f))
        } else {
            cans().filter(passes).any(|l| {
                !effect.fields.has_unlisted() && effect.fields.iter().all(|f| fields(l, resource).contains(&f))
            })
        };
        let covers = |l: &&&Line| {
            !effect.fields.has_unlisted() && effect.fields.iter().all(|f| fields(l, resource).contains(&f))
        };
        let otherwise = cans().filter(covers).any(|l| l.otherwise_human && !passes(&l));
        if allowed {
            Verdict::Allow
        } else if otherwise {
            Verdict::Hold
        } else {
            outside
        }
    });
    let asked = given_back(policy, reading, task).into_iter().flatten().any(|(_, seen)| seen == Some(Verdict::Hold));
    each.max().unwrap_or(Verdict::Hold).max(if asked { Verdict::Hold } else { Verdict::Allow })
}

/// The reference for what comes back, part by part: seen, seen once a human was asked, or (`None`) not seen. Reading the field
/// is an effect whose row nobody knows: what forbids it in doubt forbids it, and what lets it be read needs no test and no limit.
fn given_back(policy: &Policy, reading: &Reading, task: Option<&Task>) -> Option<Vec<(String, Option<Verdict>)>> {
    let call = reading.effects.iter().find(|e| e.verb == Verb::Call && e.standing == Standing::Own)?;
    let parts = &policy.catalog().resource(call.resource).unwrap().declared.parts;
    let each = parts.iter().map(|returned| {
        let name = returned.part.to_string();
        let Some(field) = returned.field else { return (name, Some(Verdict::Allow)) };
        let (extent, standing) = (Extent::default(), Standing::Own);
        let (verb, resource, touched) = (Verb::Read, returned.resource, [field].into_iter().collect());
        let effect = Effect { verb, resource, fields: touched, extent, standing, subject: None };
        let resource = policy.catalog().resource(resource).unwrap();
        let lines: Vec<&Line> = policy.document().lines.iter().filter(|l| speaks_of(policy, l, &effect)).collect();
        let fires =
            |l: &&&Line| in_task(l, task) && touches(l, &effect, resource) && all(&l.tests, None, false).fires();
        let stricter = |section| lines.iter().filter(move |l| l.section == section).filter(fires);
        let confirms = || stricter(Section::MustConfirm);
        if stricter(Section::CannotTouch).next().is_some() || confirms().any(|l| !l.limits.is_empty()) {
            return (name, None);
        }
        if confirms().next().is_some() {
            return (name, Some(Verdict::Hold));
        }
        let lets = |l: &&&Line| l.section.is_can() && in_task(l, task) && fields(l, resource).contains(&field);
        let plainly = |l: &&Line| l.tests.is_empty() && l.limits.is_empty();
        (name, lines.iter().filter(lets).any(plainly).then_some(Verdict::Allow))
    });
    (!parts.is_empty()).then(|| each.collect())
}

fn speaks_of(policy: &Policy, line: &Line, effect: &Effect) -> bool {
    let resource = policy.catalog().resource(effect.resource).unwrap();
    line.targets.iter().any(|t| means(policy, line, t, effect.resource, resource))
        && verb_fits(line, effect.verb, resource)
        && has_fields(line, resource)
}

fn means(policy: &Policy, line: &Line, target: &Target, id: ResourceId, resource: &Resource) -> bool {
    let system = &policy.catalog().system(resource.system).unwrap().name;
    match target {
        Target::Named { .. } => policy.catalog().path(id) == ambit_core::scope::print::print_target(target),
        Target::EveryReadingTool(s) => s == system && resource.declared.reads_only,
        Target::AnythingIn(s) => s == system,
        Target::Tagged(tag) => {
            resource.tags.contains(tag)
                || (!fields_tagged(line, resource).is_empty() && resource.fields.iter().any(|f| f.tags.contains(tag)))
        }
        Target::Anything => true,
    }
}

fn verb_fits(line: &Line, verb: Verb, resource: &Resource) -> bool {
    let said = &line.verbs;
    let tool = resource.kind == ResourceKind::Tool;
    match line.section {
        Section::CanRead => {
            if tool {
                verb == Verb::Call && resource.declared.reads_only
            } else {
                verb == Verb::Read
            }
        }
        Section::CanWrite => {
            if tool {
                verb == Verb::Call && (said.is_empty() || said.contains(&verb))
            } else {
                said.contains(&verb)
            }
        }
        _ if said.is_empty() => true,
        _ if tool => {
            let does: Vec<Verb> = resource.declared.effects.iter().map(|e| e.verb).collect();
            let nothing_known = does.is_empty() && !resource.declared.reads_only;
            let called = said.contains(&Verb::Call)
                || nothing_known
                || (resource.declared.reads_only && said.contains(&Verb::Read))
                || does.iter().any(|v| said.contains(v));
            called && (verb == Verb::Call || said.contains(&verb))
        }
        _ => said.contains(&verb),
    }
}

/// The places that the line's own list, or a tag on a column, leaves.
fn fields(line: &Line, resource: &Resource) -> Vec<usize> {
    let named = |names: &Vec<String>, at: usize| names.contains(&resource.fields[at].name);
    fields_tagged(line, resource)
        .into_iter()
        .filter(|at| match &line.fields {
            None => true,
            Some(Fields::Only(names)) => named(names, *at),
            Some(Fields::AllBut(names)) => !named(names, *at),
        })
        .collect()
}

fn fields_tagged(line: &Line, resource: &Resource) -> Vec<usize> {
    let by_tag_alone = !line.targets.iter().any(|t| match t {
        Target::Tagged(tag) => resource.tags.contains(tag),
        Target::Named { name, .. } => *name == resource.name,
        Target::EveryReadingTool(s) => s == "desk" && resource.declared.reads_only,
        Target::AnythingIn(s) => {
            (s == "db") == (resource.kind == ResourceKind::Relation)
                && (s != "pay" || resource.name == "refund")
                && (s != "desk" || resource.name != "refund")
        }
        Target::Anything => true,
    });
    let tagged =
        |at: &usize| resource.fields[*at].tags.iter().any(|t| line.targets.contains(&Target::Tagged(t.clone())));
    (0..resource.fields.len()).filter(|at| !by_tag_alone || tagged(at)).collect()
}

fn has_fields(line: &Line, resource: &Resource) -> bool {
    !fields(line, resource).is_empty()
        && (line.section != Section::CanRead && line.section != Section::CanWrite
            || line.tests.iter().all(|t| resource.field_named(&t.path.steps[0].name).is_some()))
}

fn touches(line: &Line, effect: &Effect, resource: &Resource) -> bool {
    let whole = line.fields.is_none() && fields_tagged(line, resource).len() == resource.fields.len();
    let beyond = matches!(line.fields, Some(Fields::AllBut(_))) && effect.fields.has_unlisted();
    let any = effect.standing == Standing::Declared && effect.fields.has_unlisted();
    whole
        || any
        || beyond
        || matches!(effect.verb, Verb::Delete | Verb::Define)
        || effect.fields.iter().any(|f| fields(line, resource).contains(&f))
}

fn in_task(line: &Line, task: Option<&Task>) -> bool {
    match (&line.tasks, task) {
        (None, _) => true,
        (Some(Tasks::Only(names)), task) => task.is_some_and(|t| names.contains(&t.name)),
        (Some(Tasks::AnyBut(names)), Some(task)) => !names.contains(&task.name),
        (Some(Tasks::AnyBut(_)), None) => !line.section.is_can(),
    }
}

/// All tests together: over every element of the list, or over one and the same.
fn all(tests: &[Test], subject: Option<&Value>, every: bool) -> Truth {
    if tests.is_empty() {
        return Truth::Yes;
    }
    let Some(subject) = subject else { return Truth::Unknown };
    let plain = tests.iter().filter(|t| !t.path.steps[0].each).map(|t| one(t, subject.get(&t.path.steps[0].name)));
    let plain = plain.fold(Truth::Yes, Truth::and);
    let on_list: Vec<&Test> = tests.iter().filter(|t| t.path.steps[0].each).collect();
    let of = |element: Option<&Value>| on_list.iter().map(|t| one(t, element)).fold(Truth::Yes, Truth::and);
    let list = match subject.get("l") {
        _ if on_list.is_empty() => Truth::Yes,
        None | Some(Value::Null) => of(None),
        Some(Value::List(elements)) if every && elements.is_empty() => Truth::No,
        Some(Value::List(elements)) if every => elements.iter().map(|e| of(Some(e))).fold(Truth::Yes, Truth::and),
        Some(Value::List(elements)) => elements.iter().map(|e| of(Some(e))).fold(Truth::No, Truth::or),
        Some(_) => Truth::Unknown,
    };
    plain.and(list)
}

fn one(test: &Test, value: Option<&Value>) -> Truth {
    let value = value.filter(|v| **v != Value::Null);
    let ask = |ask: &Ask| match (ask, value) {
        (Ask::Given, v) => Truth::from(v.is_some()),
        (Ask::AtMost(Literal::Number(n)), Some(Value::Number(v))) => Truth::from(v <= n),
        (Ask::Above(Literal::Number(n)), Some(Value::Number(v))) => Truth::from(v > n),
        (Ask::Is(Literal::Number(n)), Some(Value::Number(v))) => Truth::from(v == n),
        (Ask::Is(Literal::Text(t)), Some(Value::Text(v))) => Truth::from(v == t),
        (Ask::StartsWith(t), Some(Value::Text(v))) => Truth::from(v.starts_with(t.as_str())),
        _ => Truth::Unknown,
    };
    test.any.iter().map(|p| if p.negated { !ask(&p.ask) } else { ask(&p.ask) }).fold(Truth::No, Truth::or)
}

fn has_room(line: &Line, subject: Option<&Value>) -> bool {
    line.limits.iter().all(|limit| match &limit.of {
        Counted::Times => Decimal::from(1) <= limit.most,
        Counted::Sum(_) => matches!(subject.and_then(|s| s.get("n")), Some(Value::Number(n)) if *n <= limit.most),
        Counted::Rows => false,
    })
}

fn task(name: Option<&str>) -> Option<Task> {
    name.map(|name| Task { name: name.into(), request: None, facts: vec![] })
}

fn fast(policy: &Policy, reading: &Reading, task: Option<&Task>) -> Decision {
    decide(policy, reading, &Facts { now: None, task, usage: &Unused })
}

#[test]
fn a_reading_in_which_nothing_was_asked_for_is_held() {
    let policy = policy(vec![], Outside::Confirm);
    let called = crate::small_world::call("reply", Value::Map(vec![]));
    let beside = called.effects.into_iter().map(|effect| Effect { standing: Standing::Declared, ..effect });
    for effects in [beside.collect(), Default::default()] {
        let decision = fast(&policy, &Reading { effects, ..Reading::default() }, None);
        assert_eq!(decision.verdict, Verdict::Hold);
        assert_eq!(decision.confirmers.len(), 1, "somebody can answer");
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 1500, max_global_rejects: 100_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_fast_decision_is_the_slow_one(lines in prop::collection::vec(line(), 1..9), refuse in any::<bool>(), readings in prop::collection::vec(reading(), 8), in_task in prop::option::of(prop::sample::select(vec!["a", "b"]))) {
        let policy = policy(lines, if refuse { Outside::Refuse } else { Outside::Confirm });
        let task = task(in_task);
        for reading in &readings {
            let decision = fast(&policy, reading, task.as_ref());
            prop_assert_eq!(decision.verdict, slow(&policy, reading, task.as_ref()), "{:#?}\n{:?}", policy.document().lines, reading);
        }
    }

    #[test]
    fn what_comes_back_is_cut_as_the_slow_meaning_cuts_it(lines in prop::collection::vec(line(), 1..9), readings in prop::collection::vec(reading(), 8), in_task in prop::option::of(prop::sample::select(vec!["a", "b"]))) {
        let policy = policy(lines, Outside::Confirm);
        let task = task(in_task);
        for reading in &readings {
            let decision = fast(&policy, reading, task.as_ref());
            let kept = Bound::returns(&decision.bounds).map(|returns| returns.kept.iter().map(|part| part.part.to_string()).collect::<Vec<_>>());
            let slow = given_back(&policy, reading, task.as_ref()).filter(|_| decision.verdict != Verdict::Refuse);
            let slow = slow.map(|parts| parts.into_iter().filter(|(_, seen)| seen.is_some()).map(|(name, _)| name).collect::<Vec<_>>());
            prop_assert_eq!(kept, slow, "{:#?}\n{:?}", policy.document().lines, reading);
        }
    }

    #[test]
    fn what_is_hidden_is_refused_whatever_is_asked(lines in prop::collection::vec(line(), 1..9), refuse in any::<bool>(), readings in prop::collection::vec(reading(), 8), in_task in prop::option::of(prop::sample::select(vec!["a", "b"]))) {
        let policy = policy(lines, if refuse { Outside::Refuse } else { Outside::Confirm });
        let task = task(in_task);
        let facts = Facts { now: None, task: task.as_ref(), usage: &Unused };
        for reading in &readings {
            let effect = &reading.effects[0];
            if !could(&policy, effect.resource, effect.verb, &facts) {
                prop_assert_eq!(decide(&policy, reading, &facts).verdict, Verdict::Refuse);
            }
        }
    }

    #[test]
    fn a_cannot_is_never_allowed_and_order_does_not_matter(lines in prop::collection::vec(line(), 1..9), readings in prop::collection::vec(reading(), 4)) {
        let policy = policy(lines, Outside::Confirm);
        let mut turned = policy.document().lines.clone();
        turned.retain(|l| l.limits.is_empty());
        let straight = crate::small_world::policy(turned.clone(), Outside::Confirm);
        turned.reverse();
        let reversed = crate::small_world::policy(turned, Outside::Confirm);
        for reading in &readings {
            prop_assert_eq!(fast(&straight, reading, None).verdict, fast(&reversed, reading, None).verdict);
            let decision = fast(&policy, reading, None);
            let grounds = decision.grounds.iter().map(|g| g.verdict).max();
            prop_assert_eq!(grounds, Some(decision.verdict), "the verdict is the strictest of its grounds");
        }
    }
}
