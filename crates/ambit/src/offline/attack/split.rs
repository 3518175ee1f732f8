//! An amount in parts: what must not run at once must not run by halves, with nobody asked.

use ambit_core::decide::Facts;
use ambit_core::decimal::Decimal;
use ambit_core::decision::Verdict;
use ambit_core::scope::{Ask, Counted, Path};
use ambit_core::usage::Counters;
use ambit_core::value::Value;
use ambit_effects::attempt::Attempt;

use super::base::Base;
use super::{Attack, Target, shown};
use crate::offline::Trial;
use crate::offline::test::sample;

/// Into so many parts.
const PARTS: [u64; 4] = [2, 3, 10, 100];

/// The attacks that send the amounts of a call in parts, one after another, limits used up as they are.
pub(super) fn attacks(target: &Target<'_>, base: &Base) -> Vec<Attack> {
    if base.verdict == Verdict::Allow {
        return Vec::new();
    }
    let mut attacks = Vec::new();
    for (path, whole) in amounts(target, base) {
        attacks.extend(PARTS.iter().filter(|parts| **parts <= whole).map(|parts| {
            let each = sizes(whole, *parts);
            attack(target, base, &path, &each)
        }));
    }
    attacks
}

/// The whole amounts of the call that lines bound or sum up.
fn amounts(target: &Target<'_>, base: &Base) -> Vec<(Path, u64)> {
    let is_bound = |ask: &Ask| matches!(ask, Ask::AtLeast(_) | Ask::AtMost(_) | Ask::Above(_) | Ask::Below(_));
    let lines = target.policy.lines().iter().map(|line| &line.line);
    let paths = lines.flat_map(|line| {
        let tests = line.tests.iter().filter(|test| test.any.iter().any(|one| is_bound(&one.ask))).map(|t| &t.path);
        let sums = line.limits.iter().filter_map(|limit| match &limit.of {
            Counted::Sum(path) => Some(path),
            Counted::Rows | Counted::Times => None,
        });
        tests.chain(sums)
    });
    let mut found: Vec<(Path, u64)> = Vec::new();
    for path in paths {
        let Some(Value::Number(number)) = sample::get(&base.arguments, path) else { continue };
        let whole = number.to_u64().filter(|_| number.is_integer() && !number.is_negative());
        if let Some(whole) = whole.filter(|_| !found.iter().any(|(known, _)| known == path)) {
            found.push((path.clone(), whole));
        }
    }
    found
}

/// The whole in so many parts, as even as can be.
fn sizes(whole: u64, parts: u64) -> Vec<u64> {
    let (each, rest) = (whole / parts.max(1), whole % parts.max(1));
    (0..parts).map(|part| if part < rest { each + 1 } else { each }).collect()
}

/// The same for whoever plays them: how it is done, and the calls one after another.
pub(super) fn plays(target: &Target<'_>, base: &Base) -> Vec<(String, Vec<Attempt>)> {
    if base.verdict == Verdict::Allow {
        return Vec::new();
    }
    let mut plays = Vec::new();
    for (path, whole) in amounts(target, base) {
        plays.extend(PARTS.iter().filter(|parts| **parts <= whole).map(|parts| {
            let each = sizes(whole, *parts);
            (done(each.len()), each.iter().map(|size| part(base, &path, *size)).collect())
        }));
    }
    plays
}

fn done(parts: usize) -> String {
    format!("send it in {parts} parts, one after another")
}

fn part(base: &Base, path: &Path, size: u64) -> Attempt {
    base.with(&sample::set(base.arguments.clone(), path, Some(Value::Number(Decimal::from(size)))))
}

fn attack(target: &Target<'_>, base: &Base, path: &Path, each: &[u64]) -> Attack {
    let mut counters = Counters::new();
    let task = Some(base.task.name.as_str());
    let (mut came, mut grounds, mut tries) = (Verdict::Allow, Vec::new(), String::new());
    for size in each {
        let attempt = part(base, path, *size);
        let usage = counters.at(target.policy.limits(), Some(target.now), task);
        let facts = Facts { now: Some(target.now), task: Some(&base.task), usage: &usage };
        let trial = Trial::of(target.policy, target.around, &attempt, &facts);
        if let Trial::Decided { decision, .. } = &trial {
            counters.charge(target.policy.limits(), &decision.charges, target.now, task);
        }
        came = came.max(trial.verdict());
        (tries, grounds) = (shown(&attempt), trial.answer(target.policy).grounds);
        if came > Verdict::Allow {
            break;
        }
    }
    // Parts that a person sees are no way around people.
    let got_through = came == Verdict::Allow;
    let done = done(each.len());
    let grounds = if got_through { grounds } else { Vec::new() };
    let at_least = Verdict::Hold;
    Attack { kind: "split", from: base.from.clone(), done, tries, at_least, came, got_through, grounds }
}
